"""Build notifications: changes since the last message to each address.

There are two addresses: `news` gets verdicts and alerts, `errors` gets failed runs and stale data.
A notice is a change of state: a run fails or succeeds again, a verdict changes its status, another
action comes first on the overview, an alert starts or stops applying, or data becomes stale or
fresh. A report seen for the first time triggers a notice only if it failed or an alert applies.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from d1lab.config import STALE_AFTER, Settings
from d1lab.counting import counted
from d1lab.display import Figure
from d1lab.display.actions import Action, load_actions
from d1lab.display.words import prose
from d1lab.errors import InputError, StaleDataError
from d1lab.jobs.history import newest_entries
from d1lab.jobs.ledger import LedgerEntry, RunLedger
from d1lab.lab.freshness import freshness
from d1lab.pages.changes import FigureChange, what_changed
from d1lab.pages.key_figures import of_first_period
from d1lab.pages.wording import (
    clip,
    day,
    failure,
    moment,
    sentence,
    settings_of,
    simulated,
)
from d1lab.runs.record import RunRecord, load_results, load_run
from d1lab.runs.run import run_folder
from d1lab.share.alerts import Alert
from d1lab.share.delivery_log import State
from d1lab.warehouse import open_warehouse

Address = Literal["news", "errors"]
Tone = Literal["info", "success", "warning", "failure"]
ADDRESSES: tuple[Address, ...] = ("news", "errors")
DATA = "data"  # the subject of a database's freshness

_log = logging.getLogger(__name__)

_TONES: tuple[Tone, ...] = ("info", "success", "warning", "failure")  # the gravest last
_VERDICT_TONES: dict[str, Tone] = {"good": "success", "bad": "warning"}
_NEWEST = """
run_id IN (
    SELECT run_id FROM (
        SELECT run_id, row_number() OVER (
            PARTITION BY series, status = 'done' ORDER BY as_of DESC, started_at DESC
        ) AS place
        FROM runs
        WHERE database = ? AND status IN ('done', 'skipped', 'failed', 'timeout')
    )
    WHERE place <= 10
)
"""
"""The newest runs of each report, successful and others; the folders of some can be deleted."""
_FIGURES, _ACTIONS = 8, 3  # of a report in a message


class Event(NamedTuple):
    """One change of state, in words."""

    words: str
    tone: Tone


class Notice(NamedTuple):
    """One message."""

    address: Address
    subject: str  # the ledger's series, or DATA
    title: str
    body: str
    tone: Tone
    events: tuple[str, ...]
    run_id: str | None  # the run concerned
    page: str | None  # that run's page, below reports/


class ReportState(NamedTuple):
    """The latest runs of one report for one shop."""

    series: str
    run: RunRecord  # the latest
    page: str | None  # of the latest, below reports/
    good: RunRecord | None  # the latest that was done
    good_page: str | None
    figures: tuple[Figure, ...]  # of that
    before: tuple[Figure, ...]  # of the run that it is compared with
    actions: tuple[Action, ...] = ()  # of the latest that was done, by money


def latest_reports(
    settings: Settings, ledger: RunLedger, database: str | None = None
) -> list[ReportState]:
    """Return the state of every report of a database, except those whose files were deleted.

    What-if runs are omitted. A report with unreadable files is omitted with a warning.
    """
    name, _ = settings.resolve(database)
    series: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in reversed(newest_entries(ledger, _NEWEST, [name])):
        if run_folder(settings, name, entry.run_id).is_dir():
            series[entry.series].append(entry)
    found = [_readable(settings, name, key, entries) for key, entries in series.items()]
    return [report for report in found if report is not None and report.run.is_standard]


def _readable(
    settings: Settings, database: str, series: str, entries: list[LedgerEntry]
) -> ReportState | None:
    try:
        return _report(settings, database, series, entries)
    except InputError as error:
        _log.warning("%s. Nothing is sent about this report.", error)
        return None


def report_notice(
    report: ReportState,
    address: Address,
    known: State | None,
    alerts: Sequence[Alert],
    settings: Settings,
) -> tuple[Notice | None, State]:
    """Return the notice about a report for an address, and the state after it is sent.

    Args:
        report: The latest runs of the report.
        address: The address.
        known: The last state sent to the address; None if nothing was sent.
        alerts: The conditions to check.
        settings: The project's settings, which locate the pages.
    """
    events, state = (
        _news(report, known or {}, alerts) if address == "news" else _failures(report, known or {})
    )
    if not events:
        return None, state
    about_good = address == "news" and report.good is not None
    run, page = (report.good, report.good_page) if about_good else (report.run, report.page)
    assert run is not None
    tone = max(events, key=lambda event: _TONES.index(event.tone)).tone
    words = tuple(event.words for event in events)
    whose = clip(run.shop or run.database, 60)
    title = f"{clip(run.title, 120)} · {whose} · {day(run.as_of)}: {words[0]}"
    shown = _actions(report, page, settings) if run is report.good else []
    lines = [*words[1:], *_body(report, run, shown), _link(page, settings)]
    body = "\n".join(harmless(line) for line in lines if line)
    title = harmless(title)
    return Notice(address, report.series, title, body, tone, words, run.run_id, page), state


def pulled_at(settings: Settings, database: str | None = None) -> datetime | None:
    """Return the time of the database's last pull; None if there was none."""
    try:
        with closing(open_warehouse(settings.folder(database))) as con:
            return freshness(con, date.min).pulled_at
    except StaleDataError:
        return None


