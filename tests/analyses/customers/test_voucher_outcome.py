"""What a voucher changed, by hand and over simulated tests."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from d1lab.analyses.customers.voucher_outcome import VoucherOutcome, outcomes
from d1lab.stats.means import Sums, difference_interval, stratified

END = date(2026, 4, 30)
SENT, HELD_OUT = True, False


def row(stratum: int, is_sent: bool, values: list[float], **fields: Any) -> dict[str, Any]:
    """A row of the metric for customers with these profits; revenue is twice as much."""
    profits = np.array(values)
    return {
        "voucher": "winback", "discount_code": "BACK10", "stratum": stratum, "is_sent": is_sent,
        "sent_on": pd.Timestamp("2026-03-02"), "last_day": pd.Timestamp(END),
        "customers": len(values), "pace_sum": 100.0, "buyers": int((profits != 0).sum()),
        "orders": int((profits != 0).sum()), "redeemers": 0, "redemptions": 0, "savings": 0.0,
        "revenue": 2 * profits.sum(), "revenue_squares": 4 * (profits**2).sum(),
        "profit": profits.sum(), "profit_squares": (profits**2).sum(), **fields,
    }  # fmt: skip


def outcome(rows: list[dict[str, Any]], until: date = END) -> VoucherOutcome:
    [found] = outcomes(pd.DataFrame(rows), until)
    return found


def test_difference_and_interval_are_those_by_hand() -> None:
    """Two strata of 60 and 20 customers, with weights 3/4 and 1/4."""
    big = [1.0, 3.0] * 15, [2.0, 6.0] * 15
    small = [10.0] * 5 + [20.0] * 5, [10.0] * 5 + [24.0] * 5
    found = outcome([
        row(1, SENT, small[1], redeemers=8, savings=16.0), row(1, HELD_OUT, small[0]),
        row(2, SENT, big[1]), row(2, HELD_OUT, big[0]),
    ])  # fmt: skip
    difference = 0.75 * (4 - 2) + 0.25 * (17 - 15)
    parts = [
        weight**2 * np.var(values, ddof=1) / len(values)
        for weight, values in ((0.75, big[0]), (0.75, big[1]), (0.25, small[0]), (0.25, small[1]))
    ]
    freedom = sum(parts) ** 2 / sum(
        part**2 / left for part, left in zip(parts, (29, 29, 9, 9), strict=True)
    )
    reach = student.ppf(0.975, freedom) * np.sqrt(sum(parts))
    assert (found.measure, found.difference) == ("profit", pytest.approx(difference, abs=1e-12))
    assert found.low == pytest.approx(difference - reach, abs=1e-9)
    assert found.high == pytest.approx(difference + reach, abs=1e-9)
    assert (found.status, found.cost_per_voucher, found.window_days) == ("send", 2.0, 60)


def test_who_would_have_bought_anyway_is_a_ratio_of_shares() -> None:
    """40 of 100 with the voucher bought, 30 of 100 without it: three of four; never above one."""
    found = outcome([row(1, SENT, [1.0] * 40 + [0] * 60), row(1, HELD_OUT, [1.0] * 30 + [0] * 70)])
    assert (found.sent.buyers, found.sent.orders, found.held_out.orders) == (40, 40, 30)
    assert found.anyway == pytest.approx(0.75)
    assert (found.anyway_low or 0) < 0.75 < (found.anyway_high or 0) <= 1
    swapped = outcome(
        [row(1, HELD_OUT, [1.0] * 40 + [0] * 60), row(1, SENT, [1.0] * 30 + [0] * 70)]
    )
    assert swapped.anyway == 1


VARIED = [5.0, 7.0] * 20


@pytest.mark.parametrize(
    ("sent", "held_out", "until", "fields", "status", "reason"),
    [
        (VARIED, VARIED, date(2026, 3, 1), {}, "to come", "sent on 2026-03-02"),
        (
            VARIED,
            VARIED,
            date(2026, 4, 29),
            {},
            "running",
            "too early: the window ends on 2026-04-",
        ),
        (VARIED, VARIED[:24] + [0.0] * 9, END, {}, "too few", "one half has 24 buyers, 25 are"),
        ([5.0] * 40, [6.0] * 40, END, {}, "too few", "all spent the same"),
        (VARIED, VARIED, END, {}, "inconclusive", ""),
        ([1.0, 2.0] * 20, VARIED, END, {}, "stop", ""),
        (VARIED, [1.0, 2.0] * 20, END, {"profit": None}, "revenue only", "unit costs are missing"),
    ],
)
def test_each_status_has_its_condition(sent, held_out, until, fields, status, reason) -> None:
    """Without an answer there is a reason, and no difference unless profit alone is unknown."""
    found = outcome([row(1, SENT, sent, **fields), row(1, HELD_OUT, held_out)], until)
    assert found.status == status
    assert reason in (found.reason or "")
    assert (found.difference is None) == (status in ("to come", "running", "too few"))
    assert found.is_running == (status in ("to come", "running"))
    if status == "revenue only":
        assert (found.measure, found.difference) == ("revenue", pytest.approx(2 * (6 - 1.5)))


def test_a_half_of_a_stratum_that_was_forgotten_does_not_matter() -> None:
    """One customer is left of a half: the strata are compared as one."""
    rows = [
        row(1, SENT, VARIED), row(1, HELD_OUT, VARIED), row(2, SENT, [9.0]),
        row(2, HELD_OUT, [5.0, 7.0]), row(3, SENT, [5.0, 7.0]),
    ]  # fmt: skip
    found = outcome(rows)
    assert found.difference == pytest.approx((240 + 9 + 12) / 43 - (240 + 12) / 42)


def test_a_half_without_a_stratum_is_compared_as_one() -> None:
    """Two customers were sent a voucher in a stratum of which none is left to compare with."""
    rows = [row(1, SENT, VARIED), row(1, HELD_OUT, VARIED), row(2, SENT, [50.0, 70.0])]
    assert outcome(rows).difference == pytest.approx((240 + 120) / 42 - 6)
    rows = [*rows[:2], row(2, HELD_OUT, [50.0, 70.0])]
    assert outcome(rows).difference == pytest.approx(6 - (240 + 120) / 42)
    whole = [*rows, row(2, SENT, [60.0, 80.0])]  # two are enough
    assert outcome(whole).difference == pytest.approx(10 * 4 / 84)


def test_a_half_adds_up_its_strata_and_tests_come_in_the_order_of_their_days() -> None:
    """Amounts to the cent; profit only if that of each stratum is known."""
    parts = {"redeemers": 2, "redemptions": 3, "savings": 1.004, "orders": 50, "pace_sum": 10.1}
    rows = [
        row(1, SENT, VARIED, **parts), row(2, SENT, VARIED, **parts),
        row(1, HELD_OUT, VARIED, profit=None), row(2, HELD_OUT, VARIED),
    ]  # fmt: skip
    later = [one | {"voucher": "a", "sent_on": pd.Timestamp("2026-03-03")} for one in rows]
    first, second = outcomes(pd.DataFrame([*later, *rows]), END)
    assert (first.voucher, second.voucher) == ("winback", "a")
    assert first.sent == (80, 80, 100, 960.0, 480.0, 20.2, 4, 6, 2.01)
    assert first.held_out.profit is None
    assert first.cost_per_voucher == pytest.approx(2.01 / 4)
    assert second.window_days == 59
    assert outcome([rows[0], row(1, HELD_OUT, VARIED)]).cost_per_voucher == 0.5
    assert outcome([row(1, SENT, VARIED), row(1, HELD_OUT, VARIED)]).cost_per_voucher is None


def test_the_last_day_of_the_window_is_the_first_of_a_comparison() -> None:
    rows = [row(1, SENT, VARIED), row(1, HELD_OUT, VARIED)]
    days = (date(2026, 3, 2), date(2026, 4, 29), END, date(2026, 5, 1))
    assert [outcome(rows, day).status for day in days] == ["running"] * 2 + ["inconclusive"] * 2
    few = [row(1, SENT, VARIED[:25]), row(1, HELD_OUT, VARIED)]
    assert outcome(few).status == "inconclusive"


def test_intervals_hold_with_log_normal_spend() -> None:
    """1,500 tests of 500 customers, of whom 20% to 35% buy: 95% intervals hold 93% to 97%."""
    rng, strata, each = np.random.default_rng(3), 5, 50
    values = np.exp(rng.normal(0, 0.7, (1_500, strata * 2 * each)))
    values = np.sort(values, axis=1).reshape(1_500, strata, 2, each)  # by expected value
    values = rng.permuted(values.reshape(1_500, strata, -1), axis=2).reshape(values.shape)
    rates, margins = np.array([0.2, 0.35])[:, None], np.array([0.4, 0.3])[:, None]
    bought = rng.random(values.shape) < rates
    spend = bought * margins * values * np.exp(rng.normal(-0.5, 1, values.shape))
    true = float((rates * margins)[1, 0] - (rates * margins)[0, 0]) * np.exp(0.7**2 / 2)
    held = 0
    for test in spend:
        a, b = (Sums.of(each, test[:, h].sum(1), (test[:, h] ** 2).sum(1)) for h in (0, 1))
        low, high = difference_interval(stratified(a, b), 1.959963984540054)
        held += bool(low <= true <= high)
    assert 0.93 <= held / len(spend) <= 0.97
