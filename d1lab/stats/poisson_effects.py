"""Poisson regression with an effect per row and per week, for counts with many zeros.

Pseudo maximum likelihood (Gourieroux, Monfort & Trognon 1984, Econometrica 52; Santos Silva &
Tenreyro 2006, Review of Economics and Statistics 88): only the means must be correctly specified,
and a count of zero is a count like any other. The row effects are concentrated out, which is exact
for Poisson counts (Hausman, Hall & Griliches 1984, Econometrica 52). What is left has one
coefficient per week and cause, and is solved by Newton's method. Errors are clustered by row (Liang
& Zeger 1986, Biometrika 73), so neither Poisson variances nor independent weeks are assumed.

Memory and time grow with rows x weeks; causes are sparse and cost only where they are not zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.errors import InputError

Floats = NDArray[np.float64]

_STEPS, _STILL = 100, 1e-11
_CELLS = 1_000_000  # of a row and a cause each, of which copies are held at a time
_LONGEST_STEP = 4.0  # of a coefficient, so that a step from far away does not overflow
_FURTHEST = 30.0  # a coefficient beyond it has no maximum: e^30 times as many units


class PoissonFit(NamedTuple):
    """Coefficients of the causes on the log of the mean, with one item per cause."""

    slopes: Floats  # NaN if not identified
    errors: Floats  # clustered by row; factor G / (G - 1) (n - 1) / (n - k), see `fit`
    identified: NDArray[np.bool_]  # whether the cause differs from row and week effects
    influence: Floats  # row x cause; the squares of a cause sum to its variance, without factor
    leverage: Floats  # row x cause: share of the information on the cause; sums to 1 per cause
    week_effects: Floats  # log level of each week, first one 0; NaN without any count
    row_effects: Floats  # log level of each row in the first week; -inf without any count
    rows: int  # with a count above 0; the others have no information
    cells: int  # of these rows
    deviance_ratio: float  # mean of (count - mean)^2 / mean per degree of freedom: 1 for Poisson

    def half(self, level: float) -> Floats:
        """Return the half-width of each interval, for unequal rows and few of them.

        The influence of each row is taken as if the row had been left out (Bell & McCaffrey 2002,
        Survey Methodology 28), with Student's t and the effective number of clusters (Carter,
        Schnepel & Steigerwald 2017, Review of Economics and Statistics 99).
        """
        variance, squares = np.zeros((2, self.influence.shape[1]))
        for rows in _in_parts(self.influence):
            left_out = self.influence[rows] / np.maximum(1 - self.leverage[rows], 0.05)
            variance = _added_up(variance, left_out**2)
            squares = _added_up(squares, self.leverage[rows] ** 2)
        squares = np.maximum(squares, 1e-300)
        freedom = np.maximum(1 / squares - 1, 1)
        return student((1 + level) / 2, freedom) * np.sqrt(variance)


class _Panel(NamedTuple):
    """Counts of the rows with any, and the causes by cell."""

    counts: Floats  # row x week; 0 where unknown
    known: Floats  # 1 where known, else 0
    totals: Floats  # per row
    weeks: NDArray[np.intp]  # with any count: those with an effect
    cells: NDArray[np.intp]  # flat indices of the cells with a cause, ascending
    causes: Any  # sparse, cell x cause

    @property
    def rows_of(self) -> NDArray[np.intp]:
        return self.cells // self.counts.shape[1]

    @property
    def weeks_of(self) -> NDArray[np.intp]:
        return self.cells % self.counts.shape[1]


class _Curvature(NamedTuple):
    """Second derivatives, and what they are made of."""

    matrix: Floats  # of the weeks, then of the causes
    moved: Any  # sparse, row x cause: expected sum of the cause


def fit(counts: ArrayLike, causes: Any) -> PoissonFit:
    """Estimate the effect of each cause on the log of the mean.

    Args:
        counts: Row x week, such as units of each product; >= 0; NaN where unknown, for instance
            before a product was for sale.
        causes: Causes per cell: sparse or dense, (rows * weeks) x causes, cells in row-major order.

    Raises:
        InputError: Shapes do not fit, or a count is negative.

    The small-sample factor is that of fixest and Stata's ppmlhdfe for row effects nested in the
    clusters: G / (G - 1) (n - 1) / (n - k), with G rows, n cells, and k = weeks + causes. A cause
    without any count in its cells has no maximum and is not identified.
    """
    panel, kept = _panel(counts, causes)
    effects, slopes = _maximised(panel)
    mean, at = _means(panel, effects, slopes)
    curvature = _curvature(panel, mean, at)
    inverse, identified = _inverted(panel, curvature.matrix)
    identified &= np.abs(slopes) < _FURTHEST
    columns = inverse[:, len(panel.weeks) :]
    influence = _spread_out(_influence(panel, mean, columns), kept)
    leverage = _spread_out(_leverage(panel, mean, at, curvature.moved, columns), kept)
    rows, cells = len(panel.totals), int(panel.known.sum())
    factor = rows / max(rows - 1, 1) * (cells - 1) / max(cells - len(inverse), 1)
    errors = np.sqrt(factor * _sum_of_squares(influence))
    slopes[~identified], errors[~identified] = np.nan, np.nan
    levels = np.full(panel.counts.shape[1], np.nan)
    levels[panel.weeks] = effects
    return PoissonFit(
        slopes=slopes,
        errors=errors,
        identified=identified,
        influence=influence,
        leverage=leverage,
        week_effects=levels,
        row_effects=_row_effects(panel, mean, effects, kept),
        rows=rows,
        cells=cells,
        deviance_ratio=_deviance_ratio(panel, mean, len(inverse)),
    )


def _panel(counts: ArrayLike, causes: Any) -> tuple[_Panel, NDArray[np.bool_]]:
    """Return the rows and weeks with information, and which rows they are."""
    from scipy.sparse import csr_array

    whole = np.asarray(counts, dtype=np.float64)
    if whole.ndim != 2 or np.shape(causes)[0] != whole.size:
        raise InputError("causes must have one line per row and week of the counts")
    known = np.isfinite(whole)
    filled = np.where(known, whole, 0.0)
    if (filled < 0).any():
        raise InputError("counts must not be negative")
    kept = filled.sum(axis=1) > 0
    weeks = np.flatnonzero(filled.sum(axis=0) > 0)
    known[:, filled.sum(axis=0) == 0] = False  # their effect is minus infinity
    sparse = csr_array(causes, dtype=np.float64)
    inside = np.flatnonzero(known.ravel() & np.repeat(kept, whole.shape[1]))
    place = np.full(whole.size, -1)
    place[np.flatnonzero(np.repeat(kept, whole.shape[1]))] = np.arange(kept.sum() * whole.shape[1])
    touched = inside[np.diff(sparse.indptr)[inside] > 0]
    panel = _Panel(
        filled[kept],
        known[kept].astype(np.float64),
        filled[kept].sum(axis=1),
        weeks,
        place[touched],
        sparse[touched],
    )
    return panel, kept


def _raw(panel: _Panel, effects: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """Return the mean of every cell of a row without effect, and the sum of each row."""
    level = np.zeros(panel.counts.shape[1])
    level[panel.weeks] = np.exp(effects - effects.max(initial=0.0))
    mean = panel.known * level
    mean.reshape(-1)[panel.cells] *= np.exp(panel.causes @ slopes)
    return mean, mean.sum(axis=1)


def _means(panel: _Panel, effects: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """Return the mean of every cell, at the best row effects, and those of the causes' cells."""
    mean, sums = _raw(panel, effects, slopes)
    mean *= (panel.totals / sums)[:, None]
    return mean, mean.reshape(-1)[panel.cells]


