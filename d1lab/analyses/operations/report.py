"""Content of the report on usage: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from d1lab.analyses.operations.study import (
    READ,
    RECENT_DAYS,
    SIZE,
    Forecast,
    MonthCost,
    Threshold,
    UsageStudy,
    largest_share,
    percent,
    study,
)
from d1lab.counting import counted
from d1lab.d1.limits import PLANS
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.stats.periods import dates_of

if TYPE_CHECKING:
    from d1lab.lab.usage import BilledUsage

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

NO_USAGE = (
    "No usage of D1 is known up to {until}. Every command that reads or writes D1 adds to it: run "
    "`d1lab pull`, or allow the read token Account Analytics:Read."
)

SHORTEST_CHART = 3  # days: fewer points show no course

_LIMITS = {READ: "Rows read a day", "rows written a day": "Rows written a day", SIZE: "Size"}
_DONE = {"upgrade": "Upgrade", "archive": "Archive", "one database per shop": "One database a shop"}


def studied(used: BilledUsage, shops: Frame, horizon_days: int) -> UsageStudy:
    """Return forecasts, costs, and thresholds.

    Args:
        used: As from `lab.usage`.
        shops: Rows of the metric `shop_events`.
        horizon_days: How far to forecast.
    """
    today = used.until + timedelta(days=1) if used.is_complete else used.until
    largest = largest_share(zip(shops["shop"], shops["events"].astype(int), strict=True))
    return study(
        used.days, used.plan, PLANS, today=today, horizon_days=horizon_days, largest=largest
    )


def verdict(used: BilledUsage, found: UsageStudy) -> dict[str, str]:
    """Return the verdict: the first limit, or that there is none in sight, and the month's cost."""
    reached = [each for each in found.forecasts if each.is_reached]
    due = [each for each in found.thresholds if each.is_due]
    soon = found.first_limit
    cost = _month(found, used.plan)
    if reached:
        text = f"{_named(reached[0])} was reached on {dates_of(used.until, 1)}."
        return {"text": text, "status": "bad", "detail": cost}
    if soon:
        text = f"{_named(soon)} is expected to be reached on {_day(soon.day)}."
        return {"text": text, "status": "bad" if due else "neutral", "detail": cost}
    if due:
        return {"text": f"{_sentence(due[0].found)}.", "status": "bad", "detail": cost}
    return {"text": _quiet(used, found), "status": "good", "detail": cost}


def _day(day: date | None) -> str:
    return dates_of(day, 1) if day else "later"


def _named(each: Forecast) -> str:
    limit = _amount(each.what, each.limit)
    return f"The {each.plan} plan's limit of {limit}"


def _quiet(used: BilledUsage, found: UsageStudy) -> str:
    """The finding where no limit is near."""
    if not used.is_complete:
        day = used.days[-1]
        return (
            f"D1 billed {counted(day.rows_read, 'row')} read and {day.rows_written:,} written so "
            "far on the first day. Forecasts need 14 days."
        )
    share = percent(_busiest_share(found))
    return f"The busiest day used {share} of the free plan's daily rows. No limit is near."


def _busiest_share(found: UsageStudy) -> float:
    return found.thresholds[0].value


def _month(found: UsageStudy, plan: str) -> str:
    cost = next(each for each in found.costs if each.plan == plan)
    if cost.projected is None:
        reason = cost.note if plan == "free" else "it needs one complete day"
        return f"The month's cost is not available: {reason}."
    return f"This month costs ${cost.projected:,.2f} on the {plan} plan."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _amount(what: str, value: float) -> str:
    return _bytes(value) if what == SIZE else f"{value:,.0f} {what}"


def _bytes(value: float) -> str:
    return f"{value / 1e9:,.2f} GB" if value >= 1e9 else f"{value / 1e6:,.1f} MB"


def figures(used: BilledUsage, found: UsageStudy) -> Iterator[dict[str, Any]]:
    """Yield the key figures, on which alerts can depend."""
    recent = used.days[-RECENT_DAYS:]
    of = f"Mean of {counted(len(recent), 'day')}." if used.is_complete else "So far today."
    for name, values in (
        ("rows_read_day", [each.rows_read for each in recent]),
        ("rows_written_day", [each.rows_written for each in recent]),
    ):
        label = "Rows read a day" if name == "rows_read_day" else "Rows written a day"
        value = round(sum(values) / len(values))
        yield {"metric": name, "value": value, "label": label, "better": "lower", "note": of}
    yield _share(used, found)
    yield _size(used, found)
    yield _days_left(used, found)
    yield _cost(found, used.plan)


