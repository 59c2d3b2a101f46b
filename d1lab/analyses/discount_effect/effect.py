"""What a discount sells: the one estimate that all reports quote, with its sample.

Units per product and week, weeks without a sale included, by Poisson regression with an effect per
product and per week (`stats.poisson_effects`) and errors clustered by product. A week counts by
whether a discount was on offer (`exposure`). The estimate is an association, unless discounts were
randomized: shops choose when to discount, and often promote the product at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.exposure import (
    OFF,
    ON,
    UNKNOWN,
    Floats,
    Ints,
    OfferedWeeks,
)
from d1lab.analyses.discount_effect.history import SalesHistory
from d1lab.stats.poisson_effects import PoissonFit, fit

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MIN_SKUS = 10  # clusters with the discount on and off; with fewer, errors are too small
MIN_ORDERS = 10  # of a discount or code; with fewer, no lift
MOST_TOGETHER = 300  # discounts whose lifts are estimated; time grows with their cube
WIDEST = 4  # maximum ratio of the interval's upper to its lower end, as ratios of units
LEVEL = 0.95
NORMAL = 1.959964  # normal quantile of the same level

REASONS = {
    "no_discount": (
        "no discount was used in 10 or more orders; load order events with `d1lab ingest orders "
        "FILE` or `d1lab track FILE`"
    ),
    "few_uses": "used in fewer than 10 orders",
    "never_off": "never off: no comparison",
    "few_skus": "fewer than 10 products were for sale both with and without the discount",
    "many": (
        f"not among the {MOST_TOGETHER} discounts with the most weeks on offer, whose lifts are "
        "estimated"
    ),
    "no_comparison": (
        "all products were discounted in the same weeks, so it cannot be separated from weekly "
        "changes"
    ),
    "too_wide": "too uncertain: the ends of its range differ by more than a factor of four",
}
"""Reasons for a missing effect, in words."""

CAUSE = (
    "This is an association, not the effect of the discount: it compares a product's weeks on "
    "offer with its other weeks, those without a sale included, adjusted for shop-wide weekly "
    "changes. Only randomized discounts show a causal effect."
)


class DiscountEffect(NamedTuple):
    """What discounts sell in a shop; fields are None if `reason` is one of `REASONS`."""

    slope: float | None  # price elasticity: -2 means 2% more units at a 1% lower price
    slope_low: float | None  # 95% interval
    slope_high: float | None
    error: float | None  # half of the interval / 1.96: as large as that of a normal estimate
    depth: float | None  # mean depth of the weeks on offer, at which lifts are given
    lift: float | None  # units with a discount on offer / units without - 1
    low: float | None  # 95% interval
    high: float | None
    aftermath: float | None  # the same for the week after an offer; < 0: pull-forward
    aftermath_low: float | None
    aftermath_high: float | None
    raw_lift: float | None  # without product and week effects, for comparison
    break_even_margin: float | None  # at this lift and depth; None if there is none
    skus: int  # products for sale both with and without a discount
    weeks: int  # product-weeks of these, on offer or not
    reason: str | None


class ShopEffect(NamedTuple):
    """The shop's effect, and what the estimates per product build on."""

    effect: DiscountEffect
    price: Floats  # product x week: log of price on offer / list price; NaN if unknown
    fitted: PoissonFit | None  # None if the effect is missing


def shop_effect(found: SalesHistory) -> ShopEffect:
    """Estimate what all discounts of a shop sell together, per percent of price.

    Args:
        found: Result of `history.history`.
    """
    price = prices(found)
    units = np.where(np.isfinite(price), found.sales.units, np.nan)
    both = _both(units, price < 0)
    reason = _missing(found, price, both)
    sample = int(both.sum()), int(np.isfinite(units[both]).sum())
    if reason:
        return ShopEffect(_without(reason, *sample), price, None)
    before = np.column_stack([np.zeros(len(price)), np.nan_to_num(price)[:, :-1]])
    fitted = fit(units, np.nan_to_num(price).reshape(-1, 1))
    after = fit(units, np.column_stack([np.nan_to_num(price).ravel(), before.ravel()]))
    effect = _effect(fitted, after, price, units, sample)
    return ShopEffect(effect, price, fitted if effect.reason is None else None)