def _maximised(panel: _Panel) -> tuple[Floats, Floats]:
    """Maximize the likelihood by Newton's method with halved steps."""
    count = panel.causes.shape[1]
    per_week = panel.counts.sum(axis=0)[panel.weeks] / panel.known.sum(axis=0)[panel.weeks]
    effects = np.log(per_week / per_week[0]) if len(per_week) else per_week
    at = np.concatenate([effects, np.zeros(count)])
    best = _likelihood(panel, at)
    for _ in range(_STEPS):
        step = _newton(panel, at)
        size = min(1.0, _LONGEST_STEP / max(np.abs(step).max(initial=0.0), 1e-300))
        ahead = _likelihood(panel, at + size * step)
        while ahead < best - 1e-12 * abs(best) and size > 1e-8:
            size /= 2
            ahead = _likelihood(panel, at + size * step)
        at, best = at + size * step, ahead
        if np.abs(step).max(initial=0.0) < _STILL or np.abs(at).max(initial=0.0) > 2 * _FURTHEST:
            break
    return at[: len(panel.weeks)], at[len(panel.weeks) :]


def _newton(panel: _Panel, at: Floats) -> Floats:
    """Return the step of Newton's method; 0 for the first week, to which the others compare."""
    mean, touched = _means(panel, at[: len(panel.weeks)], at[len(panel.weeks) :])
    left = panel.counts - mean
    gradient = np.concatenate(
        [left.sum(axis=0)[panel.weeks], panel.causes.T @ left.reshape(-1)[panel.cells]]
    )
    inverse, _ = _inverted(panel, _curvature(panel, mean, touched).matrix)
    return inverse @ gradient


