"""The three contenders of the benchmark (DuckDB, pandas, SQLite) build the same tables."""

from __future__ import annotations

import pytest

from bench import aggregates


@pytest.mark.parametrize("side", ["pandas", pytest.param("sqlite", marks=pytest.mark.long)])
def test_rivals_find_the_same_sums(tmp_path, side):
    """Every column of every table, from 20,000 events with refunds and unknown customers."""
    aggregates.write_events(tmp_path, events=20_000)
    sides = {name: tmp_path / aggregates.FILES[name] for name in ("ours", side)}
    ours, theirs = (getattr(aggregates, name)(path) for name, path in sides.items())
    found = [
        {name: aggregates.fingerprint(table) for name, table in tables.items()}
        for tables in (ours, theirs)
    ]
    aggregates.require_equal(*found, side)
    found[1]["product_performance"]["revenue_with_discount"] *= 1.00001
    with pytest.raises(AssertionError, match=f"{side}, product_performance.revenue_with_disc"):
        aggregates.require_equal(*found, side)
