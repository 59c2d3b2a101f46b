"""Frames in a notebook: first rows, formats, escaping."""

from __future__ import annotations

import duckdb
import pandas as pd
import polars as pl

from d1lab.display.frame_html import first_rows

HOSTILE = "<script>alert(1)</script>"


def test_a_relation_is_read_no_further_than_shown():
    """A thousand rows of a relation that would never end."""
    first = first_rows(duckdb.sql("SELECT i FROM range(9000000000000) AS r(i)"))
    assert (len(first.rows), first.caption()) == (1_000, "First 1,000 rows")


def test_a_frame_counts_its_rows():
    """A cut frame says how many rows it has; polars frames, too."""
    assert first_rows(pd.DataFrame({"a": range(5_000)})).caption() == "First 1,000 rows of 5,000"
    assert first_rows(pl.DataFrame({"a": [1]})).caption() == "1 row"


def test_numbers_are_aligned_and_exact():
    """Grouped digits, a common number of decimals, keys as they are, and missing values."""
    frame = pd.DataFrame(
        {"n": [1234567.5, None], "order_id": [1234567, 2], "share": [0.123456, -0.00000012]}
    )
    html = first_rows(frame).html()
    for cell in ("1,234,567.5", "–", "1234567", "0.1235", "−1.2e−07"):
        assert f'<td class="n">{cell}</td>' in html


def test_index_is_shown_only_if_it_says_something():
    """A plain count is left out; names and named counts are columns."""
    assert first_rows(pd.DataFrame({"a": [1]})).names == ["a"]
    assert first_rows(pd.DataFrame({"a": [1, 2]}).iloc[1:]).names == ["a"]
    assert first_rows(pd.DataFrame({"a": [1]}, index=["x"])).names == ["index", "a"]
    grouped = pd.DataFrame({"a": [1], "b": [2]}).groupby("a").sum()
    assert first_rows(grouped).names == ["a", "b"]


def test_text_is_escaped_and_cut():
    """Data is never run, and a long text does not fill the notebook."""
    html = first_rows(pd.DataFrame({HOSTILE: [HOSTILE, "x" * 5_000]})).html()
    assert HOSTILE not in html
    assert "x" * 301 not in html


def test_days_have_no_time():
    """Midnights are days; a time is shown to the second."""
    days = pd.DataFrame({"at": pd.to_datetime(["2026-01-01", None])})
    assert "<td>2026-01-01</td>" in first_rows(days).html()
    times = pd.DataFrame({"at": pd.to_datetime(["2026-01-01 10:20:30.5"])})
    assert "<td>2026-01-01 10:20:30</td>" in first_rows(times).html()
