"""The report on D1's usage: once for a database, once a day, and not by its own doing."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from d1lab.analyses.operations import actions, report
from d1lab.analyses.operations.study import Forecast, UsageStudy
from d1lab.config import Settings
from d1lab.d1.database import Usage
from d1lab.d1.usage_days import DayUsage, keep_days
from d1lab.d1.usage_log import note
from d1lab.display.actions import load_actions
from d1lab.errors import InputError
from d1lab.jobs.due import plan
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.run import run_reports
from d1lab.lab.usage import BilledUsage, UsagePart
from d1lab.runs.record import load_results
from d1lab.runs.run import open_lab, run_folder
from d1lab.share.alerts import parse_alert

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "operations.ipynb"
UNTIL = date(2026, 5, 8)
TABLES = (report.limits, report.thresholds, report.costs)
SHOPS = pd.DataFrame({"shop": ["harbor", "kiosk"], "events": [60, 40]})


def used(days: int, written: int, growth: int = 0, **fields: object) -> BilledUsage:
    """Days up to UNTIL, whose rows written grow."""
    found = [
        DayUsage(UNTIL - timedelta(days=ago), 10_000, written - growth * ago, 50_000_000)
        for ago in range(days - 1, -1, -1)
    ]
    parts = (UsagePart("order_events", 9_000, 0),)
    made = BilledUsage(UNTIL, True, "d1lab", "free", tuple(found), parts, parts, ())
    return made._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usage", "status", "text"),
    [
        (used(20, 500), "good", "The busiest day used 0.5% of the free plan's daily rows."),
        (
            used(30, 60_000, 1_000),
            "neutral",
            "The free plan's limit of 100,000 rows written a day is expected to be reached on "
            "Jun 17, 2026.",
        ),
        (used(30, 80_000, 1_000), "bad", "is expected to be reached on May 28, 2026."),
        (used(30, 100_000), "bad", "rows written a day was reached on May 8, 2026."),
        (used(10, 90_000), "bad", "The busiest of 10 days used 90% of the free plan's rows"),
        (used(1, 44, is_complete=False), "good", "10,000 rows read and 44 written so far"),
    ],
)
def test_the_headline_is_the_first_limit(usage: BilledUsage, status: str, text: str):
    """Or that none is in sight."""
    found = report.studied(usage, SHOPS, 90)
    verdict = report.verdict(usage, found)
    assert text in verdict["text"]
    assert verdict["status"] == status
    assert verdict["detail"].startswith("This month costs $0.00 on the free plan.")


def test_the_headline_names_the_cost_of_the_month_or_why_there_is_none():
    """A plan that stops the app has no price, and one day that is not over no projection."""
    stopped = used(20, 100_001)
    assert report.verdict(stopped, report.studied(stopped, SHOPS, 90))["detail"] == (
        "The month's cost is not available: a daily limit was passed on 20 of the last 20 days."
    )
    begun = used(1, 44, is_complete=False, plan="paid")
    assert report.verdict(begun, report.studied(begun, SHOPS, 90))["detail"] == (
        "The month's cost is not available: it needs one complete day."
    )
    paid = used(20, 500, plan="paid")
    assert report.verdict(paid, report.studied(paid, SHOPS, 90)) == {
        "text": "The busiest day used 0.5% of the free plan's daily rows. No limit is near.",
        "status": "good",
        "detail": "This month costs $5.00 on the paid plan.",
    }


def soon(*days: int | None, **given: object) -> Forecast:
    """A forecast of the size, reached so many days after UNTIL: expected, earliest, latest."""
    ends = [UNTIL + timedelta(days=day) if day is not None else None for day in days]
    return Forecast("free", "size", 500_000_000, 60_000_000, *ends, "", 1e6)._replace(**given)


def with_limits(*limits: Forecast) -> UsageStudy:
    """A study of quiet days with other forecasts."""
    return report.studied(used(20, 500), SHOPS, 90)._replace(forecasts=limits)


@pytest.mark.parametrize(
    ("limits", "value", "ends", "note"),
    [
        ([soon(5, 3, 9)], 5, (3, 9), "size"),
        ([soon(5, 3, None)], 5, None, "size"),
        ([soon(5, None, 9)], 5, None, "size"),
        ([soon(5, 3, 9), soon(2, 1, 4, what="rows read a day")], 2, (1, 4), "rows read a day"),
        ([soon(5, 3, 9), soon(2, 1, 4, latest_value=500_000_000)], 0, None, "A limit is reached."),
        ([soon(None, 3, None)], None, None,
         "Not available: no limit is expected to be reached in the forecast's days."),
        ([soon(None, None, None), soon(None, None, None, reason="few days")], None, None,
         "Not available: few days."),
    ],
)  # fmt: skip
def test_the_days_to_a_limit_have_a_range_if_both_ends_are_known(limits, value, ends, note):
    figures = report.figures(used(20, 500), with_limits(*limits))
    [days] = [each for each in figures if each["metric"] == "limit_days"]
    interval = {"low": ends[0], "high": ends[1], "level": 0.9} if ends else {}
    told = {"metric": "limit_days", "label": "Days to a limit", "better": "higher", "note": note}
    assert days == {**told, "value": value, **interval}


@pytest.mark.parametrize(
    ("limit", "expected", "interval"),
    [
        (soon(5, 3, 9), "May 13, 2026", "May 11, 2026 to May 17, 2026"),
        (soon(5, 5, 5), "May 13, 2026", "May 13, 2026"),
        (soon(5, 3, None), "May 13, 2026", "May 11, 2026 to later"),
        (soon(None, 3, None), "Not in the forecast's days", "May 11, 2026 to later"),
        (soon(None, None, None), "Not in the forecast's days", "–"),
        (soon(None, None, None, reason="few days"), "Not available: few days", "–"),
        (soon(1, 1, 2, latest_value=500_000_000), "Reached", "–"),
    ],
)
def test_the_table_of_limits_says_when_each_is_reached(limit, expected, interval):
    row = report.limits(with_limits(limit)).frame.iloc[0].to_dict()
    latest = "500.0 MB" if limit.is_reached else "60.0 MB"
    assert row == {
        "limit": "Size", "most": "500.0 MB", "latest_value": latest, "expected": expected,
        "interval": interval,
    }  # fmt: skip
    rows = soon(None, None, None, what="rows written a day", limit=100_000, latest_value=None)
    row = report.limits(with_limits(rows)).frame.iloc[0]
    assert tuple(row[["limit", "most", "latest_value"]]) == (
        "Rows written a day", "100,000", "Not available",
    )  # fmt: skip


def test_an_action_before_a_limit_is_an_upgrade_unless_only_less_data_helps():
    """On the paid plan, the size is D1's own; an end that is not known is later."""
    told = {
        limit: next(iter(actions.declared(with_limits(limit))))
        for limit in (
            soon(5, 3, 9), soon(5, 3, None, plan="paid"), soon(5, 3, 9, plan="paid", what="rows"),
        )
    }  # fmt: skip
    assert [(one["verb"], one["what"]) for one in told.values()] == [
        ("Upgrade", "to Cloudflare's paid plan before May 13, 2026"),
        ("Archive", "closed months before May 13, 2026"),
        ("Upgrade", "to Cloudflare's paid plan before May 13, 2026"),
    ]
    assert [one["reason"] for one in told.values()][:2] == [
        "The free plan's limit of size is expected then (90% interval May 11, 2026 to "
        "May 17, 2026). It costs $5 a month and has no daily limits.",
        "The paid plan's limit of size is expected then (90% interval May 11, 2026 to later). "
        "`d1lab archive --delete` moves them out of D1. Reports still count them.",
    ]
    assert {(one["basis"], one["link"]) for one in told.values()} == {("estimate", "list-limits")}


