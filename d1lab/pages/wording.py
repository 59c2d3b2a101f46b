"""Text for run pages: freshness, failures, next steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import escape as escape_text
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from d1lab.config import STALE_AFTER
from d1lab.counting import counted
from d1lab.d1.limits import bill, price
from d1lab.display.sources import simulated
from d1lab.display.words import prose
from d1lab.pages.ab_test_rows import per_visitor_text, shown_tests, span_text
from d1lab.pages.table_layout import layout, opening
from d1lab.runs.record import RunRecord, setting
from d1lab.stats.periods import dates_of, day_text

QUIET_DAYS = 3
"""Days between the end of the data and its pull after which a page warns of no recent data."""


STATUSES = {
    "failed": "Failed",
    "timeout": "Timed out",
    "skipped": "No data",
    "bad": "Needs attention",
    "unknown": "Not available",
    "good": "Good",
    "neutral": "Info",
}
"""Status of a run; of its verdict, if the run was successful."""


class ReportFreshness(NamedTuple):
    """Age of a report's data."""

    state: str  # 'fresh', 'stale', 'quiet', or 'unknown'
    age: str  # age of the pull in words; empty without a pull
    lag: str  # time between the end of the data and the pull, if there is no recent data


def freshness(run: RunRecord, now: datetime) -> ReportFreshness:
    """Return the freshness of a run's data at `now`."""
    pulled_at = run.data.pulled_at
    if pulled_at is None:
        return ReportFreshness("unknown", "", "")
    age = now - pulled_at
    last = run.data.data_as_of
    days = (pulled_at.date() - last).days if last else 0
    lag = f"{_span(days * 24)} before the pull" if days > QUIET_DAYS else ""
    state = "stale" if age > STALE_AFTER else "quiet" if lag else "fresh"
    return ReportFreshness(state, _span(age / timedelta(hours=1)), lag)


def failure(run: RunRecord) -> str:
    """Return where a run stopped, as the first sentence of its page."""
    error = run.error
    if error is None or error.cell_index is None:
        return "This run did not finish."
    cell = error.cell_index + 1
    return {
        "kernel": f"The notebook process crashed in cell {cell}.",
        "timeout": f"The run timed out in cell {cell}.",
    }.get(error.kind, f"Cell {cell} failed.")


def next_steps(run: RunRecord) -> list[str]:
    """Return what to do about a failed run, most likely first."""
    if run.error is None:
        return []
    again = "This run wrote nothing to D1. It is safe to run it again."
    steps = {
        "cell": "Read the error message above. If the data is wrong, fix it and pull again. "
        "If the report is wrong, fix its notebook.",
        "kernel": "The system ended the notebook process, usually because memory ran out. Free "
        "memory or run the report for a shorter period.",
        "timeout": "The run exceeded its time limit. Run the report for a shorter period or "
        "raise --timeout.",
        "other": "Check the log below to see where the run stopped.",
    }
    return [steps[run.error.kind], again]


def _billed(run: RunRecord) -> str:
    return bill(run.usage, run.plan)


def _price(run: RunRecord) -> str:
    return price(run.usage, run.plan)


def filters() -> dict[str, Callable[..., Any]]:
    """Return the filters of the templates."""
    return {
        "day": day,
        "moment": moment,
        "period": period,
        "count": counted,
        "clip": clip,
        "failure": failure,
        "setting": setting,
        "span": _seconds,
        "billed": _billed,
        "price": _price,
        "layout": layout,
        "lead": lead,
        "opening": opening,
        "prose": _quoted_prose,
        "quoted": quoted,
        "reason": reason,
        "sentence": sentence,
        "shown_tests": shown_tests,
        "span_text": span_text,
        "variant": per_visitor_text,
        "verbatim": verbatim,
        "settings_of": settings_of,
        "simulated": simulated,
        "whole": _unbroken,
    }


def day(value: date | None) -> str:
    """Format a day, as in 'May 31, 2026'."""
    return day_text(value) if value else "unknown"


def period(run: RunRecord) -> str:
    """The first and last day that a report of `days` covers; '' for other reports."""
    days = run.parameters.get("days")
    if not isinstance(days, int) or run.as_of is None:
        return ""
    return f"{dates_of(run.as_of, days)} ({counted(days, 'day')})"


def moment(value: datetime | None) -> str:
    """Format a time in UTC, as in 'May 31, 2026, 06:00 UTC'."""
    if value is None:
        return "unknown"
    utc = value.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def clip(text: str, longest: int = 200) -> str:
    """Cut a text for display."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def lead(text: str, longest: int = 110) -> tuple[str, str]:
    """Split the first sentences of a finding, at most `longest` characters, from the rest.

    A first sentence that is longer stays whole.

    >>> lead("3 of 9 products run out. Order them today.", longest=30)
    ('3 of 9 products run out.', 'Order them today.')
    """
    ends = [match.end() for match in re.finditer(r"[.!?](?= |$)", text)] or [len(text)]
    end = max((place for place in ends if place <= longest), default=ends[0])
    return text[:end], text[end:].strip()


def sentence(text: str) -> str:
    """Capitalize the first letter of a text."""
    return text[:1].upper() + text[1:]


def reason(run: RunRecord) -> str:
    """Return why a run was skipped or stopped, as a sentence; a shop's name keeps its letters."""
    is_name = bool(run.shop) and run.reason.startswith(run.shop)
    return run.reason if is_name else sentence(run.reason)


def _quoted_prose(text: str) -> Markup:
    return quoted(prose(text))


def _unbroken(text: str) -> str:
    """Replace spaces by no-break spaces."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def quoted(text: str) -> Markup:
    """Format the parts of a message in backticks as code."""
    parts = enumerate(re.split("`([^`\n]+)`", text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in parts
    )


def verbatim(text: str) -> Markup:
    """Escape a text between tags; its quotes stay as they are, five times shorter.

    >>> verbatim('x < "1" & y')
    Markup('x &lt; "1" &amp; y')
    """
    return Markup(escape_text(text, quote=False))


def settings_of(run: RunRecord) -> str:
    """Return the custom parameters of a run: 'days=60, codes=["A"]'."""
    return ", ".join(f"{name}={setting(value)}" for name, value in run.chosen.items())


def _span(hours: float) -> str:
    """Format a duration in one unit."""
    for unit, length in (("year", 24 * 365.25), ("day", 24), ("hour", 1)):
        if hours >= 2 * length or (unit == "hour" and hours >= 1):
            return counted(round(hours / length), unit)
    return counted(max(0, round(hours * 60)), "minute")


def _seconds(seconds: float) -> str:
    """Return a run's duration."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
