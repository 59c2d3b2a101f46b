"""Stock is loaded from Shopify's inventory export: a snapshot of one day, by location."""

from __future__ import annotations

from datetime import date

import pytest

from d1lab.errors import InputError
from d1lab.ingest.events import track
from d1lab.ingest.stock import ingest_stock
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support.command_line import caller

NEW = (
    "Handle,Title,Option1 Value,SKU,Location,Available,On hand (current),On hand (new)\n"
    "sock,Wool sock,M,SOCK,Main,3,5,\nsock,Wool sock,M,SOCK,Store,2,2,\n"
    "hat,Hat,Default Title,,Main,0,-1,\nhat,Hat,Default Title,,Store,not stocked,not stocked,\n"
)
OLD = (
    "Handle,Title,Option1 Value,SKU,HS Code,COO,Main,Store\n"
    "sock,Wool sock,M,SOCK,,,5,2\nhat,Hat,Default Title,,,,-1,not stocked\n"
)


@pytest.mark.parametrize("text", [NEW, OLD])
def test_snapshot_is_written_once(db, tmp_path, text):
    """Each location has its units on hand; a product that is not stocked there has no count."""
    path = tmp_path / "inventory_export.csv"
    path.write_text(text)
    result = ingest_stock(db, path, shop="harbor", day=date(2026, 5, 1))
    assert result == (3, 3, 0, "2026-05-01", 6, ())
    assert ingest_stock(db, path, shop="harbor", day=date(2026, 5, 1))[1:3] == (0, 3)
    rows = db.query("SELECT sku, location, date, units FROM d1lab_stock ORDER BY 1, 2").rows
    assert [(sku, place.lower(), day, units) for sku, place, day, units in rows] == [
        ("Hat", "main", "2026-05-01", -1),
        ("SOCK", "main", "2026-05-01", 5),
        ("SOCK", "store", "2026-05-01", 2),
    ]


def test_invalid_count_is_rejected(tmp_path):
    """The other counts are loaded; a file without counts is an error."""
    path = tmp_path / "inventory_export.csv"
    path.write_text(NEW.replace("Main,3,5", "Main,3,some"))
    result = ingest_stock(None, path, shop="harbor")
    assert (result.received, [line.line for line in result.rejected]) == (2, [2])
    path.write_text("Handle,Title,SKU,COO\na,A,X,\n")
    with pytest.raises(InputError, match="no counts"):
        ingest_stock(None, path, shop="harbor")


def test_counts_make_a_ledger_of_the_days_before(db, tmp_path):
    """The expected values were computed by hand from counts and sales in May."""
    events = [
        {"event_id": str(n), "order_id": str(n), "occurred_at": f"2026-05-{day:02}T10:00:00Z"}
        | {"sku": "SOCK", "quantity": units, "discount_amount": cut, "revenue": units * 10 - cut}
        for n, (day, units, cut) in enumerate([(3, 5, 0), (6, 2, 1), (8, 1, 0)])
    ]
    shared = {"shop": "harbor", "type": "order", "customer_id": "a", "list_price": 10}
    events[1] |= {"discount_id": "spring"}
    assert track(db, [shared | event for event in events]).rejected == ()
    for day, units in ((4, 20), (8, 7)):
        path = tmp_path / "stock.csv"
        path.write_text(f"Handle,Title,SKU,Location,On hand (current)\nsock,Sock,SOCK,Main,{units}")
        ingest_stock(db, path, shop="harbor", day=date(2026, 5, day))
    pull(db, tmp_path / "data", database="x")
    with open_warehouse(tmp_path / "data") as con:
        rows = con.sql(
            "SELECT day(day), starting_units, ending_units, units_sold_with_discount, units_sold "
            "FROM inventory_days ORDER BY day"
        ).fetchall()
        lab = Lab(con, database="x", folder=tmp_path, shop="harbor")
        [ledger] = lab.metric("turnover", until="2026-05-08", days=5).to_dict("records")
    assert rows == [
        (3, 25, 20, 0, 5),
        (4, 20, 20, 0, 0),  # counted
        (5, 10, 10, 0, 0),
        (6, 10, 8, 2, 2),
        (7, 8, 8, 0, 0),
        (8, 8, 7, 0, 1),  # counted
    ]
    assert (ledger["ending_units"], ledger["units_sold"], ledger["shrunk_units"]) == (7, 3, 0)
    assert ledger["gap_units"] == 10  # between the counts of May 4 and 8: lost, or sold elsewhere


def test_the_apps_own_ledger_takes_precedence(db, tmp_path):
    """If the app records a product's stock, d1lab's counts add no day."""
    db.execute(
        "INSERT INTO inventory_impact (shop, sku, date, starting_inventory, ending_inventory) "
        "VALUES ('harbor', 'SOCK', '2026-05-01', 3, 3)"
    )
    path = tmp_path / "stock.csv"
    path.write_text("Handle,Title,SKU,Location,On hand (current)\nsock,Sock,SOCK,Main,7")
    ingest_stock(db, path, shop="harbor", day=date(2026, 5, 2))
    pull(db, tmp_path / "data", database="x")
    with open_warehouse(tmp_path / "data") as con:
        assert con.sql("SELECT day(day), ending_units FROM inventory_days").fetchall() == [(1, 3)]


def test_counts_of_any_day_are_in_the_next_pull(db, tmp_path, monkeypatch, capsys):
    """New ones, and the corrected ones of a day before the tail, which is not read again."""
    (tmp_path / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:d1.sqlite"\n')
    monkeypatch.chdir(tmp_path)
    load = caller(monkeypatch, capsys, "ingest", "stock", "stock.csv", "--shop", "harbor", "--day")
    path, folder = tmp_path / "stock.csv", tmp_path / "data" / "demo"
    path.write_text("Handle,Title,SKU,Location,On hand (current)\nsock,Sock,SOCK,Main,7")
    assert load("2026-05-01").code == 0
    pull(db, folder, database="demo")
    assert load("2026-06-01").code == 0
    path.write_text(path.read_text().replace("Main,7", "Main,9"))
    assert load("2026-05-01").code == 0
    read = pull(db, folder, database="demo").by_table["d1lab_stock"]
    with open_warehouse(folder) as con:
        counts = con.sql("SELECT date::VARCHAR, units FROM raw.d1lab_stock ORDER BY 1").fetchall()
    assert counts == [("2026-05-01", 9), ("2026-06-01", 7)]
    assert (read.rows_pulled, read.whole) == (1, False)
