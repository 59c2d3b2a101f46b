"""From D1's rows to the inputs of a decision: sums by day, plans, and repeated orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from d1lab.analyses.ab_tests import report
from d1lab.analyses.ab_tests import shop as ab_tests
from d1lab.analyses.ab_tests.advice import advised
from d1lab.analyses.ab_tests.list_report import all_tests, evidence_list
from d1lab.analyses.ab_tests.model import Arm, Guardrail, Look, Variant
from d1lab.analyses.ab_tests.plans import DefaultPlan
from d1lab.analyses.ab_tests.rows import read_test
from d1lab.analyses.ab_tests.sentences import sentence
from d1lab.metrics import evaluate, load_metrics
from tests.analyses.ab_tests.test_ab_tests import COUNTS, DECLARED, START, UNTIL, day_rows, row

TABLES = """
CREATE MACRO local_time(shop, moment) AS moment;
CREATE TABLE ab_tests AS SELECT
    'harbor' AS shop, NULL::VARCHAR AS test_id, NULL::TIMESTAMP AS started_at,
    NULL::TIMESTAMP AS ended_at, NULL::TIMESTAMP AS planned_end_at,
    NULL::TIMESTAMP AS share_declared_at, NULL::BIGINT AS variant_a_visitors,
    NULL::BIGINT AS variant_b_visitors, NULL AS confidence_percent, NULL AS winner,
    NULL AS chance_b_better, NULL AS analysis_status, NULL AS analysis_reason,
    NULL AS analysis_method, NULL AS analysis_version, NULL AS analysis_look,
    NULL AS analysis_p_value
LIMIT 0;
CREATE TABLE order_lines AS SELECT
    'harbor' AS shop, NULL::VARCHAR AS order_id, NULL::VARCHAR AS customer_id,
    'order' AS type, NULL::DATE AS day, NULL::DECIMAL(12, 2) AS revenue
LIMIT 0;
CREATE TABLE daily_discounts AS SELECT 'harbor' AS shop, NULL::DATE AS day LIMIT 0;
CREATE TABLE walk_in_customers AS SELECT 'harbor' AS shop, NULL::VARCHAR AS customer_id LIMIT 0;
CREATE TABLE ab_test_days AS SELECT
    'harbor' AS shop, NULL::VARCHAR AS test_id, NULL::DATE AS day, NULL::VARCHAR AS variant,
    NULL::BIGINT AS visitors, NULL::BIGINT AS conversions, NULL::DOUBLE AS revenue,
    NULL::DOUBLE AS revenue_squares, NULL::DOUBLE AS discount_cost, NULL::DOUBLE AS profit,
    NULL::DOUBLE AS profit_squares, NULL AS source, NULL::DOUBLE AS covariate,
    NULL::DOUBLE AS covariate_squares, NULL::DOUBLE AS covariate_revenue,
    NULL::DOUBLE AS covariate_profit
LIMIT 0;
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Empty tables with the columns that the metrics read."""
    with duckdb.connect() as con:
        con.execute(TABLES)
        yield con


def found(con: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    relation = evaluate(con, load_metrics()[name], {"shop": "harbor", "until": UNTIL})
    return [dict(zip(relation.columns, values, strict=True)) for values in relation.fetchall()]


def test_sums_of_two_tests_stay_apart(con: duckdb.DuckDBPyConnection) -> None:
    """Two tests on the same days: each test's sums hold its own days."""
    con.execute("""INSERT INTO ab_test_days BY NAME
        SELECT 'harbor' AS shop, test_id, day::DATE AS day, variant, visitors
        FROM (VALUES ('x', '2026-05-01', 'a', 10), ('x', '2026-05-02', 'a', 20),
            ('y', '2026-05-01', 'a', 300), ('y', '2026-05-02', 'a', 400))
        AS v (test_id, day, variant, visitors)""")
    sums = {
        (one["test_id"], one["day"].day): one["visitors"]
        for one in found(con, "ab_test_looks")
        if one["variant"] == "a"
    }
    assert sums == {("x", 1): 10, ("x", 2): 30, ("y", 1): 300, ("y", 2): 700}


