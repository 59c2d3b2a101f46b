"""Replace stored orders by the ones in a file, unless D1 has a newer version.

D1's table `d1lab_orders` has the export time of each order. Orders match in any spelling of their
ID (5123, 5123.0, gid://shopify/Order/5123), or by name alone; events tracked by the app are
replaced, too. Whole orders are written in groups, each in one transaction: an interrupted
load leaves every order either in its old or in its new state.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import orjson
import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import Database, Statement
from d1lab.d1.write import CHANGES, upsert_statements
from d1lab.errors import InputError
from d1lab.ingest.events import Progress
from d1lab.ingest.files import FIELDS
from d1lab.ingest.times import SHAPE

GROUP_ROWS = 10_000
LOOKUP_IDS = 20_000  # in one statement, which reads all rows of the shop; with more, they are paged
PAGE_ROWS = 20_000
TABLE = catalog.ORDERS

_EVENTS = catalog.table("order_events")
_COLUMNS = ("shop", "order_id", "name", "exported_at", "last_event_at")
_DELETE = (
    "DELETE FROM order_events WHERE shop = ?1 AND event_id IN (SELECT value FROM json_each(?2))"
)
_FORGET = (
    "DELETE FROM d1lab_orders WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))"
)
_KNOWN_ORDERS = """
SELECT order_id, name, exported_at, last_event_at FROM d1lab_orders
WHERE shop = ?1
    AND (order_id IN (SELECT value FROM json_each(?2)) OR name IN (SELECT value FROM json_each(?2)))
"""
_KNOWN_EVENTS = """
SELECT order_id, event_id, occurred_at FROM order_events
WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))
"""
_PAGED_ORDERS = f"""
SELECT order_id, name, exported_at, last_event_at FROM d1lab_orders
WHERE shop = ?1 AND order_id > ?2 ORDER BY order_id LIMIT {PAGE_ROWS}
"""  # noqa: S608
_PAGED_EVENTS = f"""
SELECT order_id, event_id, occurred_at FROM order_events
WHERE shop = ?1 AND event_id > ?2 ORDER BY event_id LIMIT {PAGE_ROWS}
"""  # noqa: S608
_SPELLINGS = """
CREATE OR REPLACE TABLE spellings AS
WITH orders AS (
    SELECT order_id, name, regexp_full_match(order_id, '[0-9]+') AS is_number FROM file_orders
)
SELECT DISTINCT order_id, unnest(list_filter([
    order_id, name, CASE WHEN is_number THEN order_id || '.0' END,
    CASE WHEN is_number THEN 'gid://shopify/Order/' || order_id END
], lambda spelling: spelling IS NOT NULL)) AS spelling
FROM orders
"""
_RENAMED = """
SELECT file_orders.order_id, min(known_orders.order_id), count(DISTINCT known_orders.order_id)
FROM file_orders
JOIN known_orders ON known_orders.name = file_orders.name
WHERE file_orders.order_id = file_orders.name AND known_orders.order_id <> file_orders.order_id
GROUP BY file_orders.order_id
"""
_DECIDED = """
CREATE TABLE decided AS
WITH known AS (
    SELECT spellings.order_id, max(exported_at) AS exported_at, max(last_event_at) AS last_event_at
    FROM spellings JOIN known_orders ON known_orders.order_id = spelling
    GROUP BY spellings.order_id
),
tracked AS (
    SELECT spellings.order_id, max(occurred_at) AS occurred_at
    FROM spellings JOIN known_events ON known_events.order_id = spelling
    GROUP BY spellings.order_id
)
SELECT
    order_id,
    file_orders.name,
    coalesce(greatest(
        known.exported_at,
        CASE WHEN occurred_at > coalesce(last_event_at, '') THEN occurred_at END
    ) > $exported_at, false)  AS is_older  -- the stored order is newer: the app keeps tracking
