"""The app's four tables of counters with pandas, for bench.aggregates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Frame = Any

NAMES = ["shop", "type", "sku", "discount_id", "discount_code", "discount_type", "product_title"]
LAST = ["occurred_at", "event_id"]


def tables(path: Path) -> dict[str, Frame]:
    """Compute the rows of each table from a Parquet file of the view `order_lines`."""
    lines = pd.read_parquet(path).drop(columns=["list_price"])
    lines = lines.astype(dict.fromkeys(NAMES, "category"))
    made = {
        "customer_insights": customers(lines),
        "daily_discount_stats": days(lines),
        "discount_analytics": discounts(lines),
        "product_performance": products(lines),
    }
    return {name: _plain(frame) for name, frame in made.items()}


def discounts(lines: Frame) -> Frame:
    """Compute discount_analytics: by shop, discount, and SKU."""
    lines = lines[lines["discount_id"].notna()]
    keys = ["shop", "discount_id", "sku"]
    uses = lines[lines["type"] == "order"]
    by, used = _by(lines, keys), _by(uses, keys)
    sums = by[["revenue", "discount_amount"]].sum()
    customers = used["customer_id"].nunique()
    return pd.DataFrame(
        {
            "discount_code": _latest(uses, keys, "discount_code"),
            "times_used": used.size(),
            "revenue_before_discount": sums["revenue"] + sums["discount_amount"],
            "discount_amount": sums["discount_amount"],
            "revenue_after_discount": sums["revenue"],
            "unique_customers": customers,
            "repeat_usage_count": used["customer_id"].count() - customers,
            "first_used_at": used["occurred_at"].min(),
            "last_used_at": used["occurred_at"].max(),
        }
    ).fillna({"times_used": 0, "unique_customers": 0, "repeat_usage_count": 0})


def days(lines: Frame) -> Frame:
    """Compute daily_discount_stats: by shop and day."""
    lines = lines[lines["discount_id"].notna()].rename(columns={"day": "date"})
    by = _by(lines, ["shop", "date"])
    used = _by(lines[lines["type"] == "order"], ["shop", "date"])
    return pd.DataFrame(
        {
            "total_discounts_used": used.size(),
            "unique_customers": used["customer_id"].nunique(),
            "total_revenue_impact": by["revenue"].sum(),
        }
    ).fillna({"total_discounts_used": 0, "unique_customers": 0})


def products(lines: Frame) -> Frame:
    """Compute product_performance: by shop and SKU."""
    keys = ["shop", "sku"]
    by, discounted = _by(lines, keys), lines["discount_id"].notna()
    sums = ["units", "discount_amount", "revenue"]
    with_it = _by(lines[discounted], keys)[sums].sum()
    without = _by(lines[~discounted], keys)[sums].sum()
    return pd.DataFrame(
        {
            "product_title": _latest(lines, keys, "product_title"),
            "units_sold_with_discount": with_it["units"],
            "units_sold_without_discount": without["units"],
            "total_discount_given": with_it["discount_amount"],
            "revenue_with_discount": with_it["revenue"],
            "revenue_without_discount": without["revenue"],
            "updated_at": by["occurred_at"].max(),
        }
    )


def customers(lines: Frame) -> Frame:
    """Compute customer_insights: by shop and customer."""
    keys = ["shop", "customer_id"]
    lines = lines[lines["customer_id"].notna()]
    bought = lines[lines["type"] == "order"]
    used = bought[bought["discount_id"].notna()]
    by, ordered = _by(lines, keys), _by(bought, keys)
    orders = _by(bought.drop_duplicates([*keys, "order_id"]), keys).size()
    kinds = _by(used[used["discount_type"].notna()], [*keys, "discount_type"]).size()
    kinds = kinds.rename("uses").reset_index().astype({"discount_type": str})
    kinds = kinds.sort_values(["uses", "discount_type"], ascending=[False, True])
    given = lines[lines["discount_id"].notna()]
    return pd.DataFrame(
        {
            "total_discounts_used": _by(used, keys).size(),
            "total_savings": _by(given, keys)["discount_amount"].sum(),
            "favorite_discount_type": _by(kinds, keys)["discount_type"].first(),
            "avg_order_value": (by["revenue"].sum() / orders).round(2),
            "purchase_frequency": orders,
            "last_purchase_date": ordered["day"].max(),
        }
    ).fillna({"total_discounts_used": 0, "total_savings": 0, "purchase_frequency": 0})


def _by(lines: Frame, keys: list[str]) -> Any:
    return lines.groupby(keys, observed=True, sort=False)


def _latest(lines: Frame, keys: list[str], name: str) -> Any:
    known = lines[lines[name].notna()].sort_values(LAST)
    return _by(known, keys)[name].last()


def _plain(frame: Frame) -> Frame:
    """Convert keys to columns and categories to strings."""
    frame = frame.reset_index()
    texts = frame.select_dtypes("category").columns
    return frame.astype(dict.fromkeys(texts, "str")).replace({np.inf: np.nan})
