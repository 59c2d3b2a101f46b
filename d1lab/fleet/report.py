"""Content of the fleet's report: headline, figures, tables, and notes."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.d1.database import Usage
from d1lab.d1.limits import bill, cost
from d1lab.display import DataTable, Figure, Figures, Note, Verdict
from d1lab.display.actions import Action
from d1lab.display.sources import simulated
from d1lab.display.values import Kind
from d1lab.fleet.places import FOLDER
from d1lab.fleet.study import POOLED, FleetStudy, stale_since

LIMIT = 1_000  # rows of a table on the page; its CSV has all
PAGES = f"../../../{FOLDER}/"  # of all shops, from the page of the fleet
_POSITIONS = {"high": "Unusually high", "low": "Unusually low"}
_OUTSIDE = 0.05  # of shops are outside their 95% range by chance


def verdict(found: FleetStudy) -> Verdict:
    """Return the verdict: what there is to do, and what failed; then outliers."""
    databases, failed, new = len(found.databases), len(_failed(found)), _new(found)
    if not databases:
        return Verdict.of("The fleet has no databases yet.", "unknown")
    if not len(found.ranking) and not len(found.actions):
        told = f"No figures yet of {counted(databases, 'database')}"
        return Verdict.of(f"{told}{_told_failed(failed)}.", "bad" if failed else "unknown")
    actions, shops = counted(len(found.actions), "action"), counted(len(found.ranking), "shop")
    of = counted(databases, "database")
    ended = f"{failed:,} of {of} failed" if failed else f"{of} without a failure"
    waiting = f" {counted(new, 'database')} not run yet." if new else ""
    text = f"{actions} for {shops}; {ended}."
    return Verdict.of(text, "bad" if failed else "neutral", f"{_last_week(found)}{waiting}")


def _told_failed(failed: int) -> str:
    return f"; {failed:,} failed" if failed else ""


def _last_week(found: FleetStudy) -> str:
    """Return how many shops are outside their usual range."""
    if not found.judged:
        return "No shop has enough weeks to judge its last one."
    low = sum(week.usual.position == "low" for week in found.outliers)
    high = len(found.outliers) - low
    of = f"{counted(found.judged, 'shop')} with enough weeks to judge"
    if not (low or high):
        return f"Revenue of the last week was within the shop's own usual range in all {of}."
    chance = _OUTSIDE * found.judged
    return (
        f"Revenue of the last week was unusually low in {counted(low, 'shop')} and unusually high "
        f"in {counted(high, 'shop')}, of {of}. By chance alone, about "
        f"{chance:.{0 if chance >= 10 else 1}f} would be."
    )


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
            {"shop": "Shop", "days": "Days", "last_day": "Last day", "database": "Database"},
        ),
        "cost": _cost(found),
        "pooling": _pooling(found),
        "pooled": _pooled(found),
    }


def notes(found: FleetStudy) -> Note:
    """Return what D1 bills for all databases together."""
    plans = sorted(set(found.databases["plan"]))
    billed = "; ".join(f"{plan} plan: {bill(_usage(found, plan), plan)}" for plan in plans)
    return Note.of(f"All databases together, each on its last day: {billed or 'nothing'}.")


def _table(frame: Any, title: str, labels: Mapping[str, str], **options: Any) -> DataTable:
    """Return a table of these columns; names link to pages, where there are some.

    Databases are left out if each has the name of its shop.
    """
    names = dict(labels)
    if {"shop", "database"} <= names.keys() and (frame["shop"] == frame["database"]).all():
        del names["database"]
    shown = frame[list(names)] if len(frame) else pd.DataFrame(columns=list(names))
    made = DataTable.from_frame(
        shown, title=title, labels=names, limit=LIMIT, run_dir=load_settings().run_dir, **options
    )
    if "page" not in frame:
        return made
    pages = frame["page"].head(LIMIT)
    return made._replace(links=tuple(PAGES + p if isinstance(p, str) else "" for p in pages))


def _of_money(frame: Any, title: str, labels: Mapping[str, str], *amounts: str) -> DataTable:
    """Return a table with amounts, in a column of their currency or next to their currencies."""
    kinds: dict[str, Kind] = dict.fromkeys(amounts, "money")
    kinds |= {"change": "percent"} if "change" in labels else {}
    currencies = set(frame["currency"]) if len(frame) else set[str]()
    if len(currencies) == 1 and (one := currencies.pop()):
        kept = {name: label for name, label in labels.items() if name != "currency"}
        return _table(frame, title, kept, units=dict.fromkeys(amounts, one), kinds=kinds)
    return _table(frame, title, labels, kinds=kinds)


def _actions(found: FleetStudy) -> DataTable:
    labels = {"sentence": "Action", "shop": "Shop"}
    labels |= {"amount": "Amount", "amount_low": "Low", "amount_high": "High"}
    labels |= {"currency": "Currency", "meaning": "Meaning", "basis": "Basis", "report": "Report"}
    labels |= {"simulated": "Simulated data", "as_of": "Day", "database": "Database"}
    frame = found.actions.copy()
    told = [_told(row) for row in frame.to_dict("records")]
    frame[["meaning", "basis", "simulated"]] = pd.DataFrame(
        told, columns=["meaning", "basis", "simulated"], index=frame.index
    )
    if frame["amount_low"].isna().all():
        del labels["amount_low"], labels["amount_high"]
    amounts = [name for name in labels if name.startswith("amount")]
    return _of_money(frame, "Actions of all shops by money", labels, *amounts)


def _told(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the meaning of an action's amount, its basis, and its simulated data in words."""
    action = Action(
        key="",
        verb="",
        what="",
        basis=row["basis"],
        amount=None if pd.isna(row["amount"]) else row["amount"],
        meaning=row["meaning"],
        of=row["of"],
        per=row["period"],
        at_most=row["at_most"],
    )
    return action.meaning_text, action.basis_text, simulated(row["simulated"].split())


