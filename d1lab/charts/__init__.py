"""Charts for reports, in d1lab's theme.

forms     chart functions: line, bar, points, interval, heatmap
encoding  columns to axes, marks, and formats
theme     colors, fonts, and number formats
"""

from d1lab.charts.forms import bar, heatmap, interval, line, points

__all__ = ["bar", "heatmap", "interval", "line", "points"]
