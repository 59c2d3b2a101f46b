"""Money adjusted for a covariate (CUPED): values from rows, the gain, and when it is not used."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests import shop as ab_tests
from d1lab.analyses.ab_tests import tables
from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.history import effect_history
from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Arm,
    Guardrail,
    Look,
    Variant,
    adjusted_means,
    clean,
    clean_look,
    inputs_hash,
    money_means,
    parse_rate,
    parse_variant,
    rates,
    splits_unevenly,
    sums,
    variance_saved,
)
from d1lab.errors import InputError
from tests.analyses.ab_tests.test_ab_tests import DECLARED, UNTIL, day_rows, row

BY_REVENUE = AbPlan(primary_metric="revenue")


COVARIATE = ("covariate", "covariate_squares", "covariate_revenue")


class Rows(NamedTuple):
    """Visitors of one variant: earlier and later spending."""

    x: np.ndarray
    y: np.ndarray

    def sums(self, **changed: Any) -> Variant:
        x, y = self
        plain = Variant(
            len(y),
            int((y > 0).sum()),
            float(y.sum()),
            float((y * y).sum()),
            covariate=float(x.sum()),
            covariate_squares=float((x * x).sum()),
            covariate_revenue=float((x * y).sum()),
        )
        return plain._replace(**changed)


def shares(variant: Variant, parts: int) -> Variant:
    """Return a part of the sums, all of equal size."""
    visitors, conversions, *money = variant
    counts = [None if count is None else count // parts for count in (visitors, conversions)]
    return Variant(*counts, *(None if total is None else total / parts for total in money))


def visitors(seed: int, n: int, lift: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.gamma(0.3, 40, n)
    return Rows(x, np.where(rng.random(n) < 0.4, 0.7 * x + rng.gamma(1, 4, n) + lift, 0.0))


A, B = visitors(1, 3_000), visitors(2, 3_200, 2.0)


def adjusted(a: Rows, b: Rows) -> list[np.ndarray]:
    """Subtract what earlier spending predicts, from each row."""
    x, y = (np.concatenate(both) for both in zip(a, b, strict=True))
    theta = np.polyfit(x, y, 1)[0]
    return [rows.y - theta * (rows.x - x.mean()) for rows in (a, b)]


def test_the_result_is_welchs_test_of_adjusted_rows():
    """p, difference, and interval, to 1e-9."""
    of_a, of_b = adjusted(A, B)
    expected = stats.ttest_ind(of_b, of_a, equal_var=False)
    found = compare(A.sums(), B.sums(), BY_REVENUE)
    assert found.method == "cuped"
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.difference == pytest.approx(of_b.mean() - of_a.mean(), rel=1e-9)
    ends = expected.confidence_interval()
    assert found.difference_low == pytest.approx(ends.low, rel=1e-9)
    assert found.difference_high == pytest.approx(ends.high, rel=1e-9)
    assert found.ratio == pytest.approx(of_b.mean() / of_a.mean(), rel=1e-9)


def test_the_saved_variance_is_that_of_the_rows():
    """One minus the ratio of the variances of the difference."""
    plain, less = ([v.var(ddof=1) / len(v) for v in of] for of in ((A.y, B.y), adjusted(A, B)))
    [effect] = compare(A.sums(), B.sums(), BY_REVENUE).effects[:1]
    assert effect.variance_saved == pytest.approx(1 - sum(less) / sum(plain), rel=1e-9)
    assert effect.variance_saved == pytest.approx(0.177, abs=0.001)


@pytest.mark.parametrize(
    "changed",
    [
        {"covariate": None},
        {"covariate_squares": None},
        {"covariate_revenue": None},
        {"covariate": float(2 * B.x.sum()), "covariate_squares": float(9 * (B.x**2).sum())},
    ],
    ids=["sum", "squares", "products", "unbalanced"],
)
def test_an_incomplete_or_unbalanced_covariate_is_not_used(changed: dict[str, float | None]):
    """The result is that without one."""
    plain = compare(Variant(*A.sums()[:6]), Variant(*B.sums()[:6]), BY_REVENUE)
    found = compare(A.sums(), B.sums(**changed), BY_REVENUE)
    assert (found.method, found.effects[0].variance_saved) == ("welch", None)
    assert (found.p_value, found.ratio_low) == (plain.p_value, plain.ratio_low)


def test_conversions_and_uneven_splits_have_no_covariate():
    """Their methods are exact, or pool the variants."""
    small = visitors(3, 1_000)
    assert adjusted_means("conversions", [A.sums()], [B.sums()]) is None
    assert adjusted_means("revenue", [A.sums()], [small.sums()]) is None
    assert variance_saved("revenue", [A.sums()], [small.sums()]) is None


def test_a_covariate_that_some_looks_do_not_have_is_not_used():
    """A test has one method at all looks."""
    looks = [look.sums() for look in (visitors(4, 500), visitors(5, 500))]
    known = adjusted_means("revenue", [looks[0], A.sums()], [looks[1], B.sums()])
    assert known is not None
    assert len(known.a) == 2
    first = looks[0]._replace(covariate_revenue=None)
    assert adjusted_means("revenue", [first, A.sums()], [looks[1], B.sums()]) is None


@pytest.mark.parametrize("method", ["group_sequential", "always_valid"])
def test_looks_and_their_chart_are_adjusted(method: Any):
    """The last point of the chart is the estimate of the result, in every design with looks."""
    a, b = A.sums(conversions=1_200), B.sums(conversions=1_300)
    half = [shares(A.sums(conversions=1_200), 2), shares(B.sums(conversions=1_300), 2)]
    plan = BY_REVENUE._replace(method=method, elapsed=0.8, ended=False)
    looks = [Look(half[0], half[1], 0.4)]
    found = compare(a, b, plan, looks)
    [*_, last] = effect_history(a, b, plan, looks)
    assert last.ratio == pytest.approx(found.ratio, rel=1e-12)
    assert found.effects[0].variance_saved == pytest.approx(0.177, abs=0.001)
    plain = [Look(Variant(*half[0][:6]), Variant(*half[1][:6]), 0.4)]
    wide = compare(Variant(*a[:6]), Variant(*b[:6]), plan, plain)
    widths = [(one.ratio_high or 0.0) - (one.ratio_low or 0.0) for one in (found, wide)]
    assert 0 < widths[0] < widths[1]


def test_days_bring_the_covariate_and_the_page_what_it_saved():
    """From rows of `ab_test_looks` to the table of methods."""
    daily = [
        {name: sum_ for name, sum_ in shares(one, 10)._asdict().items() if sum_ is not None}
        for one in (A.sums(conversions=1_200), B.sums(conversions=1_300))
    ]
    looks = day_rows(10, *daily)
    for look in looks:
        sums = daily[look["variant"] == "b"]
        number = (look["day"] - looks[0]["day"]).days + 1
        look.update({name: sums[name] * number for name in COVARIATE})
    test = row(**DECLARED | {"share_b": 0.516}, primary_metric="revenue", method="always_valid")
    [found] = ab_tests.decide([test], looks, UNTIL)
    [shown] = tables.methods([found])
    assert shown["variance_saved"] == pytest.approx(0.177, abs=0.001)
    assert shown["variance_saved"] == found.result.effects[0].variance_saved


def test_an_unknown_covariate_does_not_change_the_hash():
    """Decisions of tests without one keep theirs; a known one is an input."""
    a, b = Variant(*A.sums()[:6]), Variant(*B.sums()[:6])
    hashes = {
        inputs_hash([Look(x, y)], BY_REVENUE, "v")
        for x, y in ((a, b), (A.sums(), b), (A.sums(), B.sums()))
    }
    assert len(hashes) == 3


def test_the_order_of_rows_does_not_change_the_hash():
    """Sums of the same numbers, added in another order, differ in the last digits."""
    looks = [Look(A.sums()._replace(revenue=total), B.sums()) for total in (0.1 + 0.2 + 0.3, 0.6)]
    plans = [BY_REVENUE._replace(money_inflation=4.866975468657 + last) for last in (1e-15, 2e-15)]
    assert plans[0] != plans[1]
    hashes = {inputs_hash([look], plan, "v") for look in looks for plan in plans}
    assert len(hashes) == 1
    other = BY_REVENUE._replace(money_inflation=4.8669754687)
    assert inputs_hash([looks[0]], other, "v") not in hashes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"covariate_squares": 1.0}, "covariate_squares"),
        ({"covariate": float("nan")}, "covariate is"),
    ],
)
def test_an_impossible_covariate_is_invalid(changed: dict[str, float], said: str):
    """As for money: squares below the sum's own."""
    found = compare(A.sums(), B.sums(**changed), BY_REVENUE)
    assert found.status == "invalid_input"
    assert said in (found.reason or "")


