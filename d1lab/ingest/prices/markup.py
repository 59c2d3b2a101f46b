"""Read the schema.org data in a page's HTML: JSON-LD first, else microdata.

Pages are untrusted input: a script that is not JSON is skipped, and microdata is read within
limits. The parser is lxml: it limits nesting depth, on which other parsers take hours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.ingest.prices import microdata

if TYPE_CHECKING:
    from lxml import etree

_WRAPPING = re.compile(r"^\s*(?://\s*)?<!(?:--|\[CDATA\[)|(?://\s*)?(?:-->|\]\]>)\s*$")

Node = Mapping[str, Any]
"""One item on a page: its properties by name, with its types under '@type'."""


class Markup(NamedTuple):
    """A page's data in one syntax."""

    roots: tuple[Node, ...]  # the items that are not part of another
    by_id: Mapping[str, Node]  # the items with an '@id', for references

    def values(self, node: Node, name: str) -> list[Any]:
        """Return the values of a property as a list, with references resolved."""
        found = node.get(name)
        items = found if isinstance(found, list) else [] if found is None else [found]
        return [self._followed(item) for item in items]

    def nodes(self, node: Node, name: str) -> list[Node]:
        """Return the items among the values of a property."""
        return [value for value in self.values(node, name) if isinstance(value, Mapping)]

    def _followed(self, item: Any) -> Any:
        if isinstance(item, Mapping) and item.keys() <= {"@id", "@type"}:
            return self.by_id.get(str(item.get("@id")), item)
        return item


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


def _parsed(html: bytes, charset: str | None) -> etree._Element:
    require("prices", "Reading product pages")
    from lxml import etree

    try:
        page = etree.fromstring(html, etree.HTMLParser(encoding=charset or _declared(html)))
    except (etree.LxmlError, LookupError, ValueError) as error:
        raise InputError(f"the page is not HTML: {error or 'empty document'}") from None
    if page is None:
        raise InputError("the page is not HTML: no elements")
    return page


def _declared(html: bytes) -> str | None:
    """Return UTF-8 if the bytes are valid UTF-8; else the encoding that the page declares."""
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _json_ld(page: etree._Element) -> Iterator[Any]:
    for script in page.iter("script"):
        kind = str(script.get("type", "")).partition(";")[0]
        if kind.strip().lower() == "application/ld+json":
            told = _json(str(script.text or ""))
            yield from told if isinstance(told, list) else [told]


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


def _opened(item: Any) -> Sequence[Node]:
    """Return a document's items: itself, or those of its graph."""
    if not isinstance(item, dict):
        return ()
    graph = item.get("@graph")
    members = graph if isinstance(graph, list) else [graph]
    return [node for node in members if isinstance(node, dict)] if graph else [item]


def _collect(value: Any, named: dict[str, Node], depth: int) -> None:
    if depth > 20:
        return
    if isinstance(value, list):
        for part in value:
            _collect(part, named, depth + 1)
    elif isinstance(value, dict):
        name = value.get("@id")
        if isinstance(name, str) and value.keys() - {"@id", "@type"}:
            named.setdefault(name, value)
        for part in value.values():
            _collect(part, named, depth + 1)
