"""Inputs of the recommendations, counted again in Python on the tiny shop."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from d1lab import catalog
from d1lab.analyses.discount_effect.pooling import OF_SHOP, OWN
from d1lab.analyses.discounts import recommendations
from d1lab.analyses.discounts.recommendations import STAGED, advise, verdict
from d1lab.analyses.discounts.recommendations_report import details, tables, to_stage
from d1lab.analyses.discounts.recommendations_report import figures as monthly_figures
from d1lab.analyses.inventory.turnover import StockLedger
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
    """Weeks back from the day: regular below 2% off, promoted from 5%; some have no sale.

    Three more SKUs have 2% and 5% off in one of two weeks, and half off in both.
    """
    lines, days = draw(6, 500), 182
    fields = {"sku": "new", "day": UNTIL, "type": "order", "units": 1, "order_id": "new"}
    lines += [lines[0]._replace(product_title=title, **fields) for title in ("A", "B")]
    for sku, cut in (("two", "0.2"), ("five", "0.5"), ("always", "5")):
        for ago, cents in ((0, cut), (8, cut if sku == "always" else "0")):
            paid = Decimal(10 + ago) - Decimal(cents)
            day = {"sku": sku, "day": UNTIL - timedelta(ago), "order_id": f"{sku}{ago}"}
            money = {"revenue": paid, "discount_amount": Decimal(cents)}
            lines.append(lines[-1]._replace(product_title=sku, event_id=sku, **day, **money))
    lines += [line._replace(units=0, event_id=f"{line.event_id}-none") for line in lines[:40]]
    kept = [line for line in inside(lines, days) if line.type == "order" and line.units > 0]
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


INPUT = {
    "product": "P", "unit_price": 10.0, "unit_cost": 5.0, "regular_units": 60.0,
    "least_depth": 0.1, "most_depth": 0.3, "base_rate": 0.02, "orders_per_day": 1_000.0,
    "recent_price": 9.0, "always_discounted": False,
}  # fmt: skip
SLOPE = {
    "slope": -5.0, "error_ahead": 0.3, "error_shared": 0.1, "error_by_width": 0.1,
    "drawn_with": 0, "basis": OWN, "regular_weekly": 20.0,
}  # fmt: skip


def _advised(drift: float | None = None, horizon: int = 28, **stock: int) -> pd.DataFrame:
    """Advice on products that differ from `INPUT` and `SLOPE` in what their name says."""
    inputs = {
        "sure": {}, "dear": {"unit_cost": None}, "cheap": {"recent_price": 4.99},
        "always": {"always_discounted": True}, "new": {}, "open": {"regular_units": 90.0},
        "untried": {"least_depth": None}, "unsold": {"recent_price": None},
        "short": {},
    }  # fmt: skip
    slopes = {
        "open": {"slope": -2.7, "error_ahead": 1.0, "regular_weekly": np.nan}, "new": None,
    }  # fmt: skip
    rows = [{"sku": sku, **INPUT, **more} for sku, more in inputs.items()]
    known = [
        {"sku": sku, **SLOPE, **(slopes.get(sku) or {})}
        for sku in inputs
        if slopes.get(sku, {}) is not None
    ]
    ledger = dict.fromkeys(StockLedger._fields, 30) | {"units_sold": 30, "ending_units": 13}
    stocked = pd.DataFrame([{"sku": "short", **ledger, **stock}])
    found = SimpleNamespace(products=SimpleNamespace(skus=pd.DataFrame(known), drift=drift))
    advised = advise(
        pd.DataFrame(rows), found, stocked, made_on=UNTIL, horizon_days=horizon, lead_time_days=14
    )
    return advised.set_index(pd.Index(advised["sku"], name="product_of_a_row"))


def test_advice_follows_the_rule_product_by_product():
    """Each product's slope, costs, stock, and history; what is not known is missing."""
    advised = _advised()
    assert advised["decision"].fillna("").to_dict() == {
        "sure": "discount", "dear": "", "cheap": "hold", "always": "test", "new": "",
        "open": "test", "untried": "hold", "unsold": "discount", "short": "hold",
    }  # fmt: skip
    assert advised.loc["short", "days_of_supply"] == 13
    assert advised["days_of_supply"].notna().sum() == 1
    assert (advised["regular_units"] == 80.0).drop(["open", "new"]).all()  # 4 weeks at 20
    assert advised.loc[["open", "new"], "regular_units"].tolist() == [90.0, 60.0]
    assert advised.loc["sure", ["slope_error", "drift"]].tolist() == [0.3, 0]
    margin = advised["margin_rate"]
    assert margin.drop("dear").tolist() == [0.5] * 8
    assert np.isnan(margin["dear"])
    assert (advised["made_on"] == UNTIL).all()
    tested, learned = advised.loc["open"], advised.loc["always"]
    assert (tested["plan_orders"] > 0, tested["plan_days"] >= 14) == (True, True)
    assert (np.isnan(learned["plan_orders"]), learned["plan_days"]) == (True, 14)
    assert advised["plan_days"].notna().sum() == 2
    assert advised.loc["sure", "expected_profit"] == pytest.approx(
        80 * 5 + advised.loc["sure", "gain"]
    )
    assert set(recommendations.LATER) <= set(advised)
    assert advised[list(recommendations.LATER)].isna().all(axis=None)
    assert set(STAGED.split()) - {"shop"} <= set(advised)
    assert _advised(ending_units=14).loc["short", "decision"] == "discount"


