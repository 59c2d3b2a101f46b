"""Rows per visitor: one scan, and the published rates of Hillstrom's test up to a verdict."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats

from d1lab.analyses.ab_tests.exposures import Measure, scan, scan_arms, scan_clusters, values
from d1lab.analyses.ab_tests.visitors import VisitorEffect, arm_effects, effects
from d1lab.errors import InputError, UnknownName

MENS, WOMENS, NONE = "Mens E-Mail", "Womens E-Mail", "No E-Mail"


@pytest.fixture(scope="module")
def rows() -> duckdb.DuckDBPyRelation:
    """Return 4,000 visitors whose spend correlates with earlier spend; B adds 1."""
    rng = np.random.default_rng(7)
    n = 4_000
    before = rng.gamma(2.0, 10.0, n)
    variant = np.where(rng.random(n) < 0.4, "b", "a")
    spend = 0.8 * before + rng.normal(0, 3, n) + (variant == "b")
    frame = {"variant": variant, "spend": spend, "before": before, "orders": rng.poisson(2, n)}
    frame["part"] = np.where(np.arange(n) % 3 == 0, "new", "known")
    frame["exposed"], frame["measured"] = np.full(n, 10), np.where(np.arange(n) == 9, 11, 9)
    con = duckdb.connect()
    import pandas as pd

    con.register("frame", pd.DataFrame(frame))
    con.execute("CREATE TABLE visitors AS SELECT * FROM frame")
    return con.table("visitors")


def one(found: list[VisitorEffect], **wanted: Any) -> VisitorEffect:
    [effect] = [e for e in found if all(getattr(e, k) == v for k, v in wanted.items())]
    return effect


def half_width(effect: Any) -> float:
    return (effect.difference_high - effect.difference_low) / 2


def test_cuped_finds_what_noise_hides(rows: Any) -> None:
    """The same difference with at most a third of the width, including the true value."""
    found = effects(scan(rows, [Measure("spend"), Measure("spend", covariate="before")]))
    plain, cuped = one(found, method="welch"), one(found, method="cuped")
    assert half_width(cuped) < half_width(plain) / 3
    assert (cuped.difference_low or 9) < 1 < (cuped.difference_high or 0)


def test_cuped_is_the_regression_on_rows(rows: Any) -> None:
    """The result from sums equals that from rows."""
    frame = rows.df()
    y, x, in_b = frame.spend.to_numpy(), frame.before.to_numpy(), (frame.variant == "b").to_numpy()
    theta = np.cov(x, y)[0, 1] / x.var(ddof=1)
    adjusted = y - theta * (x - x.mean())
    [ours] = effects(scan(rows, [Measure("spend", covariate="before")]))
    expected = adjusted[in_b].mean() - adjusted[~in_b].mean()
    assert ours.difference == pytest.approx(expected, rel=1e-9)


def test_caps_come_from_both_variants_together(rows: Any) -> None:
    """2% cut at each end of the pooled distribution; the uncapped measure is also returned."""
    frame = rows.df()
    low, high = np.quantile(frame.spend, [0.02, 0.98])
    cut = frame.spend.clip(low, high)
    expected = cut[frame.variant == "b"].mean() - cut[frame.variant == "a"].mean()
    found = effects(scan(rows, [Measure("spend", cap=0.02)]))
    assert [e.capped for e in found] == [False, True]
    assert found[1].difference == pytest.approx(expected, rel=1e-9)
    assert found[0].difference != found[1].difference


def test_several_variants_share_the_error_rate(rows: Any) -> None:
    """Means by Dunnett, with the correlation of the rows' means; 1 and 0 by Holm."""
    third = "['a', 'c', 'b'][1 + (before * 1000)::BIGINT % 3] AS arm"
    arms = rows.query("v", f"SELECT *, {third}, (spend > 25)::INT AS big FROM v")
    found = arm_effects(scan_arms(arms, [Measure("spend"), Measure("big")], variant="arm"))
    frame = arms.df()
    groups = [frame.spend[frame.arm == arm].to_numpy() for arm in "abc"]
    of_a, *others = (group.var(ddof=1) / len(group) for group in groups)
    t = [
        abs(group.mean() - groups[0].mean()) / np.sqrt(of_a + of_b)
        for group, of_b in zip(groups[1:], others, strict=True)
    ]
    shared = of_a / np.sqrt((of_a + others[0]) * (of_a + others[1]))
    cover = stats.multivariate_normal([0, 0], [[1, shared], [shared, 1]], seed=1)
    theirs = [1 - cover.cdf([x, x], lower_limit=[-x, -x]) for x in t]
    assert [found[arm][0].adjusted_p for arm in "bc"] == pytest.approx(theirs, abs=1e-3)
    alone = effects(scan(arms, [Measure("big")], variant="arm", b="b"))[0].p_value or 0.0
    other = effects(scan(arms, [Measure("big")], variant="arm", b="c"))[0].p_value or 0.0
    smaller = min(2 * min(alone, other), 1.0)
    expected = [smaller if p == min(alone, other) else max(p, smaller) for p in (alone, other)]
    assert [found[arm][1].adjusted_p for arm in "bc"] == pytest.approx(expected)
    for one_effect in (*found["b"], *found["c"]):
        low, high = one_effect.difference_low or 0.0, one_effect.difference_high or 0.0
        assert (low > 0 or high < 0) == ((one_effect.adjusted_p or 1) < 0.05)
    with pytest.raises(InputError, match="no variant beside"):
        scan_arms(arms.filter("arm = 'a'"), [Measure("big")], variant="arm")


