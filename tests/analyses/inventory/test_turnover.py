"""Inventory rates: published examples, a worked example, and a row-by-row reference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from statistics import mean
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import turnover as bench
from d1lab.analyses.inventory.turnover import StockLedger, Turnover, turnover
from d1lab.errors import InputError
from d1lab.metrics import evaluate, load_metrics
from tests.support.examples import examples

FIRST = date(2026, 5, 1)

YEAR = StockLedger(
    period_days=365,
    observed_days=365,
    in_stock_days=365,
    stockout_days=0,
    tracked_days=365,
    units_sold=0,
    average_units=0,
    starting_units=1,
    ending_units=1,
    received_units=0,
    recent_days=28,
    recent_units=0,
)
"""A year without a gap, to fill in what an example names."""

WORKED = StockLedger(8, 7, 5, 2, 6, 31, 101 / 7, 20, 20, 31, 7, 31)
"""The worked example: a restock, a stock-out, a missing day and a return."""


@pytest.fixture(scope="module")
def stock() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with empty tables for the views of the metric."""
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE inventory_days (shop VARCHAR, sku VARCHAR, day DATE, "
            "starting_units BIGINT, ending_units BIGINT, units_sold_with_discount BIGINT, "
            "units_sold BIGINT, source VARCHAR, row_id BIGINT, "
            "turnover_rate DOUBLE, days_of_supply DOUBLE);"
            "CREATE TABLE order_lines (shop VARCHAR, sku VARCHAR, day DATE, "
            "discount_amount DECIMAL(18, 6), revenue DECIMAL(18, 6));"
            "CREATE TABLE product_costs (shop VARCHAR, sku VARCHAR, unit_cost DECIMAL(18, 6), "
            "valid_from DATE);"
            "CREATE TABLE products (shop VARCHAR, sku VARCHAR, product_title VARCHAR, "
            "units_sold_with_discount BIGINT, units_sold_regular BIGINT, "
            "revenue_with_discount DECIMAL(18, 6), revenue_regular DECIMAL(18, 6), "
            "category VARCHAR, price DECIMAL(18, 6))"
        )
        yield con


Row = tuple[int, int, int, int, int]  # day from FIRST, start, with discount, regular, end


