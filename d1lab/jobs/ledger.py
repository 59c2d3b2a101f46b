"""Run ledger: run history and locks.

One SQLite file in WAL mode, `data/ledger.sqlite`, shared by all processes that run reports. A lease
per database, shop, and report keeps two processes from the same work (d1lab.jobs.leases).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.files import make_private, making
from d1lab.jobs.leases import Lease, Work, is_alive
from d1lab.runs.record import RunRecord

_log = logging.getLogger(__name__)

FILE_NAME = "ledger.sqlite"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What SQLite says of a file that is no ledger; SQLITE_ERROR of one without our tables."""

_SCHEMA = """
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  series TEXT NOT NULL,       -- hash of database, report and parameters but as_of
  as_of TEXT,
  key TEXT NOT NULL,          -- hash of all that the result depends on: `inputs` and the above
  inputs TEXT NOT NULL,       -- JSON object: digests of the notebook, of d1lab, of each table read
  database TEXT NOT NULL,
  shop TEXT NOT NULL,
  report TEXT NOT NULL,
  parameters TEXT NOT NULL,   -- JSON object
  status TEXT NOT NULL,       -- running, lost, or as in run.json
  reason TEXT NOT NULL DEFAULT '',
  started_at TEXT NOT NULL,
  finished_at TEXT,
  page TEXT,                  -- under reports/
  staged INTEGER NOT NULL DEFAULT 0,
  pushed_at TEXT,
  error TEXT                  -- JSON object
);
CREATE INDEX runs_series ON runs (series, as_of, started_at);
CREATE TABLE leases (
  database TEXT NOT NULL,
  shop TEXT NOT NULL,
  report TEXT NOT NULL,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  beat_at REAL NOT NULL,      -- seconds since 1970
  PRIMARY KEY (database, shop, report)
);
"""


LARGE_BYTES = 10_000_000  # about 5,000 runs: smaller ledgers are checked whenever they are opened
_CHECK_SECONDS = 86_400.0
_RUNNING = (
    "CREATE INDEX IF NOT EXISTS runs_running ON runs (database, shop, report)"
    " WHERE status = 'running'"
)
"""A lease looks for unfinished runs; without it, each one scans all runs there ever were."""


class LedgerEntry(NamedTuple):
    """One run, as recorded in the ledger."""

    run_id: str
    as_of: date | None
    key: str
    inputs: dict[str, str]
    database: str
    shop: str
    report: str
    status: str
    started_at: datetime
    page: str | None  # under reports/
    staged: int
    pushed_at: datetime | None
    series: str  # equal for the runs of one report, shop and parameters on different days


