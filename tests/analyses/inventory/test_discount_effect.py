"""The discount effect: compared with least squares with dummies, and on simulated shops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from d1lab.analyses.inventory.discount_effect import discount_effect
from d1lab.errors import InputError


def _shop(rng, *, products=60, weeks=40, slope=-2.0, after=0.0, confounded=1.0, noise=0.4):
    """Products that sell more are discounted less deep, and so are weeks of high demand."""
    level, season = rng.normal(0, 1, (products, 1)), rng.normal(0, 0.4, (1, weeks))
    chance = 1 / (1 + np.exp(confounded * (level + season)))
    depth = np.where(rng.random((products, weeks)) < chance, rng.uniform(0.05, 0.5, (1, weeks)), 0)
    price = np.log1p(-depth)
    before = np.column_stack([np.zeros(products), price[:, :-1]])
    shocks = rng.normal(0, noise, (products, weeks)) + rng.normal(0, 0.1, (products, 1)) * price
    units = np.exp(level + season + slope * price + after * before + shocks)
    sku, week = np.indices(depth.shape)
    return sku.ravel(), week.ravel(), units.ravel(), depth.ravel()


def test_effect_equals_least_squares_with_dummies():
    """Slope and clustered error equal those of the textbook matrices, on unbalanced data."""
    rng = np.random.default_rng(1)
    keep = rng.random(60 * 40) < 0.7
    sku, week, units, depth = (column[keep] for column in _shop(rng))
    found = discount_effect(sku, week, units, depth)
    y, x = np.log(units), np.log1p(-depth)
    dummies = np.column_stack(
        [x, *(sku == s for s in np.unique(sku)), *(week == w for w in np.unique(week)[1:])]
    ).astype(float)
    beta, *_ = np.linalg.lstsq(dummies, y, rcond=None)
    residual = y - dummies @ beta
    scores = np.array([dummies[sku == s].T @ residual[sku == s] for s in np.unique(sku)])
    inverse = np.linalg.inv(dummies.T @ dummies)
    groups = len(scores)
    variance = inverse @ (scores.T @ scores) @ inverse * groups / (groups - 1)
    error = np.sqrt(variance[0, 0])
    assert found.elasticity.value == pytest.approx(beta[0], rel=1e-8)
    assert found.elasticity.error == pytest.approx(error, rel=1e-6)
    half = t.ppf(0.975, groups - 1) * error
    assert found.elasticity.low == pytest.approx(beta[0] - half, rel=1e-6)
    assert found.raw_elasticity == pytest.approx(np.polyfit(x, y, 1)[0])


def test_effect_finds_the_truth_where_the_raw_comparison_does_not():
    """Best sellers and busy weeks are discounted less: raw is biased, fixed effects are not."""
    rng = np.random.default_rng(3)
    held, raw = [], []
    for _ in range(40):
        found = discount_effect(*_shop(rng))
        held.append(found.elasticity.low <= -2 <= found.elasticity.high)
        raw.append(found.raw_elasticity)
    assert np.mean(held) >= 0.85
    assert np.mean(raw) > -1  # half of it hidden


def test_effect_sees_what_was_only_pulled_forward():
    """A dip in the next week is found; without one, the interval includes 1."""
    rng = np.random.default_rng(4)
    dip = discount_effect(*_shop(rng, after=1.0)).aftermath
    assert dip.high < 1
    held = [_holds_one(discount_effect(*_shop(rng)).aftermath) for _ in range(25)]
    assert np.mean(held) >= 0.8


def _holds_one(slope):
    return slope.low <= 1 <= slope.high


def test_effect_lift_and_break_even():
    """Lift is the ratio at the mean depth, and the break-even margin is d L / (L - 1)."""
    found = discount_effect(*_shop(np.random.default_rng(5), noise=0.01))
    expected = (1 - found.depth) ** found.elasticity.value
    assert found.lift.value == pytest.approx(expected)
    assert found.lift.low < expected < found.lift.high
    assert found.break_even_margin == pytest.approx(found.depth * expected / (expected - 1))
    less = discount_effect(*_shop(np.random.default_rng(6), slope=-0.5))
    assert less.break_even_margin is None  # no margin pays for an elasticity above -1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, w, u, d: (s, w, u, 0 * d), "no_discount"),
        (lambda s, w, u, d: (s, w, u, d + np.nan), "no_discount"),
        (lambda s, w, u, d: (s[:150], w[:150], u[:150], d[:150]), "too_few_weeks"),
        (lambda s, w, u, d: (s, w, u, np.where(s < 19, d, 0)), "too_few_products"),
        (lambda s, w, u, d: (s[:0], w[:0], u[:0], d[:0]), "no_discount"),
    ],
)
def test_effect_abstains(change, reason):
    """No discount, no price, or too little data: a reason and no number."""
    found = discount_effect(*change(*_shop(np.random.default_rng(7))))
    assert found.reason == reason
    assert found.elasticity is found.lift is found.aftermath is None


def test_effect_leaves_out_weeks_without_a_sale_or_price():
    """Weeks without a price do not count: the number of rows is the same without them."""
    sku, week, units, depth = _shop(np.random.default_rng(8))
    empty = np.arange(len(sku)) % 5 == 0
    found = discount_effect(sku, week, np.where(empty, 0, units), depth)
    keep = ~empty
    assert found == discount_effect(sku[keep], week[keep], units[keep], depth[keep])
    assert found.weeks == keep.sum()


def test_effect_refuses_impossible_columns():
    """A depth above the price, and columns of different lengths, are rejected."""
    sku, week, units, depth = _shop(np.random.default_rng(9))
    with pytest.raises(InputError, match="share of the list price"):
        discount_effect(sku, week, units, depth + 1)
    with pytest.raises(InputError, match="one length"):
        discount_effect(sku, week, units[1:], depth)
