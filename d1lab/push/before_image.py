"""Before-image: previous and new values of each changed row, stored in the run folder.

`push/<table>.before.parquet` holds one row per changed row: its key, and for each written column
`before.<column>` and `after.<column>` as JSON text, so that every SQLite value is restored
exactly (SQL NULL is a null, a BLOB is {"hex": "..."}). `existed` is false for a row that the push
inserts. The file is written once, before the first write to D1: a restart follows it as its plan,
and a rollback restores from it.
"""

# pyright: standard

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from d1lab.d1 import Value
from d1lab.errors import PushError
from d1lab.files import write_once
from d1lab.push.staged import Key

Action = Literal["push", "rollback"]
State = tuple[Value, ...] | None  # a row's written columns; None if the row does not exist

_META = b"d1lab"


class ImageRow(NamedTuple):
    """One row's written columns, before and after the push."""

    before: State
    after: tuple[Value, ...]


class BeforeImage(NamedTuple):
    """The changes of a push to one table, and the counts found while comparing."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    changes: dict[Key, ImageRow]
    staged: int
    unchanged: int
    missing: tuple[Key, ...]  # staged rows missing in D1, where only the app inserts rows
    taken_at: datetime  # UTC


def image_path(run_dir: Path, table: str) -> Path:
    """Return the path of a table's before-image."""
    return run_dir / "push" / f"{table}.before.parquet"


def mark_path(run_dir: Path, table: str, action: Action) -> Path:
    """Return the path of the mark that `action` succeeded for a table."""
    return run_dir / "push" / f"{table}.{'done' if action == 'push' else 'rolledback'}.json"


def keep_image(run_dir: Path, image: BeforeImage) -> BeforeImage:
    """Write the image unless one already exists; return the stored one."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    columns: dict[str, list[Any]] = {
        name: [row[i] for row in image.changes] for i, name in enumerate(image.key)
    }
    numbers = {n for n, values in columns.items() if all(isinstance(v, int) for v in values)}
    changes = image.changes.values()
    columns["existed"] = [change.before is not None for change in changes]
    for i, name in enumerate(image.columns):
        columns[f"before.{name}"] = [c.before and _cell(c.before[i]) for c in changes]
        columns[f"after.{name}"] = [_cell(c.after[i]) for c in changes]
    types = {name: pa.int64() if name in numbers else pa.string() for name in columns}
    types["existed"] = pa.bool_()
    schema = pa.schema(types.items(), metadata={_META: _meta(image)})
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
    path = image_path(run_dir, image.table)
    write_once(path, sink.getvalue().to_pybytes(), sync=True)
    return load_image(run_dir, image.table) or image


def load_image(run_dir: Path, table: str) -> BeforeImage | None:
    """Read the before-image of a table; None if there is none.

    Raises:
        PushError: The file exists but cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = image_path(run_dir, table)
    try:
        file = parquet.ParquetFile(path).read()
        meta = json.loads((file.schema.metadata or {})[_META])
        return _image(table, {name: file[name].to_pylist() for name in file.column_names}, meta)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise PushError(
            f"cannot read the before-image of {table!r} ({path}): {error}. Nothing "
            "was written. Restore the file or run the report again."
        ) from None


def images(run_dir: Path) -> list[BeforeImage]:
    """Read the before-images of a run, by table; errors as in `load_image`."""
    names = sorted(path.name for path in (run_dir / "push").glob("*.before.parquet"))
    loaded = (load_image(run_dir, name.removesuffix(".before.parquet")) for name in names)
    return [image for image in loaded if image is not None]


def _image(table: str, columns: dict[str, list[Any]], meta: dict[str, Any]) -> BeforeImage:
    written = tuple(meta["columns"])
    key = tuple(columns)[: list(columns).index("existed")]
    keys = zip(*(columns[name] for name in key), strict=True)
    before = zip(*(map(_value, columns[f"before.{name}"]) for name in written), strict=True)
    after = zip(*(map(_value, columns[f"after.{name}"]) for name in written), strict=True)
    changes = {
        key: ImageRow(old if existed else None, new)
        for key, existed, old, new in zip(keys, columns["existed"], before, after, strict=True)
    }
    missing = tuple(tuple(key) for key in meta["missing"])
    taken_at = datetime.fromisoformat(meta["taken_at"])
    return BeforeImage(
        table, key, written, changes, meta["staged"], meta["unchanged"], missing, taken_at
    )


def _meta(image: BeforeImage) -> bytes:
    kept = image._replace(changes={}, taken_at=image.taken_at.isoformat())  # pyright: ignore[reportArgumentType]
    return json.dumps(kept._asdict()).encode()


def _cell(value: Value) -> str | None:
    if value is None:
        return None
    return json.dumps({"hex": value.hex()} if isinstance(value, bytes) else value)


def _value(cell: str | None) -> Value:
    value = None if cell is None else json.loads(cell)
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def leave_mark(path: Path, url: str, result: dict[str, Any]) -> None:
    """Write a file that records what was done, when, and where, as the very last step."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"at": at, "url": url, **result}, indent=1)
    write_once(path, text, sync=True)


def read_mark(path: Path, *fields: str) -> dict[str, Any]:
    """Read the mark written by `leave_mark`.

    Args:
        path: The mark.
        fields: What it must contain.

    Raises:
        PushError: It cannot be read, or a field is missing.
    """
    try:
        mark = json.loads(path.read_bytes())
        missing = [field for field in fields if field not in mark]
        why = f"{', '.join(missing)} missing" if missing else ""
    except (OSError, ValueError, TypeError) as error:
        mark, why = None, str(error)
    if why or not isinstance(mark, dict):
        raise PushError(
            f"cannot read the mark {path}: {why or 'not an object'}. Delete the file and push the "
            "run again: rows that D1 has already are not written twice."
        )
    return mark


def forget(run_dir: Path, table: str) -> None:
    """Set aside the files of a push that the database no longer has on record.

    The before-image is renamed. The mark of the push is deleted last: while it exists,
    an interrupted call is repeated.
    """
    image = image_path(run_dir, table)
    if image.exists():
        image.replace(image.with_suffix(".lost.parquet"))
    for action in ("rollback", "push"):
        mark_path(run_dir, table, action).unlink(missing_ok=True)
