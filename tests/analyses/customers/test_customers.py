"""The customer metrics compared with plain Python over the same order lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import NamedTuple

import duckdb
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.analyses.customers.segments import Customer, segment
from d1lab.metrics import evaluate, load_metrics
from tests.support.drawn_shop import create_customer_orders
from tests.support.examples import examples

METRICS = load_metrics()
START = date(2026, 1, 1)


class Line(NamedTuple):
    """One order line or refunded line; units and revenue as positive numbers."""

    customer: str | None
    order: str
    day: int  # since START
    units: int = 1
    revenue: str = "10.00"
    type: str = "order"
    discounted: bool = False


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE order_lines (shop VARCHAR, customer_id VARCHAR, order_id VARCHAR, "
            "day DATE, units BIGINT, revenue DECIMAL(18, 6), type VARCHAR, "
            "discount_amount DECIMAL(18, 6));"
            "CREATE TABLE customers (shop VARCHAR, customer_id VARCHAR, "
            "last_purchase_day DATE, "
            "average_order_value DECIMAL(18, 6), discounts_used BIGINT, savings DECIMAL(18, 6));"
            "CREATE TABLE walk_in_customers (shop VARCHAR, customer_id VARCHAR)"  # nobody is
        )
        create_customer_orders(con)
        yield con


def _metric(con, name: str, lines: Iterable[Line], **params: object) -> pd.DataFrame:
    con.execute("DELETE FROM order_lines; DELETE FROM customers")
    con.execute(_INSERT, {"start": START, "lines": orjson.dumps(list(map(tuple, lines))).decode()})
    return evaluate(con, METRICS[name], {"shop": "shop", **params}).df()


_INSERT = """
INSERT INTO order_lines
SELECT
    'shop', line->>0, line->>1, $start + (line->>2)::INTEGER, sign * (line->>3)::BIGINT,
    sign * (line->>4)::DECIMAL(18, 6), line->>5, (line->>6)::BOOLEAN::INTEGER
FROM (SELECT unnest($lines::JSON::JSON[]) AS line),
    LATERAL (SELECT CASE line->>5 WHEN 'refund' THEN -1 ELSE 1 END AS sign)
