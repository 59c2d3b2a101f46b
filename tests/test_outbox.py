"""Staging: only what d1lab owns, only what fits, whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.outbox import (
    READS,
    keep,
    large_files,
    note_read,
    read_kept,
    read_notes,
    read_outbox,
    stage,
)
from d1lab.packed_files import pack

KEY = {"shop": ["a", "a"], "sku": ["x", "y"], "date": ["2026-01-01", "2026-01-02"]}
ROWS = {**KEY, "turnover_rate": [1.5, float("nan")], "days_of_supply": [3.0, 4.0]}
STAGED = [
    {
        "shop": "a",
        "sku": "x",
        "date": date(2026, 1, 1),
        "days_of_supply": 3.0,
        "turnover_rate": 1.5,
    },
    {
        "shop": "a",
        "sku": "y",
        "date": date(2026, 1, 2),
        "days_of_supply": 4.0,
        "turnover_rate": None,
    },
]


def _staged(run_dir, table="inventory_impact"):
    return read_outbox(run_dir)[table].to_pylist()


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        pa.table,
        lambda rows: duckdb.from_arrow(pa.table(rows)),
        lambda rows: pd.DataFrame(rows).assign(date=lambda f: pd.to_datetime(f["date"])),
        lambda rows: pd.DataFrame(rows).assign(sku=lambda f: f["sku"].astype("category")),
        lambda rows: pd.DataFrame(rows).iloc[::-1],
    ],
)
def test_stage_takes_any_frame(tmp_path, make):
    """pandas, polars, Arrow, DuckDB; dates as text or time; in any order; NaN becomes NULL."""
    assert stage(make(ROWS), "inventory_impact", tmp_path) == 2
    assert _staged(tmp_path) == STAGED


def test_stage_keeps_declared_types(tmp_path):
    """Days are integers though pandas has floats, money is decimal, times are UTC."""
    frame = pd.DataFrame(
        {
            "shop": ["a", "a"],
            "sku": ["1", "2"],
            "made_on": ["2026-05-01"] * 2,
            "plan_days": [5.0, None],
            "unit_price": [12.3456789, None],
            "decision": ["hold", None],
        }
    )
    stage(frame, "discount_recommendations", tmp_path)
    first, second = _staged(tmp_path, "discount_recommendations")
    assert first["plan_days"] == 5
    assert isinstance(first["plan_days"], int)
    assert first["unit_price"] == Decimal("12.345679")
    assert (second["plan_days"], second["unit_price"], second["decision"]) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"turnover_rate": [1.0, float("inf")]}, "infinite"),
        ({"turnover_rate": ["1", "2"]}, "expects numbers, got"),
        ({"turnover_rate": [True, False]}, "expects numbers, got bool"),
        ({"turnover_rate": [1.0, "x"]}, "several types"),
        ({"sku": [1, 2]}, "expects text, got int64"),
        ({"sku": ["x", None]}, "key 'sku' is NULL in 1 of 2 rows"),
        ({"sku": ["x", "x"], "date": ["2026-01-01"] * 2}, "duplicate key .*sku=x, date=2026-01-01"),
        ({"date": ["01.01.2026", "02.01.2026"]}, "expects dates"),
        ({"date": pd.to_datetime(["2026-01-01 10:00", "2026-01-02 00:00"])}, "time of day"),
        ({"starting_inventory": [1, 2]}, "is owned by the app. d1lab can write only"),
    ],
)
def test_stage_refuses_what_does_not_fit(tmp_path, change, said):
    """Nothing is cut, rounded away or guessed, and nothing of a refused frame is staged."""
    with pytest.raises(InputError, match=said):
        stage(pd.DataFrame({**ROWS, **change}), "inventory_impact", tmp_path)
    assert read_outbox(tmp_path) == {}


def test_stage_names_the_nearest_column_and_table(tmp_path):
    """A typing error costs no search."""
    frame = pd.DataFrame({**KEY, "days_of_suply": [1.0, 2.0]})
    with pytest.raises(UnknownName, match="Did you mean 'days_of_supply'"):
        stage(frame, "inventory_impact", tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'inventory_impact'"):
        stage(frame, "inventory_impct", tmp_path)


def test_stage_refuses_tables_and_frames_without_results(tmp_path):
    """A table where d1lab owns nothing, keys alone, keys in the index, no frame at all."""
    with pytest.raises(InputError, match="table 'order_events' has no d1lab-owned columns"):
        stage(pd.DataFrame({"shop": ["a"], "event_id": ["1"]}), "order_events", tmp_path)
    with pytest.raises(InputError, match="only key columns"):
        stage(pd.DataFrame(KEY), "inventory_impact", tmp_path)
    with pytest.raises(InputError, match=r"key columns missing .*reset_index"):
        stage(pd.DataFrame(ROWS).set_index(list(KEY)), "inventory_impact", tmp_path)
    with pytest.raises(InputError, match="expected a frame or a relation, got dict"):
        stage(ROWS, "inventory_impact", tmp_path)


def test_stage_integers_must_be_whole(tmp_path):
    """A score of 4.5 is a mistake, not a 4."""
    frame = pd.DataFrame({"shop": ["a"], "customer_id": ["1"], "r_score": [4.5]})
    with pytest.raises(InputError, match="expects whole numbers"):
        stage(frame, "d1lab_customer_scores", tmp_path)


def test_stage_twice_adds_rows(tmp_path):
    """A second staging adds keys; equal rows count once."""
    frame = pd.DataFrame(ROWS)
    stage(frame.head(1), "inventory_impact", tmp_path)
    stage(frame, "inventory_impact", tmp_path)
    assert _staged(tmp_path) == STAGED


def test_stage_twice_refuses_a_contradiction(tmp_path):
    """Two answers for one key are a mistake of the notebook; the first stays staged."""
    frame = pd.DataFrame(ROWS)
    stage(frame, "inventory_impact", tmp_path)
    with pytest.raises(InputError, match="sku=x, date=2026-01-01 is already staged with other"):
        stage(frame.assign(turnover_rate=9.0), "inventory_impact", tmp_path)
    with pytest.raises(InputError, match="Stage all columns at once"):
        stage(frame.drop(columns="turnover_rate"), "inventory_impact", tmp_path)
    assert _staged(tmp_path) == STAGED


def test_stage_replaces_where_asked(tmp_path):
    """Interactive work runs a cell again: the later row counts, the others stay."""
    frame = pd.DataFrame(ROWS)
    stage(frame, "inventory_impact", tmp_path)
    stage(frame.head(1).assign(turnover_rate=9.0), "inventory_impact", tmp_path, replace=True)
    assert [row["turnover_rate"] for row in _staged(tmp_path)] == [9.0, None]


def test_stage_leaves_no_half_file(tmp_path, monkeypatch):
    """A write that dies leaves the outbox as it was."""
    stage(pd.DataFrame(ROWS).head(1), "inventory_impact", tmp_path)

    def fail(*_args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        stage(pd.DataFrame(ROWS), "inventory_impact", tmp_path)
    monkeypatch.undo()
    assert _staged(tmp_path) == STAGED[:1]


def test_stage_of_nothing_writes_nothing(tmp_path):
    """A shop without rows stages no empty file."""
    empty = pa.table(
        {
            "shop": pa.array([], pa.string()),
            "sku": pa.array([], pa.string()),
            "date": pa.array([], pa.date32()),
            "turnover_rate": pa.array([], pa.float64()),
        }
    )
    assert stage(empty, "inventory_impact", tmp_path) == 0
    assert read_outbox(tmp_path) == {}


def test_reads_are_noted_in_order(tmp_path):
    """One line per query, with dates and times as text."""
    day, at = date(2026, 5, 8), datetime(2026, 5, 8, tzinfo=UTC)
    note_read(tmp_path / "run", {"metric": "a", "reads": ["t"], "params": {"until": day}})
    note_read(tmp_path / "run", {"metric": "b", "reads": [], "params": {"at": at}})
    with (tmp_path / "run" / READS).open("a") as file:
        file.write('{"metric": "c", "rea')  # its kernel was killed
    first, second = read_notes(tmp_path / "run")
    assert first == {"metric": "a", "reads": ["t"], "params": {"until": "2026-05-08"}}
    assert second["metric"] == "b"
    assert read_notes(tmp_path / "elsewhere") == []


def test_keep_writes_records_beside_the_results(tmp_path):
    """A decision's inputs stay with the run; the last call counts."""
    keep([{"p": 0.1 + 0.2}], "decisions", tmp_path / "run")
    path = keep([{"p": 0.1 + 0.2, "at": date(2026, 5, 8)}], "decisions", tmp_path / "run")
    assert json.loads(path.read_text()) == [{"p": 0.1 + 0.2, "at": "2026-05-08"}]
    assert path.name == "decisions.json"
    records = keep([{"look": i} for i in range(1_000)], "looks", tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(" " * 10_000)
    pack(large_files(tmp_path / "run"))
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "decisions.json", "looks.json.gz", "run.json",
    ]  # fmt: skip
    assert not records.exists()
    assert read_kept("looks", tmp_path / "run")[-1] == {"look": 999}
    assert read_kept("decisions", tmp_path / "run")[0]["at"] == "2026-05-08"


@pytest.mark.parametrize("name", ["run", "results", "../x", "a b", ""])
def test_keep_takes_no_name_of_the_runs_own(tmp_path, name):
    """Neither run.json nor a path."""
    with pytest.raises(InputError, match="keep"):
        keep([], name, tmp_path)
