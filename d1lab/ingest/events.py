"""Write order events to D1: checked, in batches, each counted once.

An event is one line of an order, discounted or not, or one refunded line; docs/guide/events.md
lists its fields. `(shop, event_id)` identifies it: sending it again writes nothing, so an
interrupted load can be repeated. Events that fail the rules of checked_events.sql are
reported with their position and the reason. Mappings and tables pass the same rules.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import insert_new, upsert
from d1lab.errors import InputError
from d1lab.ingest.files import FIELDS, read_events, read_parquet, require_fields
from d1lab.types import TYPES, Kind, families_of, python_types
from d1lab.warehouse import scratch

BATCH_EVENTS = 5_000
TABLE_BATCH_EVENTS = 50_000

_TABLE = catalog.table("order_events")
_SQL = Path(__file__).parent
_RULES = ("texts", "checked_events")
_TEXTS = ("problem", *FIELDS)
INCOMING = pa.schema([("position", pa.int64()), *((name, pa.string()) for name in _TEXTS)])
"""The columns that the rules read: an event's position, any error in its shape, its fields."""
TOLERANCE = timedelta(days=1)  # for clock errors and time zones; later times are errors

_TYPES: dict[str, Kind] = {name: _TABLE.column(name).type for name in FIELDS}
_PYTHON_TYPES = {name: python_types(TYPES[kind].tracked_from) for name, kind in _TYPES.items()}

Progress = Callable[[str, int, int], object]
"""Called after each batch with a name, the events received, and the events expected."""


class RejectedEvent(NamedTuple):
    """A rejected event."""

    position: int  # its position among the events received, from 1
    reason: str


class TrackResult(NamedTuple):
    """Counts of the events: received = written + known + rejected.

    If d1lab had to retry a batch, rows written by the first attempt count as known.
    """

    received: int
    written: int  # new; with `correct`, also those with changed content
    known: int  # already stored, and not changed
    rejected: tuple[RejectedEvent, ...]


class _Checked(NamedTuple):
    """One batch after the checks."""

    rows: list[str]  # each a JSON array in the order of FIELDS
    rejected: list[RejectedEvent]


def track(
    db: Database,
    events: Iterable[Mapping[str, Any]],
    *,
    correct: bool = False,
    progress: Progress | None = None,
) -> TrackResult:
    """Write the events that are not in the database yet.

    Args:
        db: A database with the table `order_events`.
        events: The events, each with its fields by name; read as a stream, 5,000 at a time.
        correct: Whether to overwrite known events with different content. By default they are kept.
        progress: Called after each batch.
    """
    return _write(db, _batches(events), correct, progress, 0)


def track_table(
    db: Database, source: Any, *, correct: bool = False, progress: Progress | None = None
) -> TrackResult:
    """Write the events of a table: same rules and result as `track`, but several times faster.

    Args:
        db: A database with the table `order_events`.
        source: Anything that streams Arrow record batches: a pyarrow table or reader, a DuckDB
            relation, or a polars frame. Its columns are event fields; missing ones are empty.
        correct: Whether to overwrite known events with different content.
        progress: Called after each batch.

    Raises:
        UnknownName: A column is not an event field.
        InputError: A column's type cannot be converted to its field's type.
    """
    return _write(db, _slices(source), correct, progress, getattr(source, "num_rows", 0))


def check_table(source: Any) -> TrackResult:
    """Return the events that `track_table` would reject, without a database.

    Raises:
        UnknownName, InputError: As in `track_table`.
    """
    return _check_all(_slices(source))


def track_file(
    db: Database, path: Path, *, correct: bool = False, progress: Progress | None = None
) -> TrackResult:
    """Write the events of a .jsonl, .csv or .parquet file.

    Raises:
        InputError: As in `read_events`, or a Parquet column's type does not match its field.
    """
    if path.suffix == ".parquet":
        return track_table(db, read_parquet(path), correct=correct, progress=progress)
    return track(db, read_events(path), correct=correct, progress=progress)


def check_file(path: Path) -> TrackResult:
    """Return the events that `track_file` would reject, without a database.

    Raises:
        InputError: As in `track_file`.
    """
    if path.suffix == ".parquet":
        return check_table(read_parquet(path))
    return _check_all(_batches(read_events(path)))


def _check_all(batches: Iterable[pa.RecordBatch]) -> TrackResult:
    received, rejected = 0, []
    with _rules() as con:
        for batch in batches:
            rejected += _check(con, batch, received).rejected
            received += batch.num_rows
    return TrackResult(received, 0, 0, tuple(rejected))