def test_segments_are_adjusted_for_their_number(rows: Any) -> None:
    """Each segment has its own and an adjusted p-value; all visitors come first."""
    whole, known, new = effects(scan(rows, [Measure("spend")], segment="part"))
    assert (whole.segment, known.segment, new.segment) == (None, "known", "new")
    assert whole.adjusted_p is None
    p = sorted([known.p_value or 0, new.p_value or 0])
    assert sorted([known.adjusted_p or 0, new.adjusted_p or 0]) == pytest.approx(
        [min(2 * p[0], p[1]), p[1]]
    )
    [alone] = effects(scan(rows, [Measure("spend")]))
    assert whole.p_value == pytest.approx(alone.p_value, rel=1e-12)


def test_covariate_after_exposure_is_refused(rows: Any) -> None:
    """One visitor's covariate was measured a day late: no CUPED."""
    asked = [Measure("spend", covariate="before")]
    sums = scan(rows, asked, exposed_at="exposed", covariate_until="measured")
    [refused] = effects(sums)
    assert (refused.status, refused.p_value) == ("covariate_after_exposure", None)


def test_unbalanced_covariate_is_refused(rows: Any) -> None:
    """A covariate that the test itself changed was not measured before it."""
    moved = rows.project("variant, spend, before + CASE variant WHEN 'b' THEN 9 ELSE 0 END AS x")
    [refused] = effects(scan(moved, [Measure("spend", covariate="x")]))
    assert refused.status == "covariate_after_exposure"
    assert "differs" in (refused.reason or "")


def test_missing_values_are_refused(rows: Any) -> None:
    """A missing value is not zero, and NaN is a missing value."""
    gaps = rows.project("variant, before, CASE WHEN before > 80 THEN NULL ELSE spend END AS spend")
    unknown = gaps.filter("spend IS NULL").shape[0]
    for asked in (Measure("spend"), Measure("before", covariate="spend")):
        [refused] = effects(scan(gaps, [asked]))
        assert (refused.status, refused.p_value) == ("insufficient_data", None)
        assert f" {unknown} visitors" in (refused.reason or "")
    odd = rows.project("variant, CASE WHEN before > 80 THEN 'nan'::DOUBLE ELSE spend END AS odd")
    [refused] = effects(scan(odd, [Measure("odd")]))
    assert (refused.status, refused.p_value) == ("invalid_input", None)


