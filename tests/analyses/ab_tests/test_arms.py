"""Three and more variants: each against A, at one error rate for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests.arms import (
    TOTALS_ONLY,
    ArmResult,
    ArmsResult,
    by_holm,
    calculate_arms,
    compare_arms,
    letter,
    named,
    together,
)
from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.decision import AbResult, compare, confidence_level
from d1lab.analyses.ab_tests.looks import AWAITS_END
from d1lab.analyses.ab_tests.model import AbPlan, Arm, Variant
from d1lab.analyses.ab_tests.sentences import sentence
from d1lab.stats.dunnett import dunnett_levels, dunnett_p
from d1lab.stats.means import Sums, welch
from d1lab.stats.proportions import Rates, score_p
from tests.support.examples import examples

A = Variant(10_000, 500, 52_000.0, 1.40e6)
THIRDS = AbPlan(share_declared=True)
BY_REVENUE = THIRDS._replace(primary_metric="revenue")


def arms(*sums: Variant, share: float | None = None) -> list[Arm]:
    """Return variants b, c, ... with equal declared shares."""
    each = 1 / (len(sums) + 1) if share is None else share
    return [Arm(name, one, each) for name, one in zip("bcd", sums, strict=False)]


def p_values(found: ArmsResult) -> list[float]:
    return [arm.result.p_value or 0.0 for arm in found.arms]


def test_rates_are_corrected_by_holm():
    """Score p-values of 520 and 580 against 500: the smaller one times 2."""
    found = compare_arms(A, arms(Variant(10_000, 520), Variant(10_000, 580)), THIRDS)
    single = [float(score_p(Rates.of(500, 10_000, x, 10_000))) for x in (520, 580)]
    assert p_values(found) == pytest.approx([single[0], 2 * single[1]], abs=1e-9)
    assert (found.leading, found.result.status, found.arms[0].correction) == (
        "c",
        "decided",
        "holm",
    )
    assert [arm.level for arm in found.arms] == [0.05, 0.025]
    assert found.arms[0].result.reason == "p = 0.52 is not below 0.05, adjusted for all variants"


def test_money_is_corrected_by_dunnett():
    """Welch's t, adjusted by the normal distribution with the correlation of a shared control."""
    b, c = (Variant(10_000, n, total, 1.40e6) for n, total in ((510, 53_000.0), (560, 56_900.0)))
    found = compare_arms(A, arms(b, c), BY_REVENUE)
    spread = (1.40e6 - np.array([52_000, 53_000, 56_900.0]) ** 2 / 10_000) / 9_999 / 10_000
    t = np.array([0.1, 0.49]) / np.sqrt(spread[0] + spread[1:])
    shared = spread[0] / np.sqrt((spread[0] + spread[1]) * (spread[0] + spread[2]))
    cover = stats.multivariate_normal([0, 0], [[1, shared], [shared, 1]], seed=1)
    inside = [cover.cdf([x, x], lower_limit=[-x, -x]) for x in t]
    assert p_values(found) == pytest.approx(1 - np.array(inside), abs=2e-4)
    assert {arm.correction for arm in found.arms} == {"dunnett"}
    assert (found.leading, found.arms[1].result.winner) == ("c", "b")


@pytest.mark.parametrize("plan", [THIRDS, BY_REVENUE, THIRDS._replace(method="always_valid")])
@pytest.mark.parametrize("conversions", [(500, 520), (560, 575), (555, 430)])
def test_intervals_exclude_no_effect_exactly_if_p_is_small(plan: AbPlan, conversions):
    """Each comparison is made at its own level, so its interval agrees with its adjusted p."""
    sums = [Variant(10_000, n, 104.0 * n, 1.4e6 * n / 500) for n in conversions]
    for arm in compare_arms(A, arms(*sums), plan).arms:
        result = arm.result
        assert result.p_value is not None
        assert result.ratio_low is not None
        assert result.ratio_high is not None
        excluded = result.ratio_low > 1 or result.ratio_high < 1
        assert excluded == (result.p_value < 0.05)


def test_one_comparison_is_an_ordinary_test():
    """With B alone, nothing is corrected."""
    b = Variant(10_000, 560, 57_000.0, 1.5e6)
    for plan in (THIRDS, BY_REVENUE):
        [alone] = compare_arms(A, arms(b), plan).arms
        plain = compare(A, b, plan._replace(share_b=0.5))
        assert alone.result.p_value == pytest.approx(plain.p_value, abs=1e-12)
        assert alone.result.difference_low == pytest.approx(plain.difference_low, abs=1e-12)


