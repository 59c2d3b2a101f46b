"""Marts: key figures, daily sums, and actions of all databases, one Parquet file per database.

    marts/figures/<database>.parquet   one row per shop, report, day, figure, and dimension
    marts/days/<database>.parquet      one row per shop and day
    marts/actions/<database>.parquet   one row per shop, report, day, and action

A database's file is replaced whole: old rows stay unless new ones have the same key, or their
report has run again for the same day. So the same run twice adds nothing, an action that is not
advised any more goes, and two databases never write to one file.
"""

# pyright: standard

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from d1lab.config import Settings
from d1lab.display.actions import load_actions
from d1lab.errors import D1labError
from d1lab.fleet.places import fleet_folder
from d1lab.fleet.store import Store, open_store
from d1lab.jobs.job_result import JobResult
from d1lab.runs.record import RunRecord, load_results, load_run
from d1lab.runs.run import open_lab, run_folder
from d1lab.warehouse import scratch

Mart = Literal["figures", "days", "actions"]

_NUMBERS = ("value", "low", "high", "amount", "amount_low", "amount_high", "revenue", "savings")
_TEXTS: dict[Mart, tuple[str, ...]] = {
    "figures": ("metric", "dimension", "label", "unit", "kind", "currency"),
    "days": ("currency",),
    "actions": (
        *("action", "verb", "sentence", "reason", "meaning", "of", "period", "basis", "currency"),
        *("link", "simulated"),
    ),
}

KEYS: dict[Mart, tuple[str, ...]] = {
    "figures": ("database", "shop", "report", "as_of", "metric", "dimension"),
    "days": ("database", "shop", "day"),
    "actions": ("database", "shop", "report", "as_of", "action"),
}
"""The columns that name a row of each mart."""

RUN = ("database", "shop", "report", "as_of")
"""The columns of a report's run in `figures` and `actions`."""

SCHEMAS: dict[Mart, pa.Schema] = {
    "figures": pa.schema(
        [
            *((name, pa.string()) for name in ("database", "shop", "report")),
            ("as_of", pa.date32()),
            *((name, pa.string()) for name in _TEXTS["figures"]),
            *((name, pa.float64()) for name in ("value", "low", "high")),
        ]
    ),
    "days": pa.schema(
        [
            *((name, pa.string()) for name in ("database", "shop")),
            ("day", pa.date32()),
            ("orders", pa.int64()),
            *((name, pa.float64()) for name in ("revenue", "savings")),
            ("currency", pa.string()),
        ]
    ),
    "actions": pa.schema(
        [
            *((name, pa.string()) for name in ("database", "shop", "report")),
            ("as_of", pa.date32()),
            *((name, pa.string()) for name in _TEXTS["actions"]),
            *((name, pa.float64()) for name in ("amount", "amount_low", "amount_high")),
            ("at_most", pa.bool_()),
            ("items", pa.int64()),
        ]
    ),
}
"""The columns of each mart."""


def open_marts(settings: Settings, target: str) -> Store:
    """Open the folder of all marts.

    Args:
        settings: The project's.
        target: The fleet's target; '' for this machine.
    """
    return open_store(target, fleet_folder(settings))


def keep_marts(
    settings: Settings, own: Settings, target: str, results: Iterable[JobResult]
) -> None:
    """Add what a database's reports found to its marts.

    Args:
        settings: The project's.
        own: The database's.
        target: The fleet's target.
        results: The results of its reports; those that did not end well add nothing.
    """
    name, store = own.database, open_marts(settings, target)
    records = list(_records(own, results))
    runs = [_common(own, each) for each in records]
    figures = [row for each in records for row in _figures(own, each)]
    add_rows(store, "figures", name, figures, runs=runs)
    actions = [row for each in records for row in _actions(own, each)]
    add_rows(store, "actions", name, actions, runs=runs)
    if records:
        add_rows(store, "days", name, _days(own))


def add_rows(
    store: Store,
    mart: Mart,
    database: str,
    rows: list[dict[str, Any]],
    *,
    runs: Sequence[dict[str, Any]] = (),
) -> None:
    """Add rows to a database's file of a mart; a row with a known key replaces the old one.

    Args:
        store: The folder of all marts.
        mart: The mart.
        database: The database's name.
        rows: Their columns are those of `SCHEMAS`; missing ones are NULL.
        runs: The columns of `RUN` of the reports that have run: their old rows go.
    """
    path = f"marts/{mart}/{database}.parquet"
    content = store.read(path) if rows or runs else None
    if not (rows or content):
        return
    new = pa.Table.from_pylist(rows, SCHEMAS[mart])
    merged = _merged(_table(mart, content, path), new, KEYS[mart], runs) if content else new
    packed = io.BytesIO()
    pq.write_table(merged, packed, compression="zstd")
    if packed.getvalue() != content:
        store.write(path, packed.getvalue())


