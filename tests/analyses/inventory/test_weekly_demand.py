"""The metrics weekly_demand and demand_history compared with the same rules row by row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.analyses.inventory.demand import forecast
from d1lab.analyses.inventory.demand_weeks import demand_matrix, last_weeks
from d1lab.metrics import evaluate, load_metrics
from tests.support.examples import examples

UNTIL = date(2026, 5, 31)
WEEKS = 3

Stock = tuple[int, int, int]  # day back from UNTIL, starting units, units sold
Line = tuple[int, str, int, int]  # day back, type, units, discount; the list price is 10


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables for the two views of the metric."""
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE inventory_days (shop VARCHAR, sku VARCHAR, day DATE, "
            "starting_units BIGINT, units_sold BIGINT, row_id BIGINT);"
            "CREATE TABLE order_lines (shop VARCHAR, sku VARCHAR, day DATE, type VARCHAR, "
            "units BIGINT, discount_amount DECIMAL(18, 6), revenue DECIMAL(18, 6))"
        )
        yield con


def _from_sql(con, stock: list[Stock], lines: list[Line]):
    con.execute("DELETE FROM inventory_days; DELETE FROM order_lines")
    rows = [("s", "A", UNTIL - timedelta(d), a, q, n) for n, (d, a, q) in enumerate(stock)]
    sold = [("s", "A", UNTIL - timedelta(d), kind, u, c, 10 * u - c) for d, kind, u, c in lines]
    # Another shop's rows, and a product whose stock is not kept, change nothing.
    rows.append(("other", "A", UNTIL, 5, 5, 1))
    sold += [("other", "A", UNTIL, "order", 9, 1, 89), ("s", "B", UNTIL, "order", 1, 0, 10)]
    if not lines:
        sold = sold[:1]
    con.executemany("INSERT INTO inventory_days VALUES (?, ?, ?, ?, ?, ?)", rows)
    con.executemany("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?, ?)", sold)
    period = {"shop": "s", "until": UNTIL, "weeks": WEEKS}
    metrics = ("weekly_demand", "demand_history")
    return tuple(evaluate(con, load_metrics()[name], period).df() for name in metrics)


def _by_hand(stock: list[Stock], lines: list[Line], week: int):
    """Units, open days, demand and depth of one week: two days in stock, four known."""
    ledger = {day: (start, sold) for day, start, sold in stock}  # the row written last counts
    units = open_days = known_days = 0
    for day in range(7 * (WEEKS - 1 - week), 7 * (WEEKS - week)):
        ordered = sum(u for d, _, u, _ in lines if d == day)
        if day in ledger:
            start, sold = ledger[day]
            units += sold
            open_days += start > 0 or sold > 0
            known_days += 1
        else:
            units += ordered
            open_days += bool(lines)
            known_days += bool(lines)
    orders = [(u, c) for d, kind, u, c in lines if kind == "order" and WEEKS - 1 - d // 7 == week]
    value, given = (sum(10 * u for u, _ in orders) if orders else None), sum(c for _, c in orders)
    is_known = open_days >= 2 and known_days >= 4
    return {
        "units": units,
        "open_days": open_days,
        "demand_units": units * 7 / open_days if is_known else None,
        "discounted_units": sum(u for u, c in orders if c > 0),
        "discount_amount": given,
        "list_value": value,
        "depth": given / value if value else None,
    }


DAYS = st.integers(0, 7 * WEEKS + 2)
STOCK = st.tuples(DAYS, st.sampled_from([0, 0, 4, 9, -2]), st.sampled_from([0, 0, 1, 3, -1]))
ORDERS = st.tuples(DAYS, st.just("order"), st.integers(0, 4), st.integers(0, 8))
REFUNDS = st.tuples(DAYS, st.just("refund"), st.integers(-3, -1), st.integers(-2, 0))


@settings(max_examples=examples(50))
@given(st.lists(STOCK, min_size=1, max_size=30), st.lists(ORDERS | REFUNDS, max_size=10))
def test_weekly_demand_equals_row_by_row(con, stock, lines):
    """Duplicate days, stockouts, days without a row, refunds, and shops without orders."""
    frame, history = _from_sql(con, stock, lines)
    if all(day >= 7 * WEEKS for day, _, _ in stock):
        assert frame.empty  # no stock was kept in the period
        assert history.empty
        return
    assert list(zip(frame["sku"], frame["week"], strict=True)) == [("A", w) for w in range(WEEKS)]
    for week, row in frame.iterrows():
        for name, expected in _by_hand(stock, lines, week).items():
            got = None if row[name] != row[name] else row[name]
            assert got == (None if expected is None else pytest.approx(expected)), name
    # The lists of all weeks say the same.
    np.testing.assert_array_equal(demand_matrix(history, ["A"])[0], frame["demand_units"])
    for name in ("units", "depth"):
        values = last_weeks(history, ["A"], name, WEEKS)[0]
        np.testing.assert_array_equal(values, frame[name].fillna(0))


def test_an_article_that_sells_out_each_week_has_the_demand_of_its_days_in_stock(con):
    """Restocked with nine, three sold on each of three days, then nothing to sell: 21 a week."""
    stock = [
        (7 * week + day, max(9 - 3 * (6 - day), 0), 3 if day >= 4 else 0)
        for week in range(WEEKS)
        for day in range(7)
    ]
    frame, _ = _from_sql(con, stock, [])
    assert frame["demand_units"].tolist() == [21.0] * WEEKS
    assert frame["open_days"].tolist() == [3] * WEEKS


def test_a_product_that_sells_out_every_week_has_a_forecast(con):
    """Nine units on Mondays, sold out by Wednesday: three a day in stock, 84 in four weeks."""
    con.execute("DELETE FROM inventory_days; DELETE FROM order_lines")
    first, left = date(2026, 1, 5), {0: 9, 1: 6, 2: 3}  # Mondays; stock at the start of the day
    rows = []
    for number in range(25 * 7):
        start = left.get(number % 7, 0)
        rows.append(("s", "A", first + timedelta(number), start, min(start, 3), number))
    con.executemany("INSERT INTO inventory_days VALUES (?, ?, ?, ?, ?, ?)", rows)
    period = {"shop": "s", "until": first + timedelta(25 * 7 - 1), "weeks": 104}
    weeks = evaluate(con, load_metrics()["demand_history"], period).df()
    demand = forecast(demand_matrix(weeks, ["A"])).demand
    assert demand.reason.tolist() == [None]
    assert demand.forecast_units[0] == pytest.approx(4 * 7 * 3)
