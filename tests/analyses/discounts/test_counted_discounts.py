"""Metrics from the app's counters, counted again in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import duckdb
import pytest

from tests.support.drawn_shop import UNTIL, rows_of, same


class Total(NamedTuple):
    """A row of the view `discount_totals`."""

    shop: str
    discount_id: str
    discount_code: str | None
    sku: str
    times_used: int
    unique_customers: int
    revenue_before_discount: float | None
    discount_amount: float
    revenue_after_discount: float | None
    first_used_day: date | None
    last_used_day: date | None
    counted_by: str = "app"


def _ago(days: int) -> date:
    return UNTIL - timedelta(days=days)


TOTALS = [
    Total("s", "d1", "A", "x", 5, 4, 100.0, 10.0, 90.0, _ago(60), _ago(0)),
    Total("s", "d1", None, "y", 3, 5, 50.0, 5.0, 45.0, _ago(40), _ago(29)),
    Total("s", "d2", None, "x", 8, 0, None, 7.0, 70.0, _ago(0), _ago(0)),
    Total("s", "d3", "C", "z", 1, 1, 20.0, 6.0, None, None, _ago(30)),
    Total("s", "d4", "D", "z", 0, 2, 0.0, 3.0, 0.0, _ago(9), _ago(9), "d1lab"),
    Total("s", "d5", "G", "v", 1, 1, 5.0, 0.0, 5.0, _ago(3), _ago(3)),
    Total("s", "d6", "H", "v", 2, 1, 4.0, 1.0, 3.0, _ago(3), _ago(3)),
    Total("s", "d6", "B", "u", 2, 3, 0.5, 0.5, 0.0, _ago(3), _ago(2)),
    Total("s", "d7", "I", "u", 1, 1, 0.5, 0.25, 0.25, _ago(3), _ago(3)),
    Total("s", "d7", "J", "u", 1, 1, 0.25, 0.25, 0.0, _ago(4), _ago(3)),  # with another code
    Total("s", "late", "E", "x", 9, 9, 9.0, 9.0, 9.0, _ago(-1), _ago(-1)),
    Total("s", "none", "F", "x", 0, 9, 9.0, 0.0, 9.0, _ago(3), _ago(3)),
    Total("other", "d1", "Z", "x", 99, 99, 99.0, 99.0, 99.0, _ago(3), _ago(3)),
]
USED = [t for t in TOTALS if t.shop == "s" and t.discount_id not in ("late", "none")]

DAYS = [
    (shop, _ago(ago), 1 + (ago * 7) % 5, (ago * 3) % 11 + 0.5, (ago * 5) % 4, by)
    for ago in (-1, 0, 1, 2, 6, 7, 8, 13, 14, 29, 30, 59)
    for shop, by in (("s", "app"), ("s", "d1lab"), ("other", "app"))
    if not (ago == 2 and by == "d1lab")
]
"""Rows of the view `daily_discounts`: uses, revenue impact, customers."""


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE discount_totals"
            " (shop VARCHAR, discount_id VARCHAR, discount_code VARCHAR, sku VARCHAR,"
            " times_used BIGINT, unique_customers BIGINT,"
            " revenue_before_discount DOUBLE, discount_amount DOUBLE,"
            " revenue_after_discount DOUBLE, first_used_day DATE, last_used_day DATE,"
            " counted_by VARCHAR)"
        )
        con.executemany(f"INSERT INTO discount_totals VALUES ({', '.join('?' * 12)})", TOTALS)
        con.execute(
            "CREATE TABLE daily_discounts (shop VARCHAR, day DATE, times_used BIGINT,"
            " revenue_impact DOUBLE, unique_customers BIGINT, counted_by VARCHAR)"
        )
        con.executemany("INSERT INTO daily_discounts VALUES (?, ?, ?, ?, ?, ?)", DAYS)
        con.execute(
            "CREATE TABLE products AS FROM (VALUES"
            " ('s', 'x', 'Tea', 4, 6, 30.0, 60.0, 10.0, .5, .1, DATE '2026-05-01', 'app'),"
            " ('s', 'x', 'Oat', 1, 4, 5.0, 40.0, 2.0, .6, .2, DATE '2026-05-02', 'app'),"
            " ('s', 'y', NULL, NULL, 3, NULL, 27.0, NULL, NULL, NULL, NULL, 'd1lab'),"
            " ('s', 'w', 'Cup', 2, NULL, 8.0, NULL, 0.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'a', 'Ale', 1, 0, 1.0, 0.0, 3.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'b', 'Bun', 1, 0, 1.0, 0.0, 3.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'c', 'Cap', 1, 0, 1.0, 0.0, 9.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'free', 'Fan', 1, 1, 0.0, 0.0, 1.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'gift', 'Gem', 1, 0, 0.0, 0.0, 0.0, NULL, NULL, NULL, 'app'),"
            " ('s', 'half', 'Hat', 2, 1, 0.5, 2.0, 0.5, NULL, NULL, NULL, 'app'),"
            " ('s', 'empty', 'Jar', 0, 0, 0.0, 0.0, 0.0, 1, 1, NULL, 'app'),"
            " ('s', 'uncounted', 'Lid', 9, 9, 9.0, 9.0, 9.0, 1, 1, NULL, NULL),"
            " ('other', 'x', 'Zoo', 99, 99, 99.0, 99.0, 99.0, 1, 1, DATE '2026-05-09', 'app')"
            ") AS v (shop, sku, product_title, units_sold_with_discount, units_sold_regular,"
            " revenue_with_discount, revenue_regular, discount_amount, view_to_purchase_rate,"
            " cart_abandonment_rate, updated_day, counted_by)"
        )
        yield con


def _sum(values: list[float | None]) -> float | None:
    """The sum of amounts, if each is known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _by(column: str) -> dict[str, list[Total]]:
    found = defaultdict(list)
    for total in USED:
        found[getattr(total, column)].append(total)
    return found