FROM file_orders
LEFT JOIN known USING (order_id)
LEFT JOIN tracked USING (order_id)
WHERE order_id NOT IN (SELECT order_id FROM checked WHERE reason IS NOT NULL)
"""
_STALE = """
CREATE TABLE stale AS
SELECT DISTINCT decided.order_id, known_events.event_id
FROM decided
JOIN spellings USING (order_id)
JOIN known_events ON known_events.order_id = spelling
ANTI JOIN checked ON checked.event_id = known_events.event_id
WHERE NOT is_older
"""
_NEXT = """
SELECT
    order_id,
    any_value(name),
    list(row ORDER BY position) FILTER (row IS NOT NULL),
    max(occurred_at),
    (SELECT list(event_id) FROM stale WHERE stale.order_id = decided.order_id),
    (SELECT list(spelling) FROM spellings
        WHERE spellings.order_id = decided.order_id AND spelling <> decided.order_id)
FROM decided LEFT JOIN checked USING (order_id)
WHERE NOT is_older
GROUP BY order_id
ORDER BY min(position) NULLS LAST, order_id
"""
_LOOSE = """
SELECT row FROM checked ANTI JOIN decided USING (order_id) WHERE reason IS NULL ORDER BY position
"""


class Replaced(NamedTuple):
    """Counts of the accepted events."""

    written: int  # new or changed
    known: int  # already stored, unchanged
    removed: int  # stored before, but no longer in the order
    older_orders: int  # stored from a newer export: not changed


class _Group(NamedTuple):
    """Whole orders that are written in one transaction."""

    rows: list[str]  # events, each a JSON array in the order of FIELDS
    stale: list[str]  # ids of events to delete
    orders: list[str]  # rows of TABLE, as JSON arrays
    other_names: list[str]  # other spellings of the stored orders


def require_tables(db: Database) -> None:
    """Raise InputError if a table for orders is missing in the database."""
    there = db.tables()
    for name in (_EVENTS.name, TABLE, catalog.CAMPAIGNS, catalog.EXPORTS):
        if name not in there:
            raise InputError(f"{db.url} has no table {name}. Run: d1lab migrate")


def find_known(db: Database, con: duckdb.DuckDBPyConnection, shop: str) -> None:
    """Read the stored orders of `file_orders` from D1, and use their stored ids.

    Raises:
        InputError: Several stored orders share an order's name.
    """
    con.execute(_SPELLINGS)
    spellings = [text for (text,) in con.sql("SELECT DISTINCT spelling FROM spellings").fetchall()]
    _keep(con, "known_orders", _COLUMNS[1:], _look_up(db, _ORDERS, shop, spellings))
    for order_id, known_id, count in con.sql(_RENAMED).fetchall():
        if count > 1:
            raise InputError(
                f"{count} orders of shop {shop!r} are named {order_id!r}. "
                "Export them with their Id."
            )
        _rename(con, order_id, known_id)
    con.execute(_SPELLINGS)
    wanted = [text for (text,) in con.sql("SELECT DISTINCT spelling FROM spellings").fetchall()]
    events = _look_up(db, _STORED_EVENTS, shop, wanted)
    _keep(con, "known_events", ("order_id", "event_id", "occurred_at"), events)


class _Lookup(NamedTuple):
    """How to find stored rows by order: one scan of the shop's rows, whatever the number of ids."""

    listed: str  # SQL with the shop and a list of ids
    paged: str  # SQL with the shop and the key after which the page starts
    key: int  # place of that key in a row
    ids: tuple[int, ...]  # places of the ids


_ORDERS = _Lookup(_KNOWN_ORDERS, _PAGED_ORDERS, key=0, ids=(0, 1))
_STORED_EVENTS = _Lookup(_KNOWN_EVENTS, _PAGED_EVENTS, key=1, ids=(0,))