def test_each_passed_threshold_is_one_action():
    """Rows and size ask for the same upgrade; a large shop for a database of its own."""
    full = used(20, 90_000)
    full = full._replace(days=tuple(each._replace(bytes=8 * 10**9) for each in full.days))
    told = list(actions.declared(report.studied(full, SHOPS, 90)))
    assert [(one["verb"], one["what"]) for one in told] == [
        ("Upgrade", "to Cloudflare's paid plan"),
        ("Archive", "closed months"),
        ("Move", "the largest shop to a database of its own"),
    ]
    assert told[0]["reason"] == (
        "The busiest of 20 days used 90% of the free plan's rows written. It costs $5 a month and "
        "has no daily limits."
    )
    assert {(one["basis"], one["link"]) for one in told} == {("counted", "list-thresholds")}


def test_charts_show_the_last_days_and_a_limit_that_is_near():
    """From three days on; the free plan's limit, if a day exceeds a fourth of it."""
    usage = used(20, 25_000)
    usage = usage._replace(days=(*usage.days[:-1], usage.days[-1]._replace(bytes=None)))
    made = report.charts(usage, 3)
    assert list(made) == ["read", "written", "size"]
    assert made["written"].frame["day"].tolist() == [each.day for each in usage.days[-3:]]
    assert made["written"].frame["rows_written"].tolist() == [25_000] * 3
    assert [made[name].options["reference"] for name in made] == [None, None, None]
    assert len(made["size"].frame) == 0  # two days with a size show no course
    assert report.charts(usage, 4)["size"].frame["megabytes"].tolist() == [50.0] * 3
    above = usage._replace(days=(*usage.days[:-1], usage.days[-1]._replace(rows_written=25_001)))
    lines = {name: chart.options["reference"] for name, chart in report.charts(above, 9).items()}
    assert lines == {"read": None, "written": 100_000, "size": None}
    read = usage._replace(days=(*usage.days[:-1], usage.days[-1]._replace(rows_read=1_250_001)))
    assert report.charts(read, 9)["read"].options["reference"] == 5_000_000
    paid = report.charts(above._replace(plan="paid"), 9)["written"]
    assert paid.options["reference"] is None


