"""The registry of a fleet: its databases, their state, and who works on them, in one SQLite file.

A coordinator claims a database before a worker begins: in one transaction, the database must be
due, and no other living coordinator may have it. So several coordinators share the work, and a
killed one's databases are free at once on the same machine, and after a minute on another.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.config import Settings
from d1lab.errors import D1labError, UnknownName
from d1lab.files import make_private
from d1lab.fleet.entry import RegistryEntry, changes_after, entry_of
from d1lab.fleet.order import Outcome
from d1lab.fleet.places import fleet_folder
from d1lab.fleet.sources import FleetDatabase, FleetDefaults, unique_name
from d1lab.jobs.leases import is_alive

FILE_NAME = "registry.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
  source TEXT PRIMARY KEY, plan TEXT NOT NULL, currency TEXT NOT NULL, timezone TEXT NOT NULL,
  every_hours REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS databases (
  name TEXT PRIMARY KEY, url TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, currency TEXT NOT NULL,
  timezone TEXT NOT NULL, every_hours REAL NOT NULL, source TEXT NOT NULL,
  listed INTEGER NOT NULL DEFAULT 1,    -- 0: the source has no such database any more
  status TEXT NOT NULL DEFAULT 'new',   -- new, done, failed
  kind TEXT NOT NULL DEFAULT '',        -- of the last failure; see failures.py
  message TEXT NOT NULL DEFAULT '',
  failures INTEGER NOT NULL DEFAULT 0,  -- in a row, of this kind
  tried_at TEXT, succeeded_at TEXT,     -- when the last attempt and the last success began, UTC
  due_at TEXT NOT NULL DEFAULT '',      -- UTC; '' for now
  day TEXT NOT NULL DEFAULT '',         -- of the next three, UTC
  requests INTEGER NOT NULL DEFAULT 0, rows_read INTEGER NOT NULL DEFAULT 0,
  rows_written INTEGER NOT NULL DEFAULT 0,
  seconds REAL, reports INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT ''        -- key of the stored state; see state.py
);
CREATE TABLE IF NOT EXISTS leases (
  database TEXT PRIMARY KEY, holder TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  beat_at REAL NOT NULL                 -- seconds since 1970
);
"""


class SyncedDatabase(NamedTuple):
    """What a sync did, or would do, with a database."""

    action: Literal["new", "changed", "unchanged", "gone"]
    name: str
    url: str


