"""The decision table: which inputs allow which result."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from d1lab.analyses.ab_tests.decision import (
    VERSION,
    AbResult,
    as_json,
    calculate,
    compare,
    confidence_level,
)
from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Design,
    Guardrail,
    Look,
    Variant,
    parse_rate,
    parse_variant,
)
from d1lab.errors import InputError

A, B = Variant(10_000, 500), Variant(10_000, 560)
RICH_A = Variant(10_000, 500, 52_000, 1.4e6, 20_000, 400_000.0)
RICH_B = Variant(10_000, 590, 56_500, 1.65e6, 20_500, 400_000.0)
DECLARED = AbPlan(share_b=0.5, share_declared=True)
ALWAYS = DECLARED._replace(method="always_valid")
NAMED = [
    "status",
    "reason",
    "method",
    "p_value",
    "confidence_level",
    "winner",
    "rate_a",
    "rate_b",
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "chance_b_better",
    "expected_loss_b",
    "sample_ratio_p",
]


def rounded(result: AbResult, *names: str) -> list[float]:
    return [round(getattr(result, name), 8) for name in names]


def test_result_has_the_named_fields_first() -> None:
    """`--json` prints these fields with these names."""
    assert list(AbResult._fields[: len(NAMED)]) == NAMED


def test_rates_with_visitors_give_everything() -> None:
    """500/10,000 vs. 560/10,000: the reference numbers of every field."""
    result = calculate("500/10000", "560/10000")
    assert (result.status, result.method, result.winner) == ("no_decision", "score", "none")
    assert rounded(result, "p_value", "rate_a", "rate_b", "sample_ratio_p") == [
        0.05825781,
        0.05,
        0.056,
        1.0,
    ]
    assert rounded(result, "difference_low", "difference_high") == [-0.00021025, 0.01222623]
    assert rounded(result, "ratio", "ratio_low", "ratio_high") == [1.12, 0.99604741, 1.2594066]
    assert rounded(result, "chance_b_better", "expected_loss_b") == [0.97083766, 0.00003567]
    assert result.confidence_level == 94.17


def test_small_counts_are_decided_exactly() -> None:
    """3/40 vs. 9/42 and 0/50 vs. 5/50: Barnard's p-value and the Miettinen-Nurminen interval."""
    result = calculate("3/40", "9/42")
    assert result.method == "barnard"
    assert rounded(result, "p_value", "difference_low") == [0.07850964, -0.01633743]
    result = calculate("0/50", "5/50")
    assert rounded(result, "p_value", "ratio_low") == [0.02366567, 1.34633552]
    assert (result.ratio_high, result.winner) == (math.inf, "b")


def test_no_conversion_at_all_is_refused() -> None:
    """0/30 against 0/30: no p-value, no interval, no winner."""
    result = calculate("0/30", "0/30")
    assert result.status == "insufficient_data"
    assert (result.p_value, result.difference_low, result.winner) == (None, None, None)
    assert result.confidence_level is None


def test_everybody_converting_is_refused() -> None:
    """30/30 against 30/30 has no variance."""
    assert calculate("30/30", "30/30").status == "zero_variance"


def test_counts_with_declared_share_give_a_ratio() -> None:
    """122 against 189 at 50/50: the exact binomial test, no rates, no difference in points."""
    result = calculate("122", "189", share_b=0.5)
    assert (result.status, result.method, result.winner) == ("decided", "binomial", "b")
    assert round(result.p_value or 0, 9) == 0.000172805
    assert rounded(result, "ratio_low", "ratio_high") == [1.22731162, 1.96149892]
    assert (result.rate_a, result.difference, result.difference_low) == (None, None, None)
    assert result.sample_ratio_p is None
    assert round(result.chance_b_better or 0, 8) == 0.99993139


def test_counts_without_declared_share_are_refused() -> None:
    """A share declared after the start, or not at all, allows no test."""
    assert calculate("122", "189").status == "not_declared"
    late = compare(
        Variant(None, 122), Variant(None, 189), AbPlan(share_b=0.5, share_declared=False)
    )
    assert (late.status, late.p_value) == ("not_declared", None)


def test_few_counts_name_no_winner() -> None:
    """0 vs. 5: exact p and mid-p are shown; below 25 conversions there is no decision."""
    result = calculate("0", "5", share_b=0.5)
    assert (result.p_value, result.mid_p) == (0.0625, 0.046875)
    assert (result.status, result.winner) == ("insufficient_data", None)
    assert calculate("24", "200", share_b=0.5).winner is None
    assert calculate("25", "200", share_b=0.5).winner == "b"


