"""Content of the product report: verdict, figures, tables, a chart, and a note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from d1lab.analyses.discount_effect.effect import DiscountEffect
from d1lab.analyses.discount_effect.pooling import Estimates
from d1lab.analyses.discounts import products
from d1lab.display.declarations import ReportChart, ReportTable

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

PRICE = "product slope slope_low slope_high depth share_of_units units"
ALONE = "product revenue units weekly_units share_of_units price_without savings"
CATEGORIES = "category product_count revenue share_of_revenue units share_of_units depth savings"
DEPENDENT = "product savings depth units weekly_units share_of_units price_with price_without"

DETAILS = (
    "product revenue units share_of_units price_without weekly_units weekly_discount advice"
    " price_with depth savings slope slope_low slope_high"
)
WEEKS, DETAIL_WEEKS = 13, 26


def verdict(sold: Frame, found: Estimates, days: int) -> dict[str, str]:
    """Return the verdict of the report and a sentence on the elasticity.

    Args:
        sold: Rows of the metric `products`.
        found: Result of `pooling.estimate`.
        days: Length of the period.
    """
    text = products.verdict(sold, f"in {days} days")
    return {"text": text, "detail": products.detail(found.shop)}


def figures(sold: Frame, found: Estimates) -> list[dict[str, Any]]:
    """Return products sold mostly with or without discount, discounts given, and elasticity."""
    note = products.among(sold)
    return [
        {"metric": "products_alone", "value": len(products.alone(sold)), "note": note},
        {"metric": "products_dependent", "value": len(products.dependent(sold)), "note": note},
        {"metric": "savings", "value": sold["savings"].sum()},
        products.figure(found.shop),
    ]


def tables(sold: Frame, found: Estimates) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    sold = products.with_weeks(sold, found, WEEKS)
    own = products.named(found, sold)
    categories = products.by_category(sold)
    margins = " margin margin_rate" if categories["margin"].notna().any() else ""
    shares = {
        "alone": (products.alone(sold), "Products that sell mostly at full price", ALONE),
        "dependent": (products.dependent(sold), "Products that sell mostly on discount", DEPENDENT),
    }
    return {
        "price": ReportTable(own, "Products by price elasticity", PRICE, 15, _of_all(found.shop)),
        **{name: ReportTable(*declared, limit=15) for name, declared in shares.items()},
        "categories": ReportTable(categories, "Sales by category", CATEGORIES + margins, 15),
        "all": ReportTable(sold, "Products by revenue", products.columns(sold), 15),
    }


def _of_all(shop: DiscountEffect) -> str:
    """Return the lift of all discounts, beside what a comparison of raw weeks would show."""
    if shop.lift is None or shop.raw_lift is None:
        return ""
    raw = f"{shop.raw_lift:+.0%} without product and week effects"
    return f"Lift of all discounts: {shop.lift:+.0%} ({raw}).".replace("-", "\N{MINUS SIGN}")


def details(sold: Frame, found: Estimates, advice: Mapping[str, str]) -> ReportTable:
    """Return the details of the products in the lists, those of the first rows first.

    Args:
        sold: Rows of the metric `products`.
        found: Result of `pooling.estimate`.
        advice: Sentences by SKU, as from `overview.product_advice.sentences`.
    """
    import pandas as pd

    own = products.named(found, sold)
    lists = [each["sku"] for each in (products.alone(sold), products.dependent(sold), own, sold)]
    skus = pd.concat([part for n in (slice(10), slice(10, 15)) for part in (s[n] for s in lists)])
    listed = skus.drop_duplicates().to_frame().merge(sold, on="sku")
    listed = listed.merge(own[["sku", "slope", "slope_low", "slope_high"]], on="sku", how="left")
    listed = listed.assign(advice=[advice.get(sku, "") for sku in listed["sku"]])
    detailed = products.with_weeks(listed, found, DETAIL_WEEKS)
    return ReportTable(detailed, "Products", DETAILS, len(detailed) or 1)


def price_chart(sold: Frame, found: Estimates) -> ReportChart:
    """Return the chart of the products with the highest elasticity."""
    return ReportChart(
        "interval",
        products.named(found, sold).head(20),
        "product slope slope_low slope_high",
        title="Price elasticity by product",
        description="Elasticity of the products that respond most to price. Beyond the dashed "
        "line, at −1, a discount raises revenue.",
        options={"reference": -1},
        otherwise=products.detail(found.shop),
    )


def limits(sold: Frame) -> str:
    """Return a note on what is counted and on columns not available."""
    return f"Sales are net of refunds. {products.missing(sold)}"
