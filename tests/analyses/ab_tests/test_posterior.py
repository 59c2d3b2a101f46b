"""The chance that B is better, from counts and from money with and without visitors."""

from __future__ import annotations

import math

import pytest

from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.model import AbPlan, Variant
from d1lab.analyses.ab_tests.posterior import posterior
from d1lab.stats import bayes

HALF = AbPlan(share_b=0.5, share_declared=True)
KNOWN = Effect("conversions", p_value=0.01)


@pytest.mark.parametrize("share", [None, 0.5, 0.6])
def test_counts_alone_are_compared_by_the_share(share):
    """Half of the visitors, unless another share is declared; losses per visitor are unknown."""
    a, b = Variant(None, 122), Variant(None, 189)
    found = posterior(KNOWN, a, b, AbPlan(share_b=share))
    assert found.b_better == bayes.probability_b_better(122, 189, share or 0.5)
    assert math.isnan(found.loss_a)
    assert math.isnan(found.loss_b)


def test_rates_need_the_visitors_of_both():
    """A conversion that is not known is none."""
    a, b = Variant(1_000, 50), Variant(900, None)
    assert posterior(KNOWN, a, b, HALF) == bayes.rates_posterior(50, 1_000, 0, 900)
    assert posterior(KNOWN, b, a, HALF) == bayes.rates_posterior(0, 900, 50, 1_000)
    counts = [one._replace(visitors=None) for one in (b, a)]
    assert posterior(KNOWN, *counts, HALF).b_better == bayes.probability_b_better(0, 50, 0.5)
    one_sided = posterior(KNOWN, a, b._replace(visitors=None), HALF)
    assert one_sided.b_better == bayes.probability_b_better(50, 0, 0.5)


@pytest.mark.parametrize("visitors", [1_000, None])
def test_money_has_losses_per_visitor_only_with_visitors(visitors):
    """B brings 10% more, and its chance is that of the normal distribution."""
    a = Variant(visitors, 50, revenue=5_000.0, revenue_squares=600_000.0)
    b = a._replace(revenue=5_500.0)
    found = posterior(Effect("revenue", p_value=0.3), a, b, HALF)
    assert 0.5 < found.b_better < 1
    assert math.isnan(found.loss_a) is math.isnan(found.loss_b) is (visitors is None)


def test_without_a_p_value_there_is_no_chance():
    a, b = Variant(1_000, 50), Variant(1_000, 60)
    assert posterior(Effect("conversions"), a, b, HALF) is None
    assert posterior(KNOWN, a, b, HALF._replace(unit="day")) is None