def test_counts_while_running_use_the_e_process() -> None:
    """122 vs. 189, evaluated any number of times."""
    result = calculate("122", "189", share_b=0.5, always_valid=True)
    assert result.method == "beta_binomial"
    assert rounded(result, "p_value", "ratio_low", "ratio_high") == [
        0.00830909,
        1.05907348,
        2.29036352,
    ]


def test_revenue_totals_alone_are_description() -> None:
    """Without sums of squares there are order values, and no p-value for revenue."""
    plan = DECLARED._replace(primary_metric="revenue")
    result = compare(Variant(1000, 50, 5_000), Variant(1000, 60, 6_600), plan)
    assert (result.status, result.p_value) == ("insufficient_data", None)
    assert (result.order_value_a, result.order_value_b) == (100.0, 110.0)


def test_revenue_with_visitors_is_welch() -> None:
    """The reference numbers of revenue per visitor and its lift."""
    plan = DECLARED._replace(primary_metric="revenue")
    result = compare(RICH_A, RICH_B, plan)
    assert (result.method, result.winner) == ("welch", "b")
    assert rounded(result, "p_value", "difference_low", "difference_high") == [
        0.00412554,
        0.14253412,
        0.75746588,
    ]
    assert rounded(result, "ratio_low", "ratio_high") == [1.02668095, 1.14988966]


def test_revenue_without_visitors_is_compound_poisson() -> None:
    """z = (S_B/w_B - S_A/w_A) / sqrt(Q_B/w_B^2 + Q_A/w_A^2), by hand."""
    plan = AbPlan(primary_metric="revenue", share_b=0.4, share_declared=True)
    result = compare(Variant(None, 100, 6_000, 500_000), Variant(None, 90, 5_000, 400_000), plan)
    assert result.method == "compound_poisson"
    z = (5_000 / 0.4 - 6_000 / 0.6) / math.sqrt(400_000 / 0.16 + 500_000 / 0.36)
    assert result.p_value == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-12)
    assert result.ratio == pytest.approx(1.25)
    few = compare(Variant(None, 24, 6_000, 2e6), Variant(None, 90, 5_000, 400_000), plan)
    assert few.status == "insufficient_data"


def test_flat_revenue_is_refused() -> None:
    """Every visitor spent the same, so the variance cannot be estimated."""
    plan = DECLARED._replace(primary_metric="revenue")
    result = compare(Variant(100, 100, 500, 2_500), Variant(100, 100, 600, 3_600), plan)
    assert (result.status, result.p_value) == ("zero_variance", None)


def test_lift_on_a_base_near_zero_is_refused() -> None:
    """Profit per visitor of A is not significantly above 0: a difference, but no lift."""
    plan = DECLARED._replace(primary_metric="profit")
    a = Variant(1_000, 50, profit=10, profit_squares=40_000)
    b = Variant(1_000, 50, profit=500, profit_squares=40_000)
    result = compare(a, b, plan)
    assert result.p_value is not None
    assert result.difference_low is not None
    assert (result.ratio_low, result.ratio_high) == (None, None)


def test_sample_ratio_mismatch_stops_everything() -> None:
    """10,000 against 12,000 visitors at a declared half: no p-value, no winner."""
    result = calculate("500/10000", "900/12000")
    assert (result.status, result.winner, result.p_value) == ("sample_ratio_mismatch", None, None)
    assert result.sample_ratio_p is not None
    assert result.sample_ratio_p < 1e-30
    assert (result.reason or "").startswith(
        "10,000 and 12,000 visitors differ from the declared share of B, 0.5 (p = "
    )
    assert calculate("500/10000", "900/12000", share_b=12 / 22).status == "decided"


def test_sample_ratio_is_checked_before_a_fixed_horizon_ends() -> None:
    """A sample ratio mismatch is reported on the day it appears, not at the end."""
    plan = DECLARED._replace(ended=False, planned_visitors=100_000)
    assert compare(A, Variant(12_000, 600), plan).status == "sample_ratio_mismatch"
    assert compare(A, Variant(10_100, 600), plan).status == "running"


def test_sample_ratio_is_not_checked_without_a_declared_share() -> None:
    """Rates can still be compared; the check has no value."""
    result = compare(A, Variant(12_000, 900), AbPlan())
    assert (result.sample_ratio_p, result.status) == (None, "decided")


