"""Pull: first pulls over HTTP and from a file, the cost of new rows, and memory growth.

The data is a million order events with nine columns and three secondary indexes. Over HTTP, they
are read from the real D1 engine (workerd, started as in the tests); from a file, from SQLite. Every
contender runs in its own process and writes a DuckDB file. Rounds alternate; the median counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.comparison import Comparison, Target
from d1lab.d1 import Database, open_database
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.warehouse import FILE_NAME
from tests.support import workerd

ROWS = 1_000_000
FEW_ROWS = 250_000
NEW_ROWS = 10_000
ROUNDS = 5
SLOW_ROUNDS = 3
TIMEOUT_SECONDS = 900

_TABLE = """
CREATE TABLE order_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, shop TEXT NOT NULL, event_id TEXT NOT NULL,
  order_id TEXT NOT NULL, customer_id TEXT, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
  revenue DECIMAL(10,2) NOT NULL, occurred_at DATETIME NOT NULL
)"""
_INDEXES = (
    "CREATE UNIQUE INDEX events_key ON order_events (shop, event_id)",
    "CREATE INDEX events_customer ON order_events (customer_id)",
    "CREATE INDEX events_time ON order_events (occurred_at)",
)
_EVENTS = """
WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n LIMIT ?2)
INSERT INTO order_events
  (shop, event_id, order_id, customer_id, sku, quantity, revenue, occurred_at)
SELECT 'shop-' || (i % 3) || '.example', printf('evt-%010d', i), printf('ord-%09d', i / 3),
  printf('cus-%06d', i * 7919 % 50000), printf('sku-%05d', i * 104729 % 2000), i % 4 + 1,
  (i * 7907 % 9973) / 100.0, datetime('2026-01-01', '+' || (i * 20) || ' seconds')
FROM n"""
_PER_INSERT = 50_000


class Took(NamedTuple):
    """Result of a contender: the median of its rounds, or the reason of its failure."""

    seconds: float
    rows: int
    rows_read: int
    peak_mb: float
    failure: str = ""


def run() -> list[Comparison]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "engine").mkdir()
        with workerd.running(home / "engine") as engine:
            over_http = from_engine(engine, home)
        return [*over_http, *from_file(home)]


def from_engine(engine: workerd.Engine, home: Path) -> list[Comparison]:
    """Measure pulls over HTTP from the real engine; ADBC reads the engine's file."""
    url = engine.fresh()
    db = open_database(url)
    fill(db, ROWS)
    raw = f"{engine.address}/{url.rpartition('/')[2]}/raw"
    file = str(engine.file(url))
    sources = {"ours": url, "plain_raw": raw, "adbc": file, "plain_raw_uncompressed": raw}
    took = race(home, sources, ROUNDS)
    ours, plain, alone, uncompressed = (took[name] for name in sources)
    few = engine.fresh()
    with_few = open_database(few)
    fill(with_few, FEW_ROWS)
    with_few.close()
    small = race(home, {"ours": few}, 1)["ours"]
    new = incremental(db, home)
    db.close()
    return [
        Comparison(
            "A first pull over HTTP",
            f"{ROWS:,} rows from the real D1 engine into a DuckDB file. d1lab: packed pages, three "
            "ranges, type checks, all pages kept until the swap. The engine uses the same cores. "
            "HTTP clients request compressed responses by default. On one machine, this takes more "
            "time than it saves, so d1lab does not; plain pages are measured with and without it.",
            ("contender", "time / ADBC", "rows per second", "rows read / row", "peak MB"),
            [
                _row("ADBC on the engine's file", alone, alone),
                _row("d1lab pull", ours, alone),
                _row(f"plain /raw, pages of {10_000:,}", plain, alone),
                _row("plain /raw, uncompressed", uncompressed, alone),
            ],
            [
                Target("rows read (billed) per row pulled", ours.rows_read / ours.rows, 1.01),
                Target("speed vs. plain /raw", plain.seconds / ours.seconds, 2.5, at_most=False),
                Target("time of ADBC on the same file", ours.seconds / alone.seconds, 2.2),
                Target("peak MB", ours.peak_mb, 600),
                Target(
                    f"peak at {ROWS:,} rows / at {FEW_ROWS:,}", ours.peak_mb / small.peak_mb, 1.5
                ),
            ],
        ),
        new,
    ]


def incremental(db: Database, home: Path) -> Comparison:
    """Measure the cost of new rows added to a million."""
    folder = home / "incremental"
    pull(db, folder, database="bench")
    nothing = pull(db, folder, database="bench")
    _add(db, ROWS, NEW_ROWS)
    new = pull(db, folder, database="bench")
    return Comparison(
        "New rows on a million",
        f"{NEW_ROWS:,} rows added to {ROWS:,} in the warehouse, over HTTP.",
        ("pull", "rows pulled", "rows read", "seconds"),
        [
            ("nothing new", nothing.rows_pulled, nothing.rows_read, nothing.seconds),
            (f"{NEW_ROWS:,} new", new.rows_pulled, new.rows_read, new.seconds),
        ],
        [Target(f"rows read for {NEW_ROWS:,} new rows", new.rows_read, 10_100)],
    )