def test_the_best_of_two_winners_leads():
    """Both beat A; the winner is the one that is further ahead, not the first."""
    found = compare_arms(A, arms(Variant(10_000, 620), Variant(10_000, 640)), THIRDS)
    assert [arm.result.winner for arm in found.arms] == ["b", "b"]
    assert (found.leading, found.winner) == ("c", "c")


def test_a_wins_only_if_all_others_are_worse():
    """One loser and one tie is no decision for A; two losers are, with the larger p-value."""
    open_ = compare_arms(A, arms(Variant(10_000, 380), Variant(10_000, 505)), THIRDS)
    assert (open_.leading, open_.result.winner, open_.result.status) == ("c", "none", "no_decision")
    both = compare_arms(A, arms(Variant(10_000, 380), Variant(10_000, 400)), THIRDS)
    assert (both.leading, both.winner) == ("c", "a")
    assert both.result.p_value == max(p_values(both))


def test_a_loss_of_money_overrules_the_declared_metric():
    """C converts more but loses revenue: it is worse, and B leads."""
    b, c = Variant(10_000, 505, 52_100.0, 1.4e6), Variant(10_000, 620, 40_000.0, 1.0e6)
    found = compare_arms(A, arms(b, c), THIRDS)
    lost = found.arms[1].result
    assert (lost.winner, lost.primary_metric, found.leading) == ("a", "revenue", "b")
    assert (lost.p_value or 1) < 0.05


def test_a_broken_split_of_one_variant_leaves_no_result():
    """C got too few visitors: neither comparison is shown."""
    found = compare_arms(A, arms(Variant(10_000, 620), Variant(9_000, 620)), THIRDS)
    assert {arm.result.status for arm in found.arms} == {"sample_ratio_mismatch"}
    [reason] = {arm.result.reason for arm in found.arms}
    assert reason
    assert p_values(found) == [0.0, 0.0]
    assert found.winner is None


def test_shares_leave_visitors_for_a():
    """Shares of 1 or more in all are invalid; a missing one is not declared."""
    two = Variant(None, 500), Variant(None, 600)
    assert compare_arms(A, arms(*two, share=0.5), THIRDS).result.status == "invalid_input"
    unknown = [Arm("b", two[0], 0.3), Arm("c", two[1])]
    a = Variant(None, 500)
    assert compare_arms(a, unknown, THIRDS).result.status == "not_declared"


def test_counts_alone_use_the_share_of_each_pair():
    """Half of the visitors in A, a quarter in each other: 250 of 750 is what is expected."""
    found = compare_arms(
        Variant(None, 500), arms(Variant(None, 250), Variant(None, 340), share=0.25), THIRDS
    )
    assert [round(arm.result.ratio or 0, 9) for arm in found.arms] == [1.0, 1.36]
    assert (found.leading, found.result.winner) == ("c", "b")


def test_interim_looks_are_not_taken_without_days():
    """Planned looks change nothing: the test is read once, when it has ended, and says so."""
    b, c = Variant(10_000, 620), Variant(10_000, 640)
    plan = THIRDS._replace(method="group_sequential", ended=False, planned_looks=5)
    early = compare_arms(A, arms(b, c), plan._replace(planned_visitors=60_000))
    assert (early.result.status, early.result.p_value) == ("running", None)
    assert {arm.result.reason for arm in early.arms} == {TOTALS_ONLY}
    ended = plan._replace(planned_visitors=30_000, ended=True)
    read = compare_arms(A, arms(b, c), ended)
    assert (read.result.status, read.result.ended, read.leading) == ("decided", True, "c")


@pytest.mark.parametrize("planned", [{"planned_visitors": 29_000}, {"elapsed": 1.0}])
def test_totals_beyond_the_planned_end_are_not_read_each_day(planned: dict[str, Any]):
    """They grow while the test runs, so that it is read once, after its end."""
    b, c = Variant(10_000, 620), Variant(10_000, 640)
    plan = THIRDS._replace(ended=False, **planned)
    found = compare_arms(A, arms(b, c), plan)
    assert (found.result.status, found.result.reason) == ("running", AWAITS_END)
    assert [arm.result.p_value for arm in found.arms] == [None, None]
    assert sentence(found.result).startswith("Its planned end is reached")
    assert compare_arms(A, arms(b, c), plan._replace(ended=True)).result.status == "decided"
    broken = compare_arms(A, arms(b, c._replace(visitors=9_000)), plan)
    assert broken.result.status == "sample_ratio_mismatch"
    watched = compare_arms(A, arms(b, c), plan._replace(method="always_valid"))
    assert watched.result.p_value is not None