@pytest.mark.parametrize(
    ("variant", "named"),
    [
        (Variant(100, 101), "conversions"),
        (Variant(-1, 0), "visitors"),
        (Variant(math.nan, 5), "visitors"),  # pyright: ignore[reportArgumentType]
        (Variant(100, 5.5), "conversions"),  # pyright: ignore[reportArgumentType]
        (Variant(10**13, 5), "visitors"),
        (Variant(100, 5, math.inf), "revenue"),
        (Variant(100, 5, 1_000, 9_999), "revenue_squares"),
        (Variant(100, 5, "12"), "revenue"),  # pyright: ignore[reportArgumentType]
        (Variant(0, 0, 12.0), "revenue"),
    ],
)
def test_impossible_numbers_are_refused(variant: Variant, named: str) -> None:
    """The reason names the invalid number."""
    result = compare(A, variant, DECLARED)
    assert result.status == "invalid_input"
    assert named in (result.reason or "")
    assert result.p_value is None


@pytest.mark.parametrize(
    "plan",
    [
        AbPlan(alpha=0),
        AbPlan(alpha=1.5),
        AbPlan(share_b=1.0, share_declared=True),
        AbPlan(method="bayes"),  # pyright: ignore[reportArgumentType]
        AbPlan(primary_metric="clicks"),  # pyright: ignore[reportArgumentType]
        AbPlan(planned_visitors=-5),
        AbPlan(guardrails=(Guardrail("profit", -0.1),)),
    ],
)
def test_impossible_plans_are_refused(plan: AbPlan) -> None:
    """An invalid plan gives no decision."""
    assert compare(A, B, plan).status == "invalid_input"


def test_group_sequential_without_a_plan_is_refused() -> None:
    """Spending alpha needs a size or an end to spend it over."""
    result = compare(A, B, DECLARED._replace(method="group_sequential"))
    assert result.status == "invalid_input"


def test_fixed_horizon_is_not_read_before_its_end() -> None:
    """A running test with a fixed horizon has rates, and no p-value."""
    plan = DECLARED._replace(ended=False, planned_visitors=40_000)
    result = compare(A, Variant(10_000, 800), plan)
    assert (result.status, result.p_value, result.winner) == ("running", None, None)
    assert result.rate_b == 0.08


def test_fixed_horizon_is_read_at_the_planned_size() -> None:
    """Looks after the planned visitors do not count."""
    plan = DECLARED._replace(ended=False, planned_visitors=20_000)
    later = Variant(20_000, 1_500), Variant(20_000, 900)
    result = compare(*later, plan, [Look(A, Variant(10_000, 700))])
    assert (result.status, result.winner, result.rate_b) == ("decided", "b", 0.07)


def test_fixed_horizon_that_ended_early_spends_its_share() -> None:
    """2,000 of 100,000 planned visitors, and a p of .0005: that is no decision."""
    early = Variant(1_000, 50), Variant(1_000, 90)
    plan = DECLARED._replace(planned_visitors=100_000)
    result = compare(*early, plan)
    assert (result.status, result.winner) == ("no_decision", "none")
    assert "after 2% of the plan" in (result.reason or "")
    assert (result.spent_alpha or 0) < 1e-20
    assert compare(*early, DECLARED).winner == "b"
    assert compare(*early, plan._replace(planned_visitors=2_000)).winner == "b"
    half = compare(A, Variant(10_000, 640), plan._replace(planned_visitors=40_000))
    assert half.critical == pytest.approx(2.9626, abs=1e-4)  # one look at half of the plan
    assert half.winner == "b"


@pytest.mark.parametrize("method", ["group_sequential", "fixed"])
def test_the_sample_ratio_of_a_running_test_is_valid_at_all_looks(method: str) -> None:
    """5,000 vs. 5,345 visitors: p = .0007 if read once, which daily looks exceed by chance."""
    visitors = Variant(5_000, 250), Variant(5_345, 267)
    running = DECLARED._replace(method=method, ended=False, planned_visitors=40_000)
    assert compare(*visitors, DECLARED).status == "sample_ratio_mismatch"
    result = compare(*visitors, running)
    assert result.status == "running"
    assert (result.sample_ratio_p or 0) > 0.01


def test_the_direction_is_that_of_the_deciding_look() -> None:
    """B crossed the bound at the first look; at the second, A is ahead by a little."""
    plan = DECLARED._replace(method="group_sequential", ended=False, planned_visitors=60_000)
    crossed = Look(A, Variant(10_000, 640))
    result = compare(Variant(15_000, 800), Variant(15_000, 790), plan, [crossed])
    assert (result.difference or 0) < 0
    assert (result.status, result.winner) == ("decided", "b")
    reversed_since = compare(Variant(30_000, 1_800), Variant(30_000, 1_500), plan, [crossed])
    assert (reversed_since.winner, reversed_since.status) == ("b", "decided")


