"""Voucher tests in words and in a table."""

from __future__ import annotations

import pytest

from d1lab.analyses.customers.voucher_report import told, voucher_table
from tests.analyses.customers.test_voucher_outcome import (
    HELD_OUT,
    SENT,
    VARIED,
    date,
    outcome,
    row,
)

LESS = [1.0, 2.0] * 20 + [0.0] * 10


def test_a_clear_test_says_what_a_voucher_earns_and_costs() -> None:
    used = {"redeemers": 30, "redemptions": 31, "savings": 60.0}
    one = outcome([row(1, SENT, VARIED, **used), row(1, HELD_OUT, LESS, redeemers=1)])
    assert told(one, "USD") == (
        "winback (BACK10): send it to all. Profit per voucher sent: $4.80 (95% interval $4.42 to "
        "$5.18). 100% of 40 customers with the voucher bought, 80% of 50 without it: 80% of the "
        "buyers would have bought anyway (95% interval 67% to 89%). 30 vouchers used: $60 given "
        "away, $2 each. 1 customer held out used the code, too."
    )
    [shown] = voucher_table([one], "USD").frame.to_dict("records")
    assert (shown["sent"], shown["held_out"], shown["voucher_outcome"]) == (40, 50, "send")
    assert shown["profit_per_voucher"] == pytest.approx(4.8)
    assert (shown["bought_sent"], shown["bought_held_out"]) == (1.0, 0.8)
    assert (shown["vouchers_used"], shown["voucher_cost"]) == (30, 60.0)
    assert shown["bought_anyway"] == pytest.approx(0.8)
    assert (shown["revenue_sent"], shown["revenue_held_out"]) == (12.0, 120 / 50)
    ends = (shown["profit_per_voucher_low"], shown["profit_per_voucher_high"])
    assert ends == (one.low, one.high)


def test_a_test_that_runs_tells_no_figure() -> None:
    """Looking early would find differences that are chance: the table has none before the end."""
    one = outcome([row(1, SENT, VARIED), row(1, HELD_OUT, LESS)], date(2026, 4, 1))
    assert told(one) == (
        "winback (BACK10): too early: the window ends on 2026-04-30. 40 customers sent, 50 held "
        "out."
    )
    [shown] = voucher_table([one]).frame.to_dict("records")
    known = {name for name, value in shown.items() if value is not None}
    assert known == {
        "voucher", "discount_code", "sent_on", "voucher_outcome", "sent", "held_out",
    }  # fmt: skip


def test_the_newest_test_comes_first() -> None:
    old = outcome([row(1, SENT, VARIED), row(1, HELD_OUT, LESS)])
    declared = voucher_table([old, old._replace(voucher="newer")])
    assert declared.frame["voucher"].tolist() == ["newer", "winback"]
    assert declared.note.startswith("newer (BACK10)")


def test_without_costs_there_is_no_advice() -> None:
    one = outcome([row(1, SENT, VARIED, profit=None), row(1, HELD_OUT, LESS)])
    assert "no advice, because profit is unknown: unit costs are missing. Revenue per" in told(one)
    assert voucher_table([one]).frame["profit_per_voucher"].isna().all()


def test_without_a_test_the_table_says_how_to_start_one() -> None:
    """It has its columns, no row, and the commands."""
    declared = voucher_table([])
    assert declared.frame.empty
    assert "voucher" in declared.frame
    assert "d1lab voucher plan" in declared.note
