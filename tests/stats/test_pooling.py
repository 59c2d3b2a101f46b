"""Pooling is used only where a holdout proves that it predicts better."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from d1lab.stats.pooling import LEAST_SHOPS, judge_pooling, pool

SHOPS = 200


def holdout(spread: float, error: float, seed: int = 1):
    """Earlier estimates, their errors, and later estimates of shops that differ by `spread`."""
    drawn = np.random.default_rng(seed)
    truth = drawn.normal(0.1, spread, SHOPS)
    earlier, later = (truth + drawn.normal(0, error, SHOPS) for _ in range(2))
    return earlier, np.full(SHOPS, error), later


def test_shops_that_are_alike_predict_each_other():
    """Large errors, small differences: drawing wins, and the holdout proves it."""
    found = judge_pooling(*holdout(spread=0.05, error=0.3))
    assert found.is_better
    assert found.pooled_error < found.own_error


def test_without_proof_each_shop_keeps_its_own():
    """Shops that differ far more than their errors gain nothing that could be proven."""
    found = judge_pooling(*holdout(spread=1.0, error=0.05))
    assert not found.is_better
    assert "not proven less" in found.reason


def test_errors_that_are_stated_too_large_are_found_out():
    """Drawn far too much, the forecasts are worse, and the holdout shows it."""
    earlier, errors, later = holdout(spread=1.0, error=0.05)
    found = judge_pooling(earlier, errors * 60, later)
    assert not found.is_better
    assert found.pooled_error > found.own_error


def test_too_few_shops_are_not_judged():
    """With the number that is needed."""
    few = LEAST_SHOPS - 1
    found = judge_pooling([0.1] * few, [0.1] * few, [0.1] * few)
    assert (found.is_better, found.own_error) == (False, None)
    assert f"{LEAST_SHOPS} needed" in found.reason
    assert judge_pooling([], [], []).reason.startswith("no shop with an earlier")


def test_the_spread_between_shops_is_found():
    """Of 200 shops, by the moments of DerSimonian and Laird."""
    earlier, errors, _ = holdout(spread=0.5, error=0.2)
    found = pool(earlier, errors)
    assert found.spread == pytest.approx(0.5, rel=0.15)
    assert found.mean == pytest.approx(0.1, abs=0.1)
    kept = found.spread**2 / (found.spread**2 + 0.2**2)
    assert found.values[0] - found.mean == pytest.approx(kept * (earlier[0] - found.mean))


@pytest.mark.parametrize(
    ("values", "errors"),
    [([0.1, 0.5, 0.9], [0.1, 0.2, 0.3]), ([0.3], [0.2]), ([0.3], [0.5]), ([0.1, 0.12], [0.5, 0.4]),
     ([1.0, 5.0], [0.1, 0.1])],
)  # fmt: skip
def test_pooling_by_hand(values, errors):
    """Moments of DerSimonian and Laird, then the weights with the spread between shops."""
    w = [1 / e**2 for e in errors]
    mean = sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, values, strict=True))
    scale = sum(w) - sum(a * a for a in w) / sum(w)
    tau = max((q - (len(w) - 1)) / scale, 0) if len(w) > 1 else 0.0
    w = [1 / (e**2 + tau) for e in errors]
    mean = sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)
    found = pool(values, errors)
    assert found.mean == pytest.approx(mean)
    assert found.spread == pytest.approx(tau**0.5)
    drawn = [mean + tau / (e**2 + tau) * (v - mean) for v, e in zip(values, errors, strict=True)]
    assert found.values.tolist() == pytest.approx(drawn)


@pytest.mark.parametrize("error", [0.05, 0.15, 0.3])
def test_a_verdict_is_a_one_sided_test_of_the_gain(error):
    """Student's t over shops, at 95%; the errors are root mean squares."""
    earlier, errors, later = (one[:LEAST_SHOPS] for one in holdout(spread=0.2, error=error))
    found = judge_pooling(earlier, errors, later)
    own, drawn = (earlier - later) ** 2, (pool(earlier, errors).values - later) ** 2
    test = stats.ttest_1samp(own - drawn, 0, alternative="greater")
    assert found[:2] == (test.pvalue < 0.05, 12)
    assert (found.own_error, found.pooled_error) == pytest.approx(
        (own.mean() ** 0.5, drawn.mean() ** 0.5)
    )
    words = ", less than " if found.is_better else ", not proven less than "
    assert words in found.reason
