"""What to act on, and what that rests on."""

from __future__ import annotations

from d1lab.analyses.competitor_prices.study import Frame, PriceStudy

UNCOMPARED = {
    "no_own_price": "no recent sale, so the shop's current price is unknown",
    "too_old": "last price observation is too old",
    "sold_out": "competitor is out of stock",
    "no_price": "no price observed",
    "other_currency": "different currency",
    "implausible": (
        "less than a third or more than three times the shop's price: probably a different product"
    ),
}
"""Why a competitor's price is not compared, in words."""

ALERTS = "product own_price cheapest cheapest_at gap margin_left days_of_supply"
LEFT = "product why gap own_price cheapest highest_cost margin_left ending_units"
ROOM = "product why own_price cheapest days_of_supply"
ALL = "product own_price paid_price cheapest middle price_index place ending_units"
WHO = "competitor products compared price_index in_stock_share last_look"
LOOKS = "product competitor why asked age_days"

_LEFT = ("no_stock", "short_cover", "no_cost", "below_floor")


def alerts(found: PriceStudy) -> Frame:
    """Products to lower: matching keeps the margin floor, and the stock is there; largest first."""
    return _sorted(found.products[found.products["answer_action"] == "match"])


def undercut(found: PriceStudy) -> Frame:
    """Every product that a competitor undercuts by the threshold or more."""
    gap = found.products["gap"].astype(float)
    return _sorted(found.products[(gap > 0) & (gap >= found.rule.threshold - 1e-9)])


def left(found: PriceStudy) -> Frame:
    """Undercut, and no alert: each with what stands against it."""
    cut = undercut(found)
    return cut[cut["answer_reason"].isin(_LEFT)]


def room(found: PriceStudy) -> Frame:
    """Products without a competitor as cheap, or without any; highest revenue first."""
    raised = found.products[found.products["answer_action"] == "raise"]
    return raised.sort_values(["revenue", "sku"], ascending=[False, True])


def compared(found: PriceStudy) -> Frame:
    """Every product with a position, the dearest beside its competitors first."""
    known = found.products[found.products["competitors"] > 0]
    place = (
        known["rank"].astype(int).astype(str)
        + " of "
        + (known["competitors"] + 1).astype(int).astype(str)
    )
    return known.assign(place=place).sort_values(["price_index", "sku"], ascending=[False, True])


def competitors(found: PriceStudy) -> Frame:
    """Each competitor: how much of it compares, and how the shop's prices stand against it."""
    looks = found.looks
    known = looks["reason"].isna()
    looks = looks.assign(
        compared=known, price_index=(looks["own_price"] / looks["price"]).where(known)
    )
    grouped = looks.groupby("competitor", as_index=False).agg(
        products=("sku", "size"),
        compared=("compared", "sum"),
        price_index=("price_index", "median"),
        in_stock_share=("in_stock", lambda told: told.dropna().astype(float).mean()),
        last_look=("observed_at", "max"),
    )
    grouped["last_look"] = grouped["last_look"].dt.normalize()
    return grouped.sort_values(["compared", "competitor"], ascending=[False, True])


def uncompared(found: PriceStudy) -> Frame:
    """The looks that are shown and not compared, with the reason."""
    looks = found.looks[found.looks["reason"].notna()]
    pairs = zip(looks["price"], looks["currency"], strict=True)
    asked = ["–" if price != price else f"{price:,.2f} {currency}" for price, currency in pairs]
    looks = looks.assign(why=looks["reason"].map(UNCOMPARED), asked=asked)
    return looks.sort_values(["reason", "sku", "competitor"])


def reasons(found: PriceStudy) -> Frame:
    """How many looks each reason keeps from being compared."""
    counts = uncompared(found).groupby("why", as_index=False).agg(looks=("sku", "size"))
    return counts.sort_values(["looks", "why"], ascending=[False, True])


def foremost(found: PriceStudy) -> str:
    """The SKU whose history is drawn: the first alert, else undercut, else compared, else any."""
    for frame in (alerts(found), undercut(found), compared(found), found.looks):
        if len(frame):
            return str(frame["sku"].iloc[0])
    return ""


def _sorted(frame: Frame) -> Frame:
    return frame.assign(
        margin_left=frame["answer_margin"], highest_cost=frame["answer_highest_cost"]
    ).sort_values(["gap", "sku"], ascending=[False, True])
