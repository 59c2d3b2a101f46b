"""Data dictionary: the metrics, and the content, age, and missing values of each table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.lab import query
from d1lab.lab.freshness import as_utc
from d1lab.metrics import Metric
from d1lab.select_statements import tables_read
from d1lab.warehouse import AppColumn, own_name
from d1lab.warehouse.views import VIEWS

if TYPE_CHECKING:
    import pandas as pd


def d1_table(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the raw table of a view or raw table; '' for a table that is not in D1."""
    if name.startswith("raw."):
        return name.removeprefix("raw.")
    if name in (apps := _app_tables(con)):
        return apps[name]
    path = VIEWS / f"{name}.sql"
    if not path.is_file():
        return ""
    return tables_read(path.read_text(encoding="utf-8"))[0].rpartition(".")[2]


def _app_tables(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the names in the schema raw of the app's own tables, by the app's names."""
    found = con.execute("SELECT DISTINCT table_name FROM d1lab.columns").fetchall()
    return {own_name(table): table for (table,) in found}


def _app_columns(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, AppColumn]:
    """Return the stored declarations of the columns of an app table; empty for other tables."""
    found = con.execute("SELECT * FROM d1lab.columns WHERE table_name = ?", [table]).fetchall()
    return {column.column_name: column for column in map(AppColumn._make, found)}


def describe_metrics(metrics: Iterable[Metric]) -> pd.DataFrame:
    """Return a row per metric: description, unit, grain, views read, and parameters."""
    import pandas as pd

    return pd.DataFrame(
        {
            "metric": metric.name,
            "sentence": metric.sentence,
            "unit": metric.unit,
            "grain": ", ".join(metric.grain),
            "reads": ", ".join(metric.reads),
            "parameters": ", ".join(metric.parameters),
        }
        for metric in metrics
    )


def describe_tables(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Describe all views and raw tables, one row each; reads each once."""
    import pandas as pd

    pulled = _pulled_at(con)
    names = [n for n in query.relation_names(con) if not n.startswith("d1lab.")]
    return pd.DataFrame([_table_row(con, name, pulled) for name in names])


def _table_row(
    con: duckdb.DuckDBPyConnection, name: str, pulled: dict[str, datetime]
) -> dict[str, Any]:
    rows, shares = null_shares(con, name)
    source = d1_table(con, name)
    declared = catalog.TABLES.get(source)
    its_columns = _app_columns(con, source)
    at = pulled.get(source)
    missing = [f"{column} {percent(share)}" for column, share in shares.items() if share > 0]
    return {
        "table": name,
        "d1_table": source,
        "rows": rows,
        "age_hours": (datetime.now(UTC) - at).total_seconds() / 3600 if at else None,
        "key": ", ".join(declared.key if declared else _key(its_columns)),
        "columns": ", ".join(shares),
        "null_shares": ", ".join(missing),
        "comment": next((column.table_comment for column in its_columns.values()), ""),
    }


def _key(columns: Mapping[str, AppColumn]) -> list[str]:
    """Return the columns of the primary key, in its order."""
    keys = sorted((c.key_position, name) for name, c in columns.items() if c.key_position)
    return [name for _, name in keys]


def percent(share: float) -> str:
    """Format a share as a whole percentage; 0% and 100% are shown only if exact."""
    text = f"{share:.0%}"
    return text if text not in ("0%", "100%") or share == 1 else ("<1%" if share < 0.5 else ">99%")


def null_shares(con: duckdb.DuckDBPyConnection, name: str) -> tuple[int, dict[str, float]]:
    """Return the number of rows and the share of NULLs per column, in one scan."""
    relation = query.relation(con, name)
    counts = ", ".join(f"count({quote(column)})" for column in relation.columns)
    [(rows, *known)] = relation.aggregate(f"count(*), {counts}").fetchall()
    shares = [1 - n / rows if rows else 0.0 for n in known]
    return rows, dict(zip(relation.columns, shares, strict=True))


def _pulled_at(con: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    found = con.sql("SELECT table_name, pulled_at FROM d1lab.tables").fetchall()
    return {name: as_utc(at) for name, at in found if at}


def describe_columns(con: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    """Describe the columns of one table: type, owner in D1, share of NULLs, values, range.

    For the app's own tables also declared type, key, reference, and comment from D1's schema, and
    the storage format of times and flags, detected from the values.
    """
    import pandas as pd

    relation = query.relation(con, name)
    parts = ", ".join(
        f"count({c}), approx_count_distinct({c}), min({c})::VARCHAR, max({c})::VARCHAR"
        for c in map(quote, relation.columns)
    )
    [(rows, *found)] = relation.aggregate(f"count(*), {parts}").fetchall()
    source = d1_table(con, name)
    owners, said = _owners(source), _app_columns(con, source)
    return pd.DataFrame(
        {
            "column": column,
            "type": str(kind),
            "owner": owners.get(column, ""),
            "null_share": 1 - known / rows if rows else None,
            "distinct_about": distinct,
            "least": least,
            "greatest": greatest,
            **_declaration(said.get(column)),
        }
        for column, kind, (known, distinct, least, greatest) in zip(
            relation.columns, relation.types, _by_four(found), strict=True
        )
    )


def _declaration(column: AppColumn | None) -> dict[str, str]:
    """Return the declaration of a column in D1's schema and the storage format of its values."""
    if column is None:
        return dict.fromkeys(("declared", "stored_as", "key", "refers_to", "comment"), "")
    return {
        "declared": column.declared,
        "stored_as": column.stored_as,
        "key": "primary" if column.key_position else "",
        "refers_to": column.refers_to,
        "comment": column.comment,
    }


def _by_four(values: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(values[i : i + 4]) for i in range(0, len(values), 4)]


def _owners(source: str) -> dict[str, str]:
    declared = catalog.TABLES.get(source)
    return {c.name: c.owner for c in declared.columns} if declared else {}