class RunLedger:
    """The ledger at `path`, created if missing. Safe between threads and processes.

    A file that is damaged or not a ledger is moved aside, and a new one is created: all reports
    are due again, and no other data is lost.

    Raises:
        D1labError: The file cannot be opened, or a new one cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.is_file():
                make_private(path.parent)
                _make(path)
            if problem := self._problem():
                self._replace(problem)
            with self.open() as con:
                con.execute(_RUNNING)
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def _problem(self) -> str:
        """Return the problem of the file; '' for a valid ledger."""
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as con:
                con.execute("SELECT (SELECT 1 FROM runs LIMIT 1), (SELECT 1 FROM leases LIMIT 1)")
                return "" if self._is_checked() or self._check(con) else "damaged"
        except sqlite3.DatabaseError as error:
            is_damaged = error.sqlite_errorcode & 0xFF in _DAMAGED
            if not is_damaged:
                raise self._error(error) from error
            return str(error)
        except UnicodeDecodeError:  # a message with a name that is not text
            return "damaged"

    def _is_checked(self) -> bool:
        """Whether a large file was read from end to end in the last day: it takes a second."""
        with suppress(OSError):
            age = time.time() - self._checked.stat().st_mtime
            return self.path.stat().st_size > LARGE_BYTES and 0 <= age < _CHECK_SECONDS
        return False

    def _check(self, con: sqlite3.Connection) -> bool:
        """Whether the file is whole."""
        is_whole = con.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        if is_whole and self.path.stat().st_size > LARGE_BYTES:
            self._checked.touch()
        return is_whole

    @property
    def _checked(self) -> Path:
        return self.path.with_name(f".{self.path.name}.checked")

    def _replace(self, problem: str) -> None:
        """Replace a damaged file and keep it aside; one process does it, the others wait."""
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            if not self._problem():
                return
            aside = self.path.with_name(f"{self.path.name}.{time.time_ns()}.damaged")
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            _make(self.path)
        _log.warning(
            "%s was damaged (%s): moved to %s, a new one begins.", self.path, problem, aside
        )

    def _error(self, error: Exception) -> D1labError:
        return D1labError(
            f"cannot use the run ledger {self.path}: {error}. Check the space on the disk and that "
            "the folder is writable."
        )

    @contextmanager
    def open(self) -> Generator[sqlite3.Connection]:
        """Open a connection to the ledger's file; it is closed at the end of the block.

        Raises:
            D1labError: The file cannot be used.
        """
        with self.kept_open() as con, self._explained():
            yield con

    @contextmanager
    def kept_open(self) -> Generator[sqlite3.Connection]:
        """Open a connection for a block with other work, whose errors are its own.

        Meanwhile, other uses of the ledger take half the time: whoever closes the file last has to
        write it. Another thread may close the connection: a lease ends where its run is pushed.

        Raises:
            D1labError: The file cannot be used.
        """
        with self._explained():
            con = sqlite3.connect(self.path, 30, isolation_level=None, check_same_thread=False)
        with closing(con):
            with self._explained():
                con.execute("PRAGMA synchronous = NORMAL")
            con.row_factory = sqlite3.Row
            yield con

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Raise what SQLite says of the file as an error of d1lab."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._error(error) from error

    def start(self, row: Mapping[str, Any]) -> None:
        """Record the start of a run: `row` has the columns of `runs` that are known by then."""
        columns = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        with self.open() as con:
            con.execute(f"INSERT INTO runs ({columns}) VALUES ({marks})", row)  # noqa: S608 - our names

    def finish(
        self, record: RunRecord, key: str, inputs: Mapping[str, str], page: str | None
    ) -> None:
        """Record the result of a run, and the inputs that it depended on."""
        row = {
            "run_id": record.run_id,
            "key": key,
            "inputs": json.dumps(inputs),
            "status": record.status,
            "reason": record.reason,
            "finished_at": _text(record.finished_at or datetime.now(UTC)),
            "page": page,
            "staged": sum(record.staged.values()),
            "error": record.error.model_dump_json() if record.error else None,
        }
        sets = ", ".join(f"{name} = :{name}" for name in row if name != "run_id")
        with self.open() as con:
            con.execute(f"UPDATE runs SET {sets} WHERE run_id = :run_id", row)  # noqa: S608 - our names

    def set_pushed(self, run_id: str, at: datetime | None = None) -> None:
        """Record that a run's results were pushed."""
        with self.open() as con:
            con.execute(
                "UPDATE runs SET pushed_at = ? WHERE run_id = ?",
                (_text(at or datetime.now(UTC)), run_id),
            )

    def last_done(self, series: str, as_of: date | None) -> LedgerEntry | None:
        """Return the last successful run of this series and day, done or skipped."""
        return self._first(
            "series = ? AND as_of IS ? AND status IN ('done', 'skipped') ORDER BY started_at DESC",
            (series, _day(as_of)),
        )

    def previous(self, series: str, as_of: date | None) -> LedgerEntry | None:
        """Return the run to compare a run of this day with: the last done of an earlier day."""
        return self._first(
            "series = ? AND status = 'done' AND as_of < ? ORDER BY as_of DESC, started_at DESC",
            (series, _day(as_of)),
        )

    def newest(self, series: str, only: str = "%") -> LedgerEntry | None:
        """Return the newest run of this series, of any day; `only`: with this status."""
        return self._first("series = ? AND status LIKE ? ORDER BY started_at DESC", (series, only))

    def held(self) -> set[Work]:
        """Return the work in progress: that of leases whose holders are alive."""
        with self.open() as con:
            rows = con.execute("SELECT * FROM leases").fetchall()
        return {Work(r["database"], r["shop"], r["report"]) for r in rows if is_alive(r)}

    def unfinished(self) -> set[Work]:
        """Return the work of runs that have not ended, as far as their processes have told."""
        with self.open() as con:
            sql = "SELECT DISTINCT database, shop, report FROM runs WHERE status = 'running'"
            return {Work(*row) for row in con.execute(sql)}

    def entries(self) -> list[LedgerEntry]:
        """Return all runs, oldest first."""
        with self.open() as con:
            rows = con.execute("SELECT * FROM runs ORDER BY started_at").fetchall()
        return [entry for row in rows if (entry := readable(row)) is not None]

    def forget(self, run_id: str) -> None:
        """Remove a run."""
        with self.open() as con:
            con.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))

    def _first(self, condition: str, params: tuple[object, ...]) -> LedgerEntry | None:
        with self.open() as con:
            row = con.execute(f"SELECT * FROM runs WHERE {condition} LIMIT 1", params).fetchone()  # noqa: S608 - our own text
        return readable(row) if row else None

    @contextmanager
    def lease(self, work: Work) -> Generator[Lease]:
        """Hold the lease for some work; it beats until the block ends.

        Unfinished runs of that work are marked as lost, because their process has ended.

        Raises:
            LockedError: Another process, or another thread of this one, is working on it.
        """
        with self.kept_open() as con:
            lease = Lease(self.open, work)
            with self._explained():
                lease.take(con)
            try:
                with lease.beating():
                    yield lease
            finally:
                with self._explained():
                    lease.end(con)


def open_ledger(settings: Settings) -> RunLedger:
    """Open the project's ledger."""
    return RunLedger(settings.data_dir / FILE_NAME)


def _make(path: Path) -> None:
    """Create an empty ledger in one step, unless another process was faster."""
    with making(path) as part, closing(sqlite3.connect(part, isolation_level=None)) as con:
        con.execute("PRAGMA journal_mode = WAL")  # stays with the file
        con.executescript(_SCHEMA)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def readable(row: sqlite3.Row) -> LedgerEntry | None:
    """Return a run; None, with a warning, for an unreadable row."""
    try:
        return _entry(row)
    except (ValueError, TypeError) as error:
        _log.warning("the run ledger's row of %s is not readable: %s", row["run_id"], error)
        return None


def _entry(row: sqlite3.Row) -> LedgerEntry:
    return LedgerEntry(
        run_id=row["run_id"],
        as_of=date.fromisoformat(row["as_of"]) if row["as_of"] else None,
        key=row["key"],
        inputs=json.loads(row["inputs"]),
        database=row["database"],
        shop=row["shop"],
        report=row["report"],
        status=row["status"],
        started_at=datetime.fromisoformat(row["started_at"]),
        page=row["page"],
        staged=row["staged"],
        pushed_at=datetime.fromisoformat(row["pushed_at"]) if row["pushed_at"] else None,
        series=row["series"],
    )
