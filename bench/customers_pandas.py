"""Customer metrics in idiomatic pandas, for `bench.customers`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d1lab.analyses.customers.segments import quintile_scores

_GRID = np.array(
    [
        ["Dormant", "Dormant", "At risk", "At risk", "Previously loyal"],
        ["Dormant", "Dormant", "At risk", "At risk", "Previously loyal"],
        ["Almost lost", "Almost lost", "Needs attention", "Loyal", "Loyal"],
        ["Promising", "Active", "Active", "Loyal", "Loyal"],
        ["New", "Active", "Active", "Champions", "Champions"],
    ]
)


def kept(orders: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    """Return one row per order that was not fully returned."""
    seen = orders[orders["day"] <= until]
    sums = seen.groupby(["customer_id", "order_id"], as_index=False).agg(
        day=("day", "min"), units=("units", "sum"), revenue=("revenue", "sum"),
        discount=("discount_amount", "max"),
    )  # fmt: skip
    whole = sums[sums["units"] > 0]
    return whole.assign(discounted=whole["discount"] > 0)


def scores(orders: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    """Compute the result of `customer_scores`."""
    each = kept(orders, until)
    found = each.groupby("customer_id").agg(
        purchases=("day", "nunique"), orders=("order_id", "size"), spend=("revenue", "sum"),
        first_day=("day", "min"), last_day=("day", "max"),
        discounted_orders=("discounted", "sum"),
    ).reset_index()  # fmt: skip
    found["spend"] = found["spend"].round(2)  # whole cents, to preserve ties
    found["days"] = (until - found["last_day"]).dt.days
    for name, column in (("r", -found["days"]), ("f", found["purchases"]), ("m", found["spend"])):
        found[f"{name}_score"] = quintile_scores(column.to_numpy())
    column = (found["f_score"] + found["m_score"] + 1) // 2
    return found.assign(rfm_group=_GRID[found["r_score"] - 1, column - 1])


def summary(orders: pd.DataFrame, until: pd.Timestamp, later_days: int) -> pd.DataFrame:
    """Compute the result of `purchase_summary`."""
    end = until - pd.Timedelta(days=later_days)
    days = kept(orders, until).groupby(["customer_id", "day"], as_index=False)["revenue"].sum()
    past, later = days[days["day"] <= end], days[days["day"] > end]
    recent = past[past["day"] > end - pd.Timedelta(days=later_days)]
    found = past.groupby("customer_id").agg(
        purchases=("day", "size"), first_day=("day", "min"), last_day=("day", "max"),
        spend=("revenue", "sum"), first_spend=("revenue", "first"),
    )  # fmt: skip
    repeats = found["purchases"] - 1
    found = found.assign(
        repeats=repeats,
        last_days=(found["last_day"] - found["first_day"]).dt.days,
        observed_days=(end - found["first_day"]).dt.days,
        mean_spend=((found["spend"] - found["first_spend"]) / repeats).fillna(0.0),
    )
    for name, rows in (("recent", recent), ("later", later)):
        sums = rows.groupby("customer_id")["revenue"].agg(["size", "sum"]).reindex(found.index)
        found[f"{name}_purchases"] = sums["size"].fillna(0)
        found[f"{name}_spend"] = sums["sum"].fillna(0.0)
    return found.reset_index()
