"""How a database declares its tables."""

from __future__ import annotations

from d1lab.d1 import Database, Value

Rows = list[tuple[Value, ...]]


def shape(db: Database, name: str) -> tuple[Rows, Rows]:
    """A table's columns with types, defaults and keys, and its indexes with their columns."""
    columns = db.query(
        f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{name}')"
    )
    indexes = db.query(
        f"SELECT l.name, l.\"unique\", l.origin, i.name FROM pragma_index_list('{name}') AS l,"
        " pragma_index_info(l.name) AS i ORDER BY l.name, i.seqno"
    )
    return columns.rows, indexes.rows
