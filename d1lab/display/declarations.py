"""Declarations of tables and charts by an analysis; the lab draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from d1lab.display.table import DEFAULT_LIMIT
from d1lab.display.values import Kind


class ReportTable(NamedTuple):
    """A table of a report, shown by `lab.table(declared)`."""

    frame: Any  # a frame or a relation, ordered
    title: str
    columns: str | None = None  # names of the columns to show, separated by spaces; None for all
    limit: int = DEFAULT_LIMIT  # rows to show
    note: str = ""
    name: str = ""  # name of its CSV file, without '.csv'; '' to derive it from the title
    labels: Mapping[str, str] = {}  # labels that differ from the declared ones
    bars: str = ""  # names of the columns with bars in their cells, separated by spaces
    kinds: Mapping[str, Kind] = {}  # kinds that differ from the declared ones


class ReportChart(NamedTuple):
    """A chart of a report, drawn by `lab.chart(declared)`."""

    form: Literal["bar", "heatmap", "interval", "line", "points"]  # function of `d1lab.charts`
    frame: Any
    columns: str  # positional, separated by spaces, such as 'day revenue' for x and y
    title: str
    description: str  # for screen readers
    options: Mapping[str, Any] = {}  # keyword arguments of the form
    otherwise: str = ""  # note shown instead if the frame is empty
