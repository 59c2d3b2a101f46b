"""Tables: the first rows with labeled columns, and all rows as a CSV file next to the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.counting import counted
from d1lab.display.csv_file import CHUNK_ROWS, csv_content, write_csv
from d1lab.display.currency import is_currency, sign_of
from d1lab.display.notebook_table import TableHead, table_html
from d1lab.display.values import (
    KINDS,
    NUMERIC,
    Kind,
    as_text,
    digits_for,
    plain,
    sentence_case,
    series,
    show,
)
from d1lab.errors import InputError, UnknownName
from d1lab.packed_files import is_kept

DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000


class TableColumn(NamedTuple):
    """One column: its name in the data, and its label, unit, and format."""

    name: str
    label: str
    unit: str = ""
    kind: Kind = "text"
    digits: int = 0

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers, which are right-aligned."""
        return self.kind in NUMERIC

    def shown(self, value: Any) -> str:
        """Format one cell; the unit is in the header."""
        signed = self.unit if self.kind == "money" and sign_of(self.unit) else ""
        digits = 0 if self.kind == "integer" else self.digits
        return show(value, self.kind, signed, digits)

    @property
    def header(self) -> str:
        """Label and unit; percent and currency signs are shown with the numbers instead."""
        at_number = self.kind == "percent" or (self.kind == "money" and sign_of(self.unit))
        return self.label if at_number or not self.unit else f"{self.label} ({self.unit})"


