"""A shop of drawn order lines, with rows at the edges of periods, ties, and a neighbor's rows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pytest

from d1lab.metrics import evaluate, shipped_metric
from d1lab.warehouse import VIEWS

UNTIL = date(2026, 5, 30)
EDGES = (-1, 0, 6, 7, 13, 14, 27, 28, 29, 30, 59, 60, 90, 91, 181, 182)
"""Days before UNTIL at which usual periods begin and end; the first is a day too late."""


class Line(NamedTuple):
    """A row of the view `order_lines`: amounts of a refund are negative."""

    shop: str
    event_id: str
    type: str
    order_id: str
    customer_id: str | None
    sku: str
    product_title: str | None
    discount_id: str | None
    discount_code: str | None
    units: int
    revenue: Decimal
    discount_amount: Decimal
    day: date
    occurred_at: datetime

    @property
    def is_use(self) -> bool:
        return self.type == "order" and self.discount_id is not None


class Cost(NamedTuple):
    """A row of the table `product_costs`."""

    shop: str
    sku: str
    unit_cost: Decimal
    valid_from: date
    source: str = "drawn"


def draw(seed: int, count: int, shop: str = "s") -> list[Line]:
    """Draw order lines: those of an order share its customer and its day; a tenth are refunds."""
    rng = random.Random(seed)
    lines: list[Line] = []
    while len(lines) < count:
        number = len(lines)
        ago = rng.choice(EDGES) if rng.random() < 0.5 else rng.randrange(190)
        customer = rng.choice([None, *(f"c{i}" for i in range(25))])
        for place in range(rng.choice((1, 1, 2, 3, 5))):
            sku, discount = rng.randrange(9), rng.choice((None, None, 0, 1, 2, 3, 4, 5))
            sign = -1 if rng.random() < 0.1 else 1
            given = Decimal(rng.randrange(1, 9)) / 4 if discount is not None else Decimal(0)
            code = None if discount in (None, 0) else f"CODE{discount}{rng.choice(('', '', 'X'))}"
            lines.append(
                Line(
                    shop=shop,
                    event_id=f"e{number:04}{place}",
                    type="refund" if sign < 0 else "order",
                    order_id=f"o{number}",
                    customer_id=customer,
                    sku=f"sku{sku}",
                    product_title=rng.choice((None, f"Item {sku}", f"Thing {sku}")),
                    discount_id=None if discount is None else f"d{discount}",
                    discount_code=code,
                    units=sign * rng.randrange(1, 4),
                    revenue=sign * (Decimal(rng.randrange(20, 90)) / 2 - given),
                    discount_amount=sign * given,
                    day=UNTIL - timedelta(days=ago),
                    occurred_at=datetime.combine(UNTIL, datetime.min.time())
                    - timedelta(days=ago, hours=-rng.randrange(20)),
                )
            )
    return lines


def odd(seed: int, count: int, shop: str = "s") -> list[Line]:
    """Draw SKUs of one to three lines, most with a discount of their own.

    Their sums are 0, 1, or below 0 in any combination, and all times of a day are the same.
    """
    rng = random.Random(seed)
    lines: list[Line] = []
    for number in range(count):
        has_discount = rng.random() < 0.75
        customer = rng.choice((None, f"x{number % 7}", f"c{number % 3}"))
        given = ("0", "0", "0.5", "1", "1") if has_discount else ("0",)
        for place in range(rng.randrange(1, 4)):
            sign, day = rng.choice((1, 1, -1)), UNTIL - timedelta(days=rng.choice((0, 1, 6, 29)))
            lines.append(
                Line(
                    shop=shop,
                    event_id=f"x{number:02}{rng.randrange(900)}-{place}",
                    type="refund" if sign < 0 else "order",
                    order_id=f"x{number}-{rng.randrange(2)}",
                    customer_id=customer,
                    sku=f"odd{number:02}",
                    product_title=rng.choice((None, "Odd", "Rest")),
                    discount_id=f"x{number:02}" if has_discount else None,
                    discount_code=rng.choice((None, f"X{number}")) if has_discount else None,
                    units=sign * rng.choice((1, 1, 2)),
                    revenue=sign * Decimal(rng.choice(("-1", "0", "0", "0.5", "1", "1", "2"))),
                    discount_amount=sign * Decimal(rng.choice(given)),
                    day=day,
                    occurred_at=datetime.combine(day, datetime.min.time()),
                )
            )
    return lines


COSTS = tuple(
    Cost("s", f"sku{sku}", Decimal(4 + sku + step), UNTIL - timedelta(days=ago))
    for sku in range(7)  # two SKUs have no cost
    for step, ago in enumerate((400, 28, 6))
    if sku != 3 or step  # and one has none on most days
)


@contextmanager
def opened(lines: Iterable[Line], costs: Iterable[Cost] = COSTS) -> Iterator[Any]:
    """Open a database with the shop's lines and costs, and other ones of a neighbor."""
    other = [line._replace(units=7, sku=line.sku + "z") for line in draw(99, 60, "other")]
    neighbor = [cost._replace(shop="other", unit_cost=cost.unit_cost * 3) for cost in costs]
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA raw")
        for name, rows in (
            ("order_lines", [*lines, *other]),
            ("raw.product_costs", [*costs, *neighbor]),
        ):
            frame = pd.DataFrame(rows, columns=pd.Index(rows[0]._fields))
            con.register("drawn", frame.astype({c: str for c in AMOUNTS if c in frame}))
            amounts = ", ".join(f"{c}::DECIMAL(12, 2) AS {c}" for c in AMOUNTS if c in frame)
            days = ", ".join(f"{c}::DATE AS {c}" for c in ("day", "valid_from") if c in frame)
            con.execute(f"CREATE TABLE {name} AS SELECT * REPLACE ({amounts}, {days}) FROM drawn")
        con.execute(f"CREATE VIEW product_costs AS {(VIEWS / 'product_costs.sql').read_text()}")
        con.execute(WALK_INS)
        create_customer_orders(con)
        yield con


