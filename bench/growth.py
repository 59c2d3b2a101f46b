"""Growth: what shops, rows, and days of history cost, where one thing changed.

Requests and due reports do not depend on the machine. The times are processor times, compared
between a small and a large size of the same thing, in alternation.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import duckdb

from bench.comparison import Comparison, Target
from d1lab.config import Settings, load_settings
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.jobs.inputs import changed, inputs_of, narrowed
from d1lab.jobs.leases import Work
from d1lab.jobs.ledger import RunLedger
from d1lab.lab.lab import Lab
from d1lab.pages.index import write_index
from d1lab.pages.page import write_page
from d1lab.pull import pull
from d1lab.pull.load import create_missing
from d1lab.runs.data_state import data_state
from d1lab.runs.report import Report
from d1lab.runs.run import open_lab, prepare
from d1lab.warehouse import DAY, next_warehouse, open_warehouse
from d1lab.warehouse.views import create_views
from tests.support.d1_api import D1Api, over_http
from tests.support.sample_run import markdown, write_run

SHOPS = 40
LINES = 200  # of a shop
RUNS = 100_000
DAYS, REPORTS = 30, 8
FEW_LINES, MANY_LINES = 500_000, 8_000_000
ROUNDS = 5

_EVENTS = """
WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n LIMIT ?2)
INSERT INTO order_events (shop, event_id, type, order_id, sku, quantity, list_price,
  discount_amount, revenue, occurred_at)
SELECT printf('shop%04d', i % ?3), 'e' || i, 'order', 'o' || i, 's' || (i % 97), 1, 9, 0, 9,
  datetime('2026-01-01', '+' || (i % 200000) || ' minutes')
FROM n
"""


def run() -> list[Comparison]:
    """Measure, and compare with the targets."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        return [shops(home / "shops"), history(home / "history"), rows(home / "rows")]


def shops(home: Path) -> Comparison:
    """Add one order line to one of many shops: requests of the pulls, and shops that are due."""
    settings = _project(home)
    with closing(SqliteDatabase.create(home / "d1.sqlite")) as db:
        migrate(db)
        db.execute(_EVENTS, (0, SHOPS * LINES, SHOPS))
        first = _requests(db, settings)
        held = _inputs(settings)
        db.execute(_EVENTS, (SHOPS * LINES, 1, SHOPS))
        one_line = _requests(db, settings)
        unchanged = _requests(db, settings)
    now = _inputs(settings)
    due = [shop for shop in held if changed(held[shop], now[shop])]
    return Comparison(
        f"One new order line in one of {SHOPS} shops",
        f"{SHOPS * LINES:,} order lines over Cloudflare's API (simulated). A report reads "
        "order_lines by one of d1lab's metrics.",
        ("pull", "requests"),
        [("first", first), ("one new line", one_line), ("nothing new", unchanged)],
        [
            Target("shops whose reports are due", len(due), 1),
            Target("requests of a pull with one new line", one_line, 3),
            Target("requests of a pull without one", unchanged, 1),
        ],
    )


def _project(home: Path) -> Settings:
    (home / "notebooks").mkdir(parents=True)
    return load_settings(root=home)


def _requests(db: SqliteDatabase, settings: Settings) -> int:
    api = D1Api(db)
    with closing(over_http(api)) as http:
        pull(http, settings.folder("demo"), database="demo")
    return api.requests


def _inputs(settings: Settings) -> dict[str, dict[str, str]]:
    """Return what a report depends on, of each shop, after a run that read its order lines."""
    report = Report("bench", settings.notebooks_dir / "bench.ipynb", "", {}, "")
    notes = settings.root / "notes"
    notes.mkdir(exist_ok=True)
    found: dict[str, dict[str, str]] = {}
    with open_lab(settings) as lab:
        for shop in lab.shops:
            task = prepare(lab, report)._replace(shop=shop, data=data_state(lab, shop))
            note = {"metric": "top_skus", "reads": ["order_lines"], "params": {"shop": shop}}
            (notes / "reads.jsonl").write_text(json.dumps(note))
            found[shop] = narrowed(inputs_of(settings, task), notes, shop)
    return found


