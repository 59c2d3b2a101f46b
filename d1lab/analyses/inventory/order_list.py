"""Products to order, by the profit that an order today keeps, and what each sold lately."""

from __future__ import annotations

from typing import Any

from d1lab.analyses.inventory import tables
from d1lab.analyses.inventory.demand_weeks import last_weeks
from d1lab.analyses.inventory.study import Frame, InventoryStudy

MONTH_DAYS = 30
TREND_WEEKS = 13

COLUMNS = (
    "product profit_at_risk order_units order_cost days_of_supply days_of_supply_low"
    " days_of_supply_high ending_units forecast_units weekly_units"
)


def order_list(found: InventoryStudy) -> Frame:
    """Return the products that run out before a delivery could arrive.

    Those with the most profit at risk are first; those without a known one follow, by days of
    supply.
    """
    short = tables.short(found)
    listed = short.assign(
        profit_at_risk=profit_at_risk(short, found.plan.lead_days),
        order_cost=short["order_units"] * short["unit_cost"].astype(float),
        weekly_units=weekly(found, short["sku"], "units", TREND_WEEKS),
    )
    return listed.sort_values("profit_at_risk", ascending=False, kind="stable")


def profit_at_risk(short: Frame, lead_days: float, velocity: str = "velocity") -> Any:
    """Return the profit in 30 days that an order today would keep, per product; NaN without a cost.

    Units per in-stock day x the days from the delivery to day 30 x (average price - unit cost). On
    the days before, no order of today arrives in time. A product that sells at a loss has no profit
    to keep.

    Args:
        short: Rows of `tables.short`.
        lead_days: Days from order to delivery.
        velocity: Column of the units per in-stock day; also `velocity_low` or `velocity_high`.
    """
    units = short[velocity].astype(float) * max(MONTH_DAYS - lead_days, 0)
    margin = short["unit_price"].astype(float) - short["unit_cost"].astype(float)
    return units * margin.clip(lower=0)


def weekly(found: InventoryStudy, skus: Any, column: str, weeks: int) -> list[list[float]]:
    """Return units or depth of each SKU over the last weeks; whole numbers stay whole.

    Arguments as in `demand_weeks.last_weeks`.
    """
    values = last_weeks(found.weeks, skus, column, weeks).tolist()
    return [[int(v) if v == int(v) else round(v, 3) for v in row] for row in values]
