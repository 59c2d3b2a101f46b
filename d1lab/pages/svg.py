"""Vega charts: static SVG without scripts, and the script for interactive charts."""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.files import write
from d1lab.pages.chart_renderer import ChartRenderer
from d1lab.secrets import kernel_variables

MIME = "application/vnd.vegalite"  # and a version
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


class Script(NamedTuple):
    """A script packed for a page: gzip in base64, and its hash for the CSP."""

    packed: str
    csp_hash: str


def csp_hash(text: str) -> str:
    """Return the source expression of a script for a content security policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def pack(text: str) -> str:
    """Compress text to gzip in base64; deterministic."""
    return b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@lru_cache(maxsize=1)
def bundle(cache_dir: Path) -> Script:
    """Bundle Vega, Vega-Lite, and Vega-Embed in one script that sets only `window.vegaEmbed`.

    Building it takes seconds, so it is cached in `cache_dir` by version.
    """
    import vl_convert

    path = cache_dir / f"vega-{version('vl-convert-python')}.json"
    with suppress(OSError, ValueError, TypeError):  # absent or damaged: it is made again
        return Script(**json.loads(path.read_text()))
    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    wrapped = f"(function(){{{source}\n}})();"
    script = Script(pack(wrapped), csp_hash(wrapped))
    write(path, json.dumps(script._asdict()))
    return script


def live_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification for the page's script, without the title (shown by the page)."""
    kept = {name: value for name, value in spec.items() if name not in ("title", "usermeta")}
    if kept.get("width") == "container":
        kept["autosize"] = {"type": "fit-x", "contains": "padding"}
    return kept


def draw(spec: Mapping[str, Any], name: str) -> str:
    """Render a chart to inline SVG of plain shapes and text, in the palette's light colors.

    Args:
        spec: Vega-Lite specification with inline data; nothing is fetched.
        name: Name unique within the page, used in the ids of the SVG.

    Raises:
        ValueError: Vega cannot render it; the message is from Vega.
    """
    return _plain_svg(_picture(_drawable(spec)).result()).replace("\x00", name)


def prerender(outputs: Iterable[Mapping[str, Any]]) -> None:
    """Start rendering the charts in a cell's outputs in the background, for the page."""
    for output in outputs:
        for mime, value in output.get("data", {}).items():
            if mime.startswith(MIME):
                _picture(_drawable(value))


def _drawable(spec: Mapping[str, Any]) -> str:
    """Return the specification for the static chart as canonical JSON."""
    fixed: dict[str, Any] = live_spec(spec)
    if fixed.get("width") == "container":
        fixed["width"] = WIDTH
    if "d1lab" in (spec.get("usermeta") or {}):  # short labels; measuring takes half the time
        config: dict[str, Any] = fixed.get("config") or {}
        fixed["config"] = config | {"axis": config.get("axis", {}) | {"labelLimit": 0}}
    return json.dumps(fixed, sort_keys=True)


@lru_cache(maxsize=64)
def _picture(spec: str) -> Future[str]:
    return _artist().draw(spec)


@lru_cache(maxsize=1)
def _artist() -> ChartRenderer:
    return ChartRenderer(kernel_variables())


def _plain_svg(text: str) -> str:
    """Reduce SVG to shapes and text; ids start with NUL as a placeholder for the chart's name."""
    root = ET.fromstring(text)
    _strip(root)
    for name in ("width", "height"):
        root.attrib.pop(name, None)  # sized by the view box and CSS
    root.attrib["aria-hidden"] = "true"  # the chart's description replaces it
    return ET.tostring(root, encoding="unicode", short_empty_elements=True).replace(
        "\ue000", "\x00"
    )


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
