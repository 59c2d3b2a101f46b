"""RFM groups with their size and spend, the RFM grid, and overdue customers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from d1lab.analyses.customers.alignment import aligned
from d1lab.analyses.customers.labels import texts
from d1lab.analyses.customers.segments import (
    GROUPS,
    PROSPECTS,
    SegmentRule,
    segment_by_group,
    segment_by_window,
)

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

BEST = ("Champions", "Loyal")

ONCE_IN_TWENTY = 0.05
GONE_GAPS = 12
"""Overdue: a pause that is as long once in twenty times, see `overdue_gaps`, up to 12 usual gaps.
After that, a discount comes too late (convention)."""

LEAST_PURCHASES = 3
LEAST_M_SCORE = 4
"""Minimum for the overdue list: 3 purchases, for a usual gap, and the top 40% by spend."""

COLUMNS = (
    "rfm_group customers share_of_customers spend share_of_spend days_since_purchase "
    "discounted_share weekly_revenue"
)
LAPSING_COLUMNS = (
    "customer_id rfm_group silent_days usual_gap_days mean_purchase pace discounted_share spend"
)
STAGED = "shop customer_id customer_segment lifetime_value"
SCORED = "shop customer_id rfm_group r_score f_score m_score lifetime_value_method"
"""Columns of the report's tables, and of the rows staged for the app's table and for d1lab's."""

RECENCY = {5: "5 (most recent)", 4: "4", 3: "3", 2: "2", 1: "1 (least recent)"}


def group_table(customers: Frame) -> Frame:
    """Return one row per group in Shopify's order: size, spend, and orders with a discount.

    Args:
        customers: Scores with the groups as shown. If no buyer has a group, the table is empty:
            prospects alone are not all customers.
    """
    counted = customers.groupby("rfm_group", observed=True).agg(
        customers=("customer_id", "size"),
        spend=("spend", "sum"),
        orders=("orders", "sum"),
        discounted_orders=("discounted_orders", "sum"),
        days_since_purchase=("days", "median"),
    )
    counted.index = counted.index.astype(object)
    names = [name for name in GROUPS if name in counted.index]
    table = counted.reindex([] if names == [PROSPECTS] else names).reset_index()
    orders = table["orders"].astype(float)
    return table.assign(
        share_of_customers=table["customers"] / table["customers"].sum(),
        share_of_spend=table["spend"] / table["spend"].sum(),
        discounted_share=table["discounted_orders"] / orders.where(orders > 0),
    )


def with_weeks(table: Frame, customers: Frame, weeks: Frame) -> Frame:
    """Add the revenue of each group's customers of today in each of the last weeks, as lists.

    Args:
        table: Result of `group_table`.
        customers: Scores with the groups as shown.
        weeks: Rows of the metric `customer_weeks`.
    """
    of_each = aligned(customers[["customer_id", "rfm_group"]], weeks["customer_id"])
    sums = {
        group: np.vstack(each.to_list()).sum(axis=0).round(2).tolist()
        for group, each in weeks["weekly_revenue"].groupby(of_each["rfm_group"], observed=True)
    }
    return table.assign(weekly_revenue=[sums.get(group) for group in table["rfm_group"]])


def grid(customers: Frame) -> Frame:
    """Return customers and spend per cell of Shopify's grid: R by FM = (F + M) / 2, rounded up.

    Rows are cells in reading order, starting with R = 5; customers without scores are skipped.
    """
    scored = customers.dropna(subset=["r_score", "f_score", "m_score"])
    cells = scored.assign(
        recency=scored["r_score"].astype(int),
        frequency_and_spend=(scored["f_score"] + scored["m_score"] + 1).astype(int) // 2,
    )
    counted = cells.groupby(["recency", "frequency_and_spend"]).agg(
        customers=("customer_id", "size"), spend=("spend", "sum")
    )
    every = pd.MultiIndex.from_product(
        [(5, 4, 3, 2, 1), (1, 2, 3, 4, 5)], names=counted.index.names
    )
    whole = counted.reindex(every, fill_value=0).reset_index()
    return whole.assign(
        recency=whole["recency"].map(RECENCY),
        share_of_spend=whole["spend"] / (whole["spend"].sum() or 1),
    )