def prices(found: SalesHistory) -> Floats:
    """Return the log of the price on offer / list price; NaN where it is unknown."""
    price = np.where(np.isfinite(found.sales.units), 0.0, np.nan)
    levels = found.discounts["level"].to_numpy()
    for level, offer, depth in zip(levels, found.offers, found.depths, strict=True):
        if level != "discount" or not _ever_off(offer, len(price)):
            continue  # on in all weeks: part of each product's usual level
        price[offer.skus] += np.where(offer.state == ON, np.log1p(-depth), 0.0)
        price[offer.skus] = np.where(offer.state == UNKNOWN, np.nan, price[offer.skus])
    return price


def _ever_off(offer: OfferedWeeks, rows: int) -> bool:
    return len(offer.skus) < rows or bool((offer.state == OFF).any())


def _both(units: Floats, on: Any) -> Any:
    """Return the rows with a sale and known weeks both on and off."""
    known = np.isfinite(units)
    sold = np.nan_to_num(units).sum(axis=1) > 0
    return sold & (known & on).any(axis=1) & (known & ~on).any(axis=1)


def _missing(found: SalesHistory, price: Floats, both: Any) -> str | None:
    if not (found.discounts["level"] == "discount").any():
        return "no_discount"
    if not both.any():
        return "never_off"
    return "few_skus" if both.sum() < MIN_SKUS else None


def _without(reason: str, skus: int, weeks: int) -> DiscountEffect:
    known = dict.fromkeys(DiscountEffect._fields[:13])
    return DiscountEffect(**known, skus=skus, weeks=weeks, reason=reason)


def _effect(
    fitted: PoissonFit,
    after: PoissonFit,
    price: Floats,
    units: Floats,
    sample: tuple[int, int],
) -> DiscountEffect:
    if not fitted.identified[0]:
        return _without("no_comparison", *sample)
    on = price < 0
    at = float(np.log(np.exp(price[on]).mean()))  # log price at the mean depth
    half = float(fitted.half(LEVEL)[0])
    slope = float(fitted.slopes[0])
    if 2 * half * -at > np.log(WIDEST):
        return _without("too_wide", *sample)
    lift, low, high = (float(np.expm1((slope + side * half) * at)) for side in (0, 1, -1))
    next_week, next_low, next_high = _aftermath(after, at)
    known = np.isfinite(units)
    raw = units[known & on].mean() / max(units[known & (price == 0)].mean(), 1e-9) - 1
    depth = float(-np.expm1(at))
    return DiscountEffect(
        slope=slope,
        slope_low=slope - half,
        slope_high=slope + half,
        error=half / NORMAL,
        depth=depth,
        lift=lift,
        low=low,
        high=high,
        aftermath=next_week,
        aftermath_low=next_low,
        aftermath_high=next_high,
        raw_lift=float(raw),
        break_even_margin=_break_even(lift, depth),
        skus=sample[0],
        weeks=sample[1],
        reason=None,
    )


def _aftermath(after: PoissonFit, at: float) -> tuple[float | None, float | None, float | None]:
    """Return the lift of the week after an offer, at an equal price, with its interval."""
    if not after.identified.all():
        return None, None, None
    half = float(after.half(LEVEL)[1])
    slope = float(after.slopes[1])
    value, low, high = (float(np.expm1((slope + side * half) * at)) for side in (0, 1, -1))
    return value, low, high


def _break_even(lift: float, depth: float) -> float | None:
    """Return the margin at which the lift breaks even at the depth; None if there is none.

    >>> round(_break_even(1.14, 0.269), 3)
    0.505
    """
    margin = depth * (1 + lift) / lift if lift > 0 else np.inf
    return float(margin) if margin <= 1 else None


class DiscountLifts(NamedTuple):
    """Lift of each discount and code; NaN if `reason` is one of `REASONS`."""

    lift: Floats  # units with it on offer / units without - 1
    low: Floats  # 95% interval
    high: Floats
    depth: Floats  # discount / list value of everything sold while it was on
    skus: Ints  # products for sale both with it on and off
    weeks: Ints  # their weeks with it on
    reason: Any


