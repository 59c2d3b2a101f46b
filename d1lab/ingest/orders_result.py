"""The result of loading orders: counts, rejected lines, and the first orders in a dry run."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import duckdb

from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.lines import Loaded
from d1lab.ingest.rejected import RejectedLine
from d1lab.ingest.replace import Replaced

SHOWN_ORDERS = 5  # in a dry run

_COUNTS = """
SELECT
    count(DISTINCT order_id) FILTER (type = 'order'), count(*) FILTER (type = 'refund'),
    count(*) FILTER (type = 'refund' AND quantity = 0),
    count(*) FILTER (type = 'order' AND customer_id IS NULL), count(*)
FROM checked
WHERE reason IS NULL
"""

_SHOWN = """
SELECT sent.order_id, sent.type, checked.occurred_at, left(sent.customer_id, 8) AS customer, sku,
    sent.quantity, discount_code, discount_amount::DOUBLE, revenue::DOUBLE
FROM sent JOIN checked USING (position)
WHERE reason IS NULL
    AND sent.order_id IN (
        SELECT order_id FROM sent GROUP BY order_id ORDER BY min(position) LIMIT $orders
    )
ORDER BY position LIMIT 20
"""


class OrderLine(NamedTuple):
    """A line as interpreted by a dry run."""

    order_id: str
    type: str
    occurred_at: str  # UTC
    customer: str  # the start of the pseudonym; empty if unknown
    sku: str
    quantity: str
    discount_code: str  # empty without one
    discount_amount: str
    revenue: str


class OrdersResult(NamedTuple):
    """The result of loading a file."""

    layout: str  # 'shopify' or 'plain'
    lines: int  # in the file
    orders: int
    refunds: int  # events of type refund
    refunds_of_money: int  # of these, without units: an amount spread over the lines
    without_customer: int  # order lines
    events: int  # created from the accepted lines
    written: int  # new or changed; 0 in a dry run
    known: int  # already stored, unchanged
    rejected: tuple[RejectedLine, ...]
    seconds: float
    removed: int = 0  # stored events of these orders that no longer exist
    older: int = 0  # orders stored from a newer export: not changed
    no_sale: Mapping[str, int] = {}  # entries left out, by kind
    map: str | None = None  # the built-in map used
    exported_at: str = ""  # when the file was exported, UTC
    timezone: str = "UTC"  # of times without an offset
    proposed_timezone: str | None = None  # inferred from the offsets in the file, if none is set
    campaigns: Mapping[str, int] = {}  # number of codes in the file, by campaign
    shortened: Mapping[str, int] = {}  # orders at the file's ends that lost stored lines
    seen: tuple[OrderLine, ...] = ()  # the first orders, in a dry run


def result_of(
    con: duckdb.DuckDBPyConnection, columns: ColumnMap, loaded: Loaded, replaced: Replaced
) -> OrdersResult:
    """Return the counts and the rejected lines of a file whose events were checked and written.

    Args:
        con: The workspace with the tables `checked`, `left_out`, and `rejected`.
        columns: The column map used.
        loaded: The lines read.
        replaced: The counts of events written.
    """
    ((orders, refunds, of_money, nameless, events),) = con.sql(_COUNTS).fetchall()
    kinds = con.sql("FROM left_out ORDER BY count DESC, kind").fetchall()
    return OrdersResult(
        layout=columns.layout,
        lines=loaded.lines,
        orders=orders,
        refunds=refunds,
        refunds_of_money=of_money,
        without_customer=nameless,
        events=events,
        written=replaced.written,
        known=replaced.known,
        rejected=_rejected(con, loaded),
        seconds=0,
        removed=replaced.removed,
        older=replaced.older_orders,
        no_sale={kind: count for kind, count in kinds if count},
        map=columns.title,
    )


def _rejected(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[RejectedLine, ...]:
    """Return the rejected lines, with their numbers in their files."""
    made = []
    for line, reason, order_id, sku in con.sql(
        "SELECT line, reason, order_id, sku FROM rejected ORDER BY line"
    ).fetchall():
        if place := loaded.place_of(line):
            path, number = place
            file = {"file": path.name} if len(loaded.ends) > 1 else {}
            made.append(RejectedLine(number, reason, {**file, "order_id": order_id, "sku": sku}))
    return tuple(made)


def first_orders(con: duckdb.DuckDBPyConnection) -> tuple[OrderLine, ...]:
    """Return the accepted lines of the first orders in the file, at most 20."""
    rows = con.execute(_SHOWN, {"orders": SHOWN_ORDERS}).fetchall()
    return tuple(OrderLine(*("" if cell is None else str(cell) for cell in row)) for row in rows)