class DataTable(NamedTuple):
    """The first rows of a frame, ready to show; `csv` is the name of the file with all rows."""

    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    total_rows: int
    csv: str | None = None
    note: str = ""
    name: str = ""  # name of its file, without '.csv'
    bars: tuple[str, ...] = ()  # names of the columns with a bar in each cell
    links: tuple[str, ...] = ()  # other page of each row, relative to this one; '' for none

    MIME = "application/vnd.d1lab.table.v1+json"

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> DataTable:
        """Build a table from its JSON bundle."""
        columns = tuple(
            TableColumn(*(column[name] for name in TableColumn._fields))
            for column in bundle["columns"]
        )
        fields = {name: bundle[name] for name in ("title", "total_rows", "csv", "note")}
        rows: tuple[tuple[Any, ...], ...] = tuple(tuple(row) for row in bundle["rows"])
        fields |= {name: tuple(bundle.get(name, ())) for name in ("bars", "links")}
        return cls(columns=columns, rows=rows, name=bundle.get("name", ""), **fields)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON bundle of the table."""
        return self._asdict() | {"columns": [column._asdict() for column in self.columns]}

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        title: str,
        labels: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        limit: int = DEFAULT_LIMIT,
        name: str = "",
        note: str = "",
        bars: str | Sequence[str] = (),
        run_dir: Path | None = None,
    ) -> DataTable:
        """Build from the first rows of a frame; write a CSV file if rows or texts were cut.

        Args:
            frame: Ordered pandas or polars DataFrame, Arrow table, or DuckDB relation.
            title: Caption of the table.
            labels: Headers by column; default: the column's name in words.
            units: Units by column, such as 'days', or a currency such as 'USD' for money.
            kinds: Kinds by column, if they cannot be derived from the type: 'money', or 'percent'
                for a ratio, or 'trend' for a list of numbers per cell, drawn as a line. A column
                whose unit is a currency is money.
            limit: Number of rows to show, 1 to 1,000.
            name: Name of the CSV file without '.csv'; default: derived from the title.
            bars: Columns, as a list or as "revenue units", with a bar in each cell, all bars of a
                column on one scale.
            run_dir: Folder of the run; None to write no file.

        Raises:
            InputError: The title is missing, or the limit is out of range.
            UnknownName: A label, unit, kind, or bar is for a column that does not exist.
        """
        if not title.strip():
            raise InputError(
                'table title missing. Pass title="..." that says what the table shows.'
            )
        if not 1 <= limit <= MAX_LIMIT:
            raise InputError(
                f"limit={limit} is out of range. Use 1 to {MAX_LIMIT:,}; the CSV always "
                "contains all rows."
            )
        names, total, source = read_frame(frame)
        top = list(islice(source, limit))
        trends = {name for name, kind in (kinds or {}).items() if kind == "trend"}
        readers = [series if name in trends else plain for name in names]
        rows = tuple(
            tuple(read(cell) for read, cell in zip(readers, row, strict=True)) for row in top
        )
        columns = describe_columns(names, top, rows, labels or {}, units or {}, kinds or {})
        barred = _known_names(bars, names)
        cut = total > limit or any(_was_cut(a, b) for a, b in zip(top, rows, strict=True))
        stem, file = _slug(name or title), None
        if cut and run_dir is not None:
            file = write_csv(run_dir, stem, names, chain(top, source)).name
        return cls(title, columns, rows, total, file, note, stem, barred)

    def link(self, row: int) -> str:
        """Return the link of a row to another page of the reports; '' for none."""
        link = self.links[row] if row < len(self.links) else ""
        return link if link.startswith("../") else ""

    def save_csv(self, folder: Path) -> Path:
        """Return the path of the CSV file with all rows; write it if no rows were cut before.

        Args:
            folder: Folder of the run, with the table's file. After the run it is compressed:
                `d1lab.packed_files.read_packed` reads it by this path.

        Raises:
            InputError: Rows were cut, and their file is missing.
        """
        if self.csv is None and len(self.rows) == self.total_rows:
            names = [column.name for column in self.columns]
            return write_csv(folder, self.name or _slug(self.title), names, self.rows)
        path = folder / (self.csv or f"{self.name}.csv")
        if not is_kept(path):
            raise InputError(
                f"the full data of table {self.title!r} is missing ({path}). Run the report again."
            )
        return path

    def csv_content(self) -> bytes:
        """Return the rows of the table as the content of a CSV file."""
        return csv_content([column.name for column in self.columns], self.rows)

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {self.MIME: self.to_json(), "text/plain": self._text(), "text/html": self._html()}

    def _shown_rows(self) -> Iterator[list[str]]:
        for row in self.rows:
            yield [c.shown(cell) for c, cell in zip(self.columns, row, strict=True)]

    def _text(self) -> str:
        lines = ["\t".join(column.header for column in self.columns)]
        lines += ["\t".join(row) for row in self._shown_rows()]
        return "\n".join([f"{self.title} ({counted(self.total_rows, 'row')})", *lines])

    def _html(self) -> str:
        heads = [TableHead(column.header, column.numeric) for column in self.columns]
        cut = len(self.rows) < self.total_rows
        caption = f"{self.title} (showing {len(self.rows):,} of {self.total_rows:,})"
        return table_html(heads, self._shown_rows(), caption if cut else self.title, note=self.note)


def read_frame(frame: Any) -> tuple[list[str], int, Iterator[Sequence[Any]]]:
    """Return the column names, the number of rows, and an iterator over the rows of a frame.

    Raises:
        InputError: The object is not a frame, table, or relation.
    """
    if hasattr(frame, "fetchall") and hasattr(frame, "df"):
        frame = frame.df()  # a DuckDB relation
    if hasattr(frame, "to_pylist"):
        frame = frame.to_pandas()  # an Arrow table
    if hasattr(frame, "itertuples"):
        names = [str(name) for name in frame.columns]
        return names, len(frame), _rows(frame)
    if hasattr(frame, "iter_rows"):
        return list(frame.columns), len(frame), frame.iter_rows()
    raise InputError(f"a table requires a frame or a relation, not {type(frame).__name__}")


def _rows(frame: Any) -> Iterator[Sequence[Any]]:
    """Yield the rows of a pandas DataFrame, as `itertuples` does: a part at a time is faster."""
    for start in range(0, len(frame), CHUNK_ROWS):
        part = frame.iloc[start : start + CHUNK_ROWS]
        yield from zip(*(part.iloc[:, at].tolist() for at in range(part.shape[1])), strict=True)


def describe_columns(
    names: list[str],
    top: list[Sequence[Any]],
    rows: tuple[tuple[Any, ...], ...],
    labels: Mapping[str, str],
    units: Mapping[str, str],
    kinds: Mapping[str, Kind],
) -> tuple[TableColumn, ...]:
    """Describe each column by the given labels, units, and kinds, or else by its cells.

    Raises:
        UnknownName: A label, unit, or kind is for a column that does not exist.
    """
    for name in chain(labels, units, kinds):
        if name not in names:
            raise UnknownName("column", name, names, "the table")
    made: list[TableColumn] = []
    for position, name in enumerate(names):
        unit = units.get(name, "")
        kind = kinds.get(name) or _kind([row[position] for row in top], unit)
        if kind not in KINDS:
            raise UnknownName("kind", kind, KINDS, f"column {name!r}")
        digits = digits_for([row[position] for row in rows], kind, unit)
        made.append(TableColumn(name, labels.get(name) or sentence_case(name), unit, kind, digits))
    return tuple(made)


def _known_names(wanted: str | Sequence[str], names: list[str]) -> tuple[str, ...]:
    """Return names given as a list or separated by spaces; UnknownName if one does not exist."""
    found = tuple(wanted.split() if isinstance(wanted, str) else wanted)
    for name in found:
        if name not in names:
            raise UnknownName("column", name, names, "the table")
    return found


def _kind(cells: list[Any], unit: str) -> Kind:
    """Derive the kind of a column from its cells."""
    known = [cell for cell in cells if plain(cell) is not None]
    if not known:
        return "text"
    if all(isinstance(cell, date) for cell in known):
        return "date"  # timestamps as well
    values = [plain(cell) for cell in known]
    if any(isinstance(value, str | bool) for value in values):
        return "text"
    if is_currency(unit):
        return "money"
    if any(isinstance(cell, Decimal) for cell in known):
        return "number"
    upcast = len(known) < len(cells)  # pandas converts integers with missing values to floats
    whole = all(isinstance(value, int) or (upcast and value == int(value)) for value in values)
    return "integer" if whole else "number"


def _was_cut(row: Sequence[Any], shown: tuple[Any, ...]) -> bool:
    return any(isinstance(a, str) and a != b for a, b in zip(row, shown, strict=True))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "table"
