"""Which metric decides, and when lower totals hold a winner back."""

from __future__ import annotations

import pytest

from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.earnings import deciding_metric, default_metric, untested_loss
from d1lab.analyses.ab_tests.guardrails import GuardrailResult
from d1lab.analyses.ab_tests.model import Variant

FULL = Variant(100, 5, profit=1.0, profit_squares=1.0)


@pytest.mark.parametrize("name", ["visitors", "profit", "profit_squares"])
def test_profit_is_the_metric_if_both_variants_can_be_tested(name: str) -> None:
    lacking = FULL._replace(**{name: None})
    assert default_metric(FULL, FULL) == "profit"
    assert default_metric(FULL, lacking) == default_metric(lacking, FULL) == "conversions"


def effects(p: float | None, direction: int, *others: tuple[str, float | None, int]) -> dict:
    made = [("conversions", p, direction), *others]
    return {name: Effect(name, p_value=p, direction=side) for name, p, side in made}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "direction", "others", "decides"),
    [
        (0.01, 1, [], "conversions"),
        (0.01, 1, [("profit", 0.049, -1)], "profit"),  # both tests reject
        (0.01, 1, [("profit", 0.05, -1)], "conversions"),
        (0.01, 1, [("profit", 0.001, 1)], "conversions"),
        (0.01, 1, [("profit", 0.001, 0)], "conversions"),
        (0.01, -1, [("profit", 0.001, -1)], "conversions"),  # A won by the declared metric
        (0.05, 1, [("profit", 0.025, -1)], "conversions"),  # undecided: half of alpha
        (0.05, 1, [("profit", 0.0249, -1)], "profit"),
        (0.05, -1, [("profit", 0.0249, -1)], "profit"),
        (None, 0, [("profit", 0.0249, -1)], "profit"),
        (0.01, 1, [("profit", None, 0), ("revenue", 0.04, -1)], "revenue"),
        (0.01, 1, [("revenue", 0.04, -1)], "revenue"),
        (0.01, 1, [("profit", 0.9, 1), ("revenue", 0.001, -1)], "conversions"),  # profit counts
        (0.01, 1, [("profit", 0.0, -1)], "profit"),
    ],
)
def test_money_that_shows_a_loss_overrules_the_declared_metric(p, direction, others, decides):
    assert deciding_metric("conversions", effects(p, direction, *others), 0.05) == decides


def test_a_declared_money_metric_overrules_itself_never():
    found = effects(0.2, 1, ("profit", 0.001, -1), ("revenue", 0.2, -1))
    assert deciding_metric("profit", found, 0.05) == "profit"


def value(name: str, a: float | None, b: float | None, p: float | None = None) -> Effect:
    return Effect(name, value_a=a, value_b=b, p_value=p, reason="no squares")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "metric"),
    [
        ([], None),
        ([value("profit", 2, 1)], "profit"),
        ([value("revenue", 2, 1)], "revenue"),
        ([value("revenue", 2, 1), value("profit", 1, 2)], None),  # profit comes first
        ([value("revenue", 1, 2), value("profit", 2, 1)], "profit"),
        ([value("profit", 1, 1)], None),
        ([value("profit", None, 1)], None),
        ([value("profit", 1, None)], None),
        ([value("profit", 2, 1, 0.5)], None),  # it was tested
        ([value("profit", 2, 1), value("revenue", 2, 1, 0.5)], None),
    ],
)
def test_lower_totals_that_allow_no_test_hold_a_winner_back(known, metric):
    reason = f"{metric} is lower in B, and cannot be tested: no squares"
    held = GuardrailResult(metric, 0.0, True, None, None, reason) if metric else None
    assert untested_loss(known) == held
