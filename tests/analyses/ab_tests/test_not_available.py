"""Which sums allow no p-value, and why: each reason at both sides of its limit."""

from __future__ import annotations

from typing import Any

import pytest

from d1lab.analyses.ab_tests.model import AbPlan, Variant
from d1lab.analyses.ab_tests.not_available import (
    few_buyers,
    few_conversions,
    not_available,
    sequence_not_available,
)

HALF = AbPlan(share_b=0.5, share_declared=True)
ALWAYS = HALF._replace(method="always_valid")
OWN = AbPlan(method="always_valid")
A = Variant(1_000, 50, 500.0, 9_000.0, 200.0, 4_000.0)
COUNTS = A._replace(visitors=None)
UNEVEN = Variant(4_000, 200, 2_000.0, 36_000.0)


def pair(a: Variant = A, **b: Any) -> tuple[Variant, Variant]:
    return a, a._replace(**b)


@pytest.mark.parametrize(
    ("metric", "variants", "plan", "status", "said"),
    [
        ("conversions", pair(), HALF, None, ""),
        ("conversions", pair(conversions=None), HALF, "insufficient_data", "is missing for"),
        ("revenue", pair(revenue=None), HALF, "insufficient_data", "revenue is missing"),
        ("conversions", pair(COUNTS), HALF, None, ""),
        ("conversions", pair(COUNTS), AbPlan(share_b=0.5), "not_declared", "not declared"),
        ("conversions", pair(), AbPlan(share_b=0.5), None, ""),
        ("conversions", pair(visitors=0, conversions=0), HALF, "insufficient_data", "no visitors"),
        ("conversions", pair(COUNTS), HALF._replace(count_inflation=None), "insufficient_data",
         "several orders of one customer"),
        ("conversions", pair(), HALF._replace(count_inflation=None), None, ""),
        ("conversions", pair(A._replace(conversions=0)), HALF, "insufficient_data", "no conv"),
        ("conversions", pair(A._replace(conversions=0), conversions=1), HALF, None, ""),
        ("conversions", pair(A._replace(conversions=1), conversions=0), HALF, None, ""),
        ("conversions", pair(A._replace(conversions=1_000)), HALF, "zero_variance", "every"),
        ("conversions", pair(A._replace(conversions=1_000), conversions=999), HALF, None, ""),
        ("conversions", pair(COUNTS, conversions=0), HALF, None, ""),
        ("conversions", pair(conversions=24), OWN, "insufficient_data", "24 conversions; at least"),
        ("conversions", pair(conversions=25), OWN, None, ""),
        ("conversions", pair(conversions=24), ALWAYS, None, ""),  # the e-process
        ("revenue", pair(), HALF, None, ""),
        ("revenue", pair(revenue_squares=None), HALF, "insufficient_data", "sums of squares"),
        ("revenue", pair(A._replace(revenue_squares=None), revenue_squares=9_000.0), HALF,
         "insufficient_data", "sums of squares"),
        ("profit", pair(revenue_squares=None), HALF, None, ""),
        ("revenue", pair(conversions=24), HALF, None, ""),
        ("revenue", pair(conversions=24), ALWAYS, "insufficient_data", "24 conversions"),
        ("revenue", pair(COUNTS, conversions=24), HALF, "insufficient_data", "24 conversions"),
        ("revenue", pair(COUNTS, conversions=25), HALF, None, ""),
        ("revenue", pair(COUNTS), ALWAYS, "insufficient_data", "requires visitor counts"),
        ("revenue", pair(revenue_squares=250.0), HALF, "zero_variance", "the same for every"),
        ("revenue", pair(A._replace(revenue_squares=250.0), revenue_squares=9_000.0), HALF,
         "zero_variance", "the same for every"),
        ("revenue", pair(COUNTS, revenue=0.0, revenue_squares=0.0), HALF, "zero_variance", "same"),
        ("revenue", (UNEVEN, UNEVEN._replace(visitors=1_000, conversions=149)), HALF,
         "insufficient_data", "149 buyers; at least 150"),
        ("revenue", (UNEVEN, UNEVEN._replace(visitors=1_000, conversions=150)), HALF, None, ""),
        ("conversions", (UNEVEN, UNEVEN._replace(visitors=1_000, conversions=149)), HALF, None, ""),
    ],
)  # fmt: skip
def test_sums_allow_a_p_value_or_have_a_reason(metric, variants, plan, status, said):
    found = not_available(metric, *variants, plan)
    assert (found and found.status) == status
    assert said in (found.reason if found else "")


@pytest.mark.parametrize(
    ("a", "b", "inflation", "reason"),
    [
        (25, 25, 1.0, None),
        (24, 25, 1.0, "one variant has 24 conversions; at least 25 are required"),
        (25, 24, 1.0, "one variant has 24 conversions; at least 25 are required"),
        (50, 50, 2.0, None),
        (99, 49, 2.0, "one variant has 24 conversions; at least 25 are required"),
        (0, 50, 1.0, "one variant has 0 conversions; at least 25 are required"),
        (None, 50, 1.0, "one variant has 0 conversions; at least 25 are required"),
    ],
)
def test_conversions_are_counted_without_those_of_customers_who_order_again(
    a, b, inflation, reason
):
    assert few_conversions(Variant(None, a), Variant(None, b), inflation) == reason


@pytest.mark.parametrize(
    ("a", "b", "share", "inflation", "fewest"),
    [
        ((4_000, 149), (4_000, 9), 0.5, 1.0, None),  # an even split needs none
        ((6_000, 150), (4_000, 149), 0.5, 1.0, None),  # 40% is even
        ((6_001, 150), (3_999, 149), 0.5, 1.0, 149),
        ((6_001, 149), (3_999, 150), 0.5, 1.0, 149),
        ((6_001, 150), (3_999, 150), 0.5, 1.0, None),
        ((6_001, 0), (3_999, 150), 0.5, 1.0, 0),
        ((6_001, 150), (3_999, 150), 0.5, 2.0, None),  # of visitors, each counts once
        ((None, 300), (None, 300), 0.3, 2.0, None),
        ((None, 300), (None, 299), 0.3, 2.0, 149),
        ((None, 150), (None, 150), 0.3, None, None),
        ((None, 149), (None, 9), 0.5, 1.0, None),
        ((None, 149), (None, 9), None, 1.0, None),
    ],
)
def test_an_uneven_split_needs_150_buyers_of_each_variant(a, b, share, inflation, fewest):
    plan = AbPlan(share_b=share, share_declared=True, count_inflation=inflation)
    reason = few_buyers(Variant(*a), Variant(*b), plan)
    needed = "at least 150 are required at an uneven split"
    assert reason == (None if fewest is None else f"one variant has {fewest} buyers; {needed}")


def test_unknown_buyers_are_none_at_an_uneven_split():
    for known in ((200, None), (None, 200)):
        a, b = (Variant(n, x) for n, x in zip((9_000, 1_000), known, strict=True))
        assert few_buyers(a, b, HALF) == (
            "the buyers of each variant are unknown; at least 150 are required at an uneven split"
        )


def test_a_sequence_begins_only_where_it_is_the_method():
    few = pair(conversions=24)
    assert sequence_not_available("revenue", *few, HALF) is None
    assert sequence_not_available("conversions", *few, ALWAYS) is None
    for metric, plan in (("revenue", ALWAYS), ("conversions", OWN)):
        found = sequence_not_available(metric, *few, plan)  # type: ignore[arg-type]
        assert found is not None
        assert found.status == "insufficient_data"