@pytest.mark.parametrize(
    ("text", "visitors", "conversions"),
    [("500/10000", 10_000, 500), (" 1,500 / 10_000 ", 10_000, 1_500), ("122", None, 122),
     ("0/0", 0, 0)],
)  # fmt: skip
def test_a_variant_is_read_from_text(text: str, visitors: int | None, conversions: int):
    assert parse_variant(text) == Variant(visitors, conversions)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("5%", 0.05), (" 0.05 ", 0.05), ("100%", 1.0), ("1", 1.0), ("0", 0.0), ("0%", 0.0)],
)
def test_a_rate_is_a_percentage_or_a_share(text: str, rate: float):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "x", "101%", "1.01", "-1%", "nan", "%"])
def test_what_is_no_rate_is_refused(text: str):
    with pytest.raises(InputError, match="invalid rate"):
        parse_rate(text)


def test_a_look_has_the_visitors_of_both_variants_or_of_neither():
    """Numbers of any kind become plain ones."""
    one = Variant(np.int64(9), 4.0, np.float32(2), covariate=3)  # type: ignore[arg-type]
    found = clean_look(Look(one, one._replace(visitors=None), np.float64(0.5)))
    assert found == Look(Variant(None, 4, 2.0, covariate=3.0), Variant(None, 4, 2.0, covariate=3.0),
                         0.5)  # fmt: skip
    assert [type(value) for value in found.a[1:3]] == [int, float]
    assert type(found.elapsed) is float
    both = clean_look(Look(one, one))
    assert (both.a.visitors, both.elapsed, type(both.a.visitors)) == (9, None, int)


