"""Content of the overview: headline, figures, tables by period, and notes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from d1lab.analyses.overview.study import LENGTHS, MEASURES, PeriodFigure
from d1lab.display import money
from d1lab.display.actions import Action
from d1lab.display.declarations import ReportTable
from d1lab.display.sources import are_simulated
from d1lab.display.values import UNKNOWN, show
from d1lab.stats.periods import dates_of

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

NO_SALES = (
    "{shop} has no whole week of orders up to {until}. The overview needs order events: load them "
    "with `d1lab ingest orders FILE` or `d1lab track FILE`."
)

LABELS = {
    "revenue": "Revenue",
    "orders": "Orders",
    "order_value": "Order value",
    "gross_margin_rate": "Gross margin",
    "given_share": "Given away",
    "customers": "Customers",
}

_POSITIONS = {"usual": "Usual", "high": "Unusually high", "low": "Unusually low"}
_BETTER = {"given_share": "lower"}
_SUFFIXES = {7: "", 28: "_4_weeks", 91: "_13_weeks"}  # of the names of key figures


def verdict(found: Sequence[PeriodFigure], actions: Sequence[Action], currency: str) -> Any:
    """Return the verdict: what revenue did last week, and what to do first."""
    week = next(one for one in found if one.measure == "revenue" and one.length_days == 7)
    text = f"{_moved(week, currency)} {_first(actions)}"
    is_bad = week.usual.position == "low" or bool(actions and actions[0].is_loss)
    return {"text": text.strip(), "status": "bad" if is_bad else "neutral"}


def _moved(week: PeriodFigure, currency: str) -> str:
    amount = money(week.value, currency)
    judged = {
        "usual": ", within its usual range",
        "high": ", unusually high",
        "low": ", unusually low",
    }
    tail = judged.get(week.usual.position or "", "")
    if week.change is None:
        return f"Revenue was {amount} last week{tail}."
    size = show(abs(week.change), "percent", digits=0)
    if abs(week.change) < 0.005:
        return f"Revenue was {amount} last week, as in the week before{tail}."
    return f"Revenue {'rose' if week.change > 0 else 'fell'} {size} to {amount} last week{tail}."


def _first(actions: Sequence[Action]) -> str:
    if not actions:
        return "No report advises an action."
    first = actions[0]
    worth = "" if first.amount is None else f": {first.amount_text} {first.meaning_text}"
    return f"First: {first.sentence[:1].lower()}{first.sentence[1:]}{worth}."


def figures(found: Iterable[PeriodFigure], currency: str) -> list[dict[str, Any]]:
    """Return the figures of each length of period, the week's first.

    Each has its change and judgment as a note, and its trend with the usual range.
    """
    return [
        {
            "metric": one.measure + _SUFFIXES[one.length_days],
            "label": LABELS[one.measure],
            "value": one.value,
            "kind": MEASURES[one.measure],
            "unit": _unit(one, currency),
            "better": _BETTER.get(one.measure, "higher"),
            "note": _note(one, currency),
            "trend": _trend(one),
        }
        for one in found
    ]


def _trend(one: PeriodFigure) -> dict[str, Any]:
    low, high = _ends(one)
    name = LENGTHS[one.length_days].capitalize()
    return {"values": one.values, "low": low, "high": high, "period": name, "dates": _dates(one)}


def _unit(one: PeriodFigure, currency: str) -> str:
    return currency if MEASURES[one.measure] == "money" else ""


def _note(one: PeriodFigure, currency: str) -> str:
    if one.value is None:
        return f"Not available: {one.usual.reason}."
    before = "No week before"
    if one.before is not None:
        shown = _shown(one.before, one, currency)
        before = f"{shown} before" if one.change is None else f"{_change(one)} vs. {shown}"
    judged = _POSITIONS.get(one.usual.position or "")
    return f"{before}. {judged or f'Not judged: {one.usual.reason}'}."


def _change(one: PeriodFigure) -> str:
    if one.change is None:
        return UNKNOWN
    if MEASURES[one.measure] == "percent":
        return f"{'+' if one.change > 0 else ''}{show(100 * one.change, 'number', digits=1)} points"
    return f"{'+' if one.change > 0 else ''}{show(one.change, 'percent', digits=0)}"


def _shown(value: float | None, one: PeriodFigure, currency: str) -> str:
    kind = MEASURES[one.measure]
    if value is None:
        return UNKNOWN
    if kind == "money":
        return money(value, currency)
    return show(value, kind, digits=1 if kind == "percent" else 0)


def _range(one: PeriodFigure, currency: str) -> str:
    low, high = _ends(one)
    return UNKNOWN if low is None else " to ".join(_shown(e, one, currency) for e in (low, high))


def _ends(one: PeriodFigure) -> tuple[float | None, float | None]:
    """Return the usual range; only a margin can be below 0."""
    low, high = one.usual.low, one.usual.high
    if low is None or high is None or one.measure == "gross_margin_rate":
        return low, high
    return max(low, 0.0), max(high, 0.0)


def tables(found: Sequence[PeriodFigure], currency: str) -> dict[str, ReportTable]:
    """Return a table per length of period that the data covers."""
    import pandas as pd

    made: dict[str, ReportTable] = {}
    for length, name in LENGTHS.items():
        rows = [_row(one, currency) for one in found if one.length_days == length]
        if rows:
            first = next(one for one in found if one.length_days == length)
            made[f"{length}"] = ReportTable(
                pd.DataFrame(rows), f"Last {name}: {_dates(first)}", name=f"last-{length}-days"
            )
    return made


def _dates(one: PeriodFigure) -> str:
    before = dates_of(one.first_day - timedelta(days=1), one.length_days)
    return f"{dates_of(one.last_day, one.length_days)}, vs. {before}"


def _row(one: PeriodFigure, currency: str) -> dict[str, Any]:
    judged = _POSITIONS.get(one.usual.position or "")
    usual = f"{judged} ({_range(one, currency)})" if judged else f"Not judged: {one.usual.reason}"
    return {
        "figure": LABELS[one.measure],
        "this_period": _shown(one.value, one, currency),
        "period_before": _shown(one.before, one, currency),
        "changed_by": _change(one),
        "usual": usual,
    }


def limits(periods: Frame, missing: Sequence[str], simulated: Collection[str], until: date) -> str:
    """Return a note on the figures: costs, days, and reports without a run.

    Args:
        periods: Rows of the metric `shop_periods`.
        missing: Names of reports that did not succeed on this day.
        simulated: Views with simulated rows, as returned by `Lab.simulated`.
        until: Day of the overview.
    """
    week = periods[periods["length_days"] == 7].iloc[-1]
    costed = week["costed_share"]
    known = None if costed is None or costed != costed else float(costed)
    costs = (
        f"Unit costs are known for {known:.0%} of the week's revenue."
        if known
        else "No unit cost is known, so there is no margin. Load costs with `d1lab ingest costs`."
    )
    source = are_simulated(simulated, "product_costs")
    absent = f" No result for {until}: {', '.join(missing)}." if missing else ""
    return (
        f"{source}{costs} Revenue is net of refunds. Usual: inside the range that holds 95 of "
        "100 weeks, from at least 12 periods before, each of whole weeks. Amounts of different "
        f"actions are not added: they can overlap.{absent}"
    )