"""


class Bought(NamedTuple):
    """Purchases of one customer by plain Python."""

    days: tuple[int, ...]  # of purchases, in order
    spend: Decimal
    orders: int
    cancelled: int
    refunded: Decimal


def _bought(lines: Iterable[Line], until: int) -> dict[str, Bought]:
    """Return the purchases per customer: days merged, fully returned orders dropped."""
    orders: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        if line.day <= until and line.customer is not None:
            orders[line.customer, line.order].append(line)
    found: dict[str, list] = defaultdict(lambda: [set(), Decimal(0), 0, 0, Decimal(0)])
    for (customer, _), parts in orders.items():
        sold = [x for x in parts if x.type == "order"]
        back = [x for x in parts if x.type == "refund"]
        entry = found[customer]
        money = sum(Decimal(x.revenue) for x in sold) - sum(Decimal(x.revenue) for x in back)
        entry[4] += sum(Decimal(x.revenue) for x in back)
        entry[1] += money
        if sold and sum(x.units for x in sold) > sum(x.units for x in back):
            entry[0].add(min(x.day for x in sold))
            entry[2] += 1
        elif sold:
            entry[3] += 1
    return {c: Bought(tuple(sorted(e[0])), *e[1:]) for c, e in found.items()}


def _reference(lines: list[Line], until: int) -> dict[str, tuple]:
    """Return scores and group by `segments.segment`."""
    bought = _bought(lines, until)
    buyers = {c: b for c, b in sorted(bought.items()) if b.days}
    gaps = [(b.days[-1] - b.days[0]) / (len(b.days) - 1) for b in buyers.values() if b.days[1:]]
    customers = [Customer(until - b.days[-1], len(b.days), b.spend) for b in buyers.values()]
    found = segment(customers, gap_days=median(gaps) if gaps else None)
    known = {c: tuple(s) for c, s in zip(buyers, found, strict=True)}
    return {c: known.get(c, (None, None, None, "Prospects", None)) for c in bought}


def _plain(frame: pd.DataFrame, *columns: str) -> dict[str, tuple]:
    rows = frame.astype(object).where(frame.notna(), None)
    return {row["customer_id"]: tuple(row[c] for c in columns) for _, row in rows.iterrows()}


LABELS = ("r_score", "f_score", "m_score", "rfm_group", "reason")

lines_of_a_shop = st.lists(
    st.builds(
        Line,
        customer=st.integers(0, 70).map("c{}".format) | st.none(),
        order=st.integers(0, 150).map("o{}".format),
        day=st.integers(0, 12),
        units=st.integers(0, 2),
        revenue=st.sampled_from(["0.00", "1.00", "2.50", "10.00"]),
        type=st.sampled_from(["order", "order", "order", "refund"]),
    ),
    max_size=60,
)


@settings(max_examples=examples(80))
@given(lines_of_a_shop, st.sampled_from([0, 60]), st.integers(6, 12))
def test_customer_scores_equal_the_reference(con, lines, more, until):
    """With ties, refunds, canceled orders, and unknown customers, in small and large shops."""
    lines += [Line(f"m{i}", f"m{i}", i % 5, revenue=f"{1 + i % 7}.00") for i in range(more)]
    day = START + timedelta(until)
    found = _metric(con, "customer_scores", lines, until=day, mode="quintile")
    assert _plain(found, *LABELS) == _reference(lines, until)
    bought = _bought(lines, until)
    counts = {c: (len(b.days), b.orders, b.cancelled, float(b.refunded)) for c, b in bought.items()}
    columns = ("purchases", "orders", "cancelled_orders", "refunded")
    assert _plain(found, *columns) == counts
    spend = {c: float(b.spend) if b.days else 0.0 for c, b in bought.items()}
    assert {c: s for c, (s,) in _plain(found, "spend").items()} == pytest.approx(spend)


def test_customer_scores_of_the_worked_set(con, oracles: dict):
    """The reference numbers' eleven customers; ten of each, so that quintiles apply."""
    case = oracles["customers"]["rfm_small_set"]
    lines = [
        Line(f"{c}{copy}", f"{i}-{copy}", (date.fromisoformat(day) - START).days, 1, str(spend))
        for i, (c, day, spend) in enumerate(case["transactions"])
        for copy in range(10)
    ]
    found = _metric(con, "customer_scores", lines, until=case["as_of"], mode="quintile")
    columns = ("days", "purchases", "spend", "r_score", "f_score", "m_score", "rfm_group")
    keys = ("days", "orders", "spend", "R", "F", "M", "group")
    expected = {f"{row['id']}{copy}": tuple(row[k] for k in keys)
                for row in case["result"] for copy in range(10)}  # fmt: skip
    assert _plain(found, *columns) == expected
    assert set(found.confidence) == {"low"}


def test_customer_scores_cut_tiles_as_shopify_does(con):
    """NTILE splits ties into five equal parts; the quintile rule keeps ties together."""
    lines = [Line(f"c{i:02}", f"o{i}", 0 if i < 30 else 5) for i in range(60)]
    lines += [Line("c00", "again", 6, revenue="5.00")]
    tiles = _metric(con, "customer_scores", lines, until=START + timedelta(9), mode="ntile")
    own = _metric(con, "customer_scores", lines, until=START + timedelta(9), mode="quintile")
    assert tiles.r_score.value_counts().to_dict() == dict.fromkeys(range(1, 6), 12)
    assert tiles.f_score.value_counts().to_dict() == dict.fromkeys(range(1, 6), 12)
    assert own.r_score.value_counts().to_dict() == {1: 29, 3: 30, 5: 1}
    assert own.f_score.value_counts().to_dict() == {1: 59, 5: 1}


@pytest.mark.parametrize(
    ("mode", "buyers", "confidence"),
    [("quintile", 49, "fixed_rules"), ("quintile", 50, "low"), ("ntile", 49, "fixed_rules"),
     ("quintile", 199, "low"), ("quintile", 200, "normal")],
)  # fmt: skip
def test_quintiles_begin_with_50_buyers(con, mode: str, buyers: int, confidence: str):
    """Of customers 0, 1, 2, ... who bought that many days ago and that much."""
    lines = [Line(f"c{i:03}", f"o{i}", 300 - i, 1, f"{10 + i}.00") for i in range(buyers)]
    lines += [Line("c000", "again", 299)]
    found = _metric(con, "customer_scores", lines, until=START + timedelta(300), mode=mode)
    assert set(found["confidence"]) == {confidence}
    tiles = found["m_score"].value_counts()
    if mode == "ntile":
        assert tiles.to_dict() == {1: 10, 2: 10, 3: 10, 4: 10, 5: 9}
    elif buyers < 50:
        assert found["r_score"].tolist() == [5 if days <= 0.5 else 4 if days <= 1 else 3
            if days <= 2 else 2 if days <= 3 else 1 for days in found["days"]]  # fmt: skip
    else:
        # The first customer spent 20, which is 11th from the bottom, with a tie.
        assert found["r_score"].tolist() == [
            1 + 5 * (buyers - 1 - i) // buyers for i in range(buyers)
        ]


