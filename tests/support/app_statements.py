"""The statements of an app's Worker, played on a database: what each returns and leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from d1lab.d1 import Database
from d1lab.d1.database import Statement, Value, quote

_TEXT = re.compile(r'`([^`]*)`|"((?:SELECT|INSERT|UPDATE|DELETE)\b[^"]*)"')
_VERB = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_PLACE = re.compile(r"\?\d*")
_CLOCK = ("created_at", "last_used_at", "updated_at", "first_used_at")
"""Columns that the database sets by its own clock."""


def statements_of(worker: Path) -> list[str]:
    """Return the SQL statements in a Worker's source, in order."""
    texts = (next(filter(None, found)) for found in _TEXT.findall(worker.read_text()) if any(found))
    return [text.strip() for text in texts if _VERB.match(text) and "${" not in text]


def play(db: Database, statements: list[str], events: int, tables: list[str]) -> Iterator[Any]:
    """Yield what each statement returns and writes, for some events; then the rows of tables.

    Retention is left for the end: it would take the rows away.
    """
    lasting = [sql for sql in statements if not _is_retention(sql)]
    for number in range(events):
        for sql in lasting:
            if sql.upper().startswith("SELECT") and number % 20:
                continue
            yield _done(db, sql, number)
    db.execute("UPDATE discount_analytics SET created_at = '2020-01-01' WHERE sku = 'S3'")
    yield from (_done(db, sql, 0) for sql in statements if _is_retention(sql))
    yield from ((table, _rows(db, table)) for table in tables)


def _done(db: Database, sql: str, number: int) -> Any:
    result = db.batch([Statement(sql, _values(sql, number))], idempotent=True)[0]
    return sql, result.rows, result.usage.rows_written


def _values(sql: str, number: int) -> tuple[Value, ...]:
    """Values for the places of a statement, by what the guide's statements bind."""
    amount = 1 + number % 9 / 4
    sku, shop = f"S{number % 7}", "harbor"
    if "daily_discount_stats" in sql:
        return shop, "2026-05-01T10:00:00Z", amount
    if "product_performance" in sql:
        return shop, sku, amount
    places = len({*_PLACE.findall(sql)} - {"?"}) or sql.count("?")
    if sql.upper().startswith("INSERT INTO DISCOUNT_ANALYTICS"):
        return shop, f"d{number % 5}", sku, amount
    is_time = places == 1 and "created_at" in sql
    return ("2999-01-01",) if is_time else (shop, "2000-01-01")[:places]


def _is_retention(sql: str) -> bool:
    return "analytics_archive" in sql or sql.upper().startswith("DELETE")


def _rows(db: Database, table: str) -> list[tuple[object, ...]]:
    result = db.query(f"SELECT * FROM {quote(table)}")
    kept = [place for place, name in enumerate(result.columns) if name not in _CLOCK]
    return sorted((tuple(row[place] for place in kept) for row in result.rows), key=repr)
