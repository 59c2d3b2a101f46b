"""The estimate of a test that stopped early: what is left of it without the bias of its stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.stats import sequential
from d1lab.stats.means import Sums, normal_z, welch
from d1lab.stats.proportions import Rates, score_z
from d1lab.stats.stopping import shrinkage

HALF = AbPlan(share_b=0.5, share_declared=True, ended=False)
ROWS = [(5_000, 250, 270), (10_000, 500, 560), (15_000, 750, 900), (18_000, 900, 990)]


def read(plan: AbPlan, rows: Any = ROWS, **changed: Any) -> Any:
    """The result at the last of the rows: visitors of each, and conversions of A and B."""
    *earlier, (a, b, _) = [
        Look(*(Variant(n, x, 40.0 * x, 2_000.0 * x)._replace(**changed) for x in both))
        for n, *both in rows
    ]
    return compare(a, b, plan, earlier)


def left(result: Any, row: tuple[int, int, int]) -> tuple[float, float]:
    """What is left of the differences and of the lift at a look."""
    n, x_a, x_b = row
    return (
        result.adjusted_difference / ((x_b - x_a) / n),
        (result.adjusted_ratio - 1) / (x_b / x_a - 1),
    )


def test_a_group_sequential_stop_is_corrected_by_its_bounds():
    """The bound is crossed at the third look of five; the fourth changes nothing."""
    plan = HALF._replace(method="group_sequential", planned_visitors=50_000)
    columns = [[n, x_a, n, x_b] for n, x_a, x_b in ROWS]
    z = [float(score_z(Rates.of(x_a, n, x_b, m))) for n, x_a, m, x_b in columns]
    seen = [2 * n for n, *_ in ROWS]
    for count in (3, 4):
        times = [n / 50_000 for n in seen[:count]]
        lines = sequential.bounds(times, 0.05, [n / seen[count - 1] for n in seen[:count]])
        assert [abs(one) >= line for one, line in zip(z, lines, strict=False)].index(True) == 2
        conversions = [float(x_a + x_b) for _, x_a, x_b in ROWS[:3]]
        factor = shrinkage(z[2], lines[:3].tolist(), conversions)
        found = read(plan, ROWS[:count])
        assert left(found, ROWS[2]) == pytest.approx((factor, factor), rel=1e-9)
        assert 0.5 < factor < 1


def test_a_test_that_ended_early_at_its_look_is_corrected_too():
    """Only at the planned end is nothing stopped."""
    plan = HALF._replace(method="group_sequential", planned_visitors=50_000, ended=True)
    assert left(read(plan, ROWS[:3]), ROWS[2])[0] < 1
    due = read(plan._replace(planned_visitors=30_000), ROWS[:3])
    assert (due.winner, due.adjusted_ratio, due.adjusted_difference) == ("b", None, None)
    once = read(plan._replace(method="fixed"), ROWS[2:3])
    assert (once.winner, once.adjusted_ratio) == ("b", None)


@pytest.mark.parametrize("tuned", [None, 3_000])
def test_a_sequence_is_corrected_by_the_width_of_its_prior(tuned: int | None):
    """As if it had stopped on the line of the sequence with the same prior."""
    plan = HALF._replace(method="always_valid", tuned_conversions=tuned)
    found = read(plan)
    weight = sequential.tuned_concentration(tuned) if tuned else sequential.CONCENTRATION
    seen = np.array([x_a + x_b for _, x_a, x_b in ROWS[:3]], dtype=float)
    lines = sequential.sequence_critical(seen, (weight + 1) ** -0.5)
    factor = shrinkage(float(lines[-1]), lines.tolist(), seen.tolist())
    assert left(found, ROWS[2]) == pytest.approx((factor, factor), rel=1e-9)
    assert read(plan, ROWS[:2]).adjusted_ratio is None


def test_looks_count_evenly_where_conversions_are_not_known():
    """Revenue alone: the first look has the information 1, the second 2, the third 3."""
    plan = HALF._replace(
        method="group_sequential", planned_visitors=50_000, primary_metric="revenue"
    )
    found = read(plan, ROWS[:3], conversions=None)
    both = [welch(*(Sums.of(n, 40.0 * x, 2_000.0 * x) for x in (x_a, x_b))) for n, x_a, x_b in ROWS]
    z = float(normal_z(both[2]))
    lines = sequential.bounds([0.2, 0.4, 0.6])
    assert found.adjusted_ratio == pytest.approx(
        1 + shrinkage(z, lines.tolist(), [1, 2, 3]) * (900 / 750 - 1), rel=1e-6
    )
