"""The doctor: what is missing, what to do about it, and what the check itself costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ops.doctor import Check, doctor
from d1lab.ops.worker_files import worker_version
from d1lab.warehouse import next_warehouse
from tests.support import workerd
from tests.support.worker_database import READER, WRITER, WorkerDatabase


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    yield database
    database.close()


@pytest.fixture
def whole(db: SqliteDatabase) -> SqliteDatabase:
    """A database with every migration."""
    migrate(db)
    return db


def about(findings: list[Check], subject: str) -> list[Check]:
    """Return the findings on one subject that are not 'ok'."""
    return [f for f in findings if subject in f.subject and f.level != "ok"]


def bad(findings: list[Check]) -> list[Check]:
    return [finding for finding in findings if finding.level != "ok"]


def test_doctor_finds_no_problem_after_the_migrations(whole: SqliteDatabase) -> None:
    """Every table is listed as ok, and nothing is written."""
    before = whole.meter.total.rows_written
    findings = doctor(whole)
    assert bad(findings) == []
    assert {f.subject for f in findings} >= {"table order_events", "migrations", "database size"}
    assert whole.meter.total.rows_written == before


def test_doctor_of_an_empty_database_names_each_migration(db: SqliteDatabase) -> None:
    """Every table is missing, and each finding names the migration that creates it."""
    findings = doctor(db)
    assert about(findings, "migrations")[0].todo == "d1lab migrate"
    todo = {f.subject: f.todo for f in bad(findings)}
    assert "0002_order_events.sql" in todo["table order_events"]
    assert "0008_bookkeeping.sql" in todo["table d1lab_pushes"]


def test_a_read_only_setup_has_no_problem(db: SqliteDatabase) -> None:
    """A database that d1lab never wrote to can be read; writing is not set up."""
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
    findings = {f.subject: f for f in doctor(db)}
    assert {f.level for f in findings.values()} == {"note", "ok"}
    assert (findings["reading"].level, findings["reading"].found) == ("ok", "possible: 1 table")
    assert findings["writing"].found.startswith("not set up: ")
    assert findings["writing"].todo == "d1lab migrate, to write results"
    assert not [subject for subject in findings if subject.startswith("table ")]


def test_without_a_write_token_gaps_in_writing_are_notes(whole: SqliteDatabase) -> None:
    """The same gap is a problem with a write token; a gap in reading is always a problem."""
    whole.execute("DROP TABLE product_costs")
    assert [f.level for f in about(doctor(whole), "product_costs")] == ["problem"]
    assert [f.level for f in about(doctor(whole, writes=False), "product_costs")] == ["note"]
    assert "D1LAB_WRITE_TOKEN" in about(doctor(whole, writes=False), "writing")[0].todo
    whole.execute("DROP TRIGGER order_events_updated")
    stopped = [f for f in doctor(whole, writes=False) if f.level == "problem"]
    assert [f.needed_for for f in stopped] == ["reading"]


def test_doctor_accepts_an_app_with_fewer_columns(db: SqliteDatabase) -> None:
    """It is a problem only if the rows cannot be identified."""
    db.execute(
        "CREATE TABLE inventory_impact"
        " (shop, sku, date, turnover_rate, PRIMARY KEY (shop, sku, date))"
    )
    db.execute("CREATE TABLE product_performance (shop TEXT, title TEXT)")
    migrate(db)
    stock = about(doctor(db), "table inventory_impact")
    assert [f.level for f in stock] == ["note"]
    assert "starting_inventory" in stock[0].found
    assert "turnover_rate" not in stock[0].found
    products = about(doctor(db), "table product_performance")
    assert {f.level for f in products if "cannot be identified" in f.found} == {"problem"}


def test_doctor_leaves_a_table_of_another_shape_to_the_app(db: SqliteDatabase) -> None:
    """The app's own order_events gives a note that d1lab does not use it."""
    db.execute("CREATE TABLE order_events (id INTEGER PRIMARY KEY, shop TEXT, event_id TEXT)")
    migrate(db)
    (finding,) = about(doctor(db), "order_events")
    assert finding.level == "note"
    assert "sku" in finding.found
    assert "pulls it as app_order_events and does not write it" in finding.found


