"""Push and rollback write the right rows and columns, even if they are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from d1lab import outbox as results
from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1UnavailableError, InputError, PushError, UnknownName
from d1lab.push import PushResult, TablePush, plan, push, rollback
from d1lab.push.before_image import load_image
from tests.support import workerd
from tests.support.examples import IS_LONG
from tests.support.worker_database import READER, WRITER, WorkerDatabase

DAY = "2026-05-01"
INVENTORY = "SELECT sku, days_of_supply, turnover_rate FROM inventory_impact ORDER BY sku"
INSIGHTS = (
    "SELECT customer_id, customer_segment, lifetime_value"
    " FROM customer_insights ORDER BY customer_id"
)
AUDIT = (
    "SELECT run_id, table_name, action, status, report, rows_staged, rows_changed, columns_written,"
    " started_at IS NOT NULL, finished_at IS NOT NULL FROM d1lab_pushes"
    " ORDER BY run_id, table_name, action"
)


def hasten(db: SqliteDatabase) -> SqliteDatabase:
    """Skip waiting for the disk, because no test cuts the power."""
    db._connection.execute("PRAGMA synchronous = OFF")
    return db


def seed(db: Database) -> None:
    """Insert four inventory rows (one with values, one with text) and one known customer."""
    migrate(db)
    db.execute(
        "INSERT INTO inventory_impact (shop, sku, date, ending_inventory, days_of_supply,"
        " turnover_rate) VALUES ('s', 'a', ?1, 5, 1.5, 2), ('s', 'b', ?1, 6, NULL, NULL),"
        " ('s', 'c', ?1, 7, 'n/a', 0.1), ('s', 'd', ?1, 8, 4, 4)",
        (DAY,),
    )
    db.execute(
        "INSERT INTO customer_insights (shop, customer_id, total_savings, customer_segment)"
        " VALUES ('s', 'k1', 12.5, 'new')"
    )
    for table, part in (
        ("inventory_impact", "days_of_supply"),
        ("inventory_impact", "turnover_rate"),
        ("customer_insights", "counters"),
        ("customer_insights", "customer_segment"),
    ):
        db.execute(
            "INSERT INTO d1lab_owned (table_name, part, how, run_id, since)"
            " VALUES (?1, ?2, 'take-over', 'before', '2026-01-01')",
            (table, part),
        )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = hasten(SqliteDatabase.create(tmp_path / "d1.sqlite"))
    seed(database)
    yield database
    database.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run that staged five rows (a changed, b filled, c emptied, d equal, e unknown) and two
    customers.
    """
    folder = tmp_path / "runs" / "20260502T060000-inventory"
    stage_inventory(folder, a=(2.0, 2.0), b=(3.0, 0.5), c=(None, 0.1), d=(4.0, 4.0), e=(1.0, 1.0))
    stage_customers(folder, k1=("regular", "40.10"), k2=("vip", "1234.567891"))
    return folder


def stage_inventory(folder: Path, **rows: tuple[float | None, float | None]) -> None:
    """Stage days of supply and turnover rate by SKU."""
    supply, turnover = zip(*rows.values(), strict=True)
    stage(
        folder, "inventory_impact", shop=["s"] * len(rows), sku=list(rows),
        date=[date.fromisoformat(DAY)] * len(rows), days_of_supply=list(supply),
        turnover_rate=list(turnover),
    )  # fmt: skip


def stage_customers(folder: Path, **rows: tuple[str | None, str | None]) -> None:
    """Stage segment and lifetime value by customer."""
    segment, value = zip(*rows.values(), strict=True)
    stage(
        folder, "customer_insights", shop=["s"] * len(rows), customer_id=list(rows),
        customer_segment=list(segment),
        lifetime_value=[v and Decimal(v) for v in value],
    )  # fmt: skip


def stage(folder: Path, table: str, **columns: list[Any]) -> None:
    """Write a file to the outbox without the checks of `stage`, on which push must not rely."""
    (folder / "outbox").mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), folder / "outbox" / f"{table}.parquet")


def by_table(result: PushResult) -> dict[str, TablePush]:
    return {table.table: table for table in result.tables}


def world(db: Database, folder: Path) -> dict[str, Any]:
    """Return everything that a push leaves behind, which must not depend on kills."""
    kept = {name: load_image(folder, name) for name in ("inventory_impact", "customer_insights")}
    return {
        "tables": [db.query(f"SELECT * FROM {name} ORDER BY 1, 2, 3").rows for name in kept],
        "audit": db.query(AUDIT).rows,
        "images": {n: i and i._replace(taken_at=datetime.min) for n, i in kept.items()},
        "files": sorted(path.name for path in (folder / "push").glob("[!.]*")),
    }


# ---- push -------------------------------------------------------------------------------------


def test_push_writes_owned_columns_where_they_differ(db: SqliteDatabase, run_dir: Path) -> None:
    """Changed rows are written, equal rows are not, and missing rows are reported."""
    result = push(db, run_dir, report="inventory")

    assert db.query(INVENTORY).rows == [
        ("a", 2, 2),
        ("b", 3.0, 0.5),
        ("c", None, 0.1),
        ("d", 4, 4),
    ]
    stock = by_table(result)["inventory_impact"]
    assert (stock.staged, stock.changed, stock.unchanged, stock.missing) == (5, 3, 1, 1)
    assert stock.missing_keys == (("s", "e", DAY),)
    assert db.query("SELECT sum(ending_inventory) FROM inventory_impact").rows == [(26,)]


def test_push_inserts_rows_only_where_the_catalog_says_upsert(
    db: SqliteDatabase, run_dir: Path
) -> None:
    """A new customer gets a row, and a known one keeps the app's columns."""
    result = by_table(push(db, run_dir))["customer_insights"]

    assert db.query(INSIGHTS).rows == [("k1", "regular", 40.1), ("k2", "vip", 1234.57)]
    assert (result.changed, result.created, result.missing) == (2, 1, 0)
    saved = "SELECT total_savings FROM customer_insights ORDER BY customer_id"
    assert db.query(saved).rows == [(12.5,), (None,)]


def test_push_bills_only_the_rows_that_change(db: SqliteDatabase, run_dir: Path) -> None:
    """Three updates, two rows of the audit, and one of the holder are written, and nothing else."""
    stock = by_table(push(db, run_dir))["inventory_impact"]
    assert stock.usage.rows_written == 3 + 3


