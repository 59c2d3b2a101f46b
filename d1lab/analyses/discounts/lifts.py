"""Lift per discount, code, and product, and comparison with break-even."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.discount_effect import effect
from d1lab.analyses.discount_effect.effect import REASONS, DiscountEffect
from d1lab.analyses.discount_effect.history import SalesHistory
from d1lab.analyses.discount_effect.pooling import OWN, Estimates
from d1lab.counting import counted

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

KEYS = {"discount": ["discount_id"], "code": ["discount_id", "discount_code"], "sku": ["sku"]}
"""Columns that identify a row of a level, here and in the metric `discount_earnings`."""

UNUSED = REASONS["few_uses"]
NO_OWN = "no weeks both on and off offer that its sales show"
"""Reason for a missing lift of a product, in words."""

_COLUMNS = (
    "observed_lift",
    "observed_low",
    "observed_high",
    "observed_depth",
    "lift_skus",
    "lift_weeks",
    "why",
)


def observed(found: Estimates) -> Frame:
    """Return the lift of each discount, code, and SKU, and of all discounts together.

    Args:
        found: Result of `pooling.estimate`.

    Returns:
        One row per level (including 'all') and key: observed_lift, observed_low, and
        observed_high as shares, observed_depth, lift_skus, lift_weeks, and why, the reason for a
        missing lift.
    """
    import pandas as pd

    frames = [_all(found.shop), _products(found)]
    frames += [_discounts(found.history, level) for level in ("discount", "code")]
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _all(shop: DiscountEffect) -> Frame:
    import pandas as pd

    why = REASONS[shop.reason] if shop.reason else None
    values = (shop.lift, shop.low, shop.high, shop.depth, shop.skus, shop.weeks, why)
    row: dict[str, Any] = {"level": "all", **dict(zip(_COLUMNS, values, strict=True))}
    return pd.DataFrame([row]).astype(dict.fromkeys(_COLUMNS[:4], float))


def _discounts(found: SalesHistory, level: str) -> Frame:
    rows, lifts = effect.lifts(found, level)
    why = np.array(list(effect.reasons_in_words(lifts.reason)), dtype=object)
    return rows.assign(**dict(zip(_COLUMNS, (*lifts[:6], why), strict=True)))


def _products(found: Estimates) -> Frame:
    """Return the products with weeks of their own on and off offer, at their mean depth."""
    import pandas as pd

    own = found.products.skus[found.products.skus["basis"] == OWN]
    price = found.price[found.history.rows(own["sku"])]
    on = price < 0
    at = np.where(on, price, 0.0).sum(axis=1) / np.maximum(on.sum(axis=1), 1)
    ends = [np.expm1(own[name].to_numpy() * at) for name in ("slope", "slope_high", "slope_low")]
    weeks = own["weeks_on"].to_numpy()
    values = (*ends, -np.expm1(at), np.ones(len(own), dtype=int), weeks, None)
    columns = dict(zip(_COLUMNS, values, strict=True))
    return pd.DataFrame({"level": "sku", "sku": own["sku"].to_numpy(), **columns})


def joined(earned: Frame, lifts: Frame, level: str) -> Frame:
    """Join earnings with their lifts.

    Args:
        earned: Rows of one level of the metric `discount_earnings`.
        lifts: Result of `observed`.
        level: 'discount', 'code', or 'sku'.
    """
    keys = KEYS[level]
    own = lifts[lifts["level"] == level].reindex(columns=[*keys, *_COLUMNS])
    own = own.astype({key: earned[key].dtype for key in keys})  # numbers if all are missing
    found = earned.merge(own, on=keys, how="left")
    missing = found["observed_lift"].isna() & found["why"].isna()
    found["why"] = found["why"].astype(object).mask(missing, NO_OWN if level == "sku" else UNUSED)
    return found


def pays(found: Frame) -> Any:
    """Return 'yes' or 'no' if the interval excludes the break-even lift; None without a cost."""
    needed = found["break_even_lift"].astype(float)
    known = found["margin_rate"].notna() & found["observed_lift"].notna()
    hopeless = known & needed.isna()  # the discount is at least the margin, so no lift is enough
    answers = [found["observed_low"] > needed, (found["observed_high"] < needed) | hopeless, known]
    return np.select(answers, ["yes", "no", "not clear"], default=None)  # pyright: ignore


def figure(shop: DiscountEffect) -> dict[str, Any]:
    """Return the lift of all discounts together as a key figure."""
    fields = {"metric": "observed_lift", "label": "Observed lift, all discounts", "kind": "percent"}
    if shop.reason:
        return {**fields, "value": None, "note": f"Not available: {REASONS[shop.reason]}."}
    return {
        **fields,
        "value": shop.lift,
        "low": shop.low,
        "high": shop.high,
        "note": f"{sample(shop)}. Association, not cause.",
    }


def sample(shop: DiscountEffect) -> str:
    """Return the sample of the shop's effect in words, the same on all pages."""
    depth = f"at {shop.depth:.0%} off on average, " if shop.depth else ""
    return f"{depth}{counted(shop.skus, 'product')}, {counted(shop.weeks, 'product-week')}"


def silent(lifts: Frame) -> str:
    """Return the reason why no discount has a lift."""
    reasons = lifts.loc[lifts["level"] == "discount", "why"].dropna()
    if reasons.empty:
        return f"No comparison is possible: {UNUSED}."
    return f"No comparison is possible. Most common reason: {reasons.mode().iloc[0]}."
