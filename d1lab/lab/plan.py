"""The plan of a query, as DuckDB explains it."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import duckdb

from d1lab.display.notebook_style import framed
from d1lab.display.values import as_text
from d1lab.select_statements import tables_read


class Plan(NamedTuple):
    """How a SELECT is computed."""

    tables: tuple[str, ...]  # tables and views that the SQL names
    steps: str  # DuckDB's plan: read from below, with estimated rows
    sentence: str = ""  # what a metric says

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        reads = f"Reads {', '.join(self.tables) or 'no table'}."
        lines = [*filter(None, [self.sentence]), reads]
        head = "".join(f"<p>{escape(line)}</p>" for line in lines)
        html = framed(f'{head}<pre style="white-space:pre">{escape(self.steps)}</pre>')
        return {"text/plain": "\n".join([*lines, self.steps]), "text/html": html}


def explained(relation: duckdb.DuckDBPyRelation, sql: str, sentence: str = "") -> Plan:
    """Return the plan of a relation, without computing it.

    Args:
        relation: The relation.
        sql: The SQL that it was made of.
        sentence: Description of the metric, if it is one.
    """
    return Plan(tables_read(sql), relation.explain(), sentence)
