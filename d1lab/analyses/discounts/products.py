"""Products: sales with and without discounts, and price elasticity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discounts.elasticity import (
    REASONS,
    Elasticity,
    Panel,
    elasticity,
    promoted_skus,
    slopes,
)

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MIN_UNITS = 10  # in the period: what sells less has no share worth the name
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


class ProductElasticities(NamedTuple):
    """How a shop's products answer to price."""

    shop: Elasticity
    skus: Frame  # sku, slope, slope_low, slope_high, error; no rows where the shop's is not known


def answer(weeks: Frame) -> ProductElasticities:
    """The shop's elasticity, and that of each product sold often enough at both kinds of price.

    Args:
        weeks: Of the metric `elasticity`.

    The interval of a product's slope is that of the weeks behind it; the error is larger: that of a
    forecast, since slopes move.
    """
    import pandas as pd

    panel = promoted_skus(Panel.of(weeks))
    shop = elasticity(panel)
    if shop.slope is None:
        empty = pd.DataFrame(columns=["sku", "slope", "slope_low", "slope_high", "error"])
        return ProductElasticities(shop, empty)
    own = slopes(panel, shop)
    ends = {"slope_low": own.slope - 1.96 * own.error, "slope_high": own.slope + 1.96 * own.error}
    frame = pd.DataFrame({"sku": own.sku, "slope": own.slope, **ends, "error": own.error_ahead})
    return ProductElasticities(shop, frame.sort_values(["slope", "sku"], kind="stable"))


def named(skus: Frame, products: Frame) -> Frame:
    """The products' slopes with their names, units and depths."""
    return skus.merge(products, on="sku")


def alone(products: Frame) -> Frame:
    """Those that sell at most a fifth of their units with a discount, by revenue."""
    return _often(products)[lambda sold: sold["share_of_units"] <= WITHOUT_HELP]


def dependent(products: Frame) -> Frame:
    """Those that sell four fifths of their units or more with a discount, by what was given."""
    found = _often(products)[lambda sold: sold["share_of_units"] >= ONLY_WITH_HELP]
    return found.sort_values(["savings", "sku"], ascending=[False, True], kind="stable")


def _often(products: Frame) -> Frame:
    return products[products["units"] >= MIN_UNITS]


def columns(products: Frame) -> str:
    """The table's columns: margins and rates only where any is known."""
    hoped = [name for name in (*KNOWN, *RATES) if name in products]
    known = [name for name in hoped if products[name].notna().any()]
    return " ".join([COLUMNS, *known])


def missing(products: Frame) -> str:
    """What is not shown, and what would make it known; '' where all is."""
    known = [name for name in ABSTAINED if name in products]
    return " ".join(ABSTAINED[name] for name in known if products[name].isna().all())


def figure(shop: Elasticity) -> dict[str, Any]:
    """The shop's elasticity as a key figure."""
    fields = {"metric": "elasticity", "label": "Price elasticity", "value": shop.slope}
    if shop.slope is None:
        return {**fields, "note": REASONS[shop.reason or ""] + "."}
    return {**fields, "low": shop.low, "high": shop.high, "note": _figure_note(shop)}


def _figure_note(shop: Elasticity) -> str:
    slope, pooled = float(shop.slope or 0), float(shop.pooled or 0)
    return (
        f"A 10% discount goes with {lifted(slope, 0.1):+.0%} units ({shop.skus} "
        f"products, {shop.weeks} weeks). Without product and week effects: "
        f"{pooled:.2f}."
    )


def lifted(slope: Any, depth: Any) -> Any:
    """Extra units at a depth, as a share: (1 - depth)^slope - 1."""
    return np.power(1 - np.asarray(depth, dtype=np.float64), slope) - 1


def verdict(products: Frame, when: str) -> str:
    """The report's answer in a sentence.

    Args:
        products: Of the metric `products`, or of the app's own `counted_products`.
        when: What they are counted over, such as 'in 90 days'.
    """
    amount = "revenue" if products["revenue"].sum() > 0 else "units"
    with_help = float(products[f"{amount}_with"].sum() / products[amount].sum())
    helped = f"{with_help:.0%} of {amount} was discounted {when}"
    among = f"{len(alone(products)):,} of {len(_often(products)):,} products that sold"
    return f"{helped}. {among} at least {MIN_UNITS} units sold mostly at full price."


def detail(shop: Elasticity) -> str:
    """How demand answers to price, and how far that is to be trusted."""
    if shop.slope is None:
        return f"Price elasticity not available: {REASONS[shop.reason or '']}."
    return f"A 1% lower price goes with {-shop.slope:.1f}% more units (association, not cause)."
