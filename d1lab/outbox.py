"""Results staged for D1, as files of the run, checked before any write.

    <run_dir>/outbox/<table>.parquet   keys and the columns that d1lab owns, one file per table
    <run_dir>/reads.jsonl              the run's queries to the warehouse, one line each
    <run_dir>/<name>.json              records of a report, such as its decisions
    <run_dir>/unstaged                 empty: results are checked, but not staged

`push` writes the outbox after the run has succeeded. Until then a run can fail, be repeated, or be
discarded without any effect on D1.
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from d1lab import catalog
from d1lab.errors import InputError
from d1lab.files import write, writing
from d1lab.packed_files import read_packed
from d1lab.types import TYPES, ColumnType, families_of

if TYPE_CHECKING:
    import pyarrow as pa

OUTBOX = "outbox"
READS = "reads.jsonl"
UNSTAGED = "unstaged"
SEVERAL_DAYS = tuple(f"day_{number}" for number in range(1, 8))
"""Parameters of a metric that is computed for several days at once, each as `until`."""

RESERVED = ("run", "results", "actions", "after")


def stage(frame: Any, table: str | catalog.Table, run_dir: Path, *, replace: bool = False) -> int:
    """Stage results for a D1 table in a run's outbox.

    Staging a table again in the same run adds rows: the columns must be the same, and a repeated
    key must have equal values.

    Args:
        frame: A pandas or polars DataFrame, an Arrow table, or a DuckDB relation with the table's
            key columns, and one or more d1lab-owned columns. NaN becomes NULL.
        table: The D1 table's name in the catalog, or its declaration.
        run_dir: The run's folder.
        replace: Whether a key's new row replaces the staged one; for interactive work,
            where a cell is run again.

    Returns:
        The number of rows in `frame`.

    Raises:
        UnknownName: The catalog has no such table or column.
        InputError: A column is owned by the app; a key is missing, NULL, or duplicated; a value
            does not match its declared type; or a row differs from a staged one.
    """
    declared = catalog.table(table) if isinstance(table, str) else table
    rows = _checked(_arrow(frame), declared)
    if (run_dir / UNSTAGED).exists():
        return rows.num_rows
    path = run_dir / OUTBOX / f"{declared.name}.parquet"
    staged = _merge(_read(path), rows, declared, replace=replace) if path.exists() else rows
    if staged.num_rows:
        _write(staged.sort_by([(name, "ascending") for name in declared.key]), path)
    return rows.num_rows


def stage_nothing(run_dir: Path) -> None:
    """Let a run only check what it would stage: a what-if run writes nothing to D1, ever."""
    (run_dir / UNSTAGED).touch()


def read_outbox(run_dir: Path) -> dict[str, pa.Table]:
    """Return a run's staged results, by table name; empty if there are none.

    Raises:
        InputError: A file of the outbox is damaged.
    """
    return {path.stem: _read(path) for path in sorted((run_dir / OUTBOX).glob("*.parquet"))}


def staged_rows(run_dir: Path) -> dict[str, int]:
    """How many rows a run has staged, by table name.

    Raises:
        InputError: A file of the outbox is damaged.
    """
    return {name: rows.num_rows for name, rows in read_outbox(run_dir).items()}


def staged_columns(run_dir: Path) -> dict[str, tuple[str, ...]]:
    """Return the columns that a run has staged, with those of the key, by table name.

    Raises:
        InputError: A file of the outbox is damaged.
    """
    return {name: tuple(rows.column_names) for name, rows in read_outbox(run_dir).items()}


def keep(records: object, name: str, run_dir: Path) -> Path:
    """Store records with a run's results as JSON, such as the inputs of a decision.

    Args:
        records: Mappings, lists, numbers, and texts. Each call replaces the file.
        name: The file's name without '.json': lowercase letters, digits, and underscores.
        run_dir: The run's folder.

    Raises:
        InputError: The name is invalid, or is one of the run's own files.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED:
        raise InputError(
            f"keep: invalid name {name!r}. Use a-z, 0-9, '_', but not {', '.join(RESERVED)}"
        )
    return write(run_dir / f"{name}.json", orjson.dumps(records, default=str))


def read_kept(name: str, run_dir: Path) -> Any:
    """Return the records that a run has kept with `keep`.

    Raises:
        FileNotFoundError: It has kept none of that name.
        InputError: The file is damaged.
    """
    return orjson.loads(read_packed(run_dir / f"{name}.json"))


def large_files(run_dir: Path) -> list[Path]:
    """Return the files of a run that are compressed: notebook, tables, and kept records."""
    kept = (path for path in run_dir.glob("*.json") if path.stem not in RESERVED)
    return [*run_dir.glob("*.ipynb"), *run_dir.glob("*.csv"), *kept]