def lifts(found: SalesHistory, level: str) -> tuple[Frame, DiscountLifts]:
    """Estimate the lift of each discount, or of each code, all together.

    Args:
        found: Result of `history.history`.
        level: 'discount' or 'code'.

    Returns:
        The rows of `found.discounts` of this level, and the lift of each.
    """
    chosen = np.flatnonzero(found.discounts["level"].to_numpy() == level)
    offers = [found.offers[place] for place in chosen]
    count = len(chosen)
    sizes = np.array([_size(found.sales.units, offer) for offer in offers]).reshape(count, 2)
    reason = np.full(count, None)
    reason[sizes[:, 0] < MIN_SKUS] = "few_skus"
    reason[sizes[:, 0] == 0] = "never_off"
    possible = np.flatnonzero(reason == None)  # noqa: E711 - an array's elements
    largest: Ints = possible[np.argsort(-sizes[possible, 1], kind="stable")]
    kept: Ints = np.sort(largest[:MOST_TOGETHER])
    rest: Ints = largest[MOST_TOGETHER:]
    reason[rest] = "many"
    ends = np.full((3, count), np.nan)
    if len(kept):
        ends[:, kept], reason[kept] = _together(
            found.sales.units, [offers[k] for k in kept], [offers[k] for k in rest]
        )
    depth = np.array([_mean_depth(found, int(place)) for place in chosen], dtype=np.float64)
    rows = found.discounts.iloc[chosen].reset_index(drop=True)
    skus, on_weeks = sizes.T.astype(np.intp)
    return rows, DiscountLifts(ends[0], ends[1], ends[2], depth, skus, on_weeks, reason)


def _size(units: Floats, offer: OfferedWeeks) -> tuple[int, int]:
    """Return the number of products with the discount on and off, and of their weeks on."""
    known = np.where(offer.state == UNKNOWN, np.nan, units[offer.skus])
    on = offer.state == ON
    both = _both(known, on)
    return int(both.sum()), int((np.isfinite(known) & on)[both].sum())


def _mean_depth(found: SalesHistory, place: int) -> float:
    offer = found.offers[place]
    on = (offer.state == ON) & np.isfinite(found.sales.units[offer.skus])
    listed = np.where(on, found.sales.listed[offer.skus], 0.0)
    return float((found.depths[place] * listed).sum() / listed.sum()) if listed.sum() else np.nan


def _together(
    units: Floats, offers: list[OfferedWeeks], rest: list[OfferedWeeks]
) -> tuple[Floats, Any]:
    """Return lift, low, and high of each discount, and the reasons for missing ones.

    The rest are one cause, so that their weeks on offer do not count as weeks without any.
    """
    from scipy.sparse import coo_array, csc_array, hstack

    known = units.copy()
    cells: list[Ints] = []
    causes: list[Ints] = []
    for number, offer in enumerate(offers):
        row, week = np.nonzero(offer.state == ON)
        cells.append(offer.skus[row] * units.shape[1] + week)
        causes.append(np.full(len(row), number))
        row, week = np.nonzero(offer.state == UNKNOWN)
        known[offer.skus[row], week] = np.nan
    at = np.concatenate(cells), np.concatenate(causes)
    on = coo_array((np.ones(len(at[0])), at), shape=(units.size, len(offers)))
    others = np.zeros(units.shape)
    for offer in rest:
        others[offer.skus] = np.maximum(others[offer.skus], offer.state == ON)
    fitted = fit(known, hstack([on, csc_array(others.reshape(-1, 1))]) if rest else on)
    half = fitted.half(LEVEL)[: len(offers)]
    reason = np.full(len(offers), None)
    reason[2 * half > np.log(WIDEST)] = "too_wide"
    reason[~fitted.identified[: len(offers)]] = "no_comparison"
    ends = np.expm1(fitted.slopes[: len(offers)] + np.outer([0, -1, 1], half))
    ends[:, [one is not None for one in reason]] = np.nan
    return ends, reason


def reasons_in_words(reason: Any) -> Iterator[str | None]:
    """Return each reason of `REASONS` in words; None where there is none."""
    return (REASONS[one] if one else None for one in reason)
