"""Simulation of the app's writes for the demo shops on the days after the end of the demo.

Days are those of the shops' time zone. Each day repeats the orders of a day of the previous year
with new order numbers. Some orders arrive late, some lines are corrected, and some are returned.
Stock follows sales, competitor prices are observed again, and consecutive A/B tests run for three
weeks each. Everything depends only on the data and the day, so playing a day twice has no effect.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from d1lab.catalog import INPUTS
from d1lab.config import DEMO_TIMEZONE
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.write import insert_new
from d1lab.demo.ab_tests import DAILY
from d1lab.demo.stock import COLUMNS as STOCK
from d1lab.ingest.events import track
from d1lab.ingest.files import FIELDS

ZONE = ZoneInfo(DEMO_TIMEZONE)
YEAR = timedelta(364)  # 52 weeks, to keep weekdays
PRICE_DAYS = 28  # competitor prices of the last four weeks are repeated
TEST_EVERY, TEST_DAYS = 28, 21
VISITORS = 150  # per variant and day
RATES = {"a": 0.08, "b": 0.11}
LOT_DAYS = 14  # days of sales covered by a delivery

Row = dict[str, Any]


class Arrival(NamedTuple):
    """An event with the day on which the app sends it."""

    day: date
    event: Row
    corrects: bool = False


class PlayedShop:
    """The app's side of a demo database.

    Args:
        path: The SQLite file, as `d1lab demo` builds it.
        last: Last day of the demo's own orders.
        shops: Shops to simulate; the others do not change.
    """

    def __init__(self, path: Path, last: date, shops: Sequence[str]) -> None:
        self.path, self.last, self.shops = path, last, tuple(shops)
        with self._open() as con:
            marks = ", ".join("?" * len(self.shops))
            names = ", ".join(FIELDS)
            found = con.execute(
                f"SELECT {names} FROM order_events"  # noqa: S608 - names of the catalog
                f" WHERE shop IN ({marks}) AND type = 'order'"
                " AND occurred_at < ? AND occurred_at >= ?",
                (*self.shops, midnight(last + timedelta(1)), midnight(last - YEAR + timedelta(1))),
            )
            self._year = [dict(row) for row in found]
        self._units = _units_by_day(self._year)

    def play(self, after: date, until: date) -> None:
        """Write the app's rows for the days after `after` up to and including `until`."""
        arrivals = sorted(self._arrivals(after, until), key=lambda arrival: arrival.day)
        db = SqliteDatabase(self.path)
        try:
            for corrects in (False, True):
                events = [each.event for each in arrivals if each.corrects is corrects]
                refused = track(db, events, correct=corrects).rejected
                assert not refused, refused[:3]
            for day in _days(after, until):
                self._write_stock(db, day)
                self._write_tests(db, day)
                self._write_prices(db, day)
        finally:
            db.close()

    def _open(self) -> closing[sqlite3.Connection]:
        con = sqlite3.connect(self.path)
        con.row_factory = sqlite3.Row
        return closing(con)

    def _query(self, sql: str, *params: object) -> list[sqlite3.Row]:
        with self._open() as con:
            return con.execute(sql, params).fetchall()

    def _arrivals(self, after: date, until: date) -> Iterator[Arrival]:
        for event in self._year:
            for arrival in arrivals_of(event):
                if after < arrival.day <= until:
                    yield arrival

    def _sold(self, shop: str, day: date) -> dict[str, Counter[bool]]:
        """Return units of each SKU on a day, by whether they were discounted."""
        return self._units.get((shop, day), {})

    def _write_stock(self, db: SqliteDatabase, day: date) -> None:
        rows: list[tuple[object, ...]] = []
        for shop in self.shops:
            sold = self._sold(shop, day)
            known = self._query(
                "SELECT sku, ending_inventory, max(date) FROM inventory_impact"
                " WHERE shop = ? AND date < ? GROUP BY sku",
                shop, day.isoformat(),
            )  # fmt: skip
            for sku, left, _ in known:
                units = sold.get(sku, Counter())
                start, total = int(left or 0), units.total()
                start += LOT_DAYS * max(total, 1) if start < total else 0
                rows.append(
                    (shop, sku, day.isoformat(), start, units[True], units[False], start - total)
                )
        insert_new(db, "inventory_impact", ("shop", "sku", "date"), STOCK, rows)

    def _write_tests(self, db: SqliteDatabase, day: date) -> None:
        number, place = divmod((day - self.last).days - 1, TEST_EVERY)
        if place > TEST_DAYS:
            return
        start = self.last + timedelta(1 + number * TEST_EVERY)
        for shop in self.shops:
            test_id = f"{shop}-played-{number}"
            ended = start + timedelta(TEST_DAYS) if place == TEST_DAYS else None
            if ended is None:
                insert_new(
                    db, "ab_test_daily", ("test_id", "day", "variant"), DAILY,
                    [_test_day(test_id, shop, day, variant) for variant in "ab"],
                )  # fmt: skip
            self._write_totals(test_id, shop, start, ended)

    def _write_totals(self, test_id: str, shop: str, start: date, ended: date | None) -> None:
        """Write the cumulative sums to the app's own table and to d1lab's."""
        sums = "visitors conversions revenue revenue_squares discount_cost profit profit_squares"
        totals: Row = {}
        for name in sums.split():
            for variant in "ab":
                sql = f"SELECT sum({name}) FROM ab_test_daily WHERE test_id = ? AND variant = ?"  # noqa: S608
                totals[f"variant_{variant}_{name}"] = self._query(sql, test_id, variant)[0][0]
        counts = {k: v for k, v in totals.items() if k.endswith(("conversions", "revenue"))}
        result: Row = {
            "test_id": test_id, "shop": shop, "test_name": test_id, "started_at": midnight(start),
            "ended_at": midnight(ended) if ended else None, **counts,
        }  # fmt: skip
        inputs: Row = {
            "test_id": test_id, "shop": shop, "source": "simulated", "share_b": 0.5,
            "method": "fixed", "primary_metric": "conversions", "alpha": 0.05,
            "planned_end": midnight(start + timedelta(TEST_DAYS)),
            "planned_visitors": 2 * VISITORS * TEST_DAYS,
            **{k: v for k, v in totals.items() if k not in counts},
        }  # fmt: skip
        with self._open() as con, con:
            _put(con, "ab_test_results", result)
            _put(con, INPUTS, inputs)

    def _write_prices(self, db: SqliteDatabase, day: date) -> None:
        """Write the prices of one of the demo's last four weeks as observed on this day."""
        place = ((day - self.last).days - 1) % PRICE_DAYS
        source = self.last - timedelta(PRICE_DAYS - 1 - place)
        columns = [
            "shop",
            "sku",
            "competitor",
            "price",
            "currency",
            "in_stock",
            "url",
            "observed_at",
            "source",
        ]
        marks = ", ".join("?" * len(self.shops))
        rows = self._query(
            f"SELECT {', '.join(columns)} FROM competitor_prices"  # noqa: S608
            f" WHERE shop IN ({marks}) AND observed_at >= ? AND observed_at < ?",
            *self.shops, midnight(source), midnight(source + timedelta(1)),
        )  # fmt: skip
        moved = [
            dict(row) | {"observed_at": _later(row["observed_at"], day - source)} for row in rows
        ]
        key = ("shop", "sku", "competitor", "observed_at")
        insert_new(db, "competitor_prices", key, columns, [tuple(row.values()) for row in moved])


