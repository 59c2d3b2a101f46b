"""One p-value, direction, and interval of all looks."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.ab_tests.conclusion import Effect, LookEffects, conclude, over_looks
from d1lab.analyses.ab_tests.looks import Timeline, timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.stats.sequential import repeated_p

BLANK = Effect("conversions", value_a=0.1, value_b=0.12, difference=0.02, ratio=1.2)


def track(p: float, z: list[float], low: list[float], high: list[float]) -> LookEffects:
    """Effects at looks that require |z| of 3, 2.5, and 2; ratios are 1 more than differences."""
    ends = np.array(low), np.array(high)
    bound = np.array([3.0, 2.5, 2.0])[-len(z) :]
    ratio = ends[0] + 1, ends[1] + 1
    return LookEffects("score", p, np.array(z), bound, ends, ratio, 0.031, 0.2)


@pytest.mark.parametrize(
    ("p", "z", "low", "high", "direction", "interval"),
    [
        (0.2, [1.0, 1.5, 1.9], [-3, -2, -1], [5, 4, 3], 1, (-1, 3)),  # the intersection
        (0.2, [1.0, -1.5, -1.9], [-3, -2, -4], [5, 4, 6], -1, (-2, 4)),
        (0.2, [1.9], [1], [3], 1, (0, 3)),  # p decides: the interval is extended to 0
        (0.2, [-1.9], [-3], [-1], -1, (-3, 0)),
        (0.01, [1.0, 2.6, 1.0], [-3, 1, -1], [5, 4, 3], 1, (1, 3)),  # the look that crossed
        (0.01, [1.0, -2.6, 1.0], [-3, -4, -1], [5, -1, 3], -1, (-1, -1)),
        (0.01, [-3.0, 2.6, 1.0], [-9, -4, -4], [-1, 3, 3], -1, (-4, -1)),  # the first one
        (0.01, [1.0, 1.0, 2.0], [-3, -2, -1], [5, 4, 3], 1, (5e-324, 3)),  # and cut at 0
        (0.01, [1.0, 1.0, -2.0], [-3, -2, -1], [5, 4, 3], -1, (-1, -5e-324)),
        (0.01, [1.0, 1.0, 1.9], [-3, -2, 1], [5, 4, 3], 1, (1, 3)),  # none crossed: the last
        (0.01, [1.0, 2.6, 1.0], [2, 1, -1], [5, 4, 1.5], 1, None),  # nothing is left over
        (0.01, [0.0], [-1], [1], 0, (-1, 1)),
        (0.2, [1.0, 1.0], [np.nan, -1], [np.nan, 2], 1, (-1, 2)),
        (0.2, [1.0, 1.0], [-1, np.nan], [2, 3], 1, None),
        (0.2, [1.0, 1.0], [-1, -1], [2, np.nan], 1, None),
    ],
)  # fmt: skip
def test_the_interval_is_the_intersection_on_the_side_of_p(p, z, low, high, direction, interval):
    """p and alpha decide; where the interval of another method disagrees, it is cut or extended."""
    found = conclude(BLANK, track(p, z, low, high), 0.05)
    assert found.direction == direction
    ends = interval or (None, None)
    assert (found.difference_low, found.difference_high) == ends
    ratio = [None if end is None else pytest.approx(1 + end, abs=1e-12) for end in ends]
    assert [found.ratio_low, found.ratio_high] == ratio
    assert (found.method, found.p_value, found.mid_p, found.variance_saved) == (
        "score", p, 0.031, 0.2,
    )  # fmt: skip
    assert found[2:5] == BLANK[2:5]


def test_p_at_alpha_does_not_reject():
    at = conclude(BLANK, track(0.05, [1.9], [1], [3]), 0.05)
    assert at.difference_low == 0
    assert conclude(BLANK, track(0.05, [1.9], [1], [3]), 0.051).difference_low == 1


def test_without_visitors_there_is_a_ratio_only():
    known = track(0.2, [1.0], [-1], [2])._replace(difference=None)
    found = conclude(BLANK, known, 0.05)
    assert (found.difference_low, found.difference_high) == (None, None)
    assert (found.ratio_low, found.ratio_high) == (0, 3)
    nothing = Effect("profit")._asdict()  # what is not known is None
    assert nothing == dict.fromkeys(Effect._fields) | {"metric": "profit", "direction": 0}
    assert (found.adjusted_p, found.status, found.reason) == (None, None, None)
    blank = conclude(BLANK, known._replace(mid_p=None, variance_saved=None), 0.05)
    assert LookEffects(*known[:6]) == known._replace(mid_p=None, variance_saved=None)
    assert (blank.mid_p, blank.variance_saved) == (None, None)


def _line(plan: AbPlan, *shares: float) -> Timeline:
    line = timeline([Look(Variant(), Variant(), share) for share in shares], plan)
    assert line is not None
    return line


def test_p_of_a_test_read_once_is_that_of_its_look():
    """At the end of its plan, or without one; z has the sign of the effect."""
    plan = AbPlan()
    p, z = over_looks(np.array([0.05]), np.array([-1.0]), _line(plan, 1.0), plan)
    assert p == 0.05
    assert z == pytest.approx([1.959963984540054 * -1])
    early = over_looks(np.array([0.05]), np.array([1.0]), _line(plan, 0.5), plan)
    assert early[0] == pytest.approx(repeated_p([1.959963984540054], [0.5]))
    assert early[0] > 0.1


def test_p_of_several_looks_has_those_that_are_not_known():
    """The third of five looks, with the share of the plan as information."""
    plan = AbPlan(method="group_sequential", planned_looks=5, look=3, ended=False)
    looks = timeline([Look(Variant(), Variant())], plan)
    assert looks is not None
    p, z = over_looks(np.array([0.005]), np.array([1.0]), looks, plan)
    assert p == pytest.approx(repeated_p([0, 0, float(z[0])], [0.2, 0.4, 0.6]))
    both = _line(plan._replace(look=None), 0.2, 0.4)
    p, z = over_looks(np.array([0.4, 0.0005]), np.array([1.0, 1.0]), both, plan)
    assert p == pytest.approx(repeated_p(z, [0.2, 0.4]))
