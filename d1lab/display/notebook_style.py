"""HTML of display objects in a notebook: one style, which follows its light or dark theme."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from d1lab.display.palette import PALETTE

FILE = Path(__file__).with_name("notebook.css")

_DARK = ("[data-jp-theme-light=false]", "[data-vscode-theme-kind$=dark]", ".vscode-dark")
"""Dark themes of JupyterLab and of VS Code, by what they write on the page's body."""


@cache
def style() -> str:
    """Return the style sheet of every display object; a notebook repeats it for each output."""
    light, dark = (
        "".join(f"--{name}:{pair[scheme]};" for name, pair in PALETTE.items()) for scheme in (0, 1)
    )
    follow = "".join(
        f'.d1lab [{paint}="{pair[0]}"]{{{paint}:var(--{name})}}'
        for name, pair in PALETTE.items()
        for paint in ("fill", "stroke")
    )
    dark_rule = ",".join(f"{theme} .d1lab" for theme in _DARK)
    rules = re.sub(r"\s+", " ", FILE.read_text(encoding="utf-8"))
    return f".d1lab{{{light}}}{dark_rule}{{{dark}}}{follow}{rules}"


def framed(html: str) -> str:
    """Return HTML in a block with the style, in which amounts are never read as formulas.

    JupyterLab sets text between two dollar signs as a formula, except in these classes.
    """
    classes = "d1lab mathjax_ignore tex2jax_ignore"
    return f'<div class="{classes}"><style>{style()}</style>{html}</div>'
