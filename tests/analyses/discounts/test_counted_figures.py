"""Verdicts and key figures from the app's counters: the period's, all-time ones, and none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.discounts import counted_figures

NAMES = ["uses", "revenue_impact", "discounts", "skus", "customers"]
USED = pd.DataFrame(
    {
        "times_used": [7, 5],
        "savings": [2.5, 4.0],
        "first_used_on": pd.to_datetime(["2026-02-03", None]),
    }
)


def dashboard(values: list[float | None], high: float = 0.0) -> Any:
    """Rows of `counted_dashboard` by measure, with a note on each."""
    rows = pd.DataFrame({"value": values, "note": [f"note on {name}" for name in NAMES]}, NAMES)
    rows["value"] = rows["value"].astype(float)
    return rows.assign(customers_low=[0.0] * 4 + [3.0], customers_high=[0.0] * 4 + [high])


def test_figures_of_a_period():
    found = counted_figures.figures(dashboard([12, 30, 2, 4, None], high=9), USED)
    assert [(each["metric"], each["value"], each["note"]) for each in found] == [
        ("uses", 12, "note on uses"),
        ("revenue_impact", 30, "note on revenue_impact"),
        ("savings_in_all", 6.5, "since 2026-02-03, not only in this period"),
        ("discounts", 2, "last used in this period"),
        ("skus", 4, "last sold with a discount in this period"),
        ("customers", None, counted_figures.BOUNDS.format(low=3, high=9)),
    ]
    assert found[0]["label"] == "Discount uses"
    assert counted_figures.verdict(dashboard([12] * 5), USED, 30) == (
        "The app counted 12 discount uses in 30 days."
    )
    assert counted_figures.change_of_uses(dashboard([12] * 5)) == "note on uses"


def test_figures_that_are_not_available_say_why():
    empty = USED.head(0)
    found = {each["metric"]: each for each in counted_figures.figures(dashboard([None] * 5), empty)}
    for name, reason in counted_figures.NOT_AVAILABLE.items():
        assert (found[name]["value"], found[name]["note"]) == (None, reason)
    assert (found["savings_in_all"]["value"], found["savings_in_all"]["note"]) == (
        None,
        counted_figures.NO_TOTALS,
    )
    assert counted_figures.verdict(dashboard([None] * 5), USED, 30).endswith(
        "12 discount uses in all."
    )
    assert counted_figures.change_of_uses(dashboard([None] * 5)) == counted_figures.NO_TREND
    assert counted_figures.since(empty) == "since the first use"


@pytest.mark.parametrize("is_recorded", [True, False])
def test_products_are_counted_only_beside_other_sales(monkeypatch, is_recorded):
    """Without them, the app's units are told, and no product is called alone or dependent."""
    sold = pd.DataFrame(
        {"units": [5.0, None] if is_recorded else [None, None], "units_with": [3, 4]}
    )
    told = SimpleNamespace(
        verdict=lambda known, when: f"{len(known)} {when}",
        alone=lambda sold: sold.head(1),
        dependent=lambda sold: sold,
        among=lambda sold: f"of {len(sold)}",
    )
    monkeypatch.setattr(counted_figures, "sales", told)
    text = counted_figures.verdict_on_products(sold)
    found = counted_figures.figures_of_products(sold)
    if is_recorded:
        assert text == "1 in all that the app has counted"
        assert [(each["value"], each["note"]) for each in found] == [(1, "of 2"), (2, "of 2")]
    else:
        assert text.startswith("The app counted 7 discounted units.")
        assert [each["value"] for each in found] == [None, None]
