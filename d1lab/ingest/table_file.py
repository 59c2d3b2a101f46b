"""Read table files: text with any delimiter and encoding, Excel, and Shopify's JSON.

A text file's delimiter is the most frequent one in its header; its encoding is UTF-8, UTF-16, or
else Windows-1252. A record's line number is the line on which it ends, or its row in a
workbook's sheet; both count from 1 and include the header.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.errors import InputError
from d1lab.ingest.files import require_file

TEXTS = (".csv", ".tsv", ".tab", ".txt")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*TEXTS, *WORKBOOKS, *JSON_LINES, ".parquet")

_DELIMITERS = ",;\t|"
_SAMPLE_BYTES = 1 << 20

Record = tuple[int, list[str]]
"""A line number and the cells."""


class Dialect(NamedTuple):
    """The format of a text file."""

    encoding: str
    delimiter: str
    has_quotes: bool = True  # False for Amazon's reports: there a quote is an ordinary character


def kind_of(path: Path) -> str:
    """Return a file's suffix in lower case.

    Raises:
        InputError: The file does not exist, or has an unsupported type.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}")
    return suffix


def records(path: Path, dialect: Dialect | None = None) -> Iterator[Record]:
    """Yield the header and the records of a text file, a workbook, or Shopify's JSON lines.

    Args:
        path: The file.
        dialect: The format of a text file; detected by default.

    Raises:
        InputError: The file cannot be read to its end.
    """
    suffix = kind_of(path)
    if suffix in WORKBOOKS:
        return _sheet(path)
    if suffix in JSON_LINES:
        from d1lab.ingest.shopify_bulk import bulk_records

        return bulk_records(path)
    return _text(path, dialect or dialect_of(path))


def header_of(path: Path, found: Iterator[Record]) -> list[str]:
    """Return the first record: the column names, stripped.

    Raises:
        InputError: The file is empty.
    """
    nothing: Record = (0, [])
    _, names = next(found, nothing)
    if not any(name.strip() for name in names):
        raise InputError(f"{path} is empty")
    return [name.strip() for name in names]


def dialect_of(path: Path) -> Dialect:
    """Detect the encoding and delimiter of a text file."""
    encoding = _encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        first = file.readline(_SAMPLE_BYTES)
    if first.lower().startswith("sep=") and len(first.strip()) == 5:  # Excel's special first line
        return Dialect(encoding, first.strip()[-1])
    counts = {sign: _outside_quotes(first, sign) for sign in _DELIMITERS}
    found = Dialect(encoding, max(_DELIMITERS, key=lambda sign: counts[sign]))
    return found._replace(has_quotes=found.delimiter != "\t" or _is_quoted(path, found))


def _is_quoted(path: Path, dialect: Dialect) -> bool:
    """Whether a tab-separated text can be parsed to its end with quoted cells."""
    with path.open(encoding=dialect.encoding, errors="replace", newline="") as file:
        try:
            deque(csv.reader(file, strict=True, delimiter=dialect.delimiter), maxlen=0)
        except csv.Error:
            return False
    return True


def _outside_quotes(line: str, sign: str) -> int:
    return sum(part.count(sign) for part in line.split('"')[::2])


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4096)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if start.count(b"\0") * 4 > len(start):  # in UTF-16, every second byte of Latin letters
            return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
        file.seek(0)
        return "utf-8-sig" if _is_utf8(file) else "cp1252"


def _is_utf8(chunks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _text(path: Path, dialect: Dialect) -> Iterator[Record]:
    with path.open(encoding=dialect.encoding, newline="") as file:
        quoting = csv.QUOTE_MINIMAL if dialect.has_quotes else csv.QUOTE_NONE
        reader = csv.reader(file, strict=True, delimiter=dialect.delimiter, quoting=quoting)
        try:
            for cells in reader:
                is_mark = reader.line_num == 1 and "".join(cells).lower().startswith("sep=")
                if cells and not is_mark:
                    yield reader.line_num, cells
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path} is not in UTF-8, UTF-16, or Windows-1252: {error}. Save it as UTF-8."
            ) from None
        except csv.Error as error:
            raise InputError(f"{path}, near line {reader.line_num}: {error}") from None


def _sheet(path: Path) -> Iterator[Record]:
    """Yield the rows of a workbook's orders sheet, or of its first non-empty sheet."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))  # pyright: ignore[reportUnknownMemberType]
        names = sorted(book.sheet_names, key=lambda name: name.strip().lower() != "orders")
        nothing: list[list[Any]] = []
        sheets = (book.get_sheet_by_name(name).to_python() for name in names)
        rows = next((rows for rows in sheets if rows), nothing)
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable workbook: {error}") from None
    for number, row in enumerate(rows, 1):
        cells = [_cell(value) for value in row]
        if any(cells):
            yield number, cells


def _cell(value: object) -> str:
    """Return a cell as text; whole numbers such as identifiers without '.0'."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e17 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def same_name(name: str) -> str:
    """Normalize a column name: lower case, with hyphens and spaces treated alike."""
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def twice(names: Sequence[str]) -> set[str]:
    """Return the names that occur more than once."""
    return {name for name in names if names.count(name) > 1}