def _amounts(totals: list[Total]) -> dict[str, Any]:
    before = _sum([total.revenue_before_discount for total in totals])
    savings = sum(total.discount_amount for total in totals)
    return {
        "times_used": sum(total.times_used for total in totals),
        "revenue_before": before,
        "savings": savings,
        "revenue_after": _sum([total.revenue_after_discount for total in totals]),
        "depth": savings / before if before else None,
        "first_used_on": min((t.first_used_day for t in totals if t.first_used_day), default=None),
        "last_used_on": max(t.last_used_day for t in totals if t.last_used_day),
    }


def test_totals_of_discounts(con):
    """A discount first used later, one never used, and another shop's are left out."""
    rows = []
    for discount, totals in _by("discount_id").items():
        codes = [total.discount_code for total in totals if total.discount_code]
        customers = max(total.unique_customers for total in totals)
        rows.append(
            {
                "discount_id": discount,
                "discount": max(codes, default=f"no code recorded: {discount}"),
                "discounted_skus": len({total.sku for total in totals}),
                "customers_at_least": customers or None,
                **_amounts(totals),
            }
        )
    uses = sum(row["times_used"] for row in rows)
    rows = [row | {"share_of_uses": row["times_used"] / uses} for row in rows]
    rows.sort(key=lambda row: (-row["times_used"], row["discount_id"]))
    same(rows_of(con, "counted_discounts"), rows)


def test_totals_of_skus_with_and_without_a_title(con):
    """A SKU that is no product of the app is there, too."""
    titles = {"x": "Tea (x)"}  # the last of two
    rows = [
        {
            "product": titles.get(sku, sku),
            "sku": sku,
            "discounts_used": len({total.discount_id for total in totals}),
            **_amounts(totals),
        }
        for sku, totals in _by("sku").items()
    ]
    rows.sort(key=lambda row: (-row["savings"], row["sku"]))
    same(rows_of(con, "counted_skus"), rows)


