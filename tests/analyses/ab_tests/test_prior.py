"""Chances under realistic effects, and false discoveries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from d1lab.analyses.ab_tests.model import AbPlan, Variant
from d1lab.analyses.ab_tests.prior import LogLift, false_discovery, learned_sd, log_lift
from d1lab.stats import bayes


def test_the_chance_holds_among_simulated_tests() -> None:
    """Lifts with sd 4%, 20,000 visitors: of the tests shown at about 80%, B is better in 80%."""
    rng = np.random.default_rng(1)
    true, error = rng.normal(0, 0.04, 20_000), 0.063
    seen = true + rng.normal(0, error, true.size)
    chance = np.array([LogLift(value, error).chance(0.04) for value in seen])
    near = abs(chance - 0.8) < 0.03
    assert (true[near] > 0).mean() == pytest.approx(0.8, abs=0.03)


def test_a_wide_prior_is_a_flat_one() -> None:
    """With lifts of any size, the chance is that of uniform priors."""
    lift = log_lift("conversions", Variant(10_000, 500), Variant(10_000, 560), AbPlan())
    assert lift is not None
    flat = bayes.rates_posterior(500, 10_000, 560, 10_000).b_better
    assert lift.chance(10.0) == pytest.approx(flat, abs=2e-3)
    assert 0.8 < lift.chance(0.04) < 0.9 < flat


def test_the_sd_is_learned_from_many_informative_tests() -> None:
    """200 tests with lifts of sd 12% and small errors; ten noisy ones teach nothing."""
    rng = np.random.default_rng(2)
    clear = [LogLift(float(value), 0.02) for value in rng.normal(0, 0.12, 200)]
    assert learned_sd(clear) == pytest.approx(0.12, rel=0.12)
    noisy = [LogLift(float(value), 0.5) for value in rng.normal(0, 0.5, 10)]
    assert learned_sd(noisy) == pytest.approx(0.04, rel=0.05)
    assert learned_sd([LogLift(0.0, 0.001)] * 10_000) == 0.01


def test_the_log_lift_has_the_error_of_its_inputs() -> None:
    """Counts with a share, rates with visitors, and money: by hand."""
    counts = log_lift(
        "conversions",
        Variant(None, 100),
        Variant(None, 150),
        AbPlan(share_b=0.6, count_inflation=2),
    )
    assert counts == (pytest.approx(0.0), pytest.approx(math.sqrt(2 * (1 / 100 + 1 / 150))))
    a, b = Variant(100, 40, 200.0, 900.0), Variant(100, 40, 400.0, 2_600.0)
    money = log_lift("revenue", a, b, AbPlan())
    variances = (900 - 400) / 99 / 100 / 4 + (2_600 - 1_600) / 99 / 100 / 16
    assert money == (pytest.approx(math.log(2)), pytest.approx(math.sqrt(variances)))
    assert log_lift("revenue", a, b._replace(revenue=-5.0), AbPlan()) is None
    assert log_lift("conversions", Variant(10, 0), Variant(10, 5), AbPlan()) is None
    assert log_lift("conversions", Variant(10, 5), Variant(10, 0), AbPlan()) is None


def test_false_discoveries_keep_their_places() -> None:
    """Benjamini-Hochberg over the tests with a p-value; the others stay without."""
    assert false_discovery([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert false_discovery([None]) == [None]
