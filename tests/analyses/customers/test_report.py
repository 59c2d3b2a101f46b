"""Content of the customer report, from a shop of four customers."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.customers import report
from d1lab.analyses.customers.labels import LabeledCustomers, confirmed
from d1lab.analyses.customers.lifetime_value import evaluated
from d1lab.analyses.customers.segments import SegmentRule
from d1lab.analyses.customers.study import CustomerStudy, study

DAY = date(2026, 6, 1)
SUMMARY = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"], "purchases": [5, 2, 1], "repeats": [4, 1, 0],
        "last_days": [40.0, 9.0, 0.0], "observed_days": [90.0, 60.0, 5.0],
        "mean_spend": [30.0, 5.0, 0.0], "spend": [150.0, 10.0, 40.0], "recent_purchases": 0,
        "recent_spend": 0.0, "later_purchases": [3, 0, 0], "later_spend": [70.0, 0.0, 0.0],
    }
)  # fmt: skip
COHORTS = pd.DataFrame(
    {
        "cohort": pd.to_datetime(["2026-04-01", "2026-04-01"]), "month_number": [0, 1],
        "customers": 3, "complete": True, "retention": [1.0, 0.5], "cumulative_per_customer": 9.0,
    }
)  # fmt: skip
WEEKS = pd.DataFrame({"customer_id": ["a", "b"], "weekly_revenue": [[1.0, 2.0], [4.0, 0.0]]})


@pytest.fixture(scope="module")
def found() -> CustomerStudy:
    """Of three buyers, "a" is overdue; "d" has not bought."""
    days = pd.Series([50.0, 20.0, 5.0, np.nan])
    scores = pd.DataFrame(
        {
            "customer_id": list("abcd"), "rfm_group": ["Loyal", "Loyal", "New", "Prospects"],
            "purchases": [5, 2, 1, 0], "orders": [5, 2, 1, 0], "discounted_orders": [1, 0, 0, 0],
            "spend": [150.0, 10.0, 40.0, 0.0], "days": days,
            "last_day": pd.Timestamp(DAY) - pd.to_timedelta(days, "D"),
            "r_score": [2, 3, 5, np.nan], "f_score": [5, 2, 1, np.nan],
            "m_score": [5, 1, 4, np.nan], "reason": None, "confidence": "fixed_rules",
            "cancelled_orders": 0, "refunded": 0.0,
        }
    )  # fmt: skip
    scores["first_day"] = scores["last_day"] - pd.to_timedelta([40, 9, 0, 0], "D")
    values = evaluated(SUMMARY, SUMMARY, 30, 365)
    labelled = LabeledCustomers(confirmed(scores, None, DAY), None, None)
    return study(labelled, values, SUMMARY, SegmentRule(), None, 1, "EUR")


def test_a_study_has_values_segments_groups_and_the_overdue(found):
    by_id = found.customers.set_index("customer_id")
    assert by_id["lifetime_value"].to_dict() == {"a": 150, "b": 10, "c": 40, "d": 0}
    assert by_id["customer_segment"].fillna("").to_dict() == {
        "a": "vip", "b": "regular", "c": "new", "d": "",
    }  # fmt: skip
    assert found.groups["rfm_group"].tolist() == ["Loyal", "New", "Prospects"]
    assert found.overdue["customer_id"].tolist() == ["a"]
    assert found.currency == "EUR"
    figures = {one["metric"]: one["value"] for one in report.figures(found)}
    assert (figures["customers"], figures["lapsing_customers"]) == (3, 1)
    labelled, values = found.labelled, found.values
    rich = study(labelled, values, SUMMARY, SegmentRule(), 60.0, 3)
    assert rich.customers["customer_segment"].fillna("").tolist() == [
        "vip",
        "regular",
        *["regular", ""],
    ]
    assert rich.currency == ""


class _Lab:
    """A lab with given frames, that notes what is asked."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, Any]] = {}

    def metric(self, name: str, **given: Any) -> pd.DataFrame:
        self.asked[name] = given
        if name == "customer_recency":
            row = dict.fromkeys(report._KNOWN, 3.0) | {"savings": 12.5, "used_a_discount": 0.5}
            return pd.DataFrame([row | {"within_30_days": 1_234.0}])
        if name == "voucher_outcomes":
            return pd.DataFrame({"sent_on": [], "voucher": []})
        frames = {"customer_weeks": WEEKS, "customer_cohorts": COHORTS}
        return frames.get(name, pd.DataFrame({"customer_id": ["a"]}))

    def money(self, amount: float) -> str:
        return f"EUR {amount:.2f}"


def test_content_is_that_of_thirteen_weeks_until_the_day(found):
    """Tables with their rows, charts, and vouchers; customers of running tests wait."""
    lab: Any = _Lab()
    shown = report.content(lab, found, DAY)
    assert lab.asked["customer_weeks"] == {"until": DAY, "weeks": 13}
    assert all(given["until"] == DAY for given in lab.asked.values())
    assert shown.vouchers == ([], frozenset("a"))
    groups = shown.tables["groups"].frame
    assert groups["weekly_revenue"].tolist() == [[5.0, 2.0], None, None]
    assert shown.tables["moves"].frame.empty
    assert shown.tables["group_changes"].frame.empty
    assert shown.tables["overdue"].frame["customer_id"].tolist() == ["a"]
    assert shown.tables["holdout"].frame["spend"].iloc[0] == 70
    assert shown.tables["customers"].frame["customer_id"].tolist() == ["a", "c", "b"]
    assert shown.tables["vouchers"].frame.empty
    assert len(shown.charts["grid"].frame) == 25
    assert shown.charts["moves"].frame.empty
    for name in ("retention", "spend"):
        assert shown.charts[name].frame["month_number"].tolist() == [1]


def test_a_table_of_customers_alone_is_shown_by_kind():
    """Whole numbers, amounts, and shares, each with its label."""
    lab: Any = _Lab()
    frame = report.known(lab, DAY).frame
    shown = dict(zip(frame["what"], frame["value"], strict=True))
    assert lab.asked == {"customer_recency": {"until": DAY}}
    assert shown["Bought within 30 days"] == "1,234"
    assert shown["Discounts given"] == "EUR 12.50"
    assert shown["Used a discount"] == "50.0%"
    assert list(shown) == [label for label, _ in report._KNOWN.values()]
