"""The periods that a report covers, with both dates, for its page.

They come from the parameters of the metrics that the run has read: `days` or `weeks` up to `until`,
or everything up to `until` since the shop's first day. `horizon_days` is a period after the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import chain
from typing import Any, NamedTuple

from d1lab.counting import counted
from d1lab.outbox import SEVERAL_DAYS
from d1lab.parameter_types import MOST_DAYS, as_day
from d1lab.runs.record import RunRecord
from d1lab.stats.periods import dates_of

COMPARED_DAYS = 90
"""Pages compare customer groups with those of this many days ago."""

_LENGTHS = {"days": 1, "weeks": 7, "own_days": 1, "later_days": 1}
"""Parameters of metrics that are the length of a period, in days per unit."""


class ReportPeriod(NamedTuple):
    """One period, and what it is the period of."""

    dates: str  # 'Oct 3 to Dec 31, 2017'
    length: str  # '90 days'
    names: tuple[str, ...]  # metrics, in words


def periods_of(run: RunRecord, notes: Iterable[Mapping[str, Any]]) -> list[ReportPeriod]:
    """Return the distinct periods of a run's metrics, in the order in which they were read."""
    found: dict[tuple[str, str], list[str]] = {}
    for note in chain.from_iterable(map(_of_each_day, notes)):
        if run.as_of is not None and _is_between(note, run.as_of):
            continue
        for span in _spans(note):
            names = found.setdefault(span, [])
            name = str(note.get("metric") or "SQL").replace("_", " ")
            if name not in names:
                names.append(name)
    if after := _horizon(run):
        found[after] = ["forecast"]
    return [ReportPeriod(*span, tuple(names)) for span, names in found.items()]


def _of_each_day(note: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the note of a metric of several days once for each, as if it had been read alone."""
    params: Mapping[str, Any] = note.get("params") or {}
    days = {str(value) for name, value in params.items() if name in SEVERAL_DAYS}
    return [{**note, "params": {"until": day}} for day in sorted(days)] or [note]


def _is_between(note: Mapping[str, Any], as_of: date) -> bool:
    """Whether a metric was read for a day that the page does not show: a step of a computation."""
    params: Mapping[str, Any] = note.get("params") or {}
    until = _day(params.get("until"))
    return until is not None and until not in (as_of, as_of - timedelta(days=COMPARED_DAYS))


def _spans(note: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the dates and the length of each period of one metric."""
    params: dict[str, Any] = note.get("params") or {}
    until = _day(params.get("until"))
    if until is None:
        return
    lengths = {name: count for name in _LENGTHS if (count := _length(params.get(name)))}
    for name, count in lengths.items():
        unit = "week" if name == "weeks" else "day"
        yield dates_of(until, count * _LENGTHS[name]), counted(count, unit)
    first = _day(note.get("since"))
    if first is not None and first <= until and not {"days", "weeks"} & {*lengths}:
        yield dates_of(until, (until - first).days + 1), "since the first day"


def _horizon(run: RunRecord) -> tuple[str, str] | None:
    days = _length(run.parameters.get("horizon_days"))
    if run.as_of is None or not days:
        return None
    return dates_of(run.as_of + timedelta(days=days), days), f"next {counted(days, 'day')}"


def _length(value: Any) -> int:
    """Return the number of days or weeks; 0 if the value is none."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value <= MOST_DAYS else 0


def _day(value: object) -> date | None:
    try:
        return as_day(value)
    except ValueError:
        return None
