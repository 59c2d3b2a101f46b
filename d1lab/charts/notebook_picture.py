"""A chart's MIME bundle for notebooks: SVG in the notebook's colors, and a picture in a file's."""

from __future__ import annotations

import re
from html import escape
from itertools import count
from typing import Any, cast

from d1lab.charts.plain_svg import plain_svg, static_spec
from d1lab.display.notebook_style import framed
from d1lab.display.palette import PALETTE

_TITLE_HEIGHT = 30
_FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"
_numbers = count(1)


def notebook_bundle(spec: dict[str, Any], description: str) -> dict[str, Any]:
    """Return a chart's MIME bundle for JupyterLab and other notebook programs.

    `text/html` has the drawing itself, which follows a light or dark theme; `image/svg+xml` is the
    same drawing on its own ground, for programs that show no HTML.

    Args:
        spec: Vega-Lite specification with inline data; nothing is fetched.
        description: Text for screen readers, and for terminals.
    """
    import vl_convert

    try:
        drawn = vl_convert.vegalite_to_svg(static_spec(spec), allowed_base_urls=[])
    except ValueError as error:
        text = f"This chart could not be drawn: {str(error).splitlines()[-1][:300]}"
        return {"text/plain": text}
    svg, title = plain_svg(drawn, f"d1lab{next(_numbers)}-"), title_of(spec)
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    figure = f'<figure class="chart" role="img" aria-label="{escape(description)}">'
    return {
        "text/html": framed(f"{figure}{caption}{svg}</figure>"),
        "image/svg+xml": _standalone(svg, title, description),
        "text/plain": description,
    }


def title_of(spec: dict[str, Any]) -> str:
    """Return the title of a specification; empty without one."""
    title: Any = spec.get("title") or ""
    return str(cast("Any", title).get("text", "") if isinstance(title, dict) else title)


def _standalone(svg: str, title: str, description: str) -> str:
    """Return the drawing as a document of its own, with its title above."""
    opening, _, shapes = svg.partition(">")
    box = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', opening)
    width, height = (float(box[1]), float(box[2])) if box else (680.0, 300.0)
    paper, ink = PALETTE["paper"][0], PALETTE["ink"][0]
    size = f'width="{width:g}" height="{height + _TITLE_HEIGHT:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONT}" '
        f'viewBox="0 {-_TITLE_HEIGHT} {width:g} {height + _TITLE_HEIGHT:g}">'
        f'<title>{escape(description)}</title><rect y="{-_TITLE_HEIGHT}" {size} fill="{paper}"/>'
        f'<text x="4" y="-10" font-size="14" font-weight="bold" fill="{ink}">{escape(title)}</text>'
        f"<g>{shapes.removesuffix('</svg>')}</g></svg>"
    )
