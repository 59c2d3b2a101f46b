"""Exported tables, as other tools read them."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import pytest
from sqlalchemy import create_engine, inspect, text

from d1lab.errors import InputError, UnknownName
from d1lab.share import export as module
from d1lab.share.export import export

COUNT = "SELECT count(*), sum(revenue) FROM order_lines"


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_each_table_is_a_file(tiny_lab, tmp_path, form):
    """All that analysts see, with the same rows; what stood there is replaced."""
    (tmp_path / f"order_lines.{form}").write_text("old")
    made = {each.table: each for each in export(tiny_lab, tmp_path, form, [])}
    assert made.keys() == {name for name in tiny_lab.tables if "." not in name}
    read = duckdb.read_parquet if form == "parquet" else duckdb.read_csv
    order_lines = read(str(made["order_lines"].path))
    assert made["order_lines"].rows == len(order_lines) == 297
    [(mine,)] = order_lines.aggregate("sum(revenue)").fetchall()
    [(theirs,)] = tiny_lab.sql("SELECT sum(revenue) FROM order_lines").fetchall()
    assert float(mine) == pytest.approx(float(theirs))


def test_superset_reads_the_duckdb_file(tiny_lab, tmp_path):
    """One file with plain views in one schema, read-only through SQLAlchemy."""
    made = export(tiny_lab, tmp_path, "duckdb", ["order_lines", "products"])
    options = {"read_only": True}
    engine = create_engine(f"duckdb:///{made[0].path}", connect_args=options)
    found = inspect(engine)
    assert sorted(found.get_view_names(schema="main")) == ["order_lines", "products"]
    columns = [column["name"] for column in found.get_columns("products", schema="main")]
    assert columns == tiny_lab.tables.products.columns
    with engine.connect() as con:
        assert list(map(tuple, con.execute(text(COUNT)))) == tiny_lab.sql(COUNT).fetchall()
        with pytest.raises(Exception, match="read-only"):
            con.execute(text("CREATE TABLE main.x (a INTEGER)"))
    engine.dispose()


def test_excel_gets_values_and_never_formulas(tiny_lab, tmp_path):
    """Numbers are numbers, days are days, and a text that looks like a formula stays text."""
    relation = tiny_lab.sql(
        "SELECT '=1+1' AS code, 2.5::DECIMAL(9, 2) AS amount, DATE '2026-05-01' AS day, "
        "NULL AS nothing, [1, 2] AS list, 'http://x.example' AS link"
    )
    module._xlsx({"a table/with:odd*name that is long": relation}, tmp_path / "t.xlsx")
    [(sheet, frame)] = pd.read_excel(
        tmp_path / "t.xlsx", sheet_name=None, engine="calamine"
    ).items()
    [row] = frame.to_dict("records")
    assert len(sheet) <= 31
    assert (row["code"], row["amount"], row["list"]) == ("=1+1", 2.5, "[1, 2]")
    assert row["day"].date() == dt.date(2026, 5, 1)
    assert pd.isna(row["nothing"])


def test_what_cannot_be_exported_says_so(tiny_lab, tmp_path, monkeypatch):
    """A table that does not exist, or is too long for a sheet."""
    with pytest.raises(UnknownName, match="mean 'products'"):
        export(tiny_lab, tmp_path, "csv", ["product"])
    monkeypatch.setattr(module, "MOST_SHEET_ROWS", 10)
    with pytest.raises(InputError, match="297 rows; a sheet has at most 10"):
        export(tiny_lab, tmp_path, "xlsx", ["order_lines"])
    assert list(tmp_path.iterdir()) == []


def test_titles_of_sheets_differ():
    """Excel ignores the case and allows 31 characters."""
    taken: set[str] = set()
    titles = [module._sheet_title(name, taken) for name in ("A" * 40, "a" * 40, "b")]
    assert titles == ["A" * 31, "a" * 28 + "~2", "b"]
