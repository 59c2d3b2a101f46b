"""Price elasticity: by how many per cent units move when the price paid moves by one per cent.

A regression of log units on the log of price paid over list price, with an effect per SKU (how
it usually sells) and per week (what moved all SKUs), errors clustered by SKU. Only weeks with a
sale tell a price, so SKUs that sell little are left out: their weeks without a sale would be
missed, and the slope drawn towards zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.errors import InputError
from d1lab.stats.fixed_effects import Floats, demeaned, fit, student, week_effects, within

MIN_SKUS = 10
PROMOTED = 0.10  # depth from which a week counts as promoted
REGULAR = 0.02  # depth below which it counts as regular
EARLY_SHARE = 2 / 3  # of the weeks: their slopes forecast the others', to see how far slopes drift
MIN_LATE_WEEKS = 6
MIN_LATE_SQUARES = 0.05  # of log prices: with less a later slope is noise

REASONS = {
    "few_skus": "fewer than 10 products sold often enough both with and without a discount",
    "no_price_change": "prices hardly moved",
}
"""Each reason to abstain, in words."""


class Panel(NamedTuple):
    """Weeks of SKUs, one item per SKU and week with a sale."""

    sku: Any
    week: Any
    units: Floats  # > 0
    price: Floats  # paid over list price, inside (0, 1]; or a price in money
    depth: Floats  # share of the list price given away, inside [0, 1)

    @classmethod
    def of(cls, frame: Any) -> Panel:
        """The weeks of a frame such as the metric `elasticity`; free ones are left out."""
        units, price, listed, depth = (
            np.asarray(frame[name], dtype=np.float64)
            for name in ("units", "price", "list_price", "depth")
        )
        sku, week = np.asarray(frame["sku"]), np.asarray(frame["week"])
        kept = (units > 0) & (price > 0) & (listed > 0)
        relative = np.divide(price, listed, out=np.ones_like(price), where=kept)
        return cls(sku, week, units, relative, depth).where(kept)

    def where(self, kept: Any) -> Panel:
        """The items that a mask keeps."""
        return Panel(*(np.asarray(column)[kept] for column in self))


class Elasticity(NamedTuple):
    """How demand answers to price; a field is None where `reason`, one of `REASONS`, says why."""

    slope: float | None  # per cent of units for one per cent of price; -2: 1 % off sells 2 % more
    error: float | None  # clustered by SKU
    low: float | None  # 95 % interval, Student's t with skus - 1 degrees of freedom
    high: float | None
    pooled: float | None  # the slope without SKU and week effects, for comparison
    skus: int
    weeks: int
    observations: int
    reason: str | None


class Slopes(NamedTuple):
    """Each SKU's own slope, drawn towards the shop's as far as its own weeks say little."""

    sku: Any
    slope: Floats
    error: Floats  # standard error after shrinking
    spread: float  # how much true slopes differ from SKU to SKU (standard deviation)
    drift: float | None  # how much they move over time, beyond their errors; None if not known

    @property
    def error_ahead(self) -> Floats:
        """The standard error as a forecast of the slope in the weeks to come."""
        return np.hypot(self.error, self.drift or 0.0)


def promoted_skus(
    panel: Panel, *, promoted_weeks: int = 6, regular_weeks: int = 6, mean_units: float = 5
) -> Panel:
    """The panel's SKUs that sold often enough at both kinds of price.

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
    """The slope of log units on log price within SKUs and weeks.

    Args:
        panel: Weeks of SKUs, such as `promoted_skus` leaves.

    Raises:
        InputError: A price or a number of units is not above zero.

    By `fixed_effects.fit`, with the small-sample factor of Stata. An association, not an effect,
    unless prices were randomized: what else happened in a SKU's promoted weeks, such as a
    display, counts in it.
    """
    if not (np.all(panel.units > 0) and np.all(panel.price > 0)):
        raise InputError("elasticity takes units and prices above zero: leave other weeks out")
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
    """Each SKU's own slope, by an empirical Bayes estimate around the shop's.

    Args:
        panel: The weeks that `shop` was estimated on.
        shop: With a slope.

    Raises:
        InputError: The shop's elasticity has none.

    Week effects are those of the common slope. The spread of true slopes is estimated by
    DerSimonian & Laird (1986), Controlled Clinical Trials 7; the drift by letting the slopes of the
    first two thirds of the weeks forecast those of the others.
    """
    found = _shrunk(panel, shop)
    return found._replace(drift=_drift(panel))


def _shrunk(panel: Panel, shop: Elasticity) -> Slopes:
    if shop.slope is None or shop.error is None:
        raise InputError(f"slopes need the shop's elasticity, which is not known: {shop.reason}")
    own = _own_slopes(panel, shop.slope)
    spread = _spread(own.slope, own.variance)
    weight = spread / (spread + own.variance)  # of a SKU's own weeks
    slope = weight * own.slope + (1 - weight) * shop.slope
    error = np.sqrt(weight * own.variance + ((1 - weight) * shop.error) ** 2)
    return Slopes(own.sku, slope, error, float(np.sqrt(spread)), None)


def _drift(panel: Panel) -> float | None:
    """Root of the mean square by which forecasts of later slopes miss, less what errors explain."""
    weeks = np.asarray(panel.week)
    last = weeks.min() + (weeks.max() - weeks.min()) * EARLY_SHARE
    early, late = promoted_skus(panel.where(weeks <= last)), panel.where(weeks > last)
    late = late.where(np.isin(late.sku, early.sku))
    before, after = elasticity(early), elasticity(late)
    if before.slope is None or after.slope is None:
        return None
    forecast, own = _shrunk(early, before), _own_slopes(late, after.slope)
    at = np.searchsorted(forecast.sku, own.sku)
    known = (own.weeks >= MIN_LATE_WEEKS) & (own.squares >= MIN_LATE_SQUARES)
    if known.sum() < MIN_SKUS:
        return None
    variance = (forecast.error[at] ** 2 + own.variance)[known]
    excess = (own.slope - forecast.slope[at])[known] ** 2 - variance
    weight = 1 / np.maximum(variance, 0.01) ** 2
    return float(np.sqrt(max(excess @ weight / weight.sum(), 0.0)))


class _Own(NamedTuple):
    """Slopes of single SKUs by least squares, one item per SKU."""

    sku: Any
    slope: Floats
    variance: Floats  # of sampling
    weeks: Any
    squares: Floats  # of log prices about the SKU's mean


def _own_slopes(panel: Panel, common: float) -> _Own:
    """Each SKU's slope, week effects by the common one taken out."""
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
    """Variance of the true slopes, at least a hundredth: no two products are quite alike."""
    weight = 1 / np.maximum(variance, 1e-6)
    mean = weight @ own / weight.sum()
    excess = weight @ (own - mean) ** 2 - (len(own) - 1)
    return max(float(excess / (weight.sum() - (weight @ weight) / weight.sum())), 0.01)
