"""Limits of DuckDB's memory."""

from __future__ import annotations

from pathlib import Path

import duckdb

from d1lab.warehouse import (
    half_of_memory,
    limit_memory,
    limit_of,
    release_memory,
    restrict,
    scratch,
)


def test_what_is_released_keeps_its_limit(tmp_path):
    """Also where SQL may read no other files."""
    with scratch() as con:
        limit_memory(con, "1500MB")
        restrict(con, [tmp_path])
        for _ in range(3):
            release_memory(con)
        limits = con.sql("SELECT current_setting('memory_limit')").fetchall()
        folders = con.sql("SELECT current_setting('temp_directory')").fetchall()
    assert limits == [("1.3 GiB",)]
    assert "d1lab" in folders[0][0]


def test_a_query_gets_half():
    """Afterwards, the limit is what it was; also where temporary tables cannot go to the disk."""
    with scratch() as con:
        limit_memory(con, "1.5 GiB")
        with half_of_memory(con, "1.5 GiB"):
            assert limit_of(con) == "768.0 MiB"
        assert limit_of(con) == "1.5 GiB"
        con.execute("SET temp_directory = ''")
        con.execute("CREATE TEMP TABLE large AS SELECT hash(i) AS a FROM range(5_000_000) t (i)")
        limit_memory(con, "48MB")
        con.execute("SET temp_directory = ''")
        with half_of_memory(con, "48MB"):
            assert con.execute("SELECT count(a) FROM large").fetchone() == (5_000_000,)
        release_memory(con, is_limited=True)
        assert limit_of(con) == "45.7 MiB"


def test_pages_of_a_file_stay_in_an_eighth_of_the_limit(tmp_path: Path):
    """Those that a query has read take what Python needs after it."""
    with duckdb.connect(tmp_path / "large.duckdb") as con:
        con.execute("CREATE TABLE t AS SELECT hash(i) AS a FROM range(2_000_000) t(i)")
    with scratch() as con:
        limit_memory(con, "64MB")
        con.execute(f"ATTACH '{tmp_path / 'large.duckdb'}' AS large (READ_ONLY)")
        con.execute("SELECT sum(a % 7) FROM large.t").fetchall()
        kept = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
        release_memory(con)
        assert con.execute(kept).fetchone()[0] > 10e6
        release_memory(con, is_limited=True)
        assert con.execute(kept).fetchone()[0] <= 8e6