def overdue_gaps(gaps: Any) -> Any:
    """Return how many mean gaps a pause exceeds once in twenty times, if purchases are Poisson.

    Args:
        gaps: Number of gaps behind the mean gap; >= 1.

    The mean of k exponential gaps is itself uncertain: P(pause > b x mean) = (1 + b / k)^-k, so
    b = k (.05^(-1/k) - 1). It falls to -ln .05 = 3.0 for many gaps.

    >>> [round(float(overdue_gaps(k)), 2) for k in (2, 5, 100)]
    [6.94, 4.1, 3.04]
    """
    return gaps * (ONCE_IN_TWENTY ** (-1 / gaps) - 1)


def overdue(customers: Frame) -> Frame:
    """Return the overdue high-value customers, highest value first.

    `usual_gap_days` is the customer's mean time between purchases, and `pace` the customer's yearly
    spend at that gap, which is the value at stake.
    """
    gap = (customers["last_day"] - customers["first_day"]).dt.days / (customers["purchases"] - 1)
    known = customers.assign(
        silent_days=customers["days"],
        usual_gap_days=gap.where(customers["purchases"] > 1),
        discounted_share=customers["discounted_orders"] / customers["orders"],
    )
    mean = known["spend"] / known["purchases"]
    known = known.assign(mean_purchase=mean, pace=mean * 365 / known["usual_gap_days"])
    silent = known["days"] / known["usual_gap_days"]
    due = (
        (known["purchases"] >= LEAST_PURCHASES)
        & (known["m_score"] >= LEAST_M_SCORE)
        & (silent >= overdue_gaps((known["purchases"] - 1).clip(lower=1)))
        & (silent <= GONE_GAPS)
    )
    return known[due].sort_values(["pace", "customer_id"], ascending=[False, True])


def buyers(customers: Frame) -> Frame:
    """Return the customers with at least one purchase that was not fully returned."""
    return customers[customers["purchases"] > 0]


def best_share(table: Frame) -> float | None:
    """Return the share of spend of Champions and Loyal customers; None without groups."""
    known = table[table["rfm_group"] != PROSPECTS]
    if known.empty:
        return None
    return float(known.loc[known["rfm_group"].isin(BEST), "share_of_spend"].sum())


def app_segments(
    customers: Frame,
    window: Frame | None,
    rule: SegmentRule,
    vip_spend: float | None,
    vip_purchases: int,
) -> Any:
    """Return the app's segments (vip, regular, new), by group or by spend within a window of days.

    Args:
        customers: Scores with the groups as shown.
        window: Rows of `purchase_summary` whose later part is the window; None to use the groups.
        rule: Groups that are vip and new; used without a window.
        vip_spend: Minimum spend of a vip within the window; None to use the groups.
        vip_purchases: Minimum purchases of a vip within the window.
    """
    if window is None or vip_spend is None:
        scores = customers["m_score"].astype("Float64").to_numpy(float, na_value=float("nan"))
        return segment_by_group(texts(customers["rfm_group"]), scores, rule)
    within = aligned(window, customers["customer_id"]).fillna(0)
    return segment_by_window(
        customers["purchases"], within["later_purchases"], within["later_spend"],
        vip_spend=vip_spend, vip_purchases=vip_purchases,
    )  # fmt: skip


def cohort_grid(cohorts: Frame, months: int = 12) -> Frame:
    """Return the latest cohorts over their complete later months, for a heat map.

    The current month is excluded because it is incomplete, and the month of the first purchase
    because its retention is always 100%.
    """
    last = cohorts["cohort"].drop_duplicates().nlargest(months)
    shown = cohorts[
        cohorts["complete"]
        & cohorts["month_number"].between(1, months)
        & cohorts["cohort"].isin(last)
    ]
    first_month = shown["cohort"].dt.strftime("%Y-%m") + " (" + shown["customers"].astype(str) + ")"
    return shown.assign(first_month=first_month)
