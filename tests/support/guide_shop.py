"""A shop whose app keeps the guide's six tables and nothing else: no order event, nothing of ours.

Ninety days of counters and stock, a use on every day but each ninth; three discounts on three SKUs;
two A/B tests whose visitors nobody counted; customers with their last purchase.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "d1lab" / "d1" / "migrations" / "0001_guide_tables.sql"
SHOP = "guide"
LAST = date(2026, 5, 8)
DAYS = 90
SKUS = {"SOCK": "Winter sock", "HAT": "Hat", "EVIL": "</script><script>alert(1)</script>"}
DISCOUNTS = {"spring": "SPRING10", "vip": "VIP20", "auto": None}


def uses_on(day: int) -> int:
    """Uses on the day of this number, from 0: none on each ninth, which has no row."""
    return 0 if day % 9 == 0 else 5 + day % 7


def write_guide_shop(path: Path) -> Path:
    """A database file with the guide's tables, as its app fills them."""
    with closing(sqlite3.connect(path)) as con, con:
        con.executescript(GUIDE.read_text())
        for table, row in _rows():
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            con.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
    return path


def _rows() -> Iterator[tuple[str, dict[str, Any]]]:
    for day in range(DAYS):
        yield from ((table, {"shop": SHOP, **row}) for table, row in _of_day(day))
    for number, (sku, title) in enumerate(SKUS.items()):
        yield from ((table, {"shop": SHOP, "sku": sku, **row}) for table, row in _of(number, title))
    for number in range(20):
        last = LAST - timedelta(number * 5)
        yield "customer_insights", {
            "shop": SHOP, "customer_id": f"c{number}", "total_discounts_used": number % 4,
            "total_savings": 2.5 * number, "avg_order_value": 30 + number,
            "last_purchase_date": f"{last} 08:00:00",
        }  # fmt: skip
    for test, (name, ended) in {
        "t1": ("10 or 20%", "2026-04-28 00:00:00"),
        "t2": ("Banner", None),
    }.items():
        yield "ab_test_results", {
            "shop": SHOP, "test_id": test, "test_name": name,
            "variant_a_config": json.dumps({"discount": 10}),
            "variant_b_config": json.dumps({"discount": 20}),
            "variant_a_conversions": 120, "variant_b_conversions": 150, "variant_a_revenue": 2400,
            "variant_b_revenue": 2800, "started_at": "2026-04-01 00:00:00", "ended_at": ended,
        }  # fmt: skip


def _of_day(day: int) -> Iterator[tuple[str, dict[str, Any]]]:
    on = (LAST - timedelta(DAYS - 1 - day)).isoformat()
    if uses := uses_on(day):
        yield "daily_discount_stats", {
            "date": on, "total_discounts_used": uses, "total_revenue_impact": uses * 20,
            "unique_customers": uses - 1,
        }  # fmt: skip
    for sku in SKUS:
        sold = (2, 0) if day % 3 == 0 else (0, 1)
        start = 300 - (day // 3 * 4 + (0, 2, 3)[day % 3])
        yield "inventory_impact", {
            "sku": sku, "date": on, "starting_inventory": start,
            "units_sold_with_discount": sold[0], "units_sold_regular_price": sold[1],
            "ending_inventory": start - sum(sold),
        }  # fmt: skip


def _of(number: int, title: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The counters of one SKU; the second discount was last used in March."""
    for at, (discount, code) in enumerate(DISCOUNTS.items()):
        uses, depth = 40 - 8 * at - 5 * number, 0.1 * (at + 1)
        yield "discount_analytics", {
            "discount_id": discount, "discount_code": code, "times_used": uses,
            "revenue_before_discount": uses * 25, "discount_amount": uses * 25 * depth,
            "revenue_after_discount": uses * 25 * (1 - depth), "unique_customers": uses - 4,
            "repeat_usage_count": 4, "first_used_at": f"2026-01-0{number + 1} 10:00:00",
            "last_used_at": "2026-03-20 10:00:00" if at == 1 else "2026-05-07 10:00:00",
        }  # fmt: skip
    yield "product_performance", {
        "product_title": title, "units_sold_with_discount": 100 - 45 * number,
        "units_sold_without_discount": 20 + 40 * number, "total_discount_given": 250 - 110 * number,
        "revenue_with_discount": 2250 - 1000 * number,
        "revenue_without_discount": 500 + 1000 * number,
        "view_to_purchase_rate": 0.031 if number else None, "updated_at": "2026-05-08 23:00:00",
    }  # fmt: skip
