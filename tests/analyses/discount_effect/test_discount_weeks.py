"""The metric behind the discount effect, counted again in plain Python."""

from __future__ import annotations

from collections import defaultdict

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab.metrics import evaluate, load_metrics

UNTIL, DAYS = "2026-05-08", 97
LEVELS = {"sku": (), "discount": ("discount_id",), "code": ("discount_id", "discount_code")}


@pytest.fixture(scope="module")
def shop():
    """Random lines of six products over a hundred days, some with a discount; one out of stock."""
    random = np.random.default_rng(8)
    rows = 3_000
    name = random.choice(["spring", "vip", "rare", ""], rows, p=[0.298, 0.1, 0.002, 0.6])
    lines = pd.DataFrame(
        {
            "shop": random.choice(["harbor", "kiosk"], rows, p=[0.9, 0.1]),
            "type": random.choice(["order", "refund"], rows, p=[0.95, 0.05]),
            "sku": random.choice([f"s{n}" for n in range(6)], rows, p=[0.5, 0.3, *[0.05] * 4]),
            "day": pd.Timestamp(UNTIL) - pd.to_timedelta(random.integers(0, 100, rows), "D"),
            "order_id": random.integers(0, 700, rows).astype(str),
            "discount_id": np.where(name == "", None, name),
            "discount_code": np.where(name == "vip", random.choice(["A", "B"], rows), None),
            "units": random.integers(1, 4, rows),
        }
    )
    lines["discount_amount"] = np.where(name == "", 0, lines.units * 2.0)
    lines["revenue"] = lines.units * 10 - lines.discount_amount
    days = pd.date_range(end=UNTIL, periods=DAYS)
    stock = pd.DataFrame({"shop": "harbor", "sku": "s1", "day": days, "starting_units": 5})
    stock.loc[days > days[-8], "starting_units"] = [0, 0, 0, 5, 0, 5, 5]  # four empty days
    stock.loc[days[:3].union(days[10:13]).get_indexer(days) >= 0, "starting_units"] = 0
    stock = stock.assign(units_sold=0)
    edges = [  # SKU, stock, sales, and days before the last one, of four days of a week each
        ("s0", -1, 0, range(4, 8)),  # of two weeks
        ("s2", 1, 0, range(14, 18)), ("s3", 0, 1, range(14, 18)), ("s4", -2, -1, range(87, 91)),
        ("s5", 0, 0, range(91, 95)), ("s1", 0, 0, (21, 22, 23, 23)), ("s1", 0, 0, (-1, -2, -3, -4)),
        ("none", 0, 0, range(14, 18)),
    ]  # fmt: skip
    more = [
        ("harbor", sku, days[-1] - pd.Timedelta(days=ago), start, sold)
        for sku, start, sold, when in edges
        for ago in when
    ]
    more += [("kiosk", "s1", days[-15 - n], 0, 0) for n in range(4)]
    stock = pd.concat([stock, pd.DataFrame(more, columns=list(stock))])
    with duckdb.connect() as con:
        con.register("lines", lines)
        con.register("stock", stock)
        con.execute("CREATE VIEW order_lines AS SELECT * REPLACE (day::DATE AS day) FROM lines")
        con.execute("CREATE VIEW inventory_days AS SELECT * REPLACE (day::DATE AS day) FROM stock")
        con.execute(
            "CREATE VIEW products AS FROM (VALUES ('harbor', 's0', 'hats'), ('harbor', 's0', "
            "'caps'), ('kiosk', 's0', 'zoo')) AS v (shop, sku, category)"
        )
        given = {"shop": "harbor", "until": UNTIL, "days": DAYS}
        frame = evaluate(con, load_metrics()["discount_weeks"], given).df()
    return lines, frame.astype(object).where(frame.notna(), None)


def test_metric_counts_weeks_as_its_header_says(shop):
    """Units, orders, list value, and discounts, per level; refunds and rare discounts left out."""
    lines, frame = shop
    expected = defaultdict(list)
    orders = defaultdict(set)
    for line in lines.astype(object).where(lines.notna(), None).itertuples():
        ago = (pd.Timestamp(UNTIL) - line.day).days
        if line.shop != "harbor" or line.type != "order" or ago >= 91:
            continue
        for level, names in LEVELS.items():
            key = tuple(getattr(line, name) for name in names)
            if None not in key:
                padded = (level, *key, *[None] * (2 - len(key)))
                expected[*padded, line.sku, -(ago // 7)].append(line)
                orders[padded].add(line.order_id)
    wanted = {
        (
            *key,
            sum(one.units for one in sold),
            len({one.order_id for one in sold}),
            sum(one.revenue + one.discount_amount for one in sold),
            sum(one.discount_amount for one in sold),
        )
        for key, sold in expected.items()
        if key[0] == "sku" or len(orders[key[:3]]) >= 10
    }
    names = [
        "level",
        "discount_id",
        "discount_code",
        "sku",
        "week",
        "units",
        "orders",
        "listed",
        "given",
    ]
    found = frame[frame["level"] != "closed"]
    assert {tuple(row) for row in found[names].to_numpy()} == wanted
    assert {row[1] for row in wanted} == {None, "spring", "vip"}
    assert set(found[found.sku == "s0"].category) == {"hats"}
    first = lines[(lines.shop == "harbor") & (lines.type == "order")].groupby("sku").day.min()
    weeks = -((pd.Timestamp(UNTIL) - first).dt.days // 7)
    assert found.groupby("sku").first_week.max().to_dict() == weeks.to_dict()
    assert weeks.min() == -14  # also before the period


def test_metric_tells_which_weeks_were_out_of_stock(shop):
    """Four empty days of the last week; three of another are not enough."""
    _, frame = shop
    closed = frame[frame["level"] == "closed"]
    assert closed[["sku", "week"]].to_numpy().tolist() == [["s1", 0], ["s4", -12]]
    assert closed[["units", "orders", "listed", "given"]].to_numpy().tolist() == [[0] * 4] * 2
    assert frame["level"].is_monotonic_increasing
    order = ["level", "discount_id", "discount_code", "sku", "week"]
    rows = frame[order].astype(object).where(frame[order].notna(), "~").to_numpy().tolist()
    assert rows == sorted(rows)