def test_push_reads_each_staged_row_once_and_each_changed_one_twice_more(
    db: SqliteDatabase, tmp_path: Path
) -> None:
    """A row is read to compare, to write, and to verify; no statement scans a table with the key's
    index.
    """
    values = ", ".join(f"('s', 'x{i}', '{DAY}')" for i in range(3000))
    db.execute(f"INSERT INTO inventory_impact (shop, sku, date) VALUES {values}")
    stage_inventory(tmp_path / "r", a=(9.0, 2.0), d=(4.0, 4.0))
    assert push(db, tmp_path / "r").usage.rows_read < 200  # most of them to inspect the schema


def test_push_records_itself(db: SqliteDatabase, run_dir: Path) -> None:
    """The audit has the run, table, report, columns, rows, and the end of the push."""
    push(db, run_dir, report="inventory")
    run = run_dir.name
    assert db.query(AUDIT).rows == [
        (run, "customer_insights", "push", "done", "inventory", 2, 2,
         "customer_segment, lifetime_value", 1, 1),
        (run, "inventory_impact", "push", "done", "inventory", 5, 3,
         "days_of_supply, turnover_rate", 1, 1),
    ]  # fmt: skip


def test_push_again_does_nothing_and_says_so(db: SqliteDatabase, run_dir: Path) -> None:
    """The second push of a run writes nothing and repeats the result of the first."""
    first = push(db, run_dir)
    again = push(db, run_dir)

    assert [table.status for table in again.tables] == ["already pushed"] * 2
    assert again.usage.rows_written == 0
    assert again.changed == 0
    told = [table._replace(status="pushed", usage=None, seconds=0) for table in again.tables]  # pyright: ignore[reportArgumentType]
    assert told == [table._replace(usage=None, seconds=0) for table in first.tables]  # pyright: ignore[reportArgumentType]


def test_push_saves_previous_values_exactly(db: SqliteDatabase, run_dir: Path) -> None:
    """The before-image has integers, reals, texts, and NULLs as SQLite stored them."""
    push(db, run_dir)
    image = load_image(run_dir, "inventory_impact")
    assert image is not None
    before = {key[1]: change.before for key, change in image.changes.items()}
    assert before == {"a": (1.5, 2), "b": (None, None), "c": ("n/a", 0.1)}
    kinds = "SELECT typeof(turnover_rate) FROM inventory_impact WHERE sku = 'a'"
    assert db.query(kinds).rows == [("integer",)]
    assert type(before["a"][1]) is int  # pyright: ignore[reportOptionalSubscript]


def test_push_of_a_run_that_staged_nothing(db: SqliteDatabase, tmp_path: Path) -> None:
    """Without staged results, nothing is done and D1 is not queried."""
    (tmp_path / "r").mkdir()
    before = db.meter.total
    assert push(db, tmp_path / "r").tables == ()
    assert db.meter.total == before


def test_push_inserts_no_empty_rows(db: SqliteDatabase, tmp_path: Path) -> None:
    """A customer without a row and without staged values gets none."""
    stage_customers(tmp_path / "r", k9=(None, None))
    result = by_table(push(db, tmp_path / "r"))["customer_insights"]
    assert (result.changed, result.unchanged) == (0, 1)
    assert db.query("SELECT count(*) FROM customer_insights").rows == [(1,)]


def test_push_ignores_float_noise(db: SqliteDatabase, tmp_path: Path) -> None:
    """Sums of several threads differ in the last digits, which does not justify a written row."""
    db.execute("UPDATE inventory_impact SET days_of_supply = 3 WHERE sku = 'a'")
    stage_inventory(tmp_path / "r", a=(3.0, 2.0 * (1 + 1e-15)), c=(None, 0.2))
    result = by_table(push(db, tmp_path / "r"))["inventory_impact"]
    assert (result.changed, result.unchanged) == (1, 1)


def test_push_reports_its_progress(db: SqliteDatabase, run_dir: Path) -> None:
    """The callback gets the rows done and the total rows, per table."""
    heard: list[tuple[str, int, int]] = []
    push(db, run_dir, progress=lambda *said: heard.append(said))
    assert heard == [("customer_insights", 2, 2), ("inventory_impact", 3, 3)]


def test_push_writes_many_chunks(db: SqliteDatabase, tmp_path: Path) -> None:
    """12,000 rows are written in two parts and read back completely."""
    count = 12_000
    stage(
        tmp_path / "r", "d1lab_customer_scores", shop=["s"] * count,
        customer_id=[f"c{i:05}" for i in range(count)], r_score=[i % 5 + 1 for i in range(count)],
    )  # fmt: skip
    heard: list[int] = []
    result = push(db, tmp_path / "r", progress=lambda _table, done, _all: heard.append(done))
    assert result.changed == count
    assert heard == [10_000, 12_000]
    assert push(db, tmp_path / "r").changed == 0
    assert rollback(db, tmp_path / "r").restored == count
    assert db.query("SELECT customer_id FROM d1lab_customer_scores").rows == []


# ---- what is the app's -------------------------------------------------------------------------


def test_push_leaves_values_that_d1lab_did_not_write(db: SqliteDatabase, run_dir: Path) -> None:
    """The app's own segments are kept, empty ones are written, and the push lists the rest."""
    db.execute("DELETE FROM d1lab_owned WHERE part = 'customer_segment'")
    result = by_table(push(db, run_dir))["customer_insights"]
    assert result.held_back == ("customer_segment",)
    assert db.query(INSIGHTS).rows == [("k1", "new", 40.1), ("k2", None, 1234.57)]
    assert plan(db, run_dir).tables[0].held_back == ("customer_segment",)


def test_push_checks_the_whole_table_once(db: SqliteDatabase, tmp_path: Path) -> None:
    """A value in any shop's row is the app's; an empty column is d1lab's from then on."""
    db.execute("DELETE FROM d1lab_owned")
    db.execute("UPDATE inventory_impact SET turnover_rate = NULL")
    db.execute("UPDATE inventory_impact SET shop = 'other' WHERE sku = 'd'")
    stage_inventory(tmp_path / "first", b=(3.0, 0.5))
    first = by_table(push(db, tmp_path / "first"))["inventory_impact"]
    assert (first.held_back, first.changed) == (("days_of_supply",), 1)
    assert db.query("SELECT table_name, part, how FROM d1lab_owned").rows == [
        ("inventory_impact", "turnover_rate", "empty")
    ]
    stage_inventory(tmp_path / "second", b=(3.0, 0.75))
    assert push(db, tmp_path / "second").changed == 1