MONEY = Variant(1_000, 50, 900.0, 40_000.0, 300.0, 9_000.0)


def means_of(both: Any) -> list[float]:
    return [float(both.a[-1]), float(both.b[-1]), float(both.error[-1])]


def test_money_is_per_visitor_or_per_declared_share():
    """Welch's with visitors; sums of squares over the shares, and inflated, without."""
    b = MONEY._replace(revenue=1_200.0)
    found = money_means("revenue", [MONEY], [b], 0.4, 2.0)
    spread = (40_000 - 900**2 / 1_000 + 40_000 - 1_200**2 / 1_000) / 999 / 1_000
    assert means_of(found) == pytest.approx([0.9, 1.2, spread**0.5])
    a, b = (one._replace(visitors=None) for one in (MONEY, b))
    found = money_means("revenue", [a], [b], 0.4, 2.0)
    spread = 2 * (40_000 / 0.6**2 + 40_000 / 0.4**2)
    assert means_of(found) == pytest.approx([900 / 0.6, 1_200 / 0.4, spread**0.5])
    assert means_of(money_means("profit", [a], [b], 0.4)) == pytest.approx(
        [300 / 0.6, 300 / 0.4, (9_000 / 0.6**2 + 9_000 / 0.4**2) ** 0.5]
    )


