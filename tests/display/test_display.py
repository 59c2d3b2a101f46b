"""Display objects of notebooks: exact and escaped data."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from d1lab.display import DataTable, Figure, Figures, Note, Verdict, money, show
from d1lab.display.values import plain
from d1lab.errors import InputError, UnknownName

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def through_json(bundle: dict, mime: str) -> dict:
    """Return the bundle as stored in a notebook file."""
    return json.loads(json.dumps(bundle[mime], allow_nan=False))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(7), 7),
        (np.float64("nan"), None),
        (float("inf"), "inf"),
        (pd.NA, None),
        (pd.NaT, None),
        (Decimal("NaN"), None),
        (Decimal("12.50"), 12.5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (2**63, 2**63),
        (dt.date(2026, 5, 1), "2026-05-01"),
        (pd.Timestamp("2026-05-01 10:30"), "2026-05-01 10:30:00"),
        (True, True),
        ("x" * 1_005, "x" * 1_000 + "… (1,005 characters)"),
    ],
)
def test_plain_keeps_values_exact_and_json_valid(value, expected):
    """Every cell becomes an equivalent JSON value."""
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "kind", "unit", "text"),
    [
        (1234.5, "money", "USD", "$1,234.50"),
        (-98765.4, "money", "EUR", "−€98,765"),
        (12, "money", "SEK", "12.00 SEK"),
        (0.25, "percent", "", "25.0%"),
        (-0.0001, "percent", "", "0.0%"),
        (3.2258, "number", "days", "3.23 days"),
        (0.01234, "number", "", "0.012"),
        (1234567, "integer", "", "1,234,567"),
        (None, "integer", "", "–"),
        ("inf", "number", "days", "inf"),
        ("2026-05-01 00:00:00", "date", "", "2026-05-01"),
    ],
)
def test_show_rounds_for_the_reader(value, kind, unit, text):
    """Shown values have sign, thousands separators, and unit, and no negative zero."""
    assert show(value, kind, unit) == text


def test_figures_survive_the_notebook_file():
    """Figures decoded from their JSON are equal to the original."""
    frame = pd.DataFrame({"metric": ["sku_days"], "dimension": ["A-1"], "value": [None]})
    figures = Figures.of(
        Figure.of("net_revenue", Decimal("10.50"), kind="money", unit="USD", low=9, high=12),
        {"metric": "orders", "value": np.int64(5), "better": "higher"},
        frame.assign(note="too few sales"),
    )
    bundle = figures._repr_mimebundle_()
    assert Figures.from_json(through_json(bundle, Figures.MIME)) == figures
    assert bundle["text/plain"].splitlines() == [
        "Net revenue: $10.50  $9.00 to $12.00 (95%)",
        "Orders: 5",
        "Sku days: –",
    ]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"metric": "Net Revenue", "value": 1}, InputError),
        ({"metric": "x", "value": float("inf")}, InputError),
        ({"metric": "x", "value": "12"}, InputError),
        ({"metric": "x", "value": 5, "low": 6, "high": 7}, InputError),
        ({"metric": "x", "value": 5, "low": 4}, InputError),
        ({"metric": "x", "value": 5, "lable": "X"}, UnknownName),
        ({"metric": "x", "value": 5, "better": "up"}, UnknownName),
        ({"metric": "x", "value": 5, "kind": "euro"}, UnknownName),
        ({"metric": "x", "value": 5, "low": 4, "high": 6, "level": 95}, InputError),
    ],
)
def test_figures_refuse_what_would_mislead(fields, error):
    """An invalid field is an error instead of an invalid number on the page."""
    with pytest.raises(error):
        Figures.of(fields)


def test_html_of_hostile_values_is_escaped():
    """Data never becomes markup in the notebook."""
    frame = pd.DataFrame({HOSTILE: [HOSTILE]})
    shown = (
        Verdict.of(HOSTILE, "bad", HOSTILE),
        Note.of(HOSTILE, "warning"),
        Figures.of(Figure.of("x", 1, label=HOSTILE, unit=HOSTILE)),
        DataTable.from_frame(frame, title=HOSTILE),
    )
    for item in shown:
        html = item._repr_mimebundle_()["text/html"]
        assert HOSTILE not in html
        assert "<img" not in html


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "duckdb"])
def test_table_reads_every_frame_alike(kind):
    """pandas, polars, Arrow, and DuckDB give the same table."""
    con = duckdb.connect()
    relation = con.sql(
        "FROM (VALUES ('A', 3, 1.5::DOUBLE, DATE '2026-01-02'), ('B', NULL, 1200.25, NULL))"
        " t(sku, units, price, day)"
    )
    frame = {
        "pandas": relation.df,
        "polars": relation.pl,
        "arrow": relation.to_arrow_table,
        "duckdb": lambda: relation,
    }[kind]()
    table = DataTable.from_frame(frame, title="T", units={"price": "USD"})
    assert [(c.label, c.kind) for c in table.columns] == [
        ("SKU", "text"),
        ("Units", "integer"),
        ("Price", "money"),
        ("Day", "date"),
    ]
    shown = [[c.shown(v) for c, v in zip(table.columns, r, strict=True)] for r in table.rows]
    assert shown == [["A", "3", "$1.50", "2026-01-02"], ["B", "–", "$1,200.25", "–"]]


def test_table_shows_the_top_and_writes_all(tmp_path: Path):
    """A long table is cut on the page and complete in its file."""
    frame = pl.DataFrame({"sku": [f"S{i}" for i in range(1_234)], "units": range(1_234)})
    table = DataTable.from_frame(frame, title="Units by SKU!", run_dir=tmp_path)
    assert (len(table.rows), table.total_rows, table.csv) == (50, 1_234, "units-by-sku.csv")
    again = DataTable.from_json(through_json(table._repr_mimebundle_(), DataTable.MIME))
    assert again == table
    with (tmp_path / "units-by-sku.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["sku", "units"]
    assert rows[-1] == ["S1233", "1233"]
    assert len(rows) == 1_235


def test_rows_link_to_other_pages_of_the_reports_only():
    """A link leads up to the folder of all pages, as a page makes no other requests."""
    table = DataTable.from_frame(pd.DataFrame({"a": [1, 2, 3]}), title="T")
    linked = table._replace(links=("../b/c.html#d", "javascript:alert(1)"))
    again = DataTable.from_json(through_json(linked._repr_mimebundle_(), DataTable.MIME))
    assert [again.link(row) for row in range(3)] == ["../b/c.html#d", "", ""]
    assert table.link(0) == ""


def test_short_table_needs_no_file(tmp_path: Path):
    """A table shown in full on the page is not written to a file."""
    table = DataTable.from_frame(pd.DataFrame({"a": [1]}), title="T", run_dir=tmp_path)
    assert table.csv is None
    assert list(tmp_path.iterdir()) == []


def test_csv_defuses_formulas_but_not_numbers(tmp_path: Path):
    """A spreadsheet evaluates no cell of the file as a formula."""
    frame = pd.DataFrame({"=title": ["=1+1", "+1", "-1", "@x", "\t=1"], "n": [-1, 2, -3, 4, 5]})
    DataTable.from_frame(frame, title="t", run_dir=tmp_path, limit=1)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["'=title", "'=1+1", "'+1", "'-1", "'@x", "'\t=1"]
    assert [row[1] for row in rows[1:]] == ["-1", "2", "-3", "4", "5"]


def test_tables_of_one_title_keep_their_own_files(tmp_path: Path):
    """A second table does not overwrite the first; the same table again writes no new file."""
    one, two = pd.DataFrame({"a": range(9)}), pd.DataFrame({"a": range(8)})
    names = [
        DataTable.from_frame(frame, title="T", run_dir=tmp_path, limit=1).csv
        for frame in (one, two, one)
    ]
    assert names == ["t.csv", "t-2.csv", "t.csv"]


def test_giant_text_is_cut_in_the_page_and_whole_in_the_file(tmp_path: Path):
    """A value of a megabyte takes a kilobyte on the page."""
    table = DataTable.from_frame(
        pd.DataFrame({"title": ["x" * 1_000_000]}), title="T", run_dir=tmp_path
    )
    assert len(json.dumps(table._repr_mimebundle_()[DataTable.MIME])) < 2_000
    assert table.csv == "t.csv"
    assert (tmp_path / "t.csv").stat().st_size > 1_000_000


def test_table_refuses_unknown_columns_and_no_title():
    """Labels for missing columns are an error."""
    frame = pd.DataFrame({"sku": ["A"]})
    with pytest.raises(UnknownName, match="Did you mean 'sku'"):
        DataTable.from_frame(frame, title="T", labels={"skus": "SKU"})
    with pytest.raises(InputError, match="title"):
        DataTable.from_frame(frame, title=" ")
    with pytest.raises(InputError, match="1 to 1,000"):
        DataTable.from_frame(frame, title="T", limit=100_000)
    with pytest.raises(InputError, match="frame"):
        DataTable.from_frame([1, 2], title="T")


def test_verdict_and_note_refuse_unknown_tones():
    """A misspelled status is an error with a suggestion."""
    with pytest.raises(UnknownName, match="good"):
        Verdict.of("x", "goood")
    with pytest.raises(UnknownName, match="warning"):
        Note.of("x", "warn")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (Verdict.of("Stock is short.", "bad", "Lead time 14 days."), "Stock is short.\nLead time"),
        (Figures.of({"metric": "uses", "value": 3}), "Uses: 3"),
        (Note.of("Simulated."), "Simulated."),
        (DataTable.from_frame(pd.DataFrame({"a": [1]}), title="T"), "T (1 row)"),
    ],
)
def test_notebooks_plain_text_is_ours(shown, text):
    """IPython prints the plain text instead of the tuple."""
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(shown)
    assert data["text/plain"].startswith(text)
    assert shown.MIME in data


def test_money_has_a_currency_only_where_one_is_given():
    """Labels are passed by each lab, without global state."""
    assert Figure.of("savings", 12.5, kind="money").shown() == "12.50"
    assert Figure.of("savings", 12.5, kind="money", unit="USD").shown() == "$12.50"
    frame = pd.DataFrame({"revenue": [1.5], "units": [2]})
    kinds = {"revenue": "money"}
    table = DataTable.from_frame(frame, title="T", kinds=kinds, units={"revenue": "EUR"})
    assert [column.unit for column in table.columns] == ["EUR", ""]
    again = DataTable.from_frame(frame, title="T", kinds=kinds)
    assert [column.unit for column in again.columns] == ["", ""]
    shown = [money(7_007.46, "EUR"), money(-3.2, "EUR"), money(41.0, "EUR"), money(41.0)]
    assert shown == ["€7,007", "−€3.20", "€41", "41"]


def test_a_single_thing_has_a_singular_unit():
    """Not '1 products'; and the code of a currency is not a plural."""
    assert show(1, "integer", "products") == "1 product"
    assert show(1.0, "number", "days", 0) == "1 day"
    assert show(1.5, "number", "days") == "1.50 days"
    assert show(1, "integer", "CHS") == "1 CHS"