def test_push_with_all_columns_held_back_writes_nothing(db: SqliteDatabase, tmp_path: Path) -> None:
    """It says so, adds no row to the audit, and works once the column is handed over."""
    db.execute("DELETE FROM d1lab_owned")
    stage_inventory(tmp_path / "r", b=(3.0, 0.5))
    (result,) = push(db, tmp_path / "r").tables
    assert (result.status, result.changed) == ("held back", 0)
    assert db.query(AUDIT).rows == []
    assert plan(db, tmp_path / "r").tables[0].standing == "held back"
    db.execute(
        "INSERT INTO d1lab_owned (table_name, part, how, run_id, since) "
        "SELECT 'inventory_impact', column1, 'take-over', 'x', '' "
        "FROM (VALUES ('days_of_supply'), ('turnover_rate'))"
    )
    assert push(db, tmp_path / "r").changed == 1


def test_push_inserts_no_rows_in_a_table_of_the_app(db: SqliteDatabase, run_dir: Path) -> None:
    """A customer missing in the app's table is reported, unless d1lab owns the table's counters."""
    db.execute("DELETE FROM d1lab_owned WHERE part = 'counters'")
    result = by_table(push(db, run_dir))["customer_insights"]
    assert (result.created, result.missing, result.missing_keys) == (0, 1, (("s", "k2"),))


def test_push_skips_a_column_that_the_app_does_not_have(db: SqliteDatabase, run_dir: Path) -> None:
    """A table without lifetime_value gets the segments and no new column."""
    db.execute("ALTER TABLE customer_insights DROP COLUMN lifetime_value")
    result = by_table(push(db, run_dir))["customer_insights"]
    assert result.held_back == ("lifetime_value",)
    segments = db.query("SELECT customer_segment FROM customer_insights").rows
    assert segments == [("regular",), ("vip",)]


@pytest.mark.parametrize(
    ("column", "staged", "stored"),
    [
        ("days_of_supply", 106.72131147540985, 107),
        ("days_of_supply", 0.4, 0),
        ("turnover_rate", 0.6003171073973501, 0.6),
        ("turnover_rate", 999.996, None),  # DECIMAL(5,2) has not digits enough
        ("turnover_rate", 2, 2),
    ],
)
def test_push_writes_the_declared_type(
    db: SqliteDatabase, tmp_path: Path, column: str, staged: float, stored: float | None
) -> None:
    """INTEGER gets a whole number, and DECIMAL(5,2) two decimals."""
    stage(tmp_path / "r", "inventory_impact", **row(**{"days_of_supply": ..., column: staged}))
    push(db, tmp_path / "r")
    found = db.query(f"SELECT {column} FROM inventory_impact WHERE sku = 'a'").rows
    assert found == [(stored,)]


# ---- what is rejected --------------------------------------------------------------------------


def rejected(db: Database, folder: Path, *words: str, error: type[Exception] = PushError) -> None:
    """Assert that the push is rejected with these words and writes nothing."""
    before = db.meter.total.rows_written
    with pytest.raises(error) as caught:
        push(db, folder)
    for word in words:
        assert word in str(caught.value)
    assert db.meter.total.rows_written == before
    assert not (folder / "push").exists()


def row(**columns: Any) -> dict[str, list[Any]]:
    """Return a staged inventory row with these columns changed; None removes a column."""
    whole = {"shop": "s", "sku": "a", "date": DAY, "days_of_supply": 1.0} | columns
    return {name: [value] for name, value in whole.items() if value is not ...}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (row(ending_inventory=3), ("ending_inventory", "does not own")),
        (row(nonsense=3), ("nonsense", "does not own")),
        (row(sku=...), ("missing the key columns sku",)),
        (row(days_of_supply=...), ("only key columns",)),
        (row(sku=None), ("without its key", "sku")),
        (row(days_of_supply="soon"), ("days_of_supply", "'soon' is not a valid real")),
        (row(days_of_supply=float("inf")), ("days_of_supply", "infinite")),
        (row(date="yesterday"), ("date", "'yesterday' is not a valid date")),
        (row(date=datetime(2026, 5, 1, 12, tzinfo=UTC)), ("time of day",)),
        (row(sku=17), ("sku", "17 is not a valid text")),
    ],
)
def test_push_rejects_an_invalid_outbox(
    db: SqliteDatabase, tmp_path: Path, columns: dict[str, list[Any]], words: tuple[str, ...]
) -> None:
    """The catalog decides what can be written, not the file, and nothing is written."""
    stage(tmp_path / "r", "inventory_impact", **columns)
    rejected(db, tmp_path / "r", *words)


def test_push_rejects_scores_that_are_not_whole_numbers(db: SqliteDatabase, tmp_path: Path) -> None:
    """5.0 is the score 5, and 5.5 is not a score."""
    stage(tmp_path / "r", "d1lab_customer_scores", shop=["s"], customer_id=["k1"], r_score=[5.5])
    rejected(db, tmp_path / "r", "r_score", "5.5 is not a valid integer")
    stage(tmp_path / "r", "d1lab_customer_scores", shop=["s"], customer_id=["k1"], r_score=[5.0])
    push(db, tmp_path / "r")
    assert db.query("SELECT r_score, typeof(r_score) FROM d1lab_customer_scores").rows == [
        (5, "integer")
    ]


def test_push_rejects_a_duplicate_key(db: SqliteDatabase, tmp_path: Path) -> None:
    """With two values for one row, it is unknown which one is meant."""
    stage(
        tmp_path / "r", "d1lab_customer_scores", shop=["s"] * 2, customer_id=["k"] * 2,
        r_score=[1, 2],
    )  # fmt: skip
    rejected(db, tmp_path / "r", "('s', 'k') twice")


def test_push_rejects_a_table_that_is_not_declared(db: SqliteDatabase, tmp_path: Path) -> None:
    """The error suggests the nearest table of the catalog."""
    stage(tmp_path / "r", "inventory_inpact", **row())
    rejected(db, tmp_path / "r", "inventory_impact", error=UnknownName)