def _from_sql(con: duckdb.DuckDBPyConnection, ledgers: list[list[Row]], days: int) -> Any:
    """The metric's frame for ledgers of SKUs '00', '01', ... over `days` from FIRST."""
    con.execute("DELETE FROM inventory_days")
    rows = [
        (
            "shop",
            f"{sku:02}",
            FIRST + timedelta(day),
            start,
            end,
            cut,
            cut + full,
            None,
            n,
            None,
            None,
        )
        for sku, ledger in enumerate(ledgers)
        for n, (day, start, cut, full, end) in enumerate(ledger)
    ]
    con.executemany("INSERT INTO inventory_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    period = {"shop": "shop", "until": FIRST + timedelta(days - 1), "days": days}
    return evaluate(con, load_metrics()["turnover"], period).df()


def _by_hand(ledger: list[Row], days: int) -> dict[str, Any]:
    """The rules, one row at a time, as a planner would do them on paper."""
    by_day = {}
    for day, start, cut, full, end in ledger:  # of repeated rows the last counts
        if 0 <= day < days:
            by_day[day] = (start, cut + full, end)
    rows = [by_day[day] for day in sorted(by_day)]
    n, sold = len(rows), sum(q for _, q, _ in rows)
    known = {"coverage": n / days}
    if n / days < 0.7:
        return known | {"reason": "low_coverage"}
    if all(s <= 0 and e <= 0 for s, _, e in rows):
        if sold > 0:
            return known | {"reason": "untracked"}
        known["stockout_rate"] = 1.0
        return known | {"reason": "no_inventory"}
    stockouts = sum(e <= 0 for _, _, e in rows)
    known["stockout_rate"] = stockouts / n
    if sold < 0:
        return known | {"reason": "net_returns"}
    known |= _rates_by_hand(rows)
    if sold == 0:
        return known | {"reason": "no_sales"}
    stock = max(rows[-1][2], 0)
    known["days_of_supply"] = stock / known["velocity"]
    known["sales_days"] = 365 / known["annual_turnover"]
    recent = [by_day[day][1] for day in by_day if day >= days - 28]
    if sum(recent) > 0:
        known["days_of_supply_28"] = stock / (sum(recent) / len(recent))
    return known | {"reason": None}


def test_cost_is_the_one_that_is_valid_on_the_last_day(stock):
    """Costs of the day before, of the day, and of the day after; three units are left."""
    costs = [(3, FIRST + timedelta(6)), (4, FIRST + timedelta(7)), (5, FIRST + timedelta(8))]
    stock.executemany("INSERT INTO product_costs VALUES ('shop', '00', ?, ?)", costs)
    found = _from_sql(stock, [[(day, 3, 0, 0, 3) for day in range(8)]], 8)
    stock.execute("DELETE FROM product_costs")
    assert found[["unit_cost", "tied_up_at_cost"]].to_numpy().tolist() == [[4, 12]]


def test_prices_revenue_and_names_of_a_period(stock):
    """The average price, or else the list price; revenue of orders, or else of units sold."""
    neighbor = ("other", "00", "Zoo", 9, 9, 99, 99, "zz", 99)
    products = [
        ("shop", "00", "Ale", 3, 1, 12, 8, "a", 9), ("shop", "00", "Bun", 1, 0, 5, 0, "b", 7),
        ("shop", "01", None, 0, 0, 0, 0, None, 6), ("shop", "01", None, None, 0, 0, 0, None, 4),
        ("shop", "02", "Cap", 1, 0, 4, 0, None, None),
        ("shop", "03", "Dot", 1, 0, 0, 0, None, 3), neighbor,
    ]  # fmt: skip
    days = [FIRST - timedelta(1), FIRST, FIRST + timedelta(7), FIRST + timedelta(8)]
    orders = [("shop", "00", day, 2.0**n, 10.0 * 3**n) for n, day in enumerate(days)]
    orders += [("shop", "02", FIRST, 0.0, 5.0), ("shop", "02", FIRST, -1.0, -2.0)]
    orders += [("other", "00", FIRST, 500.0, 5_000.0)]
    stock.executemany(f"INSERT INTO products VALUES ({', '.join('?' * 9)})", products)
    stock.executemany("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)", orders)
    ledgers = [[(day, 9, 1, 1, end) for day in range(8)] for end in (6, 2, -3, 4, 1)]
    found = _from_sql(stock, ledgers, 8)
    stock.execute("DELETE FROM products; DELETE FROM order_lines")
    names = ["product", "category", "unit_price", "tied_up", "revenue", "discount_given"]
    shown = found[names].astype(object).where(found[names].notna(), None).to_numpy().tolist()
    assert shown == [
        ["Bun (00)", "b", 5.0, 30.0, 30.0 + 90.0, 2.0 + 4.0],
        ["01", None, 6.0, 12.0, 16 * 6.0, None],
        ["Cap (02)", None, 4.0, 0.0, 3.0, -1.0],  # oversold: nothing is tied up
        ["Dot (03)", None, 0.0, 0.0, 0.0, None],
        ["04", None, None, None, None, None],
    ]
    assert found["units_sold_with_discount"].tolist() == [8] * 5
    assert set(found["shop"]) == {"shop"}


def test_figures_of_the_last_day_and_of_the_last_28(stock):
    """Stored figures of the day of the report, recent sales, and the days of a row."""
    days = [(day, 5, 0, int(day in (1, 2, 40)), 5) for day in range(1, 42) if day != 41]
    frame = _from_sql(stock, [days, [(41, 0, 0, 0, 0), (41, 3, 0, 2, 1)]], 42)
    first, second = frame.to_dict("records")
    assert (first["first_day"].date(), first["last_day"].date()) == (
        FIRST + timedelta(1),
        FIRST + timedelta(40),
    )
    assert first["last_sale_day"].date() == FIRST + timedelta(40)
    assert (first["recent_days"], first["recent_units"], first["units_sold"]) == (27, 1, 3)
    assert (second["recent_days"], second["recent_units"]) == (1, 2)
    assert (second["starting_units"], second["ending_units"]) == (3, 1)
    stock.execute(
        "UPDATE inventory_days SET turnover_rate = row_id, days_of_supply = 2 * row_id,"
        " source = CASE WHEN sku = '00' AND row_id = 7 THEN 'simulated' ELSE 'app' END"
    )
    period = {"shop": "shop", "until": FIRST + timedelta(40), "days": 40}
    [row] = evaluate(stock, load_metrics()["turnover"], period).df().to_dict("records")
    assert (row["stored_turnover_rate"], row["stored_days_of_supply"]) == (39, 78)
    assert (row["simulated"], row["observed_days"], row["period_days"]) == (True, 40, 40)


def _rates_by_hand(rows: list[tuple[int, int, int]]) -> dict[str, float]:
    """What is known of start, sales and end per day where stock was kept and none came back."""
    sold, stock = sum(q for _, q, _ in rows), max(rows[-1][2], 0)
    average = mean((max(s, 0) + max(e, 0)) / 2 for s, _, e in rows)
    rates = {"turnover": sold / average, "annual_turnover": sold / average * 365 / len(rows)}
    if in_stock := sum(s > 0 or q > 0 for s, q, _ in rows):
        rates["velocity"] = sold / in_stock
        rates["lost_units_estimate"] = rates["velocity"] * sum(e <= 0 for _, _, e in rows)
    if sold + stock > 0:
        rates["sell_through_on_hand"] = sold / (sold + stock)
    available = rows[0][0] + sum(max(e - (s - q), 0) for s, q, e in rows)
    if available > 0:
        rates["sell_through_available"] = sold / available
    if rows[0][0]:
        rates["percent_sold"] = sold / rows[0][0]
    return rates


def _assert_same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in Turnover._fields:
        want = expected.get(name)
        if want is None or isinstance(want, str):
            assert got[name] == want, name
        else:
            assert got[name] == pytest.approx(want, rel=1e-9, abs=1e-12), name


def _one(result: Turnover, i: int) -> dict[str, Any]:
    """One SKU of an array result, with None for NaN as the scalar result has it."""
    values = {name: array[i] for name, array in result._asdict().items()}
    return {k: None if v is None or v != v else v for k, v in values.items()}


def test_turnover_worked_example_through_sql(stock, oracles):
    """The worked example, from its rows to its rates, to nine digits."""
    worked = oracles["inventory"]["worked"]
    rows = [
        (
            (date.fromisoformat(r["date"]) - FIRST).days,
            r["starting"],
            r["sold_disc"],
            r["sold_reg"],
            r["ending"],
        )
        for r in worked["rows"]
    ]
    frame = _from_sql(stock, [rows], worked["calendar_days"])
    counts = frame.iloc[0]
    assert counts["observed_days"] == worked["observed_days"]
    assert counts["units_sold"] == worked["units_sold"]
    assert counts["average_units"] == pytest.approx(worked["avg_inventory"], rel=1e-9)
    assert counts["in_stock_days"] == worked["in_stock_days"]
    assert counts["stockout_days"] == worked["stockout_days"]
    assert counts["received_units"] - counts["shrunk_units"] == sum(worked["net_adjustment"])
    rates = _one(turnover(StockLedger.of(frame)), 0)
    expected = {
        "turnover": "turnover_period",
        "annual_turnover": "turnover_annualised",
        "sales_days": "dsi",
        "velocity": "velocity_in_stock",
        "days_of_supply": "days_of_supply_in_stock",
        "days_of_supply_28": "days_of_supply_shopify",
        "percent_sold": "percent_sold",
        "sell_through_on_hand": "sell_through_onhand",
        "sell_through_available": "sell_through_available",
    }
    for name, oracle in expected.items():
        assert rates[name] == pytest.approx(worked[oracle], rel=1e-9), name
    assert rates["coverage"] == 7 / 8
    assert rates["stockout_rate"] == pytest.approx(2 / 7)
    assert rates["lost_units_estimate"] == pytest.approx(6.2 * 2)
    assert rates["reason"] is None


def test_turnover_of_odd_ledgers_by_hand(stock):
    """90 days: dead and negative stock, an oversell, returns above sales, and every other day."""
    days = range(90)
    oversold = [(2, 1), (1, 0), (0, -1)] + [(-1, -1)] * 87
    ledgers = {
        "sells": [(day, 100 - day, 0, 1, 99 - day) for day in days],
        "dead": [(day, 50, 0, 0, 50) for day in days],
        "negative": [(day, -3, 0, 0, -3) for day in days],
        "oversold": [(day, s, 0, int(day < 3), e) for day, (s, e) in enumerate(oversold)],
        "returned": [(day, 10 + day, 0, -1, 11 + day) for day in days],
        "every other day": [(day, 20, 0, 1, 19) for day in days if day % 2],
        "refilled at night": [(day, 10, 1, 1, 8) for day in days],
    }
    rates = turnover(StockLedger.of(_from_sql(stock, list(ledgers.values()), 90)))
    found = {name: _one(rates, number) for number, name in enumerate(ledgers)}
    reasons = {name: one["reason"] for name, one in found.items()}
    assert reasons == {
        "sells": None,
        "dead": "no_sales",
        "negative": "no_inventory",
        "oversold": None,
        "returned": "net_returns",
        "every other day": "low_coverage",
        "refilled at night": None,
    }
    # 100 to 10 units at 1 a day: 55 on average, 90 / 55 turns, 10 days left.
    assert found["sells"]["turnover"] == pytest.approx(1.6364, abs=5e-5)
    assert found["sells"]["days_of_supply"] == pytest.approx(10)
    assert found["dead"]["turnover"] == 0
    assert found["dead"]["days_of_supply"] is None
    assert found["oversold"]["days_of_supply"] == 0  # never below 0
    assert found["oversold"]["stockout_rate"] == pytest.approx(89 / 90)
    assert found["refilled at night"]["turnover"] == pytest.approx(180 / 9)


def test_turnover_published_examples(oracles):
    """Turns and days as published by five vendors, with amounts in place of units."""
    published = {e["source"].split()[0]: e for e in oracles["inventory"]["published"]}
    perfect = published["stockperfect.ai"]
    rates = turnover(YEAR._replace(units_sold=perfect["COGS"], average_units=perfect["avg"]))
    assert rates.turnover == pytest.approx(perfect["turnover"], rel=1e-9)
    assert round(rates.sales_days) == perfect["days"]
    forstock = published["forstock.io"]
    rates = turnover(YEAR._replace(units_sold=forstock["COGS"], average_units=forstock["avg"]))
    assert round(rates.turnover, 2) == forstock["turnover"]
    for kind in ("retail", "cost", "units"):
        sold, average, turns = published["threebuckets.com"][kind]
        rates = turnover(YEAR._replace(units_sold=sold, average_units=average))
        assert round(rates.turnover, 1) == turns
    lexicon = published["infinitelexicon"]
    rates = turnover(YEAR._replace(units_sold=lexicon["COGS"], average_units=lexicon["avg_inv"]))
    assert rates.sales_days == pytest.approx(lexicon["dsi"], rel=1e-9)


@pytest.mark.parametrize(("start", "sold", "share"), [(5, 10, 2.0), (-5, 2, -0.4), (0, 3, None)])
def test_turnover_percent_sold_as_shopify(start, sold, share):
    """Shopify's percent sold: above 1 after a restock, negative when oversold, none from zero."""
    ledger = YEAR._replace(starting_units=start, units_sold=sold, average_units=4.0)
    assert turnover(ledger).percent_sold == share


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"observed_days": 5, "in_stock_days": 5, "recent_days": 5}, "low_coverage"),
        ({"tracked_days": 0, "average_units": 0.0, "ending_units": -11}, "untracked"),
        ({"tracked_days": 0, "average_units": 0.0, "units_sold": 0}, "no_inventory"),
        ({"units_sold": 0, "recent_units": 0}, "no_sales"),
        ({"units_sold": -2, "recent_units": -2}, "net_returns"),
    ],
)
def test_turnover_abstains_with_its_reason(changes, reason):
    """No figure is made up: days of supply are missing, never 0, infinite, or 999."""
    rates = turnover(WORKED._replace(**changes))
    assert rates.reason == reason
    assert rates.days_of_supply is None
    assert rates.sales_days is None
    assert (rates.turnover == 0) if reason == "no_sales" else (rates.turnover is None)
    assert (rates.stockout_rate is None) == (reason in ("low_coverage", "untracked"))


