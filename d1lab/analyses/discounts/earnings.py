"""Cost of each discount, its observed lift, and its break-even lift."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.effect import REASONS, DiscountEffect
from d1lab.analyses.discounts.lifts import joined, pays
from d1lab.analyses.discounts.products import lifted

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

GAVE = (
    "name uses orders customers repeat_customers new_customers revenue_before savings "
    "revenue_after depth"
)
GAVE_KNOWN = ("margin_before", "margin_after", "margin_rate")
BROUGHT = "name lift_depth observed_lift observed_low observed_high"
BROUGHT_KNOWN = ("break_even_lift", "lift_pays")
BROUGHT_LAST = "break_even_margin shop_lift lift_skus lift_weeks why"


class BaselineShare(NamedTuple):
    """Share of discounted units that would also have sold at full price.

    Its upper end is 1: the discount possibly had no effect.
    """

    low: float | None  # from the upper end of the lift
    likely: float | None  # if price alone explains the extra sales


def break_even_lift(margin: Any, depth: Any) -> Any:
    """Compute the lift at which profit is the same with and without the discount.

    Args:
        margin: Margin as a share of the list price, inside (0, 1].
        depth: Discount as a share of the list price, inside [0, 1).

    Returns:
        m / (m - d) - 1; NaN if the discount is at least the margin, so that no lift is enough.

    >>> round(float(break_even_lift(0.5, 0.2)), 4)
    0.6667
    """
    margin, depth = np.asarray(margin, dtype=np.float64), np.asarray(depth, dtype=np.float64)
    left = margin - depth
    return depth / np.where(left > 0, left, np.nan)


def break_even_margin(lift: Any, depth: Any) -> Any:
    """Compute the margin at which this lift breaks even: d L / (L - 1), with L = 1 + lift.

    Args:
        lift: Relative increase in units.
        depth: Discount as a share of the list price.

    Returns:
        The margin; NaN if no margin up to the list price is enough.

    >>> round(float(break_even_margin(1.14, 0.269)), 3)
    0.505
    """
    lift, depth = np.asarray(lift, dtype=np.float64), np.asarray(depth, dtype=np.float64)
    found = depth * (1 + lift) / np.where(lift > 0, lift, np.nan)
    return np.where(found <= 1, found, np.nan)


def earned(earnings: Frame, level: str, shop: DiscountEffect, lifts: Frame) -> Frame:
    """Add observed lift, break-even lift, and break-even margin to discounts, codes, or SKUs.

    Args:
        earnings: Rows of the metric `discount_earnings`.
        level: 'discount', 'code', or 'sku'.
        shop: The shop's effect; without a slope, `shop_lift` is NaN.
        lifts: Result of `lifts.observed`.

    All lifts and break-even values of a row are at `lift_depth`: the mean depth of everything sold
    while it was on offer, or else of what the period sold with it. The break-even margin uses the
    observed lift, or else the shop's.
    """
    found = joined(earnings[earnings["level"] == level], lifts, level)
    period = found["depth"].astype(float)
    depth = found["observed_depth"].astype(float).fillna(period).clip(0, 0.99)
    found["lift_depth"] = depth
    ends = {
        "shop_lift": shop.slope,
        "shop_lift_low": shop.slope_high,
        "shop_lift_high": shop.slope_low,
    }
    for column, slope in ends.items():
        found[column] = np.nan if slope is None else lifted(slope, depth)
    lift = found["observed_lift"].astype(float).fillna(found["shop_lift"])
    found["break_even_margin"] = break_even_margin(lift, depth)
    found["break_even_lift"] = break_even_lift(found["margin_rate"].astype(float), depth)
    return found.assign(lift_pays=pays(found))


def discount_columns(found: Frame) -> str:
    """Return the columns of the cost table, with margins only if any is known."""
    return _with_known(GAVE, GAVE_KNOWN, found)


def lift_columns(found: Frame) -> str:
    """Return the columns of the lift table, with the break-even lift only if any is known."""
    return f"{_with_known(BROUGHT, BROUGHT_KNOWN, found)} {BROUGHT_LAST}"


def _is_missing(lift: Any) -> Any:
    return lift.isna()


def lifts_first(found: Frame) -> Frame:
    """Sort the rows with an observed lift first, keeping the order otherwise."""
    return found.sort_values("observed_lift", key=_is_missing, kind="stable")


def losing(skus: Frame, taken: Collection[str]) -> Frame:
    """Return the products whose discounted sales lost money, those that lost most first.

    Args:
        skus: Result of `earned` at level 'sku'.
        taken: Products to leave out, because another advice comes first.
    """
    lost = (skus["margin_after"].astype(float) < 0) & ~skus["sku"].isin(taken)
    return skus[lost].sort_values(["margin_after", "sku"])


def with_lift(found: Frame, most: int) -> Frame:
    """Return the first `most` rows with an observed lift."""
    return found[found["observed_lift"].notna()].head(most)


def _with_known(always: str, known: tuple[str, ...], found: Frame) -> str:
    return " ".join([always, *(name for name in known if found[name].notna().any())])


def baseline_share(skus: Frame) -> BaselineShare:
    """Estimate the share of discounted units that would have sold at full price.

    Args:
        skus: Result of `earned` at level 'sku'.

    Assumption: a discount never lowers sales, so an estimate that says so counts as no lift, and
    nothing else lowers sales in promoted weeks. In-store promotion and customers stocking up make
    the true share larger.
    """
    units = skus["units"].clip(lower=0).astype(float)
    if not units.sum() or skus["shop_lift"].isna().all():
        return BaselineShare(None, None)
    low, likely = (
        float((units / (1 + skus[name].clip(lower=0))).sum() / units.sum())
        for name in ("shop_lift_high", "shop_lift")
    )
    return BaselineShare(low, likely)


def summary(stacking: Frame, whole: Frame, found: BaselineShare) -> tuple[dict[str, Any], ...]:
    """Return the key figures: first-time customers, stacked discounts, and baseline sales.

    Args:
        stacking: Rows of the metric `discount_stacking`.
        whole: The row of level 'all' of the metric `discount_earnings`, in which each customer
            counts once, with however many discounts.
        found: Result of `baseline_share`.
    """
    stacked = stacking.set_index("stacked")["orders"]
    with_discount = stacked.drop("0", errors="ignore")
    several = with_discount.drop("1", errors="ignore").sum() / max(with_discount.sum(), 1)
    new = whole["new_customers"].sum() / max(whole["customers"].sum(), 1)
    return (
        {
            "metric": "anyway_share",
            "value": found.likely,
            "low": found.low,
            "high": found.low and 1.0,
            "label": "Would have sold at full price",
            "kind": "percent",
            "note": "" if found.low else "Price elasticity not available.",
        },
        {"metric": "stacked_share", "value": float(several)},
        {"metric": "new_customer_share", "value": float(new)},
    )


def explained(shop: DiscountEffect, stacking: Frame, found: BaselineShare) -> str:
    """Return the bounds of the baseline sales in words, with their assumption."""
    with_discount = stacking[stacking["stacked"] != "0"]
    mixed = with_discount["with_full_price"].sum() / max(with_discount["orders"].sum(), 1)
    orders = f"{mixed:.0%} of discounted orders also include a full-price product."
    if found.low is None:
        return f"{orders} No estimate: {REASONS[shop.reason or '']}."
    return (
        f"Between {found.low:.0%} and 100% of discounted units would have sold at "
        f"full price: {found.likely:.0%} if price alone explains the extra sales. The "
        "range assumes that a discount never lowers sales. In-store promotion and "
        f"customers stocking up push the share higher. {orders}"
    )


def caution(health: Frame) -> str:
    """Return a note on what the report counts and on missing data.

    Args:
        health: Rows of the metric `data_health`.
    """
    share = health.set_index("check_name")["share"]
    return (
        "Lifts are associations; only an A/B test shows what customers would have "
        f"bought at full price. {share['without_customer']:.1%} of order lines have "
        f"no customer, and {share['refunds']:.1%} are refunds."
    )


def leaks(codes: Frame) -> str:
    """Return the possibly leaked codes as a sentence."""
    if codes.empty:
        return "No code was recorded, so there is no leak to look for."
    known = codes["leaks"].dropna()
    if known.empty:
        return "Leak check not available: it needs at least eight codes."
    leaking = codes[codes["leaks"].fillna(False).astype(bool)]["discount_code"]
    if leaking.empty:
        return f"No leak found: none of {len(codes):,} codes stands out from the others."
    return f"Possible leaks: {', '.join(leaking.head(5))}."