def test_advice_of_a_horizon_and_of_slopes_that_drift():
    """Two weeks have half of the units; drift widens the interval, and is none where unknown."""
    four, two, moving = _advised(), _advised(horizon=14), _advised(drift=0.2)
    assert two.loc["sure", "regular_units"] == 40
    assert two.loc["sure", "gain"] == pytest.approx(four.loc["sure", "gain"] / 2)
    assert set(two["horizon_days"]) == {14}
    assert moving.loc["sure", "drift"] == 0.2
    assert moving.loc["sure", "gain"] < four.loc["sure", "gain"]  # of the error, less is unknown
    bare = pd.DataFrame({"sku": []})
    found = SimpleNamespace(
        products=SimpleNamespace(skus=pd.DataFrame([{"sku": "a", **SLOPE}]), drift=None)
    )
    given = {"made_on": UNTIL, "horizon_days": 28, "lead_time_days": 14}
    [one] = advise(pd.DataFrame([{"sku": "a", **INPUT}]), found, bare, **given).to_dict("records")
    assert (one["decision"], np.isnan(one["days_of_supply"])) == ("discount", True)


def test_lists_of_advice_have_the_largest_gain_first():
    """Then the most units, then the SKU; reasons by number of products."""
    advised = pd.DataFrame(
        [
            ("c", "hold", 1.0, 5, "x"), ("b", "hold", 1.0, 9, "z"), ("a", "hold", 1.0, 9, "x"),
            ("d", "hold", 2.0, 1, "y"), ("e", None, 1.0, 1, "x"), ("f", None, 1.0, 1, "x"),
            ("g", "test", 1.0, 1, "v"), ("h", "test", 1.0, 1, "u"),
        ],
        columns=["sku", "decision", "gain", "regular_units", "why"],
    )  # fmt: skip
    assert recommendations.of(advised, "hold")["sku"].tolist() == ["d", "a", "b", "c"]
    assert recommendations.of(advised, None)["sku"].tolist() == ["e", "f"]
    assert recommendations.of(advised[::-1], None)["sku"].tolist() == ["e", "f"]
    assert recommendations.reasons(advised).to_numpy().tolist() == [
        ["keep the regular price", "x", 2], ["no recommendation", "x", 2], ["test", "u", 1],
        ["test", "v", 1], ["keep the regular price", "y", 1], ["keep the regular price", "z", 1],
    ]  # fmt: skip
    shown = list(recommendations.figures(advised))
    assert [one["value"] for one in shown] == [0, 2, 4, None]
    assert shown[2]["note"] == "2 because x"
    assert next(iter(recommendations.figures(advised)))["value"] == 0
    assert list(recommendations.figures(advised[4:]))[2]["note"] == ""


def test_the_page_shows_amounts_of_30_days_and_the_rule_those_of_the_horizon():
    advised = _advised()
    names = (
        "decision sku depth observed_depth observed_units observed_profit regular_units unit_price "
        "unit_cost forecast_units"
    )
    scored = pd.DataFrame(columns=names.split())
    shown = tables(advised, scored)
    of = shown["discount"].frame.set_index("sku")
    for name in ("regular_units", "expected_units", "expected_profit", "gain", "gain_low"):
        assert of.loc["sure", name] == pytest.approx(advised.loc["sure", name] * 30 / 28)
    assert shown["silent"].frame["sku"].tolist() == ["dear"]  # "new" has no slope
    assert set(shown["hold"].frame["sku"]) == {"cheap", "untried", "short"}
    figures = {one["metric"]: one["value"] for one in monthly_figures(advised)}
    assert (figures["to_discount"], figures["to_test"], figures["to_hold"]) == (2, 2, 3)
    gains = advised.loc[["sure", "unsold"], "gain"].sum()
    assert figures["expected_gain"] == pytest.approx(gains * 30 / 28)


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
    told, status = verdict(advised.assign(gain=1.0, regular_units=1.0))
    assert (told, status) == (text, "neutral" if any(decisions) else "unknown")


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