def create_customer_orders(con: Any) -> None:
    """Create the view of that name, over the tables order_lines and walk_in_customers."""
    select = (VIEWS / "customer_orders.sql").read_text("utf-8")
    con.execute(f"CREATE VIEW customer_orders AS {select}")


WALK_INS = """
CREATE TABLE walk_in_customers AS
SELECT 's' AS shop, 'c24' AS customer_id, 9 AS orders, .5 AS share_of_orders
UNION ALL SELECT 'other', 'c1', 9, .5
"""
AMOUNTS = ("revenue", "discount_amount", "unit_cost")


def rows_of(con: Any, metric: str, **given: object) -> list[dict[str, Any]]:
    """Return the rows of one of d1lab's metrics for the shop, on UNTIL."""
    shipped = shipped_metric(metric)
    known = {"shop": "s", "until": UNTIL, **given}
    found = evaluate(con, shipped, {name: known[name] for name in shipped.parameters})
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def inside(lines: Iterable[Line], days: int, back: int = 0) -> list[Line]:
    """Return the lines of a period of so many days, or of one before it."""
    last = UNTIL - timedelta(days=days * back)
    return [line for line in lines if last - timedelta(days=days) < line.day <= last]


def cost_of(line: Line, costs: Iterable[Cost] = COSTS) -> Decimal | None:
    """Return the cost of a line by the latest unit cost of its day; None if there is none."""
    valid = [cost for cost in costs if cost.sku == line.sku and cost.valid_from <= line.day]
    return max(valid, key=lambda cost: cost.valid_from).unit_cost * line.units if valid else None


def given(lines: Iterable[Line]) -> Decimal:
    return sum((line.discount_amount for line in lines), Decimal(0))


def earned(lines: Iterable[Line]) -> Decimal:
    return sum((line.revenue for line in lines), Decimal(0))


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare the columns of the expected rows, in their order."""
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            shown = float(row[name]) if isinstance(row[name], Decimal) else row[name]
            wished = float(value) if isinstance(value, Decimal) else value
            close = pytest.approx(wished, rel=1e-9) if isinstance(wished, float) else wished
            assert shown == close, (name, wanted)
