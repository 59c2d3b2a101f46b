"""Frames and relations of the notebook as tables of SQL."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from itertools import count
from typing import Any

import duckdb

from d1lab.d1.database import quote

_TABULAR = ("__arrow_c_stream__", "fetchall", "itertuples", "iter_rows", "to_pylist")
_COMMENTS = r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_WITH = re.compile(rf"({_COMMENTS})(with\b(?:{_COMMENTS}recursive\b)?)?", re.IGNORECASE | re.DOTALL)
_KEPT = 3  # earlier frames of a name that stay readable for relations made from them

Namespace = Mapping[str, Any]


class LocalTables:
    """Registers frames under names of their own, so that a relation keeps the frame it was made of.

    Args:
        con: The lab's connection to the warehouse.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con, self._numbers = con, count(1)
        self._known: dict[str, list[tuple[str, Any]]] = {}  # (alias, frame) by name, newest last

    def with_table(self, sql: str, name: str, frame: Any) -> str:
        """Return the SQL with `name` as a common table expression that reads the frame."""
        comments, opening = _WITH.match(sql).groups()  # pyright: ignore[reportOptionalMemberAccess] - it matches nothing, too
        table = f"{quote(name)} AS (FROM {self._alias(name, frame)})"
        rest = sql[len(comments) + len(opening or "") :]
        return f"{comments}{opening} {table},{rest}" if opening else f"WITH {table} {sql}"

    def _alias(self, name: str, frame: Any) -> str:
        known = self._known.setdefault(name, [])
        for alias, registered in known:
            if registered is frame:
                return alias
        alias = f"_notebook_{next(self._numbers)}"
        try:
            self._con.register(alias, frame)
        except duckdb.Error:  # a relation of another lab
            self._con.register(alias, frame.to_arrow_table())
        known.append((alias, frame))
        if len(known) > _KEPT:
            self._con.unregister(known.pop(0)[0])
        return alias


def local_table(name: str, namespace: Namespace) -> Any:
    """Return the frame or relation of that name, case-insensitive as in SQL; None without one."""
    found = (v for k, v in namespace.items() if k.lower() == name.lower() and is_tabular(v))
    return next(found, None)


def is_tabular(value: object) -> bool:
    """Return whether a value is a frame, an Arrow table, or a relation."""
    return not isinstance(value, type) and any(hasattr(type(value), name) for name in _TABULAR)


def callers_names(depth: int = 2) -> dict[str, Any]:
    """Return the variables where a function was called; in a notebook, those of its cells."""
    frame = sys._getframe(depth)  # pyright: ignore[reportPrivateUsage]
    return {**frame.f_globals, **frame.f_locals}
