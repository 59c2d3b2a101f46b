"""Charts for reports, in d1lab's theme.

forms     chart functions: line, bar, points, interval, heatmap
encoding  columns to axes, marks, and formats
drawn     the same charts as HTML and SVG, for pages
theme     colors, fonts, and number formats

The chart functions are imported when the first one is used: pages need the theme only, and Altair
takes longer to import than a run with nothing to do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d1lab.charts.forms import bar, heatmap, interval, line, points

__all__ = ["bar", "heatmap", "interval", "line", "points"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'd1lab.charts' has no attribute {name!r}")
    return getattr(import_module("d1lab.charts.forms"), name)


def __dir__() -> list[str]:
    return __all__