def _likelihood(panel: _Panel, at: Floats) -> float:
    """Return the log likelihood at the best row effects, up to a constant."""
    effects, slopes = at[: len(panel.weeks)], at[len(panel.weeks) :]
    _, sums = _raw(panel, effects, slopes)
    by_week = panel.counts.sum(axis=0)[panel.weeks] @ (effects - effects.max(initial=0.0))
    by_cause = panel.counts.reshape(-1)[panel.cells] @ (panel.causes @ slopes)
    return float(by_week + by_cause - panel.totals @ np.log(sums))


def _curvature(panel: _Panel, mean: Floats, touched: Floats) -> _Curvature:
    """Return the negative second derivatives of the concentrated likelihood."""
    from scipy.sparse import csr_array

    count, weeks = len(panel.cells), panel.counts.shape[1]
    weighted = panel.causes.multiply(touched[:, None]).tocsr()
    order, ones = np.arange(count), np.ones(count)
    by_row = csr_array((ones, (panel.rows_of, order)), shape=(len(panel.totals), count))
    by_week = csr_array((ones, (panel.weeks_of, order)), shape=(weeks, count))
    moved = (by_row @ weighted).tocsr()
    share = mean / panel.totals[:, None]
    both = (by_week @ weighted).toarray() - (moved.T @ share).T
    week = np.diag(mean.sum(axis=0)) - mean.T @ share
    per_row = moved.multiply(1 / panel.totals[:, None]).tocsr()
    own = (panel.causes.T @ weighted).toarray() - (moved.T @ per_row).toarray()
    kept = np.ix_(panel.weeks, panel.weeks)
    matrix = np.block([[week[kept], both[panel.weeks]], [both[panel.weeks].T, own]])
    return _Curvature(matrix, moved)


