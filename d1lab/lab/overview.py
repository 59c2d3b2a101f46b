"""A lab as a notebook shows it: database, shop, age, and a folding tree of tables and columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

import duckdb

from d1lab.counting import counted
from d1lab.display.frame_html import first_rows
from d1lab.display.notebook_style import framed
from d1lab.lab import dictionary, query
from d1lab.lab.freshness import as_utc

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab

SAMPLES = 3  # values shown per column
_LONGEST = 40  # characters of a sample


def overview(lab: Lab, con: duckdb.DuckDBPyConnection) -> str:
    """Return a lab as HTML; the tables are folded.

    Args:
        lab: The lab.
        con: Its connection to the warehouse.
    """
    facts = "".join(
        f'<tr><td class="muted">{escape(name)}</td><td>{escape(value)}</td></tr>'
        for name, value in _facts(lab, con)
    )
    names = [name for name in query.relation_names(con) if not name.startswith("d1lab.")]
    views = [name for name in names if "." not in name]
    raw = [name for name in names if "." in name]
    tree = "".join(_table(con, name) for name in views)
    if raw:
        inner = "".join(_table(con, name) for name in raw)
        tree += _folded("raw", counted(len(raw), "table") + " as D1 stores them", inner)
    return framed(f"<table><tbody>{facts}</tbody></table>{tree}")


def _facts(lab: Lab, con: duckdb.DuckDBPyConnection) -> Iterable[tuple[str, str]]:
    shops = ", ".join(lab.shops) or "none yet"
    yield "Database", lab.database
    yield "Shop", lab.shop or f"none chosen; {shops}"
    if lab.shop:
        yield "All shops", shops
    if lab.shop or not lab.shops:
        zone = lab.timezone() or "UTC (not set)"
        yield "Days", f"until {lab.as_of()}, in {zone}"
    yield "Last pull", _age(con)


def _age(con: duckdb.DuckDBPyConnection) -> str:
    [(at,)] = con.execute("SELECT max(finished_at) FROM d1lab.pull").fetchall()
    if at is None:
        return "none"
    moment = as_utc(at)
    hours = (datetime.now(UTC) - moment).total_seconds() / 3600
    return f"{moment:%Y-%m-%d %H:%M} UTC, {_in_words(hours)} ago"


def _in_words(hours: float) -> str:
    if hours < 1:
        return counted(round(hours * 60), "minute")
    return counted(round(hours), "hour") if hours < 48 else counted(round(hours / 24), "day")


def _table(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return one table: its rows, and per column the type, the share of NULLs, and samples."""
    relation = query.relation(con, name)
    try:
        rows, shares = dictionary.null_shares(con, name)
        samples = first_rows(relation.limit(SAMPLES)).rows
    except duckdb.Error as error:
        return _folded(name, "", f'<p class="error">{escape(str(error))}</p>')
    lines = "".join(
        _column(column, str(kind), shares[column], [row[i] for row in samples])
        for i, (column, kind) in enumerate(zip(relation.columns, relation.types, strict=True))
    )
    heads = "".join(f"<th>{head}</th>" for head in ("Column", "Type", "NULL", "Sample"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return _folded(name, counted(rows, "row"), f'<div class="scroll">{table}</div>')


def _column(name: str, kind: str, share: float, values: list[object]) -> str:
    texts = (str(value)[:_LONGEST] for value in dict.fromkeys(map(str, values)) if value != "None")
    missing = dictionary.percent(share) if share else ""
    cells = (name, kind.lower(), missing, ", ".join(texts))
    sides = ("", "", ' class="n"', ' class="muted"')
    made = (f"<td{s}>{escape(text)}</td>" for s, text in zip(sides, cells, strict=True))
    return f"<tr>{''.join(made)}</tr>"


def _folded(name: str, note: str, inner: str) -> str:
    summary = f'{escape(name)} <span class="muted">{escape(note)}</span>'
    return f"<details><summary>{summary}</summary>{inner}</details>"
