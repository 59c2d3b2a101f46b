"""Output of the group fleet: a line per database, and a sentence at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d1lab.cli.output import echo_err, print_json, print_rows
from d1lab.config import Settings
from d1lab.counting import counted

if TYPE_CHECKING:
    from d1lab.fleet.coordinator import FleetRequest, FleetResult
    from d1lab.fleet.entry import RegistryEntry
    from d1lab.fleet.prune import PrunedDatabase
    from d1lab.fleet.registry import SyncedDatabase

EMPTY = "the fleet has no databases. Add some: d1lab fleet add SOURCE"


def print_synced(done: list[SyncedDatabase], command: str, *, dry_run: bool, as_json: bool) -> None:
    """Print what a sync did with each database."""
    from d1lab.fleet.registry import SyncedDatabase

    print_rows(SyncedDatabase._fields, done, as_json=as_json)
    note = " (dry run)" if dry_run else ""
    if command == "remove" and not as_json:
        echo_err(f"fleet remove: {counted(len(done), 'database')} no longer run{note}")
    elif not as_json:
        parts = [
            f"{sum(each.action == action for each in done):,} {action}"
            for action in ("new", "changed", "unchanged", "gone")
        ]
        echo_err(f"fleet {command}: {counted(len(done), 'database')}{note}: {', '.join(parts)}")


def print_pruned(found: list[PrunedDatabase], *, dry_run: bool, as_json: bool) -> None:
    """Print what was deleted of each database."""
    from d1lab.fleet.prune import PrunedDatabase

    print_rows(PrunedDatabase._fields, found, as_json=as_json)
    if not as_json:
        size = sum(each.bytes for each in found)
        names = counted(len({each.name for each in found if each.name}), "database")
        report = " and the fleet's report" if any(not each.name for each in found) else ""
        would = "would be " if dry_run else ""
        echo_err(f"fleet prune: {counted(size, 'byte')} of {names}{report} {would}deleted")


def print_result(settings: Settings, result: FleetResult, seconds: float, *, as_json: bool) -> None:
    """Print how a run ended: a line per database, then what it took."""
    from d1lab.fleet.order import Outcome

    if as_json:
        outcomes = [outcome.shown() for outcome in result.outcomes]
        told = {**result._asdict(), "outcomes": outcomes, "exit_code": result.exit_code}
        print_json(told)
        return
    columns = ("name", "status", "kind", "reports_done", "reports_current", "reports_failed")
    columns += ("pushed", "rows_read", "rows_written", "requests", "seconds")
    places = [Outcome._fields.index(name) for name in columns]
    print_rows(columns, ([each[place] for place in places] for each in result.outcomes))
    for outcome in result.outcomes:
        if outcome.message:
            echo_err(f"{outcome.name}: {outcome.message}")
    if result.stopped:
        left = f" {counted(len(result.left), 'database')} not started." if result.left else ""
        again = "Run the same command again when the cause is gone."
        echo_err(f"fleet run: stopped: {result.stopped}.{left} {again}")
    if not (result.outcomes or result.taken or result.stopped):
        echo_err(f"fleet run: {_idle(settings)}")
        return
    done = sum(outcome.status == "done" for outcome in result.outcomes)
    taken = f", {len(result.taken):,} done by another coordinator" if result.taken else ""
    echo_err(
        f"fleet run: {done:,} of {counted(len(result.outcomes), 'database')} done{taken}; D1 bills "
        f"{counted(sum(each.rows_read for each in result.outcomes), 'row')} read and "
        f"{sum(each.rows_written for each in result.outcomes):,} written; "
        f"{counted(sum(each.requests for each in result.outcomes), 'request')}; {seconds:.1f} s"
    )


def _idle(settings: Settings) -> str:
    from d1lab.fleet.registry import open_registry

    count = sum(entry.listed for entry in open_registry(settings).entries())
    return (
        f"nothing to run of {counted(count, 'database')}. Why: d1lab fleet plan" if count else EMPTY
    )


def entry_fields(entry: RegistryEntry) -> dict[str, object]:
    """Return an entry flat, with the database's own fields first."""
    fields = entry._asdict()
    del fields["database"]
    return {**entry.database._asdict(), **fields}


def print_plan(settings: Settings, request: FleetRequest, *, as_json: bool) -> None:
    """Print which databases are due."""
    from d1lab.fleet.coordinator import PlannedDatabase, plan_fleet
    from d1lab.fleet.registry import open_registry

    planned = plan_fleet(open_registry(settings), request)
    print_rows(PlannedDatabase._fields, planned, as_json=as_json)
    if not as_json:
        due = f"{sum(each.due for each in planned):,} of {counted(len(planned), 'database')} due"
        echo_err(f"fleet plan: {due if planned else EMPTY}")


def print_status(entries: Sequence[RegistryEntry], shown: Sequence[RegistryEntry]) -> None:
    """Print the state of databases, and the numbers of all.

    Args:
        entries: All that were asked for.
        shown: Those with a line.
    """
    columns = ("name", "status", "kind", "tried_at", "succeeded_at", "due_at")
    columns += ("requests", "rows_read", "rows_written", "seconds")
    print_rows(columns, ([_status_cell(each, name) for name in columns] for each in shown))
    for entry in shown:
        if entry.message:
            echo_err(f"{entry.name}: {entry.message}")
    listed = [entry for entry in entries if entry.listed]
    bad = sum(entry.status == "failed" for entry in listed)
    due = sum(entry.is_due(datetime.now(UTC)) for entry in listed)
    running = sum(entry.is_running for entry in entries)
    gone = f", {len(entries) - len(listed):,} gone" if len(listed) < len(entries) else ""
    numbers = f"{bad:,} failed, {due:,} due, {running:,} running{gone}"
    told = f"{counted(len(listed), 'database')}, {numbers}"
    echo_err(f"fleet status: {told if entries else EMPTY}")


def _status_cell(entry: RegistryEntry, column: str) -> object:
    if column == "due_at" and not entry.listed:
        return None
    return "gone" if column == "status" and not entry.listed else getattr(entry, column)
