"""Load unit costs from a CSV file into `product_costs`, checked line by line, each written once.

The header has the columns shop, sku, unit_cost, and valid_from, in any order. An invalid line is
rejected with its number and the reason, and the others are written. The file's cost replaces an
existing one for the same shop, SKU, and day, including a simulated one, which is then no longer
marked as simulated. Loading a file again writes nothing, so an interrupted load can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import upsert
from d1lab.errors import InputError, UnknownName
from d1lab.ingest.events import Progress
from d1lab.ingest.rejected import RejectedLine
from d1lab.ingest.table_file import header_of, records

FIELDS = ("shop", "sku", "unit_cost", "valid_from")
BATCH_COSTS = 10_000

_TABLE = catalog.table("product_costs")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class CostsResult(NamedTuple):
    """Counts of the file's lines: received = written + known + rejected, except in a dry run."""

    received: int
    written: int  # new, or with a changed cost; 0 in a dry run
    known: int  # already stored with this cost; 0 in a dry run
    rejected: tuple[RejectedLine, ...]


Cost = tuple[str, str, Decimal, str]
Key = tuple[str, str, str]


def ingest_costs(
    db: Database | None, path: Path, *, progress: Progress | None = None
) -> CostsResult:
    """Write the unit costs of a file.

    Args:
        db: A database with the table `product_costs`; None for a dry run, which checks everything
            and writes nothing.
        path: A CSV file, or another table file, with a header. Costs are in the shop's currency,
            0 or more, such as 12.50; days are ISO dates.
        progress: Called as costs are written.

    Raises:
        InputError: The file does not exist or cannot be read, or a column is missing.
        UnknownName: A column is not one of the four.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Rows already written stay; the
            next run writes the rest.
    """
    costs: dict[Key, Cost] = {}
    rejected: list[RejectedLine] = []
    for line, cells in _read(path):
        try:
            cost = _checked(cells, costs)
        except InputError as error:
            rejected.append(RejectedLine(line, str(error)))
        else:
            costs[(cost[0], cost[1], cost[3])] = cost
    received = len(costs) + len(rejected)
    if db is None:
        return CostsResult(received, 0, 0, tuple(rejected))
    written = _write(db, list(costs.values()), progress)
    return CostsResult(received, written, len(costs) - written, tuple(rejected))


def _write(db: Database, costs: list[Cost], progress: Progress | None) -> int:
    """Write costs in batches; return how many were new or different."""
    written, columns = 0, _columns(db)
    for start in range(0, len(costs), BATCH_COSTS):
        batch = [(*cost, None)[: len(columns)] for cost in costs[start : start + BATCH_COSTS]]
        written += upsert(db, _TABLE.name, _TABLE.key, columns, batch)
        if progress:
            progress("costs", start + len(batch), len(costs))
    return written


def _columns(db: Database) -> tuple[str, ...]:
    """Return the file's columns, plus `source` if the table has it (older databases do not)."""
    table = catalog.by_declared_name(db.tables()).get(_TABLE.name)
    held: set[str] = {column.name.lower() for column in table.columns} if table else set()
    return (*FIELDS, "source") if "source" in held else FIELDS


def _read(path: Path) -> Iterator[tuple[int, Mapping[str, str] | None]]:
    """Yield each line's number and its cells by column name; None if the cell count differs."""
    found = records(path)
    names = header_of(path, found)
    _require_header(path, names)
    for line, cells in found:
        yield line, dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None


def _require_header(path: Path, names: list[str]) -> None:
    for name in names:
        if name not in FIELDS:
            raise UnknownName("column", name, FIELDS, f"{path}")
    if sorted(names) != sorted(FIELDS):
        raise InputError(
            f"{path}: invalid header. Expected {', '.join(FIELDS)}, each once; found "
            f"{', '.join(names) or 'nothing'}."
        )


def _checked(cells: Mapping[str, str] | None, known: Mapping[Key, Cost]) -> Cost:
    """Parse a line's cost; raise InputError with the reason if it is invalid."""
    if cells is None:
        raise InputError(f"expected {len(FIELDS)} cells")
    shop, sku, amount, day = (cells[name].strip() for name in FIELDS)
    for name, text in (("shop", shop), ("sku", sku)):
        if not text or "\0" in text:
            raise InputError(f"{name} is missing")
    if not _AMOUNT.fullmatch(amount):
        raise InputError(
            f"invalid unit_cost {amount!r}. Use an amount of 0 or more, such as 12.50."
        )
    cost = (shop, sku, Decimal(amount), _day(day))
    same = known.get((shop, sku, cost[3]))
    if same is not None and same != cost:
        raise InputError(f"conflicting cost for {sku} on {day}: an earlier line has {same[2]}")
    if same is not None:
        raise InputError(f"{sku} has this cost for {day} in an earlier line")
    return cost


def _day(text: str) -> str:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"invalid valid_from {text!r}. Use a date such as 2026-05-01.") from None
