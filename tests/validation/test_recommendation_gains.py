"""A fast part of `python -m validation.recommendation_gains`."""

from __future__ import annotations

import pytest

from validation.recommendation_gains import MARGINS, Cell, Gains, ratio, simulate


def test_expected_gains_are_the_true_ones():
    """Four shops: the sum of what is expected of the recommended discounts is within 10%."""
    shops = [simulate(Cell(-3.0, 0.5, skus=150), number) for number in range(4)]
    by_margin = dict(zip(MARGINS, zip(*shops, strict=True), strict=True))
    assert sum(one.discounts for one in by_margin[0.25]) == 0  # no depth can pay
    for margin in (0.5, 0.6):
        found = ratio(list(by_margin[margin]))
        assert found.discounts > 100
        assert found.within, (margin, found)
        assert found.covered >= 2, (margin, found)


def test_a_ratio_is_that_of_sums():
    """Expected 30 of 40 true; the error is 0 where all shops have the same ratio."""
    found = ratio([Gains(1, 1, 15.0, 20.0), Gains(2, 1, 15.0, 20.0)])
    assert (found.discounts, found.won, found.excess) == (3, 2, -0.25)
    assert found.error == pytest.approx(0)
    assert not found.within