def from_file(home: Path) -> list[Comparison]:
    """Measure pulls from a SQLite file, then from one with mixed types in its columns."""
    path, few = home / "many.sqlite", home / "few.sqlite"
    for file, rows in ((path, ROWS), (few, FEW_ROWS)):
        db = SqliteDatabase.create(file)
        fill(db, rows)
        db.close()
    sources = {
        "adbc": str(path),
        "ours": f"sqlite:{path}",
        "pandas_sqlalchemy": str(path),
        "dlt": str(path),
    }
    took = race(home, sources, ROUNDS)
    small = race(home, {"ours": f"sqlite:{few}"}, 1)["ours"]
    alone, ours = took["adbc"], took["ours"]
    targets = [
        Target("time of ADBC alone", ours.seconds / alone.seconds, 1.2),
        Target("peak MB", ours.peak_mb, 600),
        Target(f"peak at {ROWS:,} rows / at {FEW_ROWS:,}", ours.peak_mb / small.peak_mb, 1.5),
    ]
    for name, label, least in (("pandas_sqlalchemy", "pandas + SQLAlchemy", 2), ("dlt", "dlt", 3)):
        if not took[name].failure:
            ratio = took[name].seconds / ours.seconds
            targets.append(Target(f"speed vs. {label}", ratio, least, at_most=False))
    spoil(path)
    mixed = race(home, sources, 1)
    return [
        Comparison(
            "A first pull from a SQLite file",
            f"{ROWS:,} rows of a file into a DuckDB file. Only d1lab checks types.",
            ("contender", "time / ADBC", "rows per second", "rows read / row", "peak MB"),
            [_row(_LABELS[name], each, alone) for name, each in took.items()],
            targets,
        ),
        Comparison(
            "Columns of mixed types",
            "The same file with ten values of another type than their column: text in an "
            "INTEGER, a blob in a TEXT, and the like.",
            ("contender", "rows pulled", "seconds", "result"),
            [
                (_LABELS[name], each.rows, each.seconds, each.failure or _OUTCOMES.get(name, ""))
                for name, each in mixed.items()
            ],
            [Target("rows pulled completely", mixed["ours"].rows, ROWS, at_most=False)],
        ),
    ]


_LABELS = {
    "adbc": "ADBC alone",
    "ours": "d1lab pull",
    "pandas_sqlalchemy": "pandas + SQLAlchemy",
    "dlt": "dlt",
}
_SLOW = ("pandas_sqlalchemy", "dlt")
_OUTCOMES = {"ours": "invalid values in quarantine, with key and reason"}


def fill(db: Database, rows: int) -> None:
    """Create the table with its rows and indexes."""
    db.execute(_TABLE)
    _add(db, 0, rows)
    for sql in _INDEXES:
        db.execute(sql)


def _add(db: Database, first: int, rows: int) -> None:
    for start in range(first, first + rows, _PER_INSERT):
        db.execute(_EVENTS, (start, min(_PER_INSERT, first + rows - start)))


def spoil(path: Path) -> None:
    """Replace some values by values of other types."""
    db = SqliteDatabase(path)
    for place in range(1, 6):
        seq = place * 190_001
        db.execute("UPDATE order_events SET quantity = 'n/a' WHERE seq = ?1", (seq,))
        db.execute("UPDATE order_events SET customer_id = x'00ff' WHERE seq = ?1", (seq + 7,))
    db.close()


def race(home: Path, sources: Mapping[str, str], rounds: int) -> dict[str, Took]:
    """Run the contenders in turn, slow ones less often; return each one's median or failure."""
    found: dict[str, list[Took]] = {name: [] for name in sources}
    for number in range(rounds):
        for name, source in sources.items():
            is_done = name in _SLOW and number >= SLOW_ROUNDS
            if not is_done and not any(took.failure for took in found[name]):
                found[name].append(_once(home, name, source))
    return {name: _median(each) for name, each in found.items()}


_numbers = count()


def _once(home: Path, name: str, source: str) -> Took:
    folder = home / f"{name}-{next(_numbers)}"
    folder.mkdir()
    command = [sys.executable, "-m", "bench.contenders", name, source, str(folder / FILE_NAME)]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    for path in folder.glob("*.duckdb"):
        path.unlink()
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["failed"])[-1]
        return Took(0.0, 0, 0, 0.0, reason.replace(str(home), "").replace("|", "/")[:120])
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def _median(rounds: Sequence[Took]) -> Took:
    if rounds[-1].failure:
        return rounds[-1]
    return rounds[0]._replace(
        seconds=median(took.seconds for took in rounds),
        peak_mb=median(took.peak_mb for took in rounds),
    )


def _row(label: str, took: Took, alone: Took) -> tuple[object, ...]:
    if took.failure:
        return (label, "-", "-", "-", took.failure)
    read = took.rows_read / took.rows if took.rows_read else "-"
    speed = int(took.rows / took.seconds)
    return (label, took.seconds / alone.seconds, speed, read, int(took.peak_mb))
