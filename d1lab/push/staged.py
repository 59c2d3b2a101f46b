"""Read an outbox: staged rows as D1 will store them, checked against the catalog."""

# pyright: standard

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab import catalog
from d1lab.d1 import Database, Value
from d1lab.errors import InputError, PushError
from d1lab.outbox import read_outbox
from d1lab.push.named_tables import Named, staged_tables
from d1lab.types import TYPES

if TYPE_CHECKING:
    import pyarrow as pa

Key = tuple[str | int, ...]

_MICRO = Decimal("0.000001")
_DIGITS = re.compile(r"\d+")


class Staged(NamedTuple):
    """One run's staged results for one table: owned values by key."""

    table: catalog.Table
    columns: tuple[str, ...]  # the owned columns that were staged
    rows: dict[Key, tuple[Value, ...]]
    makes_rows: bool = False  # whether to insert rows that are missing in D1
    held_back: tuple[str, ...] = ()  # staged columns whose values in D1 d1lab did not write


class StagedPart(NamedTuple):
    """Values that a run writes."""

    table: str
    column: str  # '' for all, where rows can be inserted
    shop: str  # '' for all, in a table without shops


class Origin(NamedTuple):
    """The shop, report, and day of results; None for a run that was created by hand."""

    report: str | None
    shop: str | None
    as_of: str | None  # YYYY-MM-DD


def read_origin(run_dir: Path) -> Origin:
    """Read the origin of a run's results from its run.json."""
    record = _record(run_dir)
    return Origin(record.get("report"), record.get("shop"), record.get("as_of"))


def read_staged(db: Database, run_dir: Path, named: Named) -> list[Staged]:
    """Read every table of a run's outbox, by name, as values that D1 can store.

    The catalog alone decides which columns can be written. Money is rounded to six decimal places,
    as in the warehouse, or to fewer if the app's column declares fewer. Other numbers are not
    changed. NaN becomes NULL.

    Args:
        db: The database, whose tables are looked up where the catalog does not declare one.
        run_dir: The run's folder.
        named: The app's tables that the project lists for write-back.

    Raises:
        InputError: The run does not exist, it failed, or its day is in the future.
        PushError: A file stages a column that d1lab does not own, is missing a key column, has a
            duplicate key, or has a value that does not match its column's type.
    """
    if not run_dir.is_dir():
        raise InputError(f"push: run {run_dir.name!r} does not exist ({run_dir})")
    _require_success(run_dir)
    outbox = read_outbox(run_dir)
    declared = {**catalog.TABLES, **staged_tables(db, outbox, named)}
    return [_staged(declared[name], file) for name, file in outbox.items()]


def staged_parts(run_dir: Path) -> set[StagedPart]:
    """Return what a run writes: two runs without a part in common do not touch the same values.

    Raises:
        InputError: A file of the outbox is damaged.
    """
    found: set[StagedPart] = set()
    for name, rows in read_outbox(run_dir).items():
        table = catalog.TABLES.get(name)
        is_by_shop = table is not None and "shop" in table.key
        shops = rows["shop"].unique().to_pylist() if is_by_shop else [""]
        updates = table is not None and table.write == "update"
        columns = set(rows.column_names) - set(table.key) if table and updates else {""}
        found |= {StagedPart(name, column, str(shop)) for column in columns for shop in shops}
    return found


def _require_success(run_dir: Path) -> None:
    """Check the run's status; a run created by hand has no record and passes."""
    record = _record(run_dir)
    day, latest = record.get("as_of"), (record.get("data") or {}).get("data_as_of")
    if day and latest and day > latest:
        raise InputError(
            f"push: run {run_dir.name!r} is for {day}, but its data ended on {latest}. Run the "
            "report for a day of the data."
        )
    status = record.get("status")
    if status != "done":
        raise InputError(
            f"push: run {run_dir.name!r} has status {status!r}. Only successful runs "
            "can be pushed. Run the report again."
        )


def _record(run_dir: Path) -> dict[str, Any]:
    """Read run.json; without the file, return the record of a successful run."""
    path = run_dir / "run.json"
    if not path.is_file():
        return {"status": "done"}
    try:
        record = json.loads(path.read_bytes())
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"status": "a broken run.json"}


def _staged(table: catalog.Table, file: pa.Table) -> Staged:
    columns = _owned(table, file.column_names)
    keys = zip(*(_values(table, name, file[name].to_pylist()) for name in table.key), strict=True)
    rows = zip(*(_values(table, name, file[name].to_pylist()) for name in columns), strict=True)
    return Staged(table, columns, _by_key(table, keys, rows), table.write == "upsert")


def _owned(table: catalog.Table, names: list[str]) -> tuple[str, ...]:
    """Return the staged columns without the key; all of them are d1lab-owned."""
    if absent := [name for name in table.key if name not in names]:
        raise PushError(
            f"staged results for {table.name!r} are missing the key columns {', '.join(absent)}. "
            f"Stage the frame with all of {', '.join(table.key)}."
        )
    owned = table.owned("analysis")
    if foreign := [name for name in names if name not in (*table.key, *owned)]:
        raise PushError(
            f"staged results for {table.name!r} contain columns that d1lab does not "
            f"own: {', '.join(foreign)}. Allowed: {', '.join(owned) or 'none'}. "
            "Nothing was written."
        )
    staged = tuple(name for name in owned if name in names)
    if not staged:
        raise PushError(
            f"staged results for {table.name!r} contain only key columns. Add a column to write."
        )
    return staged


def _by_key(
    table: catalog.Table, keys: Iterable[tuple[Any, ...]], rows: Iterable[tuple[Value, ...]]
) -> dict[Key, tuple[Value, ...]]:
    found: dict[Key, tuple[Value, ...]] = {}
    for key, row in zip(keys, rows, strict=True):
        if None in key:
            named = dict(zip(table.key, key, strict=True))
            raise PushError(
                f"staged results for {table.name!r} have a row without its key: {named}"
            )
        if key in found:
            raise PushError(f"staged results for {table.name!r} contain the key {key} twice")
        found[key] = row
    return found


def _values(table: catalog.Table, name: str, values: list[Any]) -> list[Value]:
    column = table.column(name)
    kind, fit = column.type, _fitting(column.fits)
    convert = TYPES[kind].store
    stored: list[Value] = []
    for row, value in enumerate(values):
        try:
            stored.append(None if value is None or value != value else fit(convert(value)))
        except (TypeError, ValueError, InvalidOperation) as error:
            raise PushError(
                f"staged results for {table.name!r}, column {name!r}, row {row}: "
                f"{value!r} is not a valid {kind} ({error}). Nothing was written."
            ) from None
    return stored


def _fitting(declared: str) -> Callable[[Value], Value]:
    """Return a function that rounds to the app's declared type; NULL if the digits do not fit.

    >>> _fitting("DECIMAL(5,2)")(0.6003171), _fitting("INTEGER")(106.72), _fitting("")(0.6003171)
    (0.6, 107, 0.6003171)
    """
    if not declared:
        return lambda value: value
    digits, places = map(int, _DIGITS.findall(declared)) if "(" in declared else (18, 0)

    def fit(value: Value) -> Value:
        rounded = round(Decimal(repr(value)), places)
        if abs(rounded) >= 10 ** (digits - places):
            return None
        return float(rounded) if places else int(rounded)

    return fit