def test_products_by_the_apps_counters(con):
    """By hand; what was not counted is unknown, and a product without a sale has no row."""
    names = (
        "product", "sku", "units", "units_with", "units_without", "revenue", "revenue_with",
        "revenue_without", "savings", "share_of_units", "depth", "price_with", "price_without",
        "view_to_purchase_rate", "cart_abandonment_rate", "updated_on",
    )  # fmt: skip
    rates = (0.6, 0.2, date(2026, 5, 2))
    rows = [
        ("Tea (x)", "x", 15, 5, 10, 135.0, 35.0, 100.0, 12.0, 1 / 3, 12 / 47, 7.0, 10.0, *rates),
        ("Hat (half)", "half", 3, 2, 1, 2.5, 0.5, 2.0, 0.5, 2 / 3, 0.5, 0.25, 2.0, *[None] * 3),
        ("Cap (c)", "c", 1, 1, 0, 1.0, 1.0, 0.0, 9.0, 1.0, 0.9, 1.0, None, *[None] * 3),
        ("Ale (a)", "a", 1, 1, 0, 1.0, 1.0, 0.0, 3.0, 1.0, 0.75, 1.0, None, *[None] * 3),
        ("Bun (b)", "b", 1, 1, 0, 1.0, 1.0, 0.0, 3.0, 1.0, 0.75, 1.0, None, *[None] * 3),
        ("Fan (free)", "free", 2, 1, 1, 0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.0, *[None] * 3),
        ("Gem (gift)", "gift", 1, 1, 0, 0.0, 0.0, 0.0, 0.0, 1.0, None, 0.0, None, *[None] * 3),
        ("Cup (w)", "w", None, 2, None, None, 8.0, None, 0.0, None, 0.0, 4.0, None, *[None] * 3),
        ("y", "y", 3, 0, 3, None, None, 27.0, 0.0, 0.0, None, None, 9.0, *[None] * 3),
    ]
    same(rows_of(con, "counted_products"), [dict(zip(names, row, strict=True)) for row in rows])


def _days(length: int, back: int = 0) -> list[tuple[date, int, float, int]]:
    """Sums by day of a period of the shop."""
    sums = defaultdict(lambda: [0, 0.0, 0])
    for shop, day, *amounts, _ in DAYS:
        if shop == "s" and length * back <= (UNTIL - day).days < length * (back + 1):
            sums[day] = [one + more for one, more in zip(sums[day], amounts, strict=True)]
    return [(day, *amounts) for day, amounts in sums.items()]


@pytest.mark.parametrize("length", [7, 30, 31, 99])
def test_days_from_the_first_with_zeros(con, length):
    known = {day: amounts for day, *amounts in _days(length)}
    first = max(_ago(length - 1), _ago(59))
    rows = [
        dict(zip(("times_used", "revenue_impact", "customers_of_day"), amounts, strict=True))
        | {"day": day}
        for ago in reversed(range((UNTIL - first).days + 1))
        for day in [_ago(ago)]
        for amounts in [known.get(day, [0, 0, 0])]
    ]
    same(rows_of(con, "counted_days", days=length), rows)


@pytest.mark.parametrize("length", [7, 30, 31])
def test_dashboard_of_two_periods(con, length):
    """30 days twice are covered to the day, 31 are not."""
    now, before = _days(length), _days(length, 1)
    rows = []
    for name, place in (("uses", 1), ("revenue_impact", 2)):
        rows.append(
            {
                "measure": name,
                "value": float(sum(day[place] for day in now)),
                "before": float(sum(day[place] for day in before)) if length < 31 else None,
                "squares": float(sum(day[place] ** 2 for day in now)),
                "squares_before": float(sum(day[place] ** 2 for day in before)),
                "active_days": min(len(now), len(before)),
                "days": length,
            }
        )
    inside = [total for total in USED if (UNTIL - total.last_used_day).days < length]
    rows += [
        {"measure": "discounts", "value": float(len({total.discount_id for total in inside}))},
        {"measure": "skus", "value": float(len({total.sku for total in inside}))},
        {
            "measure": "customers",
            "value": None,
            "customers_low": max(day[3] for day in now),
            "customers_high": sum(day[3] for day in now),
        },
    ]
    same(rows_of(con, "counted_dashboard", days=length), rows)


