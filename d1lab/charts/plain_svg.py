"""Charts as static SVG of plain shapes and text, without scripts, styles, and references."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

WIDTH = 680  # width of the static chart, in CSS pixels

_TAGS = frozenset(
    {"svg", "g", "path", "line", "rect", "text", "tspan", "defs", "clipPath", "linearGradient"}
    | {"stop"}
)
_ATTRIBUTES = frozenset(
    {"id", "transform", "d", "x", "y", "dx", "dy", "x1", "x2", "y1", "y2", "width", "height"}
    | {"viewBox", "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "opacity"}
    | {"stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin"}
    | {"stroke-miterlimit", "text-anchor", "font-size", "font-weight", "font-style"}
    | {"clip-path", "offset", "stop-color", "stop-opacity"}
)
_DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("font-weight", "normal")}
_NOTHING = {"", "M0,0h0v0h0Z"}
_INHERITED = ("fill", "stroke", "stroke-width", "font-size", "text-anchor")
_CIRCLE = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0Z?")
_PLACE = re.compile(r"translate\((\S+),(\S+)\)")


def live_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification for the page's script, without the title (shown by the page)."""
    kept = {name: value for name, value in spec.items() if name not in ("title", "usermeta")}
    if kept.get("width") == "container":
        kept["autosize"] = {"type": "fit-x", "contains": "padding"}
    return kept


def static_spec(spec: Mapping[str, Any]) -> str:
    """Return the specification for the static chart as canonical JSON."""
    fixed: dict[str, Any] = live_spec(spec)
    if fixed.get("width") == "container":
        fixed["width"] = WIDTH
    if "d1lab" in (spec.get("usermeta") or {}):  # short labels; measuring takes half the time
        config: dict[str, Any] = fixed.get("config") or {}
        fixed["config"] = config | {"axis": config.get("axis", {}) | {"labelLimit": 0}}
    return json.dumps(fixed, sort_keys=True)


def plain_svg(text: str, name: str) -> str:
    """Reduce SVG to shapes and text, so that it can stand within a page.

    Args:
        text: SVG as Vega renders it.
        name: Name unique within the page, used in the ids of the SVG.
    """
    root = ET.fromstring(text)
    _strip(root)
    for size in ("width", "height"):
        root.attrib.pop(size, None)  # sized by the view box and CSS
    root.attrib["aria-hidden"] = "true"  # the chart's description replaces it
    return ET.tostring(root, encoding="unicode", short_empty_elements=True).replace("\ue000", name)


def _strip(element: ET.Element) -> None:
    """Keep only known elements and attributes, with shortened numbers."""
    element.tag = element.tag.rpartition("}")[2]
    element.attrib = {
        name: _short(name, value)
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and (name, value) not in _DEFAULTS and _is_local(value)
    }
    kept: list[ET.Element] = []
    for child in element:
        if not _draws(child):
            continue
        _strip(child)
        bare_group = child.tag == "g" and not child.attrib
        kept += list(child) if bare_group else [child]
    element[:] = [child for child in kept if child.tag != "g" or len(child)]
    if element.tag == "path":
        _round_off(element)
    for name in _INHERITED if len(element) > 1 else ():
        values = {child.get(name) for child in element}
        if len(values) == 1 and None not in values:
            element.set(name, values.pop() or "")
            for child in element:
                del child.attrib[name]


def _round_off(path: ET.Element) -> None:
    """Convert a path that is a circle to a circle element, a third of the size."""
    circle = _CIRCLE.fullmatch(path.get("d", ""))
    place = _PLACE.fullmatch(path.get("transform", ""))
    if circle and place:
        path.tag = "circle"
        del path.attrib["d"], path.attrib["transform"]
        path.attrib |= {"cx": place[1], "cy": place[2], "r": circle[1]}


def _draws(element: ET.Element) -> bool:
    tag = element.tag.rpartition("}")[2]
    if tag not in _TAGS or element.get("display") == "none":
        return False
    return tag != "path" or element.get("d") not in _NOTHING


def _is_local(value: str) -> bool:
    """Return whether an attribute has no reference outside this SVG."""
    return "url(" not in value or value.startswith("url(#")


def _short(name: str, value: str) -> str:
    if name == "id":
        return "\ue000" + value
    if value.startswith("url(#"):
        return value.replace("#", "#\ue000", 1)
    if name in ("fill", "stroke", "stop-color"):
        return value
    return re.sub(
        r"-?\d*\.\d{2,}(e-?\d+)?", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), value
    )