def test_turnover_coverage_at_its_edge():
    """70% of the days are enough; one day less out of ten is not."""
    ledger = YEAR._replace(period_days=10, tracked_days=6, in_stock_days=6, recent_days=6)
    ledger = ledger._replace(units_sold=5, average_units=2.0)
    assert turnover(ledger._replace(observed_days=7)).reason is None
    assert turnover(ledger._replace(observed_days=6)).reason == "low_coverage"


def test_turnover_arrays_and_numbers_agree():
    """A single SKU and the same SKU among others have equal figures."""
    others = [
        WORKED,
        WORKED._replace(units_sold=0, recent_units=0),
        WORKED._replace(observed_days=5),
    ]
    together = turnover(StockLedger(*(np.array(column) for column in zip(*others, strict=True))))
    for i, ledger in enumerate(others):
        alone = turnover(ledger)._asdict()
        assert _one(together, i) == alone


def test_turnover_takes_no_sku_at_all():
    """A shop without inventory gives empty arrays, not an error."""
    empty = turnover(StockLedger(*(np.array([]) for _ in StockLedger._fields)))
    assert all(len(field) == 0 for field in empty)


@pytest.mark.parametrize(
    "changes",
    [
        {"units_sold": None},
        {"average_units": float("nan")},
        {"observed_days": 9},
        {"stockout_days": -1},
        {"recent_days": 9},
        {"period_days": 0},
        {"units_sold": "many"},
        {"units_sold": np.array([1, 2, 3]), "ending_units": np.array([1, 2])},
    ],
)
def test_turnover_refuses_impossible_counts(changes):
    """A missing count, more days than the period has, or different lengths are rejected."""
    with pytest.raises(InputError):
        turnover(WORKED._replace(**changes))


