"""Results for the customer report: groups, overdue customers, and lifetime values."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from d1lab.analyses.customers import groups
from d1lab.analyses.customers.labels import LabeledCustomers
from d1lab.analyses.customers.lifetime_value import Lifetimes, valued
from d1lab.analyses.customers.segments import SegmentRule

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


class CustomerStudy(NamedTuple):
    """Customers of one shop on one day."""

    labelled: LabeledCustomers
    values: Lifetimes
    customers: Frame  # scores with group, lifetime value, and the app's segment
    groups: Frame  # result of `groups.group_table`
    overdue: Frame  # result of `groups.overdue`
    currency: str = ""  # code of the currency of all amounts; empty if unknown


def spend_window(lab: Any, until: date, days: int, vip_spend: float | None) -> Frame | None:
    """Return the rows of `purchase_summary` that `vip_spend` needs; None without it.

    Args:
        lab: The lab of one shop.
        until: Last day of the window.
        days: Days of the window.
        vip_spend: Minimum spend of a vip within it; None to use the groups.
    """
    if vip_spend is None:
        return None
    return lab.metric("purchase_summary", until=until, later_days=days)


def study(
    labelled: LabeledCustomers,
    values: Lifetimes,
    window: Frame | None,
    rule: SegmentRule,
    vip_spend: float | None,
    vip_purchases: int,
    currency: str = "",
) -> CustomerStudy:
    """Compute all results for one shop.

    Args:
        labelled: Current customers with their groups.
        values: Lifetime values of the customers.
        window: Result of `spend_window`.
        rule: Groups that are vip and new; used if `vip_spend` is None.
        vip_spend: Minimum spend of a vip within the window; None to use the groups.
        vip_purchases: Minimum purchases of a vip within the window.
        currency: Code of the currency of all amounts; empty if unknown.
    """
    customers = valued(labelled.now, values)
    overdue = groups.overdue(customers)
    customers["customer_segment"] = groups.app_segments(
        customers, window, rule, vip_spend, vip_purchases
    )
    table = groups.group_table(customers)
    return CustomerStudy(labelled, values, customers, table, overdue, currency)
