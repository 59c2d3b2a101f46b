"""Rows in the order of the customers."""

from __future__ import annotations

import pandas as pd

from d1lab.analyses.customers.alignment import aligned, sorted_by


def test_aligned_is_a_left_join():
    """Rows are in the order of the customers; one without a row has no values."""
    days = pd.to_datetime(["2026-01-01", None, "2026-01-03"])
    rows = pd.DataFrame(
        {"customer_id": ["b", "a", "x"], "n": [1, 2, 3], "day": days, "group": ["L", None, "N"]}
    ).astype({"group": "category"})
    customers = pd.Series(["a", "b", "c", "b"], index=[7, 8, 9, 9])
    found = aligned(rows, customers)
    wanted = rows.set_index("customer_id").reindex(customers.to_list()).reset_index()
    pd.testing.assert_frame_equal(found.reset_index(drop=True), wanted)
    assert found.index.equals(customers.index)
    assert found["n"].isna().to_list() == [False, False, True, False]
    assert aligned(rows, customers.head(2))["n"].dtype == "int64"
    assert aligned(rows.head(0), customers)["n"].isna().all()


def test_sorted_by_breaks_ties_by_the_next_column():
    """Missing values are last, as in pandas."""
    rows = pd.DataFrame({"x": [1.0, 2.0, float("nan"), 2.0], "customer_id": ["a", "c", "d", "b"]})
    found = sorted_by(rows, x="descending", customer_id="ascending")
    wanted = rows.sort_values(["x", "customer_id"], ascending=[False, True], ignore_index=True)
    pd.testing.assert_frame_equal(found, wanted)
