"""Short forms of the cells of several variants, clusters, days, quantiles, and orders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.ab_tests.arms import compare_arms
from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.model import AbPlan, Arm, Look, Variant
from d1lab.analyses.ab_tests.visitors import VisitorSums, effects
from d1lab.analyses.customers.voucher_assignment import assign
from d1lab.stats import means
from d1lab.stats.means import Pairs
from validation import ab_arms, ab_clusters, ab_designs, ab_orders, vouchers
from validation.measured import ERRS, measured, table

CELLS = (
    ab_arms.Several("conversions", 60_000),
    ab_arms.Several("revenue", 60_000, ab_arms.QUARTERS),
    ab_arms.Several("revenue", 60_000, (0.5, 0.25, 0.25)),
)


@pytest.mark.parametrize("cell", CELLS, ids=["holm", "dunnett", "pooled"])
def test_several_variants_are_decided_as_the_program_does(cell: ab_arms.Several):
    """Winners, losers, and what the intervals cover, with lifts around what is significant."""
    rng = np.random.default_rng(8)
    drawn = ab_arms.draw(cell, rng.normal(0, 0.11, (3, len(cell.shares) - 1)), rng)
    found = ab_arms.compared(cell, drawn)
    truth = ab_arms.truth(cell, drawn)
    plan = AbPlan(primary_metric=cell.metric)  # pyright: ignore[reportArgumentType]
    for test, p in enumerate(found.p):
        a, *others = (variant(cell, drawn, test, place) for place in range(len(cell.shares)))
        arms = [Arm(name, one) for name, one in zip("bcd", others, strict=False)]
        result = compare_arms(a, arms, plan)
        assert {arm.correction for arm in result.arms} == {found.correction}
        for place, arm in enumerate(result.arms):
            low, high = arm.result.difference_low, arm.result.difference_high
            assert low is not None
            assert high is not None
            assert ((arm.result.p_value or 1) < 0.05) == (p[place] < 0.05)
            assert (low <= truth[test, place] <= high) == found.covers[test, place]
    assert 0 < (found.p < 0.05).sum() < found.p.size


def variant(cell: ab_arms.Several, drawn: ab_arms.Drawn, test: int, place: int) -> Variant:
    counts = int(drawn.visitors[test, place]), int(drawn.conversions[test, place])
    if cell.metric == "conversions":
        return Variant(*counts)
    money = float(drawn.revenue[test, place]), float(drawn.revenue_squares[test, place])
    return Variant(*counts, *money)


@pytest.mark.parametrize("metric", ["conversions", "revenue"])
def test_watched_variants_are_decided_as_the_program_does(metric: str):
    """Three variants on the last of their days, at half of alpha each."""
    cell = ab_arms.Watched(metric, 500, 3)
    drawn = ab_arms.watch(cell, 4, 0.3, np.random.default_rng(2))
    last = ab_arms.Drawn(*(part[:, :, -1:] for part in drawn))
    plan = AbPlan(
        method="always_valid",
        primary_metric=metric,  # pyright: ignore[reportArgumentType]
        share_b=1 / 3,
        share_declared=True,
        ended=False,
    )
    for test, expected in enumerate(ab_arms.decided(cell, last)):
        column = [[part[test, arm, 0] for part in last[:4]] for arm in range(3)]
        a, *others = (Variant(int(n), int(x), y, yy) for n, x, y, yy in column)
        if metric == "conversions":
            a, *others = (Variant(*one[:2]) for one in (a, *others))
        arms = [Arm(name, one, 1 / 3) for name, one in zip("bc", others, strict=True)]
        found = [arm.result.winner is not None for arm in compare_arms(a, arms, plan).arms]
        assert found == expected.tolist()


@pytest.mark.parametrize("counts", [(9, 9), (8, 40)])
def test_clusters_are_compared_as_the_program_does(counts: tuple[int, int]):
    """p of the sums that `scan_clusters` returns, at an even and an uneven number of clusters."""
    rng = np.random.default_rng(3)
    rates = [rng.beta(1, 19, (1, count)) for count in counts]
    a, b = (ab_clusters.sums(one) for one in rates)
    pairs = (Pairs.of(*(float(total[0]) for total in one), 0.0, 0.0, 0.0) for one in (a, b))
    [found] = effects([VisitorSums("bought", *pairs, role="cluster")])
    expected = float(means.p_value(ab_clusters.cluster_means(a, b))[0])
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_few_clusters_beside_many_keep_the_limit():
    """8 beside 40, of much alike visitors: Welch's test would declare 14%."""
    cell = ab_clusters.Clusters((8, 40), 0.2, 1.0)
    found = {one.figure: one for one in ab_clusters.clusters(2_000, 5, (cell,))}
    assert found["false positives"].share <= 0.06 + 2 * 0.005
    assert 0.93 - 0.01 <= found["difference covered"].share <= 0.97 + 0.01
    assert 0.93 - 0.01 <= found["ratio covered"].share <= 0.97 + 0.01