def test_an_early_decision_has_an_estimate_without_its_bias() -> None:
    """Decided at the third of five looks; the first look alone, and a planned end, have none."""
    plan = DECLARED._replace(method="group_sequential", ended=False, planned_visitors=50_000)
    days = [Look(Variant(n, n // 20), Variant(n, n // 19)) for n in (5_000, 10_000)]
    early = compare(Variant(15_000, 750), Variant(15_000, 880), plan, days)
    assert early.winner == "b"
    assert early.ratio is not None
    assert early.adjusted_ratio is not None
    assert 1.1 < early.adjusted_ratio < early.ratio
    assert 0 < (early.adjusted_difference or 0) < (early.difference or 0)
    assert compare(A, Variant(10_000, 640), plan).adjusted_ratio is None
    planned = plan._replace(planned_visitors=30_000)
    assert compare(Variant(15_000, 750), Variant(15_000, 860), planned, days).adjusted_ratio is None
    counted = ALWAYS._replace(ended=False, tuned_conversions=2_000)
    always = compare(Variant(15_000, 750), Variant(15_000, 900), counted, days)
    assert 1 < (always.adjusted_ratio or 0) < (always.ratio or 0)


def test_money_at_an_uneven_declared_share_is_pooled() -> None:
    """As with very many visitors of whom few buy; from 150 customers of the smaller variant on."""
    plan = AbPlan(share_b=0.2, share_declared=True, primary_metric="revenue", count_inflation=1.25)
    a, b = Variant(None, 900, 54_000.0, 7e6), Variant(None, 250, 16_800.0, 2.3e6)
    found = compare(a, b, plan)
    counted = compare(
        a._replace(visitors=80_000_000),
        b._replace(visitors=20_000_000),
        AbPlan(primary_metric="revenue"),
    )
    assert (found.method, counted.method) == ("pooled", "pooled")
    for name in ("p_value", "ratio", "ratio_low", "ratio_high"):
        assert getattr(found, name) == pytest.approx(getattr(counted, name), rel=1e-4)
    wide = compare(a, b, plan._replace(money_inflation=1.5))
    assert (wide.ratio_high or 0) > 1.02 * (found.ratio_high or 0)
    few = compare(a, b._replace(conversions=180), plan)
    assert few.reason == "one variant has 144 buyers; at least 150 are required at an uneven split"


def test_money_at_an_uneven_split_needs_buyers() -> None:
    """At 90/10: no result below 150 buyers in the smaller variant, then pooled variances."""
    plan = AbPlan(primary_metric="revenue")
    a = Variant(45_000, 2_250, 100_000.0, 12e6)
    few = compare(a, Variant(5_000, 149, 12_000.0, 2e6), plan)
    assert (few.status, few.p_value) == ("insufficient_data", None)
    assert "149 buyers; at least 150" in (few.reason or "")
    enough = compare(a, Variant(5_000, 150, 12_000.0, 2e6), plan)
    assert (enough.method, enough.status) == ("pooled", "no_decision")
    assert compare(a, Variant(5_000, None, 12_000.0, 2e6), plan).status == "insufficient_data"
    assert compare(a, Variant(31_000, 149, 70_000.0, 9e6), plan).method == "welch"


def test_group_sequential_follows_the_bounds() -> None:
    """At the third of five looks, the bound is 2.6803: z = 2.65 continues, 2.71 decides."""
    plan = DECLARED._replace(method="group_sequential", ended=False, planned_looks=5, look=3)
    below = compare(A, Variant(10_000, 585), plan)
    above = compare(A, Variant(10_000, 587), plan)
    assert (below.status, below.winner, above.status, above.winner) == (
        "running",
        None,
        "decided",
        "b",
    )
    assert round(above.critical or 0, 4) == 2.6803
    assert round(above.spent_alpha or 0, 4) == 0.0076
    assert (above.look, above.share_of_plan) == (3, 0.6)


def test_group_sequential_remembers_an_earlier_crossing() -> None:
    """A bound crossed at the second look decides, regardless of the third."""
    plan = DECLARED._replace(method="group_sequential", ended=False, planned_visitors=60_000)
    crossed = Look(A, Variant(10_000, 640))
    result = compare(Variant(15_000, 800), Variant(15_000, 810), plan, [crossed])
    assert (result.status, result.winner) == ("decided", "b")
    assert (result.p_value or 1) < 0.05


def test_group_sequential_counts_only_planned_looks() -> None:
    """A plan of two looks uses the first daily sums that reach 50% and 100%."""
    plan = DECLARED._replace(
        method="group_sequential", ended=False, planned_visitors=20_000, planned_looks=2
    )
    days = [Look(Variant(n, n // 20), Variant(n, n // 18)) for n in range(1_000, 10_000, 1_000)]
    result = compare(A, Variant(10_000, 556), plan, days)
    assert (result.look, result.share_of_plan) == (2, 1.0)
    early = compare(Variant(2_000, 100), Variant(2_000, 100), plan, days[:1])
    assert (early.status, early.p_value) == ("running", None)


def test_always_valid_remembers_the_smallest_p() -> None:
    """The p-value is the smallest over the looks, and the interval their intersection."""
    strong = Look(Variant(None, 122), Variant(None, 189))
    result = compare(Variant(None, 200), Variant(None, 250), ALWAYS, [strong])
    alone = compare(strong.a, strong.b, ALWAYS)
    assert result.p_value == alone.p_value
    assert result.winner == "b"
    assert result.ratio_low == alone.ratio_low


def test_always_valid_money_waits_for_25_conversions() -> None:
    """The asymptotic sequence starts when both variants have 25 conversions."""
    plan = ALWAYS._replace(primary_metric="revenue")
    few = compare(Variant(1_000, 24, 2_400, 400_000), Variant(1_000, 60, 6_000, 1_000_000), plan)
    assert (few.status, few.p_value) == ("insufficient_data", None)
    enough = compare(RICH_A, RICH_B, plan)
    assert enough.method == "asymptotic_sequence"
    assert (enough.p_value or 0) > 0.0041


def test_ended_without_decision_is_none_and_running_is_null() -> None:
    """'none' means that no winner was found; NULL, that the test is still running."""
    assert compare(A, B, ALWAYS).winner == "none"
    running = compare(A, B, ALWAYS._replace(ended=False))
    assert (running.status, running.winner) == ("running", None)
    assert running.confidence_level is not None


def test_guardrail_takes_the_win_away() -> None:
    """B converts more, but its profit can be more than 2% lower: no winner."""
    plan = DECLARED._replace(guardrails=(Guardrail("profit", 0.02),))
    costly = RICH_B._replace(conversions=620, profit=19_950.0)
    result = compare(RICH_A, costly, plan)
    assert (result.status, result.winner) == ("guardrail_failed", "none")
    assert result.guardrails[0].passed is False
    unguarded = compare(RICH_A, costly, DECLARED)
    assert (unguarded.status, unguarded.winner) == ("decided", "b")


def test_guardrail_passes_within_its_margin() -> None:
    """With a wide enough margin, B wins."""
    plan = DECLARED._replace(guardrails=(Guardrail("profit", 0.5), Guardrail("revenue", 0.2)))
    result = compare(RICH_A, RICH_B, plan)
    assert result.winner == "b"
    assert [rail.passed for rail in result.guardrails] == [True, True]


def test_guardrail_without_data_fails() -> None:
    """A guardrail without data is not assumed to pass."""
    plan = DECLARED._replace(guardrails=(Guardrail("profit", 0.02),))
    result = compare(A, Variant(10_000, 650), plan)
    assert (result.status, result.guardrails[0].passed) == ("guardrail_failed", None)


def test_break_even_says_what_the_discount_must_bring() -> None:
    """B earns 30 per order and A earns 40, so B has to convert a third more."""
    a = Variant(10_000, 500, profit=20_000.0, profit_squares=1e6)
    b = Variant(10_000, 560, profit=16_800.0, profit_squares=6e5)
    result = compare(a, b, DECLARED)
    assert result.break_even_ratio == pytest.approx(4 / 3)
    assert (result.break_even_basis, result.break_even) == ("profit", "missed")
    better = compare(a, b._replace(conversions=900, profit=27_000.0), DECLARED)
    assert better.break_even == "met"
    unsure = compare(a, b._replace(conversions=620, profit=20_100.0), DECLARED)
    assert (unsure.winner, unsure.break_even) == ("b", "open")
    unknown = a._replace(profit_squares=None), b._replace(profit_squares=None)
    untested = compare(*unknown, DECLARED)
    assert (untested.break_even, untested.break_even_ratio) == (None, pytest.approx(4 / 3))
    losing = compare(a, b._replace(profit=-100.0), DECLARED)
    assert (losing.break_even, losing.break_even_ratio) == ("never", None)


LOSS_A = Variant(10_000, 500, profit=10_000.0, profit_squares=400_000.0)
LOSS_B = Variant(10_000, 620, profit=6_500.0, profit_squares=300_000.0)


@pytest.mark.parametrize("method", ["fixed", "group_sequential", "always_valid"])
def test_a_winner_never_loses_money(method: Design) -> None:
    """500 vs. 620 conversions, but profit 10,000 vs. 6,500: A wins, by profit."""
    plan = DECLARED._replace(method=method, planned_visitors=20_000)
    result = compare(LOSS_A, LOSS_B, plan)
    assert (result.status, result.winner, result.break_even) == ("decided", "a", "missed")
    assert (result.primary_metric, result.effects[0].metric) == ("profit", "profit")
    assert result.confidence_level is not None
    assert result.confidence_level > 99
    assert result.ratio == pytest.approx(0.65)
    more = compare(LOSS_A, LOSS_B._replace(profit=12_400.0), plan)
    assert (more.winner, more.primary_metric) == ("b", "conversions")


def test_revenue_overrules_only_where_profit_is_unknown() -> None:
    """A discount costs revenue, but profit says that it pays."""
    less = Variant(10_000, 620, 40_000, 9e5)
    lost = compare(RICH_A._replace(profit=None), less, DECLARED)
    assert (lost.winner, lost.primary_metric) == ("a", "revenue")
    paid = compare(RICH_A, less._replace(profit=24_000.0, profit_squares=5e5), DECLARED)
    assert (paid.winner, paid.primary_metric) == ("b", "conversions")


def test_an_undecided_test_is_lost_by_money_only_at_half_of_alpha() -> None:
    """The loss is a second test: p = .03 does not decide, p = .01 does."""
    tie = Variant(10_000, 505, profit=0.0, profit_squares=400_000.0)
    decided = {}
    for profit in (8_050.0, 7_750.0):
        result = compare(LOSS_A, tie._replace(profit=profit), DECLARED)
        effect = next(one for one in result.effects if one.metric == "profit")
        decided[result.winner] = effect.p_value
    assert 0.025 < decided["none"] < 0.05
    assert decided["a"] < 0.025


def test_totals_that_are_lower_hold_the_winner_back() -> None:
    """Without sums of squares, nothing is claimed, and B is not named against lower totals."""
    a, b = Variant(10_000, 500, 50_000, profit=10_000.0), Variant(10_000, 620, 61_000)
    lower = {"profit": b._replace(profit=6_500.0), "revenue": b._replace(revenue=49_000.0)}
    for metric, worse in lower.items():
        result = compare(a, worse, DECLARED)
        assert [one.metric for one in result.guardrails] == [metric]
        assert (result.status, result.winner) == ("guardrail_failed", "none")
        assert result.break_even is None
        assert "cannot be tested" in (result.reason or "")
    assert compare(a, b, DECLARED).winner == "b"
    assert compare(a, b._replace(profit=10_500.0), DECLARED).winner == "b"


def test_a_p_that_is_too_small_for_a_number_stays_0() -> None:
    """Ten times the revenue of each visitor."""
    most = Variant(10_000, 590, 520_000.0, 28e6)
    of = {effect.metric: effect for effect in compare(RICH_A, most, DECLARED).effects}
    assert of["revenue"].p_value == of["revenue"].adjusted_p == 0


def test_other_metrics_carry_holms_p() -> None:
    """Only the primary metric decides; the others are adjusted by Holm."""
    primary, revenue, profit = compare(RICH_A, RICH_B, DECLARED).effects
    assert (primary.metric, primary.adjusted_p) == ("conversions", None)
    small, large = sorted([revenue.p_value or 0, profit.p_value or 0])
    assert sorted([revenue.adjusted_p or 0, profit.adjusted_p or 0]) == [
        min(2 * small, 1),
        max(2 * small, large),
    ]


@pytest.mark.parametrize(
    ("p", "level"),
    [(0.43, 57.0), (0.05, 95.0), (0.0499999, 95.0), (1.0, 0.0), (1e-300, 99.99), (0.00017, 99.98)],
)
def test_confidence_level_is_truncated(p: float, level: float) -> None:
    """Two decimals, never rounded up, never above 99.99."""
    assert confidence_level(p) == level


def test_decision_does_not_read_the_stored_level() -> None:
    """At alpha = 0.00005, p = 0.00007 is not significant, although both are stored as 99.99."""
    result = calculate("500/10000", "630/10000", alpha=0.00005)
    assert 0.00005 < (result.p_value or 0) < 0.0001
    assert (result.confidence_level, result.status) == (99.99, "no_decision")


def test_same_inputs_have_the_same_hash() -> None:
    """A decision is reproducible to the last digit, and a different input has another hash."""
    numpy_arm = Variant(np.int64(10_000), np.int64(500))  # pyright: ignore[reportArgumentType]
    assert compare(A, B).inputs_hash == compare(numpy_arm, B).inputs_hash
    assert compare(A, B).inputs_hash != compare(A, B, DECLARED).inputs_hash


def test_json_has_no_infinity() -> None:
    """An infinite bound is null; all other values are as in the result, unrounded."""
    result = calculate("0/50", "5/50")
    printed = json.loads(json.dumps(as_json(result), allow_nan=False))
    assert printed["ratio_high"] is None
    assert printed["p_value"] == result.p_value
    assert printed["effects"][0]["metric"] == "conversions"


@pytest.mark.parametrize("text", ["", "5/", "a/b", "1/2/3", "-5/10", "5.5/10", "٣/10"])
def test_unreadable_arms_are_input_errors(text: str) -> None:
    """The error shows how to write a variant."""
    with pytest.raises(InputError, match="500/10000"):
        parse_variant(text)


def test_rates_are_read_in_both_notations() -> None:
    """5% and 0.05 are the same rate; 5 is not a rate."""
    assert parse_rate("5%") == parse_rate("0.05") == 0.05
    with pytest.raises(InputError):
        parse_rate("5")


@pytest.mark.parametrize(
    ("given", "look", "share", "is_ended", "critical"),
    [
        ({"planned_looks": 5}, 5, 1.0, True, 2.031),
        ({"planned_looks": 5, "look": 5}, 5, 1.0, True, 2.031),
        ({"planned_looks": 5, "look": 4}, 4, 0.8, False, 2.2898),
        ({}, 1, None, True, 1.96),
        ({"always_valid": True}, 1, None, True, None),
    ],
)
def test_a_test_in_words_is_finished_unless_a_look_is_given(
    given, look, share, is_ended, critical
) -> None:
    """The method follows from the looks that are planned."""
    result = calculate("500/10000", "560/10000", **given)
    assert (result.look, result.share_of_plan, result.ended) == (look, share, is_ended)
    expected = "none" if is_ended else None
    assert (result.winner, result.status) == (expected, "no_decision" if is_ended else "running")
    assert result.critical == (critical and pytest.approx(critical, abs=1e-4))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"look": 1}, "invalid look 1: no looks are planned"),
        ({"look": 6, "planned_looks": 5}, "invalid look 6: the plan has 5"),
    ],
)
def test_a_look_is_one_of_the_planned_ones(given, said) -> None:
    with pytest.raises(InputError, match=said):
        calculate("500/10000", "560/10000", **given)


def test_a_share_is_one_half_where_visitors_are_given() -> None:
    """Another one is checked; without visitors, none is made up."""
    assert calculate("500/10000", "560/10000").sample_ratio_p == 1.0
    assert calculate("500/10000", "560/10000", share_b=0.6).status == "sample_ratio_mismatch"
    half = calculate("500/10000", "560", share_b=0.4)
    assert (half.method, half.ratio) == ("binomial", pytest.approx(560 / 500 * 0.6 / 0.4))
    assert calculate("500", "560/10000").status == "not_declared"
    nothing = AbResult("running")._asdict()  # what is not known is None
    known = {"primary_metric": "conversions", "alpha": 0.05, "look": 1, "effects": (),
             "guardrails": (), "version": VERSION, "ended": True}  # fmt: skip
    assert nothing == dict.fromkeys(nothing) | known | {"status": "running"}
    wide, narrow = (calculate("500/10000", "560/10000", alpha=alpha) for alpha in (0.01, 0.1))
    assert (wide.alpha, narrow.status) == (0.01, "decided")


def test_observed_values_are_described_with_and_without_a_result() -> None:
    """Rates and order values of the look that counts; none where a part is unknown or 0."""
    a, b = Variant(1_000, 50, 2_000.0), Variant(1_000, 0, 0.0)
    found = compare(a, b, DECLARED)
    assert (found.rate_a, found.rate_b) == (0.05, 0.0)
    assert (found.order_value_a, found.order_value_b) == (40.0, None)
    counts = compare(a._replace(visitors=None), b._replace(conversions=None), DECLARED)
    assert (counts.rate_a, counts.rate_b, counts.order_value_a) == (None, None, 40.0)
    plan = DECLARED._replace(method="group_sequential", ended=False, planned_visitors=9_000,
                             planned_looks=2)  # fmt: skip
    first = compare(a, a, plan)
    assert (first.status, first.reason) == ("running", "before the first planned look")
    assert (first.rate_b, first.order_value_b, first.inputs_hash) == (
        0.05, 40.0, compare(a, a, plan).inputs_hash,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "ended", "visitors", "look", "spent", "critical"),
    [
        ("fixed", True, 20_000, 1, 0.05, 1.96), ("fixed", False, 20_000, 1, 0.05, 1.96),
        ("fixed", False, 40_000, 1, None, None), ("fixed", True, 40_000, 1, 0.00305, 2.9626),
        ("group_sequential", False, 40_000, 2, 0.00305, 2.9626),
        ("always_valid", False, 40_000, 2, None, None),
    ],
)  # fmt: skip
def test_a_result_has_the_look_the_share_and_the_alpha_so_far(
    method, ended, visitors, look, spent, critical
) -> None:
    """Of two looks with 8,000 and 20,000 visitors; a test that is read once has one."""
    plan = DECLARED._replace(method=method, ended=ended, planned_visitors=visitors)
    found = compare(A, B, plan, [Look(Variant(4_000, 200), Variant(4_000, 210))])
    assert (found.look, found.share_of_plan) == (look, 20_000 / visitors)
    assert found.ended is (ended or visitors == 20_000)
    assert found.spent_alpha == (None if spent is None else pytest.approx(spent, abs=5e-5))
    if critical is None:
        assert found.critical is None
    else:
        assert found.critical == pytest.approx(critical, abs=0.001)


def test_the_split_is_checked_at_the_looks_with_visitors() -> None:
    """At the end of a test read once by its last look, else at all looks so far."""
    plan = DECLARED._replace(ended=False, planned_visitors=100_000)
    first = Look(Variant(5_000, 250), Variant(5_900, 300))
    later = Variant(20_000, 1_000), Variant(20_000, 1_000)
    for method in ("group_sequential", "always_valid"):
        broken = compare(*later, plan._replace(method=method), [first])
        assert broken.status == "sample_ratio_mismatch"
    once = plan._replace(ended=True, planned_visitors=40_000)
    assert compare(*later, once, [first]).status == "no_decision"
    unknown = Look(Variant(None, 250), Variant(None, 300))
    known = compare(*later, plan._replace(method="always_valid"), [unknown])
    assert known.sample_ratio_p == 1.0
    none = compare(Variant(0, 0), Variant(18, 1), DECLARED)
    assert none.sample_ratio_p == pytest.approx(2 * 0.5**18)
    uneven = compare(A, Variant(10_345, 560), DECLARED)
    assert (uneven.sample_ratio_p or 0) == pytest.approx(0.0156, abs=2e-4)
    assert uneven.status == "no_decision"


def test_losses_that_are_not_known_are_none() -> None:
    """Without visitors there is a chance, and no loss per visitor."""
    plan = DECLARED._replace(primary_metric="revenue")
    a, b = Variant(None, 100, 6_000.0, 500_000.0), Variant(None, 110, 6_500.0, 520_000.0)
    found = compare(a, b, plan)
    assert 0.5 < (found.chance_b_better or 0) < 1
    assert (found.expected_loss_a, found.expected_loss_b) == (None, None)
    lossless = compare(A, B, DECLARED)
    assert (lossless.expected_loss_a or 0) > (lossless.expected_loss_b or 0) > 0


def test_only_counts_of_conversions_need_25_of_each_to_decide() -> None:
    """Customers who order again count once; with visitors, or by money, there is no minimum."""
    plan = DECLARED._replace(count_inflation=2.0)
    few = compare(Variant(None, 49), Variant(None, 400), plan)
    assert few.reason == (
        "one variant has 24 conversions; at least 25 are required before counts alone decide"
    )
    assert (few.status, few.winner, few.confidence_level) == ("insufficient_data", None, None)
    assert few.p_value is not None
    assert compare(Variant(None, 50), Variant(None, 400), plan).winner == "b"
    assert compare(Variant(1_000, 5), Variant(1_000, 90), DECLARED).winner == "b"
    money = DECLARED._replace(primary_metric="revenue")
    spent = Variant(None, 30, 300.0, 9_000.0), Variant(None, 90, 3_000.0, 200_000.0)
    assert compare(*spent, money).winner == "b"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.inf, None), (math.nan, None), (0.5, 0.5), (3, 3), (None, None), ("a", "a"), (True, True),
     ((1, math.inf), [1, None]), ([Variant(5)], [dict.fromkeys(Variant._fields) | {"visitors": 5}]),
     (np.int64(7), 7)],
)  # fmt: skip
def test_json_has_plain_values(value, shown) -> None:
    found = as_json(value)
    assert found == shown
    assert type(found) is type(shown)
