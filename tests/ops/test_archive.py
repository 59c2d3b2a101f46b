"""Closed months go to Parquet files and out of D1, and no report notices."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1 import Database, Statement, open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import (
    D1labError,
    D1UnavailableError,
    InputError,
    LockedError,
    StaleDataError,
    UnknownName,
)
from d1lab.ops import archive as ops
from d1lab.ops import archive_delete
from d1lab.ops.archive import ArchiveResult, archive, locked
from d1lab.ops.archive_months import days_of
from d1lab.ops.archive_restore import restore
from d1lab.pull import PullResult, pull
from d1lab.warehouse import archive_folder, open_warehouse, read_manifest
from tests.support.kills import Killed, kill_before

pytestmark = pytest.mark.usefixtures("few_views")

HOURS = 1_200
"""Hours of events from 2026-01-01 on, one in each 4: the newest is of July 19."""

TOTALS = (
    "SELECT count(*), sum(revenue), sum(units), count(DISTINCT day), min(day), max(day), "
    "(SELECT digest FROM d1lab.tables WHERE table_name = 'order_events') FROM order_lines"
)
EVENTS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) "
    "INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, "
    "list_price, discount_amount, revenue, occurred_at) SELECT 'shop-' || (i % 3), 'e' || i, "
    "iif(i % 10, 'order', 'refund'), 'o' || (i / 3), 'c' || (i % 7), 'sku-' || (i % 11), i % 5, "
    "i % 9 + 0.5, 0.25, i % 13 * 1.25, datetime('2026-01-01', '+' || (4 * i) || ' hours') FROM n"
)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 1,200 events in seven months, and its warehouse, to copy."""
    home = tmp_path_factory.mktemp("years")
    db = SqliteDatabase.create(home / "d1.sqlite")
    migrate(db)
    db.execute(EVENTS, (HOURS,))
    pull(db, home / "shop", database="shop")
    db.close()
    return home


@pytest.fixture
def home(pulled: Path, tmp_path: Path) -> Path:
    """The same, to write to."""
    return Path(shutil.copytree(pulled, tmp_path / "home"))


@pytest.fixture
def db(home: Path) -> Iterator[SqliteDatabase]:
    """The database."""
    opened = SqliteDatabase(home / "d1.sqlite")
    yield opened
    opened.close()


def run(db: Database, home: Path, **given: Any) -> ArchiveResult:
    """An archive of everything but the newest 90 days: January to March."""
    return archive(db, home / "shop", database="shop", **given)


def bring(db: Database, home: Path, **given: Any) -> PullResult:
    """A pull."""
    return pull(db, home / "shop", database="shop", **given)


def totals(home: Path) -> tuple[Any, ...]:
    """What reports see, and the digest by which they are due."""
    with open_warehouse(home / "shop") as con:
        return con.sql(TOTALS).fetchall()[0]


def live(db: Database) -> int:
    """The events that D1 has."""
    return int(str(db.query("SELECT count(*) FROM order_events").rows[0][0]))


def in_warehouse(home: Path) -> int:
    """The events in the warehouse's own file."""
    with open_warehouse(home / "shop") as con:
        return con.sql("SELECT count(*) FROM raw.order_events").fetchall()[0][0]


def test_closed_months_leave_d1_and_nothing_else_changes(db: SqliteDatabase, home: Path):
    """Counts, sums, days, and digest are those of before; D1 and the warehouse keep the rest."""
    before = totals(home)
    planned = run(db, home, delete=True, dry_run=True)
    assert sum(month.deleted for month in planned.months) == 539
    assert (live(db), archive_folder(home / "shop").exists()) == (HOURS, False)
    done = run(db, home, delete=True)
    assert [(m.month, m.rows, m.deleted) for m in done.months] == [
        ("2026-01", 185, 185), ("2026-02", 168, 168), ("2026-03", 186, 186),
    ]  # fmt: skip
    assert (live(db), in_warehouse(home), totals(home)) == (661, 661, before)
    assert db.query("SELECT count(*) FROM d1lab_changes").rows == [(0,)]
    assert bring(db, home).notes == ()
    assert run(db, home, delete=True).months == ()