class Registry:
    """The registry of a project's fleet. Safe between threads and processes.

    Args:
        path: The file; created if missing.

    Raises:
        D1labError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holder = uuid.uuid4().hex
        make_private(path.parent)
        with self._open() as con:
            con.execute("PRAGMA journal_mode = WAL")
            con.executescript(_SCHEMA)

    def sources(self) -> dict[str, FleetDefaults]:
        """Return the sources, each with what it does not set itself."""
        with self._open() as con:
            rows = con.execute("SELECT * FROM sources ORDER BY source").fetchall()
        return {row["source"]: FleetDefaults(*tuple(row)[1:]) for row in rows}

    def sync(
        self,
        source: str,
        defaults: FleetDefaults,
        found: Sequence[FleetDatabase],
        *,
        dry_run: bool = False,
    ) -> list[SyncedDatabase]:
        """Add and update the databases of a source; those that it no longer has are not run.

        Nothing of a database that is gone is deleted; it is run again if the source lists it again.
        """
        with self._transaction() as con:
            rows = con.execute("SELECT * FROM databases").fetchall()
            known = {row["url"]: row for row in rows}
            taken = [row["name"] for row in rows]
            done: list[SyncedDatabase] = []
            for each in {one.url: one for one in found}.values():
                row = known.get(each.url)
                name = row["name"] if row else unique_name(each.name, each.url, taken)
                taken.append(name)
                done.append(SyncedDatabase(_action(row, each), name, each.url))
                if not dry_run:
                    _upsert(con, each._replace(name=name), source)
            urls = {each.url for each in found}
            gone = [
                r for r in rows if r["source"] == source and r["listed"] and r["url"] not in urls
            ]
            done += [SyncedDatabase("gone", row["name"], row["url"]) for row in gone]
            if not dry_run:
                names = [(row["name"],) for row in gone]
                con.executemany("UPDATE databases SET listed = 0 WHERE name = ?", names)
                con.execute(
                    "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)", (source, *defaults)
                )
        return done

    def remove_source(self, source: str, *, dry_run: bool = False) -> list[SyncedDatabase]:
        """Forget a source; its databases are not run, and nothing of them is deleted.

        Raises:
            UnknownName: The fleet has no such source.
        """
        known = self.sources()
        if source not in known:
            raise UnknownName("source", source, known, "the fleet")
        with self._transaction() as con:
            rows = con.execute(
                "SELECT name, url FROM databases WHERE source = ? AND listed", (source,)
            ).fetchall()
            if not dry_run:
                con.execute("UPDATE databases SET listed = 0 WHERE source = ?", (source,))
                con.execute("DELETE FROM sources WHERE source = ?", (source,))
        return [SyncedDatabase("gone", row["name"], row["url"]) for row in rows]

    def entries(self, names: Iterable[str] = ()) -> list[RegistryEntry]:
        """Return the databases by name; all for no names."""
        wanted = set(names)
        with self._open() as con:
            rows = con.execute("SELECT * FROM databases ORDER BY name").fetchall()
            leases = con.execute("SELECT * FROM leases").fetchall()
        held = {row["database"] for row in leases if is_alive(row)}
        return [entry_of(row, held) for row in rows if not wanted or row["name"] in wanted]

    def claim(
        self, name: str, *, force: bool, now: datetime, since: datetime | None = None
    ) -> RegistryEntry | None:
        """Take a database to work on; None if it is not due any more, or is taken.

        Args:
            name: The database's name.
            force: Whether it need not be due.
            now: The current time, UTC.
            since: When the run began: what another coordinator has tried since is not due, either.
        """
        with self._transaction() as con:
            row = con.execute("SELECT * FROM databases WHERE name = ?", (name,)).fetchone()
            lease = con.execute("SELECT * FROM leases WHERE database = ?", (name,)).fetchone()
            if row is None or (lease is not None and is_alive(lease)):
                return None
            entry = entry_of(row, ())
            is_tried = since is not None and entry.tried_at is not None and entry.tried_at >= since
            if is_tried or not (entry.listed if force else entry.is_due(now)):
                return None
            self._lease(con, name)
        return entry

    def hold(self, name: str) -> bool:
        """Take a database to keep others off it, due or not; False if it is taken."""
        with self._transaction() as con:
            lease = con.execute("SELECT * FROM leases WHERE database = ?", (name,)).fetchone()
            if lease is not None and is_alive(lease):
                return False
            self._lease(con, name)
        return True

    def remove(self, name: str) -> None:
        """Remove a database; it is added again if its source lists it."""
        with self._open() as con:
            con.execute("DELETE FROM databases WHERE name = ?", (name,))

    def _lease(self, con: sqlite3.Connection, name: str) -> None:
        con.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
            (name, self.holder, socket.gethostname(), os.getpid(), time.time()),
        )

    def beat(self) -> None:
        """Show that this coordinator is alive."""
        with self._open() as con:
            con.execute(
                "UPDATE leases SET beat_at = ? WHERE holder = ?", (time.time(), self.holder)
            )

    def release(self) -> None:
        """Give up what this coordinator has claimed; nothing else is recorded."""
        with self._open() as con:
            con.execute("DELETE FROM leases WHERE holder = ?", (self.holder,))

    def finish(
        self,
        outcome: Outcome,
        began: datetime,
        *,
        keep_claim: bool = False,
        partial: bool = False,
    ) -> bool:
        """Record how an attempt ended, and when the database is due again.

        Args:
            outcome: The result of the attempt.
            began: When it began, UTC.
            keep_claim: Whether this coordinator tries again.
            partial: Whether only some reports were asked for: it is due as before.

        Returns:
            False, and nothing is recorded, if another coordinator has taken the database meanwhile.
        """
        with self._transaction() as con:
            lease = con.execute(
                "SELECT 1 FROM leases WHERE database = ? AND holder = ?",
                (outcome.name, self.holder),
            ).fetchone()
            row = con.execute("SELECT * FROM databases WHERE name = ?", (outcome.name,)).fetchone()
            if lease is None or row is None:
                return False
            changes = changes_after(entry_of(row, ()), outcome, began, again=keep_claim)
            if partial and outcome.status == "done":
                del changes["due_at"]
            sets = ", ".join(f"{name} = :{name}" for name in changes)
            con.execute(
                f"UPDATE databases SET {sets} WHERE name = :of",  # noqa: S608 - our own names
                {**changes, "of": outcome.name},
            )
            if not keep_claim:
                con.execute("DELETE FROM leases WHERE database = ?", (outcome.name,))
        return True

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._open() as con:
            con.execute("BEGIN IMMEDIATE")
            yield con
            con.execute("COMMIT")

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as con:
                con.execute("PRAGMA synchronous = NORMAL")
                con.row_factory = sqlite3.Row
                yield con
        except sqlite3.Error as error:
            raise D1labError(
                f"cannot use the fleet's registry {self.path}: {error}. Check the space on the "
                "disk and that the folder is writable."
            ) from error


def open_registry(settings: Settings) -> Registry:
    """Open the project's registry."""
    return Registry(fleet_folder(settings) / FILE_NAME)


def find_entry(settings: Settings, name: str) -> RegistryEntry | None:
    """Return a database of the project's fleet; None if there is none, or no fleet."""
    if not (fleet_folder(settings) / FILE_NAME).is_file():
        return None
    return next(iter(open_registry(settings).entries((name,))), None)


def _action(
    row: sqlite3.Row | None, found: FleetDatabase
) -> Literal["new", "changed", "unchanged"]:
    if row is None:
        return "new"
    same = all(row[name] == getattr(found, name) for name in found._fields if name != "name")
    return "unchanged" if same and row["listed"] else "changed"


def _upsert(con: sqlite3.Connection, each: FleetDatabase, source: str) -> None:
    con.execute(
        "INSERT INTO databases (name, url, plan, currency, timezone, every_hours, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET listed = 1,"
        " plan = excluded.plan, currency = excluded.currency, timezone = excluded.timezone,"
        " every_hours = excluded.every_hours, source = excluded.source",
        (*each, source),
    )
