"""The three lists to act on."""

from __future__ import annotations

import numpy as np

from d1lab.stats.demand import REASONS
from d1lab.stock.study import DEAD_DAYS, Frame, Study

MIN_WEEKS = 4  # of each kind, before weeks with and without discount are compared
CLEAR = 1.645  # standard errors between them, before one is called the greater (90 %)
DEEP = 0.05  # a week's mean discount from here on counts as one with discount

UNSEEN = ("low_coverage", "untracked")  # reasons why what is on hand is not known

SHORT = (
    "product order_units days_of_supply ending_units abc days_of_supply_low days_of_supply_high"
    " forecast_units reorder_point why"
)
DEAD = "product tied_up ending_units idle_days unit_price tied_up_at_cost"
MOVED = (
    "product todo discount_given share_of_units velocity_discounted velocity_regular"
    " discounted_weeks regular_weeks days_of_supply"
)


def short(found: Study) -> Frame:
    """What runs out before it can be replaced: cover below the lead time, the least first.

    `why` is the reason where no order is told.
    """
    reasons = found.products["forecast_reason"].map(REASONS).fillna("")
    products = found.products.assign(why=reasons)
    runs_out = products["days_of_supply"] < found.plan.lead_days
    return products[runs_out].sort_values(["days_of_supply", "sku"])


def dead(found: Study) -> Frame:
    """Stock that nobody bought for 90 days or the whole period; the most money first.

    A period shorter than 90 days says so: its own length is all that was looked at.
    """
    products = found.products
    days = min(found.days, DEAD_DAYS)
    idle = products["idle_days"] >= days
    seen = ~products["reason"].isin(UNSEEN)
    held = products[idle & seen & (products["ending_units"] > 0)]
    return held.sort_values(["tied_up", "ending_units", "sku"], ascending=[False, False, True])


def moved(found: Study) -> Frame:
    """What sold at a discount, with what to do about it: those to question first, by money given.

    Velocities are units a day in stock, over the weeks with a sale at a mean discount of 5 % or
    more, and over the others with a sale; unknown where there are fewer than 4 of each.
    """
    products = found.products[found.products["discount_given"] > 0]
    table = products.merge(_sides(found.weeks), on="sku", how="left")
    share = table["units_sold_with_discount"] / table["units_sold"].where(table["units_sold"] > 0)
    table = table.assign(share_of_units=share, todo=_todo(table, found.plan.lead_days))
    table["questioned"] = table["todo"].str.startswith(("pause", "sold less"))
    order = ["questioned", "discount_given", "sku"]
    return table.sort_values(order, ascending=[False, False, True])


def questioned(table: Frame) -> Frame:
    """Of what `moved` lists, the discounts to end: what runs out, and what sold less with them."""
    return table[table["questioned"]]


def _sides(weeks: Frame) -> Frame:
    """Each SKU's weeks with and without a discount: velocity, weeks, and how clear the gap is."""
    sold = weeks[(weeks["units"] > 0) & weeks["demand_units"].notna() & weeks["depth"].notna()]
    sold = sold.assign(velocity=sold["demand_units"] / 7)
    sides = [
        sold[where].groupby("sku")["velocity"].agg(["mean", "size", "var"])
        for where in (sold["depth"] >= DEEP, sold["depth"] < DEEP)
    ]
    both = sides[0].merge(sides[1], how="outer", on="sku", suffixes=("_deep", "_flat"))
    counts = both[["size_deep", "size_flat"]].fillna(0).astype(int)
    error = np.sqrt(both["var_deep"] / counts["size_deep"] + both["var_flat"] / counts["size_flat"])
    gap = both["mean_deep"] - both["mean_flat"]
    found = both.assign(
        velocity_discounted=both["mean_deep"],
        velocity_regular=both["mean_flat"],
        discounted_weeks=counts["size_deep"],
        regular_weeks=counts["size_flat"],
        surely_more=gap > CLEAR * error,
        surely_less=gap < -CLEAR * error,
    )
    few = (counts < MIN_WEEKS).any(axis=1)
    found.loc[few, ["velocity_discounted", "velocity_regular"]] = np.nan
    return found.drop(columns=both.columns).reset_index()


def _todo(table: Frame, lead_days: int) -> np.ndarray:
    """The first that holds: nothing is discounted that runs out, or sells less with a discount."""
    cases = {
        "pause: it runs out": table["days_of_supply"] < lead_days,
        "too few weeks to compare": table["velocity_discounted"].isna(),
        "sold less: stop, or test": table["surely_less"].eq(True),
        "sold more: hold, or test the depth": table["surely_more"].eq(True),
    }
    return np.select(list(cases.values()), list(cases), "no clear difference: test")
