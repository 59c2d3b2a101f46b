"""What each discount needs to bring to pay, beside what prices did in this shop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.discounts.products import lifted
from d1lab.stats.elasticity import REASONS, Elasticity

Frame = Any  # a pandas DataFrame: static types do not know its columns

COLUMNS = (
    "name uses orders customers repeat_customers new_customers revenue_before savings "
    "revenue_after depth lift lift_low lift_high break_even_margin"
)
KNOWN = ("margin_rate", "break_even_lift", "margin_before", "margin_after")


class Anyway(NamedTuple):
    """The share of discounted units that would have sold at the full price, too."""

    low: float | None  # what lies above the upper end of the lift did not need the discount
    likely: float | None  # if the price did all that promoted weeks sold more
    high: float  # 1: the discount may have brought nothing


def break_even_lift(margin: Any, depth: Any) -> Any:
    """The extra units, as a share, at which a discount earns as much as none.

    Args:
        margin: Of the list price, inside (0, 1].
        depth: Share of the list price given away, inside [0, 1).

    Returns:
        m / (m - d) - 1; NaN where the depth eats the whole margin, and no lift is enough.

    >>> round(float(break_even_lift(0.5, 0.2)), 4)
    0.6667
    """
    margin, depth = np.asarray(margin, dtype=np.float64), np.asarray(depth, dtype=np.float64)
    left = margin - depth
    return np.divide(depth, left, out=np.full(np.shape(left), np.nan), where=left > 0)


def break_even_margin(lift: Any, depth: Any) -> Any:
    """The margin from which a discount pays at this lift: d L / (L - 1), L = 1 + lift.

    Args:
        lift: Extra units, as a share.
        depth: Share of the list price given away.

    Returns:
        The margin; NaN where no margin below the whole price is enough.

    >>> round(float(break_even_margin(1.14, 0.269)), 3)
    0.505
    """
    lift, depth = np.asarray(lift, dtype=np.float64), np.asarray(depth, dtype=np.float64)
    found = np.divide(depth * (1 + lift), lift, out=np.full(lift.shape, np.nan), where=lift > 0)
    return np.where(found <= 1, found, np.nan)


def earned(earnings: Frame, level: str, shop: Elasticity) -> Frame:
    """Discounts, codes or SKUs with the lift to expect at their depth, and what they need.

    Args:
        earnings: Of the metric `discount_earnings`.
        level: 'discount', 'code' or 'sku'.
        shop: The shop's elasticity; without a slope the lifts are NaN.
    """
    found = earnings[earnings["level"] == level].copy()
    depth = found["depth"].astype(float).clip(0, 0.99)
    for column, slope in (("lift", shop.slope), ("lift_low", shop.high), ("lift_high", shop.low)):
        found[column] = np.nan if slope is None else lifted(slope, depth)
    found["break_even_margin"] = break_even_margin(found["lift"], depth)
    found["break_even_lift"] = break_even_lift(found["margin_rate"].astype(float), depth)
    return found


def columns(found: Frame) -> str:
    """The table's columns: margins only where any is known."""
    return " ".join([COLUMNS, *(name for name in KNOWN if found[name].notna().any())])


def anyway(skus: Frame) -> Anyway:
    """What of the discounted units would have sold at the full price.

    Args:
        skus: Of `earned` at level 'sku'.

    Assumption: a discount never repels, and promoted weeks differ from others by nothing that sells
    less. A display beside the discount, or stock laid in at home, makes the true share larger.
    """
    units = skus["units"].clip(lower=0).astype(float)
    if not units.sum() or skus["lift"].isna().all():
        return Anyway(None, None, 1.0)
    low, likely = (
        float((units / (1 + skus[name])).sum() / units.sum()) for name in ("lift_high", "lift")
    )
    return Anyway(low, likely, 1.0)


def summary(stacking: Frame, discounts: Frame, found: Anyway) -> tuple[dict[str, Any], ...]:
    """Key figures: who came new, how orders stack, and what would have come anyway."""
    stacked = stacking.set_index("stacked")["orders"]
    with_discount = stacked.drop("0", errors="ignore")
    several = with_discount.drop("1", errors="ignore").sum() / max(with_discount.sum(), 1)
    new = discounts["new_customers"].sum() / max(discounts["customers"].sum(), 1)
    return (
        {
            "metric": "anyway_share",
            "value": found.likely,
            "low": found.low,
            "high": found.low and found.high,
            "label": "Would have sold anyway",
            "kind": "percent",
            "note": "" if found.low else "How demand answers to price is not known.",
        },
        {"metric": "stacked_share", "value": float(several)},
        {"metric": "new_customer_share", "value": float(new)},
    )


def explained(shop: Elasticity, stacking: Frame, found: Anyway) -> str:
    """The bounds in words, with the assumption under them."""
    with_discount = stacking[stacking["stacked"] != "0"]
    mixed = with_discount["with_full_price"].sum() / max(with_discount["orders"].sum(), 1)
    orders = f"Of the orders with a discount {mixed:.0%} also hold a product at its full price."
    if found.low is None:
        return f"{orders} More cannot be said: {REASONS[shop.reason or '']}."
    return (
        f"Between {found.low:.0%} and all of the discounted units would have sold at the full "
        f"price; {found.likely:.0%} if the price did all that promoted weeks sold more. This "
        "takes it that a discount repels nobody; a display beside it, or stock laid in at home, "
        f"makes the share larger. {orders}"
    )


def caution(health: Frame) -> str:
    """What the report counts, and what is missing in its data.

    Args:
        health: Of the metric `data_health`.
    """
    share = health.set_index("check_name")["share"]
    return (
        "This counts what was given away, and sets lifts beside it that are associations: what "
        "would have been bought at the full price, only a test can tell. Of the order lines "
        f"{share['without_customer']:.1%} have no customer, and {share['refunds']:.1%} are refunds."
    )


def leaks(codes: Frame) -> str:
    """Which codes leak, in a sentence."""
    if codes.empty:
        return "No code was used: the discounts apply by themselves."
    known = codes["leaks"].dropna()
    if known.empty:
        return "Too few codes were used to tell which one leaks: eight are needed to compare."
    leaking = codes[codes["leaks"].fillna(False).astype(bool)]["discount_code"]
    if leaking.empty:
        return f"None of {len(codes):,} codes was used far more widely than the others."
    return f"Used far more widely than the others: {', '.join(leaking.head(5))}."
