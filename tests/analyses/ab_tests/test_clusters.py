"""Tests by store, city, or day: clusters are the observations, with their degrees of freedom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from d1lab.analyses.ab_tests import shop as ab_tests
from d1lab.analyses.ab_tests.clusters import (
    MIN_CLUSTERS,
    by_unit,
    chosen_order,
    cluster_means,
    few_clusters,
    mixed_days,
)
from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.exposures import Measure, scan, scan_clusters
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant, inputs_hash
from d1lab.analyses.ab_tests.visitors import effects
from d1lab.errors import InputError
from d1lab.stats.means import Sums, welch
from d1lab.stats.random_order import by_weekday_p, few_changes_p
from d1lab.stats.uneven import exchanged
from tests.analyses.ab_tests.test_ab_tests import START, row

BY_DAY = AbPlan(unit="day")
Days = list[tuple[str, int, int, float]]  # variant, visitors, conversions, revenue


def days(seed: int, count: int, lift: float = 0.0) -> Days:
    """Return days whose rates differ: an even number, half of them of B in random order."""
    rng = np.random.default_rng(seed)
    found: Days = []
    for variant in rng.permutation(["a", "b"] * (count // 2)):
        visitors = int(rng.integers(150, 900))
        rate = 0.05 * np.exp(rng.normal(0, 0.25)) * (1 + lift * (variant == "b"))
        bought = int(rng.binomial(visitors, rate))
        found.append((str(variant), visitors, bought, float(bought * rng.normal(40, 2))))
    return found


def looks(shown: Days, share: float = 1.0) -> list[Look]:
    """Return the sums since the start at the end of each day, up to a share of the plan."""
    sums = {"a": np.zeros(3), "b": np.zeros(3)}
    found: list[Look] = []
    for place, (variant, *values) in enumerate(shown, start=1):
        sums[variant] += values
        a, b = (Variant(int(n), int(x), float(y)) for n, x, y in sums.values())
        found.append(Look(a, b, share * place / len(shown)))
    return found


def read(shown: Days, plan: AbPlan = BY_DAY, share: float = 1.0) -> Any:
    *earlier, (a, b, elapsed) = looks(shown, share)
    return compare(a, b, plan._replace(elapsed=elapsed), earlier)


def rates(shown: Any, place: int = 2) -> list[list[float]]:
    return [[day[place] / day[1] for day in shown if day[0] == variant] for variant in "ab"]


def test_days_are_compared_by_welchs_test():
    """p, difference, and interval of each metric are those of the days' means, to 1e-9."""
    shown = days(1, 28, lift=0.6)
    shown[3] = (*shown[3][:2], 0, 0.0)  # nothing was sold
    found = read(shown)
    for effect, place in zip(found.effects, (2, 3), strict=True):
        of_a, of_b = rates(shown, place)
        expected = stats.ttest_ind(of_b, of_a, equal_var=False)
        ends = expected.confidence_interval()
        assert effect.method == "clusters"
        assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert effect.difference == pytest.approx(np.mean(of_b) - np.mean(of_a), rel=1e-9)
        assert effect.difference_low == pytest.approx(ends.low, rel=1e-9)
        assert effect.difference_high == pytest.approx(ends.high, rel=1e-9)
    assert (found.status, found.winner, found.chance_b_better) == ("decided", "b", None)


def test_a_test_by_day_is_read_at_its_end():
    """Whatever method is declared, and without a check of the split: days have their own sizes."""
    shown = days(1, 28, lift=0.6)
    plan = BY_DAY._replace(method="always_valid", share_b=0.5, share_declared=True, ended=False)
    early = read(shown, plan, 0.9)
    assert (early.status, early.p_value) == ("running", None)
    due = read(shown, plan)
    assert (due.status, due.sample_ratio_p) == ("decided", None)


def test_a_metric_that_is_missing_on_a_day_is_not_compared():
    """The others are; the reason names it."""
    shown = looks(days(1, 28))
    shown[5] = shown[5]._replace(a=shown[5].a._replace(revenue=None))
    *earlier, (a, b, elapsed) = shown
    found = compare(a, b, BY_DAY._replace(elapsed=elapsed), earlier)
    of = {effect.metric: effect for effect in found.effects}
    assert of["revenue"].reason == "revenue is missing on a day"
    assert of["conversions"].p_value is not None


def test_an_early_end_is_adjusted_for_the_share_of_the_plan():
    """Half of the days spend the alpha of half of the plan: p is larger than that of the days."""
    shown = days(1, 28, lift=0.6)
    assert read(shown, share=0.5).p_value > 3 * read(shown).p_value


