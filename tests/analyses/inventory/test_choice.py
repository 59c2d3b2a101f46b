"""The quantile of a method's errors at each past week."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.inventory.choice import (
    PooledRating,
    Rated,
    RatingSums,
    _score,
    choose,
    enough_skus,
    error_quantile,
    rated,
    running_quantile,
    scaled_error,
)
from d1lab.analyses.inventory.windows import Past


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_the_quantile_is_that_of_the_windows_complete_by_then(share):
    """numpy's, of all SKUs; the weeks before the first complete window have the first one."""
    errors = np.random.default_rng(1).normal(size=(3, 12))
    errors[:, :2], errors[1, 5] = np.nan, np.nan
    found = running_quantile(errors, share)
    for week in range(6, 12):
        known = errors[:, : week - 3]
        expected = np.quantile(known[np.isfinite(known)], share)
        assert found[week] == pytest.approx(expected)
    assert (found[:6] == found[6]).all()
    assert np.isnan(running_quantile(errors[:, :4], share)).all()


@pytest.mark.parametrize(("rows", "share_of_odd"), [(39_999, 0.5), (40_000, 0.0)])
def test_of_400_000_errors_every_second_sku_counts(rows, share_of_odd):
    assert (np.arange(rows)[enough_skus(rows, 10)] % 2).mean() == pytest.approx(
        share_of_odd, abs=1e-4
    )


def _windows(skus: int, weeks: int, seed: int = 3) -> tuple[Past, np.random.Generator]:
    """Windows that are all complete but for the last four weeks."""
    rng = np.random.default_rng(seed)
    sums = rng.poisson(9, (skus, weeks)).astype(float)
    sums[:, -4:] = np.nan
    scale = rng.uniform(1, 5, (skus, weeks))
    able = np.ones((skus, weeks), bool)
    able[0, :3] = False
    return Past(sums, sums**2 / 4 + 2, scale, able), rng


def _pooled(past: Past, one: Rated) -> PooledRating:
    """Add the SKUs one at a time."""
    sums = RatingSums(past.sums.shape[1])
    for sku in range(len(past.sums)):
        rows = slice(sku, sku + 1)
        sums.add(Past(*(each[rows] for each in past)), Rated(*(each[rows] for each in one)))
    return sums.pooled()


def test_a_score_is_the_mean_loss_drawn_toward_all_skus_and_its_bias_beyond_the_benchmark():
    """Eight windows of all SKUs beside those of the SKU; only windows complete by the week."""
    past, rng = _windows(3, 14)
    level, other = rng.uniform(1, 4, (2, 3, 14))
    one, benchmark = (Rated(each, rng.uniform(0, 2, (3, 14))) for each in (level, other))
    one.loss[~past.able | np.isnan(past.sums)] = np.nan
    benchmark.loss[np.isnan(past.sums)] = np.nan

    def bias(of: Rated, week: int) -> float:
        errors = [
            (past.sums[sku, w] - 4 * of.level[sku, w]) / past.scale[sku, w] ** 0.5
            for sku in range(3)
            for w in range(week - 3)
            if not np.isnan(of.loss[sku, w])
        ]
        return abs(sum(errors)) / max(len(errors), 1)

    pooled, usual = _pooled(past, one), _pooled(past, benchmark)
    found = _score(one.loss, pooled.loss) + np.maximum(pooled.bias - usual.bias, 0)
    for week in range(14):
        known = one.loss[:, : max(week - 3, 0)]
        everywhere = known[np.isfinite(known)]
        for sku in range(3):
            own = known[sku][np.isfinite(known[sku])]
            pooled = everywhere.mean() if len(everywhere) else np.inf
            mean = (own.sum() + 8 * pooled) / (len(own) + 8)
            excess = max(bias(one, week) - bias(benchmark, week), 0)
            assert found[sku, week] == pytest.approx(mean + excess)


def test_the_first_of_equal_methods_is_chosen_and_none_without_a_forecast():
    past, _ = _windows(2, 14)
    same = Rated(np.full((2, 14), 2.0), np.ones((2, 14)))
    worse = same._replace(loss=np.full((2, 14), 3.0))
    gap = same._replace(level=np.where(np.arange(14) == 9, np.nan, same.level))
    rivals = [gap, worse, same]
    found = choose(past, rivals, [_pooled(past, one) for one in rivals])
    assert found.rival[1].tolist() == [-1] * 4 + [0] * 5 + [2] + [0] * 4
    assert found.rated.loss[1, 9] == 1
    assert np.isnan(found.rated.level[1, :4]).all()


def test_errors_are_scaled_and_a_loss_is_of_the_quantile():
    """Root mean squared error of four weeks, and 95% of what runs short or 5% of what stays."""
    past, _ = _windows(2, 14)
    level = np.full((2, 14), 2.0)
    found = rated(past, level, error_quantile(past, level, 0.95), 0.95)
    known = past.able & np.isfinite(past.sums)
    error = scaled_error(past, level)
    assert (np.isfinite(error) == known).all()
    assert (np.isfinite(found.loss) == known).all()
    squares = past.squares - 2 * 2 * past.sums + 4 * 4
    by_hand = np.sqrt(np.maximum(squares, 0) / 4 / past.scale)
    assert error[known] == pytest.approx(by_hand[known])
    unit = np.sqrt(8 * np.sqrt(past.scale))
    scaled = np.where(known, (past.sums - 8) / unit, np.nan)
    for sku, week in zip(*np.nonzero(known), strict=True):
        first = max(week, 4)  # the first window is complete four weeks after the first week
        before = scaled[:, : first - 3]
        upper = max(8 + np.quantile(before[np.isfinite(before)], 0.95) * unit[sku, week], 0)
        short = past.sums[sku, week] - upper
        loss = max(0.95 * short, -0.05 * short) / past.scale[sku, week] ** 0.5
        assert found.loss[sku, week] == pytest.approx(loss)
