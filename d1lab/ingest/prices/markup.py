"""The schema.org data in a page's HTML: JSON-LD first, microdata where there is none.

Extruct finds it. Pages are untrusted input: a script that is no JSON is passed over, as a browser
would, and what breaks the extractor is no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from d1lab.errors import InputError

MAX_PROPERTIES = 2_000  # of microdata: reading takes longer than in proportion
_NEEDED = ("extruct", "protego")

Node = Mapping[str, Any]
"""One thing that a page tells of: its properties by name, its types under '@type'."""


class Markup(NamedTuple):
    """What a page says in one syntax."""

    roots: tuple[Node, ...]  # the things that are part of no other
    by_id: Mapping[str, Node]  # those with a name of their own, for others to refer to

    def values(self, node: Node, name: str) -> list[Any]:
        """The values of a property, always as a list, references followed."""
        found = node.get(name)
        items = found if isinstance(found, list) else [] if found is None else [found]
        return [self._followed(item) for item in items]

    def nodes(self, node: Node, name: str) -> list[Node]:
        """The things among the values of a property."""
        return [value for value in self.values(node, name) if isinstance(value, Mapping)]

    def _followed(self, item: Any) -> Any:
        if isinstance(item, Mapping) and item.keys() <= {"@id", "@type"}:
            return self.by_id.get(str(item.get("@id")), item)
        return item


def require_extractor() -> None:
    """Raise InputError where the packages that read pages are not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"reading product pages needs {' and '.join(missing)}: pip install 'd1lab[prices]'"
        )


def markups(html: bytes, charset: str | None) -> list[Markup]:
    """What a page says, by syntax, the more reliable first.

    Args:
        html: The page's bytes.
        charset: As its header declares; None where the page itself may say.

    Raises:
        InputError: It is no HTML, or holds more microdata than any product page.
    """
    import lxml.etree
    from extruct.utils import parse_html

    try:
        tree = parse_html(html, charset or _declared(html))
    except (lxml.etree.LxmlError, LookupError, ValueError) as error:
        raise InputError(f"the page is no HTML: {error or 'it is empty'}") from None
    found = (_markup(_json_ld(tree)), _markup(_microdata(tree)))
    return [markup for markup in found if markup.roots]


def _declared(html: bytes) -> str | None:
    """UTF-8 if it is that; else what the page says of itself."""
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _json_ld(tree: Any) -> Iterator[Any]:
    from extruct.jsonld import JsonLdExtractor

    for script in tree.iter("script"):
        if script.get("type", "").partition(";")[0].strip().lower() == "application/ld+json":
            script.set("type", "application/ld+json")
            yield from _tried(lambda script=script: JsonLdExtractor().extract_items(script))


def _microdata(tree: Any) -> Iterator[Any]:
    from extruct.w3cmicrodata import MicrodataExtractor

    count = int(tree.xpath("count(//*[@itemprop])"))
    if count > MAX_PROPERTIES:
        raise InputError(f"the page holds {count:,} microdata properties: no product page does")
    items = _tried(lambda: MicrodataExtractor().extract_items(tree, ""))
    yield from map(_as_json_ld, items)


def _tried(extract: Any) -> list[Any]:
    import lxml.etree

    try:
        return extract()
    except (
        lxml.etree.LxmlError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ):
        return []


def _as_json_ld(item: Any) -> Any:
    """Microdata's items in JSON-LD's shape."""
    if isinstance(item, list):
        return [_as_json_ld(part) for part in item]
    if not isinstance(item, dict):
        return item
    named = {name: _as_json_ld(value) for name, value in item.get("properties", {}).items()}
    return {**named, "@type": item.get("type"), "@id": item.get("id")}


def _markup(items: Iterator[Any]) -> Markup:
    roots = tuple(root for item in items for root in _opened(item))
    named: dict[str, Node] = {}
    for root in roots:
        _collect(root, named, depth=0)
    return Markup(roots, named)


def _opened(item: Any) -> Sequence[Node]:
    """A document's things: itself, or those of its graph."""
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
