"""A shared customer ID is named, and excluded from groups, values, and cohorts."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from d1lab import catalog
from d1lab.analyses.customers.report import left_out
from d1lab.lab import Lab
from d1lab.metrics import load_metrics
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse
from tests.support.drawn_shop import rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A shop with a cash register's ID on 80 of 100 orders, and one without."""
    folder = tmp_path_factory.mktemp("till")
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        con.execute(
            """INSERT INTO raw.order_events BY NAME
            SELECT shop, shop || n AS event_id, 'order' AS type, n::VARCHAR AS order_id,
                if(shop = 'harbor' AND n < 80, 'walkin', 'c' || n % 20) AS customer_id,
                'A' AS sku, 1 AS quantity, 10 AS list_price, 0 AS discount_amount, 10 AS revenue,
                TIMESTAMP '2026-05-01' + to_days(n::INTEGER) AS occurred_at
            FROM range(100) AS r(n), (VALUES ('harbor'), ('village')) AS s(shop)"""
        )
        create_views(con)
    return folder


def test_till_is_in_no_group(folder, tmp_path):
    """The shared ID has no scores, values, or cohort; the twenty customers have."""
    until = date(2026, 9, 1)
    with open_warehouse(folder) as con:
        lab = Lab(con, database="x", folder=tmp_path, shop="harbor")
        assert "temp.main" not in str(lab.explain("walk_ins")).replace('"', "")
        assert lab.metric("walk_ins")["customer_id"].to_list() == ["walkin"]
        assert "temp.main" in str(lab.explain("walk_ins")).replace('"', "")  # found once
        assert set(lab.metric("customer_scores", until=until, mode="quintile")["customer_id"]) == {
            f"c{n}" for n in range(20)
        }
        values = lab.metric("purchase_summary", until=until, later_days=0)
        assert "walkin" not in set(values["customer_id"])
        cohorts = lab.metric("customer_cohorts", until=until)
        assert cohorts["active_customers"].max() <= 20
        assert left_out(lab.metric("walk_ins")).endswith("walkin (80% of orders). ")
        assert "temp.main.customer_orders" in _plan(lab, "customer_cohorts", until)  # found once


def test_metrics_of_orders_are_of_a_shop():
    """A lab finds the orders of the metric's shop only."""
    metrics = [m for m in load_metrics().values() if "customer_orders" in m.reads]
    assert metrics
    assert all("shop" in metric.parameters for metric in metrics)


def test_orders_of_two_shops_are_each_found_once(folder, tmp_path):
    """The first shop's rows do not stand for the second's, and stay what they are."""
    until = date(2026, 9, 1)
    with open_warehouse(folder) as con:
        lab = Lab(con, database="x", folder=tmp_path)
        found = {
            shop: [lab.metric("purchase_summary", shop=shop, until=until, later_days=days)
                   for days in (0, 30)]
            for shop in ("harbor", "village", "harbor")
        }  # fmt: skip
        again = lab.metric("purchase_summary", shop="harbor", until=until, later_days=0)
        assert again.equals(found["harbor"][0])
        assert found["harbor"][0]["purchases"].sum() == 20
        assert found["village"][0]["purchases"].sum() == 100


def _plan(lab, metric, until):
    return str(lab.explain(metric, until=until)).replace('"', "")


def test_shared_ids_are_sorted_by_their_orders():
    """Those with the most orders first, then by ID; none of a neighbor."""
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE walk_in_customers AS FROM (VALUES ('s', 'b', 9, .2), ('s', 'a', 9, .2),"
            " ('s', 'c', 12, .3), ('s', 'd', 5, .1), ('other', 'z', 99, .9))"
            " AS v (shop, customer_id, orders, share_of_orders)"
        )
        rows = rows_of(con, "walk_ins")
    assert [(row["customer_id"], row["orders"]) for row in rows] == [
        ("c", 12), ("a", 9), ("b", 9), ("d", 5),
    ]  # fmt: skip


def test_shop_without_a_till_says_nothing(folder, tmp_path):
    """Twenty customers of five orders each."""
    with open_warehouse(folder) as con:
        lab = Lab(con, database="x", folder=tmp_path, shop="village")
        assert left_out(lab.metric("walk_ins")) == ""