def test_a_period_without_a_day_beside_one_with_some(con):
    """Seven days that begin after the last counted one: nothing, after what was before."""
    for ahead, now in ((8, False), (-53, True)):
        found = rows_of(con, "counted_dashboard", days=7, until=_ago(-ahead))
        rows = {row["measure"]: row for row in found}
        for name in ("uses", "revenue_impact"):
            row = rows[name]
            filled, empty = ("", "_before") if now else ("_before", "")
            assert (row[f"squares{filled}"] > 0, row[f"squares{empty}"]) == (True, 0)
            assert (row["active_days"], row["before"] is None) == (0, now)
            assert (row["value"] > 0) == now
    never = rows_of(con, "counted_dashboard", days=7, until=_ago(-60))
    assert {row["value"] for row in never[:2]} == {None}


def test_last_uses_that_are_not_known_leave_the_counts_open(con):
    """Used later, or at a time that is not recorded: then it may have been used in the period."""
    for changed in ("last_used_day + 1", "NULL"):
        con.execute("BEGIN")
        con.execute(f"UPDATE discount_totals SET last_used_day = {changed} WHERE sku = 'y'")
        con.execute("UPDATE discount_totals SET last_used_day = last_used_day + 29 WHERE sku = 'y'")
        rows = {row["measure"]: row["value"] for row in rows_of(con, "counted_dashboard", days=7)}
        con.execute("ROLLBACK")
        assert (rows["discounts"], rows["skus"]) == (None, None), changed


@pytest.mark.parametrize(("kept", "counts"), [("d5", (1, 1)), ("no such", (None, None))])
def test_one_discount_is_counted_and_none_is_not_known(con, kept, counts):
    con.execute("BEGIN")
    con.execute(f"DELETE FROM discount_totals WHERE discount_id <> '{kept}'")
    rows = {row["measure"]: row["value"] for row in rows_of(con, "counted_dashboard", days=7)}
    con.execute("ROLLBACK")
    assert (rows["discounts"], rows["skus"]) == counts


def test_sources_are_the_apps_own_counters_beside_the_events(con):
    """What d1lab counts itself is no second source."""
    con.execute(
        "CREATE OR REPLACE TABLE order_lines AS FROM (VALUES"
        f" ('s', 'order', 'd1', DATE '{_ago(29)}', 2), ('s', 'order', NULL, '{_ago(31)}', 4),"
        f" ('s', 'order', 'd1', '{_ago(30)}', 5), ('s', 'refund', 'd1', '{_ago(0)}', -1),"
        f" ('s', 'order', 'd1', '{_ago(0)}', 3), ('s', 'order', 'd1', '{_ago(-1)}', 7),"
        f" ('other', 'order', 'd1', '{_ago(50)}', 9)) AS v (shop, type, discount_id, day, units)"
    )
    app = [day for day in DAYS if day[0] == "s" and day[5] == "app"]
    wanted = {
        "event_uses": 2,
        "event_units": 2 + 5 - 1 + 3 + 7,
        "event_first_day": _ago(31),
        "daily_uses": sum(day[2] for day in app if 0 <= (UNTIL - day[1]).days < 30),
        "daily_uses_in_all": sum(day[2] for day in app),
        "daily_first_day": _ago(29),
        "total_uses": sum(t.times_used for t in TOTALS if (t.shop, t.counted_by) == ("s", "app")),
        "total_first_day": _ago(60),
        "product_units": 4 + 1 + 2 + 1 + 1 + 1 + 1 + 1 + 2,
    }
    same(rows_of(con, "counted_sources", days=30), [wanted])
