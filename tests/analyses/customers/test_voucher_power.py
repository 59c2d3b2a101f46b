"""What a voucher test can show, before it is sent."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.analyses.customers.voucher_power import UsualWindow, power, sentence, usual
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
