"""Encoding of chart data: validated rows and columns by role, with axes and formats.

Columns are renamed to their role (x, y, low, ...), because Vega-Lite parses dots and brackets in
field names as paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypedDict

from d1lab.charts.drawn import shape_digest
from d1lab.charts.theme import LABEL_LIMIT, NUMBERS, enable
from d1lab.display.currency import sign_of
from d1lab.display.labels import Labels, column_meanings
from d1lab.display.table import TableColumn, describe_columns, read_frame
from d1lab.display.values import Kind, plain
from d1lab.errors import InputError, UnknownName
from d1lab.fast_import import defer_iri_grammar
from d1lab.metrics import shipped_labels

defer_iri_grammar()

import altair as alt  # noqa: E402 (after the line above, which halves its import)

enable()

_ROOM = f"max(12, floor({LABEL_LIMIT} / 6.2))"
_CODE = "lastindexof(datum.label, ' (')"  # start of the SKU in 'Dark roast beans (8090537)'
_END = (
    f"({_CODE} > length(datum.label) - 16 ? slice(datum.label, {_CODE}) : slice(datum.label, -8))"
)
_SHORT = (
    f"length(datum.label) <= {_ROOM} ? datum.label : "
    f"slice(datum.label, 0, {_ROOM} - 1 - length({_END})) + '…' + {_END}"
)
"""Shorten a long name in the middle, because product names often differ at the end."""
_TYPES: dict[Kind, Any] = {"text": "nominal", "date": "temporal"}


class ColumnMeanings(TypedDict, total=False):
    """Labels, units, and kinds of columns, as in `DataTable.from_frame`."""

    labels: Mapping[str, str]
    units: Mapping[str, str]
    kinds: Mapping[str, Kind]
    known_labels: Labels  # labels of a lab's metrics; default: those shipped with d1lab
    currency: str  # currency of amounts without a unit
    interactive: bool  # whether a page draws the chart with Vega, which adds 400 kB to it


class ChartData(NamedTuple):
    """Rows and columns by role, ready to encode."""

    title: str
    description: str
    records: list[dict[str, Any]]
    columns: dict[str, TableColumn]
    is_interactive: bool = False

    def channel(self, make: Any, role: str, **options: Any) -> Any:
        """Return the encoding channel of a role, with field, type, title, and number format."""
        column = self.columns[role]
        if make in (alt.X, alt.Y):
            named = column.kind == "text"
            axis: dict[str, Any] = (
                {"labelExpr": _SHORT} if named else {"format": self._axis_format(role)}
            )
            options.setdefault("axis", alt.Axis(**axis))
        dated = make is alt.X and column.kind == "date"
        options.setdefault("title", None if dated else column.header)
        return make(field=role, type=_TYPES.get(column.kind, "quantitative"), **options)

    def _axis_format(self, role: str) -> str:
        """Return the axis format: days up to a season, months up to two years, then years."""
        column = self.columns[role]
        values = [r[role] for r in self.records if r[role] is not None]
        if column.kind == "date":
            span = _day(max(values)) - _day(min(values)) if values else timedelta()
            return "%b %-d" if span.days <= 120 else "%b %Y" if span.days <= 800 else "%Y"
        if column.kind == "percent":
            return "~%"
        sign = "$" if sign_of(column.unit) else ""
        largest = max((abs(value) for value in values), default=0.0)
        return f"{sign}~s" if largest >= 1e6 else f"{sign},.6~g"

    def tooltips(self) -> list[alt.Tooltip]:
        """Return a tooltip for every column."""
        return [
            self.channel(
                alt.Tooltip, role, **({"format": f} if (f := number_format(column)) else {})
            )
            for role, column in self.columns.items()
        ]

    def rows(self, role: str) -> int:
        """Return the height in pixels of a chart with a row per distinct value of a role."""
        return 26 * max(1, len({record[role] for record in self.records}))

    def finish(
        self, form: str, *layers: Any, height: int = 240, options: Mapping[str, Any] | None = None
    ) -> alt.LayerChart:
        """Return the chart with its layers over the same rows, at full container width.

        Args:
            form: Name of the chart function, by which a page draws the rows.
            layers: Layers, for Vega.
            height: Height in pixels.
            options: Options of the form that its drawing needs.
        """
        chart = alt.LayerChart(
            layer=list(layers),
            data=alt.Data(values=self.records),
            title=self.title,
            description=self.description,
            width="container",
            height=height,
            **self._signed(),
        )
        columns = [column._asdict() | {"name": role} for role, column in self.columns.items()]
        made = {"columns": columns, "form": form, "options": dict(options or {})}
        made["shape"] = shape_digest(chart.to_dict(validate=False))
        chart.usermeta = {"d1lab": made, "interactive": self.is_interactive}
        return chart

    def _signed(self) -> dict[str, Any]:
        """Return the locale configuration that maps `$` in a format to the chart's currency."""
        signs = {sign_of(column.unit) for column in self.columns.values()} - {"", "$"}
        numbers = [NUMBERS | {"currency": [sign, ""]} for sign in sorted(signs)]
        return {"config": alt.Config(locale={"number": numbers[0]})} if numbers else {}