def data_notice(
    database: str, pulled: datetime, known: State | None, now: datetime
) -> tuple[Notice | None, State]:
    """Return the notice about the age of a database's data for the address of errors."""
    stale = now - pulled > STALE_AFTER
    state = {"stale": stale}
    if stale == (known or {}).get("stale", False):
        return None, state
    hours = (now - pulled).total_seconds() / 3600
    words = f"data is stale: last pull {counted(round(hours), 'hour')} ago"
    fresh = Event("data is up to date again", "success")
    event = Event(words, "warning") if stale else fresh
    body = f"Last pull: {moment(pulled)}." + (" Run `d1lab pull` to update it." if stale else "")
    title = f"Database {database}: {event.words}"
    return Notice("errors", DATA, title, body, event.tone, (event.words,), None, None), state


def harmless(text: str) -> str:
    """Return a line that a chat shows as plain text, without mentions and hidden links.

    >>> harmless("<!channel> [x](javascript:1) @here")
    '‹!channel> [x] (javascript:1) ＠here'
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"<(?=\S)", "‹", line).replace("@", "＠").replace("](", "] (")


def _report(
    settings: Settings, database: str, series: str, entries: list[LedgerEntry]
) -> ReportState:
    ordered = sorted(entries, key=lambda e: (e.as_of or date.min, e.started_at))
    newest = ordered[-1]
    done = [entry for entry in ordered if entry.status == "done"]
    run = load_run(run_folder(settings, database, newest.run_id))
    if not done:
        return ReportState(series, run, newest.page, None, None, (), ())
    folder = run_folder(settings, database, done[-1].run_id)
    good = run if done[-1] is newest else load_run(folder)
    before = _figures(folder.parent / good.previous_run_id) if good.previous_run_id else ()
    return ReportState(
        series,
        run,
        newest.page,
        good,
        done[-1].page,
        figures=tuple(load_results(folder)),
        before=tuple(before),
        actions=tuple(load_actions(folder)),
    )


def _figures(run_dir: Path) -> Sequence[Figure]:
    """Return the key figures of the run to compare with; none if they cannot be read."""
    try:
        return load_results(run_dir)
    except InputError as error:
        _log.warning("%s. No changes are sent.", error)
        return ()


def _failures(report: ReportState, known: State) -> tuple[list[Event], State]:
    failed = report.run.status in ("failed", "timeout")
    events = []
    if failed and not known.get("failed"):
        events = [Event("timed out" if report.run.status == "timeout" else "failed", "failure")]
    if not failed and known.get("failed"):
        events = [Event("recovered", "success")]
    return events, {"failed": failed}


def _news(report: ReportState, known: State, alerts: Sequence[Alert]) -> tuple[list[Event], State]:
    """Return alerts, then the verdict; a report without a successful run has none."""
    if report.good is None:
        return [], known
    held = set(known.get("alerts", ()))
    events = [event for alert in alerts for event in _alert_events(alert, report.figures, held)]
    verdict = report.good.verdict
    before, now = known.get("verdict"), verdict.status if verdict else None
    if before and now and before != now:
        tone = _VERDICT_TONES.get(now, "info")
        events.append(Event(f"status changed from {before} to {now}", tone))
    holding = [alert.text for alert in alerts if _holds(alert, report.figures, held)]
    state: State = {"alerts": holding, "verdict": now or before}
    first = _first_action(report)
    if first is None:
        return events, state
    if known.get("first") not in (None, first.key):
        worth = f" ({_worth(first)})" if _worth(first) else ""
        events.append(Event(f"new first action: {clip(first.sentence, 100)}{worth}", "info"))
    return events, state | {"first": first.key}


def _first_action(report: ReportState) -> Action | None:
    """Return the first action of a summary of other reports; None for the reports themselves."""
    return next((action for action in report.actions[:1] if action.report), None)


def _holds(alert: Alert, figures: Sequence[Figure], held: set[str]) -> bool:
    """Whether a condition applies; if its figure is not available, it keeps its state."""
    if not alert.known(figures):
        return alert.text in held
    return bool(alert.matching(figures))


def _alert_events(alert: Alert, figures: Sequence[Figure], held: set[str]) -> Iterator[Event]:
    holds = _holds(alert, figures, held)
    if holds == (alert.text in held):
        return
    shown = "; ".join(_named(f) for f in (alert.matching(figures) or alert.known(figures))[:3])
    if holds:
        yield Event(f"{alert.text}: {shown}", "warning")
    else:
        yield Event(f"resolved: {alert.text} ({shown})", "success")


def _named(figure: Figure) -> str:
    dimension = f" {clip(figure.dimension, 40)}" if figure.dimension else ""
    return f"{clip(figure.label, 60)}{dimension} {clip(figure.shown(), 40)}"


def _actions(report: ReportState, page: str | None, settings: Settings) -> list[str]:
    """Return the first actions by money, each with a link to it on the page."""
    lines: list[str] = []
    for place, action in enumerate(report.actions[:_ACTIONS], 1):
        link = _link(page, settings, action.anchor)
        lines.append(f"{place}. {clip(action.line, 300)} {link}".rstrip())
    return lines


def _worth(action: Action) -> str:
    """Return the amount with its meaning; '' if it is not known."""
    return "" if action.amount is None else f"{action.amount_text} {action.meaning_text}"


def _body(report: ReportState, run: RunRecord, actions: Sequence[str]) -> Iterator[str]:
    """Yield why a run failed, or the verdict, actions, and key figures of one that did not."""
    if run.error is not None:
        yield f"{failure(run)} {sentence(clip(run.error.message or run.reason, 600))}"
        yield f"Nothing was written to D1. To run again: {run.command}"
        return
    if run.chosen:
        yield f"With {clip(settings_of(run), 200)}."
    if run is not report.good:
        return
    if run.verdict:
        yield prose(clip(run.verdict.text, 600))
    yield from actions
    changes = of_first_period(what_changed(report.figures, report.before))
    yield from map(_figure_line, changes[:_FIGURES])
    yield f"Data pulled {moment(run.data.pulled_at)}."
    if run.simulated:
        yield f"Simulated: {clip(simulated(run.simulated), 200)}."


def _figure_line(change: FigureChange) -> str:
    figure = change.figure
    interval = f", {figure.interval()}" if figure.interval() else ""
    since = ", ".join(filter(None, (change.shown(), change.words())))
    change_note = f" [{since}]" if change.previous else ""
    return f"{_named(figure)}{interval}{change_note}"


def _link(page: str | None, settings: Settings, anchor: str = "") -> str:
    """Return the link to a page, or to a place on it if the pages are published."""
    base = settings.notify.pages_url.rstrip("/")
    if page is None or (anchor and not base):
        return ""
    if not base:
        return f"Page: {settings.reports_dir.name}/{page}"
    return f"{base}/{quote(page)}{f'#{anchor}' if anchor else ''}"