def note_read(run_dir: Path, record: Mapping[str, object]) -> None:
    """Add one line to the run's record of queries."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / READS).open("ab") as file:
        file.write(orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE))


def read_notes(run_dir: Path) -> list[dict[str, Any]]:
    """Return a run's queries to the warehouse, in order; empty if there are none.

    A line that is cut off, because its kernel was killed, is left out.
    """
    path = run_dir / READS
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [note for line in lines if (note := _note(line)) is not None]


def _note(line: bytes) -> dict[str, Any] | None:
    try:
        note = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return note if isinstance(note, dict) and isinstance(note.get("reads"), list) else None


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}. Run the report again.") from None


def _write(rows: pa.Table, path: Path) -> None:
    import pyarrow.parquet as parquet

    with writing(path) as part:
        parquet.write_table(rows, part, compression="zstd")


def _arrow(frame: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    for method in ("to_arrow_table", "to_arrow"):  # DuckDB, polars
        if hasattr(frame, method):
            return getattr(frame, method)()
    if not hasattr(frame, "columns"):
        raise InputError(f"stage: expected a frame or a relation, got {type(frame).__name__}")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise InputError(f"stage: a column has values of several types: {error}") from None


def _checked(frame: pa.Table, table: catalog.Table) -> pa.Table:
    """Convert the frame to the catalog's declaration: column order, complete and unique keys."""
    _check_names(frame.column_names, table)
    import pyarrow as pa

    columns = {
        column.name: _converted(frame[column.name], column, table.name)
        for column in table.columns
        if column.name in frame.column_names
    }
    rows = pa.table(columns)
    _check_keys(rows, table)
    return rows


def _check_names(names: list[str], table: catalog.Table) -> None:
    owned = table.owned("analysis")
    if not owned:
        raise InputError(
            f"table {table.name!r} has no d1lab-owned columns, so nothing can be staged"
        )
    for name in names:
        if name not in (*table.key, *owned):
            column = table.column(name)  # raises for an unknown name, with the closest
            raise InputError(
                f"column {name!r} of table {table.name!r} is owned by the "
                f"{column.owner}. d1lab can write only: {', '.join(owned)}."
            )
    if missing := [name for name in table.key if name not in names]:
        raise InputError(
            f"stage: key columns missing for table {table.name!r}: "
            f"{', '.join(missing)}. Found: {', '.join(names)}. If the key is in the "
            "index, call .reset_index()."
        )
    if len(set(names)) != len(names):
        raise InputError(f"stage for table {table.name!r}: duplicate column")
    if not set(names) & set(owned):
        raise InputError(
            f"stage for table {table.name!r}: only key columns. Add one of {', '.join(owned)}."
        )


def _check_keys(rows: pa.Table, table: catalog.Table) -> None:
    for name in table.key:
        if rows[name].null_count:
            raise InputError(
                f"stage for table {table.name!r}: key {name!r} is NULL in "
                f"{rows[name].null_count:,} of {rows.num_rows:,} rows"
            )
    if doubled := _doubled_key(rows, table):
        raise InputError(f"stage for table {table.name!r}: duplicate key {doubled}")


def _doubled_key(rows: pa.Table, table: catalog.Table) -> str:
    import pyarrow.compute as pc

    counts = rows.group_by(list(table.key)).aggregate([([], "count_all")])
    twice = counts.filter(pc.field("count_all") > 1).slice(0, 1).to_pylist()
    return ", ".join(f"{name}={twice[0][name]}" for name in table.key) if twice else ""


def _merge(staged: pa.Table, new: pa.Table, table: catalog.Table, *, replace: bool) -> pa.Table:
    import pyarrow as pa

    if staged.column_names != new.column_names:
        raise InputError(
            f"stage for table {table.name!r}: columns differ from the first call "
            f"({', '.join(staged.column_names)}; now {', '.join(new.column_names)}). Stage all "
            "columns at once."
        )
    key = list(table.key)
    if replace:
        kept = staged.join(new.select(key), keys=key, join_type="left anti")
        return pa.concat_tables([kept.select(new.column_names), new])
    both = pa.concat_tables([staged, new])
    distinct = both.group_by(both.column_names).aggregate([])
    if doubled := _doubled_key(distinct, table):
        raise InputError(
            f"stage for table {table.name!r}: {doubled} is already staged with other values"
        )
    return distinct


def _converted(values: pa.ChunkedArray, column: catalog.Column, table: str) -> pa.ChunkedArray:
    import pyarrow as pa

    wanted = TYPES[column.type]
    place = f"stage for table {table!r}: column {column.name!r} expects {wanted.words}"
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (families_of(values.type) & wanted.staged_from or pa.types.is_null(values.type)):
        raise InputError(f"{place}, got {values.type}")
    try:
        return _cast(values, wanted)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{place}: {error}") from None


def _cast(values: pa.ChunkedArray, wanted: ColumnType) -> pa.ChunkedArray:
    if wanted.kind == "date":
        return _dates(values)
    if wanted.kind == "timestamp":
        return _timestamps(values)
    return _finite(values).cast(wanted.staged_type)


def _finite(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert NaN to NULL, and reject infinity, which D1 would store but readers do not expect."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as is_

    if not is_.is_floating(values.type):
        return values
    if pc.any(pc.is_inf(values)).as_py():  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("a value is infinite. Use NULL for unknown values.")
    unknown = pc.is_nan(values)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.if_else(unknown, pa.scalar(None, values.type), values)  # pyright: ignore


def _dates(values: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.types as is_

    days = values.cast(pa.date32())
    if is_.is_timestamp(values.type) and not days.cast(values.type).equals(values):
        raise ValueError("a value has a time of day. Use the day only.")
    return days


def _timestamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_timestamp(values.type) and values.type.tz:
        values = values.cast(pa.timestamp("us", "UTC"))
    return values.cast(pa.timestamp("us"))
