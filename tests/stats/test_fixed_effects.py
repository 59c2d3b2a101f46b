"""The regression: equal to dense least squares, weighted and with several causes."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats.fixed_effects import design, fit, influence, leverage, solve, within

SKUS, WEEKS = 14, 9


@pytest.fixture
def panel():
    """An unbalanced panel: SKU, week, two causes, outcome, and weights."""
    random = np.random.default_rng(3)
    sku, week = (grid.ravel() for grid in np.mgrid[0:SKUS, 0:WEEKS])
    kept = random.random(sku.size) < 0.7
    sku, week = sku[kept], week[kept]
    causes = random.normal(size=(len(sku), 2)) + 0.3 * week[:, None]
    outcome = causes @ [1.5, -0.5] + sku + 0.2 * week + random.normal(size=len(sku))
    return sku, week, causes, outcome, random.uniform(0.5, 2, len(sku))


def _dense(sku, week, causes):
    return np.column_stack([causes, np.eye(SKUS)[sku], np.eye(WEEKS)[week][:, 1:]])


def test_fit_equals_dense_least_squares(panel):
    """Two causes with dummies for every SKU and week, and the explicit sandwich."""
    sku, week, causes, outcome, _ = panel
    x = _dense(sku, week, causes)
    beta = np.linalg.lstsq(x, outcome, rcond=None)[0]
    left, inverse = outcome - x @ beta, np.linalg.inv(x.T @ x)
    scores = np.array([x[sku == s].T @ left[sku == s] for s in range(SKUS)])
    variance = inverse @ scores.T @ scores @ inverse * SKUS / (SKUS - 1)
    found = fit(outcome, causes, sku, week)
    assert found.slopes == pytest.approx(beta[:2], rel=1e-9)
    assert found.errors == pytest.approx(np.sqrt(np.diag(variance)[:2]), rel=1e-9)
    wider = fit(outcome, causes, sku, week, absorbed=WEEKS)
    factor = (len(sku) - 1) / (len(sku) - WEEKS)
    assert wider.errors == pytest.approx(found.errors * np.sqrt(factor), rel=1e-9)


def test_solve_weighs_items(panel):
    """Weighted least squares equals least squares on rows scaled by root weights."""
    sku, week, causes, outcome, weights = panel
    x, root = _dense(sku, week, causes), np.sqrt(weights)
    beta = np.linalg.lstsq(x * root[:, None], outcome * root, rcond=None)[0]
    found = solve(design(sku, week, causes), outcome, weights)
    assert found.coefficients[-2:] == pytest.approx(beta[:2], rel=1e-9)
    assert found.fitted == pytest.approx(x @ beta, rel=1e-9)
    assert found.identified.all()


def test_influence_is_what_leaving_a_sku_out_moves(panel):
    """To first order, dropping a SKU changes the coefficient by its influence."""
    sku, week, causes, outcome, _ = panel
    by = design(sku, week, causes)
    found = solve(by, outcome)
    moved = influence(by, found, outcome - found.fitted)
    assert moved.shape == (SKUS, 2)
    assert np.abs(moved.sum(axis=0)).max() < 1e-9
    changes = []
    for s in range(SKUS):
        rest = sku != s
        codes = np.unique(sku[rest], return_inverse=True)[1]
        less = solve(design(codes, week[rest], causes[rest]), outcome[rest])
        changes.append(found.coefficients[-2:] - less.coefficients[-2:])
    assert np.corrcoef(np.array(changes)[:, 0], moved[:, 0])[0, 1] > 0.95


def test_leverage_is_a_skus_share_of_the_variation(panel):
    """For one cause: its squared residuals after the effects, summed by SKU."""
    sku, week, causes, outcome, _ = panel
    by = design(sku, week, causes[:, :1])
    found = leverage(by, solve(by, outcome), np.ones(len(sku)))
    squares = np.bincount(sku, within(causes[:, 0], sku, week) ** 2)
    assert found[:, 0] == pytest.approx(squares / squares.sum())


def test_solve_tells_what_it_cannot_tell_apart(panel):
    """A cause equal to a week, or varying only between SKUs, is not identified."""
    sku, week, causes, outcome, _ = panel
    for cause in (week == 2, sku < 5):
        found = solve(design(sku, week, np.column_stack([causes[:, 0], cause])), outcome)
        assert found.identified.tolist() == [True, False]


def test_within_leaves_no_sku_or_week_mean(panel):
    """Residuals sum to zero over each SKU and each week."""
    sku, week, _, outcome, _ = panel
    left = within(outcome, sku, week)
    assert np.abs(np.bincount(sku, left)).max() < 1e-9
    assert np.abs(np.bincount(week, left)).max() < 1e-9
