"""Tables of the competitor price report."""

from __future__ import annotations

from typing import Any

from d1lab.analyses.competitor_prices.study import Frame, PriceStudy

UNCOMPARED = {
    "no_own_price": "no sale in four weeks, so the price paid is unknown",
    "too_old": "last price observation is too old",
    "sold_out": "competitor is out of stock",
    "no_price": "no price observed",
    "other_currency": "different currency",
    "implausible": (
        "less than a third or more than three times the list price: probably a different product"
    ),
}
"""Reasons why a competitor price is not compared, in words."""

ALERTS = "product paid_price own_price cheapest cheapest_at gap margin_left days_of_supply"
LEFT = "product why gap paid_price own_price cheapest highest_cost margin_left ending_units"
ROOM = "product why paid_price own_price cheapest days_of_supply"
ALL = "product paid_price own_price cheapest middle price_index place ending_units"
WHO = "competitor products compared price_index in_stock_share last_look"
LOOKS = "product competitor why asked age_days"

_LEFT = ("no_stock", "short_cover", "no_cost", "below_floor")


def alerts(found: PriceStudy) -> Frame:
    """Return the products with a price to match, largest gap first."""
    return _sorted(found.products[found.products["answer_action"] == "match"])


def undercut(found: PriceStudy) -> Frame:
    """Return the products undercut by at least the threshold."""
    gap = found.products["gap"].astype(float)
    return _sorted(found.products[(gap > 0) & (gap >= found.rule.threshold - 1e-9)])


def left(found: PriceStudy) -> Frame:
    """Return the undercut products without an alert, each with the reason."""
    cut = undercut(found)
    return cut[cut["answer_reason"].isin(_LEFT)]


def room(found: PriceStudy) -> Frame:
    """Return the products with room to raise the price, highest revenue first."""
    raised = found.products[found.products["answer_action"] == "raise"]
    return raised.sort_values(["revenue", "sku"], ascending=[False, True])


def compared(found: PriceStudy) -> Frame:
    """Return the products with a price position, highest index first."""
    known = found.products[found.products["competitors"] > 0]
    place = (
        known["rank"].astype(int).astype(str)
        + " of "
        + (known["competitors"] + 1).astype(int).astype(str)
    )
    return known.assign(place=place).sort_values(["price_index", "sku"], ascending=[False, True])


def _mean_of_known(values: Any) -> float:
    return values.dropna().astype(float).mean()


def competitors(found: PriceStudy) -> Frame:
    """Return the comparable products and the price index per competitor."""
    looks = found.looks
    known = looks["reason"].isna()
    looks = looks.assign(
        compared=known, price_index=(looks["paid_price"] / looks["price"]).where(known)
    )
    grouped = looks.groupby("competitor", as_index=False).agg(
        products=("sku", "size"),
        compared=("compared", "sum"),
        price_index=("price_index", "median"),
        in_stock_share=("in_stock", _mean_of_known),
        last_look=("observed_at", "max"),
    )
    grouped["last_look"] = grouped["last_look"].dt.normalize()
    return grouped.sort_values(["compared", "competitor"], ascending=[False, True])


def uncompared(found: PriceStudy) -> Frame:
    """Return the price observations that are not compared, each with the reason."""
    looks = found.looks[found.looks["reason"].notna()]
    pairs = zip(looks["price"], looks["currency"], strict=True)
    asked = ["–" if price != price else f"{price:,.2f} {currency}" for price, currency in pairs]
    looks = looks.assign(why=looks["reason"].map(UNCOMPARED), asked=asked)
    return looks.sort_values(["reason", "sku", "competitor"])


def reasons(found: PriceStudy) -> Frame:
    """Count the price observations not compared, by reason."""
    counts = uncompared(found).groupby("why", as_index=False).agg(looks=("sku", "size"))
    return counts.sort_values(["looks", "why"], ascending=[False, True])


def foremost(found: PriceStudy) -> str:
    """Return the SKU for the history chart: the first alert, undercut, compared, or any SKU."""
    for frame in (alerts(found), undercut(found), compared(found), found.looks):
        if len(frame):
            return str(frame["sku"].iloc[0])
    return ""


def _sorted(frame: Frame) -> Frame:
    return frame.assign(
        margin_left=frame["answer_margin"], highest_cost=frame["answer_highest_cost"]
    ).sort_values(["gap", "sku"], ascending=[False, True])
