"""Read and write many rows by key, each chunk as one JSON parameter read with `json_each`.

This is the only way that is exact for every type, avoids D1's limit of 100 parameters, and needs
one request for many rows. Rows that would not change are not written, and not billed as written.
"""

# ruff: noqa: S608  (identifiers are quoted, values are bound)
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from d1lab.d1.database import Database, Statement, Value, quote
from d1lab.d1.encoding import encode, encoded_places, extract, plain, tag, to_json, untagged
from d1lab.d1.statistics import misled_key
from d1lab.errors import D1TooBigError, InputError

CHUNK_ROWS = 10_000  # D1's recommendation for one write statement
CHUNK_BYTES = 1_900_000  # the limit of a parameter is 2,000,000
BATCH_CHUNKS = 5  # statements per request, which has to finish within 30 seconds
FETCH_KEYS = 5_000  # rows per response

Row = Sequence[object]
"""The values of one row, or the row as the text of a JSON array."""


class Line(NamedTuple):
    """One row as JSON, and the positions of objects from `encode`."""

    text: str
    places: frozenset[int]


_NO_PLACES: frozenset[int] = frozenset()
CHANGES = Statement("SELECT changes()")  # D1's own count includes changes by triggers


def upsert(
    db: Database,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    update: Sequence[str] | None = None,
) -> int:
    """Insert new rows, and update existing rows that differ.

    Args:
        db: The database.
        table: The table; it needs a UNIQUE index on `key`.
        key: The columns that identify a row; all of them in `columns`.
        columns: The columns of each row's values, in order.
        rows: The rows, each key once. Values are those that `d1lab.d1.encoding.plain` accepts.
        update: The columns to update in an existing row. Default: all but the key.

    Returns:
        The rows inserted or updated. Too low if an error made d1lab send a batch twice.

    Raises:
        InputError: A value has no D1 type, or a key is missing or repeated.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Earlier batches stay written.
    """
    changed = [c for c in columns if c not in key] if update is None else list(update)
    action = _update_of(table, changed)
    return _insert(db, table, key, columns, lines_of(rows, key, columns, unique=True), action)


def upsert_statements(
    table: str, key: Sequence[str], columns: Sequence[str], rows: Iterable[str]
) -> list[Statement]:
    """Return the statements of `upsert` for rows that are already JSON arrays, for one batch.

    Each is followed by `changes()`: the rows that it inserted or updated.
    """
    action = _update_of(table, [c for c in columns if c not in key])
    sql = _insert_sql(table, key, columns, _NO_PLACES, action)
    chunks = _chunks(Line(row, _NO_PLACES) for row in rows)
    texts = (_parameter(chunk)[0] for chunk in chunks)
    return [part for text in texts for part in (Statement(sql, (text,)), CHANGES)]


def _update_of(table: str, changed: Sequence[str]) -> str:
    sets = ", ".join(f"{quote(c)} = excluded.{quote(c)}" for c in changed)
    differs = " OR ".join(f"excluded.{quote(c)} IS NOT {quote(table)}.{quote(c)}" for c in changed)
    return f"DO UPDATE SET {sets} WHERE {differs}" if changed else "DO NOTHING"


def insert_new(
    db: Database, table: str, key: Sequence[str], columns: Sequence[str], rows: Iterable[Row]
) -> int:
    """Insert the rows with a new key; leave existing rows unchanged.

    Of rows with the same key, the first one counts. Arguments and errors as in `upsert`.

    Returns:
        The rows inserted.
    """
    return _insert(db, table, key, columns, lines_of(rows, key, columns), "DO NOTHING")


def fetch(
    db: Database,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    keys: Iterable[Row],
) -> dict[tuple[object, ...], tuple[Value, ...]]:
    """Read columns of the rows with the given keys, with exact values.

    Args:
        db: The database.
        table: The table; without an index on `key`, each call reads all of it.
        key: The columns of the key.
        columns: The columns to read, at most 99.
        keys: The keys, each a row of values in the order of `key`.

    Returns:
        The values by key, as passed; a key without a row is left out.
    """
    found: dict[tuple[object, ...], tuple[Value, ...]] = {}
    asked = [tuple(row) for row in keys]
    start = 0
    compose = _safe_fetch_sql if misled_key(db, table, key) else _fetch_sql
    for chunk in _chunks(map(_line, asked), FETCH_KEYS):
        text, places = _parameter(chunk)
        sql = compose(table, key, columns, places)
        for place, *cells in db.query(sql, (text,), table=table).rows:
            found[asked[start + int(str(place))]] = tuple(map(untagged, cells))
        start += len(chunk)
    return found


