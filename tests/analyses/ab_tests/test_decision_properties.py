"""Properties for every input: p-values and intervals agree, variants can be swapped, no errors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.analyses.ab_tests.decision import AbResult, as_json, compare
from d1lab.analyses.ab_tests.model import AbPlan, Guardrail, Look, Variant
from tests.support.examples import examples

SETTINGS = settings(max_examples=examples(36))
DECLARED = AbPlan(share_b=0.5, share_declared=True)
METHODS = ("fixed", "group_sequential", "always_valid")


def agrees(result: AbResult) -> bool:
    """Check that every p-value is below alpha exactly if its intervals exclude their null."""
    return all(
        (effect.p_value < result.alpha) == (low > null or high < null)
        for effect in result.effects
        if effect.p_value is not None
        for low, high, null in (
            (effect.difference_low, effect.difference_high, 0.0),
            (effect.ratio_low, effect.ratio_high, 1.0),
        )
        if low is not None and high is not None
    )


@pytest.mark.parametrize("n_a", [1, 4, pytest.param(9, marks=pytest.mark.long)])
@pytest.mark.parametrize("n_b", [5, pytest.param(16, marks=pytest.mark.long)])
def test_p_and_intervals_agree_on_every_small_table(n_a: int, n_b: int) -> None:
    """All tables of small margins, where exact tests and inversions differ most."""
    for a, b in itertools.product(range(n_a + 1), range(n_b + 1)):
        result = compare(Variant(n_a, a), Variant(n_b, b), AbPlan())
        assert agrees(result), (a, n_a, b, n_b)


def test_p_and_intervals_agree_at_the_edge() -> None:
    """Large counts around z = 1.96, where a factor N / (N - 1) changes the decision."""
    for n in (30, 300, 3_000, 300_000):
        base = n // 10
        edge = base + 1.96 * math.sqrt(2 * base * (1 - base / n))
        for b in range(max(int(edge) - 4, 0), int(edge) + 5):
            result = compare(Variant(n, base), Variant(n, b), AbPlan())
            assert agrees(result), (base, b, n)


@pytest.mark.parametrize(
    "share", [0.5, *(pytest.param(share, marks=pytest.mark.long) for share in (0.3, 0.9))]
)
def test_p_and_interval_agree_for_counts(share: float) -> None:
    """The exact p-value and the Clopper-Pearson interval agree, also for an uneven split."""
    plan = AbPlan(share_b=share, share_declared=True)
    for a, b in itertools.product(range(0, 60, 7), range(0, 200, 7)):
        assert agrees(compare(Variant(None, a), Variant(None, b), plan)), (a, b)
        assert agrees(
            compare(Variant(None, a), Variant(None, b), plan._replace(method="always_valid"))
        )


money = st.floats(-1e4, 1e6).map(lambda amount: round(amount, 2))


@st.composite
def variants(draw: st.DrawFn, counted: bool | None = None) -> Variant:
    """Draw a valid variant: the squares are those of actual visitors."""
    visitors = draw(st.integers(1, 10**7))
    conversions = draw(st.integers(0, visitors))
    sums: list[float | None] = []
    for _ in range(2):
        total = draw(money)
        spread = draw(st.floats(1.0, 100.0))
        sums += [total, total * total / max(conversions, 1) * spread]
    known = draw(st.booleans()) if counted is None else counted
    return Variant(visitors if known else None, conversions, *sums)


plans = st.builds(
    AbPlan,
    method=st.sampled_from(METHODS),
    primary_metric=st.sampled_from(["conversions", "revenue", "profit"]),
    share_b=st.floats(0.05, 0.95),
    share_declared=st.booleans(),
    alpha=st.sampled_from([0.01, 0.05, 0.1]),
    ended=st.booleans(),
    planned_visitors=st.one_of(st.none(), st.integers(1, 10**8)),
    planned_looks=st.one_of(st.none(), st.integers(1, 6)),
    guardrails=st.sampled_from([(), (Guardrail("revenue", 0.05),)]),
)


@SETTINGS
@given(variants(), variants(), plans)
def test_p_and_intervals_agree_everywhere(a: Variant, b: Variant, plan: AbPlan) -> None:
    """For every method, metric, and set of known inputs."""
    assert agrees(compare(a, b, plan))


@SETTINGS
@given(variants(counted=True), plans, st.integers(2, 5), st.floats(0.5, 1.5))
def test_p_and_intervals_agree_over_looks(
    variant: Variant, plan: AbPlan, count: int, lift: float
) -> None:
    """Over several looks: the combined p-value and the intersection of the intervals."""
    looks = []
    for k in range(1, count + 1):
        visitors, conversions = 1_000 * k, 50 * k
        other = min(int(conversions * lift), visitors)
        a = Variant(visitors, conversions, 500.0 * k, 50_000.0 * k, 200.0 * k, 9_000.0 * k)
        b = a._replace(conversions=other, revenue=500.0 * k * lift)
        looks.append(Look(a, b))
    plan = plan._replace(share_b=0.5)
    assert agrees(compare(looks[-1].a, looks[-1].b, plan, looks[:-1]))


@SETTINGS
@given(variants(), variants(), plans)
def test_swapping_the_arms_mirrors_the_result(a: Variant, b: Variant, plan: AbPlan) -> None:
    """B vs. A is A vs. B with inverted signs."""
    share = 0.5 if plan.share_b is None else plan.share_b
    ours = compare(a, b, plan)
    mirrored = compare(b, a, plan._replace(share_b=1 - share))
    assert mirrored.status == ours.status
    assert mirrored.winner == {"a": "b", "b": "a"}.get(ours.winner or "", ours.winner)
    same(mirrored.p_value, ours.p_value)
    same(mirrored.difference, minus(ours.difference))
    same(mirrored.difference_low, minus(ours.difference_high))
    same(mirrored.difference_high, minus(ours.difference_low))
    same(mirrored.expected_loss_a, ours.expected_loss_b)
    same(mirrored.sample_ratio_p, ours.sample_ratio_p)
    if ours.chance_b_better is not None:
        same(mirrored.chance_b_better, 1 - ours.chance_b_better)
    if None not in (ours.ratio_low, mirrored.ratio_low):
        same(mirrored.ratio_low, inverse(ours.ratio_high))
        same(mirrored.ratio_high, inverse(ours.ratio_low))


def same(left: float | None, right: float | None) -> None:
    if left is None or right is None:
        assert left is right
    else:
        assert left == pytest.approx(right, rel=1e-6, abs=1e-9)


def minus(number: float | None) -> float | None:
    return None if number is None else -number


def inverse(number: float | None) -> float | None:
    return math.inf if number == 0 else 1 / (number or math.nan)


@SETTINGS
@given(variants(counted=True), variants(counted=True), st.sampled_from([0.01, 3.0, 150.0]))
def test_scaling_money_scales_only_money(a: Variant, b: Variant, factor: float) -> None:
    """Cents instead of dollars: same p-value, ratio, and probability; difference in cents."""
    plan = AbPlan(primary_metric="revenue")
    ours = compare(a, b, plan)
    scaled = compare(scale(a, factor), scale(b, factor), plan)
    assert (scaled.status, scaled.winner) == (ours.status, ours.winner)
    for name in ("p_value", "ratio_low", "ratio_high", "chance_b_better", "rate_a", "rate_b"):
        same(getattr(scaled, name), getattr(ours, name))
    for name in ("difference", "difference_low", "difference_high", "expected_loss_b"):
        value = getattr(ours, name)
        left = getattr(scaled, name)
        assert (left is None) == (value is None)
        if value is not None:
            assert left == pytest.approx(value * factor, rel=1e-6, abs=1e-6 * factor)


def scale(variant: Variant, factor: float) -> Variant:
    return Variant(
        variant.visitors,
        variant.conversions,
        *(
            None if value is None else value * factor**power
            for value, power in zip(variant[2:], (1, 2, 1, 2, 0, 0, 1, 1), strict=True)
        ),
    )


@SETTINGS
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.data(),
    st.integers(2, 30),
    st.sampled_from(["fixed", "always_valid"]),
)
def test_more_data_of_the_same_rates_never_widens(
    n_a: int, n_b: int, data: st.DataObject, times: int, method: Any
) -> None:
    """The same rates from more visitors: every interval is at most as wide."""
    a, b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    plan = AbPlan(method=method)
    if method == "always_valid":
        plan = plan._replace(share_b=n_b / (n_a + n_b), share_declared=True)
    few = compare(revenue_arm(n_a, a), revenue_arm(n_b, b), plan)
    many = compare(revenue_arm(n_a * times, a * times), revenue_arm(n_b * times, b * times), plan)
    wide = {effect.metric: effect for effect in few.effects}
    for narrow in many.effects:
        before = wide[narrow.metric]
        if before.difference_low is not None and narrow.difference_low is not None:
            assert width(narrow) <= width(before) * (1 + 1e-9)
        if None not in (before.ratio_low, narrow.ratio_low) and before.ratio_high != math.inf:
            ours, theirs = (
                narrow.ratio_high - narrow.ratio_low,
                before.ratio_high - before.ratio_low,
            )
            assert ours <= theirs * (1 + 1e-9)


def revenue_arm(visitors: int, orders: int) -> Variant:
    return Variant(visitors, orders, 40.0 * orders, 2_000.0 * orders)


def width(effect: Any) -> float:
    return effect.difference_high - effect.difference_low


anything = st.one_of(
    st.none(),
    st.integers(),
    st.integers(-3, 30),
    st.floats(),
    st.text(max_size=3),
    st.booleans(),
    st.decimals(),
    st.sampled_from([10**400, -0.0, np.float64("nan"), np.int64(7), 1e308, 5e-324]),
)
any_arm = st.builds(Variant, *(anything for _ in Variant._fields))
any_plan = st.builds(
    AbPlan,
    method=st.sampled_from([*METHODS, "guess", None]),
    primary_metric=st.sampled_from(["conversions", "revenue", "profit", "", None]),
    share_b=anything,
    share_declared=st.booleans(),
    alpha=st.one_of(st.just(0.05), anything),
    ended=st.booleans(),
    planned_visitors=anything,
    planned_looks=anything,
    look=anything,
    elapsed=anything,
)


@settings(SETTINGS, max_examples=examples(400))
@given(any_arm, any_arm, any_plan, st.lists(st.builds(Look, any_arm, any_arm), max_size=2))
def test_no_input_crashes(a: Variant, b: Variant, plan: AbPlan, looks: list[Look]) -> None:
    """Every input gives a result, or a status with a reason."""
    settled(compare(a, b, plan, looks))


@settings(SETTINGS, max_examples=examples(150))
@given(
    st.builds(
        Variant,
        st.one_of(st.none(), st.integers(0, 12), st.integers(0, 10**12)),
        st.one_of(st.none(), st.integers(0, 12), st.integers(0, 10**12)),
        *(st.one_of(st.none(), st.floats(-1e15, 1e15)) for _ in range(4)),
    ),
    st.builds(
        Variant,
        st.one_of(st.none(), st.integers(0, 12), st.integers(0, 10**12)),
        st.one_of(st.none(), st.integers(0, 12), st.integers(0, 10**12)),
        *(st.one_of(st.none(), st.floats(-1e15, 1e15)) for _ in range(4)),
    ),
    plans,
)
def test_extreme_inputs_do_not_crash(a: Variant, b: Variant, plan: AbPlan) -> None:
    """Zeros, huge counts, negative revenue."""
    result = compare(a, b, plan)
    settled(result)
    assert agrees(result)


def settled(result: AbResult) -> None:
    """Check for a decision, or a status with a reason, in valid JSON."""
    assert result.status == "decided" or result.reason
    if result.status not in ("decided", "no_decision", "running", "guardrail_failed"):
        assert (result.winner, result.confidence_level) == (None, None)
    for name in ("p_value", "chance_b_better", "sample_ratio_p", "rate_a", "rate_b"):
        value = getattr(result, name)
        assert value is None or 0 <= value <= 1, name
    assert not any(isinstance(value, float) and math.isnan(value) for value in result)
    as_json(result)