def test_an_archive_without_delete_is_a_copy(db: SqliteDatabase, home: Path):
    """D1 keeps the rows, which count once; a later --delete takes those of the same files."""
    before = totals(home)
    run(db, home)
    bring(db, home)
    assert (live(db), totals(home)) == (HOURS, before)
    files = read_manifest(home / "shop").files
    assert sum(m.deleted for m in run(db, home, delete=True).months) == 539
    assert [f.path for f in read_manifest(home / "shop").files] == [f.path for f in files]
    assert totals(home) == before


def _after_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Die after D1 has deleted, and before anybody knows."""
    real = SqliteDatabase.batch

    def dying(self: SqliteDatabase, statements: list[Statement], **given: Any) -> Any:
        results = real(self, statements, **given)
        if any("DELETE FROM" in each.sql for each in statements):
            raise Killed
        return results

    monkeypatch.setattr(SqliteDatabase, "batch", dying)


@pytest.mark.parametrize(
    "kill",
    [
        kill_before(ops, "write_manifest", 2, long=True),  # a file has no entry
        kill_before(SqliteDatabase, "batch", 1),  # the range is noted, and D1 has not deleted it
        pytest.param(_after_batch, id="D1 has deleted and nobody knows"),
        kill_before(ops, "pull", 2, long=True),  # the warehouse has not followed
        kill_before(ops, "utc_now", 4, long=True),  # the end is not noted
    ],
)
def test_a_kill_at_any_arrow_loses_and_doubles_nothing(
    db: SqliteDatabase, home: Path, kill: Callable[[pytest.MonkeyPatch], None]
):
    """After the kill, reports see all rows; the same command ends the work."""
    before = totals(home)
    with pytest.MonkeyPatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            run(db, home, delete=True)
    assert totals(home) == before
    run(db, home, delete=True)
    assert (live(db), in_warehouse(home), totals(home)) == (661, 661, before)
    listed = {file.path for file in read_manifest(home / "shop").files}
    there = {
        path.relative_to(archive_folder(home / "shop")).as_posix()
        for path in archive_folder(home / "shop").glob("*/*/*")
    }
    assert there == listed


def test_a_correction_of_an_archived_event_wins(db: SqliteDatabase, home: Path):
    """Live wins by key; archived again, the later file wins; the seven months stay complete."""
    run(db, home, delete=True)
    before = totals(home)
    db.execute(
        "INSERT INTO order_events (shop, event_id, type, order_id, sku, quantity, discount_amount, "
        "revenue, occurred_at) VALUES ('shop-1', 'e1', 'order', 'o0', 'sku-1', 1, 0, 1001.25, "
        "'2026-01-01 04:00:00')"
    )
    bring(db, home)
    corrected = totals(home)
    assert (corrected[0], corrected[1]) == (before[0], before[1] + 1000)
    run(db, home, delete=True)
    assert (live(db), totals(home)) == (661, corrected)
    assert len(read_manifest(home / "shop").of("order_events")) == 4


def test_a_row_that_changes_during_the_archive_stays(
    db: SqliteDatabase, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """The statement that deletes looks into the change log itself."""
    real = archive_delete.Deletion.delete

    def late(self: Any, manifest: Any, chunk: Any) -> Any:
        db.execute("UPDATE order_events SET revenue = 500 WHERE event_id = 'e13'")
        return real(self, manifest, chunk)

    monkeypatch.setattr(archive_delete.Deletion, "delete", late)
    run(db, home, delete=True)
    assert db.query("SELECT revenue FROM order_events WHERE event_id = 'e13'").rows == [(500,)]
    with open_warehouse(home / "shop") as con:
        sql = "SELECT count(*), max(revenue) FROM order_lines WHERE event_id = 'e13'"
        assert con.sql(sql).fetchall() == [(1, 500)]


def test_a_change_between_pull_and_comparison_is_noticed(
    db: SqliteDatabase, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file is compared with D1, not with the warehouse that it comes from."""
    real = ops.pull

    def early(*args: Any, **given: Any) -> Any:
        result = real(*args, **given)
        db.execute("UPDATE order_events SET quantity = 4 WHERE event_id = 'e1'")
        return result

    monkeypatch.setattr(ops, "pull", early)
    with pytest.raises(D1labError, match="content of 2026-01 differ"):
        run(db, home)
    assert read_manifest(home / "shop").files == ()


