"""App tables that a project lists for write-back (`[push.tables.NAME]` in d1lab.toml).

Only the listed columns are written, in rows identified by the key. The staged results determine
the columns' types, and D1's declarations their digits.
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d1lab import catalog
from d1lab.config_sections import PushTable
from d1lab.d1 import Database, TableInfo
from d1lab.errors import PushError, UnknownName
from d1lab.types import TYPES, Type

if TYPE_CHECKING:
    import pyarrow as pa

Named = Mapping[str, PushTable]
"""The tables that a project lists in d1lab.toml."""

_DIGITS = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*\d+\s*,\s*\d+\s*\)")
_KINDS: tuple[Type, ...] = ("integer", "real", "text", "timestamp", "date")


def staged_tables(
    db: Database, outbox: Mapping[str, pa.Table], named: Named
) -> dict[str, catalog.Table]:
    """Return the declarations of an outbox's tables that are not in the catalog.

    Raises:
        UnknownName: The project does not name such a table.
        PushError: D1 has no such table.
    """
    others = [name for name in outbox if name not in catalog.TABLES]
    if not others:
        return {}
    found = db.tables()
    declared = {}
    for name in others:
        if name not in named:
            raise UnknownName("table", name, [*catalog.TABLES, *named], "[push.tables]")
        if name not in found:
            raise PushError(f"push: D1 has no table {name!r}. Nothing was written.")
        declared[name] = _declared(found[name], named[name], outbox[name].schema)
    return declared


def _declared(info: TableInfo, named: PushTable, staged: pa.Schema) -> catalog.Table:
    of_arrow: dict[Any, Type] = {TYPES[kind].staged_type: kind for kind in _KINDS}
    kinds: dict[str, Type] = {field.name: of_arrow.get(field.type, "real") for field in staged}
    digits = {c.name: m[0] for c in info.columns if (m := _DIGITS.match(c.declared.upper()))}
    columns = [catalog.Column(name, kinds.get(name, "text")) for name in named.key]
    columns += [
        catalog.Column(name, kinds.get(name, "text"), "analysis", digits.get(name, ""))
        for name in named.columns
    ]
    inserts = named.insert
    if inserts is None:  # a table for results only: the app has no other columns in it
        inserts = {column.name for column in info.columns} <= {*named.key, *named.columns}
    return catalog.Table(
        info.name,
        key=tuple(named.key),
        columns=tuple(columns),
        write="upsert" if inserts else "update",
    )
