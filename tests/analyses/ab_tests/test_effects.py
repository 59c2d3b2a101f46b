"""Each method of an effect has the numbers of its statistics; looks without sums are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests.effects import effect, effects_at_looks, points
from d1lab.analyses.ab_tests.looks import timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Metric, Variant
from d1lab.stats import exact, means, proportions, sequential
from d1lab.stats.means import Sums

HALF = AbPlan(share_b=0.5, share_declared=True)
RUNS = HALF._replace(ended=False)
A, B = Variant(2_000, 100, 4_000.0, 300_000.0), Variant(2_100, 130, 5_600.0, 450_000.0)


def of(metric: Metric, a: Variant, b: Variant, plan: AbPlan, *earlier: Look) -> Any:
    line = timeline([*earlier, Look(a, b, plan.elapsed)], plan)
    assert line is not None
    return effect(metric, line, plan)


def ends(found: Any, name: str) -> tuple[float, float]:
    return getattr(found, f"{name}_low"), getattr(found, f"{name}_high")


@pytest.mark.parametrize("swap", [False, True])
def test_rates_have_the_score_test_and_its_intervals(swap: bool):
    """At the level of the plan, with the direction of B."""
    a, b = (B, A) if swap else (A, B)
    found = of("conversions", a, b, HALF._replace(alpha=0.1))
    rates = proportions.Rates.of(a.conversions, a.visitors, b.conversions, b.visitors)
    z = stats.norm.isf(0.05)
    assert (found.method, found.direction) == ("score", -1 if swap else 1)
    assert found.p_value == pytest.approx(float(proportions.score_p(rates)))
    assert ends(found, "difference") == pytest.approx(
        tuple(float(x) for x in proportions.difference_interval(rates, z))
    )
    assert ends(found, "ratio") == pytest.approx(
        tuple(float(x) for x in proportions.ratio_interval(rates, z))
    )
    assert found.mid_p is None


@pytest.mark.parametrize(
    ("visitors", "conversions", "method"),
    [
        ((500, 500), (10, 10), "score"),  # 10 expected of each
        ((499, 499), (10, 9), "barnard"),  # 250,000 tables
        ((500, 499), (10, 9), "fisher"),
        ((500, 500), (491, 490), "fisher"),  # 9.5 who do not convert
        ((20, 30), (9, 3), "barnard"),
    ],
)
def test_small_counts_have_an_exact_test(visitors, conversions, method):
    """Barnard's up to 250,000 tables, then Fisher's."""
    a, b = (Variant(n, x) for n, x in zip(visitors, conversions, strict=True))
    found = of("conversions", a, b, HALF)
    known = (a.conversions, a.visitors, b.conversions, b.visitors)
    p = {"barnard": exact.barnard_p, "fisher": exact.fisher_p}.get(
        method, lambda *counts: float(proportions.score_p(proportions.Rates.of(*counts)))
    )(*known)  # type: ignore[arg-type]
    assert (found.method, found.p_value) == (method, pytest.approx(p))


def test_the_method_is_that_of_the_last_look():
    """An exact p at a first small look counts like any other."""
    plan = RUNS._replace(method="group_sequential", planned_visitors=8_000)
    first = Look(Variant(50, 0), Variant(50, 9))
    found = of("conversions", A, B, plan, first)
    assert found.method == "score"
    z = stats.norm.isf(exact.barnard_p(0, 50, 9, 50) / 2)
    last = stats.norm.isf(float(proportions.score_p(
        proportions.Rates.of(100, 2_000, 130, 2_100))) / 2)  # fmt: skip
    p = sequential.repeated_p([z, last], [100 / 8_000, 4_100 / 8_000], [100, 4_100])
    assert found.p_value == pytest.approx(p)
    first = Look(Variant(20, 0), Variant(20, 1))
    small = of("conversions", Variant(50, 1), Variant(50, 9), plan, first)
    assert small.method == "barnard"


@pytest.mark.parametrize(
    ("a", "b", "share", "inflation"),
    [(122, 189, 0.5, 1.0), (189, 122, 0.5, 1.0), (189, 122, 0.3, 1.0), (61, 95, 0.5, 2.0),
     (30, 30, 0.5, 1.0), (30, 30, 0.4, None)],
)  # fmt: skip
def test_counts_have_the_binomial_test_of_b_s_share(a, b, share, inflation):
    """Without the orders of customers who order again, rounded to whole ones."""
    plan = AbPlan(share_b=share, share_declared=True, count_inflation=inflation)
    if inflation is None:
        assert of("conversions", Variant(None, a), Variant(None, b), plan).p_value is None
        return
    found = of("conversions", Variant(None, a), Variant(None, b), plan)
    of_a, of_b = round(a / inflation), round(b / inflation)
    expected = exact.binomial_test(of_b, of_a + of_b, share)
    assert (found.p_value, found.mid_p) == pytest.approx(expected[:2])
    assert found.method == "binomial"
    assert found.direction == np.sign(b * (1 - share) - a * share)
    assert found.ratio == pytest.approx(b / share / (a / (1 - share)))
    low, high = (float(sequential.rate_ratio(end, share)) for end in expected[2:])
    if expected.p_value < 0.05:
        assert ends(found, "ratio") == pytest.approx((low, high))
    else:
        assert ends(found, "ratio") == pytest.approx((min(low, 1), max(high, 1)))
    assert found.difference_low is None
    early = of("conversions", Variant(None, a), Variant(None, b), plan._replace(elapsed=0.5))
    assert early.mid_p is None
    assert early.p_value >= found.p_value


def test_money_is_compared_by_welch_with_the_buyers_of_interim_looks():
    """Visitors spend nothing mostly: 100 buyers of A leave 99 degrees of freedom."""
    plain = means.welch(*(Sums.of(v.visitors, v.revenue, v.revenue_squares) for v in (A, B)))
    once = of("revenue", A, B, HALF)
    assert (once.method, once.p_value) == ("welch", pytest.approx(float(means.p_value(plain))))
    assert ends(once, "difference") == pytest.approx(
        tuple(float(x) for x in means.difference_interval(plain, stats.norm.isf(0.025)))
    )
    looks = HALF._replace(method="group_sequential", planned_looks=1)
    few = of("revenue", A, B, looks)
    t = abs(float(means.t_statistic(plain)))
    assert few.p_value == pytest.approx(2 * stats.t.sf(t, 99))
    unknown = of("revenue", A, B._replace(conversions=None), looks)
    assert unknown.p_value == pytest.approx(once.p_value)
    swapped = of("revenue", B, A, looks)
    assert (swapped.p_value, swapped.direction) == (pytest.approx(few.p_value), -1)


def test_money_without_visitors_is_that_of_the_declared_shares():
    """No difference per visitor, and a wider interval where customers order again."""
    a, b = (v._replace(visitors=None) for v in (A, B))
    found = of("revenue", a, b, HALF)
    both = means.compound_poisson(4_000, 300_000, 5_600, 450_000, 0.5)
    assert (found.method, found.p_value) == (
        "compound_poisson", pytest.approx(float(means.p_value(both))),
    )  # fmt: skip
    assert (found.value_a, found.value_b, found.difference) == (None, None, None)
    assert found.ratio == 1.4
    assert ends(found, "ratio") == pytest.approx(
        tuple(float(x) for x in means.ratio_interval(both, stats.norm.isf(0.025)))
    )
    wide = of("revenue", a, b, HALF._replace(money_inflation=2.0))
    z = stats.norm.isf(found.p_value / 2) / 2**0.5
    assert wide.p_value == pytest.approx(2 * stats.norm.sf(z))


@pytest.mark.parametrize("tuned", [None, 400])
@pytest.mark.parametrize("visitors", [True, False])
def test_always_valid_counts_have_the_e_process(tuned, visitors):
    """The smallest p and the intersection of the looks; differences at the pooled rate."""
    plan = RUNS._replace(method="always_valid", share_b=0.4, tuned_conversions=tuned)
    shown = [(Variant(900, 40), Variant(600, 45)), (Variant(3_000, 130), Variant(2_000, 140))]
    if not visitors:
        shown = [tuple(v._replace(visitors=None) for v in look) for look in shown]  # type: ignore[misc]
    found = of("conversions", *shown[1], plan, Look(*shown[0]))
    weight = sequential.tuned_concentration(tuned) if tuned else 100.0
    counts = [(40, 45), (130, 140)]
    factors = [float(sequential.log_bayes_factor(*c, 0.4, concentration=weight)) for c in counts]
    assert (found.method, found.direction) == ("beta_binomial", 1)
    assert found.p_value == pytest.approx(np.exp(-max(*factors, 0)))
    shares = [sequential.share_interval(*c, 0.4, 0.05, weight) for c in counts]
    low = max(float(sequential.rate_ratio(one[0], 0.4)) for one in shares)
    high = min(float(sequential.rate_ratio(one[1], 0.4)) for one in shares)
    assert ends(found, "ratio") == pytest.approx((low, high))
    if visitors:
        pooled = (85 / 1_500, 270 / 5_000)
        lows, highs = (
            [r * (float(one[k]) / 0.4 - (1 - float(one[k])) / 0.6) for r, one in
             zip(pooled, shares, strict=True)] for k in (0, 1)
        )  # fmt: skip
        assert ends(found, "difference") == pytest.approx((max(lows), min(highs)))
    else:
        assert found.difference_low is None
    mirrored = of("conversions", *shown[1][::-1], plan._replace(share_b=0.6), Look(*shown[0][::-1]))
    assert (mirrored.direction, mirrored.p_value) == (-1, pytest.approx(found.p_value))


@pytest.mark.parametrize(
    ("given", "n", "tuned"),
    [
        ({}, 4_100, 5_000), ({"planned_visitors": 9_000}, 4_100, 9_000),
        ({"tuned_conversions": 400}, 230, 400),
        ({"tuned_conversions": 400, "planned_visitors": 9_000}, 4_100, 9_000),
        ({"alpha": 0.01}, 4_100, 5_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("metric", ["revenue", "conversions"])
def test_always_valid_means_have_the_asymptotic_sequence(metric, given, n, tuned):
    """By visitors, or by conversions if these are expected; with the normal distribution."""
    plan = AbPlan(method="always_valid", ended=False)._replace(**given)
    found = of(metric, A, B, plan)
    sums = [
        Sums.of(v.visitors, *((v.conversions,) * 2 if metric == "conversions" else
                              (v.revenue, v.revenue_squares))) for v in (A, B)
    ]  # fmt: skip
    both = means.welch(*sums)._replace(freedom=np.asarray(np.inf))
    scale = sequential.mixture_scale(plan.alpha, tuned)
    z = float((both.b - both.a) / both.error)
    assert found.method == "asymptotic_sequence"
    assert found.p_value == pytest.approx(float(sequential.sequence_p(z, n, scale)))
    line = sequential.sequence_critical(n, scale, plan.alpha)
    assert ends(found, "difference") == pytest.approx(
        tuple(float(x) for x in means.difference_interval(both, line))
    )
    assert ends(found, "ratio") == pytest.approx(
        tuple(float(x) for x in means.ratio_interval(both, line))
    )


@pytest.mark.parametrize(
    ("a", "b", "share", "expected"),
    [
        (Variant(1_000, 50), Variant(900, 54), 0.4, (0.05, 0.06, 0.01, 1.2)),
        (Variant(1_000, 0), Variant(900, 54), 0.4, (0.0, 0.06, 0.06, None)),
        (Variant(None, 50), Variant(None, 54), 0.4, (None, None, None, 54 / 0.4 / (50 / 0.6))),
        (Variant(None, 50), Variant(900, 54), 0.4, (None, None, None, 54 / 0.4 / (50 / 0.6))),
        (Variant(None, 0), Variant(None, 54), 0.4, (None, None, None, None)),
        (Variant(None, 50), Variant(None, 54), None, ()),
        (Variant(1_000, None), Variant(900, 54), 0.4, ()),
        (Variant(1_000, 50), Variant(900, None), 0.4, ()),
        (Variant(0, 0), Variant(900, 54), 0.4, ()),
        (Variant(1_000, 50), Variant(0, 0), 0.4, ()),
    ],
)
def test_points_are_per_visitor_or_a_ratio_of_shares(a, b, share, expected):
    names = ("value_a", "value_b", "difference", "ratio")
    known = {name: value for name, value in zip(names, expected, strict=False)
             if value is not None or name == "ratio"}  # fmt: skip
    found = points("conversions", a, b, share)
    assert found == {
        name: None if value is None else pytest.approx(value) for name, value in known.items()
    }


ALWAYS = AbPlan(method="always_valid", ended=False)
UNEVEN = (Variant(8_000, 400, 9e3, 9e5), Variant(2_000, 150, 2e3, 3e5))


@pytest.mark.parametrize(
    ("metric", "plan", "look", "is_kept"),
    [
        ("conversions", HALF, (A, B), True),
        ("conversions", HALF, (A._replace(conversions=None), B), False),
        ("conversions", HALF, (A, B._replace(visitors=0, conversions=0)), False),
        ("conversions", HALF, (A._replace(visitors=0, conversions=0), B), False),
        ("conversions", ALWAYS, (A, B._replace(conversions=25)), True),
        ("conversions", ALWAYS, (A, B._replace(conversions=24)), False),
        ("revenue", HALF, (A, B), True),
        ("revenue", HALF, (A, B._replace(conversions=24)), True),
        ("revenue", ALWAYS, (A, B._replace(conversions=24)), False),
        ("revenue", HALF, (A._replace(revenue=None), B), False),
        ("revenue", HALF, (A, B._replace(revenue_squares=None)), False),
        ("revenue", HALF, (A._replace(revenue_squares=None), B), False),
        ("revenue", HALF, (A, Variant(2_000, 100, 2_000.0, 2_000.0)), False),  # all equal
        ("revenue", HALF, (Variant(2_000, 100, 2_000.0, 2_000.0), B), False),
        ("revenue", HALF, UNEVEN, True),
        ("revenue", HALF, (UNEVEN[0], UNEVEN[1]._replace(conversions=149)), False),
    ],
)
def test_a_look_without_what_the_method_needs_is_left_out(metric, plan, look, is_kept):
    """The last look has all of it."""
    method = "always_valid" if plan.method == "always_valid" else "group_sequential"
    plan = plan._replace(method=method, ended=False, planned_visitors=90_000)
    last = Look(*UNEVEN) if look[0] == UNEVEN[0] else Look(A, B)
    last = Look(*(Variant(*(None if x is None else 3 * x for x in v[:4])) for v in last[:2]))
    line = timeline([Look(*look), last], plan)
    assert line is not None
    _, kept = effects_at_looks(metric, line, plan)
    assert kept == ([0, 1] if is_kept else [1])


def test_a_first_look_with_few_buyers_leaves_the_interval_of_the_others():
    """At 0.4% of the plan, nothing but an impossible effect would be decided, at any width."""
    plan = RUNS._replace(method="group_sequential", planned_visitors=1_000_000)
    first = Look(Variant(2_000, 4, 160.0, 7_000.0), Variant(2_000, 5, 190.0, 8_000.0))
    a, b = Variant(200_000, 4_000, 1.6e5, 8e6), Variant(200_000, 4_100, 1.65e5, 8.2e6)
    found, alone = of("revenue", a, b, plan, first), of("revenue", a, b, plan)
    assert None not in ends(found, "difference")
    assert ends(found, "difference") == pytest.approx(ends(alone, "difference"), rel=1e-3)
