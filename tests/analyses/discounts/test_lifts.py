"""Observed lifts: the weeks behind them counted by hand, their verdicts, and their silence."""

from __future__ import annotations

from collections import defaultdict

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discounts import earnings, lifts
from d1lab.analyses.discounts.elasticity import Elasticity
from d1lab.metrics import evaluate, load_metrics

UNTIL, DAYS = "2026-05-08", 97
LEVELS = {"sku": (), "discount": ("discount_id",), "code": ("discount_id", "discount_code")}
SLOPE = Elasticity(-2.0, 0.2, -2.4, -1.6, -1.0, 20, 52, 900, None)


@pytest.fixture
def shop():
    """Random lines of six articles over a hundred days, some with one of two discounts."""
    random = np.random.default_rng(8)
    rows = 3_000
    name = random.choice(["spring", "vip", ""], rows, p=[0.3, 0.1, 0.6])
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
    with duckdb.connect() as con:
        con.register("lines", lines)
        con.execute("CREATE VIEW order_lines AS SELECT * REPLACE (day::DATE AS day) FROM lines")
        given = {"shop": "harbor", "until": UNTIL, "days": DAYS}
        frame = evaluate(con, load_metrics()["discount_lift"], given).df()
    return lines, frame.astype(object).where(frame.notna(), None)


