"""RFM groups, overdue customers, and the app's segments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.customers import groups
from d1lab.analyses.customers.segments import SegmentRule


def _customers(rows: list[dict]) -> pd.DataFrame:
    """Return customers of 2026-06-01 with default values, except those in a row."""
    plain = {
        "rfm_group": "Active", "purchases": 5, "spend": 100.0, "orders": 5, "discounted_orders": 1,
        "days": 10, "r_score": 3, "f_score": 3, "m_score": 4,
    }  # fmt: skip
    frame = pd.DataFrame([{**plain, "customer_id": f"c{i}", **row} for i, row in enumerate(rows)])
    frame["last_day"] = pd.Timestamp("2026-06-01") - pd.to_timedelta(frame["days"], "D")
    span = (frame["purchases"] - 1) * frame.get("gap", 10.0)
    frame["first_day"] = frame["last_day"] - pd.to_timedelta(span, "D")
    return frame


def test_group_table_is_in_shopifys_order_and_adds_up():
    """Shares are of all customers; the discounted share is of the group's orders."""
    table = groups.group_table(
        _customers(
            [
                {"rfm_group": "Dormant", "spend": 50.0},
                {"rfm_group": "Champions", "spend": 300.0, "orders": 8, "discounted_orders": 6},
                {"rfm_group": "Champions", "spend": 100.0, "orders": 2, "discounted_orders": 0},
                {"rfm_group": "Prospects", "spend": 0.0, "orders": 0, "discounted_orders": 0},
            ]
        )
    )
    assert table["rfm_group"].tolist() == ["Champions", "Dormant", "Prospects"]
    assert table["share_of_customers"].tolist() == [0.5, 0.25, 0.25]
    assert table["share_of_spend"].tolist() == pytest.approx([400 / 450, 50 / 450, 0])
    assert table["discounted_share"].tolist()[:2] == [0.6, 0.2]
    assert table["discounted_share"].isna().tolist() == [False, False, True]
    assert groups.best_share(table) == pytest.approx(400 / 450)
    assert table["days_since_purchase"].tolist() == [10, 10, 10]
    assert table["orders"].tolist() == [10, 5, 0]
    assert groups.best_share(table[1:]) == 0


def test_the_days_of_a_group_are_the_median_and_prospects_alone_are_no_table():
    days = [{"days": n, "rfm_group": "Loyal"} for n in (1, 2, 9)]
    assert groups.group_table(_customers(days))["days_since_purchase"].tolist() == [2]
    assert groups.group_table(_customers([{"rfm_group": "Prospects"}])).empty
    assert groups.best_share(groups.group_table(_customers(days))) == 1


def test_weekly_revenue_of_a_group_is_that_of_its_customers():
    """Customers without an order in these weeks add nothing; a group of them has no trend."""
    rows = [{"rfm_group": "Champions"}] * 3 + [{"rfm_group": "Dormant"}]
    customers = _customers(rows)
    weeks = pd.DataFrame(
        {"customer_id": ["c0", "c2", "x"], "weekly_revenue": [[1, 2.004], [0, 3], [9, 9]]}
    )
    table = groups.with_weeks(groups.group_table(customers), customers, weeks)
    assert table["weekly_revenue"].tolist() == [[1, 5], None]
    none = groups.with_weeks(groups.group_table(customers), customers, weeks.head(0))
    assert none["weekly_revenue"].tolist() == [None, None]


def test_group_table_without_groups_is_empty():
    """Without scores, there is no row and no share."""
    table = groups.group_table(_customers([{"rfm_group": None}]))
    assert table.empty
    assert groups.best_share(table) is None


def test_grid_holds_every_cell_once():
    """25 cells; half scores are rounded up, so F 3 and M 4 are in column 4."""
    cells = groups.grid(_customers([{"spend": 75.0}, {"r_score": None, "spend": 25.0}]))
    assert len(cells) == 25
    [cell] = cells[cells["customers"] > 0].to_dict("records")
    assert (cell["recency"], cell["frequency_and_spend"], cell["share_of_spend"]) == ("3", 4, 1)
    assert cells["recency"].iloc[0] == "5 (most recent)"


def test_grid_places_every_pair_of_scores():
    """One customer per score: FM is half of F + M, rounded up, so FM 5 has three of 25 pairs."""
    scores = [
        {"r_score": r, "f_score": f, "m_score": m, "spend": 1.0}
        for r in range(1, 6)
        for f in range(1, 6)
        for m in range(1, 6)
    ]
    cells = groups.grid(_customers(scores))
    assert cells["frequency_and_spend"].tolist() == [1, 2, 3, 4, 5] * 5
    assert cells["customers"].tolist() == [1, 5, 9, 7, 3] * 5
    assert [name[0] for name in cells["recency"]] == [r for r in "54321" for _ in range(5)]
    assert cells["share_of_spend"].tolist() == [n / 125 for n in (1, 5, 9, 7, 3)] * 5