def test_wrong_measures_are_named(rows: Any) -> None:
    """For a typo, the error suggests the nearest column; a cap must be a share."""
    with pytest.raises(UnknownName, match="'spend'"):
        scan(rows, [Measure("spent")])
    with pytest.raises(InputError, match="cap"):
        scan(rows, [Measure("spend", cap=0.7)])
    with pytest.raises(InputError, match="covariate"):
        scan(rows, [Measure("spend", covariate="before", per="orders")])
    with pytest.raises(InputError, match="exposures"):
        scan(rows, [Measure("part")])


ROWS = """
SELECT * FROM (VALUES
    ('a', 'x', 1, 10.0, 2.0, 5, 4), ('a', 'x', 0, 20.0, 3.0, 5, 6), ('a', 'y', 1, 30.0, 4.0, 5, 5),
    ('b', 'y', 1, 40.0, 5.0, 5, 9), ('b', 'y', 0, 50.0, 6.0, 5, 1), ('b', NULL, 1, 70.0, 8.0, 5, 1),
    ('c', 'x', 1, 90.0, 9.0, 5, 9)
) AS v (variant, part, bought, spent, earlier, exposed, measured)
"""


@pytest.fixture(scope="module")
def seven() -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql(ROWS)


def test_sums_are_those_of_the_rows(seven: Any) -> None:
    """By measure, then by segment, without the third variant; a covariate or denominator is x."""
    asked = [
        Measure("spent"),
        Measure("spent", covariate="earlier"),
        Measure("spent", per="bought"),
    ]
    plain, cuped, ratio = scan(seven, asked, exposed_at="exposed", covariate_until="measured")
    assert plain.a == (3, 60, 1_400, 0, 0, 0)
    assert plain.b == (3, 160, 9_000, 0, 0, 0)
    assert cuped.a == (3, 60, 1_400, 9, 29, 200)
    assert cuped.b == (3, 160, 9_000, 19, 125, 1_060)
    assert ratio.a == (3, 60, 1_400, 2, 2, 40)
    assert [one[3:] for one in (plain, cuped, ratio)] == [
        ("plain", None, False, 0, 2), ("covariate", None, False, 0, 2),
        ("denominator", None, False, 0, 2),
    ]  # fmt: skip
    assert [one.measure for one in (plain, cuped, ratio)] == ["spent", "spent", "spent / bought"]
    for times in ({"exposed_at": "exposed"}, {"covariate_until": "measured"}, {}):
        [one] = scan(seven, asked[1:2], **times)
        assert one.late == 0
    [swapped] = scan(seven, asked[:1], a="c", b="a")
    assert (swapped.a, swapped.b.y) == ((1, 90, 8_100, 0, 0, 0), 60)


def test_segments_follow_all_visitors_of_their_measure(seven: Any) -> None:
    """A row without a segment is one of its own; a row without the variant's is skipped."""
    found = scan(seven, [Measure("spent"), Measure("bought")], segment="part")
    assert [(one.measure, one.segment) for one in found] == [
        (name, part) for name in ("spent", "bought") for part in (None, "None", "x", "y")
    ]
    assert [(float(one.a.y), float(one.b.y)) for one in found[:4]] == [
        (60, 160), (0, 70), (30, 0), (30, 90),
    ]  # fmt: skip
    assert [int(one.a.n + one.b.n) for one in found[4:]] == [6, 1, 2, 3]


def test_a_cap_is_inclusive_and_of_both_variants(seven: Any) -> None:
    """Of 10, 20, 30, 40, 50, 70: a fourth at each end is cut to 22.5 and 47.5."""
    plain, capped = scan(seven, [Measure("spent", cap=0.25)])
    assert (plain.capped, capped.capped) == (False, True)
    assert [float(capped.a.y), float(capped.b.y)] == [22.5 + 22.5 + 30, 40 + 47.5 + 47.5]
    assert [float(plain.a.y), float(plain.b.y)] == [60, 160]
    twice = scan(seven, [Measure("spent"), Measure("spent", cap=0.25)])
    assert [one.capped for one in twice] == [False, True]
    for cap in (0.0, 0.5, -0.1):
        with pytest.raises(InputError, match="cap="):
            scan(seven, [Measure("spent", cap=cap)])


