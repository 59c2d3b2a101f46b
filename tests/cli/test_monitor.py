"""`d1lab runs` and `d1lab status` as a monitor calls them."""

from __future__ import annotations

import pytest

from tests.support.command_line import assert_refused


def test_status_and_runs_of_a_project(project, run):
    """Before any run the status is due with exit code 3; then there are runs, costs, and a metrics
    file.
    """
    assert run("pull").code == 0
    before = run("status", "--json")
    assert before.code == 3
    [database] = before.json
    assert {report["state"] for report in database["reports"]} == {"due"}
    assert database["today"]["rows_read"] > 0
    metrics = project / "d1lab.prom"
    ran = run("run", "discounts", "--no-pull", "--no-push", "--metrics-file", str(metrics))
    assert ran.code == 0, ran.err
    assert 'state="fresh"} 1.0' in metrics.read_text()
    [listed] = run("runs", "--status", "done", "--json").json
    assert listed["report"] == "discounts"
    names = ["run_id", "database", "shop", "report", "as_of", "status", "seconds", "rows_read"]
    assert {*names, "cost"} <= set(listed)
    assert listed["cost"] == pytest.approx(listed["rows_read"] * 0.001e-6)
    shown = run("runs", "--report", "customers")
    assert shown.out.splitlines() == ["\t".join([*names, "rows_written", "cost"])]
    status = run("status")
    assert "1 fresh" in status.err
    assert "D1 rows read and written: today" in status.err


def test_runs_rejects_an_invalid_day_or_status(project, run):
    """Each error is one line."""
    assert_refused(run("runs", "--since", "monday"), "--since 'monday' is not a day")
    assert_refused(run("runs", "--status", "fail"), "unknown status 'fail'", "timeout")


def test_runs_of_a_new_project_are_empty(project, run):
    """The result is an empty list, not an error."""
    assert run("runs", "--json").json == []


def test_a_manual_push_is_recorded_with_the_run(project, run):
    """`d1lab runs` includes its cost, and the page no longer says that it is pending."""
    assert run("pull").code == 0
    assert run("run", "customers", "--no-pull", "--no-push").code == 0
    [before] = run("runs", "--json").json
    assert (before["rows_written"], before["pushed_at"]) == (0, None)
    page = project / "reports" / "mine" / "corner" / "customers" / "latest.html"
    assert "pending: " in page.read_text()
    assert run("push", before["run_id"]).code == 0
    [after] = run("runs", "--json").json
    assert after["rows_written"] > 0
    assert after["cost"] > before["cost"]
    assert after["pushed_at"]
    assert "pending: " not in page.read_text()


def test_usage_shows_days_parts_limits_and_thresholds(project, run):
    """By table, command, and report; the exit code says whether a threshold is passed."""
    assert run("pull").code == 0
    told = run("usage", "--json")
    assert told.code == 0
    found = told.json
    assert found["source"] == "d1lab"
    assert found["days"][-1]["rows_read"] == sum(each["rows_read"] for each in found["by_command"])
    assert found["days"][-1]["bytes"] > 0
    assert "order_events" in {each["name"] for each in found["by_table"]}
    assert {each["plan"] for each in found["costs"]} == {"free", "paid"}
    shown = run("usage")
    assert shown.out.startswith("day\trows_read\trows_written\tbytes\n")
    assert "bytes: no forecast, 0 of 14 days that a forecast needs are known" in shown.err
    assert "usage: upgrade: not yet; " in shown.err
