"""The warehouse file: built in a new file, swapped in, and readable in the meantime."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Timer

import duckdb
import pytest

from d1lab import catalog, warehouse
from d1lab.errors import InputError, StaleDataError
from d1lab.types import TYPES
from d1lab.warehouse import (
    PullRecord,
    attach,
    create_views,
    digest,
    next_warehouse,
    open_warehouse,
    record_pull,
    records,
    scratch,
    shape,
)


def put(folder: Path, value: int) -> None:
    """Swap in a warehouse with a table of one value and a view on it."""
    with next_warehouse(folder) as con:
        con.execute("CREATE OR REPLACE TABLE raw.t AS SELECT ? AS x", [value])
        con.execute("CREATE OR REPLACE VIEW v AS SELECT x * 10 AS y FROM raw.t")


def test_opening_no_warehouse_says_how_to_make_one(tmp_path):
    """The message names the command."""
    with pytest.raises(StaleDataError, match="d1lab pull"):
        open_warehouse(tmp_path)


def test_readers_keep_the_old_file_and_new_ones_get_the_new(tmp_path):
    """This also holds in one process, where DuckDB would otherwise return the open file."""
    put(tmp_path, 1)
    with open_warehouse(tmp_path) as old:
        put(tmp_path, 2)
        with open_warehouse(tmp_path) as new:
            assert new.sql("FROM v").fetchall() == [(20,)]
            assert old.sql("FROM v").fetchall() == [(10,)]
            assert old.sql("SELECT x FROM raw.t").fetchall() == [(1,)]


def test_readers_cannot_write_and_see_utc(tmp_path):
    """The file is attached read-only."""
    put(tmp_path, 1)
    with open_warehouse(tmp_path) as con:
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("DELETE FROM raw.t")
        assert con.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_failed_block_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    """Everything that was written is deleted."""
    put(tmp_path, 1)
    before = (tmp_path / warehouse.FILE_NAME).read_bytes()

    def fail():
        with next_warehouse(tmp_path) as con:
            con.execute("UPDATE raw.t SET x = 2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / warehouse.FILE_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [warehouse.FILE_NAME]


def test_files_of_a_killed_pull_are_removed(tmp_path):
    """A partial file and its log do not block the next pull."""
    put(tmp_path, 1)
    for name in ("warehouse.duckdb.next", "warehouse.duckdb.next.wal"):
        (tmp_path / name).write_bytes(b"half")
    put(tmp_path, 3)
    with open_warehouse(tmp_path) as con:
        assert con.sql("FROM v").fetchall() == [(30,)]
    assert [path.name for path in tmp_path.iterdir()] == [warehouse.FILE_NAME]


def test_a_folder_with_a_quote_in_its_name(tmp_path):
    """The path is escaped as a literal in the SQL."""
    folder = tmp_path / "it's"
    folder.mkdir()
    put(folder, 4)
    with open_warehouse(folder) as con:
        assert con.sql("FROM v").fetchall() == [(40,)]


def test_another_format_is_rejected(tmp_path):
    """A file of another version is not read."""
    put(tmp_path, 1)
    with next_warehouse(tmp_path) as con:
        con.execute("UPDATE d1lab.format SET version = version + 1")
    with pytest.raises(StaleDataError, match="another version"):
        open_warehouse(tmp_path)


def test_views_may_read_views_of_later_files(tmp_path):
    """The order of the file names does not matter."""
    (tmp_path / "a.sql").write_text("-- doubles b\nSELECT x * 2 AS x FROM b;\n")
    (tmp_path / "b.sql").write_text("SELECT 21 AS x -- a comment at the end")
    with next_warehouse(tmp_path) as con:
        create_views(con, tmp_path)
        assert con.sql("FROM a").fetchall() == [(42,)]


def test_views_that_are_gone_are_dropped(tmp_path):
    """A view whose file was deleted is dropped."""
    (tmp_path / "a.sql").write_text("SELECT 1 AS x")
    with next_warehouse(tmp_path) as con:
        create_views(con, tmp_path)
        (tmp_path / "a.sql").rename(tmp_path / "b.sql")
        create_views(con, tmp_path)
        names = con.sql(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        assert names == [("d1lab", "b"), ("main", "b")]


@pytest.mark.parametrize("text", ["SELECT FROM", "SELECT nowhere FROM raw.nothing", "DROP TABLE x"])
def test_a_broken_view_is_named(tmp_path, text):
    """The message names the file of the broken view, and no other file."""
    (tmp_path / "broken.sql").write_text(text)
    (tmp_path / "good.sql").write_text("SELECT 1 AS x")
    with next_warehouse(tmp_path) as con, pytest.raises(InputError, match=r"broken\.sql"):
        create_views(con, tmp_path)


def test_digest_depends_on_rows_and_not_on_their_order(tmp_path):
    """A duplicate row changes the digest, and an ignored column does not."""
    with next_warehouse(tmp_path) as con:
        for name, rows in {
            "one": "(1, 'a', 5), (2, NULL, 5)",
            "turned": "(2, NULL, 6), (1, 'a', 6)",
            "twice": "(1, 'a', 5), (2, NULL, 5), (2, NULL, 5), (2, NULL, 5)",
            "other": "(1, 'a', 5), (2, '', 5)",
        }.items():
            con.execute(f"CREATE TABLE raw.{name} AS FROM (VALUES {rows}) AS t (n, s, ours)")
        one, turned, twice, other = (
            digest(con, name, ["n", "s"]) for name in ("one", "turned", "twice", "other")
        )
    assert one == turned
    assert len({one, twice, other}) == 3


def test_records_come_back_as_written(tmp_path):
    """The last pull of all tables is one row."""
    record = PullRecord(
        "demo", "sqlite:x", None, datetime(2026, 1, 1, 8), datetime(2026, 1, 1, 9), 5, 7, shape()
    )
    for _ in range(2):
        with next_warehouse(tmp_path) as con:
            record_pull(con, record)
    with attach(tmp_path) as con:
        assert records(con) == (record, {})


def test_shape_changes_with_the_views(tmp_path):
    """A pull with nothing to read still updates changed views."""
    (tmp_path / "a.sql").write_text("SELECT 1 AS x")
    before = shape(tmp_path)
    assert shape(tmp_path) == before
    (tmp_path / "a.sql").write_text("SELECT 2 AS x")
    assert shape(tmp_path) != before


def test_a_file_that_is_not_a_warehouse_is_reported(tmp_path):
    """The file has another format or is damaged."""
    (tmp_path / warehouse.FILE_NAME).write_bytes(b"something else" * 1_000)
    with pytest.raises(StaleDataError, match="cannot read the warehouse"):
        open_warehouse(tmp_path)


def test_scratch_prints_nothing_and_counts_in_utc():
    """DuckDB's progress bar would mix with d1lab's output, and a time zone would shift days."""
    with scratch(memory_limit="100MB") as con:
        sql = "SELECT current_setting('enable_progress_bar'), current_setting('TimeZone')"
        assert con.sql(sql).fetchall() == [(False, "UTC")]


def test_no_module_opens_duckdb_in_its_own_way():
    """Only an exported file and a Tab in the shell open one of their own."""
    package = Path(warehouse.__file__).parents[1]
    callers = {p.name for p in package.rglob("*.py") if "duckdb.connect(" in p.read_text()}
    assert callers == {"database_file.py", "export.py", "completion.py"}


def test_interrupt_ends_a_query_and_passes_over_closed_connections():
    """Ctrl-C ends the running query and ignores connections that are closed."""
    closed = scratch()
    closed.close()
    with scratch() as con:
        ringing = Timer(0.3, warehouse.interrupt)
        ringing.start()
        with pytest.raises(duckdb.InterruptException):
            con.sql("SELECT count(*) FROM range(100000000000) t(a) WHERE a = sqrt(a)").fetchall()
        ringing.join()


def test_a_full_disk_is_not_blamed_on_a_view(tmp_path):
    """An error of the disk at the commit is reported as such, not as an invalid view."""

    class Full:
        def execute(self, sql: str, *values: object):
            if sql.startswith("CREATE VIEW"):
                raise duckdb.IOException("IO Error: No space left on device")
            return duckdb.connect().execute("SELECT 1 WHERE false")

    (tmp_path / "any.sql").write_text("SELECT 1 AS a")
    with pytest.raises(duckdb.IOException, match="No space left"):
        create_views(Full(), tmp_path)


def test_an_app_may_name_columns_as_d1lab_does(tmp_path):
    """Its columns come along, and views that join tables still know which one is meant."""
    names = {column.name: column.type for t in catalog.TABLES.values() for column in t.columns}
    with next_warehouse(tmp_path) as con:
        for table in catalog.TABLES.values():
            types = names | {column.name: column.type for column in table.columns}
            columns = ", ".join(f"{name} {TYPES[kind].duckdb}" for name, kind in types.items())
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        con.execute("INSERT INTO raw.ab_test_results (shop, test_id, alpha) VALUES ('s', 't', .9)")
        con.execute("INSERT INTO raw.d1lab_ab_test_inputs (test_id, alpha) VALUES ('t', .05)")
        assert con.sql("SELECT alpha FROM d1lab.ab_tests").fetchall() == [(0.05,)]