@pytest.mark.parametrize(
    ("declared", "counts"),
    [("2026-04-30", True), ("2026-05-01", True), ("2026-05-02", False), (None, False)],
)
def test_a_share_counts_if_it_was_declared_by_the_start(
    con: duckdb.DuckDBPyConnection, declared: str | None, counts: bool
) -> None:
    """A share declared a day after the start may have been seen in the data."""
    con.execute(
        "INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,"
        " TIMESTAMP '2026-05-01' AS started_at, ?::TIMESTAMP AS share_declared_at",
        [declared],
    )
    [test] = found(con, "ab_tests")
    assert test["share_declared"] is counts


def test_orders_before_the_start_and_repeat_buyers_are_counted(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """28 days before the start, and the spread of orders per customer during the test.

    During the test, 20 customers order once and 10 twice, for 5 each: the variance of 40 orders is
    that of sum k^2 / sum k = 60 / 40 customers. The walk-in customer is nobody.
    """
    con.execute("""
        INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,
            TIMESTAMP '2026-05-01' AS started_at;
        INSERT INTO walk_in_customers VALUES ('harbor', 'pos');
        INSERT INTO order_lines BY NAME
        SELECT 'harbor' AS shop, 'before-' || day AS order_id, 'order' AS type, 5 AS revenue,
            DATE '2026-05-01' - day::INT AS day
        FROM range(1, 40) AS t (day);
        INSERT INTO order_lines BY NAME
        SELECT 'harbor' AS shop, 'during-' || i AS order_id, 'c' || (i % 30) AS customer_id,
            'order' AS type, 5 AS revenue, DATE '2026-05-02' AS day
        FROM range(40) AS t (i);
        INSERT INTO order_lines BY NAME
        SELECT 'harbor' AS shop, 'pos-' || i AS order_id, 'pos' AS customer_id,
            'order' AS type, 5 AS revenue, DATE '2026-05-02' AS day
        FROM range(50) AS t (i)""")
    [test] = found(con, "ab_tests")
    assert test["orders_before"] == 28
    assert (test["count_inflation"], test["money_inflation"]) == (1.5, 1.5)
    con.execute("UPDATE ab_tests SET variant_a_visitors = 9, variant_b_visitors = NULL")
    assert found(con, "ab_tests")[0]["count_inflation"] == 1.5
    con.execute("UPDATE ab_tests SET variant_a_visitors = 9, variant_b_visitors = 9")
    assert found(con, "ab_tests")[0]["count_inflation"] is None


@pytest.mark.parametrize(("orders", "inflation"), [(24, None), (25, 1.96)])
def test_repeat_buyers_are_told_from_25_orders_on(
    con: duckdb.DuckDBPyConnection, orders: int, inflation: float | None
) -> None:
    """One order on each day outside, and at both ends of the test: 5 of one customer, 20 of one."""
    con.execute("""
        INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,
            TIMESTAMP '2026-05-01 09:00' AS started_at, TIMESTAMP '2026-05-06 09:00' AS ended_at""")
    con.execute(
        """INSERT INTO order_lines BY NAME
        SELECT 'harbor' AS shop, 'o' || i || day AS order_id, 'order' AS type, 5 AS revenue,
            CASE WHEN i < 3 THEN 'twice' || i ELSE 'c' || i END AS customer_id, day::DATE AS day
        FROM (
            SELECT i, '2026-05-01' AS day FROM range(3) AS t (i)
            UNION ALL SELECT i, '2026-05-06' FROM range(?) AS t (i)
            UNION ALL SELECT i, '2026-04-30' FROM range(30) AS t (i)
            UNION ALL SELECT i, '2026-05-07' FROM range(30) AS t (i)
        )""",
        [orders - 3],
    )
    [test] = found(con, "ab_tests")
    expected = inflation and ((orders - 6) + 3 * 2**2) / orders
    assert test["count_inflation"] == (expected and pytest.approx(expected))
    assert test["orders_before"] == 30


def test_the_value_of_an_order_is_that_of_all_its_lines(con: duckdb.DuckDBPyConnection) -> None:
    """One customer orders for 3 + 4 and for 1, 24 others for 2: (8^2 + 96) / (7^2 + 1 + 96)."""
    con.execute("""
        INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,
            TIMESTAMP '2026-05-01' AS started_at;
        INSERT INTO order_lines BY NAME
        SELECT 'harbor' AS shop, 'o' || i AS order_id, 'c' || i AS customer_id, 'order' AS type,
            2 AS revenue, DATE '2026-05-02' AS day FROM range(24) AS t (i)
        UNION ALL SELECT 'harbor', order_id, 'ada', 'order', revenue, DATE '2026-05-03'
        FROM (VALUES ('a', 3), ('a', 4), ('b', 1)) AS v (order_id, revenue)""")
    assert found(con, "ab_tests")[0]["money_inflation"] == pytest.approx(160 / 146)


def test_tests_that_run_come_first_then_the_latest(con: duckdb.DuckDBPyConnection) -> None:
    """Of the shop only; the elapsed share is of the time from the start to the planned end."""
    con.execute("""
        INSERT INTO ab_tests BY NAME SELECT * FROM (VALUES
            ('harbor', 'b', '2026-05-01', NULL, '2026-05-21'),
            ('harbor', 'a', '2026-05-01', '2026-06-01', '2026-05-01'),
            ('harbor', 'c', '2026-05-03', NULL, NULL),
            ('harbor', 'e', '2026-05-02', '2026-05-09', NULL),
            ('harbor', 'd', '2026-05-04', '2026-05-08', NULL),
            ('other', 'f', '2026-05-04', NULL, NULL),
            ('harbor', 'g', NULL, NULL, NULL)
        ) AS v (shop, test_id, started_at, ended_at, planned_end_at)""")
    rows = found(con, "ab_tests")
    assert [row["test_id"] for row in rows] == ["c", "a", "b", "g", "d", "e"]
    assert {row["test_id"]: row["elapsed"] for row in rows if row["elapsed"]} == {"b": 0.5}
    assert [row["ended"] for row in rows] == [False] * 4 + [True] * 2


def test_an_order_is_on_its_first_day_and_of_its_shop(con: duckdb.DuckDBPyConnection) -> None:
    """Refunds are no orders, and neither are those of another shop, a later day, or nobody."""
    con.execute("""
        INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,
            TIMESTAMP '2026-05-01 09:00' AS started_at;
        INSERT INTO walk_in_customers VALUES ('other', 'c1');
        INSERT INTO order_lines BY NAME
        SELECT shop, id AS order_id, customer AS customer_id, type, 5 AS revenue,
            day::DATE AS day
        FROM (VALUES
            ('harbor', 'x', 'c1', 'order', '2026-05-02'), ('harbor', 'x', 'c1', 'order',
            '2026-04-30'), ('harbor', 'y', 'c1', 'refund', '2026-04-29'),
            ('other', 'z', 'c1', 'order', '2026-04-29'), ('harbor', 'w', 'c1', 'order',
            '2026-04-03'), ('harbor', 'v', 'c1', 'order', '2026-04-02')
        ) AS v (shop, id, customer, type, day)
        UNION ALL SELECT 'harbor', 'o' || i, CASE WHEN i < 30 THEN 'c' || i % 25 END, 'order',
            5, DATE '2026-05-10' FROM range(60) AS t (i)
        UNION ALL SELECT 'harbor', 'late' || i, 'c1', 'order', 5, DATE '2026-05-11'
            FROM range(9) AS t (i)""")
    [row] = found(con, "ab_tests")
    assert row["orders_before"] == 2  # of April 3 and 30
    assert row["count_inflation"] == pytest.approx((20 + 5 * 2**2) / 30)
    assert row["money_inflation"] == pytest.approx((20 * 25 + 5 * 100) / (30 * 25))
    con.execute("UPDATE ab_tests SET ended_at = TIMESTAMP '2026-05-09 12:00'")
    [row] = found(con, "ab_tests")
    assert (row["count_inflation"], row["money_inflation"]) == (None, None)
    con.execute("UPDATE order_lines SET revenue = 0")
    con.execute("UPDATE ab_tests SET ended_at = NULL")
    assert found(con, "ab_tests")[0]["money_inflation"] == 1


def test_variants_are_those_of_the_shop_in_their_order(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE TABLE ab_test_arms AS SELECT shop, test_id, variant, 0.2 AS share,
        visitors, 3 AS conversions, 4.0 AS revenue, 5.0 AS revenue_squares, 6.0 AS profit,
        7.0 AS profit_squares
        FROM (VALUES ('harbor', 'u', 'c', 1), ('harbor', 't', 'd', 2), ('harbor', 't', 'c', 3),
            ('other', 't', 'e', 4)) AS v (shop, test_id, variant, visitors)""")
    relation = evaluate(con, load_metrics()["ab_test_arms"], {"shop": "harbor"})
    assert [row[1:3] for row in relation.fetchall()] == [("t", "c"), ("t", "d"), ("u", "c")]


TIMES = {
    "begins on the next day": ("2026-05-11", None, None),
    "begins in the last minute": ("2026-05-10 23:59", None, False),
    "ends at midnight": ("2026-05-01", "2026-05-11", True),
    "ends later": ("2026-05-01", "2026-05-11 00:01", False),
}


@pytest.mark.parametrize("case", TIMES)
def test_a_test_begins_and_ends_by_the_end_of_the_day(
    con: duckdb.DuckDBPyConnection, case: str
) -> None:
    """The report's day is 10 May; a later row of any table makes the totals later ones."""
    start, end, has_ended = TIMES[case]
    con.execute(
        "INSERT INTO ab_tests BY NAME SELECT 'harbor' AS shop, 't' AS test_id,"
        " ?::TIMESTAMP AS started_at, ?::TIMESTAMP AS ended_at",
        [start, end],
    )
    shown = found(con, "ab_tests")
    assert [test["ended"] for test in shown] == ([] if has_ended is None else [has_ended])
    con.execute("INSERT INTO daily_discounts VALUES ('harbor', '2026-05-10')")
    assert not any(test["sums_are_later"] for test in found(con, "ab_tests"))
    for table in ("order_lines", "daily_discounts", "ab_test_days"):
        con.execute("BEGIN")
        con.execute(
            f"INSERT INTO {table} BY NAME SELECT 'harbor' AS shop, day::DATE AS day"
            " FROM (VALUES ('2026-05-01'), ('2026-05-11')) AS v (day)"
        )
        later = [test["sums_are_later"] for test in found(con, "ab_tests")]
        con.execute("ROLLBACK")
        assert later == [not test["ended"] for test in shown], table


SUMS = ("visitors", "conversions", "revenue", "revenue_squares", "profit", "profit_squares",
        "covariate", "covariate_squares", "covariate_revenue", "covariate_profit")  # fmt: skip


def test_each_sum_begins_at_0_and_ends_where_a_day_is_not_known(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """B has no row on the first day and an empty value on the third; the last day is to come."""
    values = ", ".join(f"value AS {column}" for column in SUMS)
    con.execute(
        f"""INSERT INTO ab_test_days BY NAME
        SELECT 'harbor' AS shop, 't' AS test_id, day::DATE AS day, variant, {values}
        FROM (VALUES ('2026-05-07', 'a', 1), ('2026-05-08', 'b', 2), ('2026-05-09', 'b', NULL),
            ('2026-05-10', 'b', 4), ('2026-05-10', 'a', 8), ('2026-05-11', 'a', 16))
        AS v (day, variant, value)"""
    )
    rows = found(con, "ab_test_looks")
    for column in SUMS:
        of = {name: [row[column] for row in rows if row["variant"] == name] for name in "ab"}
        assert of == {"a": [1, 1, 1, 9], "b": [0, 2, None, None]}, column


@pytest.mark.parametrize(
    ("end", "last", "share"),
    [
        (datetime(2026, 5, 21), date(2026, 5, 20), 0.5),
        (datetime(2026, 5, 20, 23, 59, 59), date(2026, 5, 20), 0.5),
        (datetime(2026, 5, 20, 0, 0, 0, 1), date(2026, 5, 20), 0.5),
        (datetime(2026, 5, 10, 23, 59, 59), date(2026, 5, 10), 1.0),
    ],
)
def test_a_planned_end_counts_its_last_day(end: datetime, last: date, share: float) -> None:
    """23:59:59 ends on its own day; midnight, on the day before."""
    test = read_test(known(**COUNTS, planned_end_at=end), [], UNTIL)
    assert (test.planned_end, test.plan.elapsed) == (last, share)


def known(**given: Any) -> dict[str, Any]:
    """Return a row of `ab_tests` as `read_test` reads it: None for missing values."""
    return {name: None if value != value else value for name, value in row(**given).items()}


def decide(test: dict[str, Any], looks: list[dict[str, Any]] | None = None) -> ab_tests.Decision:
    [decision] = ab_tests.decide([test], looks or [], UNTIL)
    return decision


def test_a_test_without_a_plan_has_the_default_one() -> None:
    """Group-sequential with weekly looks, four weeks with many orders before, else eight."""
    small, large = (decide(row(**COUNTS, **DECLARED, orders_before=n)) for n in (500, 9_000))
    assert small.test.plan[:2] == ("group_sequential", "conversions")
    assert (small.test.planned_end, small.test.plan.planned_looks) == (date(2026, 6, 25), 8)
    assert (large.test.planned_end, large.test.plan.planned_looks) == (date(2026, 5, 28), 4)
    assert large.result.share_of_plan == pytest.approx(10 / 28)
    assert ab_tests.plans([small, large])[0] == {
        "test_id": "t",
        "plan_days": 56,
        "plan_orders_before": 500,
        "plan_tuned_conversions": 1_000,
    }


def test_a_recorded_default_plan_stays() -> None:
    """Orders before the start that arrive late do not move the end of a running test."""
    recorded = {
        "plan_days": 56,
        "plan_orders_before": 500,
        "plan_tuned_conversions": 1_000,
    }
    later = decide(row(**COUNTS, **DECLARED, orders_before=9_000, **recorded))
    assert later.test.planned_end == date(2026, 6, 25)
    [staged] = ab_tests.plans([later])
    assert staged["plan_orders_before"] == 500


def test_the_default_plan_is_the_same_whenever_it_is_first_seen() -> None:
    """Ten daily sums, seen at once or from the third day on, lead to one decision."""
    looks = day_rows(
        10, {"visitors": 1_000, "conversions": 50}, {"visitors": 1_000, "conversions": 62}
    )
    test = row(**DECLARED, orders_before=9_000)
    whole = decide(test, looks)
    [early] = ab_tests.decide([test], looks[:6], date(2026, 5, 3))
    again = decide({**test, **ab_tests.plans([early])[0]}, looks)
    assert again.result == whole.result
    assert whole.result.look == 1  # the seventh day; the fourteenth is to come
    assert sentence(early.result) == "Running. The first planned look is still to come."


def test_an_endless_test_is_tuned_to_the_orders_before_it() -> None:
    """A declared always-valid method has no end; its sequence is narrowest after four weeks."""
    endless = row(**COUNTS, **DECLARED, method="always_valid")
    tuned = decide({**endless, "orders_before": 4_000})
    assert tuned.test.plan.tuned_conversions == 4_000
    assert tuned.test.planned_end is None
    assert tuned.result.p_value != decide(endless).result.p_value


def test_counts_that_may_be_orders_are_deflated_or_refused() -> None:
    """300 vs. 360 orders: significant as customers, not as orders of repeat buyers."""
    counts = {"variant_a_conversions": 300, "variant_b_conversions": 360}
    ended = {"method": "fixed", "ended": True}
    sure = decide(row(**counts, **DECLARED, **ended, count_inflation=1.0))
    repeats = decide(row(**counts, **DECLARED, **ended, count_inflation=1.5))
    unknown = decide(row(**counts, **DECLARED, **ended))
    assert (sure.result.winner, repeats.result.winner) == ("b", "none")
    assert repeats.result.ratio == sure.result.ratio == 1.2
    assert (unknown.result.status, unknown.result.p_value) == ("insufficient_data", None)
    assert "orders of one customer" in (unknown.result.reason or "")


def test_many_tests_do_not_fail_a_report() -> None:
    """All have a decision and an adjusted p-value; charts and headline show what fits."""
    tests = [
        row(
            **{**COUNTS, "variant_b_conversions": 560 + n % 60},
            **DECLARED,
            method="fixed",
            ended=True,
        )
        | {"test_id": f"t{n}"}
        for n in range(62)
    ]
    decisions = ab_tests.decide(tests, [], UNTIL)
    assert len(decisions) == 62
    shown = [one.false_discovery for one in decisions]
    assert all(
        p is not None and p >= (one.result.p_value or 0)
        for p, one in zip(shown, decisions, strict=True)
    )
    found = advised(decisions, tests, UNTIL)
    text, _ = report.verdict(found)
    assert "more)" in text
    assert text.endswith("Older: 2.")
    shown = evidence_list(found, "USD")
    assert (len(shown.rows), shown.total) == (60, 62)
    table = all_tests(found)
    assert (len(table.frame), table.limit) == (62, 200)


def test_start_without_a_time_has_no_default_plan() -> None:
    """Without a start, nothing can be planned: the method has no end, and no day."""
    test = read_test(known(**COUNTS, started_at=None), [], UNTIL)
    assert (test.default, test.planned_end) == (None, None)
    assert START.date() not in test.days


SUMS_OF_A_ROW = ("visitors", "conversions", "revenue", "revenue_squares", "profit",
                 "profit_squares")  # fmt: skip


def filled(**given: Any) -> dict[str, Any]:
    """A row whose sums are all different: those of A from 1 on, those of B from 11 on."""
    sums = {
        f"variant_{variant}_{name}": first + place
        for variant, first in (("a", 1), ("b", 11))
        for place, name in enumerate(SUMS_OF_A_ROW)
    }
    return known(**sums, **given)


def test_totals_are_read_into_their_fields() -> None:
    """One look, with the share of the days up to the report, or up to an earlier end."""
    test = read_test(filled(planned_end_at=datetime(2026, 5, 21), test_name="Gift"), [], UNTIL)
    assert test.a == Variant(1, 2, 3, 4, 5, 6)
    assert test.b == Variant(11, 12, 13, 14, 15, 16)
    assert (test.name, test.looks, test.days, test.blocked) == ("Gift", (), (), None)
    assert (test.plan.elapsed, test.plan.totals_only, test.first_day) == (0.5, True, START.date())
    end = {"planned_end_at": datetime(2026, 5, 21), "ended_at": datetime(2026, 5, 6)}
    assert read_test(filled(**end), [], UNTIL).plan.elapsed == 0.25
    assert read_test(filled(**end), [], date(2026, 5, 4)).plan.elapsed == 0.2
    later = read_test(filled(sums_are_later=True), [], UNTIL)
    assert (later.a, later.b, later.plan.elapsed) == (Variant(), Variant(), None)
    assert later.faults == (
        "there are no daily sums, and the totals include days after the report date",
    )
    assert read_test(filled(), [], UNTIL).name == "t"


def test_days_are_read_into_looks_in_their_order() -> None:
    """B has no row on the second day; covariates are of days only."""
    columns = (*SUMS_OF_A_ROW, "covariate", "covariate_squares", "covariate_revenue",
               "covariate_profit")  # fmt: skip
    rows = [
        {"variant": variant, "day": datetime(2026, 5, day)}
        | {name: first + place for place, name in enumerate(columns)}
        for variant, day, first in (("a", 3, 40), ("a", 1, 1), ("b", 1, 20), ("b", 3, 60))
    ]
    test = read_test(filled(planned_end_at=datetime(2026, 5, 11)), rows, UNTIL)
    assert test.a == Variant(*range(40, 50))
    assert test.b == Variant(*range(60, 70))
    [first] = test.looks
    assert first == Look(Variant(*range(1, 11)), Variant(*range(20, 30)), 0.1)
    assert (test.plan.elapsed, test.plan.totals_only) == (0.3, False)
    assert test.days == (date(2026, 5, 1), date(2026, 5, 3))
    unknown = [{**rows[1], "day": None}]
    assert read_test(filled(), unknown, UNTIL).plan.totals_only
    alone = read_test(filled(), rows[:2], UNTIL)
    assert (alone.b, alone.looks[0].b) == (Variant(), Variant())
    arms = [{"variant": "c", "share": 0.25, **{name: 7 for name in SUMS_OF_A_ROW}}]
    several = read_test(filled(), rows, UNTIL, arms)
    assert (several.days, several.a.visitors) == ((), 1)
    assert several.more == (Arm("c", Variant(7, 7, 7, 7, 7, 7), 0.25),)
    [later] = read_test(filled(sums_are_later=True), [], UNTIL, arms).more
    assert later == Arm("c", Variant(), 0.25)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"method": "group_sequential", "alpha": 0.05, "ended": False, "share_b": None,
              "share_declared": False, "planned_looks": 8, "unit": "visitor",
              "count_inflation": None, "money_inflation": 1.0, "planned_visitors": None}),
        ({"method": "fixed", "alpha": 0.01, "ended": True, "unit": "day"},
         {"method": "fixed", "alpha": 0.01, "ended": True, "planned_looks": None, "unit": "day"}),
        ({"share_b": 0.3, "share_declared": True}, {"share_b": 0.3, "share_declared": True}),
        ({"share_declared": True}, {"share_b": None, "share_declared": False}),
        ({"share_declared": True, "variant_b_config": '{"share": 0.4}'},
         {"share_b": 0.4, "share_declared": True}),
        ({"share_b": 0.3, "variant_b_config": '{"share": 0.4}'},
         {"share_b": 0.3, "share_declared": False}),
        ({"planned_visitors": 900, "planned_looks": 5}, {"planned_looks": 5,
         "planned_visitors": 900}),
        ({"primary_metric": "revenue"}, {"primary_metric": "revenue"}),
        ({"count_inflation": 1.5, "money_inflation": 1.2},
         {"count_inflation": 1.5, "money_inflation": 1.2}),
        ({"money_inflation": 0.9}, {"money_inflation": 1.0}),
        ({"method": "always_valid", "orders_before": 4_000},
         {"tuned_conversions": 4_000, "planned_looks": None}),
        ({"method": "group_sequential", "orders_before": 4_000}, {"planned_looks": 4}),
        ({"orders_before": 4_000, "planned_looks": 3},
         {"tuned_conversions": None, "planned_looks": 3}),
        ({"guardrails": '[{"metric": "profit", "margin": 0.1}]'},
         {"guardrails": (Guardrail("profit", 0.1),)}),
    ],
)  # fmt: skip
def test_a_declared_plan_is_read_and_the_rest_is_the_default(given, expected) -> None:
    plan = read_test(known(**given), [], UNTIL).plan
    assert {name: getattr(plan, name) for name in expected} == expected


