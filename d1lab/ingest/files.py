"""Read order events from files as a stream: JSON lines, CSV, and Parquet."""

# pyright: standard

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from d1lab import catalog
from d1lab.errors import InputError, UnknownName

FIELDS = tuple(c.name for c in catalog.table("order_events").columns if c.name != "seq")
"""The fields of an event; D1 assigns the sequence number."""

_FIELDS = frozenset(FIELDS)


def require_fields(names: Iterable[str]) -> None:
    """Raise UnknownName for the first name that is not an event field."""
    for name in names:
        if name not in _FIELDS:
            raise UnknownName("field", str(name), FIELDS, "an order event")


def read_events(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the events of a file, one at a time.

    A line that is not JSON is returned as text, so that `track` rejects it at its position;
    empty lines are skipped. CSV needs a header line of field names, and every cell is text.

    Args:
        path: A .jsonl (or .ndjson), .csv or .parquet file in UTF-8.

    Raises:
        InputError: The file does not exist, has another type, or is not UTF-8.
        UnknownName: A CSV or Parquet column is not an event field.
    """
    readers = {".jsonl": _read_json_lines, ".ndjson": _read_json_lines, ".csv": _read_csv}
    if path.suffix == ".parquet":
        return _read_parquet_rows(path)
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a .jsonl, .csv or .parquet file")
    require_file(path)
    return readers[path.suffix](path)


def read_parquet(path: Path) -> pa.RecordBatchReader:
    """Yield the events of a Parquet file as record batches.

    Raises:
        InputError: The file does not exist, or is not Parquet.
        UnknownName: A column is not an event field.
    """
    require_file(path)
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a valid Parquet file: {error}") from None
    require_fields(file.schema_arrow.names)
    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())


def require_file(path: Path) -> None:
    """Raise InputError if the file does not exist."""
    if not path.is_file():
        raise InputError(f"file {str(path)!r} does not exist. Check the path.")


def _read_parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    for batch in read_parquet(path):
        yield from batch.to_pylist()


def _read_json_lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode("utf-8", errors="backslashreplace").strip()


def _read_csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="cell beyond the header", strict=True)
        try:
            _require_header(path, reader.fieldnames or ())
            yield from reader
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not in UTF-8: {error}. Convert it first.") from None
        except csv.Error as error:
            raise InputError(f"{path}, near line {reader.reader.line_num}: {error}") from None


def _require_header(path: Path, names: Sequence[str]) -> None:
    require_fields(names)
    twice = [name for name in FIELDS if list(names).count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} occurs twice in the header")
