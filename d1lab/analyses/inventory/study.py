"""Rates, classes, forecast, reorder quantity, and profit of every SKU, one row per SKU."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np

from d1lab.allocators import give_back
from d1lab.analyses.discount_effect.effect import DiscountEffect
from d1lab.analyses.discount_effect.pooling import Estimates
from d1lab.analyses.inventory.classes import abc, variation
from d1lab.analyses.inventory.demand import DemandForecast, forecast, velocity_interval
from d1lab.analyses.inventory.demand_weeks import demand_matrix
from d1lab.analyses.inventory.forecasters import Floats
from d1lab.analyses.inventory.gmroi import stock_profit
from d1lab.analyses.inventory.reorder import reorder
from d1lab.analyses.inventory.turnover import StockLedger, stored_differs, turnover

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

DEAD_DAYS = 90  # days without a sale (convention)

_HALF_A_CENT, _HALF_A_DAY = 0.005, 0.5  # maximum rounding of DECIMAL(5,2) and INTEGER


class Assumptions(NamedTuple):
    """Planning assumptions for lists and reorder quantities."""

    lead_days: int = 14  # days from order to delivery
    order_days: int = 28  # days that an order should cover
    service_level: float = 0.95  # share of periods in which stock should last


class InventoryStudy(NamedTuple):
    """Results for the report."""

    products: Frame  # one row per SKU with stock in the period
    weeks: Frame  # rows of the metric demand_history
    forecast: DemandForecast
    discounts: Estimates
    plan: Assumptions
    days: int

    @property
    def effect(self) -> DiscountEffect:
        """What discounts sell in the shop: the same on all pages."""
        return self.discounts.shop


def study(
    stock: Frame,
    weeks: Frame,
    discounts: Estimates,
    *,
    until: date,
    plan: Assumptions | None = None,
) -> InventoryStudy:
    """Compute the results for one shop.

    Args:
        stock: Rows of the metric `turnover`; at least one.
        weeks: Rows of the metric `demand_history`, up to the same day.
        discounts: Result of `pooling.estimate`, up to the same day.
        until: Last day of the period.
        plan: Planning assumptions.
    """
    give_back()  # what the estimate of a large shop's discounts has left
    plan, days = plan or Assumptions(), int(stock["period_days"].iloc[0])
    demand = demand_matrix(weeks, stock["sku"])
    rated = _with_rates(stock, demand)
    found = forecast(demand, service_level=plan.service_level, categories=stock["category"])
    products = _with_forecast(rated, found, plan)
    return InventoryStudy(_marked(products, until, days), weeks, found, discounts, plan, days)


def _with_rates(stock: Frame, demand: Floats) -> Frame:
    classes = variation(demand)
    profit = stock_profit(
        stock["units_sold"], stock["revenue"], stock["average_units"], stock["unit_cost"]
    )
    rated = stock.assign(
        **turnover(StockLedger.of(stock))._asdict(),
        abc=abc(stock["revenue"]),
        xyz=classes.xyz,
        demand_class=classes.demand,
        variation=classes.variation,
        **profit._asdict(),
    )
    # Stock data that is not enough for a rate is not enough for a profit either.
    silent = rated["reason"].isin(["low_coverage", "untracked", "net_returns"])
    rated.loc[silent, ["cost_turnover", "gmroi"]] = np.nan
    return _with_intervals(rated, demand)


def _with_intervals(rated: Frame, demand: Floats) -> Frame:
    """Add 90% intervals of velocity and days of supply, from how far sales strayed in the past."""
    length = int(rated["period_days"].iloc[0]) // 7
    low, high = velocity_interval(demand, rated["velocity"], length=length)
    stock = rated["ending_units"].clip(lower=0).where(rated["days_of_supply"].notna())
    return rated.assign(
        velocity_low=low,
        velocity_high=high,
        days_of_supply_low=stock / np.where(high > 0, high, np.nan),
        days_of_supply_high=stock / np.where(low > 0, low, np.nan),
    )


def _with_forecast(products: Frame, found: DemandForecast, plan: Assumptions) -> Frame:
    demand = found.demand._asdict()
    reason = demand.pop("reason")
    expected, service = found.demand.forecast_units, found.demand.service_units
    bare = np.isfinite(expected) & np.isnan(service)
    order = reorder(
        expected,
        np.where(bare, expected, service),
        products["ending_units"],
        lead_days=plan.lead_days,
        cover_days=plan.order_days,
    )
    reason = np.where(bare, "uncalibrated", reason)
    planned = products.assign(**demand, **order._asdict(), forecast_reason=reason)
    # Units on hand are unknown if coverage is low or stock is not tracked.
    unknown = planned["reason"].isin(["low_coverage", "untracked"])
    planned.loc[unknown, "order_units"] = np.nan
    return planned


def _marked(products: Frame, until: date, days: int) -> Frame:
    """Add which stored figures differ, and the days since the last sale (at most the period)."""
    import pandas as pd

    turnover = stored_differs(
        products["stored_turnover_rate"], products["turnover"], rounding=_HALF_A_CENT
    )
    supply = stored_differs(
        products["stored_days_of_supply"], products["days_of_supply"], rounding=_HALF_A_DAY
    )
    idle = (pd.Timestamp(until) - products["last_sale_day"]).dt.days.fillna(days).astype(int)
    return products.assign(stored_differs=turnover | supply, idle_days=idle)
