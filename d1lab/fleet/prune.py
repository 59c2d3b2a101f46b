"""Delete what a fleet no longer needs: old runs, superseded states, and databases that are gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from d1lab.config import Settings
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import Mart, open_marts
from d1lab.fleet.places import report_settings, settings_of
from d1lab.fleet.registry import Registry
from d1lab.fleet.store import DiskStore, Store
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.prune import prune, prune_results


class KeptRuns(NamedTuple):
    """Which runs of each database stay; see `d1lab.jobs.prune.prune`."""

    days: int = 90
    weeks: int = 26
    months: int = 24


class PrunedDatabase(NamedTuple):
    """What was deleted of a database, or would be."""

    name: str
    what: Literal["runs", "states", "database", "report"]  # report: runs of the fleet's own
    number: int  # runs, states, or files and its row in the registry
    bytes: int


def prune_fleet(
    settings: Settings,
    registry: Registry,
    target: str,
    keep: KeptRuns,
    *,
    gone: bool = False,
    dry_run: bool = False,
) -> list[PrunedDatabase]:
    """Prune all databases of a fleet that nobody works on.

    Args:
        settings: The project's.
        registry: The fleet's.
        target: The fleet's target; '' for this machine.
        keep: Which runs stay.
        gone: Whether to delete everything of databases that their source no longer lists, except
            what is in D1.
        dry_run: Only say what would go.

    Returns:
        What was deleted, by database; nothing for one without anything to delete.

    Raises:
        D1labError: The target cannot be read or written.
    """
    store = open_marts(settings, target)
    found: list[PrunedDatabase] = []
    try:
        for entry in registry.entries():
            if not registry.hold(entry.name):
                continue
            if entry.listed:
                found.append(_runs(settings, entry, keep, dry_run=dry_run))
                found.append(_states(store, entry, dry_run=dry_run))
            elif gone:
                found.append(_database(settings, registry, store, entry, dry_run=dry_run))
    finally:
        registry.release()
    own = report_settings(settings)
    if own.folder().is_dir():
        found.append(PrunedDatabase("", "report", *prune_runs(own, keep, dry_run=dry_run)))
    return [each for each in found if each.number]


def prune_runs(own: Settings, keep: KeptRuns, *, dry_run: bool = False) -> tuple[int, int]:
    """Delete old runs of one database on this disk; return their number, and their bytes.

    Args:
        own: The settings of the database.
        keep: Which runs stay.
        dry_run: Only say what would go.
    """
    if not own.data_dir.is_dir():
        return 0, 0
    gone = prune(
        own,
        open_ledger(own),
        keep_days=keep.days,
        weeks=keep.weeks,
        months=keep.months,
        dry_run=dry_run,
    )
    stale = prune_results(own.folder(), dry_run=dry_run)
    return len(gone), sum(run.bytes for run in gone) + stale


def _runs(
    settings: Settings, entry: RegistryEntry, keep: KeptRuns, *, dry_run: bool
) -> PrunedDatabase:
    own = settings_of(settings, entry.name, entry.database.settings)
    return PrunedDatabase(entry.name, "runs", *prune_runs(own, keep, dry_run=dry_run))


def _states(store: Store, entry: RegistryEntry, *, dry_run: bool) -> PrunedDatabase:
    """Delete the states that the registry does not name: their worker was given up."""
    known = store.sizes(f"states/{entry.name}")
    old = {name: size for name, size in known.items() if name != f"{entry.state}.tar.gz"}
    if not dry_run:
        for name in old:
            store.remove(f"states/{entry.name}/{name}")
    return PrunedDatabase(entry.name, "states", len(old), sum(old.values()))


def _database(
    settings: Settings, registry: Registry, store: Store, entry: RegistryEntry, *, dry_run: bool
) -> PrunedDatabase:
    """Delete all that is kept of a database, here and at the target, and its row at last."""
    own = settings_of(settings, entry.name, entry.database.settings)
    here = [DiskStore(folder) for folder in (own.data_dir, own.reports_dir)]
    sizes = [size for each in here for size in each.sizes("").values()]
    kept = dict(_kept(store, entry.name))
    if not dry_run:
        for path in kept:
            store.remove(path)
        for each in here:
            shutil.rmtree(each.root, ignore_errors=True)
        registry.remove(entry.name)
    count, size = len(sizes) + len(kept), sum(sizes) + sum(kept.values())
    return PrunedDatabase(entry.name, "database", count + 1, size)


def _kept(store: Store, name: str) -> Iterator[tuple[str, int]]:
    """Yield the paths and bytes of a database's files at the target."""
    for folder in (f"states/{name}", f"pages/{name}"):
        for path, size in store.sizes(folder).items():
            yield f"{folder}/{path}", size
    for mart in get_args(Mart):
        size = store.sizes(f"marts/{mart}").get(f"{name}.parquet")
        if size is not None:
            yield f"marts/{mart}/{name}.parquet", size
