"""A guardrail looks at the unfavorable end of the winner's interval."""

from __future__ import annotations

import math

import pytest

from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.guardrails import check
from d1lab.analyses.ab_tests.model import Guardrail

EFFECT = Effect(
    "revenue", ratio_low=0.95, ratio_high=1.25, difference_low=-0.4, difference_high=1.6
)


@pytest.mark.parametrize(
    ("winner", "is_relative", "worst"),
    [("b", True, -0.05), ("a", True, -0.2), ("b", False, -0.4), ("a", False, -1.6)],
)
def test_worst_is_the_end_against_the_winner(winner, is_relative, worst):
    """For A it is the upper end, turned round: B may sell 25% more, so A 20% less."""
    [found] = check([Guardrail("revenue", 0.3, is_relative)], [EFFECT], winner)
    assert found.worst == pytest.approx(worst)
    assert found.passed is (worst > -0.3)


def test_the_margin_itself_is_too_much():
    effect = EFFECT._replace(ratio_low=0.75)
    [exact] = check([Guardrail("revenue", 0.25)], [effect], "b")
    assert exact.passed is False


@pytest.mark.parametrize(("ends", "winner"), [((None, 1.1), "b"), ((0.9, 0.0), "a")])
def test_without_an_end_nothing_passes(ends, winner):
    effect = EFFECT._replace(ratio_low=ends[0], ratio_high=ends[1])
    [found] = check([Guardrail("revenue", 0.3)], [effect], winner)
    assert (found.worst, found.passed) == (None, None)
    [unbounded] = check([Guardrail("revenue", 0.3)], [EFFECT._replace(ratio_high=math.inf)], "a")
    assert (unbounded.worst, unbounded.passed) == (-1, False)