def test_the_default_plan_has_its_end_and_a_declared_one_none() -> None:
    """28 or 56 days with the first one; `fixed` and always-valid tests have no default end."""
    assert read_test(known(), [], UNTIL).planned_end == date(2026, 6, 25)
    for given in ({"method": "fixed"}, {"method": "always_valid"}, {"planned_looks": 4},
                  {"planned_visitors": 9}, {"started_at": None}):  # fmt: skip
        assert read_test(known(**given), [], UNTIL).planned_end is None
    assert read_test(known(method="fixed"), [], UNTIL).default is None
    assert read_test(known(method="always_valid"), [], UNTIL).default is not None
    recorded = {"plan_days": 28.0, "plan_orders_before": None, "plan_tuned_conversions": 5.0}
    test = read_test(known(orders_before=9_000.0, **recorded), [], UNTIL)
    assert test.default == DefaultPlan(28, 4, None, 5)
    fresh = read_test(known(orders_before=9_000.0), [], UNTIL).default
    assert fresh == DefaultPlan(28, 4, 9_000, 9_000)


@pytest.mark.parametrize(
    ("end", "until", "share"),
    [
        (datetime(2026, 5, 11), date(2026, 5, 1), 0.1),
        (datetime(2026, 5, 11), date(2026, 4, 30), None),  # before the start
        (datetime(2026, 5, 2), date(2026, 5, 3), 3.0),
        (datetime(2026, 5, 1), date(2026, 5, 3), None),  # ends before it starts
    ],
)
def test_the_share_of_the_days_is_of_those_that_are_planned(end, until, share) -> None:
    found = read_test(known(**COUNTS, planned_end_at=end), [], until).plan.elapsed
    assert found == (share and pytest.approx(share))


def test_faults_of_both_configurations_are_told() -> None:
    """And a share that contradicts the declared one; an equal one does not."""
    faulty = known(variant_a_config="[", variant_b_config="3", share_b=0.5, share_declared=True)
    first, second = read_test(faulty, [], UNTIL).faults
    assert first.startswith("the configuration of variant a is invalid (invalid JSON")
    assert second == (
        "the configuration of variant b is invalid (not a JSON object), so its discount and its "
        "products are unknown"
    )
    config = {"variant_b_config": '{"share": 0.5, "discount_rate": 0.2}', "share_declared": True}
    same = read_test(known(**config, share_b=0.5), [], UNTIL)
    assert (same.faults, same.variants[1].discount_rate) == ((), 0.2)
    [told] = read_test(known(**config, share_b=0.4), [], UNTIL).faults
    assert told == "B's declared share is 0.4, but its configuration has 0.5"
    assert read_test(known(guardrails="["), [], UNTIL).blocked
    assert read_test(known(source="simulated"), [], UNTIL).simulated
    assert not read_test(known(), [], UNTIL).simulated