def test_doctor_ignores_the_case_of_names(db: SqliteDatabase) -> None:
    """SQLite ignores case, so Order_Events with a column SKU is d1lab's table."""
    db.execute("CREATE TABLE theirs (a)")
    migrate(db)
    db.execute("ALTER TABLE product_costs RENAME TO aside")
    db.execute("ALTER TABLE aside RENAME TO Product_COSTS")
    db.execute("ALTER TABLE Product_COSTS RENAME COLUMN sku TO SKU")
    (extra,) = bad(doctor(db))
    assert (extra.subject, extra.found) == ("app tables", "pulled unchanged: theirs")


def test_doctor_sees_what_was_dropped_after_its_migration(whole: SqliteDatabase) -> None:
    """`d1lab migrate` would not restore it, so the advice is different."""
    whole.execute("DROP TABLE product_costs")
    (costs,) = about(doctor(whole), "table product_costs")
    assert costs.level == "problem"
    assert "0005_product_costs.sql is recorded as applied" in costs.todo


def without_key(db: SqliteDatabase, table: str) -> None:
    """A table of the same columns without a key or an index."""
    names = ", ".join(column.name for column in db.tables()[table].columns)
    db.execute(f"DROP TABLE {table}")
    db.execute(f"CREATE TABLE {table} ({names})")


@pytest.mark.parametrize("table", ["customer_insights", "inventory_impact", "order_events"])
def test_doctor_reports_a_missing_index_for_writing(whole: SqliteDatabase, table: str) -> None:
    """Without the UNIQUE index, rows cannot be identified for writing."""
    without_key(whole, table)
    finding = about(doctor(whole), f"table {table}")[0]
    assert finding.level == "problem"
    assert "no UNIQUE index" in finding.found


def test_doctor_accepts_a_primary_key_instead_of_the_index(whole: SqliteDatabase) -> None:
    """The order of its columns does not matter."""
    whole.execute("DROP TABLE customer_insights")
    whole.execute(
        "CREATE TABLE customer_insights (Shop TEXT, customer_id TEXT,"
        " PRIMARY KEY (customer_id, Shop))"
    )
    assert not any("UNIQUE" in f.found for f in about(doctor(whole), "table customer_insights"))


def test_doctor_does_not_accept_a_partial_index(whole: SqliteDatabase) -> None:
    """UNIQUE ... WHERE applies only to some rows."""
    without_key(whole, "customer_insights")
    whole.execute(
        "CREATE UNIQUE INDEX some ON customer_insights (shop, customer_id) WHERE shop = 'x'"
    )
    assert "no UNIQUE index" in about(doctor(whole), "table customer_insights")[0].found


def test_doctor_reports_a_missing_change_log(whole: SqliteDatabase) -> None:
    """Without the trigger, pulls miss corrections; the finding says what to do until it exists."""
    whole.execute("DROP TRIGGER order_events_deleted")
    (finding,) = about(doctor(whole), "trigger")
    assert finding.subject == "trigger order_events_deleted"
    assert "do not detect corrected" in finding.found
    assert "pull --full" in finding.found
    assert "0002_order_events.sql" in finding.todo


def test_doctor_notes_the_apps_own_tables_and_columns(whole: SqliteDatabase) -> None:
    """Additional tables and columns of the app give a note, not a problem."""
    whole.execute("CREATE TABLE sessions (id TEXT)")
    whole.execute("ALTER TABLE customer_insights ADD COLUMN email_hash TEXT")
    findings = bad(doctor(whole))
    assert {f.level for f in findings} == {"note"}
    assert "sessions" in findings[0].found
    assert "email_hash" in about(findings, "table customer_insights")[0].found


