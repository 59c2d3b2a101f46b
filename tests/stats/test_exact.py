"""Exact tests on small tables, counted outcome by outcome."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from d1lab.stats.exact import barnard_p, binomial_test, fisher_p

TABLES = [(0, 5, 3, 6), (1, 5, 5, 6), (2, 2, 0, 7), (4, 4, 7, 7), (0, 3, 0, 4), (3, 8, 3, 8),
          (2, 9, 5, 6), (30, 40, 39, 42), (3, 400, 12, 380)]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_fisher_counts_tables_that_are_at_most_as_likely(table) -> None:
    xa, na, xb, nb = table
    law = stats.hypergeom(na + nb, xa + xb, na)
    chances = law.pmf(np.arange(na + 1))
    expected = chances[chances <= chances[xa] * (1 + 1e-9)].sum()
    assert fisher_p(*table) == pytest.approx(min(expected, 1), rel=1e-9)


def test_fisher_has_large_counts_of_either_outcome() -> None:
    """Rare outcomes, counted by those who convert or do not."""
    rare = fisher_p(30, 40_000, 55, 41_000)
    assert rare == pytest.approx(stats.fisher_exact([[30, 39_970], [55, 40_945]])[1], rel=1e-8)
    assert fisher_p(39_970, 40_000, 40_945, 41_000) == pytest.approx(rare, rel=1e-8)


@pytest.mark.parametrize("table", TABLES[:7])
def test_barnard_is_the_largest_chance_over_common_rates(table) -> None:
    """Of outcomes whose pooled |z| is at least as large; equal ones count."""
    xa, na, xb, nb = table

    def size(i: int, j: int) -> float:
        pooled = (i + j) / (na + nb)
        spread = pooled * (1 - pooled)
        return abs(i / na - j / nb) / spread**0.5 if spread else 0.0

    rates = np.linspace(0, 1, 2_001)
    total = np.zeros_like(rates)
    for i, j in itertools.product(range(na + 1), range(nb + 1)):
        if size(i, j) >= size(xa, xb) - 1e-9:
            total += stats.binom(na, rates).pmf(i) * stats.binom(nb, rates).pmf(j)
    assert barnard_p(*table) == pytest.approx(min(total.max(), 1), abs=2e-5)
    assert barnard_p(*table) >= total.max() - 1e-12


@pytest.mark.parametrize(
    ("successes", "trials", "share"), [(3, 10, 0.5), (0, 10, 0.3), (10, 10, 0.9), (7, 10, 0.7)]
)
def test_a_share_is_tested_by_twice_the_smaller_tail(successes, trials, share) -> None:
    """And half of its own probability less; its interval is open at none and at all."""
    law = stats.binom(trials, share)
    p = min(1, 2 * min(law.cdf(successes), law.sf(successes - 1)))
    found = binomial_test(successes, trials, share, 0.1)
    assert found.p_value == pytest.approx(p)
    assert found.mid_p == pytest.approx(max(p - law.pmf(successes) / 2, 0))
    ends = stats.binomtest(successes, trials).proportion_ci(0.9, "exact")
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    wide = binomial_test(successes, trials, share)
    assert wide.low <= found.low
    assert wide.high >= found.high
    tiny = binomial_test(5, 10, 0.5, 1e-300)
    assert (tiny.low, tiny.high) == pytest.approx((0, 1))
