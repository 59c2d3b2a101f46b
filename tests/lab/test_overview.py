"""A lab, its plan, and its plots, as the notebook shows them."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.display import Note
from d1lab.errors import UnknownName
from d1lab.lab.notebook import sentence_of
from d1lab.lab.overview import overview


def test_overview_has_tables_columns_and_samples(tiny_lab):
    """Database, shop, days, age, and each table with its columns, NULLs, and samples."""
    html = tiny_lab._repr_html_()
    assert html == overview(tiny_lab, tiny_lab._con)
    for text in ("demo", "harbor", "Last pull", "order_lines", "297 rows", "discount_id", "75%"):
        assert text in html
    assert "<script" not in html


def test_plan_names_tables_of_sql_and_metrics(tiny_lab):
    """The plan is DuckDB's, below the tables that are read."""
    plan = tiny_lab.explain("SELECT count(*) FROM products WHERE sku = $sku", sku="x")
    assert plan.tables == ("products",)
    assert "Aggregate" in plan._repr_mimebundle_()["text/plain"]
    metric = tiny_lab.explain("turnover", until="2026-05-08", days=8)
    assert "inventory_days" in metric.tables
    with pytest.raises(UnknownName, match="mean 'turnover'"):
        tiny_lab.explain("turnver")


def test_plot_needs_no_words(tiny_lab):
    """A plot has a title and a description of its own, and the lab's labels."""
    chart = tiny_lab.plot(
        tiny_lab.sql("SELECT day, sum(revenue) AS revenue FROM order_lines GROUP BY day")
    )
    assert chart.title == "Revenue by day"
    assert "values, from" in chart.description
    assert isinstance(tiny_lab.plot(pd.DataFrame({"a": []})), Note)


def test_errors_of_others_keep_their_traceback():
    """Only errors that say what to do become a sentence."""
    assert sentence_of(ZeroDivisionError("division by zero")) is None
    assert sentence_of(ModuleNotFoundError("No module named 'x'", name="x")) is None
