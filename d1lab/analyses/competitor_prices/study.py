"""Price position and action for every product of a shop."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any, NamedTuple

from d1lab.analyses.competitor_prices.position import (
    REASONS,
    Market,
    Position,
    PriceAction,
    PricingRule,
    position,
    price_action,
)
from d1lab.analyses.inventory.turnover import StockLedger, turnover

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

_STOCK = ["sku", "ending_units", "days_of_supply"]
_NUMBERS = (
    *("competitors", "cheapest", "middle", "price_index", "rank", "gap"),
    *("answer_price", "answer_margin", "answer_highest_cost"),
)


class PriceStudy(NamedTuple):
    """Results for the report."""

    looks: Frame  # metric competitor_prices: one row per product and competitor
    products: Frame  # one row per product with a known price paid
    rule: PricingRule
    currency: str
    until: date


def study(
    looks: Frame, stock: Frame, *, currency: str, until: date, rule: PricingRule
) -> PriceStudy:
    """Compute the results for one shop.

    Args:
        looks: Rows of the metric `competitor_prices`; at least one.
        stock: Rows of the metric `turnover`; can be empty.
        currency: Code of the shop's currency.
        until: Report date.
        rule: Thresholds of the pricing rule.
    """
    import pandas as pd

    known = looks[looks["paid_price"] > 0]
    products = known.drop_duplicates("sku")[
        ["sku", "product", "own_price", "own_price_day", "paid_price", "revenue", "unit_cost"]
    ]
    products = products.merge(_cover(stock), on="sku", how="left").reset_index(drop=True)
    asked = _asked(known)
    rows = [_row(row, asked[row["sku"]], rule) for row in products.to_dict("records")]
    columns = [
        *Position._fields,
        *(f"answer_{name}" for name in PriceAction._fields),
        "cheapest_at",
    ]
    found = pd.DataFrame(rows, columns=pd.Index(columns)).astype(dict.fromkeys(_NUMBERS, float))
    found["why"] = [REASONS[reason] for reason in found["answer_reason"]]
    return PriceStudy(looks, pd.concat([products, found], axis=1), rule, currency, until)


def _cover(stock: Frame) -> Frame:
    """Return units on hand and days of supply; both empty without a stock ledger."""
    import pandas as pd

    if stock.empty:
        return pd.DataFrame({"sku": pd.Series(dtype=str), **dict.fromkeys(_STOCK[1:])})
    return stock.assign(**turnover(StockLedger.of(stock))._asdict())[_STOCK]


class _ListedPrices(NamedTuple):
    """Competitor prices of one product."""

    prices: list[float]  # comparable prices
    sellers: list[str]  # competitor of each price
    sold_out: list[str]


def _asked(looks: Frame) -> dict[str, _ListedPrices]:
    asked: dict[str, _ListedPrices] = defaultdict(lambda: _ListedPrices([], [], []))
    columns = (looks[name] for name in ("sku", "competitor", "price", "reason"))
    for sku, competitor, price, reason in zip(*columns, strict=True):
        if reason == "sold_out":
            asked[sku].sold_out.append(competitor)
        elif not isinstance(reason, str):  # None, or NaN in a frame
            asked[sku].prices.append(price)
            asked[sku].sellers.append(competitor)
    return asked


def _row(product: dict[str, Any], asked: _ListedPrices, rule: PricingRule) -> tuple[Any, ...]:
    """Compute position, action, and cheapest competitor of one product."""
    names = ("unit_cost", "ending_units", "days_of_supply")
    cost, stock, cover = (_known(product[name]) for name in names)
    market = Market(product["paid_price"], asked.prices, len(asked.sold_out), cost, stock, cover)
    found = position(market.own, asked.prices)
    pairs = zip(asked.prices, asked.sellers, strict=True)
    cheapest = [seller for price, seller in pairs if price == found.cheapest]
    return *found, *price_action(market, rule), ", ".join(cheapest) or None


def _known(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