def _inverted(panel: _Panel, matrix: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the inverse without the first week, and which causes are identified."""
    count = len(panel.weeks)
    inverse = np.zeros_like(matrix)
    if len(matrix) < 2:
        return inverse, np.zeros(len(matrix) - count, dtype=bool)
    rest = matrix[1:, 1:]
    scale = np.sqrt(np.maximum(np.diag(rest), 1e-12))
    scaled = rest / np.outer(scale, scale)
    found = cast("Floats", np.linalg.pinv(scaled, rcond=1e-9, hermitian=True))
    inverse[1:, 1:] = found / np.outer(scale, scale)
    alone = np.abs(found @ scaled - np.eye(len(rest))).max(axis=1)[count - 1 :] < 1e-5
    return inverse, alone & (np.diag(matrix)[count:] > 1e-9)


def _influence(panel: _Panel, mean: Floats, columns: Floats) -> Floats:
    """Return each row's influence on each slope."""
    left = panel.counts - mean
    weeks, causes = columns[: len(panel.weeks)], columns[len(panel.weeks) :]
    moved = left[:, panel.weeks] @ weeks
    scores = panel.causes.multiply(left.reshape(-1)[panel.cells][:, None]).tocsr()
    return moved + _by_row(panel, scores) @ causes


def _by_row(panel: _Panel, scores: Any) -> Any:
    from scipy.sparse import csr_array

    order, ones = np.arange(len(panel.cells)), np.ones(len(panel.cells))
    shape = (len(panel.totals), len(panel.cells))
    return csr_array((ones, (panel.rows_of, order)), shape=shape) @ scores


def _leverage(panel: _Panel, mean: Floats, touched: Floats, moved: Any, columns: Floats) -> Floats:
    """Return each row's share of the information on each cause, net of week effects."""
    weeks, causes = columns[: len(panel.weeks)], columns[len(panel.weeks) :]
    level = mean[:, panel.weeks] @ weeks
    level += moved @ causes
    level **= 2
    level /= panel.totals[:, None]
    squares = mean[:, panel.weeks] @ weeks**2
    by_week = np.zeros((panel.counts.shape[1], causes.shape[1]))
    by_week[panel.weeks] = weeks
    for cause in range(causes.shape[1]):
        own = panel.causes @ causes[:, cause]
        crossed = touched * own * (2 * by_week[panel.weeks_of, cause] + own)
        squares[:, cause] += np.bincount(panel.rows_of, crossed, len(panel.totals))
    squares -= level
    np.maximum(squares, 0.0, out=squares)
    squares /= np.maximum(squares.sum(axis=0), 1e-300)
    return squares


def _row_effects(panel: _Panel, mean: Floats, effects: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Return the log level of each row in the first week, without causes."""
    level = np.zeros(panel.counts.shape[1])
    level[panel.weeks] = np.exp(effects)
    untouched = np.ones(mean.size, dtype=bool)
    untouched[panel.cells] = False
    plain = untouched.reshape(mean.shape) & (panel.known > 0)
    found = np.full(len(kept), -np.inf)
    exposed = (plain * level).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found[kept] = np.log((mean * plain).sum(axis=1) / exposed)
    return found


def _deviance_ratio(panel: _Panel, mean: Floats, count: int) -> float:
    freedom = panel.known.sum() - len(panel.totals) - count + 1
    squares = (panel.counts - mean) ** 2 / np.where(mean > 0, mean, 1.0)
    return float(squares.sum() / max(freedom, 1.0))


def student(level: float, freedom: Any) -> Any:
    """Return the Student's t quantile of a probability, per number of degrees of freedom."""
    from scipy.special import stdtrit

    return cast("Any", stdtrit(freedom, level))


def _spread_out(values: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Return the values of all rows: 0 for those without information."""
    if kept.all():
        return values
    whole = np.zeros((len(kept), values.shape[1]))
    whole[kept] = values
    return whole


def _in_parts(values: Floats) -> list[slice]:
    """Return the rows in parts: with hundreds of causes, a copy of all takes 100 MB."""
    rows = max(_CELLS // max(values.shape[1], 1), 1)
    return [slice(first, first + rows) for first in range(0, len(values), rows)]


def _sum_of_squares(values: Floats) -> Floats:
    total = np.zeros(values.shape[1])
    for rows in _in_parts(values):
        total = _added_up(total, values[rows] ** 2)
    return total


def _added_up(total: Floats, values: Floats) -> Floats:
    """Return the sum of the rows, added to that of the rows before; the values are changed."""
    values[0] += total
    return values.sum(axis=0)
