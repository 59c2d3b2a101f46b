"""Load the lines of files into the table `source`: all text, each with its line number."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.cut_orders import missing_parts
from d1lab.ingest.table_file import TEXTS, Record, dialect_of, header_of, kind_of, records

BATCH_LINES = 20_000


def header(path: Path) -> list[str]:
    """Return the columns of a file.

    Raises:
        InputError: The file does not exist, has an unsupported type, or is empty.
    """
    if kind_of(path) == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    return header_of(path, records(path))


class Loaded(NamedTuple):
    """The lines of files in `source`."""

    lines: int
    ends: tuple[tuple[Path, int], ...]  # each file with the number of its last line

    def place_of(self, line: int) -> tuple[Path, int] | None:
        """Return the file of a line and its number there; None for a line of another file."""
        before = 0
        for path, end in self.ends:
            if before < line <= end:
                return path, line - before
            before = end
        return None


def load(con: duckdb.DuckDBPyConnection, paths: Sequence[Path], columns: ColumnMap) -> Loaded:
    """Create the table `source`, with line numbers that continue across files.

    For an order that Shopify's export split, the lines in other files of the folder are added,
    with numbers below 1 and above those of the file.

    Args:
        con: The connection to create it in.
        paths: The files of one export, with the same columns.
        columns: The meaning of the columns.

    Raises:
        InputError: A file cannot be read to its end, or its columns differ from the first file's.
    """
    fields = ", ".join(f"{quote(name)} VARCHAR" for name in columns.fields)
    con.execute(f"CREATE TABLE source (line BIGINT, problem VARCHAR, {fields})")
    first, before = header(paths[0]), 0
    ends: list[tuple[Path, int]] = []
    for path in paths:
        if header(path) != first:
            raise InputError(f"{path} has different columns than {paths[0]}. Load it separately.")
        if kind_of(path) == ".parquet":
            _load_parquet(con, path, columns, before)
        else:
            _load_records(con, path, columns, before)
        ((before,),) = con.sql("SELECT coalesce(max(line), 0) FROM source").fetchall()
        ends.append((path, before))
    ((lines,),) = con.sql("SELECT count(*) FROM source").fetchall()
    if len(paths) == 1 and kind_of(paths[0]) in TEXTS:
        _add_missing(con, paths[0], columns, before)
    return Loaded(lines, tuple(ends))


def _add_missing(con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap, last: int) -> None:
    """Add lines of split orders, with numbers outside the file's range."""
    missing = missing_parts(path, columns)
    names = header(path)
    above = [(number - len(missing.before), cells) for number, cells in enumerate(missing.before)]
    below = [(last + number, cells) for number, cells in enumerate(missing.after, 1)]
    _insert(con, [*above, *below], names, columns, 0)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a valid Parquet file: {error}") from None


def _load_parquet(
    con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap, before: int
) -> None:
    schema = _parquet(path).schema_arrow
    selected = ", ".join(_as_text(columns, name, schema) for name in columns.fields)
    con.execute(
        f"INSERT INTO source SELECT {before} + file_row_number + 1, NULL, {selected} "  # noqa: S608
        "FROM read_parquet($path, file_row_number = true)",
        {"path": str(path)},
    )


def _as_text(columns: ColumnMap, name: str, schema: pa.Schema) -> str:
    """Build SQL for a field as text; whole numbers stored as floats lose their '.0'."""
    texts = []
    for column in columns.columns.get(name, ()):
        text = f"{quote(column)}::VARCHAR"
        if pa.types.is_floating(schema.field(column).type):
            text = f"regexp_replace({text}, '[.]0$', '')"
        texts.append(f"nullif({text}, '')")
    return f"coalesce({', '.join([*texts, _value(columns, name)])})"


def _value(columns: ColumnMap, name: str) -> str:
    found = columns.values.get(name)
    return "NULL" if found is None else "'" + found.replace("'", "''") + "'"


def _load_records(
    con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap, before: int
) -> None:
    found = records(path)
    names = header_of(path, found)
    if columns.unpack:
        from d1lab.ingest.packed_cells import unpacked

        names, found = unpacked(names, found, columns.unpack)
    _insert(con, found, names, columns, before)


def _insert(
    con: duckdb.DuckDBPyConnection,
    found: Iterable[Record],
    names: Sequence[str],
    columns: ColumnMap,
    before: int,
) -> None:
    schema = pa.schema(
        [("line", pa.int64()), *((name, pa.string()) for name in ("problem", *columns.fields))]
    )
    for batch in _batches(found, names, columns):
        shifted = [(before + line, *rest) for line, *rest in batch]
        con.register("batch", pa.table(list(zip(*shifted, strict=True)), schema=schema))
        con.execute("INSERT INTO source FROM batch")


def _batches(
    found: Iterable[Record], names: Sequence[str], columns: ColumnMap
) -> Iterator[list[tuple[int, *tuple[str | None, ...]]]]:
    places = [
        [names.index(column) for column in columns.columns.get(field, ()) if column in names]
        for field in columns.fields
    ]
    constants = [columns.values.get(field) for field in columns.fields]
    batch = []
    for line, cells in found:
        problem = None
        if len(cells) != len(names):
            cells, problem = _fitted(cells, len(names))
        picked = (
            next((cells[place] for place in some if cells[place].strip()), constant)
            for some, constant in zip(places, constants, strict=True)
        )
        batch.append((line, problem, *picked))
        if len(batch) == BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch


def _fitted(cells: list[str], width: int) -> tuple[list[str], str | None]:
    """Fit a record with too many or too few cells; extra empty cells are not an error."""
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width], None
    problem = f"{len(cells)} cells, but the header has {width}"
    return [*cells, *[""] * (width - len(cells))], problem


def delimiter_of(path: Path) -> str | None:
    """Return the delimiter of a text file; None for other files."""
    return dialect_of(path).delimiter if kind_of(path) in TEXTS else None
