"""The state of all reports as Prometheus text, for the textfile collector of its node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, get_args

from d1lab.config import Settings
from d1lab.d1.limits import PLANS, share_of_included
from d1lab.files import write
from d1lab.jobs.status import DatabaseStatus, State, status_of


class Gauge(NamedTuple):
    """One metric: its name, what it is, and its samples, each with its labels."""

    name: str
    help: str
    samples: Sequence[tuple[dict[str, str], float]]


def write_metrics(settings: Settings, path: Path) -> Path:
    """Write the file atomically: a reader never sees half of it."""
    return write(path, metrics_text(status_of(settings), datetime.now(UTC)))


def metrics_text(found: Sequence[DatabaseStatus], now: datetime) -> str:
    """Return the state as Prometheus text (version 0.0.4)."""
    lines: list[str] = []
    for gauge in _gauges(found, now):
        lines += [f"# HELP d1lab_{gauge.name} {gauge.help}", f"# TYPE d1lab_{gauge.name} gauge"]
        lines += [f"d1lab_{gauge.name}{_labels(labels)} {v!r}" for labels, v in gauge.samples]
    return "\n".join(lines) + "\n"


def _gauges(found: Sequence[DatabaseStatus], now: datetime) -> Iterator[Gauge]:
    yield Gauge("status_timestamp_seconds", "When this file was written.", [({}, now.timestamp())])
    yield Gauge(
        "pull_timestamp_seconds",
        "When the last pull ended.",
        [(_of(each), each.pulled_at.timestamp()) for each in found if each.pulled_at],
    )
    yield Gauge(
        "stale",
        "1 if the last pull is older than 36 hours or missing.",
        [(_of(each), float(each.stale)) for each in found],
    )
    yield Gauge(
        "reports",
        "Reports by state: fresh, due, failed, locked.",
        [
            (_of(each) | {"state": state}, float(each.count(state)))
            for each in found
            for state in get_args(State)
        ],
    )
    yield from _report_gauges(found)
    yield from _cost_gauges(found)


def _report_gauges(found: Iterable[DatabaseStatus]) -> Iterator[Gauge]:
    reports = [
        (_of(each) | {"shop": report.shop, "report": report.report}, report)
        for each in found
        for report in each.reports
    ]
    yield Gauge(
        "report_failed",
        "1 if the newest run failed, timed out, or was lost, or the notebook is unreadable.",
        [(labels, float(report.state == "failed")) for labels, report in reports],
    )
    yield Gauge(
        "report_success_timestamp_seconds",
        "When the newest successful run started.",
        [(labels, r.succeeded_at.timestamp()) for labels, r in reports if r.succeeded_at],
    )
    yield Gauge(
        "report_duration_seconds",
        "How long the newest run took.",
        [(labels, r.seconds) for labels, r in reports if r.seconds is not None],
    )


def _cost_gauges(found: Sequence[DatabaseStatus]) -> Iterator[Gauge]:
    periods = [
        (_of(each) | {"period": period}, usage, dollars)
        for each in found
        for period, usage, dollars in (
            ("day", each.today, each.cost_today),
            ("month", each.month, each.cost_month),
        )
    ]
    in_period = "in this day or month, UTC"
    for name, place in (("read", 1), ("written", 2)):
        yield Gauge(
            f"d1_rows_{name}",
            f"D1 rows {name} {in_period}.",
            [(labels, float(usage[place])) for labels, usage, _ in periods],
        )
    yield Gauge(
        "d1_cost_dollars",
        f"Cost of these rows beyond the included quota, {in_period}.",
        [(labels, dollars) for labels, _, dollars in periods],
    )
    yield Gauge(
        "d1_daily_limit_share",
        "Share of a daily limit of the free plan that was used today, UTC; 1 is all of it.",
        [
            (_of(each), share_of_included(each.today, each.plan))
            for each in found
            if PLANS[each.plan].period == "day"
        ],
    )


def _of(each: DatabaseStatus) -> dict[str, str]:
    return {"database": each.database}


def _labels(labels: dict[str, str]) -> str:
    """Return labels in braces, with backslash, quote, and line end escaped."""
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
