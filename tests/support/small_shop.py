"""A small shop with known demand: sixty days of orders, thirty of stock, one hostile title."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from d1lab.catalog import SOURCES
from d1lab.d1 import Database
from d1lab.d1.write import insert_new

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 29)
HOSTILE = "</script><script>document.title='owned'</script>"
TITLES = {"sock": "Winter sock", "hat": "Hat", "evil": HOSTILE}
UNITS = {"sock": 3, "hat": 1, "evil": 2}
"""What each SKU sells a day; every third day with SPRING10."""

STOCK_DAYS = 30


def events(shop: str = "corner") -> Iterator[dict[str, Any]]:
    """One line per SKU and day, as `d1lab track` takes them."""
    for day in range((LAST - FIRST).days + 1):
        for number, (sku, units) in enumerate(UNITS.items()):
            discount = round(0.1 * units * 10, 2) if day % 3 == 0 else 0
            yield {
                "shop": shop,
                "event_id": f"{day}-{sku}",
                "type": "order",
                "order_id": f"o{day}-{number}",
                "customer_id": f"c{(day + number) % 7}",
                "sku": sku,
                "product_title": TITLES[sku],
                "quantity": units,
                "list_price": 10,
                "discount_id": "spring" if discount else None,
                "discount_code": "SPRING10" if discount else None,
                "discount_type": "percentage" if discount else None,
                "discount_amount": discount,
                "revenue": units * 10 - discount,
                "occurred_at": datetime.combine(
                    FIRST + timedelta(day), datetime.min.time()
                ).isoformat(),
            }


def write_events(path: Path) -> Path:
    """The events as a file of JSON lines."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events()))
    return path


def write_stock(db: Database, shop: str = "corner") -> int:
    """Thirty days of stock that the sales above explain: 200 units of each SKU at the start."""
    rows = []
    for sku, units in UNITS.items():
        for day in range(STOCK_DAYS):
            date_ = LAST - timedelta(STOCK_DAYS - 1 - day)
            start = 200 - day * units
            discounted = (date_ - FIRST).days % 3 == 0
            sold = (units, 0) if discounted else (0, units)
            rows.append((shop, sku, date_.isoformat(), start, *sold, start - units))
    source = ("inventory_impact", shop, "simulated")
    insert_new(db, SOURCES, ("table_name", "shop"), ("table_name", "shop", "source"), [source])
    columns = ("shop", "sku", "date", "starting_inventory", "units_sold_with_discount",
               "units_sold_regular_price", "ending_inventory")  # fmt: skip
    return insert_new(db, "inventory_impact", ("shop", "sku", "date"), columns, rows)
