"""Charts: a few forms that suit every report, in d1lab's theme.

forms draws them, encoding says how columns become axes and marks, theme holds colors and fonts.
"""

from d1lab.charts.forms import bar, heatmap, interval, line, points

__all__ = ["bar", "heatmap", "interval", "line", "points"]
