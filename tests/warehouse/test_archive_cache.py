"""One file per table has the rows of all its archive files, and can be deleted at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ops.archive import archive
from d1lab.pull import pull
from d1lab.warehouse import archive_folder, drop_cache, open_warehouse

EVENT = (
    "INSERT INTO order_events (shop, event_id, type, order_id, sku, quantity, revenue, occurred_at)"
    " SELECT 'corner', 'e' || ?1, 'order', 'o' || ?1, 'sku', 1, ?2, ?3"
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """An event in each of five months; the first two leave D1."""
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        migrate(db)
        for month in range(1, 6):
            db.execute(EVENT, (month, month, f"2026-0{month}-10 12:00:00"))
        archive(db, tmp_path / "shop", database="shop", delete=True, keep_days=50)
        yield db


def _seen(home: Path) -> tuple[list[str], list[tuple[object, ...]]]:
    """The files that views read, and the rows that reports see."""
    with open_warehouse(home / "shop") as con:
        [(paths,)] = con.sql("SELECT getvariable('archive_order_events')::VARCHAR[]").fetchall()
        rows = con.sql("SELECT event_id, revenue::INTEGER FROM order_lines ORDER BY ALL").fetchall()
        return [Path(path).parent.name for path in paths], rows


def test_views_read_one_file_and_without_it_the_archive(db: SqliteDatabase, tmp_path: Path):
    """The rows are the same."""
    rows = [(f"e{month}", month) for month in range(1, 6)]
    assert _seen(tmp_path) == ([".cache"], rows)
    (file,) = (archive_folder(tmp_path / "shop") / ".cache").iterdir()
    assert sorted(pq.read_table(file)["event_id"].to_pylist()) == ["e1", "e2"]
    drop_cache(tmp_path / "shop")
    assert _seen(tmp_path) == (["2026-01", "2026-02"], rows)


@pytest.mark.long
def test_a_new_file_of_the_archive_is_a_new_cache(db: SqliteDatabase, tmp_path: Path):
    """A correction wins, and at most the cache before it is kept, for who reads it still."""
    for revenue in (100, 200, 300):
        db.execute(EVENT, (1, revenue, "2026-01-10 12:00:00"))
        pull(db, tmp_path / "shop", database="shop")
        archive(db, tmp_path / "shop", database="shop", delete=True, keep_days=50)
        assert _seen(tmp_path)[0] == [".cache"]
        assert _seen(tmp_path)[1][0] == ("e1", revenue)
    assert len(list((archive_folder(tmp_path / "shop") / ".cache").iterdir())) == 2