def arrivals_of(event: Row) -> Iterator[Arrival]:
    """Yield a line of the previous year as sent: on time, late, corrected, or returned."""
    order = f"{event['order_id']}-again"
    line: Row = event | {
        "order_id": order,
        "event_id": f"{event['event_id']}-again",
        "occurred_at": _later(event["occurred_at"], YEAR),
    }
    day = local_day(line["occurred_at"])
    fate = crc32(order.encode()) % 100
    if fate < 4:  # the whole order is one to four days late
        yield Arrival(day + timedelta(1 + fate), line)
    elif fate < 6:  # one unit too many at first
        wrong = {
            "quantity": line["quantity"] + 1,
            "revenue": _sum(line["revenue"], line["list_price"]),
        }
        yield Arrival(day, line | wrong)
        yield Arrival(day + timedelta(3), line, corrects=True)
    else:
        yield Arrival(day, line)
    if fate in (6, 7):  # the whole order is returned
        back = {"type": "refund", "event_id": f"{line['event_id']}-back"}
        when = {"occurred_at": _later(line["occurred_at"], timedelta(6))}
        yield Arrival(day + timedelta(6), line | back | when)


def _units_by_day(year: Sequence[Row]) -> dict[tuple[str, date], dict[str, Counter[bool]]]:
    """Sum the units of each SKU a year later, by shop and day, and whether discounted."""
    found: dict[tuple[str, date], dict[str, Counter[bool]]] = {}
    for event in year:
        day = local_day(_later(event["occurred_at"], YEAR))
        units = found.setdefault((event["shop"], day), {}).setdefault(event["sku"], Counter())
        units[bool(event["discount_amount"])] += int(event["quantity"])
    return found


def _test_day(test_id: str, shop: str, day: date, variant: str) -> tuple[object, ...]:
    """Return a row of `ab_test_daily`: revenue of 25 and profit of 7 per conversion."""
    rng = np.random.default_rng([crc32(test_id.encode()), day.toordinal(), ord(variant)])
    orders = int(rng.binomial(VISITORS, RATES[variant]))
    sums = (VISITORS, orders, 25.0 * orders, 625.0 * orders, 0.0, 7.0 * orders, 49.0 * orders)
    return (test_id, shop, day.isoformat(), variant, *sums)


def _put(con: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a row, or update the row of its test."""
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    sets = ", ".join(f"{name} = excluded.{name}" for name in row if name != "test_id")
    con.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
        f" ON CONFLICT (test_id) DO UPDATE SET {sets}",
        row,
    )


def _days(after: date, until: date) -> Iterable[date]:
    return (after + timedelta(n) for n in range(1, (until - after).days + 1))


def midnight(day: date) -> str:
    """Return the moment at which a day begins in the shops' time zone, in UTC, as D1 stores it."""
    return f"{datetime.combine(day, time(), ZONE).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def local_day(moment: str) -> date:
    """Return the day of a moment (UTC, as D1 stores it) in the shops' time zone."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(ZONE).date()


def _later(moment: str, by: timedelta) -> str:
    return str(datetime.fromisoformat(moment) + by)


def _sum(first: float, second: float) -> float:
    return round(float(first) + float(second), 2)


def last_day(path: Path) -> date:
    """Return the last day with an order, in the shops' time zone."""
    with closing(sqlite3.connect(path)) as con:
        [found] = con.execute("SELECT max(occurred_at) FROM order_events").fetchone()
    return local_day(found)
