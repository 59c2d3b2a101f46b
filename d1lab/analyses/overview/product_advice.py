"""The advice of a shop's products that comes before that of one report, from the metrics.

Each report leaves out of its actions the products that `advised` names. It takes the defaults of
the reports that decide, so that all pages of a day agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from d1lab.analyses.competitor_prices.position import PricingRule
from d1lab.analyses.competitor_prices.study import study as price_study
from d1lab.analyses.discounts.recommendations import advise, of
from d1lab.analyses.inventory.study import DEAD_DAYS
from d1lab.analyses.inventory.turnover import StockLedger, turnover
from d1lab.analyses.overview.advice import PRECEDENCE, Advice, settle

if TYPE_CHECKING:
    from d1lab.analyses.discount_effect.pooling import Estimates
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

STOCK_DAYS, SOLD_DAYS, LEAD_DAYS, HORIZON_DAYS = 90, 30, 14, 28
PRICE_AGE_DAYS, PRICE_RULE = 14, PricingRule()
HISTORY_DAYS = 364
UNSEEN = ("low_coverage", "untracked")  # reasons for unknown units on hand

SENTENCES: dict[Advice, str] = {
    "order": "Order it: it runs out before a delivery can arrive. No discount meanwhile",
    "cap": "End its discount, or raise its price: it sells below its unit cost",
    "clear": "Clear it: nobody bought it for 90 days",
    "price": "Test another list price: a competitor's price suggests it",
    "discount": "Discount it: a discount is likely to pay",
    "test": "Test a discount: it may pay",
    "pause": "Pause its discount: it sold less while one was on offer",
    "keep": "Keep the regular price: it sells without a discount",
    "without": "Try two weeks without its discount: it hardly sells without one",
}
"""What a page says of one product, by its advice."""


def advised(
    lab: Lab, until: date, before: Advice, *, found: Estimates | None = None
) -> dict[str, Advice]:
    """Return the products with an advice that comes before the given one.

    Args:
        lab: The lab of the shop.
        until: Day of the report.
        before: The first advice of the report that asks.
        found: Result of `pooling.estimate`; needed for advice after that on discounts.
    """
    wanted = PRECEDENCE[: PRECEDENCE.index(before)]
    stock = lab.metric("turnover", until=until, days=STOCK_DAYS)
    candidates: dict[Advice, list[str]] = dict(stock_advice(stock, until))
    if "cap" in wanted:
        earned = lab.metric("discount_earnings", until=until, days=SOLD_DAYS)
        candidates["cap"] = list(below_cost(earned)["sku"])
    if "price" in wanted and lab.currency:
        candidates["price"] = _price_advice(lab, until, stock)
    if "discount" in wanted and found is not None:
        candidates |= _discount_advice(lab, until, stock, found)
    return settle({kind: skus for kind, skus in candidates.items() if kind in wanted})


def sentences(chosen: Mapping[str, Advice]) -> dict[str, str]:
    """Return the sentence on each product, for the details of a page.

    Args:
        chosen: Result of `settle`.
    """
    return {sku: SENTENCES[kind] for sku, kind in chosen.items()}


def stock_advice(
    stock: Frame, until: date, lead_days: float = LEAD_DAYS
) -> dict[Advice, list[str]]:
    """Return the products to order and to clear.

    Args:
        stock: Rows of the metric `turnover`; can be empty.
        until: Day of the report.
        lead_days: Days from order to delivery.
    """
    import pandas as pd

    if stock.empty:
        return {}
    rates, days = turnover(StockLedger.of(stock)), int(stock["period_days"].iloc[0])
    short = rates.days_of_supply < lead_days
    idle = (pd.Timestamp(until) - stock["last_sale_day"]).dt.days.fillna(days)
    seen = np.array([reason not in UNSEEN for reason in rates.reason])
    dead = (idle >= min(days, DEAD_DAYS)) & seen & (stock["ending_units"] > 0)
    return {"order": list(stock["sku"][short]), "clear": list(stock["sku"][dead])}


def below_cost(earned: Frame) -> Frame:
    """Return the discounted products whose sales in the period lost money.

    Args:
        earned: Rows of the metric `discount_earnings`.
    """
    skus = earned[earned["level"] == "sku"]
    return skus[skus["margin_after"].astype(float) < 0]


def _price_advice(lab: Lab, until: date, stock: Frame) -> list[str]:
    looks = lab.metric(
        "competitor_prices",
        until=until,
        currency=lab.currency,
        max_age_days=PRICE_AGE_DAYS,
        own_days=STOCK_DAYS,
    )
    if looks.empty:
        return []
    found = price_study(looks, stock, currency=lab.currency, until=until, rule=PRICE_RULE)
    return list(found.products["sku"][found.products["answer_action"].notna()])


def _discount_advice(
    lab: Lab, until: date, stock: Frame, found: Estimates
) -> dict[Advice, list[str]]:
    inputs = lab.metric(
        "recommendations", until=until, days=HISTORY_DAYS, horizon_days=HORIZON_DAYS
    )
    if inputs.empty:
        return {}
    plan: Any = {"made_on": until, "horizon_days": HORIZON_DAYS, "lead_time_days": LEAD_DAYS}
    rows = advise(inputs, found, stock, **plan)
    return {"discount": list(of(rows, "discount")["sku"]), "test": list(of(rows, "test")["sku"])}
