"""What a voucher test can show, before it is sent."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from d1lab.analyses.customers.voucher_power import (
    FEWEST_CUSTOMERS,
    UsualWindow,
    power,
    sentence,
    usual,
)
from d1lab.errors import InputError

PAST = UsualWindow(customers=200, buyers=50, mean=10.0, deviation=20.0)


def test_the_size_is_that_of_two_means() -> None:
    """(1.959964 + 0.841621)^2 x 4 x (20 / 5)^2 = 502.3 for 50%; with 100%, the buyers decide."""
    half, double = power(PAST, 300, [0.5, 1.0])
    assert (half.needed, half.is_enough) == (503, False)
    assert half.reason == "too few to learn: 503 customers are needed"
    assert (double.needed, double.is_enough, double.reason) == (200, True, None)  # 2 x 25 / 25%
    assert sentence([half, double], 60) == (
        "300 overdue customers are enough to see a lift of 100% in 60 days."
    )
    assert "even a lift of 50% in 60 days needs 503" in sentence([half], 60)


def test_a_shop_with_few_returns_cannot_plan() -> None:
    """24 buyers do not tell how customers vary."""
    [one] = power(PAST._replace(buyers=24), 300, [0.5])
    assert (one.needed, one.is_enough) == (None, False)
    assert "24 overdue customers bought in the last window, 25 are required" in str(one.reason)
    assert "not known" in sentence([one], 60)


def test_it_takes_a_spend_and_25_buyers_to_plan() -> None:
    assert power(PAST._replace(buyers=25), 300, [0.5])[0].needed is not None
    assert power(PAST._replace(mean=0.0), 300, [0.5])[0].needed is None
    assert power(PAST._replace(mean=0.5), 300, [0.5])[0].needed is not None
    assert UsualWindow(0, 0, 0.0, 0.0).rate == 0
    assert PAST.rate == 0.25


def test_as_many_as_needed_are_enough() -> None:
    """By default, lifts of a quarter, a half, and all are planned for, with a power of 80%."""
    quarter, half, double = power(PAST, 503)
    assert [one.lift for one in (quarter, half, double)] == [0.25, 0.5, 1.0]
    assert (half.is_enough, half.available) == (True, 503)
    assert not power(PAST, 502, [0.5])[0].is_enough
    [likelier] = power(PAST, 503, [0.5], wanted=0.9)
    assert likelier.needed == math.ceil((1.959964 + 1.281552) ** 2 * 4 * 16)
    assert sentence([quarter, half, double], 30).endswith("a lift of 50% in 30 days.")
    assert FEWEST_CUSTOMERS == 2 * 25
    for wanted in (0.05, 1.0):
        with pytest.raises(InputError, match="between"):
            power(PAST, 300, [0.5], wanted=wanted)


@pytest.mark.parametrize("lift", [0.0, -0.1, float("nan"), float("inf")])
def test_a_lift_is_above_zero(lift: float) -> None:
    with pytest.raises(InputError, match="invalid lift"):
        power(PAST, 300, [lift])
    with pytest.raises(InputError, match="power"):
        power(PAST, 300, [0.5], wanted=1.0)


def test_usual_counts_those_without_a_purchase() -> None:
    """Of three overdue customers one bought, for 30; others do not count."""
    overdue = pd.DataFrame({"customer_id": ["a", "b", "c"]})
    later = {"later_purchases": [2, 0, 5], "later_spend": [30.0, 0.0, 99.0]}
    window = pd.DataFrame({"customer_id": ["a", "b", "x"], **later})
    found = usual(overdue, window)
    assert (found.customers, found.buyers, found.mean) == (3, 1, 10.0)
    assert found.deviation == pytest.approx(300**0.5)
    assert usual(overdue[:0], window) == UsualWindow(0, 0, 0.0, 0.0)
    assert usual(overdue[:1], window) == UsualWindow(1, 1, 30.0, 0.0)
    assert usual(overdue[:2], window).deviation == pytest.approx(30 / 2**0.5)
    assert usual(overdue[2:], window) == UsualWindow(1, 0, 0.0, 0.0)
