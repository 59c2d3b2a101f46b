"""Order lines of a CSV or Parquet file as the table `source`: all text, each with its line.

Of a CSV a line is the one in the file at which the record ends; of Parquet it is the row, from 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.files import require_file


def write_refused(path: Path, fields: Sequence[str], refused: Iterable[Sequence[object]]) -> None:
    """The refused lines as a CSV in which no cell is a formula to a spreadsheet.

    Args:
        path: The file; it is replaced.
        fields: What the values of a line are called.
        refused: The lines, each in the order of the fields.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows([_inert(cell) for cell in row] for row in refused)


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell


BATCH_LINES = 20_000


def header(path: Path) -> list[str]:
    """The columns of a file.

    Raises:
        InputError: There is no such file, it is neither CSV nor Parquet, or it is empty.
    """
    require_file(path)
    if path.suffix == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    if path.suffix != ".csv":
        raise InputError(f"{path}: expected a .csv or .parquet file")
    _, names = next(_records(path), (0, []))
    if not names:
        raise InputError(f"{path} is empty")
    return names


def load(con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap) -> int:
    """Make the table `source`; the lines in it.

    Args:
        con: Where to make it.
        path: The file.
        columns: What its columns mean.

    Raises:
        InputError: The file cannot be read to its end.
    """
    fields = ", ".join(f"{quote(name)} VARCHAR" for name in columns.fields)
    con.execute(f"CREATE TABLE source (line BIGINT, fault VARCHAR, {fields})")
    if path.suffix == ".parquet":
        _load_parquet(con, path, columns)
    else:
        _load_csv(con, path, columns)
    ((lines,),) = con.sql("SELECT count(*) FROM source").fetchall()
    return lines


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no Parquet file: {error}") from None


def _load_parquet(con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap) -> None:
    schema = _parquet(path).schema_arrow
    selected = ", ".join(
        _as_text(columns.columns[name], schema) if name in columns.columns else "NULL"
        for name in columns.fields
    )
    con.execute(
        f"INSERT INTO source SELECT file_row_number + 1, NULL, {selected} "  # noqa: S608
        "FROM read_parquet($path, file_row_number = true)",
        {"path": str(path)},
    )


def _as_text(name: str, schema: pa.Schema) -> str:
    """A column as text; whole numbers that come as floats, as identifiers may, lose their '.0'."""
    column = quote(name)
    if not pa.types.is_floating(schema.field(name).type):
        return f"{column}::VARCHAR"
    return f"regexp_replace({column}::VARCHAR, '[.]0$', '')"


def _load_csv(con: duckdb.DuckDBPyConnection, path: Path, columns: ColumnMap) -> None:
    records = _records(path)
    _, names = next(records)
    places = [
        names.index(columns.columns[name]) if name in columns.columns else None
        for name in columns.fields
    ]
    schema = pa.schema(
        [("line", pa.int64()), *((name, pa.string()) for name in ("fault", *columns.fields))]
    )
    for batch in _batches(records, len(names), places):
        con.register("batch", pa.table(list(zip(*batch, strict=True)), schema=schema))
        con.execute("INSERT INTO source FROM batch")


Record = tuple[int, list[str]]
"""Line and cells."""


def _batches(
    records: Iterator[Record], width: int, places: Sequence[int | None]
) -> Iterator[list[tuple[object, ...]]]:
    batch: list[tuple[object, ...]] = []
    for line, cells in records:
        fault = None
        if len(cells) != width:
            fault = f"{len(cells)} cells, where the header has {width}"
            cells = [*cells, *[""] * (width - len(cells))]
        picked = (None if place is None else cells[place] for place in places)
        batch.append((line, fault, *picked))
        if len(batch) == BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not in UTF-8: {error}; convert it first") from None
        except csv.Error as error:
            raise InputError(f"{path}, near line {reader.line_num}: {error}") from None
