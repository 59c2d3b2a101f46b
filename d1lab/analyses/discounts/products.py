"""Products: sales with and without discounts, and price elasticity."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.discount_effect.effect import REASONS, DiscountEffect
from d1lab.analyses.discount_effect.pooling import OWN, Estimates
from d1lab.analyses.discounts.lifts import sample

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MIN_UNITS = 10  # in the period; with fewer, the share of discounted units is not meaningful
WITHOUT_HELP = 0.2
ONLY_WITH_HELP = 0.8
COLUMNS = (
    "product units_with units_without share_of_units depth price_with price_without "
    "revenue_with revenue_without savings"
)
KNOWN = ("margin", "margin_rate", "margin_with", "margin_without")
RATES = ("view_to_purchase_rate", "cart_abandonment_rate")
ABSTAINED = {
    "margin": (
        "Margins not available: unit costs are missing. Load them with `d1lab ingest costs`."
    ),
    "view_to_purchase_rate": "View-to-purchase rate not available: the app does not record views.",
    "cart_abandonment_rate": "Cart abandonment rate not available: the app does not record carts.",
}


def named(found: Estimates, sold: Frame) -> Frame:
    """Return the products with weeks of their own on and off offer: slopes, names, and sales.

    Args:
        found: Result of `pooling.estimate`.
        sold: Rows of the metric `products`.
    """
    own = found.products.skus[found.products.skus["basis"] == OWN]
    return own.astype({"sku": object}).merge(sold, on="sku")


def with_weeks(sold: Frame, found: Estimates, weeks: int) -> Frame:
    """Add what each product sold and gave away in each of the last weeks, as lists.

    `weekly_units` is None in weeks when the product was not for sale or not in stock, and
    `weekly_discount`, the discount as a percentage of list value, is None for a product without
    any discount.

    Args:
        sold: Rows of the metric `products`.
        found: Result of `pooling.estimate`, up to the same day.
        weeks: Number of weeks.
    """
    sales, skus = found.history.sales, found.history.skus.astype(str)
    row = {sku: place for place, sku in enumerate(skus)}
    units: list[list[int | None] | None] = []
    depths: list[list[int] | None] = []
    for place in (row.get(sku) for sku in sold["sku"]):
        if place is None:
            units.append(None)
            depths.append(None)
            continue
        last = sales.units[place, -weeks:]
        units.append([None if np.isnan(each) else round(each) for each in last])
        given, listed = (matrix[place, -weeks:] for matrix in (sales.given, sales.listed))
        depth = [round(100 * g / v) if v else 0 for g, v in zip(given, listed, strict=True)]
        depths.append(depth if any(depth) else None)
    return sold.assign(weekly_units=units, weekly_discount=depths)


def _all_known(margins: Frame) -> float:
    """Return the sum of margins; NaN if one is unknown."""
    return float(margins.astype(float).sum(skipna=False))


def alone(products: Frame) -> Frame:
    """Return the products with at most 20% of units discounted, by revenue."""
    often = _often(products)
    return often[often["share_of_units"] <= WITHOUT_HELP]


def dependent(products: Frame) -> Frame:
    """Return the products with at least 80% of units discounted, by discounts given."""
    often = _often(products)
    found = often[often["share_of_units"] >= ONLY_WITH_HELP]
    return found.sort_values(["savings", "sku"], ascending=[False, True], kind="stable")


def _often(products: Frame) -> Frame:
    return products[products["units"] >= MIN_UNITS]


def columns(products: Frame) -> str:
    """Return the table's columns, with margins and rates only if any is known."""
    hoped = [name for name in (*KNOWN, *RATES) if name in products]
    known = [name for name in hoped if products[name].notna().any()]
    return " ".join([COLUMNS, *known])


def by_category(products: Frame) -> Frame:
    """Return the sales of each category, by revenue; no rows if no category is known.

    Products without a category are one row. A margin is NaN unless that of every product is known.

    Args:
        products: Rows of the metric `products`.
    """
    names = products["category"].fillna("No category")
    sums = (
        products.assign(category=names)
        .groupby("category")
        .agg(
            product_count=("sku", "size"),
            units=("units", "sum"),
            units_with=("units_with", "sum"),
            revenue=("revenue", "sum"),
            revenue_with=("revenue_with", "sum"),
            savings=("savings", "sum"),
            margin=("margin", _all_known),
        )
        .astype(float)
        .reset_index()
    )
    sums["share_of_revenue"] = sums["revenue"] / sums["revenue"].sum()
    sums["share_of_units"] = sums["units_with"] / sums["units"]
    listed = sums["savings"] + sums["revenue_with"]
    sums["depth"] = sums["savings"] / listed.where(listed > 0)
    sums["margin_rate"] = sums["margin"] / sums["revenue"].where(sums["revenue"] > 0)
    known = sums if products["category"].notna().any() else sums.head(0)
    return known.sort_values(["revenue", "category"], ascending=[False, True], ignore_index=True)


def missing(products: Frame) -> str:
    """Return a note on the columns not available and how to add them; '' if all are."""
    known = [name for name in ABSTAINED if name in products]
    return " ".join(ABSTAINED[name] for name in known if products[name].isna().all())


def figure(shop: DiscountEffect) -> dict[str, Any]:
    """Return the shop's elasticity as a key figure."""
    fields = {"metric": "elasticity", "label": "Price elasticity", "value": shop.slope}
    if shop.reason:
        return {**fields, "note": REASONS[shop.reason] + "."}
    ends = {"low": shop.slope_low, "high": shop.slope_high}
    return {**fields, **ends, "note": _figure_note(shop)}


def _figure_note(shop: DiscountEffect) -> str:
    more = lifted(shop.slope, 0.1)
    told = f"{abs(more):.0%} {'more' if more >= 0 else 'fewer'} units"
    return f"A 10% discount goes with {told}; no proof of cause ({sample(shop)})."


def lifted(slope: Any, depth: Any) -> Any:
    """Return the lift at a depth: (1 - depth)^slope - 1."""
    return np.power(1 - depth, slope) - 1


def among(products: Frame) -> str:
    """Return among how many products those sold mostly with or without a discount are counted."""
    return f"of {len(_often(products)):,} that sold at least {MIN_UNITS} units"


def verdict(products: Frame, when: str) -> str:
    """Return the verdict of the report as a sentence.

    Args:
        products: Rows of the metric `products` or `counted_products`.
        when: Period in words, such as 'in 90 days'.
    """
    often = _often(products)
    if often.empty:
        told = f"No product sold at least {MIN_UNITS} units"
    else:
        told = (
            f"{len(alone(products)):,} of {len(often):,} products that sold at least {MIN_UNITS} "
            "units sold mostly at full price"
        )
    return f"{_discounted(products)} {when}. {told}."


def _discounted(products: Frame) -> str:
    """Return the share of sales with a discount, in words; net of refunds, there may be none."""
    amount, verb = ("revenue", "was") if products["revenue"].sum() > 0 else ("units", "were")
    with_help, whole = products[f"{amount}_with"].sum(), products[amount].sum()
    if not 0 <= with_help <= whole or not whole:
        return "Refunds exceed sales with or without a discount"
    return f"{float(with_help / whole):.0%} of {amount} {verb} discounted"


def detail(shop: DiscountEffect) -> str:
    """Return the shop's elasticity in words, with its caveat."""
    if shop.slope is None:
        return f"How sales respond to price is not available: {REASONS[shop.reason or '']}."
    return f"A 1% lower price goes with {-shop.slope:.1f}% more units (no proof of cause)."
