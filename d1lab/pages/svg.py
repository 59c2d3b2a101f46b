"""Vega charts: static SVG without scripts, and the script for interactive charts."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.charts.drawn import draw_form
from d1lab.charts.plain_svg import plain_svg, static_spec
from d1lab.files import write
from d1lab.pages.chart_renderer import ChartRenderer
from d1lab.secrets import kernel_variables

MIME = "application/vnd.vegalite"  # and a version


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


def draw(spec: Mapping[str, Any], name: str) -> str:
    """Draw a chart as inline SVG of plain shapes and text, in the palette's light colors.

    Charts of `d1lab.charts` are drawn here; Vega renders all others, in a process of its own.

    Args:
        spec: Vega-Lite specification with inline data; nothing is fetched.
        name: Name unique within the page, used in the ids of the SVG.

    Raises:
        ValueError: Vega cannot render it; the message is from Vega.
    """
    return draw_form(spec) or plain_svg(_picture(static_spec(spec)).result(), name)


def prerender(outputs: Iterable[Mapping[str, Any]]) -> None:
    """Start rendering a cell's charts in the background, for the page; not those it draws."""
    for output in outputs:
        for mime, value in output.get("data", {}).items():
            if mime.startswith(MIME) and draw_form(value) is None:
                _picture(static_spec(value))


@lru_cache(maxsize=64)
def _picture(spec: str) -> Future[str]:
    return _renderer().draw(spec)


@lru_cache(maxsize=1)
def _renderer() -> ChartRenderer:
    return ChartRenderer(kernel_variables())
