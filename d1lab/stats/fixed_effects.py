"""Regression with SKU and week effects, used for all associations with prices.

An effect per SKU removes its usual level of sales, and an effect per week removes changes of all
SKUs. Errors are clustered by SKU, because the weeks of a SKU are correlated (Liang & Zeger 1986,
Biometrika 73). SKU effects are partialled out, so that there can be many; weeks and causes are
solved together, exactly, also for unbalanced panels (Frisch, Waugh & Lovell).
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Design(NamedTuple):
    """Design matrices: sparse, with one row per item."""

    skus: Any  # one indicator column per SKU
    columns: Any  # one column per week, then one per cause
    causes: int


class Solution(NamedTuple):
    """Coefficients of the columns, with the inverse of their cross products."""

    coefficients: Floats  # of the weeks, then of the causes
    fitted: Floats
    inverse: Floats  # inverse of the cross products of the columns, net of SKU effects
    identified: NDArray[np.bool_]  # whether a cause is linearly independent of the other columns


class Fit(NamedTuple):
    """Coefficients with their clustered errors, with one item per cause."""

    slopes: Floats
    errors: Floats
    clusters: int


def design(sku: Codes, week: Codes, causes: Any = None) -> Design:
    """Build the matrices of a regression.

    Args:
        sku: SKU code per item: 0, 1, 2, ..., without gaps.
        week: Week code per item: 0, 1, 2, ..., without gaps.
        causes: Items x causes, dense or sparse; None for only SKU and week effects.
    """
    from scipy.sparse import csr_array, hstack

    def indicators(codes: Codes) -> Any:
        return csr_array((np.ones(len(codes)), (np.arange(len(codes)), codes)))

    weeks = indicators(week)
    if causes is None:
        return Design(indicators(sku), weeks, 0)
    columns = hstack([weeks, csr_array(causes)], format="csr")
    return Design(indicators(sku), columns, np.shape(causes)[1])


def solve(by: Design, outcome: Floats, weights: Floats | None = None) -> Solution:
    """Solve weighted least squares.

    Args:
        by: Result of `design`.
        outcome: Outcome per item.
        weights: Weight per item, > 0; None for equal weights.
    """
    weight = np.ones(len(outcome)) if weights is None else weights
    weighted = by.columns.multiply(weight[:, None]).tocsr()
    cells = (by.skus.T @ weighted).tocsr()
    whole = by.skus.T @ weight
    shares = cells.multiply(1 / whole[:, None]).tocsr()
    normal = (by.columns.T @ weighted - cells.T @ shares).toarray()
    level = by.skus.T @ (weight * outcome)
    inverse = cast("Floats", np.linalg.pinv(normal, rcond=1e-10, hermitian=True))
    found = inverse @ (weighted.T @ outcome - shares.T @ level)
    fitted = by.columns @ found + by.skus @ ((level - cells @ found) / whole)
    own = (inverse @ normal)[len(found) - by.causes :]
    alone = np.eye(len(found))[len(found) - by.causes :]
    return Solution(found, fitted, inverse, np.abs(own - alone).max(axis=1, initial=0) < 1e-6)


def influence(by: Design, found: Solution, residuals: Floats) -> Floats:
    """Return each SKU's influence on each coefficient; SKU x cause, squares sum to the variance.

    Args:
        by: Of `design`.
        found: Of `solve`.
        residuals: Weighted residuals; those of a SKU sum to 0.
    """
    scores = by.skus.T @ by.columns.multiply(residuals[:, None])
    return scores @ found.inverse[:, len(found.coefficients) - by.causes :]


def leverage(by: Design, found: Solution, weights: Floats) -> Floats:
    """Return each SKU's share of the information on each cause; SKU x cause, sums to 1 per cause.

    Args:
        by: Of `design`.
        found: Result of `solve` with these weights.
        weights: Weight per item.
    """
    moved = by.columns @ found.inverse[:, len(found.coefficients) - by.causes :]
    whole = by.skus.T @ weights
    moved = moved - by.skus @ ((by.skus.T @ (weights[:, None] * moved)) / whole[:, None])
    shares = by.skus.T @ (weights[:, None] * moved**2)
    return shares / np.maximum(shares.sum(axis=0), 1e-300)


def fit(outcome: Floats, causes: Floats, sku: Codes, week: Codes, *, absorbed: int = 1) -> Fit:
    """Regress an outcome on causes, with an effect per SKU and per week.

    Args:
        outcome: One per item.
        causes: Items x causes; each varies within SKUs and weeks.
        sku: As `design` takes it.
        week: Likewise.
        absorbed: Number of coefficients in the small-sample factor, without the SKU effects:
            G / (G - 1) (n - 1) / (n - absorbed), with G SKUs and n items; G / (G - 1) if 1.
    """
    by = design(sku, week, causes)
    found = solve(by, outcome)
    moved = influence(by, found, outcome - found.fitted)
    groups, items = by.skus.shape[1], len(outcome)
    factor = groups / (groups - 1) * (items - 1) / max(items - absorbed, 1)
    errors = np.sqrt(factor * (moved**2).sum(axis=0))
    return Fit(found.coefficients[len(found.coefficients) - by.causes :], errors, groups)


def within(values: Floats, sku: Codes, week: Codes) -> Floats:
    """Return values minus their SKU and week effects.

    Args:
        values: One per item.
        sku: As `design` takes it.
        week: Likewise.
    """
    return values - solve(design(sku, week), values).fitted


def week_effects(values: Floats, sku: Codes, week: Codes) -> Floats:
    """Return the effect of each week on values, adjusted for SKU effects; see `within`."""
    return solve(design(sku, week), values).coefficients


def demeaned(values: Floats, sku: Codes) -> Floats:
    """Return values minus the mean of their SKU."""
    return values - (np.bincount(sku, values) / np.bincount(sku))[sku]


def student(level: float, freedom: Any) -> Any:
    """Return the Student's t value of a two-sided level, per number of degrees of freedom."""
    from scipy.special import stdtrit

    quantile = cast("Any", stdtrit(freedom, level))
    return quantile
