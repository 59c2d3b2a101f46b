"""Details of a product on the inventory page: stock, sales, price, discounts, and advice."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping

from d1lab.analyses.inventory import tables
from d1lab.analyses.inventory.order_list import order_list, profit_at_risk, weekly
from d1lab.analyses.inventory.study import Frame, InventoryStudy

WEEKS = 26
FIRST, LIMIT = 10, 200  # products of each list that come first, and of all lists

COLUMNS = (
    "product ending_units days_of_supply days_of_supply_low days_of_supply_high order_units"
    " unit_price weekly_units weekly_discount advice why unit_cost profit_at_risk forecast_units"
    " reorder_point abc discount_given share_of_units velocity_discounted velocity_regular"
    " idle_days"
)


def products(found: InventoryStudy, advice: Mapping[str, str]) -> Frame:
    """Return the details of the products on the three lists, in their order.

    Args:
        found: Results of `study`.
        advice: Sentences by SKU, as from `overview.product_advice.sentences`.

    Returns:
        A row per product, with the columns `COLUMNS`; at most `LIMIT` rows.
    """
    listed = _listed(found)
    skus = listed["sku"]
    return listed.assign(
        weekly_units=weekly(found, skus, "units", WEEKS),
        weekly_discount=[
            [round(100 * depth) for depth in row] if any(row) else None
            for row in weekly(found, skus, "depth", WEEKS)
        ],
        advice=[advice.get(sku, "") for sku in skus],
        profit_at_risk=profit_at_risk(listed, found.plan.lead_days).where(
            listed["days_of_supply"] < found.plan.lead_days
        ),
        idle_days=listed["idle_days"].where(listed["idle_days"] > 0),
        why=listed["forecast_reason"].map(tables.demand.REASONS).fillna(""),
    )


def _listed(found: InventoryStudy) -> Frame:
    """Return the products of the lists, each once, with the figures on discounts where known.

    The first rows of each list come first: a page shows these before "Show all".
    """
    import pandas as pd

    moved = tables.moved(found)
    lists = [each["sku"] for each in (order_list(found), tables.dead(found), moved)]
    parts = [each[:FIRST] for each in lists] + [each[FIRST:] for each in lists]
    own = ["sku", "share_of_units", "velocity_discounted", "velocity_regular"]
    kept = pd.concat(parts).drop_duplicates().head(LIMIT).to_frame()
    return kept.merge(found.products, on="sku").merge(moved[own], on="sku", how="left")
