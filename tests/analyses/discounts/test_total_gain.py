"""The interval of the gain of all recommended discounts together."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from d1lab.analyses.discounts.total_gain import total_gain


def discounts(products, **errors):
    """Return equal products: 10 a unit, cost 4, 100 units, at 20% off."""
    given = {"error_shared": 0.0, "error_by_width": 0.0, "drift": 0.0} | errors
    row = {"unit_price": 10.0, "unit_cost": 4.0, "regular_units": 100.0, "slope": -3.0}
    row |= {"slope_error": 0.5, "depth": 0.2, "gain": 180.0, "drawn_with": 0} | given
    return pd.DataFrame([row | {"sku": f"s{number}"} for number in range(products)])


def test_own_errors_even_out_and_shared_ones_do_not():
    """Of 100 products: a tenth of the relative width, or all of it."""
    one = total_gain(discounts(1))
    own, shared, all_alike = (
        total_gain(discounts(100, **errors))
        for errors in ({}, {"error_shared": 0.5}, {"error_by_width": -0.5})
    )
    width = (one.high - one.low) * 100
    assert own.value == pytest.approx(18_000)
    assert own.high - own.low == pytest.approx(width / 10, rel=0.1)
    assert shared.high - shared.low == pytest.approx(width, rel=0.1)
    assert all_alike.high - all_alike.low == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize("errors", [{"error_shared": 0.3}, {"error_by_width": -0.4}])
def test_shared_and_own_errors_are_parts_of_one(errors):
    """For one product, how its error divides changes nothing."""
    one, parted = total_gain(discounts(1)), total_gain(discounts(1, **errors))
    assert parted.high - parted.low == pytest.approx(one.high - one.low, rel=0.1)


def test_drift_leaves_the_mean():
    """Without errors: the gain at the slope that drift leaves on average."""
    gain = 100 * (0.8 ** (-3 - 0.5**2 * math.log(0.8) / 2) * 4 - 6)
    found = total_gain(discounts(1, drift=0.5, slope_error=0.0, gain=gain))
    assert found == pytest.approx((gain, gain, gain))


def test_the_order_of_rows_decides_nothing():
    """The same draws for the same products."""
    rows = discounts(5).assign(regular_units=[1.0, 2.0, 3.0, 4.0, 5.0])
    turned = rows.iloc[::-1]
    assert total_gain(rows)[1:] == pytest.approx(total_gain(turned)[1:], rel=1e-12)


def test_the_interval_is_that_of_one_slope():
    """One product: its ends are the gains at slopes 1.645 errors away."""
    found = total_gain(discounts(1))
    for end, side in ((found.low, 1), (found.high, -1)):
        lift = 0.8 ** (-3 + side * 1.645 * 0.5)
        assert end == pytest.approx(100 * (lift * 4 - 6), rel=0.06, abs=6)


def test_a_gain_outside_its_interval_widens_it():
    """An expected gain above all draws, or below them."""
    for gain in (1e6, -1e6):
        found = total_gain(discounts(1, gain=gain))
        assert found.value == gain in (found.low, found.high)


def test_groups_err_on_their_own_and_by_width_together():
    """Two groups of 50: half of the variance is shared; opposite signs of width cancel out."""
    two = discounts(100, error_shared=0.5).assign(drawn_with=[0, 1] * 50)
    one = total_gain(discounts(100, error_shared=0.5))
    found = total_gain(two)
    assert found.high - found.low == pytest.approx((one.high - one.low) / 2**0.5, rel=0.1)
    signed = discounts(100, error_by_width=0.5).assign(error_by_width=[0.5, -0.5] * 50)
    opposed = total_gain(signed)
    assert opposed.high - opposed.low < 0.5 * (one.high - one.low)
