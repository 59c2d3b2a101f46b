"""`d1lab runs` and `d1lab status` as a monitor calls them."""

from __future__ import annotations

import pytest

from tests.support.command_line import assert_refused


def test_status_and_runs_of_a_project(project, run):
    """Due and 3 before anything ran; then runs with their cost, and a metrics file."""
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


def test_runs_refuse_what_is_no_day_and_no_status(project, run):
    """One line each."""
    assert_refused(run("runs", "--since", "monday"), "--since 'monday' is not a day")
    assert_refused(run("runs", "--status", "fail"), "unknown status 'fail'", "timeout")


def test_runs_of_a_new_project_are_none(project, run):
    """An empty list, not an error."""
    assert run("runs", "--json").json == []


def test_a_push_by_hand_is_kept_with_the_run(project, run):
    """Its cost is in `d1lab runs`, and its page no longer says that it is pending."""
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
