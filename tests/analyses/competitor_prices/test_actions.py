"""Actions of the competitor price report: tests, whose worth is not known before."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.competitor_prices import actions
from d1lab.analyses.competitor_prices.position import PricingRule


class Study:
    rule = PricingRule()
    first = 0  # the lists are all of their rows


@pytest.fixture(autouse=True)
def _rows(monkeypatch):
    columns = {
        "product": "P",
        "paid_price": 9.0,
        "own_price": 10.0,
        "cheapest": 8.0,
        "cheapest_at": "X",
    }
    for name, skus in (("alerts", ["a", "b"]), ("room", ["c"])):
        rows = pd.DataFrame({"sku": skus}).assign(**columns)
        monkeypatch.setattr(actions.frames, name, lambda found, rows=rows: rows[found.first :])


def test_prices_to_test_without_an_invented_amount():
    found: Any = Study()
    lower, higher = actions.declared(found, taken={"b"})
    assert (lower["key"], list(lower["items"]["sku"])) == ("test-lower-price", ["a"])
    assert (higher["key"], list(higher["items"]["sku"])) == ("test-higher-price", ["c"])
    assert not {"amount", "low", "high"} & {*lower, *higher}
    assert lower["reason"] == (
        "A competitor is at least 5% below the price paid; matching keeps a margin of 20% or more. "
        "For 1 other, another advice comes first."
    )
    assert higher["reason"].endswith("Where there is a discount, reduce it first.")
    assert "cheapest_at" in lower["items"]
    assert list(higher["items"]) == ["sku", "product", "paid_price", "own_price", "cheapest"]


def test_each_action_stands_alone():
    found: Any = Study()
    [higher] = actions.declared(found, taken={"a", "b"})
    [lower] = actions.declared(found, taken={"c"})
    assert (lower["key"], higher["key"]) == ("test-lower-price", "test-higher-price")
    assert lower["reason"].endswith("keeps a margin of 20% or more.")


def test_products_with_an_earlier_advice_leave_no_action():
    found: Any = Study()
    assert list(actions.declared(found, taken={"a", "b", "c"})) == []