def test_every_column_has_a_label_and_the_newest_day_comes_first():
    usage = used(20, 500, 10)
    found, parts = report.studied(usage, SHOPS, 90), report.parts(usage, 3)
    assert list(parts) == ["table", "command", "report", "day"]
    for table in (*parts.values(), *(of(found) for of in TABLES)):
        assert list(table.frame.columns) == list(table.labels)
        assert all(table.labels.values())
    assert parts["table"].frame.values.tolist() == [["order_events", 9_000, 0]]
    assert parts["report"].frame.empty
    days = parts["day"].frame
    assert days["day"].tolist() == [each.day for each in reversed(usage.days[-3:])]
    assert days["rows_written"].tolist() == [500, 490, 480]
    labels = {table.labels["name"] for table in list(parts.values())[:3]}
    assert labels == {"Table", "Command", "Report"}


def test_an_action_comes_with_a_passed_threshold_or_before_a_limit():
    """And there is none without either."""
    advised = {
        name: [(each["verb"], each["what"]) for each in actions.declared(found)]
        for name, found in (
            ("quiet", report.studied(used(20, 500), SHOPS, 90)),
            ("soon", report.studied(used(30, 60_000, 1_000), SHOPS, 90)),
            ("now", report.studied(used(30, 80_000, 1_000), SHOPS, 90)),
        )
    }
    assert advised == {
        "quiet": [],
        "soon": [("Upgrade", "to Cloudflare's paid plan before Jun 17, 2026")],
        "now": [("Upgrade", "to Cloudflare's paid plan")],
    }


def test_a_figure_without_a_value_says_why():
    """Ten days give no forecast."""
    usage = used(10, 500)
    figures = {
        each["metric"]: each for each in report.figures(usage, report.studied(usage, SHOPS, 90))
    }
    assert figures["limit_days"]["value"] is None
    assert "10 of 14 days that a forecast needs are known" in figures["limit_days"]["note"]
    assert figures["rows_written_day"]["value"] == 500
    assert figures["database_mb"]["value"] == 50.0
    growing = used(40, 500, 10)
    written = {
        f["metric"]: f["value"] for f in report.figures(growing, report.studied(growing, SHOPS, 90))
    }
    assert written["rows_written_day"] == 365  # 500, 490, ... of the last 28 days
    unknown = Forecast("free", "size", 1, None, None, None, None, "no days")
    assert (unknown.per_day, unknown.is_reached) == (None, False)


def test_key_figures_are_of_the_last_28_days():
    """60,000 rows written, and 1,000 less on each day before; 50 MB, and 10 MB more each day."""
    usage = used(30, 60_000, 1_000)
    growing = tuple(
        each._replace(bytes=50_000_000 + 10_000_000 * n) for n, each in enumerate(usage.days)
    )
    usage = usage._replace(days=(*growing[:-1], growing[-1]._replace(bytes=None)))
    figures = {
        each["metric"]: each for each in report.figures(usage, report.studied(usage, SHOPS, 90))
    }
    assert {name: each["value"] for name, each in figures.items()} == {
        "rows_read_day": 10_000,
        "rows_written_day": 46_500,
        "free_limit_share": 0.6,
        "database_mb": 330.0,
        "limit_days": 16,
        "month_dollars": 0.0,
    }
    assert figures["database_mb"]["note"] == "Limit: 500.0 MB. +10.00 MB a day."
    assert {figures[f"rows_{name}_day"]["note"] for name in ("read", "written")} == {
        "Mean of 28 days."
    }
    unsized = usage._replace(days=tuple(each._replace(bytes=None) for each in usage.days))
    sized = {
        each["metric"]: each for each in report.figures(unsized, report.studied(unsized, SHOPS, 90))
    }["database_mb"]
    assert sized["value"] is None
    assert sized["note"] == "Not available: no answer of D1 had the size."
    paid = used(1, 44, is_complete=False, plan="paid")
    *_, cost = report.figures(paid, report.studied(paid, SHOPS, 90))
    assert (cost["value"], cost["note"]) == (None, "No complete day.")


