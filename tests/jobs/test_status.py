"""What is fresh, due, failed, and locked, and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from d1lab.d1.database import Usage
from d1lab.d1.usage_log import note
from d1lab.jobs.leases import Work
from d1lab.jobs.run import run_reports
from d1lab.jobs.status import DatabaseStatus, ReportStatus, exit_code, status_of

HARBOR = {"shops": ["harbor"], "push": False}


def _harbor(settings, **options) -> tuple[DatabaseStatus, ReportStatus]:
    [found] = status_of(settings, **options)
    [report] = [report for report in found.reports if report.shop == "harbor"]
    return found, report


def test_a_report_is_due_then_locked_then_fresh(settings, ledger, use, monkeypatch):
    """The status of one report before, during, and after its first run; no history is read."""
    use("uses_the_lab")
    monkeypatch.delattr("d1lab.jobs.ledger.RunLedger.entries")
    assert _harbor(settings)[1].state == "due"
    with ledger.lease(Work("demo", "harbor", "uses_the_lab")):
        assert _harbor(settings)[1].state == "locked"
    [outcome] = run_reports(settings, **HARBOR)
    _, report = _harbor(settings)
    assert (report.state, report.run_id) == ("fresh", outcome.run_id)
    assert report.seconds == outcome.record.seconds
    assert report.succeeded_at is not None


def test_a_failed_report_is_failed_and_ends_with_1(settings, use):
    """The newest run counts; the shop's other reports are due."""
    use("cell_raises")
    run_reports(settings, **HARBOR)
    found, report = _harbor(settings)
    assert report.state == "failed"
    assert str(report.run_id) in report.why
    assert report.succeeded_at is None
    assert exit_code([found]) == 1


def test_a_broken_notebook_is_failed(settings, use):
    """It has no run, because it cannot be run at all."""
    use("uses_the_lab")
    (settings.notebooks_dir / "bad.ipynb").write_bytes(b"")
    [found] = status_of(settings)
    [bad] = [report for report in found.reports if report.report == "bad"]
    assert (bad.state, bad.run_id) == ("failed", None)
    assert bad.why.endswith("bad.ipynb: the file is empty")
    assert exit_code([found]) == 1


def test_cost_is_todays_and_this_months(settings, use):
    """The cost comes from the log of billed rows, at the prices of the database's plan."""
    use("uses_the_lab")
    now = datetime(2026, 5, 20, 12, tzinfo=UTC)
    for days, rows in ((0, 1_000), (5, 10_000), (40, 500_000)):
        note(settings.folder(), Usage(1, rows, rows), now - timedelta(days))
    found, _ = _harbor(settings, now=now)
    assert (found.today.rows_read, found.month.rows_read) == (1_000, 11_000)
    assert found.cost_today == pytest.approx(1_000 * 0.001e-6 + 1_000 * 1e-6)
    assert found.cost_month == pytest.approx(11 * found.cost_today)


def test_a_database_that_was_not_pulled_is_stale_and_says_why(settings, use):
    """It does not stop the command: no reports are listed, and the reason is given."""
    use("uses_the_lab")
    (settings.folder() / "warehouse.duckdb").unlink()
    [found] = status_of(settings)
    assert (found.reports, found.pulled_at, found.stale) == ((), None, True)
    assert "d1lab pull" in found.error


def _found(*states: str, stale: bool = False) -> DatabaseStatus:
    reports = tuple(ReportStatus("r", "s", s, "", None, None, None, None) for s in states)  # pyright: ignore[reportArgumentType]
    return DatabaseStatus("demo", None, stale, "", reports, Usage(), Usage(), 0.0, 0.0)


def test_exit_code_is_for_monitors():
    """Failures take precedence; due or stale reports are 3; running work is fine."""
    assert exit_code([_found("fresh", "locked")]) == 0
    assert exit_code([_found("fresh", "due")]) == 3
    assert exit_code([_found("fresh", stale=True)]) == 3
    assert exit_code([_found("due"), _found("failed")]) == 1
