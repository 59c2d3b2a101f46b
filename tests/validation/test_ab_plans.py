"""Visitors that each rule needs: the short form of the simulation."""

from __future__ import annotations

import pytest

from validation import ab_plans


@pytest.mark.parametrize("metric", ["conversions", pytest.param("revenue", marks=pytest.mark.long)])
def test_default_plans_need_few_visitors_more(metric: str) -> None:
    """250 tests of a shop with 800 orders in four weeks: within the limits plus sampling error."""
    found = ab_plans.needed(ab_plans.Shop(800, metric), 250, 7)
    assert found.days == 56
    assert 0.95 < found.with_end <= 1.15 + 0.1
    assert 1.4 < found.without_end <= 1.75 + 0.2
    assert found.untuned > found.without_end - 0.1
    assert 1 < found.adjusted < found.raw
    text = ab_plans.page([found])
    assert f"| {metric} | 800 | 56 |" in text


def test_a_rule_that_needs_too_many_visitors_is_named() -> None:
    """Twice the visitors without an end are beyond the limit."""
    shop = ab_plans.Shop(800, "conversions")
    fault = ab_plans.Needed(shop, 56, 10, 1.1, 2.0, 2.1, 1.2, 1.1).faults()
    assert len(fault) == 1
    assert "without an end" in fault[0]