def test_days_that_were_chosen_have_no_answer():
    """A week each and weekends: none. At random: nearly all, with few false positives."""
    cells = [ab_clusters.Switchback(28, order, 0.8) for order in ab_clusters.ORDERS]
    found = ab_clusters.switchbacks(500, 6, tuple(cells))
    answers = {one.cell[0]: one.share for one in found if one.figure == "answers"}
    assert answers["a week each"] == answers["B on weekends"] == 0
    assert answers["every other day"] == 1
    assert answers["at random"] > 0.95
    wrong = {one.cell[0]: one.share for one in found if one.figure == "false positives"}
    assert max(wrong["at random"], wrong["every other day"]) <= 0.06 + 2 * 0.01


def test_days_are_answered_as_the_program_does():
    """The looks of a test by day, whose variant changed by week, by weekday, or at random."""
    rng = np.random.default_rng(4)
    for order, draw in ab_clusters.ORDERS.items():
        [in_b] = draw(1, 28, rng).tolist()
        a, b = np.zeros(2, dtype=int), np.zeros(2, dtype=int)
        looks: list[Look] = []
        for is_b in in_b:
            (b if is_b else a)[:] += 400, rng.binomial(400, 0.05)
            now = [Variant(int(n), int(x)) for n, x in (a, b)]
            looks.append(Look(now[0], now[1]))
        found = compare(looks[-1].a, looks[-1].b, AbPlan(unit="day"), looks[:-1])
        assert (found.p_value is not None) == ab_clusters.is_random(in_b), order
        if order == "a week each":
            assert found.reason is not None
            assert found.reason.startswith("the variant changed 3 times in 28 days")


@pytest.mark.parametrize("customers", [120, 300, 301, 1_003])
def test_vouchers_go_to_as_many_customers_as_the_program_sends_them(customers: int):
    """Halves of each stratum, for numbers of customers that cannot be halved, too."""
    rng = np.random.default_rng(7)
    pace = rng.lognormal(0, 1, customers).round(2)
    overdue = pd.DataFrame({"customer_id": [f"c{n:05}" for n in range(customers)], "pace": pace})
    expected = assign(overdue, 1).groupby("stratum")["is_sent"].agg(["sum", "size"])
    stratum, sent = vouchers.drawn_halves(1, customers, rng)
    found = pd.Series(sent[0]).groupby(stratum + 1).agg(["sum", "size"])
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()


def test_the_page_has_every_cell():
    """A few tests per cell: a row each, and no answer where the program abstains."""
    found = {
        "several": ab_arms.several(20, 1, CELLS),
        "watched": ab_arms.watched(20, 1, ab_arms.WATCHED[:1]),
        "clusters": ab_clusters.clusters(20, 1),
        "switchbacks": ab_clusters.switchbacks(20, 1),
        "quantiles": ab_orders.quantiles(20, 1, ab_orders.QUANTILES[:2]),
        "repeats": ab_orders.repeats(6, 1, ab_orders.REPEATS[:1]),
        "vouchers": vouchers.vouchers(8, 1, vouchers.CELLS[:2]),
    }
    assert list(found) == list(ab_designs.PARTS)
    text = ab_designs.page(found)
    assert text.count("\n| ") == sum(len({one.cell for one in part}) + 1 for part in found.values())
    assert "| a week each | 28 | 0.8 | no answer | no answer | no answer | 0.0 |" in text


def test_a_figure_outside_its_limits_is_named():
    """7 of 100 false positives are; 5 are not, nor is a cell without an answer."""
    cell = ("revenue", "100")
    wrong = measured(cell, "false positives", np.arange(100) < 7, ERRS)
    assert ab_designs.faults({"a": [wrong]}) == ["revenue, 100: false positives 7.0% of 100"]
    right = measured(cell, "false positives", np.arange(100) < 5, ERRS)
    silent = measured(cell, "covered", np.ones(9), (0.9, 0.97), np.zeros(9, dtype=bool))
    narrow = measured(cell, "covered", np.arange(1_000) < 900, (0.93, 0.97))
    assert [one.fault() is None for one in (right, silent, narrow)] == [True, True, False]
    assert table(("a", "b"), [right, silent]).endswith("| revenue | 100 | 5.0 | no answer |")
