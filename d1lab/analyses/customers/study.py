"""All that the report on customers draws on: groups, overdue customers, and lifetime values."""

from __future__ import annotations

from typing import Any, NamedTuple

from d1lab.analyses.customers import groups
from d1lab.analyses.customers.labels import LabeledCustomers
from d1lab.analyses.customers.lifetime_value import Lifetimes, valued
from d1lab.analyses.customers.segments import SegmentRule

Frame = Any  # a pandas DataFrame: static types do not know its columns


class CustomerStudy(NamedTuple):
    """One shop's customers on one day."""

    labelled: LabeledCustomers
    values: Lifetimes
    customers: Frame  # scores with group, lifetime value, and the app's segment
    groups: Frame  # of `groups.group_table`
    overdue: Frame  # of `groups.lapsing`
    currency: str = ""  # of amounts; empty where it is not known


def study(
    labelled: LabeledCustomers,
    values: Lifetimes,
    window: Frame,
    rule: SegmentRule,
    vip_spend: float | None,
    vip_purchases: int,
    currency: str = "",
) -> CustomerStudy:
    """Compute everything for one shop.

    Args:
        labelled: Today's customers with their groups.
        values: Their lifetime values.
        window: The metric `purchase_summary` whose later part is the window of `vip_spend`.
        rule: Which groups are vip and new; used where `vip_spend` is None.
        vip_spend: The least spend of a vip within the window; None to go by group.
        vip_purchases: The least number of purchases beside it.
        currency: Of amounts; empty where it is not known.
    """
    customers = valued(labelled.now, values)
    overdue = groups.lapsing(customers)
    customers["customer_segment"] = groups.app_segments(
        customers, window, rule, vip_spend, vip_purchases
    )
    table = groups.group_table(customers)
    return CustomerStudy(labelled, values, customers, table, overdue, currency)