@pytest.mark.parametrize("count", [2, 2 * MIN_CLUSTERS - 2])
def test_few_days_are_not_compared(count: int):
    """Below the stated number there is a reason, and the rates are shown."""
    found = read(days(2, count))
    assert found.status == "insufficient_data"
    assert found.reason == f"one variant has {count // 2} clusters; at least 8 are required"
    assert found.effects[0].value_a is not None
    assert read(days(2, 2 * MIN_CLUSTERS)).p_value is not None


def test_days_that_were_not_drawn_at_random_are_not_compared():
    """A week each, and B on weekends, are reasons; every other day is compared."""
    drawn = days(5, 56)
    weeks: Days = [("ab"[place // 7 % 2], *day[1:]) for place, day in enumerate(drawn)]
    found = read(weeks)
    assert (found.status, found.p_value) == ("insufficient_data", None)
    assert (found.reason or "").startswith("the variant changed 7 times in 56 days, less often")
    weekends: Days = [("ab"[place % 7 > 4], *day[1:]) for place, day in enumerate(drawn[:28])]
    assert (read(weekends).reason or "").startswith("the variant follows the weekday")
    turns: Days = [("ab"[place % 2], *day[1:]) for place, day in enumerate(drawn)]
    assert read(turns).p_value is not None


def test_a_day_has_one_variant():
    """Two variants on one day are not a test by day; unknown visitors of a day leave no rate."""
    shown = looks(days(3, 20))
    both = shown[-1]._replace(
        a=shown[-1].a._replace(visitors=(shown[-1].a.visitors or 0) + 1),
        b=shown[-1].b._replace(visitors=(shown[-1].b.visitors or 0) + 1),
    )
    found = compare(both.a, both.b, BY_DAY, shown[:-1])
    assert found.status == "invalid_input"
    assert found.reason == "both variants had visitors on 1 of 20 days"
    unknown = compare(Variant(None, 5), Variant(None, 6), BY_DAY)
    assert "requires the visitors of each day" in (unknown.reason or "")
    assert compare(Variant(9, 1), Variant(9, 1), AbPlan(unit="store")).status == "invalid_input"


def test_equal_days_have_no_variance():
    """The same rate every day: no p-value."""
    shown: Days = [("ab"[place % 2], 100, 5, 50.0) for place in range(20)]
    assert read(shown).status == "zero_variance"


def test_the_unit_is_an_input():
    """A test by visitor keeps its hash; by day it has another."""
    look = [Look(Variant(9, 1), Variant(9, 1))]
    assert inputs_hash(look, AbPlan(), "v") != inputs_hash(look, BY_DAY, "v")


def test_d1s_unit_reaches_the_decision():
    """Rows of `ab_test_looks`, and `unit` of `ab_tests`."""
    shown = days(1, 28, lift=0.6)
    names = ("visitors", "conversions", "revenue", "revenue_squares", "profit", "profit_squares")
    rows = [
        dict.fromkeys(names)
        | {"test_id": "t", "day": START.date() + timedelta(days=place), "variant": variant}
        | getattr(look, variant)._asdict()
        for place, look in enumerate(looks(shown))
        for variant in "ab"
    ]
    until = START.date() + timedelta(days=27)
    end = START + timedelta(days=28)
    [found] = ab_tests.decide([row(unit="day", planned_end_at=end)], rows, until)
    assert found.result.p_value == pytest.approx(read(shown).p_value, rel=1e-12)
    assert (found.winner, found.chance_b_better, found.detectable_lift) == ("b", None, None)


@pytest.fixture(scope="module")
def stores() -> duckdb.DuckDBPyRelation:
    """Return visitors of 20 stores of unlike rates, of which 10 have B."""
    rng = np.random.default_rng(4)
    frames = []
    for store in range(20):
        bought = rng.random(int(rng.integers(40, 200))) < 0.2 * np.exp(rng.normal(0, 0.3))
        spent = np.where(bought, rng.gamma(2, 20, len(bought)), 0)
        columns = {"bought": bought.astype(int), "spent": spent}
        frames.append(pd.DataFrame(columns).assign(store=store, variant="ab"[store % 2]))
    con = duckdb.connect()
    con.register("frame", pd.concat(frames))
    con.execute("CREATE TABLE v AS SELECT * FROM frame")
    return con.table("v")


def test_rows_are_compared_by_cluster(stores: duckdb.DuckDBPyRelation):
    """Welch's test of the stores' means, to 1e-9; visitors alone would claim more."""
    frame = stores.df().groupby(["variant", "store"])[["bought", "spent"]].mean()
    found = effects(scan_clusters(stores, ["bought", "spent"], cluster="store"))
    for name, effect in zip(("bought", "spent"), found, strict=True):
        expected = stats.ttest_ind(frame[name]["b"], frame[name]["a"], equal_var=False)
        assert (effect.measure, effect.method) == (name, "clusters")
        assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert effect.difference_low == pytest.approx(expected.confidence_interval().low, rel=1e-9)
    [naive] = effects(scan(stores, [Measure("spent")]))
    width = (naive.difference_high or 0) - (naive.difference_low or 0)
    assert width < 0.9 * ((found[1].difference_high or 0) - (found[1].difference_low or 0))


def test_a_cluster_with_both_variants_is_an_error(stores: duckdb.DuckDBPyRelation):
    """It was not randomised by cluster. Few clusters and missing values are reasons."""
    drawn = "store, bought, CASE WHEN bought = 1 THEN 'a' ELSE 'b' END AS variant"
    mixed = stores.project(drawn)
    with pytest.raises(InputError, match="20 of 20 clusters have both variants"):
        scan_clusters(mixed, ["bought"], cluster="store")
    few = effects(scan_clusters(stores.filter("store < 15"), ["bought"], cluster="store"))
    assert few[0].reason == "one variant has 7 clusters; at least 8 are required"
    holes = stores.project("store, variant, CASE WHEN store <> 3 THEN spent END AS spent")
    [missing] = effects(scan_clusters(holes, ["spent"], cluster="store"))
    assert missing.reason == "a value is missing for 1 visitor"


@pytest.mark.parametrize(("few", "is_pooled"), [(8, True), (13, True), (14, False), (21, False)])
def test_clusters_share_their_variance_below_two_fifths(few: int, is_pooled: bool):
    """13 of 34 are less; 14 of 35 are not."""
    rng = np.random.default_rng(few)
    drawn = [rng.normal(10, 2, n) for n in (21, few)]
    a, b = (Sums.of(len(v), v.sum(), (v * v).sum()) for v in drawn)
    expected = (exchanged if is_pooled else welch)(a, b)
    assert np.ravel(cluster_means(a, b)) == pytest.approx(np.ravel(expected))
    assert np.ravel(cluster_means(b, a).freedom) == pytest.approx(np.ravel(expected.freedom))


def test_a_reason_names_the_fewer_clusters():
    assert [few_clusters(*both) for both in ((8, 8), (9, 8))] == [None, None]
    for both in ((7, 8), (8, 7)):
        assert few_clusters(*both) == "one variant has 7 clusters; at least 8 are required"


def test_days_without_a_sale_have_values_and_no_ratio():
    """A sold nothing on any day: the difference is compared, and there is no ratio."""
    shown = [(day[0], day[1], *((0, 0.0) if day[0] == "a" else day[2:])) for day in days(1, 28)]
    found = read(shown).effects[0]
    of_b = rates(shown)[1]
    assert (found.value_a, found.ratio, found.ratio_low) == (0, None, None)
    assert found.value_b == found.difference == pytest.approx(np.mean(of_b))
    assert found.p_value is not None


def test_a_day_without_visitors_is_no_day():
    """Neither of the order of the days, nor of their means."""
    shown = days(1, 28, lift=0.6)
    closed: Days = [*shown[:9], ("a", 0, 0, 0.0), *shown[9:]]
    assert read(closed).p_value == pytest.approx(read(shown).p_value, rel=1e-9)
    mixed = [Look(Variant(5, 1), Variant(6, 1))]
    assert mixed_days(mixed, BY_DAY) == "both variants had visitors on 1 of 1 days"
    assert mixed_days(mixed, AbPlan()) is mixed_days(looks(shown), BY_DAY) is None


def test_the_plan_by_day_has_no_split_and_no_looks():
    plan = AbPlan("always_valid", share_b=0.5, share_declared=True, planned_looks=4, look=2)
    assert by_unit(plan) == plan
    assert by_unit(plan._replace(unit="day")) == AbPlan("fixed", share_b=0.5, unit="day")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("ab" * 12, None), ("aaabbb" * 4, None),
        ("aaaabbbb" * 3, "changed 5 times in 24 days"),
        ("aababba" * 6, "the variant follows the weekday"),
    ],
)  # fmt: skip
def test_an_order_that_was_chosen_has_a_reason(order: str, said: str | None):
    """By its changes at a p of 1%, or by its weekdays."""
    shown: Days = [(variant, 100, 5, 50.0) for variant in order]
    found = chosen_order(looks(shown))
    treated = [variant == "b" for variant in order]
    expected = min(few_changes_p(treated), by_weekday_p(treated)) < 0.01
    assert (found is not None) is expected is (said is not None)
    assert said is None or said in (found or "")
