"""Effects from sums over visitors: methods, refusals, and adjustments, against rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.model import Variant
from d1lab.analyses.ab_tests.visitors import (
    VisitorEffect,
    VisitorSums,
    arm_effects,
    effects,
    quantile_effect,
    variants,
)
from d1lab.errors import InputError, UnknownName
from d1lab.stats.means import Pairs

RNG = np.random.default_rng(3)
Y = [RNG.gamma(2, 10, n) + shift for n, shift in ((40, 0.0), (60, 4.0), (50, 6.0))]
X = [RNG.poisson(3, len(y)) + 1.0 for y in Y]


def pairs(y: Any, x: Any = None) -> Pairs:
    x = np.zeros(len(y)) if x is None else np.asarray(x, float)
    y = np.asarray(y, float)
    return Pairs.of(len(y), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())


PLAIN = VisitorSums("spend", pairs(Y[0]), pairs(Y[1]))
RATIO = VisitorSums("spend / orders", pairs(Y[0], X[0]), pairs(Y[1], X[1]), "denominator")
CUPED = VisitorSums("spend", pairs(Y[0], X[0]), pairs(Y[1], X[1]), "covariate")


def one(sums: VisitorSums, alpha: float = 0.05) -> VisitorEffect:
    [found] = effects([sums], alpha)
    return found


def test_an_amount_is_compared_by_welch_and_fieller():
    """Every field, at a level of 90%."""
    of_a, of_b = Y[0], Y[1]
    expected = stats.ttest_ind(of_b, of_a, equal_var=False)
    ends = expected.confidence_interval(0.9)
    found = one(PLAIN._replace(segment="new", capped=True), 0.1)
    assert found[:6] == (
        "spend", "new", "welch", True, pytest.approx(of_a.mean()), pytest.approx(of_b.mean()),
    )  # fmt: skip
    assert found.difference == pytest.approx(of_b.mean() - of_a.mean())
    assert (found.difference_low, found.difference_high) == pytest.approx((ends.low, ends.high))
    assert found.ratio == pytest.approx(of_b.mean() / of_a.mean())
    assert found.p_value == found.adjusted_p == pytest.approx(expected.pvalue)
    assert found.ratio_low is not None
    assert found.ratio_low < (found.ratio or 0) < (found.ratio_high or 0)
    assert (found.ratio_low > 1) is (found.p_value < 0.1)
    assert (found.status, found.reason) == (None, None)
    nothing = VisitorEffect("x", None, "welch", False)  # what is not known is None
    assert nothing[4:] == (None,) * 12
    assert VisitorSums("x", PLAIN.a, PLAIN.b)[3:] == ("plain", None, False, 0, 0)


def test_without_a_mean_above_0_there_is_no_ratio():
    """A's mean is 0, or below it, or not clearly above it."""
    for shift, ratio in ((Y[0].mean(), None), (Y[0].mean() + 1, None), (Y[0].mean() - 0.1, True)):
        found = one(PLAIN._replace(a=pairs(Y[0] - shift), b=pairs(Y[1] - shift)))
        assert (found.ratio is not None) is bool(ratio)
        assert (found.ratio_low, found.ratio_high) == (None, None)
        assert found.difference_low is not None


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"a": pairs([1.5])}, "insufficient_data", "fewer than two visitors"),
        ({"b": pairs([1.5])}, "insufficient_data", "fewer than two visitors"),
        ({"b": pairs([1.5, 2.5])}, None, ""),
        ({"a": PLAIN.a._replace(yy=np.inf)}, "invalid_input", "not a finite number"),
        ({"b": PLAIN.b._replace(xy=np.nan)}, "invalid_input", "not a finite number"),
        ({"missing": 1}, "insufficient_data", "a value is missing for 1 visitor"),
        ({"a": pairs([2.5] * 9), "b": pairs([2.5] * 9)}, "zero_variance", "the same value"),
        ({"a": pairs([2.5] * 9)}, None, ""),
        ({"late": 1}, None, ""),  # of a covariate that it has not
    ],
)
def test_what_cannot_be_compared_has_a_reason(changed, status, said):
    found = one(PLAIN._replace(**changed))
    assert found.status == status
    assert said in (found.reason or "")
    assert (found.p_value is None) is (status is not None)


