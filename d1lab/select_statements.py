"""SELECT statements: checked to be one, their parameters, and the tables that they read."""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb
import orjson

from d1lab.errors import InputError

_READS = re.compile(
    r"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*(?:PIVOT|WITH|FROM|SELECT)\b", re.IGNORECASE | re.DOTALL
)
_READ_BY_PIVOT = re.compile(r"\b(?:FROM|JOIN|PIVOT)\s+([\w.]+)", re.IGNORECASE)


def _statement(sql: str) -> duckdb.Statement:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InputError(f"invalid SQL: {message_of(error)}") from None
    if len(statements) != 1 or not _is_read(statements[0]):
        kinds = ", ".join(s.type.name for s in statements) or "nothing"
        raise InputError(
            f"only a single SELECT is allowed, not {kinds}. The warehouse is read-only."
        )
    return statements[0]


def _is_read(statement: duckdb.Statement) -> bool:
    """Return whether a statement is a SELECT, or a PIVOT, which DuckDB counts as several."""
    is_several = statement.type == duckdb.StatementType.MULTI
    return statement.type == duckdb.StatementType.SELECT or (
        is_several and bool(_READS.match(statement.query))
    )


def message_of(error: duckdb.Error) -> str:
    """Return DuckDB's message without the lines that mark the position in the SQL."""
    return str(error).partition("LINE ")[0].strip()


def check_select(sql: str) -> set[str]:
    """Return the named parameters of a single SELECT.

    Raises:
        InputError: The SQL is invalid, has several statements, or is not a SELECT.
    """
    return _statement(sql).named_parameters


@lru_cache(512)  # views are read behind every note of every run
def tables_read(sql: str) -> tuple[str, ...]:
    """Return the tables and views that a SELECT reads, in order of appearance; no CTEs.

    >>> tables_read("WITH a AS (SELECT * FROM raw.x) SELECT * FROM a JOIN v USING (id)")
    ('raw.x', 'v')
    """
    if _statement(sql).type == duckdb.StatementType.MULTI:  # PIVOT, which has no JSON
        named = re.findall(r"(\w+) AS (?:NOT MATERIALIZED |MATERIALIZED )?\(", sql)
        return tuple(dict.fromkeys(t for t in _READ_BY_PIVOT.findall(sql) if t not in named))
    with duckdb.cursor() as con:  # of the connection that parses; a new one takes 17 ms
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
