"""Tables and charts as an analysis declares them: all but the drawing, which is the lab's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from d1lab.display.table import DEFAULT_LIMIT


class ReportTable(NamedTuple):
    """A table of a report: `lab.table(declared)` shows it."""

    frame: Any  # a frame or a relation, ordered
    title: str
    columns: str | None = None  # names of the columns to show, split at spaces; None for all
    limit: int = DEFAULT_LIMIT  # rows to show
    note: str = ""
    name: str = ""  # of its CSV, without '.csv'; '' to make it of the title
    labels: Mapping[str, str] = {}  # where a column means something else than elsewhere


class ReportChart(NamedTuple):
    """A chart of a report: `lab.chart(declared)` draws it."""

    form: Literal["bar", "heatmap", "interval", "line", "points"]  # of `d1lab.charts`
    frame: Any
    columns: str  # by place, split at spaces, such as 'day revenue' for x and y
    title: str
    description: str  # for those who cannot see it
    options: Mapping[str, Any] = {}  # as the form takes them
    otherwise: str = ""  # the note that takes its place where the frame is empty