def _share(used: BilledUsage, found: UsageStudy) -> dict[str, Any]:
    return {
        "metric": "free_limit_share",
        "value": _busiest_share(found),
        "label": "Busiest day, of the free plan",
        "kind": "percent",
        "better": "lower",
        "note": "" if used.is_complete else "So far today.",
    }


def _size(used: BilledUsage, found: UsageStudy) -> dict[str, Any]:
    size = next(each for each in found.forecasts if each.what == SIZE)
    newest = next((each.bytes for each in reversed(used.days) if each.bytes is not None), None)
    value = None if newest is None else newest / 1e6
    note = "Not available: no answer of D1 had the size."
    if value is not None:
        growth = "" if size.per_day is None else f" {size.per_day / 1e6:+,.2f} MB a day."
        note = f"Limit: {_bytes(size.limit)}.{growth}"
    return {
        "metric": "database_mb",
        "value": value,
        "label": "Database size",
        "unit": "MB",
        "better": "lower",
        "note": note,
    }


def _days_left(used: BilledUsage, found: UsageStudy) -> dict[str, Any]:
    """The days until the first limit; not available if none is reached within the forecast."""
    first = found.first_limit
    fields = {"metric": "limit_days", "label": "Days to a limit", "better": "higher"}
    if any(each.is_reached for each in found.forecasts):
        return {**fields, "value": 0, "note": "A limit is reached."}
    if first is None or first.day is None:
        reason = next((each.reason for each in found.forecasts if each.reason), "")
        why = reason or "no limit is expected to be reached in the forecast's days"
        return {**fields, "value": None, "note": f"Not available: {why}."}
    ends = [(end - used.until).days if end else None for end in (first.earliest, first.latest)]
    interval = {"low": ends[0], "high": ends[1], "level": 0.9} if None not in ends else {}
    return {**fields, "value": (first.day - used.until).days, **interval, "note": first.what}


def _cost(found: UsageStudy, plan: str) -> dict[str, Any]:
    cost = next(each for each in found.costs if each.plan == plan)
    return {
        "metric": "month_dollars",
        "value": cost.projected,
        "label": f"This month, {plan} plan",
        "kind": "money",
        "unit": "USD",
        "better": "lower",
        "note": _sentence(f"{cost.note}.") if cost.note else "",
    }


def thresholds(found: UsageStudy) -> ReportTable:
    """Return the table of what to do from which number on."""
    import pandas as pd

    rows = [
        {
            "step": _DONE[each.what],
            "now": "Now" if each.is_due else "Not yet",
            "value": _threshold(each, each.value),
            "from": _threshold(each, each.limit),
            "found": _sentence(each.found),
        }
        for each in found.thresholds
    ]
    labels = {"step": "Step", "now": "When", "value": "Value", "from": "From", "found": "Finding"}
    return ReportTable(
        pd.DataFrame(rows, columns=list(labels)), "Thresholds", name="thresholds", labels=labels
    )


def _threshold(each: Threshold, value: float) -> str:
    return percent(value) if each.limit <= 1 else _bytes(value)


def limits(found: UsageStudy) -> ReportTable:
    """Return the table of the plan's limits, and when each is reached."""
    import pandas as pd

    labels = {
        "limit": "Limit",
        "most": "Plan's limit",
        "latest_value": "Latest day",
        "expected": "Expected",
        "interval": "90% range",
    }
    rows = [_limit_row(each) for each in found.forecasts]
    return ReportTable(
        pd.DataFrame(rows, columns=list(labels)), "Limits of the plan", name="limits", labels=labels
    )


