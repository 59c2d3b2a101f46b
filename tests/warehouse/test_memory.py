"""Limits of DuckDB's memory."""

from __future__ import annotations

from d1lab.warehouse import limit_memory, release_memory, restrict, scratch


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