def test_a_lost_manifest_is_rebuilt_from_the_files(db: SqliteDatabase, home: Path):
    """Each file has its entry in itself."""
    before = totals(home)
    run(db, home, delete=True)
    files = read_manifest(home / "shop").files
    (archive_folder(home / "shop") / "manifest.json").unlink()
    bring(db, home)
    assert totals(home) == before
    run(db, home, delete=True)
    rebuilt = read_manifest(home / "shop").files
    assert [f._replace(deleted_at=None) for f in rebuilt] == [
        f._replace(deleted_at=None) for f in files
    ]
    assert (live(db), totals(home)) == (661, before)


def test_a_truncated_file_is_noticed_and_restored(db: SqliteDatabase, home: Path, tmp_path: Path):
    """From a copy; before a deletion, from D1; otherwise nothing goes on, and nothing is lost."""
    run(db, home)
    path = archive_folder(home / "shop") / read_manifest(home / "shop").files[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    assert run(db, home).repaired == ("order_events/2026-01/1-185.parquet",)
    assert len(read_manifest(home / "shop").files) == 3
    run(db, home, delete=True, to=str(tmp_path / "copies"))
    before = totals(home)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StaleDataError, match="is truncated or changed"):
        open_warehouse(home / "shop")
    assert run(db, home).repaired == ("order_events/2026-01/1-185.parquet",)
    assert totals(home) == before
    shutil.rmtree(tmp_path / "copies")
    path.unlink()
    with pytest.raises(StaleDataError, match="no copy has it, and its 185 rows were deleted in D1"):
        run(db, home)


def test_two_archives_do_not_meet(db: SqliteDatabase, home: Path):
    """The second is told to wait."""
    with locked(home / "shop"), pytest.raises(LockedError, match="another archive of 'shop'"):
        run(db, home, delete=True)


def test_d1_restored_to_before_the_deletion_counts_once(db: SqliteDatabase, home: Path):
    """Its rows are live again and win; the next deletion takes them out again."""
    saved = shutil.copy(home / "d1.sqlite", home / "saved.sqlite")
    before = totals(home)
    run(db, home, delete=True)
    db.close()
    shutil.copy(saved, home / "d1.sqlite")
    restored = SqliteDatabase(home / "d1.sqlite")
    bring(restored, home, full=True)
    assert (live(restored), totals(home)) == (HOURS, before)
    run(restored, home, delete=True)
    assert (live(restored), in_warehouse(home), totals(home)) == (661, 661, before)
    restored.close()