@st.composite
def _ledgers(draw: st.DrawFn, days: int) -> list[Row]:
    """Rows as they may come: days missing, repeated or outside the period; oversold; returns."""
    missing = draw(st.sets(st.integers(0, days - 1), max_size=days // 3))
    repeated = draw(st.lists(st.integers(-3, days + 2), max_size=4))
    written = [day for day in range(days) if day not in missing] + repeated
    stock = st.sampled_from([0, 0, 0, 1, 3, 8, 20, -4]) if draw(st.booleans()) else st.just(0)
    units = st.sampled_from([0, 0, 1, 2, 7, -2])
    counts = st.tuples(stock, units, units, stock)
    return [(day, *draw(counts)) for day in written]


@settings(max_examples=examples(60))
@given(data=st.data(), days=st.sampled_from([7, 35]))
def test_turnover_equals_row_by_row_reference(stock, data, days):
    """SQL and statistics together equal a computation by hand, on any ledger: with
    restocks, overselling, negative stock, missing days, duplicate days, and returns."""
    ledgers = data.draw(st.lists(_ledgers(days), min_size=1, max_size=3))
    frame = _from_sql(stock, ledgers, days)
    rates = turnover(StockLedger.of(frame))
    for i, sku in enumerate(frame["sku"]):
        _assert_same(_one(rates, i), _by_hand(ledgers[int(sku)], days))


@settings(max_examples=examples(40))
@given(days=st.integers(7, 40), data=st.data())
def test_turnover_equals_reference_on_kept_ledgers(stock, days, data):
    """The same on consistent ledgers: all days, each starting where the last one ended."""
    start, rows = data.draw(st.integers(-3, 30)), []
    for day in range(days):
        cut, full = data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
        received = data.draw(st.sampled_from([0, 0, 0, 12, -2]))
        end = start - cut - full + received
        rows.append((day, start, cut, full, end))
        start = end
    frame = _from_sql(stock, [rows], days)
    _assert_same(_one(turnover(StockLedger.of(frame)), 0), _by_hand(rows, days))
    counts = frame.iloc[0]
    assert counts["gap_days"] == counts["gap_units"] == counts["repeated_days"] == 0
    sold, received = counts["units_sold"], counts["received_units"] - counts["shrunk_units"]
    assert counts["ending_units"] == counts["starting_units"] - sold + received


def test_turnover_ledger_that_does_not_add_up_is_reported(stock):
    """Receipts, shrinkage, gaps between days, and duplicate rows are counted, not hidden."""
    rows = [
        (0, 10, 0, 2, 8),
        (1, 9, 0, 1, 5),  # begins one above yesterday's end, and loses three
        (1, 8, 0, 1, 5),  # written again: begins right, loses two
        (2, 5, 0, 0, 9),  # receives four
        (3, 6, 0, 1, 5),  # begins three below
        (6, 3, 0, 0, 3),  # two days were not seen: two units went unseen, no fault of a day
    ]
    counts = _from_sql(stock, [rows], 7).iloc[0]
    assert counts["repeated_days"] == 1
    assert (counts["shrunk_units"], counts["received_units"]) == (2, 4)
    assert (counts["gap_days"], counts["gap_units"], counts["unseen_units"]) == (1, 3, 2)


def test_turnover_sql_leaves_out_days_not_wholly_known(tiny_lab):
    """A day with a missing count is not observed and lowers the coverage."""
    frame = tiny_lab.metric("turnover", until="2026-05-08", days=8).set_index("sku")
    assert frame.loc["sparse", "observed_days"] == 2
    rates = turnover(StockLedger.of(frame))
    reasons = dict(zip(frame.index, rates.reason, strict=True))
    assert reasons == {
        "dead": "no_sales",
        "empty": "no_inventory",
        "evil": None,
        "plain": None,
        "sparse": "low_coverage",
        "untracked": "untracked",
        "worked": None,
    }


def test_turnover_equals_pandas_on_many_skus(tmp_path):
    """Both contenders of the benchmark agree, with missing, duplicate, and inconsistent days."""
    path = tmp_path / "ledger.parquet"
    bench.write_ledger(path, skus=120, days=90)
    ours = bench.ours(path, days=90).set_index("sku")
    theirs = bench.pandas(path, days=90).set_index("sku")
    assert len(ours) == len(theirs) == 120
    assert ours["repeated_days"].sum() > 0
    assert ours["gap_days"].sum() > 0
    for column in [*bench.COUNTS, "average_units"]:
        np.testing.assert_allclose(
            ours[column].astype(float), theirs[column].astype(float), rtol=1e-12, err_msg=column
        )
