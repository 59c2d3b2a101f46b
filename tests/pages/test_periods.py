"""The periods on a page: both dates of each, whatever they are counted in."""

from __future__ import annotations

from datetime import date

from d1lab.analyses.customers import labels
from d1lab.pages.periods import COMPARED_DAYS, ReportPeriod, periods_of
from tests.support.sample_run import run_record


def _note(metric, **params):
    return {"metric": metric, "reads": [], "params": {"until": "2017-12-31", **params}}


def test_every_kind_of_period_has_both_dates():
    """Days, weeks, a held-out period, everything since the first day, and the one to come."""
    run = run_record(as_of=date(2017, 12, 31), parameters={"horizon_days": 28})
    notes = [
        _note("top_codes", days=30),
        _note("top_skus", days=30) | {"since": "2016-01-01"},
        _note("weekly_demand", weeks=104),
        _note("competitor_prices", own_days=90) | {"since": "2017-12-01"},
        _note("purchase_summary", later_days=90) | {"since": "2016-01-01"},
        _note("customer_scores") | {"since": "2017-12-31"},
        {"metric": None, "reads": ["order_lines"], "params": {}},
    ]
    assert periods_of(run, notes) == [
        ReportPeriod("Dec 2 to Dec 31, 2017", "30 days", ("top codes", "top skus")),
        ReportPeriod("Jan 4, 2016 to Dec 31, 2017", "104 weeks", ("weekly demand",)),
        ReportPeriod("Oct 3 to Dec 31, 2017", "90 days", ("competitor prices", "purchase summary")),
        ReportPeriod("Dec 1 to Dec 31, 2017", "since the first day", ("competitor prices",)),
        ReportPeriod("Jan 1, 2016 to Dec 31, 2017", "since the first day", ("purchase summary",)),
        ReportPeriod("Dec 31, 2017", "since the first day", ("customer scores",)),
        ReportPeriod("Jan 1 to Jan 28, 2018", "next 28 days", ("forecast",)),
    ]


def test_what_is_no_period_is_left_out():
    """A day that is none, a length that is none, and no report date."""
    run = run_record(as_of=None, parameters={"horizon_days": 28})
    assert periods_of(run, [_note("x", until="soon", days=3), _note("y", days=0), {}]) == []


def test_steps_of_a_computation_are_left_out():
    """Of the days that groups are confirmed on, the page shows today and 90 days ago."""
    assert COMPARED_DAYS == labels.BACK_DAYS
    run = run_record(as_of=date(2017, 12, 31), parameters={})
    notes = [
        {"metric": "scores", "params": {"until": until}, "since": "2017-01-01"}
        for until in ("2017-12-04", "2017-12-31", "2017-10-02")
    ]
    days = {"day_1": "2017-09-11", "day_2": "2017-10-02", "day_7": "2017-12-04", "shop": "harbor"}
    notes.append({"metric": "all_scores", "params": days, "since": "2017-01-01"})
    assert [(period.dates, period.names) for period in periods_of(run, notes)] == [
        ("Jan 1 to Dec 31, 2017", ("scores",)),
        ("Jan 1 to Oct 2, 2017", ("scores", "all scores")),
    ]
