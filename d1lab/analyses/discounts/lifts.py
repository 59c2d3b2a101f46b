"""Observed lift per discount and comparison with break-even."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.discounts.observed_lift import (
    REASON,
    REASONS,
    REGULAR,
    Lifts,
    Weeks,
    observed_lifts,
    product_lifts,
)
from d1lab.counting import counted

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

KEYS = {"discount": ["discount_id"], "code": ["discount_id", "discount_code"], "sku": ["sku"]}
"""Columns that identify a row of a level, here and in the metric `discount_earnings`."""

UNUSED = "no week with this discount on at least half of a product's units"


def observed(weeks: Frame) -> Frame:
    """Estimate the observed lift of each discount, code, and SKU, and of all discounts together.

    Args:
        weeks: Rows of the metric `discount_lift`.

    Returns:
        One row per level (including 'all') and key: observed_lift, observed_low, and
        observed_high as shares, observed_depth, lift_skus, lift_weeks, and why, the reason for a
        missing lift.
    """
    import pandas as pd

    every = weeks[weeks["level"].isin(["regular", "sku"])]
    frames = [_one_by_one(every), _estimated(every, []).assign(level="all")]
    for level in ("discount", "code"):
        rows = weeks[weeks["level"].isin(["regular", level])]
        frames.append(_estimated(rows, KEYS[level]).assign(level=level))
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def joined(earned: Frame, lifts: Frame, level: str) -> Frame:
    """Join earnings with their observed lifts.

    Args:
        earned: Rows of one level of the metric `discount_earnings`.
        lifts: Result of `observed`.
        level: 'discount', 'code', or 'sku'.
    """
    keys = KEYS[level]
    own = lifts[lifts["level"] == level].reindex(columns=[*keys, *_COLUMNS])
    as_objects = dict.fromkeys(keys, object)  # an all-NULL column would have another type
    found = earned.astype(as_objects).merge(own.astype(as_objects), on=keys, how="left")
    unknown = REASON if level == "sku" else UNUSED
    missing = found["observed_lift"].isna() & found["why"].isna()
    found["why"] = found["why"].astype(object).mask(missing, unknown)
    return found


def pays(found: Frame) -> Any:
    """Return 'yes' or 'no' if the interval excludes the break-even lift; None without a cost."""
    needed = found["break_even_lift"].astype(float)
    known = found["margin_rate"].notna() & found["observed_lift"].notna()
    hopeless = known & needed.isna()  # the discount is at least the margin, so no lift is enough
    answers = [found["observed_low"] > needed, (found["observed_high"] < needed) | hopeless, known]
    return np.select(answers, ["yes", "no", "not clear"], default=None)  # pyright: ignore


def figure(lifts: Frame) -> dict[str, Any]:
    """Return the lift of all discounts together as a key figure."""
    fields = {"metric": "observed_lift", "label": "Observed lift, all discounts", "kind": "percent"}
    row = lifts[lifts["level"] == "all"].iloc[0]
    if row["why"]:
        return {**fields, "value": None, "note": f"Not available: {row['why']}."}
    return {
        **fields,
        "value": row["observed_lift"],
        "low": row["observed_low"],
        "high": row["observed_high"],
        "note": (
            f"vs. regular-price weeks, {counted(row['lift_skus'], 'product')}. "
            "Association, not cause."
        ),
    }


def silent(lifts: Frame) -> str:
    """Return the reason why no discount has an observed lift."""
    reasons = lifts.loc[lifts["level"] == "discount", "why"].dropna()
    if reasons.empty:
        return f"No lift available: {UNUSED}."
    return f"No lift available. Most common reason: {reasons.mode().iloc[0]}."


_COLUMNS = (
    "observed_lift",
    "observed_low",
    "observed_high",
    "observed_depth",
    "lift_skus",
    "lift_weeks",
    "why",
)


def _weeks(rows: Frame, discount: Any) -> Weeks:
    names = ("units", "orders", "depth")
    units, orders, depth = (rows[name].to_numpy(dtype=np.float64) for name in names)
    return Weeks(rows["sku"].to_numpy(), rows["week"].to_numpy(), units, orders, depth, discount)


def _estimated(rows: Frame, keys: list[str]) -> Frame:
    """Estimate the lift of each group of discounted weeks; without keys, of all together."""
    import pandas as pd

    with_it = rows["level"] != "regular"
    place = np.full(len(rows), REGULAR)
    names = pd.DataFrame(index=[0])
    if keys:
        groups = rows[with_it].groupby(keys, sort=True)
        place[with_it] = groups.ngroup()
        names = rows.loc[with_it, keys].drop_duplicates().sort_values(keys, ignore_index=True)
    else:
        place[with_it] = 0
    found = observed_lifts(_weeks(rows, place), len(names))
    return names.assign(**_columns(found))


def _columns(found: Lifts) -> dict[str, Any]:
    why = [REASONS[reason] if reason else None for reason in found.reason]
    values = (*found[:6], np.array(why, dtype=object))
    return dict(zip(_COLUMNS, values, strict=True))


def _one_by_one(rows: Frame) -> Frame:
    import pandas as pd

    found = product_lifts(_weeks(rows, np.where(rows["level"] == "regular", REGULAR, 0)))
    why = np.array([REASON if unknown else None for unknown in np.isnan(found.lift)], dtype=object)
    values = (*found[1:5], np.ones(len(why), dtype=int), found.weeks, why)
    return pd.DataFrame(
        {"level": "sku", "sku": found.sku, **dict(zip(_COLUMNS, values, strict=True))}
    )