def _fetch_sql(
    table: str, key: Sequence[str], columns: Sequence[str], places: frozenset[int]
) -> str:
    cells = "".join(f", {tag(f't.{quote(c)}')}" for c in columns)
    same = _same(key, places)
    return f"SELECT j.key{cells} FROM json_each(?1) AS j CROSS JOIN {quote(table)} AS t ON {same}"


def _safe_fetch_sql(
    table: str, key: Sequence[str], columns: Sequence[str], places: frozenset[int]
) -> str:
    """Build the statement for tables that D1 would scan for each key; it never does in a subquery.

    Each cell is looked up separately, so a row is read once per column, plus once to find it.
    """
    found = f"FROM {quote(table)} AS t WHERE {_same(key, places)}"
    cells = "".join(f", (SELECT {tag(f't.{quote(c)}')} {found})" for c in columns)
    return f"SELECT j.key{cells} FROM json_each(?1) AS j WHERE EXISTS (SELECT 1 {found})"


def _same(key: Sequence[str], places: frozenset[int]) -> str:
    """Build SQL that is true if row `t` has the key of element `j`."""
    return " AND ".join(
        f"t.{quote(c)} = {extract('j.value', f'$[{i}]', i in places)}" for i, c in enumerate(key)
    )


def _insert(
    db: Database,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    lines: Iterator[Line],
    action: str,
) -> int:
    return send(db, table, lines, lambda places: _insert_sql(table, key, columns, places, action))


def _insert_sql(
    table: str, key: Sequence[str], columns: Sequence[str], places: frozenset[int], action: str
) -> str:
    into = f"{quote(table)} ({', '.join(map(quote, columns))})"
    values = ", ".join(extract("value", f"$[{i}]", i in places) for i in range(len(columns)))
    conflict = f"({', '.join(map(quote, key))})"
    return (
        f"INSERT INTO {into} SELECT {values} FROM json_each(?1) "
        f"WHERE true ON CONFLICT {conflict} {action}"  # WHERE true: the parser needs it
    )


def lines_of(
    rows: Iterable[Row], key: Sequence[str], columns: Sequence[str], *, unique: bool = False
) -> Iterator[Line]:
    """Yield each row as JSON; reject a missing key, and a repeated one if `unique`."""
    if missing := [name for name in key if name not in columns]:
        raise InputError(f"key columns missing from the rows: {', '.join(missing)}")
    at = [list(columns).index(name) for name in key]
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        if isinstance(row, str):
            yield Line(row, _NO_PLACES)
            continue
        values = [encode(plain(value)) for value in row]
        own = tuple(str(values[place]) for place in at if values[place] is not None)
        if len(values) != len(columns) or len(own) != len(key):
            raise InputError(
                f"expected a row with {', '.join(columns)} and a non-NULL key, got {row!r:.200}"
            )
        if unique and own in seen:
            raise InputError(f"duplicate key {own}. Pass each row once.")
        seen.add(own) if unique else None
        yield Line(to_json(values), encoded_places(values))


def _line(row: Row) -> Line:
    values = [encode(plain(value)) for value in row]
    return Line(to_json(values), encoded_places(values))


def _parameter(chunk: Sequence[Line]) -> tuple[str, frozenset[int]]:
    """Return one JSON text for all rows, and the positions with an encoded value in any row."""
    text = "[" + ",".join(line.text for line in chunk) + "]"
    return text, _NO_PLACES.union(*(line.places for line in chunk))


def _chunks(lines: Iterable[Line], most: int = CHUNK_ROWS) -> Iterator[list[Line]]:
    """Yield rows in groups that fit in one parameter."""
    chunk: list[Line] = []
    size = 2
    for line in lines:
        length = len(line.text.encode()) + 1
        if length + 2 > CHUNK_BYTES:
            raise D1TooBigError(
                f"row too large: {length:,} bytes, D1 allows 2,000,000. {line.text:.80} ..."
            )
        if chunk and (len(chunk) == most or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 2
        chunk.append(line)
        size += length
    if chunk:
        yield chunk


def send(
    db: Database, table: str, lines: Iterator[Line], sql: Callable[[frozenset[int]], str]
) -> int:
    """Write all rows, several chunks per batch; return the rows changed.

    Args:
        db: The database.
        table: The table that the usage is counted for.
        lines: The rows, from `lines_of`.
        sql: Builds the statement that reads its rows from ?1, given the positions of encoded
            values. It has to be idempotent: repeated, it finds no differences.
    """
    changed = 0
    chunks = _chunks(lines)
    while some := list(islice(chunks, BATCH_CHUNKS)):
        statements: list[Statement] = []
        for chunk in some:
            text, places = _parameter(chunk)
            statements += [Statement(sql(places), (text,)), CHANGES]
        results = db.batch(statements, table=table, idempotent=True)
        changed += sum(int(str(result.rows[0][0])) for result in results[1::2])
    return changed
