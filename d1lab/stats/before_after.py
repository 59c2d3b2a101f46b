"""Before and after with controls: what changed for some rows from a week on, and not for others.

Difference in differences of log sums (Card & Krueger 1994, American Economic Review 84), with
controls matched on their past level and course. Its interval is that of placebos in space (Abadie,
Diamond & Hainmueller 2010, JASA 105): the same estimate for controls to which nothing happened, so
neither a distribution nor independent weeks are assumed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

NEIGHBOURS = 5  # controls per treated row
CANDIDATES = 30  # nearest rows, of which those in a placebo set are left out
ALIKE = 10  # nearest controls of a treated row, one of which stands for it in a placebo set
PLACEBOS = 400
MIN_TREATED, MIN_CONTROLS, MIN_BEFORE, MIN_AFTER = 5, 40, 8, 2

REASONS = {
    "few_treated": f"fewer than {MIN_TREATED} products with it that sold before",
    "few_controls": f"fewer than {MIN_CONTROLS} products without it, four for each with it",
    "short_past": f"less than {MIN_BEFORE} whole weeks before it began",
    "short_since": f"less than {MIN_AFTER} whole weeks since it began",
    "no_sales": "no sale before or after it began, with or without it",
    "unlike_before": "products with and without it already moved apart before it began",
}
"""Reasons for a missing effect, in words."""


class BeforeAfter(NamedTuple):
    """Effect on the treated rows; fields are None if `reason` is one of `REASONS`."""

    lift: float | None  # sum after / sum expected from the controls - 1
    low: float | None  # interval from the placebos
    high: float | None
    p_value: float | None  # share of placebos as far from 0, two-sided
    treated: int  # rows with a sale before
    controls: int  # rows that could be matched
    reason: str | None


def before_after(
    counts: ArrayLike, treated: ArrayLike, start: int, *, level: float = 0.95
) -> BeforeAfter:
    """Estimate what changed for the treated rows from a week on.

    Args:
        counts: Row x week, such as units of each product; >= 0. Rows with an unknown week (NaN)
            are left out.
        treated: Whether each row is treated from `start` on; all others are possible controls.
        start: First treated week, a column of `counts`.
        level: Level of the interval, inside (0, 1).

    Raises:
        InputError: Shapes do not fit, a count is negative, or the level is out of range.
    """
    units, mask = _checked(counts, treated, level)
    known = np.isfinite(units).all(axis=1) & (units[:, :start].sum(axis=1) > 0)
    units, mask = units[known], mask[known]
    size = int(mask.sum()), int((~mask).sum())
    reason = _too_few(size, start, units.shape[1] - start)
    if reason:
        return BeforeAfter(None, None, None, None, *size, reason)
    return _estimated(units, mask, start, level)


def _checked(counts: ArrayLike, treated: ArrayLike, level: float) -> tuple[Floats, Any]:
    units, mask = np.asarray(counts, dtype=np.float64), np.asarray(treated, dtype=bool)
    if units.ndim != 2 or mask.shape != units.shape[:1] or (units < 0).any() or not 0 < level < 1:
        raise InputError(
            f"counts must be a matrix of numbers >= 0 with one treated flag per row, and the level "
            f"inside (0, 1), not {units.shape}, {mask.shape}, and {level}"
        )
    return units, mask


def _too_few(size: tuple[int, int], before: int, after: int) -> str | None:
    cases = {
        "short_past": before < MIN_BEFORE,
        "short_since": after < MIN_AFTER,
        "few_treated": size[0] < MIN_TREATED,
        "few_controls": size[1] < max(MIN_CONTROLS, 4 * size[0]),
    }
    return next((reason for reason, holds in cases.items() if holds), None)


def _estimated(units: Floats, mask: NDArray[np.bool_], start: int, level: float) -> BeforeAfter:
    rows, others = np.flatnonzero(mask), np.flatnonzero(~mask)
    near = _nearest(units[:, :start], others)
    draws = _placebo_sets(near[rows])
    # The last third of the past is a test of the past: nothing had begun in it.
    effects, apart = (
        np.array([_log_lift(sums, one, near) for one in (rows, *draws)])
        * _concentrations(sums.before, [rows, *draws])
        for sums in (_sums(units, 0, start, units.shape[1]), _sums(units, 0, start * 2 // 3, start))
    )
    size = len(rows), len(others)
    if not np.isfinite(effects[0]) or not np.isfinite(effects[1:]).any():
        return BeforeAfter(None, None, None, None, *size, "no_sales")
    if _share_as_far(apart) < (1 - level) / 5:
        return BeforeAfter(None, None, None, None, *size, "unlike_before")
    placebos = effects[1:][np.isfinite(effects[1:])]
    high, low = effects[0] - np.quantile(placebos, [(1 - level) / 2, (1 + level) / 2])
    lift, low, high = (float(np.expm1(one)) for one in (effects[0], low, high))
    return BeforeAfter(lift, low, high, _share_as_far(effects), *size, None)


def _nearest(past: Floats, others: Ints) -> Ints:
    """Return the nearest other rows of each row by level and course of the past, nearest first."""
    blocks = np.array_split(past, min(4, past.shape[1]), axis=1)
    course = np.log1p(np.stack([block.mean(axis=1) for block in blocks], axis=1))
    mean = np.log1p(past.mean(axis=1))[:, None]
    features = np.concatenate([2 * mean, course - mean], axis=1)
    squares = (features**2).sum(axis=1)
    apart = squares[:, None] + squares[others] - 2 * features @ features[others].T
    apart[others, np.arange(len(others))] = np.inf  # no row is its own control
    count = min(CANDIDATES, len(others) - 1)
    return others[np.argsort(apart, axis=1, kind="stable")[:, :count]]


def _placebo_sets(near: Ints) -> list[Ints]:
    """Return sets of controls in place of the treated rows, each of them like one of these."""
    random = np.random.default_rng(0)
    picks = random.integers(0, min(ALIKE, near.shape[1]), (PLACEBOS, len(near)))
    return [np.unique(near[np.arange(len(near)), pick]) for pick in picks]


class _Sums(NamedTuple):
    before: Floats
    after: Floats


def _sums(units: Floats, first: int, start: int, end: int) -> _Sums:
    return _Sums(units[:, first:start].sum(axis=1), units[:, start:end].sum(axis=1))


def _log_lift(sums: _Sums, rows: Ints, near: Ints) -> float:
    """Return the log of change of the rows / change of their controls; NaN without sales."""
    own = np.zeros(len(sums.before), dtype=bool)
    own[rows] = True
    free = ~own[near[rows]]
    chosen = near[rows][free & (np.cumsum(free, axis=1) <= NEIGHBOURS)]
    parts = [side[one].sum() for side in sums for one in (rows, chosen)]
    if min(parts) <= 0:
        return float("nan")
    before, control_before, after, control_after = np.log(parts)
    return float(after - before - (control_after - control_before))


def _concentrations(before: Floats, sets: list[Ints]) -> Floats:
    """Return by how much each set of rows varies less than the first one, the treated rows.

    For two reasons: in fewer treated rows, a few may lead; and sets that are drawn from one finite
    pool share rows (the finite population correction).
    """
    parts = [before[rows] for rows in sets]
    shares = np.array([(part**2).sum() / max(part.sum(), 1e-12) ** 2 for part in parts])
    pool = len(np.unique(np.concatenate(sets[1:])))
    size = float(np.mean([len(rows) for rows in sets[1:]]))
    wider = np.sqrt(shares[0] / np.maximum(shares, 1e-12) / max(1 - size / pool, 0.25))
    wider[0] = 1.0
    return wider


def _share_as_far(effects: Floats) -> float:
    """Return the share of the placebos at least as far from 0 as the first effect, itself one."""
    placebos = np.abs(effects[1:][np.isfinite(effects[1:])])
    return float((1 + (placebos >= abs(effects[0])).sum()) / (1 + len(placebos)))
