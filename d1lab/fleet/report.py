"""Content of the fleet's report: headline, figures, tables, and notes."""

# pyright: standard

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.d1.database import Usage
from d1lab.d1.limits import bill
from d1lab.display import DataTable, Figure, Figures, Note, Verdict
from d1lab.fleet.study import POOLED, FleetStudy, stale_since

LIMIT = 1_000  # rows of a table on the page; its CSV has all
_POSITIONS = {"high": "Unusually high", "low": "Unusually low"}
_PLACE = {"database": "Database", "shop": "Shop"}
_WHERE = {**_PLACE, "currency": "Currency"}


def verdict(found: FleetStudy) -> Verdict:
    """Return the verdict: failures first, then outliers."""
    databases, failed = len(found.databases), _failed(found)
    if not databases:
        return Verdict.of("The fleet has no databases yet.", "unknown")
    shops = counted(len(found.ranking), "shop")
    text = f"{counted(databases, 'database')} with {shops}: {len(failed):,} failed last time."
    low = sum(week.usual.position == "low" for week in found.outliers)
    high = len(found.outliers) - low
    detail = (
        f"Revenue of the last week was unusually low in {counted(low, 'shop')} and unusually high "
        f"in {counted(high, 'shop')}, of {found.judged:,} with enough weeks to judge. By chance "
        f"alone, about {0.05 * found.judged:.0f} would be."
    )
    return Verdict.of(text, "bad" if len(failed) else "neutral", detail)


def figures(found: FleetStudy, today: date | None = None) -> Figures:
    """Return the key figures."""
    usage = _usage(found)
    stale = _stale(found, today or _today())
    return Figures.of(
        Figure.of("databases", len(found.databases), label="Databases", kind="integer"),
        Figure.of(
            "failed", len(_failed(found)), label="Failed databases", kind="integer", better="lower"
        ),
        Figure.of("stale", len(stale), label="Stale shops", kind="integer", better="lower"),
        Figure.of("shops", len(found.ranking), label="Shops", kind="integer"),
        Figure.of("rows_read", usage.rows_read, label="D1 rows read", kind="integer"),
    )


def tables(found: FleetStudy, today: date | None = None) -> dict[str, DataTable]:
    """Return all tables by name."""
    at = today or _today()
    return {
        "actions": _actions(found),
        "ranking": _ranking(found),
        "outliers": _outliers(found),
        "failures": _failures(found),
        "stale": _table(
            _stale(found, at),
            "Stale shops: days since the last order day",
            {**_WHERE, "last_day": "Last day", "days": "Days"},
        ),
        "cost": _cost(found),
        "pooling": _pooling(found),
    }


def notes(found: FleetStudy) -> Note:
    """Return what D1 bills, and what amounts cannot be added."""
    plans = sorted(set(found.databases["plan"]))
    billed = "; ".join(f"{plan} plan: {bill(_usage(found, plan), plan)}" for plan in plans)
    several = found.ranking["currency"].nunique() > 1
    more = " Amounts of different currencies are not converted or added." if several else ""
    return Note.of(f"D1 on the last day of each database: {billed or 'nothing'}.{more}")


def _table(frame: Any, title: str, labels: dict[str, str], **options: Any) -> DataTable:
    """Return a table of these columns."""
    columns = list(labels)
    shown = frame[columns] if len(frame) else pd.DataFrame(columns=columns)
    return DataTable.from_frame(
        shown, title=title, labels=labels, limit=LIMIT, run_dir=load_settings().run_dir, **options
    )


def _actions(found: FleetStudy) -> DataTable:
    labels = {
        **{"sentence": "Action", "amount": "Amount", "amount_low": "Low", "amount_high": "High"},
        **{"currency": "Currency", "meaning": "Meaning", "period": "Period", **_PLACE},
        **{"report": "Report", "basis": "Basis", "as_of": "Day"},
    }
    return _table(found.actions, "Actions of all shops, by money", labels)


def _ranking(found: FleetStudy) -> DataTable:
    labels = {
        **_WHERE,
        "revenue": "Revenue",
        "change": "Change",
        "orders": "Orders",
        "savings": "Discounts given",
        "last_day": "Last day",
    }
    title = "Revenue of the last 28 days by shop, vs. the 28 days before"
    return _table(found.ranking, title, labels, kinds={"change": "percent"})


def _outliers(found: FleetStudy) -> DataTable:
    rows = [
        {
            **{name: getattr(week, name) for name in (*_WHERE, "last_day", "revenue")},
            "position": _POSITIONS[week.usual.position or ""],
            "low": week.usual.low,
            "high": week.usual.high,
        }
        for week in found.outliers
    ]
    labels = {
        **_WHERE,
        "revenue": "Revenue of the week",
        "position": "Position",
        "low": "Low (95%)",
        "high": "High (95%)",
        "last_day": "Last day",
    }
    return _table(pd.DataFrame(rows), "Shops outside their own usual range, farthest first", labels)


def _failures(found: FleetStudy) -> DataTable:
    labels = {"database": "Database", "kind": "Kind", "message": "Message", "failures": "In a row"}
    labels |= {"tried_at": "Last attempt", "succeeded_at": "Last success"}
    return _table(_failed(found), "Databases that failed last time", labels)


def _cost(found: FleetStudy) -> DataTable:
    labels = {"database": "Database", "plan": "Plan", "requests": "Requests"}
    labels |= {"rows_read": "Rows read", "rows_written": "Rows written", "seconds": "Seconds"}
    columns = ["rows_written", "rows_read", "database"]
    frame = found.databases.sort_values(columns, ascending=[False, False, True])
    return _table(frame, "D1 usage by database on its last day", labels)


def _pooling(found: FleetStudy) -> DataTable:
    rows = [
        {
            "figure": POOLED[metric],
            "estimate": "Drawn toward all shops" if judged.is_better else "Each shop its own",
            "shops": judged.shops,
            "own_error": judged.own_error,
            "pooled_error": judged.pooled_error,
            "reason": judged.reason,
        }
        for metric, judged in found.pooling.items()
    ]
    labels = {"figure": "Figure", "estimate": "Best forecast", "shops": "Shops in the holdout"}
    labels |= {"own_error": "Own error", "pooled_error": "Drawn error", "reason": "Reason"}
    return _table(pd.DataFrame(rows), "Do shops predict each other?", labels)


def _failed(found: FleetStudy) -> Any:
    return found.databases[found.databases["status"] == "failed"]


def _stale(found: FleetStudy, today: date) -> Any:
    frame = found.ranking[["database", "shop", "currency", "last_day"]].copy()
    frame["days"] = [stale_since(day.date(), today) for day in frame["last_day"]]
    frame = frame[frame["days"].notna()].astype({"days": "int64"})
    return frame.sort_values(["days", "database"], ascending=[False, True])


def _usage(found: FleetStudy, plan: str = "") -> Usage:
    frame = found.databases
    frame = frame[frame["plan"] == plan] if plan else frame
    return Usage(0, int(frame["rows_read"].sum()), int(frame["rows_written"].sum()))


def _today() -> date:
    return datetime.now(UTC).date()
