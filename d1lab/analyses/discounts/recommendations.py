"""Recommendations for a shop: `recommendation_rule` applied to each product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from d1lab.analyses.discount_effect.pooling import Estimates
from d1lab.analyses.discounts.recommendation_rule import (
    LEARNING_DAYS,
    REASONS,
    Product,
    Recommendation,
    recommend,
)
from d1lab.analyses.discounts.total_gain import total_gain
from d1lab.analyses.inventory.turnover import StockLedger, turnover
from d1lab.counting import counted

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

NO_SALES = (
    "{shop} had no sale in the four weeks to {until}. Recommendations need order "
    "events: load them with `d1lab ingest orders FILE` or `d1lab track FILE`."
)
STAGED = (
    "shop sku made_on decision reason horizon_days depth chance slope slope_error "
    "break_even_margin days_of_supply unit_price unit_cost regular_units expected_units "
    "expected_profit gain gain_low gain_high plan_orders plan_days scored_on observed_depth "
    "observed_units forecast_units observed_profit"
)
LATER = ("scored_on", "observed_depth", "observed_units", "forecast_units", "observed_profit")
_SLOPES = "sku slope error_ahead error_shared error_by_width drawn_with basis regular_weekly"
DISCOUNT = (
    "product depth gain gain_low gain_high chance expected_units expected_profit days_of_supply"
)
TEST = "product why depth gain gain_low gain_high chance plan_orders plan_days regular_units"
SILENT = "product unit_price regular_units slope break_even_margin days_of_supply"
HOLD = "product why recent_price days_of_supply gain chance margin_rate break_even_margin"


def advise(
    inputs: Frame,
    found: Estimates,
    stock: Frame,
    *,
    made_on: Any,
    horizon_days: int,
    lead_time_days: float,
) -> Frame:
    """Return one row per recently sold product, ready to be staged.

    Args:
        inputs: Rows of the metric `recommendations`.
        found: Result of `pooling.estimate`.
        stock: Rows of the metric `turnover`; can be empty.
        made_on: Day of the recommendation.
        horizon_days: Days covered by the forecast.
        lead_time_days: Days from order to delivery.
    """
    import pandas as pd

    slopes = found.products.skus[_SLOPES.split()].astype({"sku": object})
    slopes = slopes.rename(columns={"error_ahead": "slope_error"})
    rows = inputs.merge(slopes, on="sku", how="left").merge(_cover(stock), on="sku", how="left")
    regular = rows["regular_weekly"].astype(float) * horizon_days / 7
    rows = rows.assign(
        horizon_days=horizon_days,
        regular_units=regular.fillna(rows["regular_units"].astype(float)),
        drift=found.products.drift or 0.0,
    )
    advice = [
        recommend(_product(row), lead_time_days=lead_time_days) for row in rows.to_dict("records")
    ]
    margin = 1 - rows["unit_cost"].astype(float) / rows["unit_price"].astype(float)
    rows = rows.assign(margin_rate=margin, made_on=made_on)
    rows = rows.assign(**dict.fromkeys(LATER))
    return pd.concat([rows, pd.DataFrame([_columns(one) for one in advice])], axis=1)


def _cover(stock: Frame) -> Frame:
    import pandas as pd

    if stock.empty:
        return pd.DataFrame({"sku": pd.Series(dtype=str), "days_of_supply": pd.Series(dtype=float)})
    return stock.assign(**turnover(StockLedger.of(stock))._asdict())[["sku", "days_of_supply"]]


def _product(row: dict[str, Any]) -> Product:
    names = ("unit_price", "unit_cost", "regular_units", "slope", "slope_error", "least_depth")
    names += ("most_depth", "days_of_supply", "base_rate", "orders_per_day")
    values = (row[name] for name in names)
    known = [None if value is None or value != value else float(value) for value in values]
    product = Product(*known)  # pyright: ignore[reportArgumentType] - price and units are known
    paid, always = row["recent_price"], bool(row["always_discounted"])
    late = None if paid is None or paid != paid else float(paid)
    days = float(row["horizon_days"])
    return product._replace(
        paid=late, always_discounted=always, horizon_days=days, drift=row["drift"]
    )


def _columns(advice: Recommendation) -> dict[str, Any]:
    plan = advice.plan
    return {
        "decision": advice.decision,
        "reason": advice.reason,
        "why": REASONS[advice.reason],
        "depth": advice.depth,
        "chance": advice.chance,
        "break_even_margin": advice.break_even_margin,
        "expected_units": advice.units,
        "expected_profit": advice.profit,
        "gain": advice.gain,
        "gain_low": advice.gain_low,
        "gain_high": advice.gain_high,
        "plan_orders": plan.orders if plan else None,
        "plan_days": plan.days if plan else _learning_days(advice),
    }


def _learning_days(advice: Recommendation) -> int | None:
    return LEARNING_DAYS if advice.reason == "always_on" else None


def of(advised: Frame, decision: str | None) -> Frame:
    """Return the products with a decision (None: no recommendation), largest gain first."""
    found = advised["decision"].isna() if decision is None else advised["decision"] == decision
    order = ["gain", "regular_units", "sku"]
    return advised[found].sort_values(order, ascending=[False, False, True], kind="stable")


def reasons(advised: Frame) -> Frame:
    """Count the products per decision and reason."""
    decision = advised["decision"].replace("hold", "keep the regular price")
    named = advised.assign(decision=decision.fillna("no recommendation"))
    counts = named.groupby(["decision", "why"], as_index=False).agg(products=("sku", "size"))
    return counts.sort_values(["products", "why"], ascending=[False, True], kind="stable")


def verdict(advised: Frame) -> tuple[str, str]:
    """Return the verdict of the report and its status."""
    told = {"discount": "discount {}", "test": "test {}", "hold": "keep {} at the regular price"}
    counts = {name: len(of(advised, name)) for name in told}
    known = [name for name in told if counts[name]]
    if not known:
        return "No recommendation for any product.", "unknown"
    numbers = [counted(counts[known[0]], "product"), *(f"{counts[n]:,}" for n in known[1:])]
    parts = [told[name].format(number) for name, number in zip(known, numbers, strict=True)]
    text, none = f"{', '.join(parts)}.", len(of(advised, None))
    rest = f" No recommendation for {none:,}." if none else ""
    return f"{text[0].upper()}{text[1:]}{rest}", "neutral"


def figures(advised: Frame) -> Iterator[dict[str, Any]]:
    """Return the number of products per decision and the expected gain of the discounts."""
    discounts = of(advised, "discount")
    yield {"metric": "to_discount", "value": len(discounts)}
    yield {"metric": "to_test", "value": len(of(advised, "test"))}
    yield {"metric": "to_hold", "value": len(of(advised, "hold")), "note": _holding(advised)}
    if len(discounts):
        yield {"metric": "expected_gain", **total_gain(discounts)._asdict(), "level": 0.9}
    else:
        yield {"metric": "expected_gain", "value": None, "note": "no discount recommended"}


def _holding(advised: Frame) -> str:
    """Return the most common reason for keeping the regular price, in words."""
    why = reasons(of(advised, "hold"))
    return f"{why['products'].iloc[0]:,} because {why['why'].iloc[0]}" if len(why) else ""
