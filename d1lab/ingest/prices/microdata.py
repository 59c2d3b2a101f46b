"""Microdata in a page's HTML, in JSON-LD's shape: https://html.spec.whatwg.org/#microdata.

Values are read as in the HTML standard, except that a `content` attribute takes precedence on
every element: shops put the plain price there, and search engines read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from d1lab.errors import InputError

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - it has no other name

    Element = _Element

MAX_PROPERTIES = 2_000
_MAX_WORK = 300_000  # elements visited, and 20 characters of text each; itemref can repeat both
_DEEPEST = 20  # items within items
_ADDRESSES = {
    **dict.fromkeys(("a", "area", "link"), "href"),
    **dict.fromkeys(("audio", "embed", "iframe", "img", "source", "track", "video"), "src"),
    **{"object": "data", "data": "value", "meter": "value", "time": "datetime"},
}
"""The attribute with an element's value, by tag."""


def items(page: Element) -> Iterator[dict[str, Any]]:
    """Return the items that are not part of another.

    Raises:
        InputError: The page has too much microdata for a product page.
    """
    count = int(page.xpath("count(//*[@itemprop])"))
    if count > MAX_PROPERTIES:
        raise _too_much(f"{count:,} microdata properties")
    reader = _Reader(page)
    for scope in page.xpath("//*[@itemscope][not(@itemprop)]"):
        yield reader.item(scope, ())


class _Reader:
    """Reads the items of one page, with a limit on the work."""

    def __init__(self, page: Element) -> None:
        self._page, self._left = page, _MAX_WORK
        self._ids: dict[str, Element] | None = None

    def item(self, scope: Element, within: tuple[Element, ...]) -> dict[str, Any]:
        """Read an item; `within` are the enclosing items, which it cannot contain."""
        around = (*within, scope)
        item: dict[str, Any] = {
            "@type": str(scope.get("itemtype", "")).split(),
            "@id": scope.get("itemid"),
        }
        for node in self._properties(scope):
            value = self._value(node, around)
            for name in str(node.get("itemprop", "")).split():
                if name not in ("@type", "@id"):
                    item.setdefault(name, []).append(value)
        return item

    def _properties(self, scope: Element) -> Iterator[Element]:
        """Return the elements with the item's properties, in page order."""
        waiting = [*_children(scope), *self._referred(scope)][::-1]
        met = {scope}
        while waiting:
            node = waiting.pop()
            if node in met:
                continue
            met.add(node)
            self._spend(1)
            if "itemprop" in node.attrib:
                yield node
            if "itemscope" not in node.attrib:
                waiting.extend([*_children(node)][::-1])

    def _referred(self, scope: Element) -> list[Element]:
        names = str(scope.get("itemref", "")).split()
        if names and self._ids is None:
            nodes = reversed(self._page.xpath("//*[@id]"))  # the first element with an id counts
            self._ids = {node.get("id"): node for node in nodes}
        known = self._ids or {}
        return [known[name] for name in names if name in known]

    def _value(self, node: Element, around: tuple[Element, ...]) -> Any:
        if "itemscope" in node.attrib:
            closed = node in around or len(around) >= _DEEPEST
            return None if closed else self.item(node, around)
        for name in ("content", _ADDRESSES.get(str(node.tag), "content")):
            if name in node.attrib:
                return node.get(name)
        text = str(node.xpath("string()"))
        self._spend(len(text) // 20)
        return " ".join(text.split())

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise _too_much("too much nested microdata")


def _children(node: Element) -> Iterator[Element]:
    return node.iterchildren("*")  # without comments


def _too_much(what: str) -> InputError:
    return InputError(f"the page has {what}, too much for a product page")
