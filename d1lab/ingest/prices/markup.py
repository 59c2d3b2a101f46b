"""Read the schema.org data in a page's HTML: JSON-LD first, else microdata.

Pages are untrusted input: a script that is not JSON is skipped, and microdata is read within
limits. The parser is lxml: it limits nesting depth, on which other parsers take hours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.ingest.prices import microdata

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    from d1lab.ingest.prices.microdata import Element

_WRAPPING = re.compile(r"^\s*(?://\s*)?<!(?:--|\[CDATA\[)|(?://\s*)?(?:-->|\]\]>)\s*$")

Node = Mapping[str, Any]
"""One item on a page: its properties by name, with its types under '@type'."""


class Markup(NamedTuple):
    """A page's data in one syntax."""

    roots: tuple[Node, ...]  # the items that are not part of another
    by_id: Mapping[str, Node]  # the items with an '@id', for references

    def values(self, node: Node, name: str) -> list[Any]:
        """Return the values of a property as a list, with references resolved."""
        found: Any = node.get(name)
        items = _as_list(found) if found is not None else []
        return [self._followed(item) for item in items]

    def nodes(self, node: Node, name: str) -> list[Node]:
        """Return the items among the values of a property."""
        return [value for value in self.values(node, name) if isinstance(value, Mapping)]

    def _followed(self, item: Any) -> Any:
        if not isinstance(item, Mapping):
            return item
        node = cast("Node", item)
        is_reference = node.keys() <= {"@id", "@type"}
        return self.by_id.get(str(node.get("@id")), node) if is_reference else node


def markups(html: bytes, charset: str | None) -> Iterator[Markup]:
    """Yield a page's data by syntax, lazily, the most reliable syntax first.

    Args:
        html: The page's bytes.
        charset: From the Content-Type header; None to detect it from the page.

    Raises:
        InputError: The page is not HTML, or has too much microdata for a product page.
    """
    page = _parsed(html, charset)
    for items in (_json_ld(page), microdata.items(page)):
        markup = _markup(items)
        if markup.roots:
            yield markup


def _parsed(html: bytes, charset: str | None) -> Element:
    require("prices", "Reading product pages")
    from lxml import etree

    try:
        page = etree.fromstring(html, etree.HTMLParser(encoding=charset or _declared(html)))
    except (etree.LxmlError, LookupError, ValueError) as error:
        raise InputError(f"the page is not HTML: {error or 'empty document'}") from None
    if page is None:  # pyright: ignore[reportUnnecessaryComparison] - a page without an element
        raise InputError("the page is not HTML: no elements")
    return page


def _declared(html: bytes) -> str | None:
    """Return UTF-8 if the bytes are valid UTF-8; else the encoding that the page declares."""
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _json_ld(page: Element) -> Iterator[Any]:
    for script in page.iter("script"):
        kind = str(script.get("type", "")).partition(";")[0]
        if kind.strip().lower() == "application/ld+json":
            data = _json(str(script.text or ""))
            yield from data if isinstance(data, list) else [data]


def _json(text: str) -> Any:
    """Parse a script as JSON, ignoring comment marks around it; None if it is not JSON."""
    try:
        return json.loads(_WRAPPING.sub("", text), strict=False)
    except (ValueError, RecursionError):
        return None


def _markup(items: Iterator[Any]) -> Markup:
    roots = tuple(root for item in items for root in _opened(item))
    named: dict[str, Node] = {}
    for root in roots:
        _collect(root, named, depth=0)
    return Markup(roots, named)


def _as_list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _opened(item: Any) -> Sequence[Node]:
    """Return a document's items: itself, or those of its graph."""
    if not isinstance(item, dict):
        return ()
    node = cast("dict[str, Any]", item)
    graph: Any = node.get("@graph")
    members = cast("list[Node]", [entry for entry in _as_list(graph) if isinstance(entry, dict)])
    return members if graph else [node]


def _collect(value: Any, named: dict[str, Node], depth: int) -> None:
    if depth > 20:
        return
    if isinstance(value, list):
        for part in cast("list[Any]", value):
            _collect(part, named, depth + 1)
    elif isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        name = node.get("@id")
        if isinstance(name, str) and node.keys() - {"@id", "@type"}:
            named.setdefault(name, node)
        for part in node.values():
            _collect(part, named, depth + 1)
