"""Whether an order looks drawn at random: by enumeration, and by an analysis of variance."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from d1lab.stats.random_order import by_weekday_p, changes, few_changes_p


@pytest.mark.parametrize("order", ["AAAABBB", "ABABABA", "AABBABA", "AAAAAAB"])
def test_few_changes_are_counted_among_all_orders(order: str):
    """The share of the orders of as many A and B with at most as many changes."""
    treated = [one == "B" for one in order]
    places = combinations(range(len(order)), order.count("B"))
    every = [changes([day in chosen for day in range(len(order))]) for chosen in places]
    expected = np.mean([count <= changes(treated) for count in every])
    assert few_changes_p(treated) == pytest.approx(expected, abs=1e-12)


def test_weekdays_are_compared_by_an_analysis_of_variance():
    """F of seven weekdays; 0 if the weekday decides, and 1 within a single week."""
    treated = np.random.default_rng(2).random(40) < 0.4
    days = [treated[first::7].astype(float) for first in range(7)]
    assert by_weekday_p(treated.tolist()) == pytest.approx(stats.f_oneway(*days).pvalue, rel=1e-9)
    assert by_weekday_p([False, True, True, False, False, False, False] * 3) == 0
    assert by_weekday_p([False, True] * 3) == 1
