"""CSV files of tables, also of a million rows: column by column, some thousand rows at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from d1lab.display.values import plain, series
from d1lab.errors import InputError
from d1lab.packed_files import is_kept, read_packed

CHUNK_ROWS = 10_000

_ENCODING = "utf-8-sig"  # with a BOM, so that Excel detects UTF-8
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(run_dir: Path, stem: str, names: list[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write all rows to a new file; a number is added to a name that is already used.

    Args:
        run_dir: Folder of the run.
        stem: Name of the file without '.csv'.
        names: Names of the columns.
        rows: Cells of each row. Texts that a spreadsheet would evaluate as a formula are escaped.

    Raises:
        InputError: 999 tables of that name have other rows.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    part = run_dir / f".{stem}.csv.part"
    try:
        with part.open("w", encoding=_ENCODING, newline="") as file:
            _write_rows(file, names, rows)
        for number in range(1, 1_000):
            path = run_dir / (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")
            if not is_kept(path):
                return part.rename(path)
            if read_packed(path) == part.read_bytes():
                return path
    finally:
        part.unlink(missing_ok=True)
    raise InputError(f"{run_dir} already has 999 tables named {stem!r}. Pass another name.")


def csv_content(names: list[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return the content of the file."""
    text = io.StringIO(newline="")
    _write_rows(text, names, rows)
    return text.getvalue().encode(_ENCODING)


def _write_rows(file: TextIO, names: list[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file)
    writer.writerow([_defused(name) for name in names])
    for chunk in _chunks(rows):
        columns = map(_defused_all, zip(*chunk, strict=True))
        writer.writerows(zip(*columns, strict=True))


def _chunks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK_ROWS)):
        yield chunk


def _defused_all(cells: Sequence[Any]) -> Iterable[Any]:
    """Return the cells of a column as they are written; most columns have one type."""
    kinds = {*map(type, cells)}
    if kinds <= {int, bool, type(None)}:
        return cells
    if kinds == {float}:
        return [None if cell != cell else cell for cell in cells]  # NaN
    if kinds == {str}:
        return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
    return map(_defused, cells)


def _defused(cell: Any) -> Any:
    """Escape a cell that a spreadsheet would evaluate as a formula; numbers are unchanged."""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    trend = series(cell)
    return " ".join(map(str, trend)) if trend else plain(cell)