def test_customer_scores_of_a_small_shop_at_every_limit(con):
    """Of a gap of 4 days and a median of 100: both sides of each limit, in SQL and in Python."""
    lines = []

    def customer(name: str, last: int, purchases: int, spend: float) -> None:
        """Purchases every fourth day up to a day."""
        for n in range(purchases):
            part = spend - 0.01 * (purchases - 1) if n == 0 else 0.01
            lines.append(Line(name, f"{name}{n}", last - 4 * n, revenue=f"{part:.2f}"))

    for n, days in enumerate((2, 3, 4, 5, 8, 9, 12, 13)):
        customer(f"r{n}", 100 - days, 2, 100)
    for n, purchases in enumerate((1, 2, 3, 4, 5, 9, 10, 11)):
        customer(f"f{n}", 100, purchases, 100)
    for n, spend in enumerate((49.99, 50, 79.99, 80, 124.99, 125, 199.99, 200)):
        customer(f"m{n}", 100, 2, spend)
    found = _metric(con, "customer_scores", lines, until=START + timedelta(100), mode="quintile")
    scores = _plain(found, "r_score", "f_score", "m_score")
    assert [scores[f"r{n}"][0] for n in range(8)] == [5, 4, 4, 3, 3, 2, 2, 1]
    assert [scores[f"f{n}"][1] for n in range(8)] == [1, 2, 3, 3, 4, 4, 5, 5]
    assert [scores[f"m{n}"][2] for n in range(8)] == [1, 2, 2, 3, 3, 4, 4, 5]
    assert _plain(found, *LABELS) == _reference(lines, 100)


def test_ties_of_tiles_are_in_the_order_of_customers(con):
    """Ten customers alike but for one: two a tile."""
    lines = [Line(f"c{i}", f"o{i}", 3) for i in range(10)] + [Line("c0", "more", 4)]
    found = _metric(con, "customer_scores", lines, until=START + timedelta(9), mode="ntile")
    rest = [1, 1, 2, 2, 3, 3, 4, 4, 5]  # of the others; the first one bought last, twice, and most
    for name in ("r_score", "f_score", "m_score"):
        assert found[name].tolist() == [5, *rest]


def test_a_shop_whose_median_spend_is_nothing_has_no_spend_scores(con):
    """Recency and frequency still say something."""
    lines = [Line(f"c{i}", f"o{i}", i, revenue="0.00") for i in range(4)]
    lines += [Line("c0", "again", 4, revenue="5.00"), Line("c9", "o9", 2, revenue="5.00")]
    found = _metric(con, "customer_scores", lines, until=START + timedelta(9), mode="quintile")
    assert found["m_score"].isna().all()
    assert found["f_score"].tolist() == [2, 1, 1, 1, 1]
    assert set(found["reason"]) == {"spend_says_nothing"}


def test_customer_scores_take_refunds_out_and_report_them(con):
    """A partial return lowers spend; a fully returned order is not a purchase."""
    lines = [
        Line("a", "1", 0, 2, "20.00"), Line("a", "1", 3, 1, "10.00", "refund"),
        Line("a", "2", 1, 1, "50.00"), Line("a", "2", 4, 1, "50.00", "refund"),
        Line("a", "3", 2, 1, "7.00"), Line("a", "gone", 5, 1, "2.00", "refund"),
        Line("b", "4", 2, 1, "9.00"), Line("b", "4", 2, 1, "9.00", "refund"),
    ]  # fmt: skip
    found = _metric(con, "customer_scores", lines, until=START + timedelta(5), mode="quintile")
    columns = ("purchases", "spend", "cancelled_orders", "refunded", "rfm_group")
    assert _plain(found, *columns) == {
        "a": (2, 15.0, 1, 62.0, None),
        "b": (0, 0.0, 1, 9.0, "Prospects"),
    }


def test_purchase_summary_is_what_the_reference_summarises(con, oracles: dict):
    """Repeats, recency, age and mean repeat spend, as the reference library counts them."""
    case = oracles["customers"]["rfm_small_set"]
    lines = [
        Line(c, str(i), (date.fromisoformat(day) - START).days, 1, str(spend))
        for i, (c, day, spend) in enumerate(case["transactions"])
    ]
    found = _metric(con, "purchase_summary", lines, until=case["as_of"], later_days=0)
    known = case["lifetimes_summary"]
    keys = ("frequency", "recency", "T", "monetary_value")
    expected = {c: row for c, *row in zip(known["id"], *(known[k] for k in keys), strict=True)}
    columns = ("repeats", "last_days", "observed_days", "mean_spend")
    assert {c: list(row) for c, row in _plain(found, *columns).items()} == expected
    assert found.later_purchases.sum() == 0