def test_always_valid_tests_share_alpha_equally():
    """Twice the p-value of the comparison made at half of alpha."""
    plan = THIRDS._replace(method="always_valid", ended=False)
    c = Variant(10_000, 680)
    found = compare_arms(A, arms(Variant(10_000, 520), c), plan)
    half = compare(A, c, plan._replace(share_b=0.5, alpha=0.025))
    assert half.p_value is not None
    assert found.result.p_value == pytest.approx(2 * half.p_value, abs=1e-12)
    assert (found.leading, found.result.winner, found.result.ended) == ("c", "b", False)


def false_winners(metric: str, tests: int, seed: int) -> float:
    """Return the share of tests of four equal variants with a winner or a loser."""
    rng = np.random.default_rng(seed)
    plan = AbPlan(primary_metric=metric)  # pyright: ignore[reportArgumentType]
    wrong = 0
    for _ in range(tests):
        drawn = []
        for _ in range(4):
            values = np.exp(rng.normal(3, 1, rng.binomial(4_000, 0.05)))
            drawn.append(Variant(4_000, len(values), values.sum(), (values**2).sum()))
        found = compare_arms(drawn[0], arms(*drawn[1:]), plan)
        wrong += any(arm.result.winner in ("a", "b") for arm in found.arms)
    return wrong / tests


@pytest.mark.long
@pytest.mark.parametrize("metric", ["conversions", "revenue"])
def test_all_comparisons_together_err_in_five_percent(metric: str):
    """Four equal variants; money can overrule conversions, which costs a little."""
    assert 0.025 < false_winners(metric, examples(2_000), 7) < 0.065


def made(text: str, **given: Any) -> ArmsResult:
    """A test in words: A first."""
    a, *others = text.split()
    return calculate_arms(a, others, **given)


@pytest.mark.parametrize(
    ("text", "given", "status", "leading", "corrections"),
    [
        ("500/10000 520/10000 580/10000", {}, "decided", "c", {"holm"}),
        ("500/10000 520/10000 580/10000", {"alpha": 0.01}, "no_decision", "c", {"holm"}),
        ("500/10000 520/10000 680/10000", {"always_valid": True}, "decided", "c", {"bonferroni"}),
        ("500/10000 640/10000", {}, "decided", "b", {"holm"}),
        ("500/10000 520/10000 580/10000", {"share": 0.3}, "sample_ratio_mismatch", "b", {"holm"}),
        ("500 250 340", {"share": 0.25}, "decided", "c", {"holm"}),
        ("500 250 340", {}, "not_declared", "b", {"holm"}),
        ("500/10000 520/10000 580", {}, "no_decision", "b", {"holm"}),
        ("500/10000 520/10000 580/10000", {"share": 0.5}, "invalid_input", "b", set()),
        ("500/10000 520/10000 580/10000", {"alpha": 0.5}, "invalid_input", "b", set()),
    ],
)  # fmt: skip
def test_several_variants_in_words(text, given, status, leading, corrections):
    """Equal shares of counted visitors unless declared; variants are b, c, ... in their order."""
    found = made(text, **given)
    assert (found.result.status, found.leading) == (status, leading)
    assert {arm.correction for arm in found.arms} == corrections
    assert [arm.arm for arm in found.arms] == list("bcd")[: len(found.arms)]
    if not corrections:
        assert (found.winner, found.arms) == (None, ())
    for arm in found.arms:
        assert arm.result.alpha == given.get("alpha", 0.05)


def test_shares_leave_something_for_a():
    """0.49 each leaves 2%; the reason of an invalid plan comes first."""
    assert made("20 490 490", share=0.49).result.status == "insufficient_data"
    none = made("20 490 490", share=0.5).result
    assert none.reason == "the declared shares leave no visitors for variant a"
    assert "alpha" in (made("20 490 490", share=0.5, alpha=0.7).result.reason or "")


