"""The summary of a table's content: which shop's rows a pull changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from d1lab.d1 import Database
from d1lab.pull import pull
from d1lab.warehouse import FILE_NAME, open_warehouse
from tests.pull.conftest import add_customers, add_events

pytestmark = pytest.mark.usefixtures("few_views")


def digests(folder: Path) -> dict[tuple[str, str | None], str]:
    with open_warehouse(folder) as con:
        rows = con.sql("FROM d1lab.shop_digests").fetchall()
        whole = con.sql("SELECT table_name, digest FROM d1lab.tables").fetchall()
    found = {(table, shop): digest for table, shop, digest in rows}
    shops_tables = {table for table, _ in found}
    assert {t: found[t, None] for t in shops_tables} == {
        t: d for t, d in whole if t in shops_tables
    }
    return found


@pytest.mark.parametrize("change", ["new", "corrected", "deleted"])
def test_one_changed_row_changes_the_digest_of_its_shop_only(db: Database, folder, change):
    """And that of the whole table; other shops and tables keep theirs."""
    add_events(db, 1, 60)
    add_customers(db, 3)
    pull(db, folder, database="x")
    before = digests(folder)
    assert {shop for table, shop in before if table == "order_events"} == {
        None, "shop-0", "shop-1", "shop-2"
    }  # fmt: skip
    if change == "new":
        add_events(db, 61, 1)
    elif change == "corrected":
        db.execute("UPDATE order_events SET revenue = 99 WHERE event_id = 'e4'")
    else:
        db.execute("DELETE FROM order_events WHERE event_id = 'e7'")
    pull(db, folder, database="x")
    after = digests(folder)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {("order_events", None), ("order_events", "shop-1")}


def test_a_use_changes_the_digest_of_its_shop_unless_it_says_how_uses_are_counted(db, folder):
    """A row with a discount but no use, in any shop: the first use is not counted in any."""

    def use(shop: str, sku: str, uses: int) -> set[str | None]:
        before = digests(folder) if (folder / FILE_NAME).is_file() else {}
        db.execute(
            "INSERT INTO discount_analytics (shop, discount_id, sku, times_used, discount_amount)"
            " VALUES (?1, 'd', ?2, ?3, 5)",
            (shop, sku, uses),
        )
        pull(db, folder, database="x", counters="always")
        after = digests(folder)
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        assert {table for table, _ in changed} == {"discount_analytics"}
        return {shop for _, shop in changed}

    pull(db, folder, database="x")
    assert use("harbor", "mug", 1) == {"harbor", None}
    assert use("kiosk", "mug", 3) == {"kiosk", None}
    assert use("kiosk", "tea", 0) == {"kiosk", "harbor", None}
    assert use("kiosk", "soap", 0) == {"kiosk", None}