@pytest.mark.parametrize(
    ("sums", "status", "said"),
    [
        (RATIO, None, ""),
        (RATIO._replace(a=pairs(Y[0], 0 * X[0])), "insufficient_data", "denominator"),
        (RATIO._replace(b=pairs(Y[1], 0 * X[1])), "insufficient_data", "denominator"),
        (RATIO._replace(a=pairs(Y[0], -X[0])), "insufficient_data", "denominator"),
        (CUPED, None, ""),
        (CUPED._replace(late=2), "covariate_after_exposure", "the exposure of 2 visitors"),
        (CUPED._replace(b=pairs(Y[1], X[1] + 9)), "covariate_after_exposure", "differs"),
        (CUPED._replace(a=pairs(Y[0], 0 * X[0] + 1), b=pairs(Y[1], 0 * X[1] + 1)), None, ""),
        (PLAIN._replace(role="cluster", a=pairs(Y[0][:8]), b=pairs(Y[1][:8])), None, ""),
        (PLAIN._replace(role="cluster", a=pairs(Y[0][:7])), "insufficient_data", "7 clusters"),
        (PLAIN._replace(role="cluster", b=pairs(Y[1][:7])), "insufficient_data", "7 clusters"),
        (PLAIN._replace(b=pairs(Y[1][:7])), None, ""),
    ],
)
def test_denominators_covariates_and_clusters_have_their_conditions(sums, status, said):
    found = one(sums)
    assert found.status == status
    assert said in (found.reason or "")
    names = {"plain": "welch", "covariate": "cuped", "denominator": "ratio", "cluster": "clusters"}
    assert found.method == names[sums.role]


def test_a_ratio_is_that_of_its_sums():
    found = one(RATIO)
    assert found.value_a == pytest.approx(Y[0].sum() / X[0].sum())
    assert found.value_b == pytest.approx(Y[1].sum() / X[1].sum())
    changed = one(CUPED).value_a
    assert changed != pytest.approx(Y[0].mean(), rel=1e-6)  # adjusted


@pytest.mark.parametrize(("converted", "method"), [((60, 90), "score"), ((2, 9), "barnard")])
def test_1_and_0_are_conversions(converted, method):
    """The numbers are those of `compare`; capped, or with another value, they are an amount."""
    y = [np.arange(n) < x for n, x in zip((400, 500), converted, strict=True)]
    sums = PLAIN._replace(a=pairs(y[0]), b=pairs(y[1]))
    found = one(sums)
    known = compare(*(Variant(len(of), int(of.sum())) for of in y)).effects[0]
    names = ("method", "value_a", "value_b", "difference", "difference_low", "difference_high",
             "ratio", "ratio_low", "ratio_high", "p_value")  # fmt: skip
    assert [getattr(found, name) for name in names] == [getattr(known, name) for name in names]
    assert found.method == method
    assert one(sums._replace(capped=True)).method == "welch"
    assert one(sums._replace(a=pairs(2.0 * y[0]))).method == "welch"
    assert one(sums._replace(b=pairs(-1.0 * y[1]))).method == "welch"
    assert one(sums, 0.7).status == "invalid_input"


def test_nobody_and_everybody_converting_are_refused():
    nobody, everybody = pairs(np.zeros(50)), pairs(np.ones(50))
    assert one(PLAIN._replace(a=nobody, b=nobody)).status == "insufficient_data"
    assert one(PLAIN._replace(a=everybody, b=everybody)).status == "zero_variance"
    both = one(PLAIN._replace(a=nobody, b=everybody))
    assert (both.value_a, both.value_b) == (0, 1)
    assert (both.p_value or 1) < 1e-9