def read_mart(store: Store, mart: Mart, databases: Collection[str] | None = None) -> pa.Table:
    """Return the rows of databases; None for all.

    Raises:
        D1labError: A file is not a mart's; the message names it.
    """
    files = store.read_all(f"marts/{mart}")
    tables = [
        _table(mart, content, name)
        for name, content in sorted(files.items())
        if databases is None or name.removesuffix(".parquet") in databases
    ]
    return pa.concat_tables([SCHEMAS[mart].empty_table(), *tables])


def _table(mart: Mart, content: bytes, path: str) -> pa.Table:
    """Return a file's rows with today's columns: a column that it does not have is NULL."""
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)  # 2 x read_table
        columns = {
            field.name: table.column(field.name).cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in SCHEMAS[mart]
        }
    except (pa.ArrowException, OSError) as error:
        raise D1labError(
            f"{path} is not readable as a mart: {error}. Delete it, and run the database again."
        ) from None
    return pa.table(columns, schema=SCHEMAS[mart])


def _merged(
    old: pa.Table, new: pa.Table, keys: tuple[str, ...], runs: Sequence[dict[str, Any]]
) -> pa.Table:
    """Return new rows, and old ones with other keys and of other runs, sorted by key."""
    columns = ", ".join(keys)
    with scratch() as con:
        con.register("old", old)
        con.register("new", new)
        kept = f"FROM old ANTI JOIN new USING ({columns})"
        if runs:
            con.register("runs", pa.Table.from_pylist(runs, pa.schema(map(old.schema.field, RUN))))
            kept += f" ANTI JOIN runs USING ({', '.join(RUN)})"
        found = con.sql(f"FROM new UNION ALL ({kept}) ORDER BY {columns}").to_arrow_table()
    return found.cast(old.schema)


def _records(own: Settings, results: Iterable[JobResult]) -> Iterator[RunRecord]:
    """Yield the records of regular runs that ended well, those that are still current included."""
    for result in results:
        if result.run_id is None or result.status not in ("done", "current"):
            continue
        folder = run_folder(own, own.database, result.run_id)
        record = result.record or (load_run(folder) if folder.is_dir() else None)
        if record is not None and record.is_standard and record.as_of is not None:
            yield record


def _common(own: Settings, record: RunRecord) -> dict[str, Any]:
    return {
        "database": own.database,
        "shop": record.shop,
        "report": record.report,
        "as_of": record.as_of,
    }


def _figures(own: Settings, record: RunRecord) -> Iterator[dict[str, Any]]:
    folder = run_folder(own, own.database, record.run_id)
    currency = own.databases[own.database].currency_of(record.shop)
    for figure in load_results(folder):
        fields = {**figure._asdict(), "currency": currency}
        yield _common(own, record) | _taken(fields, (*_TEXTS["figures"], "value", "low", "high"))


def _actions(own: Settings, record: RunRecord) -> Iterator[dict[str, Any]]:
    folder = run_folder(own, own.database, record.run_id)
    for action in load_actions(folder):
        if action.report:  # quoted from another report
            continue
        fields = {
            **action._asdict(),
            "action": action.key,
            "sentence": action.sentence,
            "period": action.per,
            "link": action.anchor,
            "amount_low": action.low,
            "amount_high": action.high,
            "simulated": " ".join(record.simulated),
        }
        numbers = ("amount", "amount_low", "amount_high")
        row = _taken(fields, (*_TEXTS["actions"], *numbers))
        yield _common(own, record) | row | {"at_most": action.at_most, "items": len(action.items)}


def _taken(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return these fields, with numbers as floats: a mart has one type per column."""
    return {
        name: float(fields[name]) if name in _NUMBERS and fields[name] is not None else fields[name]
        for name in names
    }


def _days(own: Settings) -> list[dict[str, Any]]:
    """Return the sums of each shop and day, of all days in the warehouse."""
    database = own.databases[own.database]
    with open_lab(own, own.database) as lab:
        rows: list[Any] = lab.metric("shop_days").to_dict("records")
    return [
        {
            "database": own.database,
            "shop": row["shop"],
            "day": row["day"],
            "orders": int(row["orders"]),
            "revenue": float(row["revenue"]),
            "savings": float(row["savings"]),
            "currency": database.currency_of(row["shop"]),
        }
        for row in rows
    ]
