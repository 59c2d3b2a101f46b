"""The action of the customer report: send or stop a tested voucher, or win back the overdue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from d1lab.analyses.customers.study import CustomerStudy
from d1lab.analyses.customers.voucher_outcome import VoucherOutcome
from d1lab.analyses.overview.study import recent_margin

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

YEAR_DAYS, MONTH_DAYS = 365, 30


def declared(
    found: CustomerStudy,
    periods: Any,
    tests: Sequence[VoucherOutcome] = (),
    waiting: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the action, as arguments of `lab.action`: of the last voucher test, or an estimate.

    Args:
        found: Results of `study`.
        periods: Rows of the metric `shop_margin`, or `shop_periods`, for the shop's gross margin.
            Without a known unit cost, the amount is revenue.
        tests: The shop's voucher tests, oldest first. The newest one that decided counts.
        waiting: Customers of tests that are not over. They get no other offer.
    """
    overdue = found.overdue[~found.overdue["customer_id"].isin(waiting)]
    if overdue.empty:
        return
    decided = [one for one in tests if one.status in ("send", "stop")]
    yield _of_voucher(decided[-1], overdue) if decided else _win_back(overdue, periods)


def _of_voucher(test: VoucherOutcome, overdue: Frame) -> dict[str, Any]:
    """Return whether to send a voucher, with the profit of one to each overdue customer."""
    scale = min(MONTH_DAYS / test.window_days, 1.0)
    ends = [(end or 0.0) * scale for end in (test.difference, test.low, test.high)]
    amount, low, high = ends if test.status == "send" else (-ends[0], -ends[2], -ends[1])
    sends, count = test.status == "send", len(overdue)
    return {
        "verb": "Send" if sends else "Stop",
        "key": "send-voucher" if sends else "stop-voucher",
        "what": f"{'' if sends else 'sending '}voucher {test.discount_code} to {{items}} who are "
        "going quiet",
        "reason": f"A random half got it: with it, profit per customer was "
        f"{'higher' if sends else 'lower'} than in the half without.",
        "amount": amount * count,
        "low": low * count,
        "high": high * count,
        "meaning": "gained" if sends else "lost",
        "basis": "tested",
        "item": "customer",
        "items": overdue[["customer_id", "rfm_group", "silent_days", "usual_gap_days"]].assign(
            amount=amount
        ),
        "link": "list-voucher-tests",
    }


def _win_back(overdue: Frame, periods: Any) -> dict[str, Any]:
    """Return the action to write to overdue customers.

    The amount is an upper limit: what the customers spent in 30 days at their usual pace. Some
    return without an offer, and others do not return with one.
    """
    pace = overdue["pace"].astype(float) * MONTH_DAYS / YEAR_DAYS
    margin_rate = recent_margin(periods)
    rate = 1.0 if margin_rate is None else max(margin_rate, 0.0)
    return {
        "verb": "Win back",
        "what": "{items} who are going quiet",
        "reason": "High spenders, silent far longer than usual. Write to a random half; the other "
        "half shows whether it paid.",
        "amount": float((pace * rate).sum()),
        "of": "sales" if margin_rate is None else "",
        "meaning": "at risk",
        "at_most": True,
        "basis": "estimate",
        "item": "customer",
        "items": overdue[["customer_id", "rfm_group", "silent_days", "usual_gap_days"]].assign(
            amount=pace * rate
        ),
        "link": "list-about-to-lapse",
    }