@pytest.mark.parametrize(
    ("p", "alpha", "adjusted", "levels"),
    [
        ([0.01, 0.04, 0.03], 0.05, [0.03, 0.06, 0.06], [0.05 / 3, 0.025, 0.025]),
        ([0.01, 0.02, 0.04], 0.05, [0.03, 0.04, 0.04], [0.05 / 3, 0.025, 0.05]),
        ([0.04, None], 0.05, [0.08, None], [0.025, 0.025]),
        ([None, 0.02], 0.05, [None, 0.04], [0.05, 0.025]),
        ([0.025, 0.5], 0.05, [0.05, 0.5], [0.025, 0.025]),  # at alpha, nothing is rejected
        ([0.5], 0.1, [0.5], [0.1]),
        ([0.9, 0.8], 0.05, [1.0, 1.0], [0.025, 0.025]),
    ],
)  # fmt: skip
def test_holms_levels_grow_with_each_rejection(p, alpha, adjusted, levels):
    found = by_holm(p, alpha)
    assert found[0] == [None if one is None else pytest.approx(one) for one in adjusted]
    assert found[1] == pytest.approx(levels)


def test_sentences_about_b_are_about_the_variant():
    """Whole words only; a name of several letters stays as it is."""
    text = "B wins: variant b, not Bob or variant bob"
    assert named(text, "c") == "C wins: variant c, not Bob or variant bob"
    assert named(text, "new") == "new wins: variant new, not Bob or variant bob"
    assert [letter(name) for name in ("c", "new", "C")] == ["C", "new", "C"]


MONEY = {"primary_metric": "revenue"}
B, C = Variant(10_000, 510, 53_000.0, 1.40e6), Variant(10_000, 560, 56_900.0, 1.40e6)


@pytest.mark.parametrize(
    ("variants", "plan", "correction"),
    [
        ((A, B, C), {}, "dunnett"),
        ((A, B, C), {"elapsed": 0.5}, "holm"),  # ended early: p is not that of one look
        ((A, B, C), {"elapsed": 1.0}, "dunnett"),
        ((A, B, C), {"planned_visitors": 40_000}, "holm"),
        ((A, B, C), {"planned_visitors": 30_000}, "dunnett"),
        ((A, B._replace(visitors=6_000), C), {}, "holm"),  # unevenly split
        ((A, B, C._replace(revenue=None)), {}, "holm"),
        ((A, B, C._replace(revenue_squares=None)), {}, "holm"),
        ((A, B, C), {"primary_metric": "conversions"}, "holm"),
        ((A, B, C), {"method": "always_valid"}, "bonferroni"),
        ((A, B, C), {"method": "group_sequential"}, "dunnett"),  # read once
    ],
)
def test_money_read_once_at_an_even_split_shares_its_control(variants, plan, correction):
    a, *others = variants
    declared = [Arm(name, one) for name, one in zip("bc", others, strict=True)]
    found = compare_arms(a, declared, AbPlan(**{**MONEY, **plan}))
    assert {arm.correction for arm in found.arms} == {correction}
    levels = {arm.level for arm in found.arms}
    assert min(levels) >= 0.025
    if correction == "dunnett":
        assert 0.025 < max(levels) < 0.05


def test_dunnetts_p_and_levels_are_those_of_the_pairs():
    """Each t, its degrees of freedom, and sqrt(variance of A / variance of the difference)."""
    found = compare_arms(A, [Arm("b", B), Arm("c", C)], AbPlan(**MONEY, alpha=0.1))
    pairs = [welch(*(Sums.of(one.visitors, one.revenue, one.revenue_squares)
                     for one in (A, other))) for other in (B, C)]  # fmt: skip
    loads = [float((one.variance_a / (one.variance_a + one.variance_b)) ** 0.5) for one in pairs]
    freedom = [float(one.freedom) for one in pairs]
    t = [float((one.b - one.a) / one.error) for one in pairs]
    assert p_values(found) == pytest.approx(dunnett_p(t, freedom, loads).tolist(), rel=1e-9)
    assert [arm.level for arm in found.arms] == pytest.approx(
        dunnett_levels(0.1, freedom, loads), rel=1e-9
    )
    at = compare(A, C, AbPlan(**MONEY, alpha=found.arms[1].level))
    assert found.arms[1].result.ratio_low == pytest.approx(at.ratio_low)
    assert found.arms[1].sums == C


@pytest.mark.parametrize("method", ["fixed", "always_valid"])
def test_a_loss_that_overrules_has_the_level_of_its_comparison(method: Any):
    """Its own p-value, divided by the share of alpha that the comparison has."""
    b, c = Variant(10_000, 505, 52_100.0, 1.4e6), Variant(10_000, 640, 40_000.0, 1.0e6)
    plan = THIRDS._replace(method=method)
    found = compare_arms(A, arms(b, c), plan)
    lost = found.arms[1]
    alone = compare(A, c, plan._replace(share_b=0.5, alpha=lost.level))
    assert (lost.result.primary_metric, alone.primary_metric) == ("revenue", "revenue")
    expected = min((alone.p_value or 0) * 0.05 / lost.level, 1)
    assert lost.result.p_value == pytest.approx(expected)
    assert lost.result.confidence_level == confidence_level(expected)