def test_push_rejects_tables_without_columns_of_d1lab(db: SqliteDatabase, tmp_path: Path) -> None:
    """d1lab does not write the app's events."""
    stage(tmp_path / "r", "order_events", shop=["s"], event_id=["e"], revenue=[1.0])
    rejected(db, tmp_path / "r", "revenue", "Allowed: none")


def test_push_checks_every_table_before_it_writes_the_first(
    db: SqliteDatabase, run_dir: Path
) -> None:
    """An error in the second table leaves the first one unchanged."""
    stage(run_dir, "inventory_impact", **row(days_of_supply="soon"))
    rejected(db, run_dir, "soon")
    assert db.query(AUDIT).rows == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP TABLE inventory_impact", ("table inventory_impact", "0001_guide_tables.sql")),
        ("DROP TABLE d1lab_pushes", ("table d1lab_pushes", "0008_bookkeeping.sql")),
        ("DROP TABLE d1lab_owned", ("table d1lab_owned", "0008_bookkeeping.sql")),
    ],
)
def test_push_names_the_missing_migration(
    db: SqliteDatabase, run_dir: Path, damage: str, words: tuple[str, ...]
) -> None:
    """The error says what is missing, which file adds it, and which command applies it."""
    db.execute(damage)
    rejected(db, run_dir, *words, "d1lab migrate")


def test_push_does_not_overwrite_what_it_could_not_restore(
    db: SqliteDatabase, run_dir: Path
) -> None:
    """JSON has no infinity, so a rollback could not restore one."""
    db.execute("UPDATE inventory_impact SET turnover_rate = 9e999 WHERE sku = 'a'")
    with pytest.raises(PushError, match=r"'a'.*infinite"):
        push(db, run_dir)
    assert db.query(AUDIT).rows == []


def test_push_rejects_missing_and_failed_runs(db: SqliteDatabase, run_dir: Path) -> None:
    """Only results of a successful run are pushed."""
    rejected(db, run_dir.parent / "nope", "'nope' does not exist", error=InputError)
    (run_dir / "run.json").write_text(json.dumps({"status": "failed"}))
    rejected(db, run_dir, "status 'failed'", error=InputError)
    (run_dir / "run.json").write_text("{")
    rejected(db, run_dir, "a broken run.json", error=InputError)
    (run_dir / "run.json").write_text(json.dumps({"status": "done"}))
    assert push(db, run_dir).changed == 5


def test_push_rejects_a_broken_outbox(db: SqliteDatabase, run_dir: Path) -> None:
    """The file was truncated, as by a full disk."""
    (run_dir / "outbox" / "inventory_impact.parquet").write_bytes(b"PAR1")
    rejected(db, run_dir, "cannot read", "inventory_impact.parquet", error=InputError)


def test_push_names_the_table_of_a_value_that_d1_rejects(
    db: SqliteDatabase, tmp_path: Path
) -> None:
    """If a CHECK of the app fails, the error names the table and says how to continue."""
    db.execute("ALTER TABLE customer_insights RENAME TO aside")
    db.execute(
        "CREATE TABLE customer_insights (shop TEXT, customer_id TEXT, customer_segment TEXT CHECK"
        " (customer_segment <> 'whale'), lifetime_value, PRIMARY KEY (shop, customer_id))"
    )
    db.execute("INSERT INTO customer_insights VALUES ('s', 'k1', 'new', NULL)")
    stage_customers(tmp_path / "r", k1=("whale", None))
    with pytest.raises(PushError, match=r"customer_insights.*CHECK.*rollback"):
        push(db, tmp_path / "r")
    assert db.query(INSIGHTS).rows == [("k1", "new", None)]


# ---- what comes back --------------------------------------------------------------------------


def test_push_detects_a_value_that_reads_back_changed(db: SqliteDatabase, run_dir: Path) -> None:
    """If a trigger changes the value, the error has the row, the column, and both values."""
    db.execute(
        "CREATE TRIGGER rounds AFTER UPDATE ON inventory_impact WHEN NEW.days_of_supply = 3"
        " BEGIN UPDATE inventory_impact SET days_of_supply = 4 WHERE sku = NEW.sku; END"
    )
    with pytest.raises(PushError, match=r"sku 'b'.*'days_of_supply': wrote 3, read back 4"):
        push(db, run_dir)
    status = "SELECT status FROM d1lab_pushes WHERE table_name = 'inventory_impact'"
    assert db.query(status).rows == [("started",)]


def test_push_detects_an_ignored_write(db: SqliteDatabase, run_dir: Path) -> None:
    """If a trigger ignores updates, they are not reported as written."""
    db.execute(
        "CREATE TRIGGER keeps BEFORE UPDATE ON inventory_impact WHEN OLD.sku = 'a'"
        " BEGIN SELECT RAISE(IGNORE); END"
    )
    with pytest.raises(PushError, match=r"sku 'a'.*wrote 2, read back 1.5"):
        push(db, run_dir)
    with pytest.raises(PushError, match=r"sku 'a'"):
        push(db, run_dir)


class Meddler(SqliteDatabase):
    """Lets another process write just before the first write to a table."""

    meddle: Callable[[], object] | None = None

    def batch(self, *args: Any, **named: Any) -> Any:
        if named.get("table") == "inventory_impact" and self.meddle:
            act, self.meddle = self.meddle, None
            act()
        return super().batch(*args, **named)