def read_chart_data(
    frame: Any,
    roles: Mapping[str, str | None],
    title: str,
    description: str,
    meaning: ColumnMeanings,
    limit: int,
) -> ChartData:
    """Select and validate the named columns of a frame, by role."""
    if not title.strip() or not description.strip():
        raise InputError(
            "chart title or description missing. Both are required; screen readers read "
            "the description."
        )
    names, rows, source = read_frame(frame)
    if rows > limit:
        raise InputError(
            f"chart {title!r} has too many rows ({rows:,}, limit {limit:,}). "
            "Aggregate in SQL first."
        )
    wanted = {role: name for role, name in roles.items() if name is not None}
    for name in wanted.values():
        if name not in names:
            raise UnknownName("column", name, names, f"chart {title!r}")
    known = list(source)
    plain_rows = tuple(tuple(map(plain, row)) for row in known)
    labels = meaning.get("known_labels") or shipped_labels()
    words = column_meanings(names, meaning, labels, meaning.get("currency", ""))
    described = describe_columns(
        names, known, plain_rows, words["labels"], words["units"], words["kinds"]
    )
    columns = {role: described[names.index(name)] for role, name in wanted.items()}
    places = {role: names.index(name) for role, name in wanted.items()}
    records = [
        {role: _drawable(row[place], columns[role]) for role, place in places.items()}
        for row in plain_rows
    ]
    return ChartData(title, description, records, columns, meaning.get("interactive", False))


def _drawable(value: Any, column: TableColumn) -> Any:
    """Convert a value for Vega; a date without a time would be parsed as UTC and shift a day."""
    if column.kind == "date" and isinstance(value, str):
        return value.replace(" ", "T") if len(value) > 10 else f"{value}T00:00:00"
    if isinstance(value, str):
        return float(value) if column.numeric else value[:120]
    return value


def color_channel(drawn: ChartData) -> list[Any]:
    """Return the color channel of a chart, if it has one."""
    if "color" not in drawn.columns:
        return []
    series = list(dict.fromkeys(str(record["color"]) for record in drawn.records))
    if len(series) > 6:
        raise InputError(
            f"chart {drawn.title!r} has {len(series)} series but only six colors. "
            "Keep the largest and combine the rest."
        )
    return [alt.Color(field="color", type="nominal", title=None, sort=series)]


def reference_line(axis: str, value: float | None) -> list[Any]:
    """Return a dashed line at a value, if one is given."""
    if value is None:
        return []
    rule = alt.Chart(alt.Data(values=[{}])).mark_rule(strokeDash=[4, 4])
    return [rule.encode(**{axis: alt.datum(value)})]


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


def day_ends(drawn: ChartData) -> dict[str, str]:
    """Return the end of each dated bar: one period after its start."""
    days = sorted({record["x"] for record in drawn.records if record["x"]})
    dates = [_day(day) for day in days]
    gaps = [later - earlier for earlier, later in pairwise(dates)]
    step = min(gaps, default=None)
    if step is None:
        return dict.fromkeys(days, f"{days[0][:10]}T23:59:59") if days else {}
    return {day: f"{start + step}T00:00:00" for day, start in zip(days, dates, strict=True)}


def number_format(column: TableColumn) -> str:
    """Return the d3 format of a column's values; empty for text."""
    if column.kind == "date":
        return "%b %-d, %Y"
    if column.kind == "percent":
        return ".1%"
    if not column.numeric:
        return ""
    sign = "$" if sign_of(column.unit) else ""  # d3's placeholder for the currency sign
    return f"{sign},.{0 if column.kind == 'integer' else column.digits}f"
