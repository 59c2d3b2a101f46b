"""A guardrail looks at the unfavorable end of the winner's interval."""

from __future__ import annotations

import math

import pytest

from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.guardrails import BreakEven, GuardrailResult, break_even, check
from d1lab.analyses.ab_tests.model import Guardrail, Variant

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


@pytest.mark.parametrize(
    ("effects", "reason"),
    [
        ([], "no interval for revenue"),
        ([Effect("profit", ratio_low=0.9)], "no interval for revenue"),
        ([Effect("revenue")], "no interval for revenue"),
        ([Effect("revenue", reason="too few")], "too few"),
    ],
)
def test_a_guardrail_that_cannot_be_checked_says_why(effects, reason):
    for winner in ("a", "b"):
        for relative in (True, False):
            [found] = check([Guardrail("revenue", 0.3, relative)], effects, winner)
            assert found == GuardrailResult("revenue", 0.3, relative, None, None, reason)
    assert BreakEven() == (None, None, None)
    assert GuardrailResult("revenue", 0.3, True, None, None).reason is None


def test_each_guardrail_has_its_own_effect():
    """In the order of the plan; what is within the margin has no reason."""
    rails = [Guardrail("profit", 0.1), Guardrail("revenue", 0.1)]
    profit = EFFECT._replace(metric="profit", ratio_low=0.8)
    failed, passed = check(rails, [EFFECT, profit], "b")
    assert failed == GuardrailResult(
        "profit",
        0.1,
        True,
        pytest.approx(-0.2),
        False,
        "profit may decrease by more than the margin",
    )
    assert passed == GuardrailResult("revenue", 0.1, True, pytest.approx(-0.05), True, None)


def sold(orders: int | None, profit: float | None = None, revenue: float | None = None) -> Variant:
    return Variant(1_000, orders, revenue=revenue, profit=profit)


def earns(p: float | None, direction: int, metric: str = "profit") -> list[Effect]:
    return [Effect("conversions"), Effect(metric, p_value=p, direction=direction)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("a", "b", "effects", "expected"),
    [
        (sold(50, 200.0), sold(40, 120.0), earns(0.01, 1), (4 / 3, "profit", "met")),
        (sold(50, 200.0), sold(40, 120.0), earns(0.01, -1), (4 / 3, "profit", "missed")),
        (sold(50, 200.0), sold(40, 120.0), earns(0.01, 0), (4 / 3, "profit", "missed")),
        (sold(50, 200.0), sold(40, 120.0), earns(0.05, 1), (4 / 3, "profit", "open")),
        (sold(50, 200.0), sold(40, 120.0), earns(None, 0), (4 / 3, "profit", None)),
        (sold(50, 200.0), sold(40, 120.0), [], (4 / 3, "profit", None)),
        (sold(50, 200.0), sold(40, 120.0), earns(0.01, 1, "revenue"), (4 / 3, "profit", None)),
        (sold(50, 200.0), sold(40, 0.0), earns(0.01, -1), (None, "profit", "never")),
        (sold(50, 200.0), sold(40, -9.0), earns(0.01, -1), (None, "profit", "never")),
        (sold(50, 0.0), sold(40, 120.0), earns(0.01, 1), (None, None, None)),
        (sold(50, -1.0), sold(40, 120.0), earns(0.01, 1), (None, None, None)),
        (sold(50, 0.5), sold(40, 0.4), earns(0.01, 1), (1.0, "profit", "met")),
        (sold(0, 200.0), sold(40, 120.0), earns(0.01, 1), (None, None, None)),
        (sold(50, 200.0), sold(None, 120.0), earns(0.01, 1), (None, None, None)),
        (sold(50), sold(40), earns(0.01, 1), (None, None, None)),
        (sold(50, 200.0, 500.0), sold(40, None, 200.0), earns(0.01, 1, "revenue"),
         (2.0, "revenue", "met")),
        (sold(50, None, 500.0), sold(40, 120.0, 200.0), earns(0.01, -1, "revenue"),
         (2.0, "revenue", "missed")),
        (sold(50, 200.0, 500.0), sold(40, 120.0, 200.0), earns(0.01, -1), (4 / 3, "profit",
                                                                            "missed")),
    ],
)  # fmt: skip
def test_b_breaks_even_where_it_earns_as_much_per_visitor(a, b, effects, expected):
    """By profit if both are known, else by revenue; nothing is claimed without a test."""
    found = break_even(a, b, effects, 0.05)
    assert found == (expected[0] and pytest.approx(expected[0]), *expected[1:])
