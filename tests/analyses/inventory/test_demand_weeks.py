"""Weekly figures as matrices: listed weeks in their column, the others by what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d1lab.analyses.inventory.demand_weeks import demand_matrix, last_weeks

HISTORY = pd.DataFrame(
    {
        "sku": ["a", "b", "c"],
        "weeks": 4,
        "other_demand": [0.0, np.nan, 0.0],
        "ago_weeks": [np.array([3, 0]), np.array([1]), np.array([2])],
        "demand_units": [np.array([7.0, np.nan]), np.array([5.0]), np.array([2.0])],
        "units": [np.array([6.0, 1.0]), np.array([5.0]), np.array([2.0])],
    }
)
UNKNOWN = np.nan


def test_demand_of_other_weeks_is_zero_only_if_orders_are_recorded():
    """In the order of the SKUs asked for, oldest week first; a SKU without a row is unknown."""
    expected = [[UNKNOWN, UNKNOWN, 5, UNKNOWN], [UNKNOWN] * 4, [7, 0, 0, UNKNOWN]]
    np.testing.assert_array_equal(demand_matrix(HISTORY, ["b", "z", "a"]), expected)
    assert demand_matrix(HISTORY[:0], ["a"]).shape == (1, 0)


def test_last_weeks_have_zeros_where_nothing_is_known():
    """Two of the four weeks; of more weeks than there are, the first are 0."""
    assert last_weeks(HISTORY, ["b", "z", "a"], "units", 2).tolist() == [[5, 0], [0, 0], [0, 1]]
    assert last_weeks(HISTORY, ["c"], "units", 6).tolist() == [[0, 0, 0, 2, 0, 0]]
