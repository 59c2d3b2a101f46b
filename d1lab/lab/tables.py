"""lab.tables: the tables of the warehouse as attributes with Tab completion."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import duckdb

from d1lab.counting import counted
from d1lab.display.frame_html import first_rows
from d1lab.errors import InputError, UnknownName
from d1lab.lab import query

if TYPE_CHECKING:
    import pandas as pd


class WarehouseTable:
    """One view or table of the warehouse: `.df()`, `.columns`, `.rows`, `.relation()`."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, name: str, note: Callable[[str], None]
    ) -> None:
        self._con, self.name, self._note = con, name, note

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return all rows as a relation, to filter and aggregate."""
        self._note(self.name)
        return query.relation(self._con, self.name)

    def df(self, limit: int | None = None) -> pd.DataFrame:
        """Return the rows as a DataFrame, or `limit` rows in no particular order.

        Raises:
            InputError: `limit` is negative.
        """
        if limit is not None and limit < 0:
            raise InputError(f"invalid limit={limit}. Use a number of rows, or None for all.")
        relation = self.relation()
        return (relation if limit is None else relation.limit(limit)).df()

    @property
    def columns(self) -> list[str]:
        """Column names."""
        return query.relation(self._con, self.name).columns

    @property
    def rows(self) -> int:
        """Number of rows."""
        [(count,)] = query.relation(self._con, self.name).aggregate("count(*)").fetchall()
        return count

    def __repr__(self) -> str:
        return f"{self.name} ({counted(self.rows, 'row')}): {', '.join(self.columns)}"

    def _repr_html_(self) -> str:
        """Return the first thousand rows."""
        first = first_rows(query.relation(self._con, self.name))
        return first._replace(total=self.rows).html()


class WarehouseTables:
    """Tables by name: `lab.tables.products`, `lab.tables["raw.order_events"]`.

    `lab.tables.raw` has the tables of D1, which the views rename and convert.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        names: list[str],
        note: Callable[[str], None],
        schema: str = "",
    ) -> None:
        self._con, self._all, self._note, self._schema = con, names, note, schema

    def _prefix(self) -> str:
        return f"{self._schema}." if self._schema else ""

    def __iter__(self) -> Iterator[str]:
        prefix = self._prefix()
        inside = (n.removeprefix(prefix) for n in self._all if n.startswith(prefix))
        return (name for name in inside if self._schema == "" or "." not in name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> WarehouseTable:
        full = self._prefix() + name
        if full not in self._all:
            raise UnknownName("table", full, self._all, "the warehouse")
        return WarehouseTable(self._con, full, self._note)

    def __getattr__(self, name: str) -> WarehouseTable | WarehouseTables:
        if name.startswith("_"):  # Python and IPython look up special names on every object
            raise AttributeError(name)
        if not self._schema and any(n.startswith(f"{name}.") for n in self._all):
            return WarehouseTables(self._con, self._all, self._note, name)
        try:
            return self[name]
        except UnknownName as error:
            raise _NoSuchTable(error.kind, error.name, error.known, "the warehouse") from None

    def __dir__(self) -> list[str]:
        schemas = (
            [] if self._schema else dict.fromkeys(n.split(".")[0] for n in self._all if "." in n)
        )
        return [*(name for name in self if "." not in name), *schemas]

    def __repr__(self) -> str:
        return "\n".join(self)


class _NoSuchTable(UnknownName, AttributeError):
    """UnknownName that is also an AttributeError, so that hasattr() and completion work."""
