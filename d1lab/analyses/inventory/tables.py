"""Tables of the inventory report: three lists to act on, and the details."""

# pyright: standard

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.discount_effect.pooling import OWN, Estimates
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
    """Return all SKUs by days of supply, lowest first; missing ones last, with the reason."""
    products = found.products
    ordered = products.assign(why=products["reason"].map(REASONS).fillna(""))
    return ordered.sort_values(["days_of_supply", "sku"])


def known(table: Frame) -> Frame:
    """Return the SKUs of `cover` with known days of supply."""
    return table[table["days_of_supply"].notna()]


def classes(found: InventoryStudy) -> Frame:
    """Return products, revenue, and stock value by ABC and XYZ class."""
    grouped = found.products.assign(xyz=found.products["xyz"].fillna("?"))
    sums = {
        "products": ("sku", "size"),
        "revenue": ("revenue", "sum"),
        "tied_up": ("tied_up", "sum"),
        "stockout_rate": ("stockout_rate", "mean"),
    }
    return grouped.groupby(["abc", "xyz"], as_index=False).agg(**sums)


def backtest(found: InventoryStudy) -> Frame:
    """Return error, bias, and number of SKUs of each forecast method."""
    import pandas as pd

    columns: Any = demand.ForecasterScore._fields
    return pd.DataFrame(found.forecast.rivals, columns=columns)


def ledger(found: InventoryStudy) -> Frame:
    """Return the SKUs with ledger mismatches, most unexplained units first."""
    products = found.products
    units = products["gap_units"] + products["shrunk_units"]
    broken = products.assign(units=units)[(units > 0) | (products["repeated_days"] > 0)]
    return broken.sort_values(["units", "sku"], ascending=[False, True])


def profit(found: InventoryStudy) -> Frame:
    """Return the SKUs with a known unit cost, lowest GMROI first."""
    products = found.products
    return products[products["gmroi"].notna()].sort_values(["gmroi", "sku"])


def refused(found: InventoryStudy) -> Frame:
    """Return the figures not available, each with the reason and the number of products."""
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
    """Return the SKUs whose figures in D1 differ from those of the ledger."""
    return cover(found)[lambda table: table["stored_differs"]].sort_values("sku")


UNSEEN = ("low_coverage", "untracked")  # reasons for unknown units on hand

DEAD = "product tied_up ending_units idle_days unit_price tied_up_at_cost"
MOVED = (
    "product todo discount_given share_of_units velocity_discounted velocity_regular"
    " discounted_weeks regular_weeks days_of_supply"
)


def short(found: InventoryStudy) -> Frame:
    """Return products with days of supply below the lead time, lowest first.

    `why` is the reason for a missing reorder quantity.
    """
    reasons = found.products["forecast_reason"].map(demand.REASONS).fillna("")
    products = found.products.assign(why=reasons)
    runs_out = products["days_of_supply"] < found.plan.lead_days
    return products[runs_out].sort_values(["days_of_supply", "sku"])


def dead(found: InventoryStudy) -> Frame:
    """Return stock without a sale for 90 days or the whole period, highest value first.

    In a period shorter than 90 days, the length of the period is used.
    """
    products = found.products
    days = min(found.days, DEAD_DAYS)
    idle = products["idle_days"] >= days
    seen = ~products["reason"].isin(UNSEEN)
    held = products[idle & seen & (products["ending_units"] > 0)]
    return held.sort_values(["tied_up", "ending_units", "sku"], ascending=[False, False, True])


def moved(found: InventoryStudy) -> Frame:
    """Return discounted products with an action: those to review first, by discounts given.

    Velocities are units per day over the weeks with a discount on offer, and over those without,
    weeks without a sale included; NaN if the product has no weeks of one kind.
    """
    products = found.products[found.products["discount_given"] > 0]
    table = products.merge(_sides(found.discounts), on="sku", how="left")
    share = table["units_sold_with_discount"] / table["units_sold"].where(table["units_sold"] > 0)
    table = table.assign(share_of_units=share, todo=_todo(table, found.plan.lead_days))
    table["questioned"] = table["todo"].str.startswith(("pause", "sold less"))
    order = ["questioned", "discount_given", "sku"]
    return table.sort_values(order, ascending=[False, False, True])


def questioned(table: Frame) -> Frame:
    """Return the rows of `moved` to review: running out of stock, or sold less at a discount."""
    return table[table["questioned"]]


def _sides(found: Estimates) -> Frame:
    """Return velocity and weeks per SKU on and off offer, and what its price elasticity shows."""
    import pandas as pd

    units, on, off = found.history.sales.units, found.price < 0, found.price == 0
    velocity = [_mean(units, where) / 7 for where in (on, off)]
    both = on.any(axis=1) & off.any(axis=1)
    sides = pd.DataFrame(
        {
            "sku": found.history.skus.astype(object),
            "velocity_discounted": np.where(both, velocity[0], np.nan),
            "velocity_regular": np.where(both, velocity[1], np.nan),
            "discounted_weeks": on.sum(axis=1),
            "regular_weeks": off.sum(axis=1),
        }
    )
    own = found.products.skus[found.products.skus["basis"] == OWN]
    slopes = own.assign(surely_more=own["slope_high"] < 0, surely_less=own["slope_low"] > 0)
    kept = slopes[["sku", "surely_more", "surely_less"]].astype({"sku": object})
    return sides.merge(kept, on="sku", how="left")


def _mean(units: np.ndarray, where: np.ndarray) -> np.ndarray:
    count = where.sum(axis=1)
    return np.where(where, np.nan_to_num(units), 0.0).sum(axis=1) / np.maximum(count, 1)


def _todo(table: Frame, lead_days: int) -> np.ndarray:
    """Return the first action that applies to each product."""
    cases = {
        "pause: running out of stock": table["days_of_supply"] < lead_days,
        "not enough weeks to compare": table["velocity_discounted"].isna(),
        "sold less: stop or test": table["surely_less"].eq(True),
        "sold more: keep or test the depth": table["surely_more"].eq(True),
    }
    return np.select(list(cases.values()), list(cases), "no clear difference: test")