def test_missing_values_are_those_of_either_column(seven: Any) -> None:
    gaps = seven.project(
        "variant, CASE WHEN spent > 45 THEN NULL ELSE spent END AS spent, "
        "CASE WHEN spent > 15 THEN earlier END AS earlier"
    )
    found = scan(gaps, [Measure("spent"), Measure("spent", covariate="earlier")])
    assert [one.missing for one in found] == [2, 3]
    assert [float(x) for x in found[0].b] == [3, 40, 1_600, 0, 0, 0]


@pytest.mark.parametrize(
    "given",
    [{"variant": "arm"}, {"segment": "region"}, {"exposed_at": "seen"}, {"covariate_until": "til"}],
)
def test_a_column_that_does_not_exist_is_named(seven: Any, given: dict[str, str]) -> None:
    with pytest.raises(UnknownName, match=next(iter(given.values()))):
        scan(seven, [Measure("spent")], **given)
    for asked in (Measure("x"), Measure("spent", per="x"), Measure("spent", covariate="x")):
        with pytest.raises(UnknownName, match="column 'x'"):
            scan(seven, [asked])
    with pytest.raises(UnknownName, match="column 'arm'"):
        scan_arms(seven, [Measure("spent")], variant="arm")


def test_every_other_variant_is_compared_with_the_control(seven: Any) -> None:
    """In their order; rows without a variant are nobody's."""
    times = {"exposed_at": "exposed", "covariate_until": "measured"}
    asked = [Measure("spent", covariate="earlier")]
    found = scan_arms(seven, asked, segment="part", **times)
    assert list(found) == ["b", "c"]
    assert found["b"] == scan(seven, asked, segment="part", **times)
    assert found["c"][0].b.y == 90
    others = scan_arms(seven, asked, control="c")
    assert list(others) == ["a", "b"]
    some = seven.project("* REPLACE (nullif(variant, 'c') AS variant)")
    assert list(scan_arms(some, asked)) == ["b"]


def test_the_mean_of_each_cluster_counts_once(seven: Any) -> None:
    """Parts x and y as clusters of A alone; B's part y would be both."""
    of_a = seven.filter("variant <> 'b'")
    [sums] = scan_clusters(of_a, ["spent"], cluster="part", b="none")
    assert sums.role == "cluster"
    assert [float(x) for x in sums.a[:3]] == [2, 15 + 30, 15**2 + 30**2]
    with pytest.raises(InputError, match="1 of 2 clusters have both variants"):
        scan_clusters(seven, ["spent"], cluster="part")
    [third] = scan_clusters(seven.filter("part <> 'y'"), ["spent"], cluster="part", b="c", a="b")
    assert (int(third.a.n), int(third.b.n)) == (0, 1)
    with pytest.raises(UnknownName, match="column 'store'"):
        scan_clusters(seven, ["spent"], cluster="store")
    with pytest.raises(InputError, match="exposures"):
        scan_clusters(seven.project("*, 'text' AS word"), ["word"], cluster="part", b="none")
    hole = of_a.project("* REPLACE (CASE WHEN spent <> 10 THEN spent END AS spent)")
    [missing] = scan_clusters(hole, ["spent"], cluster="part", b="none")
    assert missing.missing == 1


def test_values_of_both_variants(seven: Any) -> None:
    a, b = values(seven.project("*, nullif(spent, 20) AS known"), "known")
    assert (a.tolist(), b.tolist()) == ([10.0, 30.0], [40.0, 50.0, 70.0])
    c, a = values(seven, "bought", a="c", b="a")
    assert (c.tolist(), a.tolist()) == ([1.0], [1.0, 0.0, 1.0])
    with pytest.raises(UnknownName, match="column 'arm'"):
        values(seven, "spent", variant="arm")
    with pytest.raises(InputError, match="exposures"):
        values(seven, "part")