def history(home: Path) -> Comparison:
    """Take a lease, and write the index, after few and after many runs."""
    home.mkdir()
    few, many = (_ledger(home / f"{count}.sqlite", count) for count in (300, RUNS))
    day, month = (_pages(home / str(days), days) for days in (1, DAYS))
    with few.kept_open(), many.kept_open():  # as a run does
        lease = _compared(*(lambda ledger=ledger: _leased(ledger) for ledger in (few, many)))
    opened = _compared(*(lambda path=ledger.path: RunLedger(path) for ledger in (few, many)))
    index = _compared(*(lambda pages=pages: write_index(pages) for pages in (day, month)))
    size = [sum(p.lstat().st_size for p in pages.rglob("*") if p.is_file()) for pages in (month,)]
    pages = sum(p.lstat().st_size for p in month.rglob("*-*.html"))
    return Comparison(
        "Days of history",
        f"A ledger with 300 and with {RUNS:,} runs; {REPORTS} reports with 1 and with {DAYS} days "
        f"of pages. Median of {ROUNDS}.",
        ("", "few, ms", "many, ms"),
        [("lease", *_ms(lease)), ("opening the ledger", *_ms(opened)), ("index", *_ms(index))],
        [
            Target(f"lease at {RUNS:,} runs vs. 300", lease[1] / lease[0], 1.3),
            Target(f"lease at {RUNS:,} runs, ms", lease[1] * 1000, 1.0),
            Target(f"opening the ledger at {RUNS:,} runs vs. 300", opened[1] / opened[0], 1.3),
            Target(f"index of {DAYS} days vs. 1 day", index[1] / index[0], 1.3),
            Target("bytes in the folder of pages vs. bytes of pages", size[0] / pages, 1.1),
        ],
    )


def _ledger(path: Path, runs: int) -> RunLedger:
    ledger = RunLedger(path)
    inputs = json.dumps({f"table table_{n}": f"{n:032x}" for n in range(20)})
    columns = "run_id series as_of key inputs database shop report parameters status started_at"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = (
        (f"r{n}", f"s{n % 280}", "2026-01-01", "", inputs, "demo", f"shop{n % 40}",
         f"report{n % 7}", "{}", "done", (start + timedelta(minutes=n)).isoformat())
        for n in range(runs)
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as con, con:
        names = ", ".join(columns.split())
        con.executemany(f"INSERT INTO runs ({names}) VALUES ({', '.join('?' * 11)})", rows)
    return ledger


def _leased(ledger: RunLedger) -> None:
    with ledger.lease(Work("demo", "shop1", "report1")):
        pass


def _pages(folder: Path, days: int) -> Path:
    """Write the pages of several reports, one each day."""
    reports = folder / "reports"
    first = date(2026, 5, 1)
    for number in range(days):
        for report in range(REPORTS):
            day = first + timedelta(number)
            name = f"report{report}"
            run_dir = write_run(
                folder, [markdown("Text. " * 2_000)], run_id=f"{day}-{name}", report=name,
                as_of=day, started_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            )  # fmt: skip
            write_page(run_dir, reports)
    write_index(reports)
    return reports


def rows(home: Path) -> Comparison:
    """Open a lab, and find its shops, with few and with many order lines."""
    home.mkdir()
    folders = [_lines(home / str(count), count) for count in (FEW_LINES, MANY_LINES)]
    first = [_seconds(folder) for folder in folders]
    opened = _compared(*(lambda folder=folder: _opened(folder) for folder in folders))
    return Comparison(
        "Order lines of a shop",
        f"Opening a lab as `d1lab.open` and runs do, with {FEW_LINES:,} and with {MANY_LINES:,} "
        f"lines: once after a pull, when the days of all lines are read, and then. Median of "
        f"{ROUNDS}.",
        ("", "few, ms", "many, ms"),
        [
            ("first opening after a pull", first[0] * 1000, first[1] * 1000),
            ("opening a lab, and its shops", *_ms(opened)),
        ],
        [Target("opening with 16 times the order lines", opened[1] / opened[0], 1.2)],
    )


def _seconds(folder: Path) -> float:
    began = time.process_time()
    _opened(folder)
    return time.process_time() - began


def _lines(folder: Path, count: int) -> Path:
    folder.mkdir()
    with next_warehouse(folder) as con:
        create_missing(con)
        create_views(con)
        _insert_lines(con, count)
    return folder


def _insert_lines(con: duckdb.DuckDBPyConnection, count: int) -> None:
    con.execute(
        "INSERT INTO raw.order_events BY NAME SELECT i AS _rowid, 'shop' AS shop, "
        "'e' || i AS event_id, 'order' AS type, 'o' || i AS order_id, 's' || i % 97 AS sku, "
        "1 AS quantity, 9 AS revenue, 0 AS discount_amount, "
        "TIMESTAMP '2025-01-01' + to_minutes((i % 500_000)::BIGINT) AS occurred_at, "
        f"occurred_at::DATE AS {DAY} "
        f"FROM range({count:d}) AS t (i)"
    )


def _opened(folder: Path) -> None:
    with open_warehouse(folder) as con:
        lab = Lab(con, database="demo", folder=folder, keeps_results=True)
        assert lab.shops == ["shop"]


def _compared(small: Callable[[], object], large: Callable[[], object]) -> tuple[float, float]:
    """Return the median processor seconds of both, measured in alternation after a warm-up."""
    seconds: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        for taken, work in zip(seconds, (small, large), strict=True):
            began = time.process_time()
            work()
            if number:
                taken.append(time.process_time() - began)
    first, second = map(median, seconds)
    return first, second


def _ms(seconds: tuple[float, float]) -> tuple[float, float]:
    return seconds[0] * 1000, seconds[1] * 1000