def test_each_measure_has_its_own_segments():
    """Adjusted among those of a measure, a role, and a cap, and without those of no result."""
    parts = [PLAIN._replace(segment=name, b=pairs(Y[1] - less))
             for name, less in (("x", 0.0), ("y", 3.0))]  # fmt: skip
    refused = PLAIN._replace(segment="z", missing=1)
    others = [parts[0]._replace(measure="other"), parts[0]._replace(capped=True),
              CUPED._replace(segment="x")]  # fmt: skip
    found = effects([PLAIN, *parts, refused, *others])
    assert [one.adjusted_p is None for one in found] == [True, False, False, True] + [False] * 3
    p = [one.p_value or 1.0 for one in found]
    assert found[1].adjusted_p == pytest.approx(min(2 * p[1], p[2]))
    assert found[2].adjusted_p == pytest.approx(p[2])
    assert [one.adjusted_p for one in found[4:]] == pytest.approx(p[4:])
    sure = [PLAIN._replace(segment=name, b=pairs(Y[1] + 1e6)) for name in "xy"]
    assert [one.p_value for one in effects(sure)] == [0, 0]
    assert [one.adjusted_p for one in effects(sure)] == [0, 0]


def test_several_variants_are_tested_together_by_the_normal_distribution():
    """The correlation of both differences is that of the shared control."""
    c = PLAIN._replace(b=pairs(Y[2]))
    found = arm_effects({"b": [PLAIN], "c": [c]})
    spread = [y.var(ddof=1) / len(y) for y in Y]
    z = [stats.norm.isf((one(s).p_value or 0) / 2) for s in (PLAIN, c)]
    shared = spread[0] / np.sqrt((spread[0] + spread[1]) * (spread[0] + spread[2]))
    cover = stats.multivariate_normal([0, 0], [[1, shared], [shared, 1]], seed=1)
    expected = [1 - cover.cdf([x, x], lower_limit=[-x, -x]) for x in z]
    assert [found[name][0].adjusted_p for name in "bc"] == pytest.approx(expected, abs=2e-4)
    mixed = arm_effects({"b": [PLAIN], "c": [c._replace(missing=1)]})
    assert (mixed["c"][0].adjusted_p, mixed["c"][0].status) == (None, "insufficient_data")
    assert mixed["b"][0].adjusted_p == pytest.approx(min(2 * (one(PLAIN).p_value or 0), 1))
    wide = (found["b"][0].difference_high or 0) - (found["b"][0].difference_low or 0)
    assert wide > 1.05 * ((one(PLAIN).difference_high or 0) - (one(PLAIN).difference_low or 0))


def test_sums_become_the_variants_of_a_decision():
    """Of all visitors, without a cap; a measure that is not there is named."""
    bought = VisitorSums("bought", pairs(np.arange(40) < 9), pairs(np.arange(60) < 20))
    decoys = [bought._replace(segment="x", a=pairs([1.0])), PLAIN._replace(capped=True, a=bought.a)]
    a, b = variants([*decoys, bought, PLAIN], conversions="bought", revenue="spend")
    assert a == Variant(40, 9, pytest.approx(Y[0].sum()), pytest.approx((Y[0] ** 2).sum()))
    assert b == Variant(60, 20, pytest.approx(Y[1].sum()), pytest.approx((Y[1] ** 2).sum()))
    assert variants([bought], conversions="bought") == (Variant(40, 9), Variant(60, 20))
    with pytest.raises(UnknownName, match="spent"):
        variants([bought, PLAIN], conversions="bought", revenue="spent")


def test_a_quantile_has_the_fields_of_an_effect():
    a, b = np.arange(100.0) ** 1.5, np.arange(120.0) ** 1.5
    found = quantile_effect("value", a, b, 0.25, alpha=0.1)
    assert found[:4] == ("value, quantile 0.25", None, "order_statistics", False)
    assert found.value_a == pytest.approx(np.quantile(a, 0.25))
    assert found.value_b == pytest.approx(np.quantile(b, 0.25))
    narrow = quantile_effect("value", a, b, 0.25, alpha=0.2)
    assert (narrow.difference_low or 0) > (found.difference_low or 0)
    infinite = quantile_effect("value", np.append(a, np.inf), b)
    assert (infinite.status, infinite.reason) == ("invalid_input", "a value is not a finite number")
    few = quantile_effect("value", a, b[:49])
    assert few.reason == "fewer than 25 values of a variant lie on one side of the quantile"
    for share in (0.0, 1.0):
        with pytest.raises(InputError):
            quantile_effect("value", a, b, share)
