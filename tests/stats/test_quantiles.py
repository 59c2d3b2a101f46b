"""Differences of quantiles: the interval's order statistics, and its coverage."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests.exposures import values
from d1lab.analyses.ab_tests.visitors import quantile_effect
from d1lab.errors import InputError
from d1lab.stats.means import difference_interval, p_value
from d1lab.stats.quantiles import is_enough, quantile_means, tied
from tests.support.examples import IS_LONG


def test_the_error_comes_from_the_order_statistics_around_the_median():
    """Of 1, 2, ..., 100: the 40th and the 61st, which hold the median in 96.5%."""
    found = quantile_means(np.arange(1.0, 101.0), 2 * np.arange(1.0, 101.0))
    held = stats.binom(100, 0.5)
    level = held.cdf(60) - held.cdf(39)
    assert level == pytest.approx(0.9648, abs=1e-4)
    width = (61 - 40) / (2 * stats.norm.isf((1 - level) / 2))
    assert float(found.a) == 50.5
    assert float(found.variance_a) == pytest.approx(width**2, rel=1e-9)
    assert float(found.variance_b) == pytest.approx(4 * width**2, rel=1e-9)


def test_p_and_interval_agree():
    """p is below 5% exactly if the interval excludes 0."""
    rng = np.random.default_rng(1)
    for shift in np.linspace(-0.5, 0.5, 21):
        both = quantile_means(rng.lognormal(3, 1, 300), rng.lognormal(3 + shift, 1, 300), 0.75)
        low, high = difference_interval(both, stats.norm.isf(0.025))
        assert (low > 0 or high < 0) == (p_value(both) < 0.05)


@pytest.mark.parametrize(
    ("share", "counts", "sd"),
    [
        (0.5, (50, 50), 1.0),
        (0.5, (50, 450), 1.0),
        (0.9, (250, 1_000), 2.0),
        (0.25, (120, 100), 2.0),
    ],
)
def test_the_interval_covers(share: float, counts: tuple[int, int], sd: float):
    """93% to 98.5% with the least allowed counts, uneven splits, and skewed order values."""
    tests, hits = (4_000 if IS_LONG else 600), 0
    rng = np.random.default_rng(11)
    for _ in range(tests):
        a, b = (np.round(rng.lognormal(3, sd, n), 2) for n in counts)
        low, high = difference_interval(quantile_means(a, b, share), 1.96)
        hits += bool(low <= 0 <= high)
    assert 0.925 < hits / tests < 0.985


def test_rows_become_a_difference_of_medians():
    """Order values of two variants; rows without a value are left out."""
    rows = duckdb.connect().sql(
        "SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END AS variant, "
        "CASE WHEN i < 400 THEN (i // 2) + 30.0 * (i % 2) END AS spent FROM range(500) AS t(i)"
    )
    a, b = values(rows, "spent")
    assert (len(a), len(b)) == (200, 200)
    found = quantile_effect("spent", a, b)
    assert (found.measure, found.method) == ("spent, quantile 0.5", "order_statistics")
    assert (found.value_a, found.value_b, found.difference) == (99.5, 129.5, 30.0)
    assert 0 < (found.difference_low or 0) < 30 < (found.difference_high or 0)


def test_a_quantile_without_an_error_is_not_compared():
    """Too few values, values that are all equal around it, and an impossible share."""
    assert is_enough(50, 0.5)
    assert not is_enough(49, 0.5)
    assert not is_enough(200, 0.9)
    assert is_enough(250, 0.9)
    few = quantile_effect("x", np.arange(49.0), np.arange(80.0))
    assert (few.status, few.p_value) == ("insufficient_data", None)
    flat = quantile_effect("x", np.full(90, 5.0), np.arange(90.0))
    assert (flat.status, flat.p_value) == ("zero_variance", None)
    prices = np.repeat([19.99, 24.99, 29.99], 40)
    tied_ = quantile_effect("x", prices, np.arange(120.0))
    assert (tied_.status, tied_.p_value) == ("zero_variance", None)
    assert "more than 15% of those around the quantile" in (tied_.reason or "")
    assert quantile_effect("x", np.arange(90.0) // 2, np.arange(90.0)).p_value is not None
    assert quantile_effect("x", np.full(90, np.inf), np.arange(90.0)).status == "invalid_input"
    with pytest.raises(InputError, match="quantile 1 is not between"):
        quantile_effect("x", np.arange(90.0), np.arange(90.0), 1)


@pytest.mark.parametrize(("n", "share"), [(60, 0.5), (400, 0.9), (120, 0.25), (3, 0.5), (9, 0.9)])
def test_an_error_is_half_of_the_interval_of_order_statistics(n: int, share: float):
    """Ranks within 1.96 binomial deviations, inside 1 and n, in any order of the values."""
    values = np.random.default_rng(n).permutation(np.arange(n) ** 2.0)
    reach = stats.norm.isf(0.025) * (n * share * (1 - share)) ** 0.5
    low = max(math.floor(n * share - reach), 1)
    high = min(math.ceil(n * share + reach) + 1, n)
    held = stats.binom(n, share).cdf(high - 1) - stats.binom(n, share).cdf(low - 1)
    width = ((high - 1) ** 2 - (low - 1) ** 2) / (2 * stats.norm.isf((1 - held) / 2))
    found = quantile_means(values.tolist(), values + 5, share)
    assert float(found.a) == pytest.approx(np.quantile(values, share))
    assert float(found.b) == pytest.approx(np.quantile(values, share) + 5)
    assert float(found.variance_a) == float(found.variance_b) == pytest.approx(width**2)
    assert found.freedom == np.inf
    around = np.minimum(np.arange(n), high - 2)  # the last two of the interval are equal
    assert tied(around, share) == pytest.approx(2 / (high - low + 1))
    assert tied(np.arange(n), share) == pytest.approx(1 / (high - low + 1))


@pytest.mark.parametrize(
    ("count", "share", "is_so"),
    [(50, 0.5, True), (49, 0.5, False), (250, 0.9, True), (249, 0.9, False), (250, 0.1, True),
     (249, 0.1, False)],
)  # fmt: skip
def test_25_values_are_needed_on_each_side(count: int, share: float, is_so: bool):
    assert is_enough(count, share) is is_so
