"""Each type of columns is declared once, and what it stores is what it reads again."""

from __future__ import annotations

import ast
import sqlite3
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pyarrow as pa
import pytest

from d1lab import types
from d1lab.catalog import TABLES
from d1lab.types import TYPES, Kind, Type, families_of, python_types

PACKAGE = Path(types.__file__).parent
KINDS = (*get_args(Type), "blob")

STORED: list[tuple[Kind, Any, Any]] = [
    ("integer", 3, 3),
    ("integer", Decimal("3.00"), 3),
    ("real", 0.1, 0.1),
    ("money", Decimal("12.3456785"), 12.345678),  # half to even, at the sixth place
    ("text", "é", "é"),
    ("json", '{"a": 1}', '{"a": 1}'),
    ("timestamp", datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
    ("timestamp", "2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05"),
    ("date", date(2026, 1, 2), "2026-01-02"),
    ("blob", b"\x00", b"\x00"),
]
"""Kinds, values of a report, and what D1 stores of them."""

REJECTED: list[tuple[Kind, Any, str]] = [
    ("integer", 2.5, "not a whole number"),
    ("integer", 2**63, "exceeds 64 bits"),
    ("real", float("inf"), "infinite"),
    ("real", "1", "text"),
    ("money", float("nan"), "infinite"),
    ("text", 3, "a int"),
    ("timestamp", 3, "a int"),
    ("date", datetime(2026, 1, 2, 3), "has a time of day"),
    ("blob", "text", "a str"),
]
"""Kinds, values of a report that do not fit, and why."""


def test_every_type_is_declared() -> None:
    """The table has a row for each type of the catalog, and one for blobs."""
    assert tuple(sorted(TYPES)) == tuple(sorted(KINDS))
    assert all(kind == declared.kind for kind, declared in TYPES.items())
    assert {column.type for table in TABLES.values() for column in table.columns} <= set(KINDS)


@pytest.mark.parametrize(("kind", "value", "stored"), STORED)
def test_what_is_stored_is_read_again(kind: Kind, value: Any, stored: Any) -> None:
    """SQLite has the storage class that is declared, and `read` takes what it gives back."""
    declared = TYPES[kind]
    assert declared.store(value) == stored
    with sqlite3.connect(":memory:") as con:
        found, storage = con.execute(
            "SELECT value, typeof(value) FROM (SELECT ? AS value)", (declared.store(value),)
        ).fetchone()
    assert (declared.read(found), storage) == (stored, declared.storage)


@pytest.mark.parametrize(("kind", "value", "why"), REJECTED)
def test_store_rejects_what_does_not_fit(kind: Kind, value: Any, why: str) -> None:
    """The error says what the value is."""
    with pytest.raises((TypeError, ValueError)) as caught:
        TYPES[kind].store(value)
    assert str(caught.value) == why


@pytest.mark.parametrize("kind", KINDS)
def test_batches_reach_the_warehouse(kind: Kind) -> None:
    """DuckDB casts a column of the Arrow type to the type of the warehouse, and of the outbox."""
    declared = TYPES[kind]
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t (v {declared.duckdb})")
        for arrow in (declared.arrow_type, declared.staged_type):
            con.register("batch", pa.table({"v": pa.nulls(1, arrow)}))
            con.execute("INSERT INTO t SELECT v FROM batch")
            con.unregister("batch")
        [(written,)] = con.execute("SELECT DISTINCT typeof(v) FROM t").fetchall()
    assert written.replace(" ", "") == declared.duckdb.replace(" ", "")


@pytest.mark.parametrize(
    ("arrow", "families"),
    [
        (pa.string(), {"text"}),
        (pa.large_string(), {"text"}),
        (pa.int8(), {"whole"}),
        (pa.float32(), {"number"}),
        (pa.decimal128(9, 2), {"number"}),
        (pa.date32(), {"day"}),
        (pa.timestamp("ns", "UTC"), {"day"}),
        (pa.bool_(), set()),
        (pa.list_(pa.string()), set()),
    ],
)
def test_families_of_arrow_types(arrow: pa.DataType, families: set[str]) -> None:
    """Booleans and lists belong to none, so that no column takes them."""
    assert families_of(arrow) == families


def test_identifiers_take_no_fractions() -> None:
    """17850.0 is no order number; 17850 is, in JSON and in a frame."""
    takes = TYPES["text"].tracked_from
    assert not families_of(pa.float64()) & takes
    assert families_of(pa.int64()) & takes
    assert isinstance(17850, python_types(takes))
    assert not isinstance(17850.0, python_types(takes))


def test_types_are_listed_once() -> None:
    """No other module has a table by type: a rule for a type stands in types.py."""
    listing = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != Path(types.__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict) and len(keys(node) & {"money", "timestamp", "json"}) >= 2
    ]
    assert listing == []


def keys(node: ast.Dict) -> set[str]:
    """The keys of a dict that are texts."""
    constants = (key.value for key in node.keys if isinstance(key, ast.Constant))
    return {value for value in constants if isinstance(value, str)}