def test_push_does_not_overwrite_a_concurrent_write(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """A value changed between the read and the write is kept, and the push fails."""
    other = Meddler(tmp_path / "d1.sqlite")
    other.meddle = lambda: db.execute(
        "UPDATE inventory_impact SET turnover_rate = 7 WHERE sku = 'a'"
    )
    with pytest.raises(PushError, match=r"sku 'a'.*Another process"):
        push(other, run_dir)

    result = by_table(push(other, run_dir))["inventory_impact"]
    assert (result.changed, result.left, result.left_keys) == (2, 1, (("s", "a", DAY),))
    assert db.query(INVENTORY).rows[0] == ("a", 1.5, 7)
    other.close()


def test_push_resumed_late_keeps_the_values_of_a_newer_run(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """An older push that is resumed does not restore its values."""
    with pytest.raises(Killed):
        push(Mortal(db, die_after="customer_insights"), run_dir)
    newer = tmp_path / "runs" / "newer"
    stage_inventory(newer, a=(99.0, 99.0))
    stage_customers(newer, k2=("new", None))
    push(db, newer)

    result = by_table(push(db, run_dir))
    assert result["inventory_impact"].left_keys == (("s", "a", DAY),)
    assert result["customer_insights"].left_keys == (("s", "k2"),)
    assert result["customer_insights"].created == 0
    assert db.query(INVENTORY).rows[0] == ("a", 99, 99)


def test_push_fills_a_row_that_the_app_inserted_meanwhile(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """The app added the customer between the first read and the restart."""
    with pytest.raises(Killed):
        push(Mortal(db, die_before="customer_insights"), run_dir)
    assert db.query("SELECT count(*) FROM customer_insights").rows == [(1,)]
    db.execute(
        "INSERT INTO customer_insights (shop, customer_id, total_savings) VALUES ('s','k2',9)"
    )

    push(db, run_dir)
    assert db.query(INSIGHTS).rows[1] == ("k2", "vip", 1234.57)
    rollback(db, run_dir)
    assert db.query("SELECT total_savings, lifetime_value FROM customer_insights").rows[1] == (
        9,
        None,
    )


def test_push_to_a_restored_database_starts_over(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """After Time Travel or a rebuilt demo, the mark in the run's folder no longer counts."""
    push(db, run_dir)
    again = SqliteDatabase.create(tmp_path / "again.sqlite")
    seed(again)
    again.execute("UPDATE inventory_impact SET turnover_rate = 3 WHERE sku = 'a'")

    assert push(again, run_dir).changed == 5
    assert again.query(INVENTORY).rows == db.query(INVENTORY).rows
    image = load_image(run_dir, "inventory_impact")
    assert image is not None
    assert image.changes["s", "a", DAY].before == (1.5, 3)
    assert (run_dir / "push" / "inventory_impact.before.lost.parquet").exists()
    again.close()


# ---- plan -------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_plan_says_what_push_then_does(db: SqliteDatabase, run_dir: Path) -> None:
    """The dry run writes nothing, and its counts are those of the push."""
    held, there = files(run_dir), db.query("SELECT * FROM inventory_impact").rows
    foretold = plan(db, run_dir)
    planned = {table.table: table for table in foretold.tables}
    assert db.meter.total.rows_written == written_by_seed(db)
    assert (files(run_dir), db.query("SELECT * FROM inventory_impact").rows) == (held, there)

    result = push(db, run_dir)
    claims = db.query("SELECT count(*) FROM d1lab_owned WHERE how = 'empty'").rows[0][0]
    assert claims == 1
    assert result.usage.rows_written == foretold.usage.rows_written
    assert plan(db, run_dir).usage.rows_written == 0
    for name, pushed in by_table(result).items():
        counts = ("staged", "changed", "created", "unchanged", "missing", "left")
        wanted = [getattr(planned[name], count) for count in counts]
        assert [getattr(pushed, count) for count in counts] == wanted
        assert planned[name].usage.rows_written == pushed.usage.rows_written


def written_by_seed(db: Database) -> int:
    """The rows written before anything was planned, according to the meter."""
    return sum(usage.rows_written for table, usage in db.meter.by_table.items() if table == "")


def test_plan_shows_old_and_new_values(db: SqliteDatabase, run_dir: Path) -> None:
    """A sample of rows has the current values and the planned ones."""
    customers, stock = plan(db, run_dir).tables
    assert stock.sample[0].key == {"shop": "s", "sku": "a", "date": DAY}
    assert stock.sample[0].before == {"days_of_supply": 1.5, "turnover_rate": 2}
    assert stock.sample[0].after == {"days_of_supply": 2.0, "turnover_rate": 2.0}
    assert customers.sample[1].before is None


def test_plan_prices_the_push(db: SqliteDatabase, run_dir: Path) -> None:
    """The cost includes all rows that D1 will bill, also for an index on a written column."""
    cheap = plan(db, run_dir)
    db.execute("CREATE INDEX by_rate ON inventory_impact (turnover_rate)")
    dear = plan(db, run_dir)
    assert dear.usage.rows_written == cheap.usage.rows_written + 3
    assert dear.dollars == pytest.approx(
        (dear.usage.rows_written * 1.0 + dear.usage.rows_read * 0.001) / 1e6
    )


def test_plan_of_a_push_that_was_done_or_begun(db: SqliteDatabase, run_dir: Path) -> None:
    """The plan of a started push has the rest, and that of a completed one nothing."""
    with pytest.raises(Killed):
        push(Mortal(db, die_after="customer_insights"), run_dir)
    begun = plan(db, run_dir).tables[0]
    assert (begun.standing, begun.changed, begun.unchanged) == ("begun", 1, 1)
    push(db, run_dir)
    done = plan(db, run_dir)
    assert [table.standing for table in done.tables] == ["done", "done"]
    assert [table.changed for table in done.tables] == [0, 0]
    assert done.usage.rows_written == 0
    rollback(db, run_dir)
    assert [table.standing for table in plan(db, run_dir).tables] == ["rolled back"] * 2


# ---- rollback ---------------------------------------------------------------------------------


def test_rollback_restores_everything(db: SqliteDatabase, run_dir: Path) -> None:
    """Afterwards the tables are as before, including types, and new rows are deleted."""
    look = "SELECT *, typeof(days_of_supply), typeof(turnover_rate) FROM inventory_impact"
    before = db.query(look).rows, db.query("SELECT * FROM customer_insights").rows
    push(db, run_dir)
    result = rollback(db, run_dir)

    assert (db.query(look).rows, db.query("SELECT * FROM customer_insights").rows) == before
    assert [(table.changed, table.restored, table.left) for table in result.tables] == [
        (2, 2, 0), (3, 3, 0),
    ]  # fmt: skip


def test_rollback_is_recorded_and_happens_once(db: SqliteDatabase, run_dir: Path) -> None:
    """A second rollback does nothing and says so, and the run cannot be pushed again."""
    push(db, run_dir)
    rollback(db, run_dir)
    held = db.query(INVENTORY).rows
    again = rollback(db, run_dir)
    assert [table.status for table in again.tables] == ["already rolled back"] * 2
    assert again.usage.rows_written == 0
    assert again.restored == 5
    assert [row[2:4] for row in db.query(AUDIT).rows] == [
        ("push", "done"), ("rollback", "done"),
    ] * 2  # fmt: skip
    assert [table.status for table in push(db, run_dir).tables] == ["rolled back"] * 2
    assert db.query(INVENTORY).rows == held


def test_rollback_skips_rows_that_changed_since(db: SqliteDatabase, run_dir: Path) -> None:
    """A row is skipped if any of its values changed, because its values belong together."""
    push(db, run_dir)
    db.execute("UPDATE inventory_impact SET turnover_rate = 7 WHERE sku = 'b'")
    stock = rollback(db, run_dir).tables[1]
    assert (stock.restored, stock.left, stock.left_keys) == (2, 1, (("s", "b", DAY),))
    assert db.query(INVENTORY).rows == [
        ("a", 1.5, 2), ("b", 3.0, 7), ("c", "n/a", 0.1), ("d", 4, 4),
    ]  # fmt: skip


def test_rollback_keeps_a_new_row_that_was_filled_in_since(
    db: SqliteDatabase, run_dir: Path
) -> None:
    """The app filled in a row that the push inserted: only d1lab's columns are emptied."""
    push(db, run_dir)
    db.execute("UPDATE customer_insights SET total_savings = 9 WHERE customer_id = 'k2'")
    assert rollback(db, run_dir).tables[0].restored == 2
    assert db.query(INSIGHTS).rows == [("k1", "new", None), ("k2", None, None)]
    assert rollback(db, run_dir).tables[0].restored == 2


def test_rollback_deletes_no_row_with_unknown_defaults(db: SqliteDatabase, tmp_path: Path) -> None:
    """A default such as CURRENT_TIMESTAMP hides whether the app changed the row."""
    db.execute("DROP TABLE customer_insights")
    db.execute(
        "CREATE TABLE customer_insights (shop TEXT, customer_id TEXT, lifetime_value INTEGER,"
        " made DATETIME DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (shop, customer_id)) WITHOUT ROWID"
    )
    stage(tmp_path / "r", "customer_insights", shop=["s"], customer_id=["k"], lifetime_value=[4])
    push(db, tmp_path / "r")
    assert rollback(db, tmp_path / "r").restored == 1
    assert db.query("SELECT customer_id, lifetime_value FROM customer_insights").rows == [
        ("k", None)
    ]


def test_rollback_dry_run_writes_nothing(db: SqliteDatabase, run_dir: Path) -> None:
    """It reports what would be restored."""
    push(db, run_dir)
    held, written = files(run_dir), db.meter.total.rows_written
    told = rollback(db, run_dir, dry_run=True)
    assert [(table.status, table.restored) for table in told.tables] == [
        ("would roll back", 2), ("would roll back", 3),
    ]  # fmt: skip
    assert (files(run_dir), db.meter.total.rows_written) == (held, written)
    assert rollback(db, run_dir).restored == told.restored


def test_rollback_of_an_older_run_names_the_newer_ones(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """Values that the newer run wrote are kept; where both agreed, the older value returns."""
    push(db, run_dir)
    newer = tmp_path / "runs" / "newer"
    stage_inventory(newer, a=(2.0, 2.0), b=(5.0, 5.0))
    push(db, newer)
    stock = rollback(db, run_dir).tables[1]
    assert stock.newer == ("newer",)
    assert db.query(INVENTORY).rows[:2] == [("a", 1.5, 2), ("b", 5, 5)]
    rollback(db, newer)
    assert db.query(INVENTORY).rows[:2] == [("a", 1.5, 2), ("b", 3.0, 0.5)]


def test_rollbacks_from_the_newest_on_restore_everything(
    db: SqliteDatabase, run_dir: Path, tmp_path: Path
) -> None:
    """Rolled back in reverse order, any number of runs leaves no trace."""
    before = db.query(INVENTORY).rows
    newer = tmp_path / "runs" / "newer"
    stage_inventory(newer, a=(2.0, 2.0), b=(5.0, 5.0), d=(0.0, 0.0))
    push(db, run_dir)
    push(db, newer)
    rollback(db, newer)
    assert rollback(db, run_dir).tables[1].newer == ()
    assert db.query(INVENTORY).rows == before


def test_rollback_of_an_interrupted_push(db: SqliteDatabase, run_dir: Path) -> None:
    """What was written before the kill is restored, and the push is over."""
    before = db.query(INSIGHTS).rows, db.query(INVENTORY).rows
    with pytest.raises(Killed):
        push(Mortal(db, die_after="customer_insights"), run_dir)
    assert db.query(INSIGHTS).rows != before[0]
    rollback(db, run_dir)
    assert (db.query(INSIGHTS).rows, db.query(INVENTORY).rows) == before


def test_rollback_without_a_push(db: SqliteDatabase, run_dir: Path) -> None:
    """There is nothing to roll back, and the error says where it looked."""
    with pytest.raises(InputError, match="did not push anything"):
        rollback(db, run_dir)


def test_rollback_in_the_wrong_database(run_dir: Path, db: SqliteDatabase, tmp_path: Path) -> None:
    """A database without the tables is not the one that was pushed to."""
    push(db, run_dir)
    empty = SqliteDatabase.create(tmp_path / "empty.sqlite")
    with pytest.raises(PushError, match="d1lab_pushes"):
        rollback(empty, run_dir)
    empty.close()


def test_an_unreadable_image_stops_everything(db: SqliteDatabase, run_dir: Path) -> None:
    """A damaged before-image does not count as a missing one."""
    push(db, run_dir)
    (run_dir / "push" / "inventory_impact.before.parquet").write_bytes(b"PAR1")
    for action in (push, rollback):
        with pytest.raises(PushError, match="cannot read"):
            action(db, run_dir)


# ---- killed at any point ----------------------------------------------------------------------


class Killed(BaseException):
    """The process is killed at this point."""


class Steps:
    """Counts the steps of a push and kills it at one of them, after which no step has an effect."""

    def __init__(self, die_at: int = 0) -> None:
        self.die_at, self.taken = die_at, 0

    def step(self) -> None:
        self.taken += 1
        if self.die_at and self.taken >= self.die_at:
            raise Killed(f"at step {self.taken}")


class Mortal:
    """A database that can be killed before a call takes effect, or before its response arrives."""

    def __init__(
        self, db: Database, steps: Steps | None = None, *, die_before: str = "", die_after: str = ""
    ) -> None:
        self._db, self._steps = db, steps or Steps()
        self._before, self._after = die_before, die_after
        self.url, self.meter, self.bookmark = db.url, db.meter, db.bookmark

    def _call(self, name: str, *args: Any, **named: Any) -> Any:
        self._steps.step()
        answer = getattr(self._db, name)(*args, **named)
        self._steps.step()
        return answer

    def query(self, *args: Any, **named: Any) -> Any:
        return self._call("query", *args, **named)

    def execute(self, *args: Any, **named: Any) -> Any:
        return self._call("execute", *args, **named)

    def batch(self, *args: Any, **named: Any) -> Any:
        if named.get("table") == self._before:
            raise Killed(f"before a write to {self._before}")
        answer = self._call("batch", *args, **named)
        if named.get("table") == self._after:
            raise Killed(f"after a write to {self._after}")
        return answer

    def tables(self) -> Any:
        return self._call("tables")

    def close(self) -> None:
        self._db.close()


def watch_files(monkeypatch: pytest.MonkeyPatch, steps: Steps) -> None:
    """Make every file operation of a push a step, before and after its effect."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a step like the others, but a fast one
    for name in ("fsync", "link", "open", "unlink", "rename", "replace", "mkdir"):
        real = getattr(os, name)

        def step(*args: Any, real: Callable[..., Any] = real, **named: Any) -> Any:
            if "/push" not in str(args[0]) and not isinstance(args[0], int):
                return real(*args, **named)
            steps.step()
            answer = real(*args, **named)
            steps.step()
            return answer

        monkeypatch.setattr(os, name, step)


def world_before(folder: Path) -> SqliteDatabase:
    """Return a seeded database and a run in `folder`, from which the tests of kills start."""
    db = hasten(SqliteDatabase.create(folder / "d1.sqlite"))
    seed(db)
    run = folder / "run"
    stage_inventory(run, a=(2.0, 2.0), b=(3.0, 0.5), c=(None, 0.1), e=(1.0, 1.0))
    stage_customers(run, k1=("regular", "40.10"), k2=("vip", "7"))
    return db


def deaths(
    before: Path,
    act: Callable[[Database, Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the state after `act` was killed at step N and run again, for every N, or some."""
    for number in range(1, 1000, 1 if IS_LONG else 3):  # 3: before and after effects
        folder = shutil.copytree(before, before.with_name(str(number)))
        db, steps = hasten(SqliteDatabase(folder / "d1.sqlite")), Steps(number)
        with monkeypatch.context() as patch:
            watch_files(patch, steps)
            try:
                act(Mortal(db, steps), folder / "run")
                survived = True
            except Killed:
                survived = False
        act(db, folder / "run")
        yield number, world(db, folder / "run")
        db.close()
        if survived:
            return


def test_push_killed_anywhere_ends_in_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push is killed at every call and file operation and then run again."""
    world_before(tmp_path / "before").close()
    ends = dict(deaths(tmp_path / "before", push, monkeypatch))
    assert max(ends) > 60  # there are that many places to die
    whole = ends[max(ends)]  # the one that lived
    assert {number: end for number, end in ends.items() if end != whole} == {}
    assert whole["images"]["inventory_impact"].changes["s", "a", DAY].before == (1.5, 2)


@pytest.mark.long
def test_rollback_killed_anywhere_ends_in_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback is killed at every step and then run again."""
    with closing(world_before(tmp_path / "before")) as db:
        push(db, tmp_path / "before" / "run")
    ends = dict(deaths(tmp_path / "before", rollback, monkeypatch))
    assert max(ends) > 40
    whole = ends[max(ends)]
    assert {number: end for number, end in ends.items() if end != whole} == {}
    customers = whole["tables"][1]
    assert [row[:4] for row in customers] == [("s", "k1", 0, 12.5)]
    assert [value for value in customers[0][4:] if value is not None] == ["new"]


class Interloper(Steps):
    """Runs a whole push in another process at one of the steps."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        super().__init__()
        self.at, self.act = at, act

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.at:
            self.act()


@pytest.mark.long
def test_push_beside_another_push_of_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever two processes that push one run meet, both succeed with the result of one."""
    ends: dict[int, dict[str, Any]] = {}
    world_before(tmp_path / "before").close()
    for number in range(1000):
        folder = shutil.copytree(tmp_path / "before", tmp_path / str(number)) / "run"
        db = hasten(SqliteDatabase(tmp_path / str(number) / "d1.sqlite"))
        steps = Interloper(number, lambda db=db, folder=folder: push(db, folder))
        with monkeypatch.context() as patch:
            watch_files(patch, steps)
            push(Mortal(db, steps), folder)
        ends[number] = world(db, folder)
        db.close()
        if steps.taken < number:
            break
    assert len(ends) > 60
    assert {number: end for number, end in ends.items() if end != ends[0]} == {}


def test_push_killed_twice_keeps_the_first_image(db: SqliteDatabase, run_dir: Path) -> None:
    """The before-image is that of the first start, wherever each one was killed."""
    for mortal in (
        Mortal(db, die_before="customer_insights"),
        Mortal(db, die_after="customer_insights"),
        Mortal(db, die_after="inventory_impact"),
    ):
        with pytest.raises(Killed):
            push(mortal, run_dir)
    push(db, run_dir)
    image = load_image(run_dir, "customer_insights")
    assert image is not None
    assert image.changes["s", "k1"].before == ("new", None)


def test_push_keeps_the_times_of_its_first_start_and_end(db: SqliteDatabase, run_dir: Path) -> None:
    """The audit has the first start and the first end."""
    with pytest.raises(Killed):
        push(Mortal(db, die_after="customer_insights"), run_dir)
    db.execute("UPDATE d1lab_pushes SET started_at = '2020-01-01'")
    push(db, run_dir)
    db.execute("UPDATE d1lab_pushes SET finished_at = '2020-01-02'")
    for path in (run_dir / "push").glob("*.done.json"):
        path.unlink()  # as if it had died between the audit and the mark
    push(db, run_dir)
    times = "SELECT started_at, finished_at, status FROM d1lab_pushes ORDER BY table_name"
    rows = db.query(times).rows
    assert rows[0] == ("2020-01-01", "2020-01-02", "done")
    assert rows[1][1:] == ("2020-01-02", "done")


def test_push_killed_for_good_is_finished_by_the_next(db: SqliteDatabase, run_dir: Path) -> None:
    """A process is killed by SIGKILL between two batches, and another one completes the push."""
    child = f"""
import os, signal
from pathlib import Path
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.push import push
class Dying(SqliteDatabase):
    def batch(self, *args, **named):
        done = super().batch(*args, **named)
        if named.get("table") == "customer_insights":
            os.kill(os.getpid(), signal.SIGKILL)
        return done
push(Dying({str(db.path)!r}), Path({str(run_dir)!r}))
"""
    ended = subprocess.run([sys.executable, "-c", child], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert db.query("SELECT status FROM d1lab_pushes").rows == [("started",)]
    assert [t.changed for t in push(db, run_dir).tables] == [2, 3]
    assert [row[3] for row in db.query(AUDIT).rows] == ["done", "done"]
    rollback(db, run_dir)
    assert db.query(INSIGHTS).rows == [("k1", "new", None)]


def test_push_on_a_file_system_without_hard_links(
    db: SqliteDatabase, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On such a shared folder, the before-image is moved into place."""

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    push(db, run_dir)
    assert load_image(run_dir, "inventory_impact") is not None
    assert list((run_dir / "push").glob(".*")) == []


def test_push_of_what_stage_wrote(db: SqliteDatabase, tmp_path: Path) -> None:
    """The outbox that notebooks write is the one that push reads."""
    frame = pa.table({"shop": ["s"], "customer_id": ["k1"], "lifetime_value": [12.3456789]})
    results.stage(frame, "customer_insights", tmp_path / "r")
    push(db, tmp_path / "r")
    assert db.query("SELECT lifetime_value FROM customer_insights").rows == [(12.35,)]


# ---- the real engine --------------------------------------------------------------------------


@pytest.fixture(params=["rest", pytest.param("gateway", marks=pytest.mark.long)])
def d1(request: pytest.FixtureRequest, engine: workerd.Engine) -> Iterator[Database]:
    """An empty database of the real engine: over REST, and by the gateway."""
    worker = WorkerDatabase(engine)
    url = worker.gateway if request.param == "gateway" else worker.url
    database = open_database(url, read_token=READER, write_token=WRITER)
    yield database
    database.close()


def test_push_and_rollback_on_the_engine(d1: Database, run_dir: Path) -> None:
    """On workerd, values and counts are the same, and the bill is the planned one."""
    seed(d1)
    before = d1.query("SELECT * FROM inventory_impact ORDER BY sku").rows
    planned = plan(d1, run_dir)
    result = push(d1, run_dir, report="inventory")

    assert d1.query(INVENTORY).rows == [
        ("a", 2, 2),
        ("b", 3.0, 0.5),
        ("c", None, 0.1),
        ("d", 4, 4),
    ]
    assert d1.query(INSIGHTS).rows == [("k1", "regular", 40.1), ("k2", "vip", 1234.57)]
    assert [(t.changed, t.unchanged, t.missing) for t in result.tables] == [(2, 0, 0), (3, 1, 1)]
    # the plan includes that lifetime_value, empty until now, goes on record as d1lab's
    claimed = d1.query("SELECT part FROM d1lab_owned WHERE how = 'empty'").rows
    assert claimed == [("lifetime_value",)]
    assert result.usage.rows_written == planned.usage.rows_written
    for pushed, foretold in zip(result.tables, planned.tables, strict=True):
        assert pushed.usage.rows_written == foretold.usage.rows_written
        assert pushed.usage.rows_read == pytest.approx(foretold.usage.rows_read, abs=3)
    assert rollback(d1, run_dir).restored == 5
    assert d1.query("SELECT * FROM inventory_impact ORDER BY sku").rows == before
    assert d1.query(INSIGHTS).rows == [("k1", "new", None)]


def test_push_on_the_engine_swaps_any_double(d1: Database, tmp_path: Path) -> None:
    """Compare and set relies on doubles that are exact to the last bit after a round trip to D1."""
    migrate(d1)
    awkward = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 2.5e-8, 123456789.12345679, -7.1]
    rows = ", ".join(f"('s', 'x{i}', '{DAY}', {value!r})" for i, value in enumerate(awkward))
    d1.execute(f"INSERT INTO discount_recommendations (shop, sku, made_on, slope) VALUES {rows}")
    look = "SELECT sku, slope, chance FROM discount_recommendations ORDER BY sku"
    before = d1.query(look).rows
    stage(
        tmp_path / "r", "discount_recommendations", shop=["s"] * len(awkward),
        sku=[f"x{i}" for i in range(len(awkward))], made_on=[DAY] * len(awkward),
        slope=[1 / (i + 3) for i in range(len(awkward))], chance=awkward,
    )  # fmt: skip
    assert push(d1, tmp_path / "r").changed == len(awkward)
    assert rollback(d1, tmp_path / "r").restored == len(awkward)
    assert d1.query(look).rows == before


@pytest.mark.long
def test_push_killed_on_the_engine(
    engine: workerd.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the engine, pushes are killed before and after the response to each write."""
    ends: dict[int, dict[str, Any]] = {}
    for number in (14, 24, 33, 42, 0):
        folder = tmp_path / str(number) / "run"
        db = open_database(engine.fresh())
        seed(db)
        stage_inventory(folder, a=(2.0, 2.0), b=(3.0, 0.5))
        stage_customers(folder, k1=("regular", "40.10"), k2=("vip", "7"))
        steps = Steps(number)
        with monkeypatch.context() as patch:
            watch_files(patch, steps)
            if number:
                with pytest.raises(Killed):
                    push(Mortal(db, steps), folder)
        push(db, folder)
        ends[number] = world(db, folder)
        db.close()
    assert {number: end for number, end in ends.items() if end != ends[0]} == {}


def test_push_on_the_engine_resumes_after_a_temporary_error(d1: Database, run_dir: Path) -> None:
    """A call whose response is lost ends the push, and the next one completes it."""

    class Losing(Mortal):
        def _call(self, name: str, *args: Any, **named: Any) -> Any:
            answer = super()._call(name, *args, **named)
            if name == "batch" and named.get("table") == "inventory_impact":
                raise D1UnavailableError("Network connection lost")
            return answer

    seed(d1)
    with pytest.raises(D1UnavailableError):
        push(Losing(d1), run_dir)
    assert [t.status for t in push(d1, run_dir).tables] == ["already pushed", "pushed"]
    assert d1.query(INVENTORY).rows[0] == ("a", 2, 2)