def test_a_line_added_to_an_order_later_is_of_its_first_day(con):
    """One purchase on day 2, another on day 5."""
    lines = [Line("a", "1", 2), Line("a", "1", 4), Line("a", "2", 5)]
    found = _metric(con, "purchase_summary", lines, until=START + timedelta(9), later_days=0)
    columns = ("purchases", "last_days", "observed_days", "mean_spend")
    assert {c: list(row) for c, row in _plain(found, *columns).items()} == {"a": [2, 3, 7, 10]}


@settings(max_examples=examples(40))
@given(lines_of_a_shop, st.integers(1, 6))
def test_purchase_summary_knows_nothing_of_what_comes_later(con, lines, later):
    """The past is the same with and without later data."""
    end = START + timedelta(12)
    past_end = 12 - later
    full = _metric(con, "purchase_summary", lines, until=end, later_days=later)
    seen = [line for line in lines if line.day <= past_end]
    alone = _metric(con, "purchase_summary", seen, until=START + timedelta(past_end), later_days=0)
    columns = ["customer_id", "repeats", "last_days", "observed_days", "mean_spend", "spend"]
    known = full[full.purchases > 0][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, alone[columns], check_dtype=False)
    bought = {c: b for c, b in _bought(lines, 12).items() if b.days}
    counted = {c: sum(day > past_end for day in b.days) for c, b in bought.items()}
    rows = _plain(full, "later_purchases")
    assert {c: n for c, (n,) in rows.items() if n} == {c: n for c, n in counted.items() if n}


def test_customer_cohorts_follow_each_first_month(con):
    """Retention and revenue by month since the first purchase; a month without orders is 0."""
    lines = [
        Line("a", "1", 3, 1, "10.00"), Line("a", "2", 40, 1, "5.00"), Line("a", "3", 41, 1, "5.00"),
        Line("b", "4", 20, 1, "30.00"), Line("b", "5", 95, 1, "1.00"),
        Line("c", "6", 33, 1, "8.00"), Line("d", "7", 2, 1, "9.00"),
        Line("d", "7", 3, 1, "9.00", "refund"),
    ]  # fmt: skip
    found = _metric(con, "customer_cohorts", lines, until="2026-04-10")
    columns = ["month_number", "complete", "customers", "active_customers", "cumulative_revenue"]
    january, february = (
        found[found.cohort == day][columns].to_numpy().tolist()
        for day in ("2026-01-01", "2026-02-01")
    )
    assert january == [
        [0, True, 2, 2, 40.0], [1, True, 2, 1, 50.0], [2, True, 2, 0, 50.0], [3, False, 2, 1, 51.0],
    ]  # fmt: skip
    assert [row[3] for row in february] == [1, 0, 0]
    assert found.retention.tolist() == [1, 0.5, 0, 0.5, 1, 0, 0]
    assert found.cumulative_per_customer[3] == 25.5


@pytest.mark.parametrize(("until", "complete"), [("2026-01-30", False), ("2026-01-31", True)])
def test_a_cohorts_month_is_complete_on_its_last_day(con, until: str, complete: bool):
    """The last day of the month counts; the day before, the month is still running."""
    found = _metric(con, "customer_cohorts", [Line("a", "1", 3, 1, "10.00")], until=until)
    assert found.complete.tolist() == [complete]


def test_customer_recency_says_what_the_table_alone_can(con):
    """Without orders: number of customers, last purchases, and customers without one."""
    con.execute("DELETE FROM order_lines; DELETE FROM customers")
    con.execute(
        "INSERT INTO customers VALUES "
        "('shop', 'a', '2026-05-30', 20, 1, 4), ('shop', 'b', '2026-03-15', 40, 0, 0), "
        "('shop', 'c', NULL, NULL, 0, 0)"
    )
    params = {"shop": "shop", "until": "2026-05-31"}
    [row] = evaluate(con, METRICS["customer_recency"], params).df().to_dict("records")
    assert (row["customers"], row["with_last_purchase"]) == (3, 2)
    assert (row["within_30_days"], row["within_90_days"]) == (1, 2)
    assert row["average_order_value"] == 30
