"""What each kernel would compute again, done once in the fork server, from nothing of any shop.

A kernel is a fork of the server: it finds these results in its memory, and no data of a shop.
So these functions read d1lab's own files and no warehouse, and leave no connection or thread.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any


def metrics() -> None:
    """Parse d1lab's own metrics, and label their columns: 0.1 s, a quarter of a small report."""
    import duckdb

    from d1lab.metrics import shipped_labels

    shipped_labels()
    duckdb.close()  # the connection that parses SQL, with its threads; a kernel opens its own


def connection() -> None:
    """Open DuckDB, and read a result as a frame, as each report does first."""
    from d1lab.warehouse import scratch

    with closing(scratch()) as con:
        con.sql("SELECT 1 AS number, 'a' AS name, DATE '2026-01-01' AS day").df()


def parameters() -> None:
    """Build the checks of the types that parameters can have."""
    from d1lab.parameter_types import TYPES, adapter

    for kind in TYPES.values():
        adapter(kind)


def currencies() -> None:
    """Load the language of the pages, with the signs of its currencies."""
    from d1lab.display.currency import decimals_of, sign_of

    sign_of("EUR")
    decimals_of("EUR")


def tests() -> None:
    """Compute the size of a test without an end, the same for all shops."""
    from d1lab.analyses.ab_tests.planner import endless_inflation

    endless_inflation(0.8, 0.05)


def chart() -> None:
    """Set d1lab's theme, and let Altair build its validators."""
    import altair as alt
    import pandas as pd

    from d1lab.charts import theme

    theme.enable()
    frame = pd.DataFrame({"day": [pd.Timestamp(2026, 1, 1)], "value": [1.0], "name": ["a"]})
    lines = alt.Chart(frame).mark_line()
    lines.encode(x="day:T", y="mean(value):Q", color="name:N").to_dict()


def results() -> None:
    """Show a chart of each form and a table, of made-up numbers, as reports do."""
    import pandas as pd
    from IPython.core.formatters import DisplayFormatter

    from d1lab import charts
    from d1lab.display import DataTable

    frame = pd.DataFrame(
        {
            "day": pd.date_range("2026-01-01", periods=2),
            "name": ["a", "b"],
            "value": [1.0, 2.0],
            "low": [0.5, 1.5],
            "high": [1.5, 2.5],
        }
    )
    told: Any = {"title": "Values", "description": "Two values"}
    drawn = (
        charts.line(frame, "day", "value", low="low", high="high", color="name", **told),
        charts.bar(frame, "name", "value", **told),
        charts.points(frame, "low", "value", name="name", **told),
        charts.interval(frame, "name", "value", "low", "high", reference=0.0, **told),
        charts.heatmap(frame, "name", "day", "value", **told),
    )
    for chart in drawn:
        chart.to_dict()
    formatter: Any = DisplayFormatter()
    formatter.format(DataTable.from_frame(frame, title="Values"))
