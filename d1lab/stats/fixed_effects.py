"""Regression within SKUs and weeks: the one core behind every association with a price.

An effect per SKU removes its usual level of sales, one per week what moved all SKUs. Errors are
clustered by SKU, whose weeks are alike (Liang & Zeger 1986, Biometrika 73). The SKUs' effects are
swept out, so a shop may have many; weeks and causes are solved for together, exactly, on panels
with gaps too (Frisch, Waugh & Lovell).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Design(NamedTuple):
    """Who sold when, and the causes: sparse matrices with one row per item."""

    skus: Any  # one column per SKU
    columns: Any  # one per week, then one per cause
    causes: int


class Solution(NamedTuple):
    """Coefficients of the columns, and what they explain."""

    coefficients: Floats  # of the weeks, then of the causes
    fitted: Floats
    inverse: Floats  # of the columns' cross products, the SKUs' effects taken out
    identified: NDArray[np.bool_]  # whether a cause differs from all mixtures of other columns


class Fit(NamedTuple):
    """Coefficients with their clustered errors, one item per cause."""

    slopes: Floats
    errors: Floats
    clusters: int


def design(sku: Codes, week: Codes, causes: Any = None) -> Design:
    """The matrices of a regression.

    Args:
        sku: Each item's SKU as 0, 1, 2, ...; each occurs.
        week: Its week, likewise.
        causes: A column per cause, dense or sparse; None for effects alone.
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
    """Weighted least squares.

    Args:
        by: Of `design`.
        outcome: One per item.
        weights: One per item, above 0; None for equal ones.
    """
    weight = np.ones(len(outcome)) if weights is None else weights
    weighted = by.columns.multiply(weight[:, None]).tocsr()
    cells = (by.skus.T @ weighted).tocsr()
    whole = by.skus.T @ weight
    shares = cells.multiply(1 / whole[:, None]).tocsr()
    normal = (by.columns.T @ weighted - cells.T @ shares).toarray()
    level = by.skus.T @ (weight * outcome)
    inverse = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    found = inverse @ (weighted.T @ outcome - shares.T @ level)
    fitted = by.columns @ found + by.skus @ ((level - cells @ found) / whole)
    own = (inverse @ normal)[len(found) - by.causes :]
    alone = np.eye(len(found))[len(found) - by.causes :]
    return Solution(found, fitted, inverse, np.abs(own - alone).max(axis=1, initial=0) < 1e-6)


def influence(by: Design, found: Solution, residuals: Floats) -> Floats:
    """What each SKU moves each cause's coefficient by: SKU x cause; their squares sum to variances.

    Args:
        by: Of `design`.
        found: Of `solve`.
        residuals: Weighted; those of a SKU sum to 0.
    """
    scores = by.skus.T @ by.columns.multiply(residuals[:, None])
    return scores @ found.inverse[:, len(found.coefficients) - by.causes :]


def leverage(by: Design, found: Solution, weights: Floats) -> Floats:
    """Each SKU's share of the information on each cause: SKU x cause, 1 in sum over the SKUs.

    Args:
        by: Of `design`.
        found: Of `solve`, with these weights.
        weights: One per item.
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
        causes: A column per cause; each varies within SKUs and weeks.
        sku: As `design` takes it.
        week: Likewise.
        absorbed: Coefficients that the small-sample factor counts beside the SKUs' own effects:
            G / (G - 1) (n - 1) / (n - absorbed), over G SKUs and n items; at 1, G / (G - 1).
    """
    by = design(sku, week, causes)
    found = solve(by, outcome)
    moved = influence(by, found, outcome - found.fitted)
    groups, items = by.skus.shape[1], len(outcome)
    factor = groups / (groups - 1) * (items - 1) / max(items - absorbed, 1)
    errors = np.sqrt(factor * (moved**2).sum(axis=0))
    return Fit(found.coefficients[len(found.coefficients) - by.causes :], errors, groups)


def within(values: Floats, sku: Codes, week: Codes) -> Floats:
    """Values less their SKU's and week's effects.

    Args:
        values: One per item.
        sku: As `design` takes it.
        week: Likewise.
    """
    return values - solve(design(sku, week), values).fitted


def week_effects(values: Floats, sku: Codes, week: Codes) -> Floats:
    """The effect of each week on values, beside those of the SKUs; arguments as of `within`."""
    return solve(design(sku, week), values).coefficients


def demeaned(values: Floats, sku: Codes) -> Floats:
    """Values less the mean of their SKU."""
    return values - (np.bincount(sku, values) / np.bincount(sku))[sku]


def student(level: float, freedom: Any) -> Any:
    """A quantile of Student's t; one per number of degrees of freedom."""
    from scipy.special import stdtrit

    return stdtrit(freedom, level)
