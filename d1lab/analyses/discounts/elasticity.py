"""Price elasticity: the percent change in units per 1% change in the price paid.

Regression of log units on the log of price paid over list price, with an effect per SKU (its usual
sales) and per week (changes of all SKUs) and with errors clustered by SKU. Only weeks with a sale
have a price. SKUs with few sales are excluded, because their missing weeks without a sale would
bias the slope toward zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from d1lab.errors import InputError
from d1lab.stats.fixed_effects import Floats, demeaned, fit, student, week_effects, within

MIN_SKUS = 10
PROMOTED = 0.10  # depth from which a week counts as promoted
REGULAR = 0.02  # depth below which it counts as regular
EARLY_SHARE = 2 / 3  # of the weeks; their slopes forecast those of the other weeks, for the drift
MIN_LATE_WEEKS = 6
MIN_LATE_SQUARES = 0.05  # of log prices; with less, a later slope is mostly noise

REASONS = {
    "few_skus": "fewer than 10 products sold often enough both with and without a discount",
    "no_price_change": "prices barely changed",
}
"""Reasons for a missing elasticity, in words."""


class Panel(NamedTuple):
    """Weeks of SKUs, with one item per SKU and week with a sale."""

    sku: Any
    week: Any
    units: Floats  # > 0
    price: Floats  # price paid over list price, inside (0, 1]; or a price in money
    depth: Floats  # discount as a share of the list price, inside [0, 1)

    @classmethod
    def of(cls, frame: Any) -> Panel:
        """Build from a frame such as the metric `elasticity`; weeks at price 0 are excluded."""
        units, price, listed, depth = (
            np.asarray(frame[name], dtype=np.float64)
            for name in ("units", "price", "list_price", "depth")
        )
        sku, week = np.asarray(frame["sku"]), np.asarray(frame["week"])
        kept = (units > 0) & (price > 0) & (listed > 0)
        relative = np.divide(price, listed, out=np.ones_like(price), where=kept)
        return cls(sku, week, units, relative, depth).where(kept)

    def where(self, kept: Any) -> Panel:
        """Return the items selected by a mask."""
        return Panel(*(np.asarray(column)[kept] for column in self))


class Elasticity(NamedTuple):
    """Price elasticity of demand; fields are None if `reason` is one of `REASONS`."""

    slope: float | None  # -2: a 1% lower price goes with 2% more units
    error: float | None  # clustered by SKU
    low: float | None  # 95% interval, Student's t with skus - 1 degrees of freedom
    high: float | None
    pooled: float | None  # the slope without SKU and week effects, for comparison
    skus: int
    weeks: int
    observations: int
    reason: str | None


class Slopes(NamedTuple):
    """Slope of each SKU, shrunk toward the shop's slope; more so with few weeks."""

    sku: Any
    slope: Floats
    error: Floats  # standard error after shrinking
    spread: float  # standard deviation of the true slopes across SKUs
    drift: float | None  # change of slopes over time, beyond their errors; None if unknown

    @property
    def error_ahead(self) -> Floats:
        """Standard error of the slope as a forecast for future weeks."""
        return np.hypot(self.error, self.drift or 0.0)


def promoted_skus(
    panel: Panel, *, promoted_weeks: int = 6, regular_weeks: int = 6, mean_units: float = 5
) -> Panel:
    """Return the weeks of SKUs with enough sales in promoted and in regular weeks.

    Args:
        panel: Weeks of SKUs.
        promoted_weeks: Minimum number of weeks at 10% off or more.
        regular_weeks: Minimum number of weeks at less than 2% off.
        mean_units: Minimum mean units per week with a sale.
    """
    names, sku = np.unique(panel.sku, return_inverse=True)
    weeks = np.bincount(sku, minlength=len(names))
    kept = (
        (np.bincount(sku, panel.depth >= PROMOTED, len(names)) >= promoted_weeks)
        & (np.bincount(sku, panel.depth < REGULAR, len(names)) >= regular_weeks)
        & (np.bincount(sku, panel.units, len(names)) >= mean_units * weeks)
    )
    return panel.where(kept[sku])