def _limit_row(each: Forecast) -> dict[str, str]:
    unit = _bytes if each.what == SIZE else "{:,.0f}".format
    value = "Not available" if each.latest_value is None else unit(each.latest_value)
    expected = _day(each.day) if each.day else "Not in the forecast's days"
    interval = "–"
    if each.earliest:
        interval = f"{_day(each.earliest)} to {_day(each.latest)}"
        interval = _day(each.day) if each.earliest == each.latest else interval
    if each.reason:
        expected = f"Not available: {each.reason}"
    if each.is_reached:
        expected, interval = "Reached", "–"
    return {
        "limit": _LIMITS[each.what],
        "most": unit(each.limit),
        "latest_value": value,
        "expected": expected,
        "interval": interval,
    }


def costs(found: UsageStudy) -> ReportTable:
    """Return the table of the month's cost on both plans."""
    import pandas as pd

    rows = [_cost_row(each) for each in found.costs]
    labels = {"plan": "Plan", "so_far": "So far", "month": "Whole month", "note": "Note"}
    return ReportTable(pd.DataFrame(rows), "Cost of this month", name="month-costs", labels=labels)


def _cost_row(each: MonthCost) -> dict[str, str]:
    month = "Not available" if each.projected is None else f"${each.projected:,.2f}"
    return {
        "plan": each.plan.capitalize(),
        "so_far": f"${each.so_far:,.2f}",
        "month": month,
        "note": _sentence(each.note),
    }


def charts(used: BilledUsage, shown: int) -> dict[str, ReportChart]:
    """Return a chart of the rows read, the rows written, and the size, each by day."""
    import pandas as pd

    days = pd.DataFrame(used.days[-shown:], columns=["day", "rows_read", "rows_written", "bytes"])
    days["megabytes"] = days["bytes"].astype(float) / 1e6
    sized = days[days["megabytes"].notna()]
    return {
        "read": _chart(days, "rows_read", "Rows read", _near(used, days, "rows_read")),
        "written": _chart(days, "rows_written", "Rows written", _near(used, days, "rows_written")),
        "size": _chart(sized, "megabytes", "Database size (MB)", None),
    }


def _near(used: BilledUsage, days: Frame, column: str) -> int | None:
    """The free plan's limit as a line, where it is near enough not to flatten the chart."""
    limit: int = getattr(PLANS["free"], column)
    return limit if used.plan == "free" and days[column].max() > limit / 4 else None


def _chart(days: Frame, column: str, label: str, reference: float | None) -> ReportChart:
    return ReportChart(
        "line",
        days if len(days) >= SHORTEST_CHART else days.iloc[:0],
        f"day {column}",
        title=f"{label} by day",
        description=f"{label} in D1 on each day, in UTC.",
        options={
            "step": True,
            "reference": reference,
            "labels": {column: label, "day": "Day"},
        },
        otherwise=f"{label} by day: fewer than {SHORTEST_CHART} days are known.",
    )


def parts(used: BilledUsage, shown: int) -> dict[str, ReportTable]:
    """Return the tables of d1lab's own part: by table, command, and report; and of all days."""
    import pandas as pd

    rows = {"rows_read": "Rows read", "rows_written": "Rows written"}
    made: dict[str, ReportTable] = {}
    for name, listed in (
        ("table", used.by_table),
        ("command", used.by_command),
        ("report", used.by_report),
    ):
        frame = pd.DataFrame(listed, columns=["name", *rows])
        labels = {"name": name.capitalize(), **rows}
        made[name] = ReportTable(frame, f"By {name}", name=f"by-{name}", labels=labels)
    days = pd.DataFrame(used.days[-shown:][::-1], columns=["day", *rows, "bytes"])
    labels = {"day": "Day (UTC)", **rows, "bytes": "Size (bytes)"}
    made["day"] = ReportTable(days, "By day", name="by-day", labels=labels)
    return made


def method(used: BilledUsage) -> str:
    """Return a note on who counted what."""
    source = (
        "The days are Cloudflare's: they include what your app uses."
        if used.source == "cloudflare"
        else "The days are those of d1lab's own meter: what your app uses is not included. A read "
        "token with Account Analytics:Read includes it."
    )
    return (
        f"{source} Days are UTC, as D1 bills them. The parts by table, command, and report are "
        "d1lab's own; reports share pulls, so their rows add up to more than D1 bills. Forecasts "
        "extend a robust trend (Theil-Sen); the interval is a 90% prediction interval."
    )
