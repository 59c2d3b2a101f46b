"""Frames and relations of the notebook in SQL."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.outbox import read_notes


def test_frames_of_any_kind_are_tables(tiny_lab):
    """pandas, polars, Arrow, and relations join with the warehouse, in any case of letters."""
    wanted = pd.DataFrame({"sku": ["evil"], "n": [7]})
    polar = pl.DataFrame({"sku": ["evil"]})
    related = tiny_lab.sql("FROM products WHERE sku = $sku", sku="evil")
    arrow = related.to_arrow_table()
    joins = " ".join(f"JOIN {name} USING (sku)" for name in ("polar", "related", "arrow"))
    sql = f"SELECT n FROM Wanted {joins}"
    assert tiny_lab.sql(sql).fetchall() == [(7,)]
    assert [wanted, polar, arrow]


def test_cells_with_comments_and_common_tables(tiny_lab):
    """The frame joins the common table expressions that are there."""
    week = pd.DataFrame({"n": [1, 2]})
    sql = "-- of the week\n/* two */ WITH RECURSIVE a AS (SELECT sum(n) AS s FROM week) FROM a"
    assert tiny_lab.sql(sql).fetchall() == [(3,)]
    assert len(week) == 2


def test_relation_keeps_the_frame_it_was_made_of(tiny_lab):
    """A variable that is assigned again does not change an earlier relation."""
    frame = pd.DataFrame({"n": [1]})
    before = tiny_lab.sql("FROM frame")
    frame = pd.DataFrame({"n": [2]})
    assert tiny_lab.sql("FROM frame").fetchall() == [(2,)]
    assert before.fetchall() == [(1,)]
    assert len(frame) == 1


def test_the_warehouse_comes_first(tiny_lab):
    """A frame with the name of a table does not hide it, and other values are no tables."""
    products = pd.DataFrame({"sku": []})
    number = 5
    assert tiny_lab.sql("SELECT count(*) FROM products").fetchall() == [(3,)]
    with pytest.raises(UnknownName, match="There is no table 'number'"):
        tiny_lab.sql("FROM number")
    assert products.empty
    assert number == 5


def test_pivot_is_read_only_sql(tiny_lab):
    """PIVOT works alone and below a SELECT; what writes or loads does not."""
    lines = tiny_lab.sql("SELECT shop, sku, units FROM order_lines")
    wide = tiny_lab.sql("PIVOT lines ON shop USING sum(units) GROUP BY sku")
    assert wide.columns[0] == "sku"
    assert "harbor" in wide.columns
    assert "units" in lines.columns
    assert tiny_lab.sql("SELECT count(*) FROM (PIVOT order_lines ON shop USING sum(units))")
    with pytest.raises(InputError, match="only a single SELECT"):
        tiny_lab.sql("IMPORT DATABASE 'folder'")


def test_run_notes_tables_but_no_frames(tiny_warehouse, tmp_path):
    """What a run read is the warehouse's, so that it is due when these tables change."""
    from d1lab.warehouse import open_warehouse, restrict

    with open_warehouse(tiny_warehouse.parent) as con:
        restrict(con, [tmp_path])
        lab = Lab(con, database="demo", folder=tmp_path, shop="harbor", run_dir=tmp_path / "run")
        few = pd.DataFrame({"sku": ["evil"]})
        assert len(lab.sql("FROM few JOIN products USING (sku)").df()) == len(few)
    [note] = read_notes(tmp_path / "run")
    assert note["reads"] == ["products"]