def elasticity(panel: Panel) -> Elasticity:
    """Estimate the slope of log units on log price within SKUs and weeks.

    Args:
        panel: Weeks of SKUs, such as the result of `promoted_skus`.

    Raises:
        InputError: A price or a number of units is not above zero.

    Uses `fixed_effects.fit`, with Stata's small-sample factor. Unless prices were randomized, the
    slope is an association, not an effect: it includes everything else that happened in promoted
    weeks, such as in-store promotion.
    """
    if not (np.all(panel.units > 0) and np.all(panel.price > 0)):
        raise InputError("elasticity requires units and prices above 0. Exclude other weeks.")
    names, sku = np.unique(panel.sku, return_inverse=True)
    weeks, week = np.unique(panel.week, return_inverse=True)
    counts = (len(names), len(weeks), len(panel.units))
    if len(names) < MIN_SKUS:
        return Elasticity(None, None, None, None, None, *counts, "few_skus")
    x, y = np.log(panel.price), np.log(panel.units)
    moved = within(x, sku, week)
    if moved @ moved < 1e-6 * len(x):
        return Elasticity(None, None, None, None, None, *counts, "no_price_change")
    found = fit(y, x[:, None], sku, week, absorbed=len(weeks))
    slope, error = float(found.slopes[0]), float(found.errors[0])
    margin = float(student(0.975, len(names) - 1)) * error
    pooled = float(np.cov(x, y)[0, 1] / np.var(x, ddof=1))
    return Elasticity(slope, error, slope - margin, slope + margin, pooled, *counts, None)


def slopes(panel: Panel, shop: Elasticity) -> Slopes:
    """Estimate the slope of each SKU by empirical Bayes around the shop's slope.

    Args:
        panel: Weeks used to estimate `shop`.
        shop: Elasticity with a slope.

    Raises:
        InputError: The shop's elasticity has no slope.

    Week effects are those of the common slope. The spread of the true slopes is estimated by
    DerSimonian & Laird (1986), Controlled Clinical Trials 7; the drift, by using the slopes of the
    first two thirds of the weeks as a forecast of the others.
    """
    found = _shrunk(panel, shop)
    return found._replace(drift=_drift(panel))


def _shrunk(panel: Panel, shop: Elasticity) -> Slopes:
    if shop.slope is None or shop.error is None:
        raise InputError(f"slopes require the shop's elasticity, which is missing: {shop.reason}")
    own = _own_slopes(panel, shop.slope)
    spread = _spread(own.slope, own.variance)
    weight = spread / (spread + own.variance)  # of a SKU's own weeks
    slope = weight * own.slope + (1 - weight) * shop.slope
    error = np.sqrt(weight * own.variance + ((1 - weight) * shop.error) ** 2)
    return Slopes(own.sku, slope, error, float(np.sqrt(spread)), None)


def _drift(panel: Panel) -> float | None:
    """Return the root mean square forecast error of later slopes, net of sampling error."""
    weeks = np.asarray(panel.week)
    last = weeks.min() + (weeks.max() - weeks.min()) * EARLY_SHARE
    early, late = promoted_skus(panel.where(weeks <= last)), panel.where(weeks > last)
    late = late.where(np.isin(late.sku, early.sku))
    before, after = elasticity(early), elasticity(late)
    if before.slope is None or after.slope is None:
        return None
    forecast, own = _shrunk(early, before), _own_slopes(late, after.slope)
    at = cast("NDArray[np.intp]", np.searchsorted(forecast.sku, own.sku))
    known = (own.weeks >= MIN_LATE_WEEKS) & (own.squares >= MIN_LATE_SQUARES)
    if known.sum() < MIN_SKUS:
        return None
    variance = (forecast.error[at] ** 2 + own.variance)[known]
    excess = (own.slope - forecast.slope[at])[known] ** 2 - variance
    weight = 1 / np.maximum(variance, 0.01) ** 2
    return float(np.sqrt(max(excess @ weight / weight.sum(), 0.0)))


class _Own(NamedTuple):
    """Least-squares slopes of single SKUs, with one item per SKU."""

    sku: Any
    slope: Floats
    variance: Floats  # of sampling
    weeks: Any
    squares: Floats  # of log prices about the SKU's mean


def _own_slopes(panel: Panel, common: float) -> _Own:
    """Compute each SKU's slope after removing the week effects of the common slope."""
    names, sku = np.unique(panel.sku, return_inverse=True)
    _, week = np.unique(panel.week, return_inverse=True)
    x, y = demeaned(np.log(panel.price), sku), np.log(panel.units)
    effects = week_effects(y - common * x, sku, week)
    y = demeaned(y - effects[week], sku)
    square = np.maximum(np.bincount(sku, x * x), 1e-9)
    own, weeks = np.bincount(sku, x * y) / square, np.bincount(sku)
    variance = np.bincount(sku, (y - own[sku] * x) ** 2) / np.maximum(weeks - 2, 1) / square
    return _Own(names, own, variance, weeks, square)


def _spread(own: Floats, variance: Floats) -> float:
    """Return the variance of the true slopes, at least 0.01: products are never identical."""
    weight = 1 / np.maximum(variance, 1e-6)
    mean = weight @ own / weight.sum()
    excess = weight @ (own - mean) ** 2 - (len(own) - 1)
    return max(float(excess / (weight.sum() - (weight @ weight) / weight.sum())), 0.01)