def test_doctor_warns_before_the_hundredth_column(whole: SqliteDatabase) -> None:
    """D1 allows 100 columns per table, and the check warns at 91."""
    for number in range(78):
        whole.execute(f"ALTER TABLE ab_test_results ADD COLUMN own_{number} TEXT")
    found = [f.found for f in about(doctor(whole), "table ab_test_results")]
    assert any("91 columns; D1 allows 100" in text for text in found)


def test_doctor_warns_of_a_database_that_is_nearly_full(
    whole: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """460 MB are close to the limit of the free plan and far below that of the paid one."""
    monkeypatch.setattr(whole, "size_bytes", lambda: 460_000_000)
    assert about(doctor(whole), "database size") == []
    (finding,) = about(doctor(whole, plan="free"), "database size")
    assert (finding.level, "460.0 MB of the 500 MB" in finding.found) == ("problem", True)


def audit(db: Database, run: str, status: str, action: str = "push") -> None:
    db.execute(
        "INSERT INTO d1lab_pushes (run_id, table_name, action, status, rows_staged, rows_changed,"
        " columns_written, d1lab_version, started_at)"
        " VALUES (?1, 'customer_insights', ?2, ?3, 1, 1, 'r_score', '0', '2026-05-01 06:00:00')",
        (run, action, status),
    )


def test_doctor_finds_pushes_that_never_ended(whole: SqliteDatabase) -> None:
    """The finding gives the command that completes them; a push rolled back is not listed."""
    audit(whole, "run-1", "done")
    audit(whole, "run-2", "started")
    audit(whole, "run-3", "started")
    audit(whole, "run-3", "done", "rollback")
    audit(whole, "run-4", "done")
    audit(whole, "run-4", "started", "rollback")
    audit(whole, "run-5-take-over-customer_insights", "started")
    assert sorted((f.level, f.todo) for f in bad(doctor(whole))) == [
        ("problem", "d1lab push run-2"),
        ("problem", "d1lab rollback run-4"),
        ("problem", "d1lab rollback run-5-take-over-customer_insights"),
    ]


def test_doctor_notes_values_that_d1lab_did_not_push(whole: SqliteDatabase) -> None:
    """The note says that pushes skip the app's column until it is handed over."""
    whole.execute(
        "INSERT INTO customer_insights (shop, customer_id, customer_segment) VALUES ('s','k','vip')"
    )
    (finding,) = about(doctor(whole), "table customer_insights")
    assert finding.level == "note"
    assert finding.found.startswith("customer_segment contain")
    assert "--take-over customer_insights" in finding.todo
    whole.execute(
        "INSERT INTO d1lab_owned (table_name, part, how, run_id, since) VALUES"
        " ('customer_insights', 'customer_segment', 'take-over', 'run-1', '2026-05-01')"
    )
    assert bad(doctor(whole)) == []


def test_doctor_scans_no_large_table(whole: SqliteDatabase) -> None:
    """With 50,000 customers and 5,000 audit rows, it reads a few thousand rows and reports how
    many.
    """
    whole.execute(
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
        " INSERT INTO customer_insights (shop, customer_id) SELECT 's', i FROM n"
    )
    before = whole.meter.total
    findings = doctor(whole)
    read = (whole.meter.total - before).rows_read
    assert read <= 5_000
    assert f"{read:,} billed rows read" in findings[-1].found


def warehouse(folder: Path, bookmark: str | None, age: timedelta, quarantined: int = 0) -> None:
    """A warehouse with the parts that the doctor reads."""
    folder.mkdir(mode=0o700)
    with next_warehouse(folder, fresh=True) as con:
        at = datetime.now(UTC).replace(tzinfo=None) - age
        con.execute(
            "INSERT INTO d1lab.pull (database, bookmark, finished_at) VALUES ('x', ?, ?)",
            [bookmark, at],
        )
        for _ in range(quarantined):
            con.execute(
                "INSERT INTO d1lab.quarantine (table_name, column_name, reason)"
                " VALUES ('order_events', 'revenue', 'not a number')"
            )


def test_doctor_says_how_old_the_warehouse_is(whole: SqliteDatabase, tmp_path: Path) -> None:
    """It advises a pull after two days if D1 has changed, and none if D1 has not."""
    (none,) = about(doctor(whole, tmp_path / "none"), "warehouse")
    assert none.todo == "d1lab pull"
    warehouse(tmp_path / "old", "another mark", timedelta(days=2))
    (old,) = about(doctor(whole, tmp_path / "old"), "warehouse")
    assert (old.level, old.todo) == ("note", "d1lab pull")
    assert "48.0 hours ago; D1 has changed since then" in old.found
    warehouse(tmp_path / "same", whole.bookmark(), timedelta(days=2))
    assert about(doctor(whole, tmp_path / "same"), "warehouse") == []


def test_doctor_counts_the_quarantine(whole: SqliteDatabase, tmp_path: Path) -> None:
    """The finding says how many values are in quarantine, in which columns, and why."""
    warehouse(tmp_path / "w", whole.bookmark(), timedelta(0), quarantined=3)
    (finding,) = bad(doctor(whole, tmp_path / "w"))
    assert finding.subject == "quarantine order_events.revenue"
    assert finding.found == "3 values: not a number"


def test_doctor_findings_are_plain_text(db: SqliteDatabase) -> None:
    """Each finding has four texts, which can be printed as a table or as JSON."""
    for finding in doctor(db):
        assert all(isinstance(text, str) for text in finding)
        assert json.loads(json.dumps(finding._asdict()))["level"] == finding.level


def test_doctor_on_the_engine(engine: workerd.Engine) -> None:
    """The findings on workerd are the same, before and after the migrations."""
    db = open_database(engine.fresh())
    assert any(f.subject == "table order_events" for f in bad(doctor(db)))
    migrate(db)
    assert bad(doctor(db)) == []
    db.execute("DROP INDEX order_events_key")
    db.execute("DROP TRIGGER order_events_updated")
    assert {f.subject for f in bad(doctor(db))} == {
        "table order_events",
        "trigger order_events_updated",
    }
    db.close()


def test_doctor_knows_the_events_worker(whole: SqliteDatabase) -> None:
    """Counters without a Worker, an old version, a silent cron, a stopped fold, rejections."""
    fold = "INSERT INTO d1lab_folds VALUES ('discount_analytics', 1, 0, 'on', '2026-01-01')"
    whole.execute(fold)
    assert about(doctor(whole), "events Worker")[0].level == "problem"
    seen = "INSERT INTO d1lab_workers VALUES ('events', ?1, datetime('now'))"
    whole.execute(seen, (worker_version("events"),))
    assert bad(doctor(whole)) == []
    whole.execute("UPDATE d1lab_workers SET version = 'old', seen_at = '2026-01-01 00:00:00'")
    whole.execute("UPDATE d1lab_folds SET state = 'stopped'")
    whole.execute("INSERT INTO d1lab_rejected_events VALUES (1, 'why', '{}', '2026-01-01')")
    found = {f.subject: f.todo for f in bad(doctor(whole)) if f.level == "note"}
    assert found["counters of discount_analytics"] == "d1lab aggregate"
    assert "cron" in found["events Worker"]
    assert "rejected events" in found
    [old] = [f for f in doctor(whole) if f.level == "problem"]
    assert "worker init events" in old.todo


@pytest.mark.engine
def test_doctor_knows_the_gateway(engine: workerd.Engine) -> None:
    """Its version, and whether the secrets are those of the Worker."""
    worker = WorkerDatabase(engine)
    with closing(open_database(worker.url)) as db:
        migrate(db)
    with closing(open_database(worker.gateway, read_token=READER, write_token=WRITER)) as db:
        assert about(doctor(db), "gateway") == []
    with closing(open_database(worker.gateway, read_token=WRITER, write_token=READER)) as db:
        levels = [(f.level, f.found) for f in about(doctor(db), "gateway secrets")]
        assert levels == [
            ("problem", "the writer's only reads"),
            ("note", "pulls use the writer's secret"),
        ]