def _look_up(
    db: Database, lookup: _Lookup, shop: str, ids: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    any_known = db.query("SELECT 1 FROM order_events WHERE shop = ?1 LIMIT 1", (shop,)).rows
    any_known += db.query(f"SELECT 1 FROM {TABLE} WHERE shop = ?1 LIMIT 1", (shop,)).rows  # noqa: S608
    if not any_known or not ids:
        return
    if len(ids) <= LOOKUP_IDS:
        asked = orjson.dumps(ids).decode()
        yield from db.query(lookup.listed, (shop, asked), table=_EVENTS.name).rows
        return
    wanted, after = {*ids}, ""
    while rows := db.query(lookup.paged, (shop, after), table=_EVENTS.name).rows:
        yield from (row for row in rows if any(row[place] in wanted for place in lookup.ids))
        after = str(rows[-1][lookup.key])


def _keep(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[str],
    rows: Iterator[tuple[object, ...]],
) -> None:
    texts = [[None if cell is None else str(cell) for cell in row] for row in rows]
    arrays = [pa.array([row[place] for row in texts], pa.string()) for place in range(len(columns))]
    con.register(f"{name}_found", pa.table(arrays, names=list(columns)))
    con.execute(f"CREATE TABLE {name} AS FROM {name}_found")


def _rename(con: duckdb.DuckDBPyConnection, order_id: str, known_id: str) -> None:
    """Give orders that only have a name in the file the id that they are stored with."""
    names = {"old": order_id, "new": known_id}
    con.execute(
        "UPDATE events SET order_id = $new, event_id = CASE WHEN starts_with(event_id, $old || '-')"
        " THEN $new || substr(event_id, length($old) + 1) ELSE event_id END WHERE order_id = $old",
        names,
    )
    con.execute("UPDATE file_orders SET order_id = $new WHERE order_id = $old", names)


def replace_orders(
    db: Database,
    con: duckdb.DuckDBPyConnection,
    shop: str,
    exported_at: datetime,
    progress: Progress | None = None,
) -> Replaced:
    """Write the events of `checked`; whole orders replace the stored ones.

    Args:
        db: The database.
        con: The connection with `checked` and the tables of `find_known`.
        shop: The shop.
        exported_at: When the file was exported, UTC.
        progress: Called after each group.

    Raises:
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Groups already written stay.
    """
    moment = exported_at.strftime(SHAPE)
    con.execute(_DECIDED, {"exported_at": moment})
    con.execute(_STALE)
    ((expected,),) = con.sql(
        "SELECT count(*) FROM checked LEFT JOIN decided USING (order_id) "
        "WHERE reason IS NULL AND NOT coalesce(is_older, false)"
    ).fetchall()
    done = written = removed = 0
    for group in _groups(con, shop, moment):
        changed, gone = _write(db, shop, group)
        written, removed, done = written + changed, removed + gone, done + len(group.rows)
        if progress:
            progress("events", done, expected)
    ((older,),) = con.sql("SELECT count(*) FROM decided WHERE is_older").fetchall()
    return Replaced(written, done - written, removed, older)


def _groups(con: duckdb.DuckDBPyConnection, shop: str, moment: str) -> Iterator[_Group]:
    """Yield whole orders, about GROUP_ROWS events at a time; then the remaining events."""
    group = _Group([], [], [], [])
    orders = con.cursor().execute(_NEXT)
    while some := orders.fetchmany(1_000):
        for order_id, name, rows, last, stale, others in some:
            if group.rows and len(group.rows) + len(rows or ()) > GROUP_ROWS:
                yield group
                group = _Group([], [], [], [])
            group.rows.extend(rows or ())
            group.stale.extend(stale or ())
            group.other_names.extend(others or ())
            group.orders.append(orjson.dumps((shop, order_id, name, moment, last)).decode())
    if group.orders:
        yield group
    loose = con.cursor().execute(_LOOSE)
    while some := loose.fetchmany(GROUP_ROWS):
        yield _Group([row for (row,) in some], [], [], [])


def _write(db: Database, shop: str, group: _Group) -> tuple[int, int]:
    """Write a group in one transaction; return the number of events written and removed."""
    removals = []
    for sql, ids in ((_DELETE, group.stale), (_FORGET, group.other_names)):
        if ids:
            removals += [Statement(sql, (shop, orjson.dumps(ids).decode())), CHANGES]
    events = upsert_statements(_EVENTS.name, _EVENTS.key, FIELDS, group.rows)
    orders = upsert_statements(TABLE, _COLUMNS[:2], _COLUMNS, group.orders)
    results = db.batch([*removals, *events, *orders], table=_EVENTS.name, idempotent=True)
    counts = [int(str(result.rows[0][0])) for result in results[1::2]]
    first = len(removals) // 2
    return sum(counts[first : first + len(events) // 2]), counts[0] if group.stale else 0