def _ranking(found: FleetStudy) -> DataTable:
    labels = {"shop": "Shop", "revenue": "Revenue", "currency": "Currency", "change": "Change"}
    labels |= {"orders": "Orders", "savings": "Discounts given", "last_day": "Last day"}
    title = "Revenue of the last 28 days by shop, vs. the 28 days before"
    return _of_money(found.ranking, title, labels | {"database": "Database"}, "revenue", "savings")


def _outliers(found: FleetStudy) -> DataTable:
    pages = found.ranking.set_index(["database", "shop"])["page"].to_dict()
    rows = [
        {
            **{name: getattr(week, name) for name in ("database", "shop", "currency", "last_day")},
            "revenue": week.revenue,
            "position": _POSITIONS[week.usual.position or ""],
            "low": week.usual.low,
            "high": week.usual.high,
            "page": pages.get((week.database, week.shop)),
        }
        for week in found.outliers
    ]
    labels = {"shop": "Shop", "position": "Position", "revenue": "Revenue of the week"}
    labels |= {"low": "Low (95%)", "high": "High (95%)", "currency": "Currency"}
    labels |= {"last_day": "Last day", "database": "Database"}
    frame = pd.DataFrame(rows, columns=[*labels, "page"])
    title = "Shops outside their own usual range, farthest first"
    return _of_money(frame, title, labels, "revenue", "low", "high")


def _failures(found: FleetStudy) -> DataTable:
    labels = {"database": "Database", "kind": "Kind", "message": "Message", "failures": "In a row"}
    labels |= {"tried_at": "Last attempt", "succeeded_at": "Last success", "due_at": "Next attempt"}
    frame = found.databases[found.databases["message"] != ""].copy()
    frame["kind"] = frame["kind"].where(frame["status"] == "failed", "no shops")
    frame["due_at"] = frame["due_at"].fillna("next run")
    return _table(frame, "Databases that failed last time, or have no shops", labels)


def _cost(found: FleetStudy) -> DataTable:
    labels = {"database": "Database", "plan": "Plan", "dollars": "Price"}
    labels |= {"rows_read": "Rows read", "rows_written": "Rows written"}
    labels |= {"requests": "Requests", "seconds": "Seconds"}
    columns = ["rows_written", "rows_read", "database"]
    frame = found.databases.sort_values(columns, ascending=[False, False, True])
    usages = zip(frame["rows_read"], frame["rows_written"], frame["plan"], strict=True)
    frame["dollars"] = [cost(Usage(0, int(read), int(wrote)), plan) for read, wrote, plan in usages]
    return _table(
        frame,
        "D1 usage by database on its last day",
        labels,
        units={"dollars": "USD"},
        kinds={"dollars": "number"},
    )


def _pooling(found: FleetStudy) -> DataTable:
    rows = [
        {
            "figure": POOLED[metric],
            "estimate": "Drawn toward all shops" if each.verdict.is_better else "Each shop its own",
            "shops": each.verdict.shops,
            "own_error": each.verdict.own_error,
            "pooled_error": each.verdict.pooled_error,
            "mean": each.mean,
            "spread": each.spread,
            "reason": each.verdict.reason,
        }
        for metric, each in found.pooling.items()
    ]
    labels = {"figure": "Figure", "estimate": "Best forecast", "shops": "Shops in the holdout"}
    labels |= {"own_error": "Own error", "pooled_error": "Drawn error"}
    labels |= {"mean": "Mean of all shops", "spread": "Spread between shops", "reason": "Reason"}
    kinds = dict.fromkeys(("mean", "spread"), "percent")
    return _table(pd.DataFrame(rows), "Do shops predict each other?", labels, kinds=kinds)


def _pooled(found: FleetStudy) -> DataTable:
    """Return the estimates that are drawn toward each other, where that predicts better."""
    frames = [
        each.estimates.assign(figure=POOLED[metric]) for metric, each in found.pooling.items()
    ]
    labels = {"figure": "Figure", "shop": "Shop", "dimension": "Test", "drawn": "Drawn"}
    labels |= {"value": "Own", "low": "Low (95%)", "high": "High (95%)", "as_of": "Day"}
    kinds = dict.fromkeys(("drawn", "value", "low", "high"), "percent")
    title = "Estimates drawn toward all shops, where that predicts better"
    frame = pd.concat(frames, ignore_index=True)
    return _table(frame, title, labels | {"database": "Database"}, kinds=kinds)


def _failed(found: FleetStudy) -> Any:
    return found.databases[found.databases["status"] == "failed"]


def _new(found: FleetStudy) -> int:
    return int((found.databases["status"] == "new").sum())


def _stale(found: FleetStudy, today: date) -> Any:
    frame = found.ranking[["database", "shop", "last_day", "page"]].copy()
    frame["days"] = [stale_since(day.date(), today) for day in frame["last_day"]]
    frame = frame[frame["days"].notna()].astype({"days": "int64"})
    return frame.sort_values(["days", "database"], ascending=[False, True])


def _usage(found: FleetStudy, plan: str = "") -> Usage:
    frame = found.databases
    frame = frame[frame["plan"] == plan] if plan else frame
    return Usage(0, int(frame["rows_read"].sum()), int(frame["rows_written"].sum()))


def _today() -> date:
    return datetime.now(UTC).date()
