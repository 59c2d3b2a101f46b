"""Delete old runs and report what was deleted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from d1lab.config import Settings
from d1lab.errors import InputError, StaleDataError
from d1lab.jobs.ledger import LedgerEntry, RunLedger
from d1lab.pages.storage import latest_runs, remove_page
from d1lab.push.before_image import mark_path
from d1lab.warehouse import attach
from d1lab.warehouse.result_cache import build_of, drop_old_results

MOST_DAYS = 36_500  # a hundred years
_STAMP = re.compile(r"(\d{8}T\d{6})")


class Pruned(NamedTuple):
    """One run that was removed, or would be."""

    run_id: str
    report: str  # '' for interactive work
    shop: str
    started_at: datetime
    bytes: int
    page: str | None  # under reports/; None where there was none, or another run has its place
    undo_lost: tuple[str, ...]  # pushed tables that this run could have been rolled back in


def parse_days(text: str) -> int:
    """A number of days, written as `90d` or `90`.

    >>> parse_days("90d")
    90

    Raises:
        InputError: It is no such number.
    """
    match = re.fullmatch(r"([0-9]+)d?", text)
    if match is None or len(match[1]) > 9 or int(match[1]) > MOST_DAYS:
        raise InputError(
            f"invalid --keep {text!r:.40}. Use a number of days up to {MOST_DAYS}, such as 90d."
        )
    return int(match[1])


def prune(
    settings: Settings,
    ledger: RunLedger,
    database: str | None = None,
    *,
    keep_days: int,
    weeks: int = 0,
    months: int = 0,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[Pruned]:
    """Remove the runs of a database that began more than `keep_days` ago.

    The last run of each report and shop stays, and so do the last good one and the one behind
    `latest.html`. What a removed run had pushed stays in D1, but can no longer be rolled back:
    `undo_lost` says where.

    Args:
        settings: The project's.
        ledger: Where the runs are recorded.
        database: A name of d1lab.toml; None for the default one.
        keep_days: >= 0.
        weeks: Of so many weeks before now, the last good run of each report and shop stays.
        months: The same for months, of 31 days.
        dry_run: Only say what would go.
        now: The present moment, UTC.

    Returns:
        The runs, oldest first.
    """
    name, _ = settings.resolve(database)
    runs_dir = settings.folder(name) / "runs"
    entries = {e.run_id: e for e in ledger.entries() if e.database == name}
    at = now or datetime.now(UTC)
    before = at - timedelta(days=keep_days)
    kept = _latest(entries.values()) | latest_runs(settings.reports_dir)
    kept |= _by_rule(entries.values(), at, weeks, months)
    gone = [
        (run_id, at)
        for run_id, at in _ages(runs_dir, entries)
        if at < before and run_id not in kept
    ]
    removed = {run_id for run_id, _ in gone}
    pages = {e.page for e in entries.values() if e.run_id not in removed}
    found = [_pruned(runs_dir / run_id, at, entries.get(run_id), pages) for run_id, at in gone]
    if not dry_run:
        for pruned in found:
            _remove(settings, ledger, runs_dir, pruned)
    return found


def prune_results(folder: Path, *, dry_run: bool = False) -> int:
    """Remove the results of metrics of earlier warehouse files; return their bytes.

    Args:
        folder: The database's folder.
        dry_run: Only say how much would go.
    """
    build = ""
    with suppress(StaleDataError), closing(attach(folder)) as con:
        build = build_of(con)
    return drop_old_results(folder, build, dry_run=dry_run)


def _latest(entries: Iterable[LedgerEntry]) -> set[str]:
    """The last run and the last good run of each report and shop, and those that are on."""
    last: dict[tuple[object, ...], str] = {}
    for entry in entries:  # oldest first
        last[entry.report, entry.shop, "any"] = entry.run_id
        if entry.status in ("done", "skipped"):
            last[entry.report, entry.shop, "good"] = entry.run_id
        if entry.status == "running":
            last[entry.run_id,] = entry.run_id
    return set(last.values())


def _by_rule(entries: Iterable[LedgerEntry], now: datetime, weeks: int, months: int) -> set[str]:
    """The last good run of each report and shop in each week, and in each month."""
    last: dict[tuple[object, ...], str] = {}
    for entry in entries:  # oldest first
        age, of = now - entry.started_at, (entry.report, entry.shop)
        if entry.status not in ("done", "skipped"):
            continue
        if age <= timedelta(weeks=weeks):
            last[*of, entry.started_at.isocalendar()[:2]] = entry.run_id
        if age <= timedelta(days=31 * months):
            last[*of, entry.started_at.strftime("%Y-%m")] = entry.run_id
    return set(last.values())


def _ages(runs_dir: Path, entries: dict[str, LedgerEntry]) -> Iterator[tuple[str, datetime]]:
    """Every run of the ledger, and every folder named by a time, with when it began."""
    folders = {path.name for path in runs_dir.glob("*") if path.is_dir()}
    for run_id in sorted(folders | set(entries)):
        stamp = _STAMP.match(run_id)
        if run_id in entries:
            yield run_id, entries[run_id].started_at
        elif stamp and (began := _moment(stamp[1])):
            yield run_id, began


def _moment(stamp: str) -> datetime | None:
    """The time that a folder's name begins with; None where it is no time."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _pruned(
    run_dir: Path, at: datetime, entry: LedgerEntry | None, pages: set[str | None]
) -> Pruned:
    files = [path for path in run_dir.rglob("*") if path.is_file()]
    return Pruned(
        run_id=run_dir.name,
        report=entry.report if entry else "",
        shop=entry.shop if entry else "",
        started_at=at,
        bytes=sum(path.stat().st_size for path in files),
        page=entry.page if entry and entry.page not in pages else None,
        undo_lost=tuple(undoable(run_dir)),
    )


def undoable(run_dir: Path) -> list[str]:
    """The tables that a rollback of this run could still restore."""
    images = sorted((run_dir / "push").glob("*.before.parquet"))
    names = [path.name.removesuffix(".before.parquet") for path in images]
    return [name for name in names if not mark_path(run_dir, name, "rollback").exists()]


def _remove(settings: Settings, ledger: RunLedger, runs_dir: Path, pruned: Pruned) -> None:
    """The page first: a crash in between leaves a run that the next prune finds again."""
    if pruned.page:
        remove_page(settings.reports_dir, pruned.page)
    folder = runs_dir / pruned.run_id
    if folder.is_dir():
        shutil.rmtree(folder)
    ledger.forget(pruned.run_id)
