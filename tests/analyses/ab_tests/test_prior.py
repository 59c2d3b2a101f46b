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


@pytest.mark.parametrize(
    ("a", "b", "plan", "value", "variance"),
    [
        # rates: the delta method, with visitors
        ((1_000, 100), (2_000, 250), {}, 250 / 2_000 / (100 / 1_000),
         1 / 100 - 1 / 1_000 + 1 / 250 - 1 / 2_000),
        ((1_000, 100), (2_000, 250), {"share_b": 0.9, "count_inflation": 3.0},
         250 / 2_000 / (100 / 1_000), 1 / 100 - 1 / 1_000 + 1 / 250 - 1 / 2_000),
        # counts: by the share, one half unless declared; inflated by repeated orders
        ((None, 100), (None, 250), {}, 2.5, 1 / 100 + 1 / 250),
        ((None, 100), (None, 250), {"count_inflation": None}, 2.5, 1 / 100 + 1 / 250),
        ((None, 100), (None, 250), {"share_b": 0.2, "count_inflation": 3.0}, 10,
         3 * (1 / 100 + 1 / 250)),
        ((1_000, 100), (None, 250), {}, 2.5, 1 / 100 + 1 / 250),
        ((None, 100), (1_000, 250), {}, 2.5, 1 / 100 + 1 / 250),
        ((0, 100), (1_000, 250), {}, 2.5, 1 / 100 + 1 / 250),
    ],
)  # fmt: skip
def test_the_log_lift_of_conversions_is_of_rates_or_of_counts(a, b, plan, value, variance):
    found = log_lift("conversions", Variant(*a), Variant(*b), AbPlan(**plan))
    assert found == (
        pytest.approx(math.log(value), abs=1e-12), pytest.approx(math.sqrt(variance)),
    )  # fmt: skip


def test_everybody_converting_has_no_error():
    assert log_lift("conversions", Variant(5, 5), Variant(9, 9), AbPlan()) is None
    assert log_lift("conversions", Variant(5, None), Variant(9, 9), AbPlan()) is None


def test_money_without_visitors_is_per_declared_share_and_inflated():
    """1,000 at 60% of the visitors, 500 at 40%; variances are those of the sums of squares."""
    a, b = Variant(None, 30, 1_000.0, 40_000.0), Variant(None, 30, 500.0, 20_000.0)
    plan = AbPlan(share_b=0.4, share_declared=True, money_inflation=1.5)
    found = log_lift("revenue", a, b, plan)
    variance = 1.5 * (40_000 / 1_000**2 + 20_000 / 500**2)
    assert found == (pytest.approx(math.log(0.75)), pytest.approx(math.sqrt(variance)))
    flat = Variant(10, 5, 50.0, 250.0)
    assert log_lift("revenue", flat, flat, AbPlan()) is None
    for other in (flat._replace(revenue=0.0), flat._replace(revenue=-1.0)):
        assert log_lift("revenue", other, a._replace(visitors=99), AbPlan()) is None


def test_each_test_weighs_by_what_it_tells_about_the_usual_sd():
    """By hand: 10 usual tests, one of error 4% at (1/2)^2, one of error 2% at (4/5)^2."""
    lifts = [LogLift(0.1, 0.04), LogLift(-0.2, 0.02)]
    total = 10 * 0.04**2 + (0.1**2 - 0.04**2) / 4 + 0.64 * (0.2**2 - 0.02**2)
    assert learned_sd(lifts) == pytest.approx(math.sqrt(total / (10 + 0.25 + 0.64)))


def test_the_chance_is_that_of_the_posterior():
    """A lift of 6% with error 3%, drawn toward 0 by a spread of 4%: mean 3.84%, sd 2.4%."""
    assert LogLift(0.06, 0.03).chance(0.04) == pytest.approx(0.945200708, abs=1e-8)
