"""Reports that run after others: order, dependence, and what is missing."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from d1lab.display.actions import load_actions
from d1lab.errors import UnknownName
from d1lab.jobs.after import earlier_reports, in_order
from d1lab.jobs.due import plan
from d1lab.jobs.run import run_reports
from d1lab.lab.other_reports import AFTER_FILE
from d1lab.runs.report import Report
from d1lab.runs.run import run_folder


def _report(name: str, after: tuple[str, ...] = (), *, by_shop: bool = True) -> Report:
    parameters = {"shop": None} if by_shop else {}
    return Report(name, None, name, parameters, "", after)  # type: ignore[arg-type]


REPORTS = [
    _report("all_data", by_shop=False),
    _report("first"),
    _report("overview", ("*",)),
    _report("second", ("first",)),
    _report("summary", ("*", "overview")),
]


def _names(name: str) -> list[str]:
    [report] = [each for each in REPORTS if each.name == name]
    return [each.name for each in earlier_reports(report, REPORTS)]


def test_a_star_stands_for_all_others_of_the_shop_that_do_not_summarize():
    assert _names("overview") == ["first", "second"]
    assert _names("summary") == ["overview", "first", "second"]
    assert _names("second") == ["first"]
    assert _names("first") == []


def test_an_unknown_report_is_named():
    with pytest.raises(UnknownName, match="frist"):
        earlier_reports(_report("typo", ("frist",)), REPORTS)


def _job(name: str, shop: str, *after: str):
    task = SimpleNamespace(report=SimpleNamespace(name=name), shop=shop)
    task.after = tuple((each, "") for each in after)
    return SimpleNamespace(task=task)


def test_jobs_start_after_those_that_they_wait_for():
    jobs = [
        _job("overview", "x", "first", "second"),
        _job("second", "x", "first"),
        _job("first", "x"),
        _job("first", "y"),
    ]
    order = in_order(jobs)
    assert sorted(place for place, _ in order) == [0, 1, 2, 3]
    started: list[int] = []
    for place, waits in order:
        assert set(waits) <= set(started), "a job waits only for one that starts before it"
        started.append(place)
    assert dict(order)[0] == [2, 1]
    assert dict(order)[3] == []


def test_a_circle_of_reports_does_not_block():
    order = in_order([_job("a", "x", "b"), _job("b", "x", "a")])
    assert sorted(place for place, _ in order) == [0, 1]
    assert dict(order) == {1: [], 0: [1]}


def _acts(settings, result) -> list[tuple[str, str]]:
    run_dir = run_folder(settings, "demo", result.run_id)
    return [(one.key, one.report) for one in load_actions(run_dir)]


def test_a_summary_runs_what_is_missing_quotes_it_and_follows_its_changes(settings, ledger, use):
    """Asked for alone, it brings the others of its day; it is due when one of them changed."""
    use("advises", "sums_up")
    done = run_reports(settings, reports=["sums_up"], shops=["harbor"], push=False)
    assert [(one.job.task.report.name, one.status) for one in done] == [
        ("advises", "done"),
        ("sums_up", "done"),
    ]
    assert _acts(settings, done[1]) == [("advises-order", "advises")]
    assert done[1].record.verdict.text == "1 reports, missing: []"
    page = done[1].page.read_text()
    assert f'href="../advises/{done[1].page.stem}.html#action-order"' in page
    named = json.loads((run_folder(settings, "demo", done[1].run_id) / AFTER_FILE).read_text())
    assert named == {"advises": done[0].run_id}

    [job] = plan(settings, ledger, reports=["sums_up"], shops=["harbor"])
    assert not job.due, job.reason

    path = settings.notebooks_dir / "advises.ipynb"
    path.write_text(path.read_text().replace("amount=12", "amount=13"))
    jobs = plan(settings, ledger, shops=["harbor"])
    assert {job.task.report.name: job.reason for job in jobs}["sums_up"] == "runs after advises"
    run_reports(settings, reports=["advises"], shops=["harbor"], push=False)
    [job] = plan(settings, ledger, reports=["sums_up"], shops=["harbor"])
    assert job.due
    assert "report advises" in job.reason


def test_a_report_that_failed_is_named_as_missing(settings, use):
    use("advises", "sums_up")
    path = settings.notebooks_dir / "advises.ipynb"
    path.write_text(path.read_text().replace("amount=12", "amount=-12"))
    done = run_reports(settings, shops=["harbor"], push=False)
    assert {one.job.task.report.name: one.status for one in done} == {
        "advises": "failed",
        "sums_up": "done",
    }
    assert done[1].record.verdict.text == "0 reports, missing: ['advises']"
    assert _acts(settings, done[1]) == []
