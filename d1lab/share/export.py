"""Tables of the warehouse as files for other tools: Parquet, CSV, Excel, or a DuckDB file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import duckdb

from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.files import writing
from d1lab.lab import Lab

Format = Literal["parquet", "csv", "xlsx", "duckdb"]
FILE = "export"
"""Stem of the one file that has all tables, for xlsx and duckdb."""
SCHEMA = "data"
"""Schema of the tables in the DuckDB file; the views on them are in `main`."""
MOST_SHEET_ROWS = 1_048_575  # Excel's limit, without the header
MOST_CHARACTERS = 32_767  # Excel's limit per cell


class ExportedTable(NamedTuple):
    """A table that was exported."""

    table: str
    rows: int
    path: Path


def export(lab: Lab, folder: Path, form: Format, names: list[str]) -> list[ExportedTable]:
    """Write tables and views of the warehouse to files; existing files are replaced whole.

    Args:
        lab: The lab with the warehouse.
        folder: Target folder; it is created.
        form: One file per table (parquet, csv), or one for all (xlsx, duckdb).
        names: Tables to export; empty for all views and tables that analysts see.

    Raises:
        UnknownName: A table does not exist.
        InputError: A table is too long for Excel, or the extra for Excel is not installed.
    """
    chosen = names or [name for name in lab.tables if "." not in name]
    relations = {name: lab.tables[name].relation() for name in chosen}
    folder.mkdir(parents=True, exist_ok=True)
    if form == "duckdb":
        return _duckdb(relations, folder / f"{FILE}.duckdb")
    if form == "xlsx":
        return _xlsx(relations, folder / f"{FILE}.xlsx")
    return [_file(name, rows, folder, form) for name, rows in relations.items()]


def _file(
    name: str, relation: duckdb.DuckDBPyRelation, folder: Path, form: Literal["parquet", "csv"]
) -> ExportedTable:
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.{form}"
    with writing(path) as part:
        write: Callable[[str], Any] = (
            relation.write_parquet if form == "parquet" else relation.write_csv
        )
        write(str(part))
    return ExportedTable(name, _count(relation), path)


def _count(relation: duckdb.DuckDBPyRelation) -> int:
    [(rows,)] = relation.aggregate("count(*)").fetchall()
    return rows


def _duckdb(relations: dict[str, duckdb.DuckDBPyRelation], path: Path) -> list[ExportedTable]:
    """Write tables with plain types, and a view on each: nothing in the file needs d1lab."""
    made: list[ExportedTable] = []
    aside = tempfile.TemporaryDirectory(dir=path.parent)
    with aside as folder, writing(path) as part, duckdb.connect(part) as con:
        con.execute(f"CREATE SCHEMA {SCHEMA}")
        for number, (name, relation) in enumerate(relations.items()):
            file = str(Path(folder) / f"{number}.parquet")
            relation.write_parquet(file)
            table = f"{SCHEMA}.{quote(name)}"
            con.execute(f"CREATE TABLE {table} AS FROM read_parquet($1)", [file])
            con.execute(f"CREATE VIEW main.{quote(name)} AS FROM {table}")
            made.append(ExportedTable(name, _count(con.table(table)), path))
        con.execute("CHECKPOINT")
    return made


def _xlsx(relations: dict[str, duckdb.DuckDBPyRelation], path: Path) -> list[ExportedTable]:
    """Write a sheet per table; text stays text, and is never a formula or a link."""
    require("xlsx", "Exporting to Excel")
    import xlsxwriter  # pyright: ignore[reportMissingTypeStubs]

    counts = {name: _count(relation) for name, relation in relations.items()}
    for name, rows in counts.items():
        if rows > MOST_SHEET_ROWS:
            raise InputError(
                f"table {name!r} has {rows:,} rows; a sheet has at most {MOST_SHEET_ROWS:,}. "
                "Name other tables, or use --format parquet."
            )
    options = {
        "constant_memory": True,
        "default_date_format": "yyyy-mm-dd",
        "remove_timezone": True,
    }
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    with writing(path) as part, xlsxwriter.Workbook(str(part), options | plain) as opened:
        book = cast("Any", opened)
        titles: set[str] = set()
        for name, relation in relations.items():
            sheet = book.add_worksheet(_sheet_title(name, titles))
            sheet.write_row(0, 0, relation.columns)
            sheet.freeze_panes(1, 0)
            for number, row in enumerate(relation.fetchall(), 1):
                for column, value in enumerate(row):
                    _write(sheet, number, column, value)
    return [ExportedTable(name, rows, path) for name, rows in counts.items()]


def _write(sheet: Any, row: int, column: int, value: object) -> None:
    if isinstance(value, str):
        sheet.write_string(row, column, value[:MOST_CHARACTERS])
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        sheet.write_number(row, column, value)
    elif value is not None:
        try:
            sheet.write(row, column, value)
        except TypeError:  # lists, structs, and other types that a cell cannot have
            sheet.write_string(row, column, str(value)[:MOST_CHARACTERS])


def _sheet_title(name: str, taken: set[str]) -> str:
    """Return a title of at most 31 characters that no other sheet has, whatever the case."""
    bare = re.sub(r"[\[\]:*?/\\']", "_", name)
    candidates = [bare[:31], *(f"{bare[:28]}~{number}" for number in range(2, 100))]
    title = next(title for title in candidates if title.lower() not in taken)
    taken.add(title.lower())
    return title
