"""Inputs of the recommendations, counted again in Python on the tiny shop."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from d1lab import catalog
from d1lab.analyses.discount_effect.pooling import OF_SHOP, OWN
from d1lab.analyses.discounts.recommendations import STAGED, verdict
from d1lab.analyses.discounts.recommendations_report import details, to_stage
from d1lab.lab import Lab
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse
from tests.support.drawn_shop import (
    COSTS,
    UNTIL,
    draw,
    earned,
    given,
    inside,
    opened,
    rows_of,
    same,
)


def test_metric_counts_weeks_as_its_header_says(tiny_lab):
    """Regular units count weeks without a sale; always discounted products are there, too."""
    given = {"until": "2026-05-08", "days": 91, "horizon_days": 28}
    found = tiny_lab.metric("recommendations", **given).set_index("sku")
    lines = tiny_lab.sql(
        "SELECT sku, (DATE '2026-05-08' - day) // 7 AS ago, sum(units) AS units, "
        "sum(revenue)::DOUBLE AS revenue, sum(discount_amount)::DOUBLE AS given FROM order_lines "
        "WHERE shop = 'harbor' AND type = 'order' AND units > 0 "
        "AND day > DATE '2026-05-08' - 91 GROUP BY ALL"
    ).df()
    lines["depth"] = lines["given"] / (lines["given"] + lines["revenue"])
    for sku, row in found.iterrows():
        mine = lines[lines["sku"] == sku]
        regular, rest = mine[mine["depth"] < 0.02], mine[mine["depth"] >= 0.02]
        assert bool(row["always_discounted"]) == regular.empty
        if len(regular):
            weeks = mine["ago"].max() + 1 - len(rest)
            assert row["regular_units"] == pytest.approx(4 * regular["units"].sum() / weeks)
        promoted = rest[rest["depth"] >= 0.05]["depth"]
        if len(promoted):
            assert row["least_depth"] == pytest.approx(promoted.quantile(0.1))
            assert row["most_depth"] == pytest.approx(promoted.quantile(0.9))
        assert row["recent_price"] == pytest.approx(mine["revenue"].sum() / mine["units"].sum())
    [(orders, days)] = tiny_lab.sql(
        "SELECT count(DISTINCT order_id), count(DISTINCT day) FROM order_lines WHERE "
        "shop = 'harbor' AND type = 'order' AND units > 0 AND day > DATE '2026-05-08' - 91"
    ).fetchall()
    assert found["orders_per_day"].iloc[0] == pytest.approx(orders / days)


def test_every_column_on_a_drawn_shop():
    """Weeks back from the day: regular below 2% off, promoted from 5%; some have no sale."""
    lines, days = draw(6, 500), 182
    fields = {"sku": "new", "day": UNTIL, "type": "order", "units": 1, "order_id": "new"}
    lines += [lines[0]._replace(product_title=title, **fields) for title in ("A", "B")]
    kept = [line for line in inside(lines, days) if line.type == "order"]
    recent = inside(kept, 91)
    orders = len({line.order_id for line in recent})
    rows = []
    for sku in sorted({line.sku for line in kept}):
        mine = [line for line in kept if line.sku == sku]
        weeks = [inside(mine, 7, back) for back in range(26)]
        if not any(weeks[:4]):
            continue
        listed = [earned(week) + given(week) for week in weeks]
        depths = [
            float(given(week) / of) if of else 0.0 for week, of in zip(weeks, listed, strict=True)
        ]
        pairs = [(week, depth) for week, depth in zip(weeks, depths, strict=True) if week]
        regular = [line for week, depth in pairs if depth < 0.02 for line in week]
        promoted = [depth for _, depth in pairs if depth >= 0.05]
        span = max(back for back in range(26) if weeks[back]) + 1
        rest = sum(depth >= 0.02 for _, depth in pairs)
        units = sum(line.units for line in regular) / (span - rest) if regular else None
        priced = regular or mine
        price = (earned(priced) + (0 if regular else given(priced))) / _units(priced)
        cost = [cost for cost in COSTS if cost.sku == sku]
        title = max(line.product_title or "" for line in mine)
        last = inside(mine, 91)
        rows.append(
            {
                "sku": sku,
                "product": f"{title} ({sku})",
                "unit_price": float(price),
                "always_discounted": not regular,
                "regular_units": 4 * (units if regular else _units(mine) / span),
                "recent_price": float(earned(last) / _units(last)),
                "least_depth": float(np.quantile(promoted, 0.1)) if promoted else None,
                "most_depth": float(np.quantile(promoted, 0.9)) if promoted else None,
                "promoted_weeks": len(promoted),
                "unit_cost": float(max(cost, key=lambda c: c.valid_from).unit_cost)
                if cost
                else None,
                "base_rate": len({line.order_id for line in last}) / orders,
                "orders_per_day": orders / len({line.day for line in recent}),
            }
        )
    rows.sort(key=lambda row: (-row["regular_units"], row["sku"]))
    with opened(lines) as con:
        same(rows_of(con, "recommendations", days=days + 6, horizon_days=28), rows)


def _units(lines):
    return sum(line.units for line in lines)


@pytest.fixture(scope="module")
def two_products(tmp_path_factory):
    """A shop on 2026-05-31: 'late' sold 27 days earlier, 'gone' 28; a cost changes that day.

    In its neighbor, 'cut' sold every week for ten weeks, 2% deeper each time; and 'old' sold twice
    a day before the last 13 weeks began.
    """
    folder = tmp_path_factory.mktemp("two")
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        con.execute(
            """INSERT INTO raw.order_events BY NAME
            SELECT 's' AS shop, sku AS event_id, 'order' AS type, sku AS order_id,
                'c' AS customer_id, sku, 1 AS quantity, 10 AS list_price, 0 AS discount_amount,
                10 AS revenue,
                TIMESTAMP '2026-05-31 12:00' - to_days(back) AS occurred_at
            FROM (VALUES ('late', 27), ('gone', 28)) AS sales(sku, back)"""
        )
        con.execute(
            """INSERT INTO raw.order_events BY NAME
            SELECT 'neighbor' AS shop, sku || n AS event_id, 'order' AS type,
                sku || n AS order_id, 'c' AS customer_id, sku, 1 AS quantity, 100 AS list_price,
                cut AS discount_amount, 100 - cut AS revenue,
                TIMESTAMP '2026-05-31 12:00' - to_days(back::INTEGER) AS occurred_at
            FROM (
                SELECT 'cut' AS sku, n, 7 * n AS back, 10 + 2 * n AS cut FROM range(11) AS t(n)
                UNION ALL SELECT 'old', n, 91, 0 FROM range(2) AS t(n)
            )"""
        )
        con.execute(
            """INSERT INTO raw.product_costs BY NAME
            SELECT 's' AS shop, 'late' AS sku, cost AS unit_cost, day::DATE AS valid_from
            FROM (VALUES (3, '2026-05-30'), (4, '2026-05-31'), (5, '2026-06-01'))
                AS costs(cost, day)"""
        )
        create_views(con)
    return folder


def test_four_weeks_and_the_days_cost(two_products, tmp_path):
    """A product counts up to its 28th day without a sale, at the cost that is valid on the day."""
    with open_warehouse(two_products) as con:
        lab = Lab(con, database="x", folder=tmp_path, shop="s")
        found = lab.metric("recommendations", until="2026-05-31", days=91, horizon_days=28)
        assert found[["sku", "unit_cost"]].to_numpy().tolist() == [["late", 4.0]]
        assert found["orders_per_day"].tolist() == [1.0]  # two orders on two days


def test_depths_and_orders_a_day_of_the_last_weeks(two_products, tmp_path):
    """Depths of .1, .12, ..., .3: the 10th percentile is .12, the 90th .28; one order a day."""
    with open_warehouse(two_products) as con:
        lab = Lab(con, database="x", folder=tmp_path, shop="neighbor")
        found = lab.metric("recommendations", until="2026-05-31", days=182, horizon_days=28)
        [cut] = found.to_dict("records")
        assert cut["sku"] == "cut"
        assert (cut["least_depth"], cut["most_depth"]) == pytest.approx((0.12, 0.28))
        assert cut["orders_per_day"] == 1


@pytest.mark.parametrize(
    ("decisions", "text"),
    [
        (
            ["discount", "test", "test", None],
            "Discount 1 product, test 2. No recommendation for 1.",
        ),
        (["test", "test", "hold"], "Test 2 products, keep 1 at the regular price."),
        ([None], "No recommendation for any product."),
    ],
)
def test_the_headline_counts_only_what_there_is(decisions, text):
    skus = [str(place) for place in range(len(decisions))]
    advised = pd.DataFrame({"sku": skus, "decision": pd.Series(decisions, dtype=object)})
    assert verdict(advised.assign(gain=1.0, regular_units=1.0))[0] == text


def test_details_of_the_first_rows_of_each_table_come_first():
    """Advice of another report comes before the decision; a product without one has none."""
    rows = 25
    advised = pd.DataFrame(
        {
            "sku": [f"{name}{place}" for name in ("d", "t", "s") for place in range(rows)],
            "decision": ["discount"] * rows + ["test"] * rows + [None] * rows,
            "gain": [100.0 - place for _ in range(3) for place in range(rows)],
            "regular_units": 1.0,
            "slope": -1.0,
            "horizon_days": 28,
            **dict.fromkeys(("expected_units", "expected_profit", "gain_low", "gain_high"), 14.0),
        }
    )
    history = SimpleNamespace(sales=None, skus=pd.Series([], dtype=str))
    found = SimpleNamespace(history=history)
    shown = details(advised, found, {"d1": "Order it"}).frame
    assert list(shown["sku"][:11]) == [*(f"d{place}" for place in range(10)), "t0"]
    assert list(shown["sku"][30:32]) == ["d10", "d11"]
    assert len(shown) == 60
    first = shown.iloc[0]
    assert (first["gain"], first["gain_low"]) == pytest.approx((100 * 30 / 28, 15))
    assert list(shown["advice"].iloc[[0, 1, 10, 20]]) == [
        "Discount it",
        "Order it",
        "Test first",
        "",
    ]


def test_rows_that_change_nothing_are_not_staged():
    """A product to hold is staged with evidence of its own, or where stock or cost decide."""
    rows = [
        ("own", "hold", "no_gain", OWN),
        ("shops", "hold", "no_gain", OF_SHOP),
        ("untried", "hold", "without_help", OF_SHOP),
        ("short", "hold", "short_cover", OF_SHOP),
        ("dear", "hold", "below_cost", OF_SHOP),
        ("always", "test", "always_on", OF_SHOP),
        ("cut", "discount", "gain", OF_SHOP),
        ("none", None, "no_cost", OF_SHOP),
    ]
    advised = pd.DataFrame(rows, columns=["sku", "decision", "reason", "basis"])
    advised = advised.reindex(columns=[*STAGED.split(), "basis"])
    staged = to_stage(advised, pd.DataFrame({"is_written": [], "scored_on": []}), date(2026, 5, 1))
    assert list(staged["sku"]) == ["own", "short", "dear", "always", "cut"]
