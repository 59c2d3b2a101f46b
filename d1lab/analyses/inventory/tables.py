"""The three lists to act on, and the tables of what they rest on."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.inventory import demand, gmroi
from d1lab.analyses.inventory.study import DEAD_DAYS, Frame, InventoryStudy
from d1lab.analyses.inventory.turnover import REASONS

COVER = (
    "product abc xyz demand_class coverage ending_units velocity velocity_low velocity_high"
    " days_of_supply days_of_supply_low days_of_supply_high days_of_supply_28 turnover"
    " annual_turnover sales_days stockout_rate lost_units_estimate sell_through_on_hand"
    " sell_through_available why"
)
LEDGER = (
    "product received_units shrunk_units gap_days gap_units unseen_units repeated_days coverage"
)
STORED = "product stored_turnover_rate turnover stored_days_of_supply days_of_supply why"
PROFIT = "product abc revenue unit_cost gross_margin gmroi cost_turnover"
STAGED = "shop sku date turnover_rate days_of_supply"


def cover(found: InventoryStudy) -> Frame:
    """Every SKU, the least cover first; those without a figure come last, each with its reason."""
    products = found.products
    ordered = products.assign(why=products["reason"].map(REASONS).fillna(""))
    return ordered.sort_values(["days_of_supply", "sku"])


def known(table: Frame) -> Frame:
    """The SKUs of `cover` whose cover is known."""
    return table[table["days_of_supply"].notna()]


def classes(found: InventoryStudy) -> Frame:
    """Products, revenue and money in stock by ABC and XYZ class."""
    grouped = found.products.assign(xyz=found.products["xyz"].fillna("?"))
    sums = {
        "products": ("sku", "size"),
        "revenue": ("revenue", "sum"),
        "tied_up": ("tied_up", "sum"),
        "stockout_rate": ("stockout_rate", "mean"),
    }
    return grouped.groupby(["abc", "xyz"], as_index=False).agg(**sums)


def backtest(found: InventoryStudy) -> Frame:
    """Each way to forecast: its error, its bias, and for how many SKUs it is chosen today."""
    import pandas as pd

    columns: Any = demand.ForecasterScore._fields
    return pd.DataFrame(found.forecast.rivals, columns=columns)


def ledger(found: InventoryStudy) -> Frame:
    """The SKUs whose ledger does not add up, the most units without an explanation first."""
    products = found.products
    units = products["gap_units"] + products["shrunk_units"]
    broken = products.assign(units=units)[(units > 0) | (products["repeated_days"] > 0)]
    return broken.sort_values(["units", "sku"], ascending=[False, True])


def profit(found: InventoryStudy) -> Frame:
    """The SKUs whose unit cost is known, the least return on the money in stock first."""
    products = found.products
    return products[products["gmroi"].notna()].sort_values(["gmroi", "sku"])


def refused(found: InventoryStudy) -> Frame:
    """Every figure that is not given, with its reason and how many products it is of."""
    import pandas as pd

    kinds = (
        ("Turnover and days of supply", "reason", REASONS),
        ("Forecast and reorder quantity", "forecast_reason", demand.REASONS),
        ("Margin and GMROI", "profit_reason", gmroi.REASONS),
    )
    rows = [
        (figure, words[reason], count)
        for figure, column, words in kinds
        for reason, count in found.products[column].value_counts().sort_index().items()
    ]
    return pd.DataFrame(rows, columns=pd.Index(["figure", "reason", "products"]))


def stored(found: InventoryStudy) -> Frame:
    """The SKUs whose figure in D1 is not what the ledger gives."""
    return cover(found)[lambda table: table["stored_differs"]].sort_values("sku")


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


def short(found: InventoryStudy) -> Frame:
    """What runs out before it can be replaced: cover below the lead time, the least first.

    `why` is the reason where no order is told.
    """
    reasons = found.products["forecast_reason"].map(demand.REASONS).fillna("")
    products = found.products.assign(why=reasons)
    runs_out = products["days_of_supply"] < found.plan.lead_days
    return products[runs_out].sort_values(["days_of_supply", "sku"])


def dead(found: InventoryStudy) -> Frame:
    """Stock without a sale for 90 days or the whole period; highest value first.

    A period shorter than 90 days says so: its own length is all that was looked at.
    """
    products = found.products
    days = min(found.days, DEAD_DAYS)
    idle = products["idle_days"] >= days
    seen = ~products["reason"].isin(UNSEEN)
    held = products[idle & seen & (products["ending_units"] > 0)]
    return held.sort_values(["tied_up", "ending_units", "sku"], ascending=[False, False, True])


def moved(found: InventoryStudy) -> Frame:
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
        "pause: running out of stock": table["days_of_supply"] < lead_days,
        "not enough weeks to compare": table["velocity_discounted"].isna(),
        "sold less: stop or test": table["surely_less"].eq(True),
        "sold more: keep or test the depth": table["surely_more"].eq(True),
    }
    return np.select(list(cases.values()), list(cases), "no significant difference: test")
