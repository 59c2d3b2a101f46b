"""Translate a SQLite view to DuckDB with the same result; reject it if that is uncertain.

The same SQL can have other results: in SQLite 7 / 2 is 3, LIKE ignores case, and NULL sorts
first. These are rewritten. Anything else that might differ is rejected by name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, cast

import duckdb

from d1lab.d1.declarations import view_parts

_OPERATORS = ("+", "-", "*", "/", "||", "=", "!=", "<", ">", "<=", ">=", "~~", "!~~")
_FUNCTIONS = """
abs avg coalesce count count_star group_concat ifnull instr length lower ltrim max min nullif
replace round rtrim strftime substr substring sum trim upper
dense_rank first_value lag last_value lead ntile rank row_number
"""
_SAME = frozenset((*_OPERATORS, *_FUNCTIONS.split()))
"""Functions with the same results in both."""

_LIKE = {"~~": "~~*", "!~~": "!~~*"}
_ARGUMENTS = {"min": 1, "max": 1, "strftime": 2}
"""With others, SQLite's functions do something else."""

_DIVIDE = """
CREATE OR REPLACE MACRO main.sqlite_divide(a, b) AS CASE
    WHEN b = 0 THEN NULL
    WHEN regexp_matches(typeof(a) || ' ' || typeof(b), 'DOUBLE|FLOAT|DECIMAL') THEN a / b
    ELSE trunc(a / b) END
"""


def as_duckdb(
    con: duckdb.DuckDBPyConnection, create_view: str, collated: Collection[str] = ()
) -> tuple[str, str]:
    """Return the list of columns and the SELECT of a CREATE VIEW, for DuckDB.

    A table that main does not show is read in the schema raw.

    Args:
        con: The warehouse.
        create_view: The view, as SQLite keeps it.
        collated: The app's columns that do not compare byte by byte, in lower case.

    Raises:
        ValueError: It has a feature that DuckDB handles differently; the message names it.
        duckdb.Error: DuckDB does not parse it.
    """
    names, select = view_parts(create_view)
    [(text,)] = con.execute("SELECT json_serialize_sql(?)", [select]).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        raise ValueError(tree["error_message"])
    raw = _only_raw(con)
    _require_same_comparisons(tree, collated)
    for node in list(_nodes(tree)):
        if node.get("type") == "BASE_TABLE" and node["table_name"].lower() in raw:
            node["schema_name"] = "raw"
            node.get("qualified_name", {})["path"] = ["raw", node["table_name"]]
        _adapt(node)
    con.execute(_DIVIDE)
    [(adapted,)] = con.execute(
        "SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]
    ).fetchall()
    return names, adapted


def _require_same_comparisons(tree: Any, collated: Collection[str]) -> None:
    """Reject comparisons by a collation, such as NOCASE: DuckDB's differ beyond ASCII.

    A column with a collation can be shown, and nothing else: SQLite also groups, joins, and sorts
    by it, and DISTINCT and UNION compare it.
    """
    nodes = list(_nodes(tree))
    if any(node.get("class") == "COLLATE" for node in nodes):
        raise ValueError("a COLLATE clause is not the same in DuckDB")
    shown = {id(one) for node in nodes for one in node.get("select_list") or ()}
    used = {
        name.lower()
        for node in nodes
        for name in (
            *(node.get("column_names", ())[-1:] if id(node) not in shown else ()),
            *(node.get("using_columns") or ()),
        )
    }
    if found := sorted(used & {*collated}):
        raise ValueError(f"column {found[0]} has a collation, which is not the same in DuckDB")
    kinds = {node.get("type") for node in nodes} | {node.get("ref_type") for node in nodes}
    if collated and kinds & {"DISTINCT_MODIFIER", "SET_OPERATION_NODE", "NATURAL"}:
        exposed = {str(n["column_names"][-1]).lower() for n in nodes if "column_names" in n}
        if "STAR" in kinds or exposed & {*collated}:
            raise ValueError("rows with a collation are compared, not the same in DuckDB")


def _only_raw(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the tables in schema raw, in lower case, whose names main does not have."""
    found = con.execute(
        "SELECT lower(table_name) FROM duckdb_tables() WHERE schema_name = 'raw' "
        "EXCEPT SELECT lower(view_name) FROM duckdb_views() WHERE schema_name = 'main'"
    )
    return {name for (name,) in found.fetchall()}


def _adapt(node: dict[str, Any]) -> None:
    """Rewrite one node of the parsed SELECT in place to its DuckDB equivalent."""
    if node.get("class") == "CAST":
        _require_same_cast(node)
    if node.get("null_order") == "ORDER_DEFAULT":
        is_down = node["type"] == "DESCENDING"
        node["null_order"] = "NULLS LAST" if is_down else "NULLS FIRST"
    if "function_name" in node:
        _adapt_function(node)


def _require_same_cast(node: dict[str, Any]) -> None:
    """`date(x)` is parsed as a cast. Other casts round, or read text, otherwise."""
    kind = node["type_expr"]["type_name"].upper()
    is_constant = node["child"].get("class") == "CONSTANT"  # date('now')
    if kind not in ("VARCHAR", "TEXT", "DATE") or (kind == "DATE" and is_constant):
        raise ValueError(f"a conversion to {kind} is not the same in DuckDB")


def _adapt_function(node: dict[str, Any]) -> None:
    name, arguments = node["function_name"].lower(), node.get("arguments", ())
    is_other = name in _ARGUMENTS and len(arguments) != _ARGUMENTS[name]
    if name not in _SAME or is_other:
        raise ValueError(f"SQLite's function {name} is not the same in DuckDB")
    if name in _LIKE:
        _rename(node, _LIKE[name], is_operator=True)
    elif name == "/":
        _rename(node, "sqlite_divide", is_operator=False)


def _rename(node: dict[str, Any], name: str, *, is_operator: bool) -> None:
    node["function_name"], node["is_operator"] = name, is_operator
    if "qualified_name" in node:
        node["qualified_name"]["path"] = [name]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    children: Iterable[Any] = ()
    if isinstance(tree, dict):
        node = cast("dict[str, Any]", tree)
        yield node
        children = node.values()
    elif isinstance(tree, list):
        children = cast("list[Any]", tree)
    for child in children:
        yield from _nodes(child)