def _write(
    db: Database,
    batches: Iterable[pa.RecordBatch],
    correct: bool,
    progress: Progress | None,
    expected: int,
) -> TrackResult:
    send = upsert if correct else insert_new
    received, sent, written = 0, 0, 0
    rejected: list[RejectedEvent] = []
    with _rules() as con:
        for batch in batches:
            checked = _check(con, batch, received)
            written += send(db, _TABLE.name, _TABLE.key, FIELDS, checked.rows)
            received, sent = received + batch.num_rows, sent + len(checked.rows)
            rejected += checked.rejected
            if progress:
                progress("events", received, max(received, expected))
    return TrackResult(received, written, sent - written, tuple(rejected))


def _rules() -> duckdb.DuckDBPyConnection:
    """Open a connection with the rules as the view `checked_events` over `incoming`."""
    con = scratch()
    con.register("incoming", INCOMING.empty_table())
    add_rules(con)
    return con


def add_rules(con: duckdb.DuckDBPyConnection, now: datetime | None = None) -> None:
    """Create the text macros, and the view `checked_events` over `incoming`.

    Args:
        con: The connection with `incoming`, in schema INCOMING.
        now: The current time; events of later days are rejected.
    """
    latest = (now or datetime.now(UTC)) + TOLERANCE
    con.execute("SET VARIABLE latest = $at", {"at": latest.astimezone(UTC).replace(tzinfo=None)})
    for name in _RULES:
        con.execute((_SQL / f"{name}.sql").read_text())


def _check(con: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, before: int) -> _Checked:
    places = pa.array(range(before + 1, before + 1 + batch.num_rows), pa.int64())
    con.register("incoming", pa.Table.from_batches([batch]).add_column(0, "position", places))
    columns = ", ".join(FIELDS)
    checked = con.sql(f"SELECT reason, json_array({columns}) FROM checked_events")  # noqa: S608
    reasons, rows = (column.to_pylist() for column in checked.to_arrow_table().columns)
    rejected = [
        RejectedEvent(before + place, reason) for place, reason in enumerate(reasons, 1) if reason
    ]
    good = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    return _Checked(good if rejected else rows, rejected)


def _batches(events: Iterable[object]) -> Iterator[pa.RecordBatch]:
    stream = iter(events)
    return map(_from_mappings, iter(lambda: list(islice(stream, BATCH_EVENTS)), []))


def _from_mappings(events: Sequence[object]) -> pa.RecordBatch:
    columns = zip(*map(_texts, events), strict=True)
    return pa.record_batch([pa.array(c, pa.string()) for c in columns], names=_TEXTS)


def _texts(event: object) -> tuple[str | None, ...]:
    """Return the error in the event's shape, or None; then its fields as text."""
    try:
        if not isinstance(event, Mapping):
            raise InputError(f"not an object of fields: {str(event)[:80]!r}")
        require_fields(event)
        return (None, *(_text(name, event.get(name)) for name in FIELDS))
    except InputError as error:
        return (str(error), *(None for _ in FIELDS))


def _text(name: str, value: object) -> str | None:
    if value is None or (type(value) is str and value.isascii()):  # nearly all
        return value
    if not isinstance(value, _PYTHON_TYPES[name]) or isinstance(value, bool):
        raise InputError(f"{name} is of type {type(value).__name__}")
    text = value.isoformat() if isinstance(value, date) else str(value)
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{name} contains half of a surrogate pair")
    return text


def _slices(source: Any) -> Iterator[pa.RecordBatch]:
    """Yield a table's batches of limited size, as text; missing fields are empty."""
    reader = pa.RecordBatchReader.from_stream(source)
    require_fields(reader.schema.names)
    for field in reader.schema:
        _require_type(field)
    for batch in reader:
        for start in range(0, batch.num_rows, TABLE_BATCH_EVENTS):
            part = batch.slice(start, TABLE_BATCH_EVENTS)
            empty = pa.nulls(part.num_rows, pa.string())
            columns = {name: part[name].cast(pa.string()) for name in part.schema.names}
            arrays = [columns.get(name, empty) for name in _TEXTS]
            yield pa.record_batch(arrays, names=_TEXTS)


def _require_type(field: pa.Field) -> None:
    """Convert a column to text, with the checks of `_text`."""
    given = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    takes = TYPES[_TYPES[field.name]].tracked_from
    if not (pa.types.is_null(given) or families_of(given) & takes):
        raise InputError(
            f"column {field.name!r} has type {field.type}, which does not match "
            f"{_TYPES[field.name]}. Cast it before tracking."
        )
