"""The report on D1's usage: once for a database, once a day, and not by its own doing."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from d1lab.analyses.operations import actions, report
from d1lab.analyses.operations.study import Forecast
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
    none = report.figures(usage._replace(days=()), report.studied(usage, SHOPS, 90))
    assert next(none)["value"] is None
    unknown = Forecast("free", "size", 1, None, None, None, None, "no days")
    assert (unknown.per_day, unknown.is_reached) == (None, False)


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
