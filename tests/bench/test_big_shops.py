"""The shops of the benchmark of big ones, in small: reports can read every table."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import benchmarks, runs_by_default
from bench.big_shops import SIZES, Size, Took, make, targets
from d1lab.config import load_settings
from d1lab.runs.run import open_lab

TABLES = (
    "products", "customers", "discount_totals", "daily_discounts", "product_costs",
    "inventory_days", "competitor_prices", "ab_tests", "ab_test_days",
)  # fmt: skip
UNTIL = "2025-12-30"
PRICES = {"own_days": 28, "max_age_days": 60, "currency": "USD"}
TINY = Size("tiny", 3_000, skus=60, customers=500, codes=8, tests=3)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    root: Path = tmp_path_factory.mktemp("big")
    make(root, TINY)
    with open_lab(load_settings(root=root)) as lab:
        yield lab


def test_a_shop_has_what_its_size_says(lab):
    """Lines are orders' of several; few products and customers have most of them."""
    [(lines, orders, skus, discounted)] = lab.sql(
        "SELECT count(*), count(DISTINCT order_id), count(DISTINCT sku), "
        "avg((discount_amount > 0)::INTEGER) FROM order_lines"
    ).fetchall()
    assert (lines, orders, skus) == (3_000, 1_200, 60)
    assert 0.25 < discounted < 0.35
    top = "SELECT count(*) FROM order_lines WHERE customer_id[2:]::INTEGER < 50"
    assert 0.25 < lab.sql(top).fetchall()[0][0] / lines < 0.4  # the square root of a tenth
    assert lab.sql("SELECT getvariable('zones_differ')").fetchall() == [(False,)]  # days are kept
    empty = [name for name in TABLES if not lab.sql(f"FROM {name} LIMIT 1").fetchall()]
    assert empty == []


def test_reports_read_the_shop(lab):
    """Costs, stock, competitors, and tests with daily sums."""
    assert (
        lab.metric("customer_scores", until=UNTIL, mode="quintile")["rfm_group"].notna().sum() > 50
    )
    assert lab.metric("turnover", until=UNTIL, days=90)["unit_cost"].notna().all()
    looks = lab.metric("ab_test_looks", until=UNTIL)
    assert len(lab.metric("ab_tests", until=UNTIL)) == len(looks["test_id"].unique()) == 3
    assert len(lab.metric("competitor_prices", until=UNTIL, **PRICES)) > 1


def test_targets_are_those_of_the_size():
    """Seconds of the slowest report, or the peak of one; big shops do not run by default."""
    took = {"customers": Took(61, 900), "inventory": Took(5, 1_201)}
    assert [each.is_met for each in targets(SIZES["16m"], took)] == [False]
    assert [each.is_met for each in targets(SIZES["wide"], took)] == [False]
    assert [each.is_met for each in targets(SIZES["customers"], took)] == [True]
    assert targets(SIZES["1m"], took) == []
    assert "big_shops" in benchmarks()
    assert not runs_by_default("big_shops")
    assert runs_by_default("idle")
