"""An app's own tables and views in the warehouse, under their names and with inferred types."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from d1lab.d1 import Statement
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

SHOP = """
CREATE TABLE stores (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO stores VALUES (1, 'North'), (2, 'South');
CREATE TABLE Customers (
    id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE, active BOOLEAN, created_at DATETIME,
    seen_at TIMESTAMP, prefs JSON, balance DECIMAL(10, 2), joined DATE, moved DATETIME,
    odd DATETIME, flag BOOLEAN);
INSERT INTO customers VALUES
    (1, 'a@x', 1, '2026-01-01 10:00:00', 1767261600, '{"a": 1}', 12.5, '2026-01-01',
     1767261600000, 'soon', 2),
    (2, NULL, 0, '2026-01-02T10:00:00+02:00', 1767348000, '[]', 0.1, '2026-01-02',
     '2026-01-02 10:00:00', 1767261600, 1);
CREATE TABLE orders ( -- one row per order
    id INTEGER PRIMARY KEY,
    store_id INTEGER REFERENCES stores (id), -- where it was sold
    customer_id INTEGER REFERENCES customers,
    total DECIMAL(10, 2));
INSERT INTO orders VALUES (1, 1, 1, 10.10), (2, 1, 2, 5), (3, 2, 1, 7.25);
CREATE VIEW per_customer AS SELECT email, t.n FROM customers c JOIN totals t ON t.id = c.id;
CREATE VIEW totals AS SELECT customer_id AS id, count(*) AS n FROM orders GROUP BY customer_id;
CREATE VIEW clock AS SELECT datetime('now') AS now;
CREATE VIEW by_mail AS SELECT id FROM customers WHERE email = 'A@X';
"""


def run_script(db: SqliteDatabase, script: str) -> None:
    db.batch([Statement(sql) for sql in script.split(";\n") if sql.strip()])


@pytest.fixture
def app(tmp_path):
    """An app's database without any table of the guide or of d1lab."""
    db = SqliteDatabase.create(tmp_path / "app.sqlite")
    run_script(db, SHOP)
    yield db
    db.close()


@pytest.fixture
def lab(app, folder):
    """A lab on the app's warehouse."""
    pull(app, folder, database="app")
    with open_warehouse(folder) as con:
        yield Lab(con, database="app", folder=folder)


def test_a_name_means_the_apps_table(lab):
    """d1lab has its own view `customers`, which would be empty here."""
    assert lab.sql("SELECT count(*) FROM customers").fetchall() == [(2,)]
    assert lab.sql("SELECT sum(total) FROM orders").fetchall() == [(Decimal("22.35"),)]
    assert lab.tables.orders.rows == 3


def test_views_without_data_are_not_listed(lab):
    """The list shows the app's tables; an error about an empty view of d1lab's gives the reason."""
    own = ["Customers", "orders", "per_customer", "stores", "totals"]
    assert [name for name in lab.tables if "." not in name] == own
    assert [name for name in lab.describe()["table"] if not name.startswith("raw.")] == own
    with pytest.raises(InputError, match="'products' has no data in this database"):
        lab.sql("SELECT * FROM products")
    with pytest.raises(UnknownName, match="mean 'orders'"):
        lab.sql("SELECT * FROM ordres")


def test_declared_types_are_used_if_all_values_match(lab):
    """Raw tables stay as in D1, and so does a column with a value of another type."""
    rows = lab.sql(
        "SELECT active, created_at, seen_at, balance, joined, moved, odd, flag FROM customers"
    ).fetchall()
    assert rows == [
        (True, datetime(2026, 1, 1, 10), datetime(2026, 1, 1, 10), Decimal("12.50"),
         date(2026, 1, 1), datetime(2026, 1, 1, 10), "soon", 2),
        (False, datetime(2026, 1, 2, 8), datetime(2026, 1, 2, 10), Decimal("0.10"),
         date(2026, 1, 2), datetime(2026, 1, 2, 10), "1767261600", 1),
    ]  # fmt: skip
    assert lab.sql("SELECT prefs->>'a' FROM customers WHERE id = 1").fetchall() == [("1",)]
    assert lab.sql("SELECT seen_at FROM raw.customers").fetchall()[0] == ("1767261600",)


def test_describe_gives_keys_references_comments_and_how_times_are_stored(lab):
    """These come from the schema; the format of times comes from the values."""
    orders = lab.describe("orders").set_index("column")
    assert orders.loc["id", "key"] == "primary"
    assert orders["refers_to"].tolist() == ["", "stores.id", "Customers", ""] or orders[
        "refers_to"
    ].tolist() == ["", "stores.id", "customers", ""]
    assert orders.loc["store_id", "comment"] == "where it was sold"
    customers = lab.describe("Customers").set_index("column")
    named = ["active", "created_at", "seen_at", "prefs", "moved", "odd"]
    assert customers.loc[named, "stored_as"].tolist() == [
        "0 and 1", "text", "seconds", "JSON", "text and milliseconds", "",
    ]  # fmt: skip
    tables = lab.describe().set_index("table")
    assert tables.loc["orders", ["key", "comment"]].tolist() == ["id", "one row per order"]


def test_the_apps_views_are_views_if_duckdb_can_run_them(app, folder, lab):
    """They can read each other in any order; a view that cannot run is reported with a reason."""
    assert lab.sql("FROM per_customer ORDER BY n").fetchall() == [(None, 1), ("a@x", 2)]
    app.execute("INSERT INTO stores VALUES (3, 'East')")
    notes = pull(app, folder, database="app").notes
    clock, by_mail = sorted(notes, key=lambda note: "by_mail" in note)
    assert "'clock'" in clock
    assert "datetime" in clock
    assert "'by_mail'" in by_mail
    assert "email has a collation" in by_mail


def test_a_view_may_read_the_guides_tables(file, folder):
    """d1lab has views of these tables, and the tables have no name of their own in main."""
    file.execute("CREATE VIEW codes AS SELECT discount_code FROM discount_analytics")
    file.execute("INSERT INTO discount_analytics (shop, discount_id, discount_code, sku) "
                 "VALUES ('s', 'd', 'SPRING', 'A')")  # fmt: skip
    pull(file, folder, database="app")
    with open_warehouse(folder) as con:
        assert con.sql("FROM codes").fetchall() == [("SPRING",)]


def test_d1labs_metrics_read_its_own_views_and_a_projects_the_apps(file, folder, tmp_path):
    """A table `products` of the app does not change d1lab's metrics, or the reverse."""
    file.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)")
    file.execute("INSERT INTO products VALUES (1, 'Sock'), (2, 'Hat')")
    file.execute("INSERT INTO product_performance (shop, sku, units_sold_with_discount) "
                 "VALUES ('s', 'A', 3)")  # fmt: skip
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    (metrics / "range.sql").write_text(
        "-- range: products of the app\n-- unit: products  grain: all  reads: products\n"
        "SELECT count(*) AS products FROM products"
    )
    pull(file, folder, database="app")
    with open_warehouse(folder) as con:
        lab = Lab(con, database="app", folder=folder, metrics_folder=metrics)
        assert lab.sql("SELECT name FROM products ORDER BY id").fetchall() == [("Sock",), ("Hat",)]
        assert lab.metric("range")["products"].tolist() == [2]
        assert con.sql("SELECT sku FROM d1lab.products").fetchall() == [("A",)]
        assert lab.shops == ["s"]


def test_a_table_that_cannot_be_paged_stops_no_other(app, folder, monkeypatch):
    """Its note says what to do, and the other tables are pulled."""
    app.execute("CREATE TABLE odd (rowid, oid, _rowid_)")
    app.execute("INSERT INTO odd VALUES (1, 2, 3), (1, 2, 3)")
    assert pull(app, folder, database="app").by_table["odd"].rows_pulled == 2
    remote_like = "table 'odd' was not pulled"
    monkeypatch.setattr("d1lab.d1.keyset._NO_LIMIT", 2)
    result = pull(app, folder, database="app", full=True)
    assert [note for note in result.notes if remote_like in note]
    assert result.by_table["orders"].rows_pulled == 3
    with open_warehouse(folder) as con:
        assert "odd" not in Lab(con, database="app", folder=folder).tables