def test_metric_counts_weeks_as_its_header_says(shop):
    """Units, orders and depth, regular weeks, discounts with half the units, in plain Python."""
    lines, frame = shop
    weeks = defaultdict(list)
    for line in lines.astype(object).where(lines.notna(), None).itertuples():
        ago = (pd.Timestamp(UNTIL) - line.day).days
        if line.shop == "harbor" and line.type == "order" and ago < 91:
            weeks[line.sku, -(ago // 7)].append(line)
    orders = defaultdict(list)
    for (sku, _), sold in weeks.items():
        orders[sku].append(len({line.order_id for line in sold}))
    expected = set()
    for (sku, week), sold in weeks.items():
        if np.mean(orders[sku]) < 1.5:
            continue
        units, given = sum(one.units for one in sold), sum(one.discount_amount for one in sold)
        depth = given / (given + sum(one.revenue for one in sold))
        row = (sku, week, units, len({one.order_id for one in sold}))
        if depth < 0.02:
            expected.add(("regular", None, None, *row))
            continue
        for level, names in LEVELS.items():
            for key in {tuple(getattr(one, name) for name in names) for one in sold}:
                mine = [one for one in sold if tuple(getattr(one, n) for n in names) == key]
                mine = [one for one in mine if one.discount_id]
                if None not in key and sum(one.units for one in mine) >= units / 2:
                    expected.add((level, *key, *[None] * (2 - len(key)), *row))
    names = ["level", "discount_id", "discount_code", "sku", "week", "units", "orders"]
    assert {tuple(row) for row in frame[names].to_numpy()} == expected
    assert {row[0] for row in expected} == {"regular", "sku", "discount", "code"}
    assert len({row[3] for row in expected}) < 6  # the rare ones are left out


def test_metric_gives_the_depth_of_the_whole_week(shop):
    """Also of what was sold beside the discount."""
    lines, frame = shop
    row = frame[frame.level == "sku"].iloc[0]
    since = pd.Timestamp(UNTIL) + pd.Timedelta(days=7 * row.week - 6)
    mine = lines[(lines.shop == "harbor") & (lines.type == "order") & (lines.sku == row.sku)]
    mine = mine[mine.day.between(since, since + pd.Timedelta(days=6))]
    given = mine.discount_amount.sum()
    assert row.depth == pytest.approx(given / (given + mine.revenue.sum()))


@pytest.fixture
def weeks():
    """Thirty products; a discount on half of them in every third week doubles what they sell."""
    random = np.random.default_rng(2)
    sku, week = (grid.ravel() for grid in np.mgrid[0:30, -30:0])
    with_it = (sku < 15) & ((sku + week) % 3 == 0)
    orders = random.poisson(np.where(with_it, 8, 4))
    frame = pd.DataFrame(
        {
            "level": "regular",
            "discount_id": None,
            "discount_code": None,
            "sku": [f"s{number:02}" for number in sku],
            "week": week,
            "units": orders,
            "orders": orders,
            "depth": np.where(with_it, 0.2, 0.0),
        }
    )[orders > 0]
    spring = frame[frame.depth > 0].assign(discount_id="spring", discount_code="SPRING")
    levels = [spring.assign(level=level) for level in ("sku", "discount", "code")]
    return pd.concat([frame[frame.depth == 0], *levels], ignore_index=True)


def test_observed_finds_all_levels(weeks):
    """Discount, code, all together: each near 100 %; most single products, too."""
    found = lifts.observed(weeks)
    for level in ("all", "discount", "code"):
        [row] = found[found.level == level].to_dict("records")
        assert row["observed_low"] < 1 < row["observed_high"]
        assert row["observed_depth"] == pytest.approx(0.2)
        assert (row["lift_skus"], row["why"]) == (15, None)
    skus = found[(found.level == "sku") & found.observed_lift.notna()]
    assert len(skus) == 15
    assert ((skus.observed_low < 1) & (skus.observed_high > 1)).mean() > 0.7
    figure = lifts.figure(found)
    assert figure["low"] < figure["value"] < figure["high"]
    assert "15 products" in figure["note"]


def test_earned_weighs_the_observed_lift(weeks):
    """Doubled units pay at a margin of half the price, not at a quarter; unknown costs say no."""
    rows = pd.DataFrame(
        {
            "level": "discount",
            "discount_id": ["spring", "spring", "spring", "other"],
            "depth": 0.3,
            "margin_rate": [0.5, 0.22, None, 0.5],
            "units": 10,
        }
    )
    found = earnings.earned(rows, "discount", SLOPE, lifts.observed(weeks))
    assert found.lift_depth.tolist() == pytest.approx([0.2, 0.2, 0.2, 0.3])
    assert found.lift_pays.tolist()[:2] == ["yes", "no"]
    assert found.lift_pays.isna().tolist() == [False, False, True, True]
    assert found.break_even_lift.iloc[0] == pytest.approx(0.5 / 0.3 - 1)
    lift = found.observed_lift.iloc[0]
    assert found.break_even_margin.iloc[0] == pytest.approx(0.2 * (1 + lift) / lift)
    assert found.why.isna().tolist() == [True, True, True, False]
    assert found.why.iloc[3] == lifts.UNUSED
    assert earnings.with_lift(found, 2).index.tolist() == [0, 1]
    assert earnings.lift_columns(found).startswith(earnings.BROUGHT + " break_even_lift lift_pays ")
    shop = found.iloc[3]
    assert shop.break_even_margin == pytest.approx(0.3 / (1 - 0.7**2))


def test_earned_never_pays_where_the_depth_eats_the_margin(weeks):
    """No lift is enough below cost: the answer is no, though the break-even lift is not known."""
    rows = pd.DataFrame(
        {"level": ["discount"], "discount_id": ["spring"], "depth": [0.2], "margin_rate": [0.1]}
    )
    found = earnings.earned(rows, "discount", SLOPE, lifts.observed(weeks))
    assert found.lift_pays.tolist() == ["no"]


def test_observed_is_silent_with_reasons(weeks):
    """Nine products are too few for a discount; each row says why, and so does the figure."""
    found = lifts.observed(weeks[(weeks.level == "regular") | (weeks.sku < "s09")])
    assert found[found.level != "sku"].observed_lift.isna().all()
    assert found[found.level != "sku"].why.str.startswith("fewer than 10 products").all()
    assert lifts.figure(found)["value"] is None
    assert lifts.silent(found).startswith("No lift available. Most common reason: fewer than")


def test_observed_takes_a_shop_without_weeks(tiny_lab):
    """Where no discount ever made up half of a week, nothing is compared, and no error raised."""
    found = lifts.observed(tiny_lab.metric("discount_lift", until=UNTIL, days=DAYS))
    assert found.level.tolist() == ["all"]
    assert lifts.silent(found) == f"No lift available: {lifts.UNUSED}."