def test_the_study_is_of_complete_days_and_the_largest_shop():
    """The day of the pull is not over, and the forecast ends with its days."""
    usage = used(30, 60_000, 1_000)
    assert [each.day for each in report.studied(usage, SHOPS, 40).forecasts] == [
        None, date(2026, 6, 17), None,
    ]  # fmt: skip
    assert report.studied(usage, SHOPS, 39).forecasts[1].day is None
    begun = report.studied(usage._replace(is_complete=False), SHOPS, 40)
    assert begun.forecasts[1].latest_value == 59_000
    assert begun.thresholds[-1].value == 0.6


def test_thresholds_and_costs_have_a_row_each():
    """The value and the limit of each step, and what each plan costs."""
    usage = used(30, 80_000, 1_000)
    found = report.studied(usage, SHOPS, 90)
    costs = report.costs(found).frame
    assert costs["plan"].tolist() == [each.plan.capitalize() for each in found.costs]
    assert costs["so_far"].tolist() == [f"${each.so_far:,.2f}" for each in found.costs]
    assert len(costs) == 2
    rows = report.thresholds(found).frame
    assert len(rows) == len(found.thresholds)
    for row, each in zip(rows.to_dict("records"), found.thresholds, strict=True):
        assert row["now"] == ("Now" if each.is_due else "Not yet")
        numbers = [
            float(row[name].split("%")[0].split(" ")[0].replace(",", ""))
            for name in ("value", "from")
        ]
        scale = 100 if each.limit <= 1 else 1e-9 if each.limit >= 1e9 else 1e-6
        assert numbers[1] == pytest.approx(each.limit * scale, rel=0.05)


@pytest.fixture
def settings(tmp_path: Path, tiny_warehouse: Path) -> Settings:
    """A project on the free plan with the report only, pulled on the day after UNTIL."""
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, folder / "warehouse.duckdb")
    (tmp_path / "notebooks").mkdir()
    shutil.copyfile(NOTEBOOK, tmp_path / "notebooks" / NOTEBOOK.name)
    return Settings(
        root=tmp_path, databases={"demo": {"url": "sqlite:data/demo/d1.sqlite", "plan": "free"}}
    )


def spend(settings: Settings, day: date, written: int) -> None:
    """Bill rows to a day."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    tables = {"order_events": Usage(1, 10_000, written)}
    usage = Usage(1, 10_000, written)
    note(settings.folder(), usage, at, command="pull", tables=tables, size_bytes=90_000_000)


def test_it_is_due_once_a_day_and_an_alert_can_hang_on_it(settings: Settings):
    """The day of the pull is not over: what is used on it, also by the report, makes nothing due.

    Neither does a new order line, of which there are some in any hour of a database of many shops.
    A day that turns out to have used more, as Cloudflare tells later, does.
    """
    for ago in range(30):
        spend(settings, UNTIL - timedelta(days=ago), 80_000 - 1_000 * ago)
    [first] = run_reports(settings)
    assert (first.status, first.record and first.record.as_of) == ("done", UNTIL)
    assert first.run_id is not None
    folder = run_folder(settings, "demo", first.run_id)
    figures = load_results(folder)
    assert [each.value for each in parse_alert("limit_days < 30").matching(figures)] == [20]
    assert [each.sentence for each in load_actions(folder)] == ["Upgrade to Cloudflare's paid plan"]
    spend(settings, UNTIL + timedelta(days=1), 99_999)
    with duckdb.connect(settings.folder() / "warehouse.duckdb") as con:
        con.execute("UPDATE d1lab.tables SET digest = 'new' WHERE table_name = 'order_events'")
    [again] = run_reports(settings)
    assert again.status == "current"
    keep_days(settings.folder(), "cloudflare", [DayUsage(UNTIL, 20_000, 90_000, None)])
    [job] = plan(settings, open_ledger(settings))
    assert (job.due, job.reason.endswith("D1's usage")) == (True, True)


def test_all_reports_of_a_day_without_usage_leave_it_out(settings: Settings):
    """Asked for by name, it says which days there are."""
    spend(settings, UNTIL, 1)
    ledger = open_ledger(settings)
    assert plan(settings, ledger, values={"as_of": "2018-01-01"}) == []
    with pytest.raises(InputError, match=r"2018-01-01 is outside .* \(2026-05-08 to 2026-05-08"):
        plan(settings, ledger, reports=["operations"], values={"as_of": "2018-01-01"})


def test_the_first_day_is_reported_so_far(settings: Settings):
    """Before any day is over, the day of the pull is shown; nothing it uses makes it due again."""
    pulled = UNTIL + timedelta(days=1)
    spend(settings, pulled, 7)
    with open_lab(settings) as lab:
        usage = lab.usage()
    assert (usage.until, usage.is_complete) == (pulled, False)
    assert usage.by_command == (UsagePart("pull", 10_000, 7),)
    before = plan(settings, open_ledger(settings))[0].inputs
    spend(settings, pulled, 9)
    assert plan(settings, open_ledger(settings))[0].inputs == before