def test_an_uneven_split_exchanges_the_variances_by_buyers():
    """Of the last look's split; with very many visitors in place of unknown ones."""
    small = MONEY._replace(visitors=100, conversions=5, revenue=110.0)
    found = money_means("revenue", [small, MONEY], [small, small], None)
    variances = [(sums[1] - sums[0] ** 2 / n) / (n - 1) / n for sums, n in (
        ((900.0, 40_000.0), 1_000), ((110.0, 40_000.0), 100))]  # fmt: skip
    assert found.variance_a[-1] == pytest.approx(variances[0] * 50 / 5)
    assert found.variance_b[-1] == pytest.approx(variances[1] * 5 / 50)
    a, b = (one._replace(visitors=None) for one in (MONEY, small))
    counts = money_means("revenue", [a], [b], 0.1, 1.5)
    assert counts.a[0] == pytest.approx(900 / 0.9)
    assert counts.b[0] == pytest.approx(110 / 0.1)
    assert counts.variance_a[0] == pytest.approx(1.5 * 40_000 / 0.9**2 * 50 / 5, rel=1e-6)
    assert counts.variance_b[0] == pytest.approx(1.5 * 40_000 / 0.1**2 * 5 / 50, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "share", "is_uneven"),
    [
        (600, 400, None, False), (601, 399, None, True), (399, 601, 0.5, True),
        (None, None, 0.4, False), (None, None, 0.399, True), (None, None, 0.601, True),
        (None, None, None, False), (900, None, 0.1, False), (None, 100, 0.1, False),
        (0, 100, 0.1, False), (100, 0, 0.1, False),
    ],
)  # fmt: skip
def test_a_split_is_that_of_the_visitors_or_the_declared_one(a, b, share, is_uneven):
    assert splits_unevenly(Variant(a), Variant(b), share) is is_uneven


def test_sums_of_conversions_are_their_own_squares():
    assert [float(x[0]) for x in sums([MONEY], "conversions")] == [1_000, 50, 50]
    assert [float(x[0]) for x in sums([MONEY], "profit")] == [1_000, 300, 9_000]
    assert [float(x[0]) for x in rates([MONEY], [Variant(9, 2)])] == [50, 1_000, 2, 9]


def test_a_covariate_at_the_limit_of_balance():
    """A difference with p above 0.001 is chance; one below it is not."""
    for shift, is_used in ((0.9, True), (1.15, False)):
        x = B.x + shift * (B.x.std() ** 2 / 3_200 + A.x.std() ** 2 / 3_000) ** 0.5 * 3.2
        x = x - (B.x.mean() - A.x.mean())
        moved = Rows(x, B.y).sums()
        p = stats.ttest_ind(x, A.x, equal_var=False).pvalue
        assert bool(p >= 0.001) is is_used
        assert (adjusted_means("revenue", [A.sums()], [moved]) is not None) is is_used


def test_totals_only_is_an_input_if_it_holds():
    """Decisions of tests with days keep their hash, whatever was added to plans since."""
    look = [Look(MONEY, MONEY)]
    plans = [AbPlan(), AbPlan(unit="day"), AbPlan(totals_only=True),
             AbPlan(totals_only=True, unit="day"), AbPlan(tuned_conversions=5)]  # fmt: skip
    assert len({inputs_hash(look, plan, "v") for plan in plans}) == 5
    assert inputs_hash(look, AbPlan(), "v") != inputs_hash(look, AbPlan(), "w")
    assert inputs_hash(look, AbPlan(), "v") != inputs_hash([look[0]._replace(elapsed=0.5)],
                                                           AbPlan(), "v")  # fmt: skip
    digest = "10358c2e56046dad4b0532aaef6740b782a649840f052ef7be21fc1c91cacbcf"
    assert inputs_hash(look, AbPlan(), "v") == digest  # decisions of earlier versions are repeated


@pytest.mark.parametrize(
    ("made", "known"),
    [
        (Variant(), {}),
        (Look(Variant(), Variant()), {"a": Variant(), "b": Variant()}),
        (Arm("c", Variant()), {"name": "c", "sums": Variant()}),
        (Guardrail("profit", 0.1), {"metric": "profit", "margin": 0.1, "relative": True}),
        (AbPlan(), {"method": "fixed", "primary_metric": "conversions", "share_declared": False,
                    "alpha": 0.05, "ended": True, "guardrails": (), "count_inflation": 1.0,
                    "money_inflation": 1.0, "unit": "visitor", "totals_only": False}),
    ],
)  # fmt: skip
def test_what_is_not_given_is_not_known(made: Any, known: dict[str, Any]):
    """A missing number is None, never a number or a text, and stays so."""
    assert made._asdict() == dict.fromkeys(made._fields) | known
    assert clean(Variant()) == Variant()
    assert AbPlan(share_b=0.5).declared_share is None
