"""Frames by way of Arrow are those of DuckDB's `df()`, to the type and the last digit."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from d1lab.lab import frames, query
from d1lab.lab.frames import frame_of

VALUES = {
    "VARCHAR": "'é' || i",
    "BIGINT": "i",
    "INTEGER": "i",
    "BOOLEAN": "i % 2 = 0",
    "DOUBLE": "i / 7",
    "DATE": "DATE '2020-01-01' + i::INTEGER",
    "TIMESTAMP": "TIMESTAMP '2020-01-01 01:02:03.123456' + to_days(i::INTEGER)",
    "DECIMAL(9, 2)": "i / 7",
    "DECIMAL(18, 6)": "i * 1000 / 7 - 99999",
    "DECIMAL(38, 6)": "(i - 2000) * 1000000 / 7",
    "DECIMAL(38, 12)": "i * 1000000 / 7",
    "HUGEINT": "i",
    "VARCHAR[]": "[i]",
}


@pytest.mark.parametrize("rows", [0, 1, 4000])
@pytest.mark.parametrize("without", ["none", "some", "all"])
def test_frame_is_that_of_df(rows: int, without: str):
    """Each type with all, some, and no values; a relation with rare types is left to `df()`."""
    asked = {"none": "({})", "some": "if(i % 3 = 0, NULL, {})", "all": "NULL"}[without]
    columns = [f'{asked.format(value)}::{kind} AS "{kind}"' for kind, value in VALUES.items()]
    with duckdb.connect() as con:
        for shown in (columns[:10], columns[:11], [*columns[:1], columns[11]], columns[:1] * 2):
            found = con.sql(f"SELECT {', '.join(shown)} FROM range({rows}) AS t (i)")
            pd.testing.assert_frame_equal(frame_of(found), found.df(), check_exact=True)


def test_columns_of_a_frame_can_be_written_to(monkeypatch):
    """Those of Arrow cannot. Batches follow each other."""
    monkeypatch.setattr(frames, "BATCH_ROWS", 2048)
    sql = "SELECT 'a' AS sku, i AS units, DATE '2026-01-01' AS day, nullif(i, 1) AS some"
    with duckdb.connect() as con:
        frame = frame_of(con.sql(f"{sql} FROM range(5000) AS t (i)"))
    assert frame["units"].to_list() == list(range(5000))
    for name, value in {"sku": "b", "units": 2, "day": pd.Timestamp(0), "some": 7}.items():
        frame.loc[0, name] = value
    assert frame.iloc[0].to_list() == ["b", 2, pd.Timestamp(0), 7]


@pytest.mark.parametrize(("seconds", "released"), [(0.0, 1), (3600.0, 0)])
def test_memory_of_a_large_query_goes_back(tiny_lab, monkeypatch, seconds, released):
    """A query that took long is one."""
    calls: list[object] = []
    monkeypatch.setattr(query, "LARGE_SECONDS", seconds)
    monkeypatch.setattr(query, "release_memory", lambda con, **given: calls.append(given))
    assert tiny_lab.metric("last_day").shape[0] > 0
    assert len(calls) == released
