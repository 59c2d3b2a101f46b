"""Content of the customer report on voucher tests: a table, and each test in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from d1lab.analyses.customers.voucher_outcome import VoucherOutcome, outcomes
from d1lab.counting import counted
from d1lab.display import money
from d1lab.display.declarations import ReportTable

if TYPE_CHECKING:
    from d1lab.lab import Lab

NO_TEST = (
    "No voucher test yet. To see how many customers one needs: d1lab voucher plan. To draw the "
    "half that gets a voucher: d1lab voucher assign NAME --code CODE."
)

_COLUMNS = (
    "voucher discount_code sent_on voucher_outcome sent held_out bought_sent bought_held_out "
    "bought_anyway revenue_sent revenue_held_out profit_per_voucher profit_per_voucher_low "
    "profit_per_voucher_high vouchers_used voucher_cost"
)

_VERDICTS = {
    "send": "send it to all",
    "stop": "stop sending it",
    "inconclusive": "inconclusive",
    "revenue only": "no advice, because profit is unknown: unit costs are missing",
}


class ShopVouchers(NamedTuple):
    """The voucher tests of one shop on one day."""

    tests: list[VoucherOutcome]  # oldest first
    waiting: frozenset[str]  # customers of tests that are not over


def read_vouchers(lab: Lab, until: date) -> ShopVouchers:
    """Compute the outcome of each voucher test of the lab's shop.

    Args:
        lab: Lab opened for one shop.
        until: Last day included.
    """
    tests = outcomes(lab.metric("voucher_outcomes", until=until), until)
    waiting = lab.metric("voucher_waiting", until=until)["customer_id"]
    return ShopVouchers(tests, frozenset(waiting))


def voucher_table(found: Sequence[VoucherOutcome], currency: str = "") -> ReportTable:
    """Return the table of a shop's voucher tests, newest first, with the newest one in words."""
    rows = [_row(one) for one in reversed(found)]
    names = _COLUMNS.split() if rows else _COLUMNS.split()[:4]
    frame = pd.DataFrame(rows, columns=pd.Index(names))
    note = told(found[-1], currency) if found else NO_TEST
    return ReportTable(frame, "Voucher tests", limit=10, note=note, name="voucher-tests")


def _row(one: VoucherOutcome) -> dict[str, Any]:
    known = one.difference is not None
    has_profit = known and one.measure == "profit"
    return {
        "voucher": one.voucher,
        "discount_code": one.discount_code,
        "sent_on": pd.Timestamp(one.sent_on),
        "voucher_outcome": one.status,
        "sent": one.sent.customers,
        "held_out": one.held_out.customers,
        "bought_sent": one.sent.buyers / one.sent.customers if known else None,
        "bought_held_out": one.held_out.buyers / one.held_out.customers if known else None,
        "bought_anyway": one.anyway,
        "revenue_sent": one.sent.revenue / one.sent.customers if known else None,
        "revenue_held_out": one.held_out.revenue / one.held_out.customers if known else None,
        "profit_per_voucher": one.difference if has_profit else None,
        "profit_per_voucher_low": one.low if has_profit else None,
        "profit_per_voucher_high": one.high if has_profit else None,
        "vouchers_used": one.sent.redeemers if known else None,
        "voucher_cost": one.sent.savings if known else None,
    }


def told(one: VoucherOutcome, currency: str = "") -> str:
    """Return a voucher test in words."""
    name = f"{one.voucher} ({one.discount_code})"
    halves = f"{one.sent.customers:,} customers sent, {one.held_out.customers:,} held out"
    if one.difference is None or one.low is None or one.high is None:
        return f"{name}: {one.reason}. {halves}."
    interval = f"{money(one.low, currency)} to {money(one.high, currency)}"
    return (
        f"{name}: {_VERDICTS[one.status]}. {one.measure.capitalize()} per voucher sent: "
        f"{money(one.difference, currency)} (95% interval {interval}). {_buyers(one)} "
        f"{_cost(one, currency)}"
    )


def _buyers(one: VoucherOutcome) -> str:
    sent, held_out = one.sent, one.held_out
    return (
        f"{sent.buyers / sent.customers:.0%} of {sent.customers:,} customers with the voucher "
        f"bought, {held_out.buyers / held_out.customers:.0%} of {held_out.customers:,} without "
        f"it: {one.anyway:.0%} of the buyers would have bought anyway (95% interval "
        f"{one.anyway_low:.0%} to {one.anyway_high:.0%})."
    )


def _cost(one: VoucherOutcome, currency: str) -> str:
    """Return what the used vouchers cost, and whether the half held out used the code, too."""
    sent, leaked = one.sent, one.held_out.redeemers
    used = f"{counted(sent.redeemers, 'voucher')} used"
    each = "" if one.cost_per_voucher is None else f", {money(one.cost_per_voucher, currency)} each"
    said = f"{used}: {money(sent.savings, currency)} given away{each}."
    if not leaked:
        return said
    return f"{said} {counted(leaked, 'customer')} held out used the code, too."
