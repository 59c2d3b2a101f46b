"""Output of `d1lab run`: a line per job, exported files, and what it took."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from d1lab.cli.output import echo_err, echo_pull_notes, print_json, print_rows, shown_path
from d1lab.cli.push import print_held_back
from d1lab.config import Settings
from d1lab.counting import counted
from d1lab.d1.database import Usage
from d1lab.d1.limits import bill

if TYPE_CHECKING:
    from d1lab.jobs.job_result import JobResult
    from d1lab.pages.export import Exported
    from d1lab.pull import PullResult


def _print_exported(settings: Settings, exported: list[list[Exported]]) -> None:
    """Print the files exported by each job."""
    if files := [file for files in exported for file in files]:
        rows = [(shown_path(path, settings.root), rows) for path, rows in files]
        print_rows(("exported", "rows"), rows)


def print_as_json(
    outcomes: list[JobResult], exported: list[list[Exported]], pulled: PullResult | None
) -> None:
    """Print the pull, and all fields of each job."""
    runs = [_summary(*pair) for pair in zip(outcomes, exported, strict=True)]
    print_json({"pull": pulled, "runs": runs})


def _summary(outcome: JobResult, exported: list[Exported]) -> dict[str, object]:
    task = outcome.job.task
    return {
        "report": task.report.name,
        "shop": task.shop,
        "as_of": task.as_of,
        "status": outcome.status,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "run_id": outcome.run_id,
        "page": outcome.page,
        "seconds": outcome.record.seconds if outcome.record else None,
        "pushed": outcome.pushed,
        "exported": exported,
    }


def print_outcomes(
    settings: Settings,
    outcomes: list[JobResult],
    pulled: PullResult | None,
    exported: list[list[Exported]],
    started: float,  # as of time.monotonic()
    *,
    is_named: bool,
) -> None:
    """Print a line per job, what went wrong, and what it took."""
    rows = [
        (
            outcome.job.task.shop,
            outcome.job.task.report.name,
            outcome.status,
            _tenths(outcome.record.seconds if outcome.record else None),
            outcome.pushed.changed if outcome.pushed else None,
            shown_path(outcome.page, settings.root),
        )
        for outcome in outcomes
    ]
    print_rows(("shop", "report", "status", "seconds", "results_pushed", "page"), rows)
    for outcome in outcomes:
        if outcome.message and outcome.status != "current":
            echo_err(f"{outcome.job.task}: {outcome.message}")
    if not is_named and all(outcome.job.task.report.is_of_usage for outcome in outcomes):
        echo_err("run: no shops in the data yet. Run `d1lab doctor` to see what is missing.")
    if pulled:
        echo_pull_notes(pulled)
    if not any(outcome.status == "due" for outcome in outcomes):  # not a dry run
        _say_what_it_took(settings, outcomes, pulled, monotonic() - started)
    index = settings.reports_dir / "index.html"
    if index.is_file():
        echo_err(f"Open {shown_path(index, settings.root)}")
    _print_exported(settings, exported)


def _say_what_it_took(
    settings: Settings, outcomes: list[JobResult], pulled: PullResult | None, seconds: float
) -> None:
    pushes = [outcome.pushed for outcome in outcomes if outcome.pushed]
    print_held_back(pushes)
    usage = sum((push.usage for push in pushes), Usage())
    read = usage.rows_read + (pulled.rows_read if pulled else 0)
    pulled_rows = counted(pulled.rows_pulled if pulled else 0, "row")
    plan = settings.resolve(outcomes[0].job.task.database if outcomes else None)[1].plan
    billed = bill(usage._replace(rows_read=read), plan, places=4)
    echo_err(
        f"{pulled_rows} pulled; D1 bills {counted(read, 'row')} read and "
        f"{usage.rows_written:,} written ({billed}); "
        f"{counted(sum(p.changed for p in pushes), 'result')} pushed; {seconds:.1f} s"
    )


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