@pytest.mark.parametrize(
    ("row", "due"),
    [
        ({"days": 45}, True),  # 4 gaps of 10 days: 4 x (.05^(-1/4) - 1) = 4.46 gaps
        ({"days": 44}, False),
        ({"days": 70, "purchases": 3}, True),  # 2 gaps: 6.94
        ({"days": 69, "purchases": 3}, False),
        ({"days": 31, "purchases": 101}, True),  # 100 gaps: 3.04
        ({"days": 30, "purchases": 101}, False),
        ({"days": 120}, True),
        ({"days": 121}, False),
        ({"days": 50, "m_score": 3}, False),
        ({"days": 110, "purchases": 2}, False),
        ({"days": 50, "m_score": None}, False),
        ({"days": 0, "purchases": 1}, False),
    ],
)
def test_overdue_are_good_customers_who_stay_away(row, due):
    """A pause that is rare for them, at most 12 usual gaps, a known usual gap, and high spend."""
    assert (len(groups.overdue(_customers([row]))) == 1) is due


@pytest.mark.parametrize("gaps", [1, 2, 5, 20])
def test_a_pause_is_overdue_once_in_twenty_times(gaps):
    """Of 200,000 simulated customers with random purchases, 5%, also after few gaps."""
    random = np.random.default_rng(gaps)
    mean = random.exponential(1, (200_000, gaps)).mean(axis=1)
    pause = random.exponential(1, 200_000)
    assert (pause > groups.overdue_gaps(gaps) * mean).mean() == pytest.approx(0.05, abs=0.002)


def test_overdue_puts_the_most_valuable_first():
    """Annual spend: the mean purchase at the customer's usual gap."""
    due = groups.overdue(
        _customers(
            [{"days": 50, "gap": 10.0, "spend": 50.0}, {"days": 90, "gap": 20.0, "spend": 400.0}]
        )
    )
    assert due["customer_id"].tolist() == ["c1", "c0"]
    assert due["usual_gap_days"].tolist() == [20, 10]
    assert due["pace"].tolist() == pytest.approx([80 * 365 / 20, 10 * 365 / 10])
    assert due["silent_days"].tolist() == [90, 50]
    assert due["mean_purchase"].tolist() == [80, 10]
    assert due["discounted_share"].tolist() == [0.2, 0.2]
    same = groups.overdue(_customers([{"days": 50, "customer_id": name} for name in "ba"]))
    assert same["customer_id"].tolist() == ["a", "b"]


def test_buyers_have_a_purchase():
    customers = _customers([{"purchases": 0}, {"purchases": 1}])
    assert groups.buyers(customers)["customer_id"].tolist() == ["c1"]


def test_a_grid_without_spend_has_shares_of_0():
    cells = groups.grid(_customers([{"spend": 0.0}]))
    assert cells["share_of_spend"].tolist() == [0] * 25


def test_app_segments_go_by_group_or_by_window():
    """By group unless a spend is given; a customer without a group has no segment."""
    customers = _customers(
        [{"rfm_group": "Loyal", "m_score": 5}, {"rfm_group": None, "m_score": None}, {}]
    )
    window = pd.DataFrame({"customer_id": ["c1"], "later_purchases": [2], "later_spend": [90.0]})
    rule = SegmentRule()
    by_group = groups.app_segments(customers, window, rule, None, 1)
    assert by_group.tolist() == ["vip", None, "regular"]
    by_window = groups.app_segments(customers, window, rule, 80.0, 2)
    assert by_window.tolist() == ["regular", "vip", "regular"]
    few = _customers([{"purchases": 1}, {"purchases": 1}, {"purchases": 0}])
    window = pd.DataFrame(
        {"customer_id": ["c2", "c1"], "later_purchases": [1, 1], "later_spend": [90.0, 79.9]}
    )
    assert groups.app_segments(few, window, rule, 80.0, 1).tolist() == ["regular", "new", None]


def test_cohort_grid_keeps_whole_months_of_the_last_cohorts():
    """Without the first month (100%) and the current, incomplete month."""
    months = pd.to_datetime(["2026-01-01"] * 3 + ["2026-02-01"] * 2)
    cohorts = pd.DataFrame(
        {
            "cohort": months, "month_number": [0, 1, 2, 0, 1], "customers": [9, 9, 9, 4, 4],
            "complete": [True, True, False, True, True],
        }
    )  # fmt: skip
    shown = groups.cohort_grid(cohorts)
    assert shown["month_number"].tolist() == [1, 1]
    assert shown["first_month"].tolist() == ["2026-01 (9)", "2026-02 (4)"]
    assert groups.cohort_grid(cohorts, months=1)["first_month"].tolist() == ["2026-02 (4)"]


def test_cohort_grid_is_of_a_year():
    """Twelve cohorts, over twelve months each."""
    months = pd.date_range("2025-01-01", periods=14, freq="MS")
    cohorts = pd.DataFrame(
        [
            {"cohort": month, "month_number": number, "customers": 3, "complete": True}
            for month in months
            for number in range(14)
        ]
    )
    shown = groups.cohort_grid(cohorts)
    assert sorted(set(shown["cohort"])) == list(months[2:])
    assert sorted(set(shown["month_number"])) == list(range(1, 13))
