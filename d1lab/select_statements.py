"""SELECT statements: checked to be one, their parameters, and the tables that they read."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import orjson

from d1lab.errors import InputError


def _statement(sql: str) -> duckdb.Statement:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InputError(f"invalid SQL: {message_of(error)}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(s.type.name for s in statements) or "nothing"
        raise InputError(
            f"only a single SELECT is allowed, not {kinds}. The warehouse is read-only."
        )
    return statements[0]


def message_of(error: duckdb.Error) -> str:
    """Return DuckDB's message without the lines that mark the position in the SQL."""
    return str(error).partition("LINE ")[0].strip()


def check_select(sql: str) -> set[str]:
    """Return the named parameters of a single SELECT.

    Raises:
        InputError: The SQL is invalid, has several statements, or is not a SELECT.
    """
    return _statement(sql).named_parameters


def tables_read(sql: str) -> tuple[str, ...]:
    """Return the tables and views that a SELECT reads, in order of appearance; no CTEs.

    >>> tables_read("WITH a AS (SELECT * FROM raw.x) SELECT * FROM a JOIN v USING (id)")
    ('raw.x', 'v')
    """
    with duckdb.connect() as con:
        [(text,)] = con.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = orjson.loads(text)
    if tree["error"]:
        raise InputError(f"invalid SQL: {tree['error_message']}")
    tables: dict[str, None] = {}
    ctes: set[str] = set()
    for node in _nodes(tree):
        if node.get("type") == "BASE_TABLE":
            tables[".".join(filter(None, (node["schema_name"], node["table_name"])))] = None
        ctes.update(cte["key"] for cte in (node.get("cte_map") or {}).get("map", ()))
    return tuple(name for name in tables if name not in ctes)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from _nodes(child)
