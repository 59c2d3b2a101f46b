"""Every column of the discounts' metrics, counted again in Python on a drawn shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.support.drawn_shop import (
    UNTIL,
    Line,
    cost_of,
    draw,
    earned,
    given,
    inside,
    odd,
    opened,
    rows_of,
    same,
)

LINES = draw(1, 500) + odd(2, 90)
RARE: tuple[tuple[str, str, str | None, int, int], ...] = (
    ("free", "order", "FREE", 0, 5),  # given away whole
    ("gift", "order", None, 0, 0),
    ("back", "refund", "BACK", -7, -1),  # used before the period
    ("even", "order", None, 9, 1),  # sold and returned
    ("even", "refund", None, -9, -1),
)
"""Discount, type, code, revenue, and discount of lines without a customer, each of its own SKU."""
LINES += [
    LINES[0]._replace(
        event_id=f"{name}-{kind}", order_id=name, customer_id=None, sku=name, type=kind,
        discount_id=name, discount_code=code, units=1 if kind == "order" else -1,
        revenue=Decimal(revenue), discount_amount=Decimal(savings), day=UNTIL,
    )
    for name, kind, code, revenue, savings in RARE
]  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with opened(LINES) as con:
        yield con


def by(lines: Iterable[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    groups = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return dict(groups)


def depth(savings: Decimal, revenue: Decimal) -> float | None:
    whole = savings + revenue
    return float(savings / whole) if min(savings, revenue) >= 0 and whole else None


def discounted(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.discount_id is not None]


def distinct(lines: Iterable[Line], column: str) -> int:
    return len({getattr(line, column) for line in lines if line.is_use} - {None})


@pytest.mark.parametrize("days", [7, 95, 96])
def test_dashboard_has_two_periods_with_their_daily_squares(con, days):
    """Twice 95 days are covered to the day: the first line is of 190 days ago."""
    rows = []
    periods = [discounted(inside(LINES, days, back)) for back in (0, 1)]
    daily = [by(period, lambda line: line.day) for period in periods]
    is_covered = min(line.day for line in LINES) <= UNTIL - timedelta(days=2 * days - 1)
    assert is_covered == (days < 96)
    for name, amount in (
        ("discounts", "discount_id"),
        ("uses", lambda one: Decimal(sum(line.is_use for line in one))),
        ("savings", given),
        ("discounted_revenue", earned),
        ("skus", "sku"),
        ("customers", "customer_id"),
    ):
        if isinstance(amount, str):
            now, before = (distinct(period, amount) for period in periods)
            squares, squares_before, active = None, None, None
        else:
            now, before = (float(amount(period)) for period in periods)
            squares, squares_before = (
                sum(float(amount(one)) ** 2 for one in period.values()) for period in daily
            )
            active = min(map(len, daily))
        rows.append(
            {
                "measure": name,
                "value": float(now),
                "before": float(before) if is_covered else None,
                "squares": squares,
                "squares_before": squares_before,
                "days": days,
                "active_days": active,
            }
        )
    same(rows_of(con, "discount_dashboard", days=days), rows)


def test_a_period_without_a_discount_beside_one_with_some(con):
    """Seven days that begin after the last line; the first days of the shop; none at all."""
    for until, now in ((UNTIL + timedelta(days=8), False), (UNTIL - timedelta(days=185), True)):
        found = rows_of(con, "discount_dashboard", days=7, until=until)
        rows = {row["measure"]: row for row in found}
        for name in ("uses", "savings", "discounted_revenue"):
            row = rows[name]
            filled, empty = ("", "_before") if now else ("_before", "")
            assert (row[f"squares{filled}"] > 0, row[f"squares{empty}"]) == (True, 0)
            assert (row["active_days"], row["before"] is None) == (0, now)
            assert (row["value"] > 0) == now
    found = rows_of(con, "discount_dashboard", days=7, until=UNTIL + timedelta(days=60))
    assert [row["value"] for row in found] == [0] * 6
    assert [row["before"] for row in found] == [0] * 6


@pytest.mark.parametrize("days", [7, 200])
def test_trend_has_each_day_from_the_first(con, days):
    first = max(min(line.day for line in LINES), UNTIL - timedelta(days=days - 1))
    rows = []
    for ago in reversed(range((UNTIL - first).days + 1)):
        day = [line for line in LINES if line.day == UNTIL - timedelta(days=ago)]
        rows.append(
            {
                "day": UNTIL - timedelta(days=ago),
                "uses": sum(line.is_use for line in day),
                "savings": given(day),
                "discounted_revenue": earned(discounted(day)),
                "revenue": earned(day),
            }
        )
    same(rows_of(con, "discount_trend", days=days), rows)


@pytest.mark.parametrize("days", [7, 30])
def test_top_codes_are_the_discounts_by_use(con, days):
    rows = []
    groups = by(discounted(inside(LINES, days)), lambda line: line.discount_id)
    for discount, lines in groups.items():
        uses = [line for line in lines if line.is_use]
        codes = {line.discount_code for line in lines} - {None}
        named = max(codes, default=f"no code recorded: {discount}")
        rows.append(
            {
                "discount_id": discount,
                "discount": f"{discount} ({len(codes)} codes)" if len(codes) > 1 else named,
                "uses": len(uses),
                "orders": len({line.order_id for line in uses}),
                "customers": distinct(lines, "customer_id"),
                "savings": given(lines),
                "revenue": earned(lines),
                "depth": depth(given(lines), earned(lines)),
            }
        )
    rows = sorted(
        (row for row in rows if row["uses"]), key=lambda r: (-r["uses"], r["discount_id"])
    )
    total = sum(row["uses"] for row in rows)
    same(
        rows_of(con, "top_codes", days=days),
        [row | {"share_of_uses": row["uses"] / total} for row in rows],
    )


def _title(lines: Iterable[Line]) -> str | None:
    named = [line for line in lines if line.product_title]
    if not named:
        return None
    return max(named, key=lambda line: (line.occurred_at, line.event_id)).product_title


@pytest.mark.parametrize("days", [7, 30])
def test_top_skus_are_the_skus_by_what_was_given_away(con, days):
    rows = []
    for sku, lines in by(inside(LINES, days), lambda line: line.sku).items():
        units, part = (sum(line.units for line in some) for some in (lines, discounted(lines)))
        savings, revenue = given(discounted(lines)), earned(discounted(lines))
        rows.append(
            {
                "sku": sku,
                "product_title": _title(lines),
                "uses": sum(line.is_use for line in lines),
                "units_with_discount": part,
                "share_of_units": part / units if 0 <= part <= units and units else None,
                "savings": savings,
                "discounted_revenue": revenue,
                "depth": depth(savings, revenue),
            }
        )
    rows = sorted((row for row in rows if row["uses"]), key=lambda r: (-r["savings"], r["sku"]))
    same(rows_of(con, "top_skus", days=days), rows)


def _margin(lines: list[Line], revenue: Callable[[Line], Decimal]) -> Decimal | None:
    costs = [cost_of(line) for line in lines]
    if None in costs or not lines:
        return None
    return sum(map(revenue, lines), Decimal(0)) - sum(costs, Decimal(0))


@pytest.mark.parametrize("days", [7, 30])
def test_products_add_up_with_and_without_a_discount(con, days):
    con.execute(
        "CREATE OR REPLACE TABLE products AS SELECT * FROM (VALUES "
        "('s', 'sku1', .5, .25, 'tea'), ('s', 'sku1', .75, .125, 'tea'),"
        "('other', 'sku1', 1, 1, 'z')"
        ") AS v (shop, sku, view_to_purchase_rate, cart_abandonment_rate, category)"
    )
    rows = []
    for sku, lines in by(inside(LINES, days), lambda line: line.sku).items():
        row: dict[str, Any] = {
            "shop": "s", "sku": sku, "savings": given(lines), "margin": _margin(lines, _revenue),
        }  # fmt: skip
        parts = {"": lines, "_with": discounted(lines)}
        parts["_without"] = [line for line in lines if line.discount_id is None]
        for part, some in parts.items():
            row |= {
                f"units{part}": sum(line.units for line in some),
                f"revenue{part}": earned(some),
            }
            row[f"margin{part}"] = _margin(some, _revenue)
        for part in ("_with", "_without"):
            units = row[f"units{part}"]
            row[f"price{part}"] = float(row[f"revenue{part}"] / units) if units > 0 else None
        low = min(row["units_with"], row["units_without"])
        row["share_of_units"] = (
            row["units_with"] / row["units"] if low >= 0 and row["units"] else None
        )
        row["depth"] = depth(row["savings"], row["revenue_with"])
        known = row["margin"] is not None and row["revenue"] > 0
        row["margin_rate"] = float(row["margin"] / row["revenue"]) if known else None
        title = _title(lines)
        row["product"] = f"{title} ({sku})" if title else sku
        rates = (0.75, 0.25, "tea") if sku == "sku1" else (None, None, None)
        names = ("view_to_purchase_rate", "cart_abandonment_rate", "category")
        rows.append(row | dict(zip(names, rates, strict=True)))
    rows = sorted(
        (row for row in rows if row["units"] > 0), key=lambda r: (-r["revenue"], r["sku"])
    )
    same(rows_of(con, "products", days=days), rows)


def _revenue(line: Line) -> Decimal:
    return line.revenue


def _listed(line: Line) -> Decimal:
    return line.revenue + line.discount_amount


@pytest.mark.parametrize("days", [7, 30])
def test_stacking_groups_orders_by_their_discounts(con, days):
    bought = [line for line in inside(LINES, days) if line.type == "order"]
    groups = defaultdict(list)
    for lines in by(bought, lambda line: line.order_id).values():
        pairs = {(line.discount_id, line.discount_code) for line in discounted(lines)}
        groups["4 or more" if len(pairs) >= 4 else str(len(pairs))].append(lines)
    rows = []
    for stacked, orders in sorted(groups.items()):
        lines = [line for order in orders for line in order]
        codes = [{line.discount_code for line in order} - {None} for order in orders]
        rows.append(
            {
                "stacked": stacked,
                "orders": len(orders),
                "orders_with_codes": sum(len(each) > 1 for each in codes),
                "customers": len({line.customer_id for line in lines} - {None}),
                "with_full_price": sum(
                    any(line.discount_id is None for line in order) for order in orders
                ),
                "revenue": earned(lines),
                "savings": given(lines),
                "depth": depth(given(lines), earned(lines)),
            }
        )
    same(rows_of(con, "discount_stacking", days=days), rows)


@pytest.mark.parametrize(
    ("amounts", "depth_of_all"),
    [
        ([(0, 0)], None),  # nothing was paid
        ([(0.75, 0.25)], 0.25),  # a list value of 1
        ([(-3, 2), (2, 0)], None),  # the orders together paid less than nothing
        ([(3, -2), (3, 1)], None),
        ([(-1, 2), (2, 1)], 0.75),
    ],
)
def test_the_depth_of_orders_is_that_of_their_sums(amounts, depth_of_all):
    lines = [
        LINES[0]._replace(
            type="order", day=UNTIL, order_id=f"o{n}", discount_id="d", discount_code=None,
            revenue=Decimal(revenue), discount_amount=Decimal(savings),
        )
        for n, (revenue, savings) in enumerate(amounts)
    ]  # fmt: skip
    with opened(lines) as con:
        [row] = rows_of(con, "discount_stacking", days=7)
    assert (row["stacked"], row["depth"]) == ("1", depth_of_all)


KEYS: dict[str, Callable[[Line], tuple[str | None, ...] | None]] = {
    "discount": lambda line: (line.discount_id, None, None),
    "code": lambda line: (
        (line.discount_id, line.discount_code, None) if line.discount_code else None
    ),
    "sku": lambda line: (None, None, line.sku),
    "all": lambda line: (None, None, None),
}


def _name(level: str, lines: list[Line]) -> str | None:
    if level == "all":
        return "all discounts"
    if level != "sku":
        return lines[0].discount_code if level == "code" else lines[0].discount_id
    title = max((line.product_title or "" for line in lines), default="")
    return f"{title} ({lines[0].sku})".strip()


@pytest.mark.parametrize("days", [7, 30])
def test_earnings_by_discount_code_sku_and_in_all(con, days):
    firsts: dict[str, str] = {}
    bought = [line for line in LINES if line.type == "order" and line.customer_id]
    for line in sorted(bought, key=lambda line: (line.occurred_at, line.event_id)):
        firsts.setdefault(str(line.customer_id), line.order_id)
    rows = []
    for level, key in KEYS.items():
        for place, lines in by(discounted(inside(LINES, days)), key).items():
            if place is None:
                continue
            uses = [line for line in lines if line.is_use]
            of_each = by((line for line in uses if line.customer_id), lambda line: line.customer_id)
            listed = sum(map(_listed, lines), Decimal(0))
            has_depth = listed > 0 and earned(lines) >= 0
            margin = _margin(lines, _listed)
            has_rate = margin is not None and listed > 0
            rows.append(
                {
                    "level": level,
                    **dict(zip(("discount_id", "discount_code", "sku"), place, strict=True)),
                    "name": _name(level, lines),
                    "uses": len(uses),
                    "orders": len({line.order_id for line in uses}),
                    "customers": len(of_each),
                    "repeat_customers": sum(
                        len({line.order_id for line in some}) > 1 for some in of_each.values()
                    ),
                    "new_customers": sum(
                        any(line.order_id == firsts[customer] for line in some)
                        for customer, some in of_each.items()
                    ),
                    "units": sum(line.units for line in lines),
                    "revenue_before": listed,
                    "savings": given(lines),
                    "revenue_after": earned(lines),
                    "margin_before": margin,
                    "margin_rate": float(margin / listed) if has_rate else None,
                    "margin_after": _margin(lines, _revenue),
                    "depth": float(given(lines) / listed) if has_depth else None,
                }
            )
    rows = [row for row in rows if row["uses"]]
    names = ("discount_id", "discount_code", "sku")
    rows.sort(key=lambda r: (r["level"], -r["savings"], *(str(r[name]) for name in names)))
    same(rows_of(con, "discount_earnings", days=days), rows)


def _used(customers: int, code: str) -> Iterator[Line]:
    """Lines of a code that so many customers used."""
    for number in range(customers):
        yield LINES[0]._replace(
            type="order", discount_id=code, discount_code=code, day=UNTIL,
            customer_id=f"c{number}", order_id=f"{code}{number}",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "leaks"),
    [
        ([1] * 7 + [10], [True]),
        ([1] * 7 + [9], [False]),
        ([1] * 6 + [10], [None]),
        ([2] * 6 + [4, 4, 4, 300], [True]),
        ([2, 3, 4, 5, 6, 7, 8, 8, 60], [False]),
    ],
)
def test_a_code_leaks_far_beyond_the_others(counts, leaks):
    """Of eight codes or more, beyond the outer fence of logarithms, and with ten customers."""
    uses = [line for i, count in enumerate(counts) for line in _used(count, f"CODE{i:02}")]
    late = [line._replace(day=UNTIL + timedelta(days=1)) for line in _used(400, "CODE00")]
    early = [line._replace(day=UNTIL - timedelta(days=7)) for line in _used(400, "CODE00")]
    refunds = [line._replace(type="refund") for line in _used(400, "CODE00")]
    again = [line._replace(day=UNTIL - timedelta(days=6)) for line in _used(1, "CODE00")]
    with opened([*uses, *late, *early, *refunds, *again]) as con:
        found = rows_of(con, "leaking_codes", days=7)
    logs = np.log(counts)
    low, high = np.quantile(logs, 0.25), np.quantile(logs, 0.75)
    assert leaks in ([None], [bool(counts[-1] > max(np.exp(high + 3 * (high - low)), 9))])
    assert [row["leaks"] for row in found] == leaks + [leaks[0] and False] * (len(counts) - 1)
    assert [row["customers"] for row in found] == sorted(counts, reverse=True)
    assert {row["usual_customers"] for row in found} == {float(np.median(counts))}
    [first] = [row for row in found if row["discount_code"] == "CODE00"]
    told = ("uses", "days_used", "first_day", "last_day")
    assert [first[name] for name in told] == [counts[0] + 1, 2, UNTIL - timedelta(days=6), UNTIL]


def test_weeks_of_codes_end_on_the_day(con):
    rows = []
    groups = by(discounted(inside(LINES, 21)), lambda line: line.discount_id)
    for discount, lines in sorted(groups.items()):
        weeks = [given(inside(lines, 7, back)) for back in (2, 1, 0)]
        rows.append({"discount_id": discount, "weekly_savings": [float(week) for week in weeks]})
    assert rows_of(con, "code_weeks", weeks=3) == rows