def test_a_test_of_several_variants_knows_the_visitors_of_all():
    """10,000 of each are half of 60,000, and all of 30,000; one that is not counted hides it."""
    plan = THIRDS._replace(planned_visitors=60_000)
    half = compare_arms(A, arms(Variant(10_000, 620), Variant(10_000, 640)), plan)
    assert half.result.share_of_plan == pytest.approx(0.5)
    assert half.result.critical is not None
    assert half.result.critical > 2.9
    none = compare_arms(A, arms(Variant(10_000, 620), Variant(0, 0)), THIRDS._replace(
        planned_visitors=20_000))  # fmt: skip
    assert none.result.share_of_plan == 1.0
    elapsed = plan._replace(elapsed=0.25)
    unknown = compare_arms(A, arms(Variant(10_000, 620), Variant(None, 640)), elapsed)
    assert unknown.arms[0].result.share_of_plan == pytest.approx(0.25)
    always = plan._replace(method="always_valid", primary_metric="revenue")
    seen = compare_arms(A, arms(B, C), always)
    alone = compare(A, C, always._replace(share_b=0.5, alpha=0.025))
    assert seen.arms[1].result.ratio_low == pytest.approx(alone.ratio_low)  # tuned to the plan
    other = compare(A, C, always._replace(share_b=0.5, alpha=0.025, planned_visitors=None))
    assert other.ratio_low != pytest.approx(alone.ratio_low)


def arm_result(name: str, **given: Any) -> ArmResult:
    known = {"status": "no_decision", "p_value": 0.5, "winner": "none"}
    return ArmResult(name, A, AbResult(**{**known, **given}), "holm", 0.05)


WON = {"status": "decided", "winner": "b", "p_value": 0.01}
LOST = {"status": "decided", "winner": "a"}
BROKEN = {"status": "sample_ratio_mismatch", "reason": "split", "winner": None, "p_value": None}


def ahead(difference: float | None, ratio: float | None = None) -> dict[str, Any]:
    return {**WON, "effects": (Effect("revenue", difference=difference, ratio=ratio),)}


@pytest.mark.parametrize(
    ("given", "leading", "winner"),
    [
        ([{"p_value": 0.5}, {"p_value": 0.2}, {"p_value": 0.9}], "c", "none"),
        ([{"p_value": 0.5}, {"p_value": None}], "b", "none"),
        ([ahead(0.1), ahead(0.3), ahead(0.2)], "c", "b"),
        ([ahead(None, 1.1), ahead(None, 1.3)], "c", "b"),
        ([ahead(0.1, 9.0), ahead(0.3, 1.1)], "c", "b"),  # by the difference, if it is known
        ([ahead(0.0, 9.0), ahead(0.3, 1.1)], "c", "b"),
        ([ahead(None), ahead(0.1)], "c", "b"),
        ([{**LOST, "p_value": 0.01}, ahead(0.3)], "c", "b"),
        ([{**LOST, "p_value": 0.01}, {"p_value": 0.9}], "c", "none"),
        ([{**LOST, "p_value": 0.01}, {**LOST, "p_value": 0.03}], "c", "a"),
        ([{"p_value": 0.2}, {"status": "guardrail_failed", "p_value": 0.4}], "c", "none"),
        ([{**WON, **BROKEN}, ahead(0.3)], "b", None),
        ([ahead(0.3), {**WON, **BROKEN}], "c", None),
        ([ahead(0.3), {**BROKEN, "status": "invalid_input"}], "c", None),
    ],
)
def test_the_leading_variant_is_the_best_of_those_that_win(given, leading, winner):
    """Else the smallest p; A wins only if all others are worse; a broken one breaks all."""
    made = [arm_result(name, **one) for name, one in zip("bcd", given, strict=False)]
    found = together(list(made))
    assert found.leading == leading
    assert found.winner == (leading if winner == "b" else winner)
    if winner is None:
        status = found.result.status
        assert [arm.result.status for arm in found.arms] == [status] * len(made)
        assert [arm.result.p_value for arm in found.arms] == [None] * len(made)
    else:
        assert found.arms == tuple(made)
        assert found.result == {arm.arm: arm.result for arm in made}[leading]
