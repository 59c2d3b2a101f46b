"""Marts: written whole, by key, and readable whatever version wrote them."""

from __future__ import annotations

import io
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d1lab.errors import D1labError
from d1lab.fleet.marts import add_rows, read_mart
from d1lab.fleet.store import DiskStore

DAY = date(2026, 5, 1)


def row(shop: str, value: float, day: date = DAY) -> dict[str, object]:
    keys = {"database": "a", "shop": shop, "report": "r", "as_of": day}
    return keys | {"metric": "m", "dimension": "", "value": value}


def test_rows_are_replaced_by_key_and_others_stay(tmp_path):
    """The same rows twice change nothing, not even the file."""
    store = DiskStore(tmp_path)
    add_rows(store, "figures", "a", [row("x", 1), row("y", 2)])
    add_rows(store, "figures", "a", [row("y", 3), row("y", 4, date(2026, 5, 2))])
    values = {
        (r["shop"], r["as_of"].day): r["value"] for r in read_mart(store, "figures").to_pylist()
    }
    assert values == {("x", 1): 1, ("y", 1): 3, ("y", 2): 4}
    path = tmp_path / "marts" / "figures" / "a.parquet"
    before = path.stat().st_mtime_ns
    add_rows(store, "figures", "a", [row("y", 3)])
    assert path.stat().st_mtime_ns == before


def test_a_report_that_runs_again_replaces_what_it_said_for_the_day(tmp_path):
    """Also if it says nothing now; other days, reports, and shops stay."""
    store = DiskStore(tmp_path)
    others = [row("x", 1, date(2026, 4, 30)), row("y", 2), row("x", 3) | {"report": "other"}]
    add_rows(store, "figures", "a", [row("x", 4), *others])
    again = {"database": "a", "shop": "x", "report": "r", "as_of": DAY}
    add_rows(store, "figures", "a", [], runs=[again])
    found = read_mart(store, "figures")
    assert sorted(found.column("value").to_pylist()) == [1, 2, 3]
    add_rows(store, "figures", "b", [], runs=[again])
    assert store.names("marts/figures") == ["a.parquet"]


def test_a_mart_of_another_version_is_read_with_todays_columns(tmp_path):
    """A column that it does not have is missing; one that is gone is left out."""
    packed = io.BytesIO()
    old = pa.table({"database": ["a"], "shop": ["x"], "day": [DAY], "visits": [7]})
    pq.write_table(old, packed)
    DiskStore(tmp_path).write("marts/days/a.parquet", packed.getvalue())
    [found] = read_mart(DiskStore(tmp_path), "days").to_pylist()
    assert (found["shop"], found["revenue"], "visits" in found) == ("x", None, False)


def test_a_damaged_mart_is_named(tmp_path):
    """With what to do."""
    DiskStore(tmp_path).write("marts/days/a.parquet", b"PAR1")
    with pytest.raises(D1labError, match=r"a\.parquet.*Delete it"):
        read_mart(DiskStore(tmp_path), "days")


def test_no_mart_is_an_empty_one(tmp_path):
    """A fleet that never ran."""
    assert read_mart(DiskStore(tmp_path), "actions").num_rows == 0
