"""A database that went back in time: nothing of the later state stays in the warehouse."""

from __future__ import annotations

import shutil
from contextlib import closing

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.pull.restored import NOTE, went_back
from tests.pull.conftest import add_events, assert_same

D1 = "{:08x}-0000024c-00004c6d-" + "0123456789abcdef" * 2


def test_bookmarks_that_cannot_be_compared_prove_nothing():
    """None, of another kind, or of no known form."""
    for earlier, now in [(None, D1.format(2)), (D1.format(3), None), ("7-1-1", D1.format(2))]:
        assert not went_back([earlier], now)
    assert not went_back(["what-is-this"], "and-that")
    assert went_back([D1.format(1), D1.format(3)], D1.format(2))


def test_a_backup_put_in_place_of_a_file_is_read_completely(migrated, folder, tmp_path):
    """Also a counter that no order event and no key tells of, on the same day."""
    path, backup = tmp_path / "d1.sqlite", tmp_path / "backup.sqlite"
    shutil.copyfile(migrated, path)
    with closing(SqliteDatabase(path)) as db:
        add_events(db, 0, 20)
        db.execute("INSERT INTO product_performance (shop, sku) VALUES ('s', 'a')")
        shutil.copyfile(path, backup)
        db.execute("UPDATE product_performance SET units_sold_with_discount = 5")
        pull(db, folder, database="x")
    shutil.copyfile(backup, path)
    with closing(SqliteDatabase(path)) as db:
        result = pull(db, folder, database="x")
        assert result.note == NOTE
        assert all(table.whole for table in result.by_table.values())
        assert_same(db, folder, "product_performance")


def test_rows_missing_at_the_end_without_a_logged_deletion_are_a_restore(remote, folder):
    """The counters are read again at once, not on the next day."""
    db = remote
    add_events(db, 0, 20)
    db.execute("INSERT INTO product_performance (shop, sku) VALUES ('s', 'a')")
    pull(db, folder, database="x")
    db.execute("DROP TRIGGER order_events_deleted")  # a restore writes no log
    db.execute("DELETE FROM order_events WHERE seq > 15")
    db.execute("UPDATE product_performance SET units_sold_with_discount = 5")
    pull(db, folder, database="x")
    assert_same(db, folder, "product_performance")
