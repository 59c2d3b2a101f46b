"""Which numbers a test can have: values at both sides of each limit."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from d1lab.analyses.ab_tests.model import AbPlan, Guardrail, Look, Variant
from d1lab.analyses.ab_tests.validation import (
    looks_error,
    parse_guardrails,
    parse_variant_config,
    plan_error,
    variant_error,
)

KNOWN = Variant(10, 5)


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("conversions", [None, 0, 5, 5.0, Decimal(5), 10], [-1, 5.5, 11, math.nan, "5", True]),
        ("visitors", [None, 5, 10**12], [4, -1, 10.5, 10**12 + 1, 10**400, math.inf, False]),
        ("revenue", [None, 0, -9.5, 1e15, -1e15], [1.01e15, -1.01e15, math.nan, "9", True]),
        ("revenue_squares", [None, 0, 1e30], [-1e-9, 1.01e30, math.inf]),
        ("profit_squares", [0, 1e30], [-1e-9, 1.01e30]),
        ("covariate_squares", [0, 1e30], [-1e-9, 1.01e30]),
        ("covariate", [1e15, -1e15], [1.01e15, -1.01e15]),
        ("covariate_revenue", [1e30, -1e30], [1.01e30, -1.01e30]),
        ("covariate_profit", [1e30, -1e30], [1.01e30, -1.01e30]),
    ],
)
def test_each_sum_has_its_limits(name: str, valid: list[Any], invalid: list[Any]) -> None:
    """Counts are whole and at most 10^12, conversions at most the visitors; money within 10^15."""
    for value in valid:
        assert variant_error(KNOWN._replace(**{name: value})) is None, value
    for value in invalid:
        assert name in (variant_error(KNOWN._replace(**{name: value})) or ""), value


def test_more_conversions_than_visitors_are_told_with_both_numbers() -> None:
    assert variant_error(Variant(1_000, 1_001)) == "more conversions (1,001) than visitors (1,000)"


@pytest.mark.parametrize("name", ["revenue", "profit", "covariate"])
@pytest.mark.parametrize(
    ("counts", "total", "squares", "is_valid"),
    [
        ((10, 5), 20, 40, True),  # 20^2 / 10
        ((10, 5), 20, 40 * (1 - 1e-10), True),  # rounding is no contradiction
        ((10, 5), 20, 40 * (1 - 1e-8), False),
        ((10, 5), -20, 39, False),
        ((None, 5), 20, 80, True),  # without visitors, sums are of orders
        ((None, 5), 20, 79, False),
        ((10, 5), 20, None, True),
        ((10, 5), None, 1, True),
        ((None, None), 20, 1, True),
        ((0, 0), 0, 0, True),
        ((0, 0), 0, None, True),
        ((0, 0), 1, None, False),
        ((0, 0), 0, 1, False),
        ((None, 0), 20, 80, True),  # a refund of an earlier order
        ((1, 1), 3, 8, False),
    ],
)
def test_squares_are_at_least_those_of_equal_visitors(
    name: str, counts: Any, total: float | None, squares: float | None, is_valid: bool
) -> None:
    """The sum of squares is at least sum^2 / n (Cauchy-Schwarz), and nobody spends nothing."""
    given = Variant(*counts, **{name: total, f"{name}_squares": squares})
    assert (variant_error(given) is None) is is_valid


def look(a: int | None = 10, b: int | None = 10, **given: Any) -> Look:
    return Look(Variant(a, given.get("xa", 1)), Variant(b, given.get("xb", 1)), given.get("at"))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (look(), look(), None),
        (look(), look(9), "look 2 counts less"),
        (look(), look(10, 9), "look 2 counts less"),
        (look(), look(xa=0), "look 2 counts less"),
        (look(), look(xb=0), "look 2 counts less"),
        (look(None, None), look(), None),
        (look(xb=None), look(xb=0), None),
        (look(at=0.5), look(at=0.5), None),
        (look(at=0.5), look(at=0.4), "look 2 is earlier"),
        (look(at=0.5), look(), None),
        (look(), look(at=0.5), None),
        (look(at=0), look(), "look 1: elapsed = 0"),
        (look(), look(at=-0.1), "look 2: elapsed"),
        (look(), look(at=999_999.0), None),
        (look(), look(at=1e6), "look 2: elapsed"),
        (look(), look(at=math.nan), "look 2: elapsed"),
        (look(), look(at=True), "look 2: elapsed"),
        (look(), look(at=10**400), "look 2: elapsed"),
        (look(xa=11), look(), "variant a, look 1: more conversions"),
        (look(), look(xb=11), "variant b, look 2: more conversions"),
    ],
)
def test_looks_are_cumulative(first: Look, second: Look, said: str | None) -> None:
    """Counts and time never fall from one look to the next; unknown ones are no fall."""
    found = looks_error([first, second])
    assert found is None if said is None else (found or "").startswith(said)


def test_the_third_look_is_compared_with_the_second() -> None:
    fault = looks_error([look(), look(12), look(11)])
    assert (fault or "").startswith("look 3 counts less")


def rail(metric: Any, margin: float, relative: bool = True) -> tuple[Guardrail, ...]:
    return (Guardrail("revenue", 0.1), Guardrail(metric, margin, relative))


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("method", ["fixed", "group_sequential", "always_valid"], ["gut feeling", None]),
        ("primary_metric", ["conversions", "revenue", "profit"], ["clicks", None]),
        ("share_b", [None, 0.001, 0.999, Decimal("0.5")], [0, 1, 1.5, -0.5, "0.5", True]),
        ("alpha", [0.001, 0.499], [0, 0.5, None, -0.1]),
        ("planned_visitors", [None, 1, 2 * 10**12], [0, 1.5, -1, 2 * 10**12 + 1, 0.5]),
        ("planned_looks", [None, 1, 1_000], [0, 1.5, 1_001]),
        ("look", [None, 1, 1_000], [0, 2.5, 1_001]),
        ("elapsed", [None, 1e-9, 999_999], [0, -1, 1e6]),
        ("count_inflation", [None, 1, 1 - 1e-10, 9.5, 9e8], [0.99, 1e9, 0]),
        ("money_inflation", [1, 1 - 1e-10, 9.5, 9e8], [0.99, 1e9, 0]),
        ("unit", ["visitor", "day"], ["store", None]),
        ("tuned_conversions", [None, 1, 2 * 10**12], [0, 1.5, 2 * 10**12 + 1]),
        ("guardrails",
         [(), rail("profit", 0.001), rail("profit", 0.999), rail("profit", 9e14, relative=False)],
         [rail("profit", 0), rail("profit", 1), rail("clicks", 0.1),
          rail("profit", 1e15, relative=False), rail("profit", 0, relative=False)]),
    ],
)  # fmt: skip
def test_each_field_of_a_plan_has_its_limits(
    name: str, valid: list[Any], invalid: list[Any]
) -> None:
    """The reason names the field and what is expected."""
    for value in valid:
        assert plan_error(AbPlan()._replace(**{name: value})) is None, value
    for value in invalid:
        fault = plan_error(AbPlan()._replace(**{name: value})) or ""
        assert fault.startswith(f"{name} = "), value
        assert ": expected " in fault


def test_all_faults_of_a_plan_are_told() -> None:
    assert plan_error(AbPlan(alpha=0, look=0)) == (
        "alpha = 0: expected an error rate, between 0 and 0.5; "
        "look = 0: expected a whole number from 1 to 1,000"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"discount_rate": 0.15}', (0.15, None, None)),
        ('{"discount_rate": 0, "percent": 20}', (0, None, None)),  # the rate comes first
        ('{"discount_rate": 1, "share": 1}', (1, 1, None)),
        ('{"percent": 100, "share": 0}', (1, 0, None)),
        ('{"percent": 25, "skus": []}', (0.25, None, ())),
        ('{"skus": ["A", "B"], "discount_rate": null}', (None, None, ("A", "B"))),
        ("{}", (None, None, None)),
    ],
)
def test_a_configuration_has_a_discount_a_share_and_products(text: str, found: Any) -> None:
    assert parse_variant_config(text) == (*found, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"discount_rate": 1.01}', "discount_rate = 1.01 is not a number between 0 and 1"),
        ('{"discount_rate": -0.1}', "discount_rate = -0.1 is not a number between 0 and 1"),
        ('{"percent": 101}', "percent = 101 is not a number between 0 and 100"),
        ('{"share": 1.5}', "share = 1.5 is not a number between 0 and 1"),
        ('{"share": "0.5"}', "share = '0.5' is not a number between 0 and 1"),
        ("[]", "not a JSON object"),
        ('{"skus": ["A", 5]}', "skus is not a list of strings"),
        ('{"skus": "A"}', "skus is not a list of strings"),
    ],
)
def test_a_configuration_out_of_range_has_a_fault_and_nothing_else(text: str, fault: str) -> None:
    assert parse_variant_config(text) == (None, None, None, fault)


def test_guardrails_are_relative_unless_they_say_otherwise() -> None:
    relative = '{"metric": "profit", "margin": "0.02"}'
    own = '{"metric": "revenue", "margin": 5, "relative": false}'
    assert parse_guardrails(f"[{relative}, {own}]") == (
        (Guardrail("profit", 0.02, True), Guardrail("revenue", 5.0, False)),
        None,
    )
    assert parse_guardrails(None) == parse_guardrails("  ") == parse_guardrails("[]") == ((), None)
    rails, fault = parse_guardrails('[{"metric": "profit", "margin": 1}]')
    assert (rails, (fault or "")[:32]) == ((), "invalid guardrails: guardrails =")
    assert parse_guardrails('[{"metric": "profit"}]')[1] == "invalid guardrails: KeyError: 'margin'"