def test_the_days_limit_stops_half_way_and_the_next_day_goes_on(
    db: SqliteDatabase, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """No part begins that does not fit; what is deleted stays deleted, and counted."""
    monkeypatch.setattr(archive_delete, "CHUNK_ROWS", 200)
    before = totals(home)
    first = run(db, home, delete=True, rows_left=450)
    assert "written rows left today" in first.stopped
    assert (live(db), in_warehouse(home), totals(home)) == (800, 800, before)
    second = run(db, home, delete=True)
    assert (second.stopped, sum(m.deleted for m in second.months)) == ("", 139)
    assert (live(db), totals(home)) == (661, before)


def test_d1s_own_refusal_half_way_loses_nothing(
    db: SqliteDatabase, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """D1 says no in the middle: the next call ends the work."""
    monkeypatch.setattr(archive_delete, "CHUNK_ROWS", 200)
    before = totals(home)
    with pytest.MonkeyPatch.context() as patch:
        batches, real = iter(range(100)), SqliteDatabase.batch

        def refusing(self: SqliteDatabase, statements: list[Statement], **given: Any) -> Any:
            if any("DELETE FROM" in s.sql for s in statements) and next(batches) == 1:
                raise D1UnavailableError("Network connection lost")
            return real(self, statements, **given)

        patch.setattr(SqliteDatabase, "batch", refusing)
        with pytest.raises(D1UnavailableError):
            run(db, home, delete=True)
    assert (live(db), totals(home)) == (HOURS - 200, before)
    run(db, home, delete=True)
    assert (live(db), in_warehouse(home), totals(home)) == (661, 661, before)


def test_interleaved_months_are_deleted_by_rowid(db: SqliteDatabase, home: Path):
    """Rows that came late lie between those that stay: no range holds them alone."""
    db.execute(
        "UPDATE order_events SET occurred_at = datetime(occurred_at, '+120 days') "
        "WHERE seq % 2 = 0 AND seq < 400"
    )
    bring(db, home)
    before = totals(home)
    gone = sum(month.deleted for month in run(db, home, delete=True).months)
    assert (live(db), in_warehouse(home), totals(home)) == (HOURS - gone, HOURS - gone, before)


def test_a_month_comes_back(db: SqliteDatabase, home: Path):
    """With its own rowids and values; what D1 has stays as it is."""
    rows = "SELECT * FROM order_events WHERE occurred_at LIKE '2026-02%' ORDER BY seq"
    february, before = db.query(rows).rows, totals(home)
    run(db, home, delete=True)
    dry = restore(
        db, home / "shop", "2026-02", database="shop", tables=["order_events"], dry_run=True
    )
    assert (dry.rows, dry.restored, live(db)) == (168, 0, 661)
    done = restore(db, home / "shop", "2026-02", database="shop", tables=["order_events"])
    assert (done.restored, db.query(rows).rows, totals(home)) == (168, february, before)
    with pytest.raises(InputError, match="Months: 2026-01, 2026-02, 2026-03"):
        restore(db, home / "shop", "2025-12", database="shop", tables=["order_events"])
    run(db, home, delete=True)
    assert (live(db), totals(home)) == (661, before)


def test_rows_that_somebody_deleted_are_told_and_not_forgotten(db: SqliteDatabase, home: Path):
    """Archived or not: whole old days still count; a single row is a correction."""
    run(db, home)
    before = totals(home)
    db.execute("DELETE FROM order_events WHERE occurred_at < '2026-04-10'")
    told = bring(db, home).notes
    assert totals(home)[:-1] == before[:-1]
    assert any("185 rows of order_events in the archived month 2026-01" in note for note in told)
    assert any("54 rows of order_events, 2026-04-01 to 2026-04-09" in note for note in told)
    assert bring(db, home).notes == ()
    db.execute("DELETE FROM order_events WHERE event_id = 'e900'")
    (note,) = bring(db, home).notes
    assert note == "1 row of order_events that somebody deleted in D1 no longer counts"
    assert totals(home)[0] == before[0] - 1


def test_values_of_the_wrong_type_stay_in_d1(db: SqliteDatabase, home: Path):
    """A file would lose them; and a row of the future closes no month."""
    db.execute("UPDATE order_events SET revenue = 'ten' WHERE event_id = 'e7'")
    db.execute("UPDATE order_events SET occurred_at = '2099-01-01' WHERE event_id = 'e1200'")
    done = run(db, home, delete=True)
    assert (done.set_aside, live(db)) == (1, 662)
    assert db.query("SELECT revenue FROM order_events WHERE event_id = 'e7'").rows == [("ten",)]


def test_what_cannot_be_archived_is_refused_before_anything(db: SqliteDatabase, home: Path):
    """Counters, misspelled tables, and lengths that are none."""
    with pytest.raises(UnknownName, match="There is no table 'daily_discount_stats' for archive"):
        run(db, home, tables=["daily_discount_stats"])
    with pytest.raises(InputError, match="--keep 'three months' is not a number of days"):
        days_of("three months")


@pytest.mark.engine
def test_a_deletion_costs_one_written_row_a_row(engine: Any, tmp_path: Path):
    """As the real engine bills it: one more for each 5,000. --restore writes two a row."""
    db = open_database(engine.fresh())
    migrate(db)
    db.execute(EVENTS, (HOURS,))
    pull(db, tmp_path / "shop", database="shop")
    copied = archive(db, tmp_path / "shop", database="shop")
    pulled = 25  # bounds and catalogs, at most
    assert (copied.rows_written, copied.rows_read <= 539 + pulled) == (0, True)
    done = archive(db, tmp_path / "shop", database="shop", delete=True)
    assert done.rows_written == 539 + archive_delete.GUARD_ROWS
    assert done.rows_read <= 3 * 539 + 150
    assert totals(tmp_path)[0] == HOURS
    back = restore(db, tmp_path / "shop", "2026-01", database="shop", tables=["order_events"])
    assert (back.restored, back.rows_written) == (185, 2 * 185)  # a row, and its key
    assert back.rows_read <= HOURS + 50  # the pull reads all that is live again
    db.close()
