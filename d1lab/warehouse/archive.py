"""The archive: rows that left D1, or may leave it, as immutable Parquet files by table and month.

    data/<database>/archive/<table>/<YYYY-MM>/<first rowid>-<last rowid>.parquet
    data/<database>/archive/manifest.json

Each file also contains its own entry of the manifest, as Parquet metadata: a lost manifest is
rebuilt from the files. A row can be in several files, because a correction is archived again: the
file of the highest generation counts.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson

from d1lab import catalog
from d1lab.errors import StaleDataError
from d1lab.files import digest, write, writing

FOLDER = "archive"
MANIFEST = "manifest.json"
GENERATION = "_generation"
"""The column of an archive file that has its generation: later files win."""

ENTRY = "d1lab"
"""The key of a file's entry in its Parquet metadata."""

Range = tuple[int, int]
"""The first and the last rowid of a range."""


def archivable() -> dict[str, catalog.Table]:
    """Return the tables that can be archived: they have a day, a key, and no counters."""
    return {
        name: table
        for name, table in catalog.TABLES.items()
        if table.day and not table.owned("aggregate") and not catalog.only_d1lab_writes(table)
    }


class ArchivedFile(NamedTuple):
    """One file of the archive, as an entry of the manifest."""

    table: str
    month: str  # YYYY-MM, of the table's day, UTC
    path: str  # below the archive's folder
    generation: int  # later files win over earlier ones
    first: int  # the lowest rowid
    last: int  # the highest rowid
    rows: int
    sums: dict[str, str]  # of its numbers, by column, as exact text
    zones: dict[str, str]  # the time zones in which its local days were computed
    archived_at: str  # UTC
    is_kept: bool = False  # rows that somebody else deleted in D1; a pull kept them
    bytes: int = 0
    sha256: str = ""  # of the file
    deleted_at: str | None = None  # when d1lab deleted its rows in D1, UTC
    copies: tuple[str, ...] = ()  # where else it is
    replaces: str = ""  # the file that this one was written from, to forget somebody


class Manifest(NamedTuple):
    """The files of an archive, and the ranges whose deletion has begun."""

    files: tuple[ArchivedFile, ...] = ()
    deleting: dict[str, list[Range]] = {}  # noqa: RUF012  never changed: replaced as a whole

    def of(self, table: str) -> list[ArchivedFile]:
        """The files of a table, the oldest generation first."""
        return sorted(
            (file for file in self.files if file.table == table), key=lambda file: file.generation
        )

    @property
    def next_generation(self) -> int:
        """A generation above all others."""
        return max((file.generation for file in self.files), default=0) + 1

    def with_file(self, file: ArchivedFile) -> Manifest:
        """The manifest with one more file, or with a changed entry of it."""
        others = [each for each in self.files if each.path != file.path]
        return self._replace(files=tuple(sorted((*others, file), key=lambda f: f.generation)))


def archive_folder(folder: Path) -> Path:
    """Return the archive's folder of a database's folder."""
    return folder / FOLDER


def read_manifest(folder: Path) -> Manifest:
    """Read a database's manifest; rebuild it from the files if it is missing or truncated.

    Args:
        folder: The database's folder.
    """
    path = archive_folder(folder) / MANIFEST
    try:
        manifest = orjson.loads(path.read_bytes())
        files = tuple(_entry(each) for each in manifest["files"])
        deleting = {t: [(r[0], r[1]) for r in ranges] for t, ranges in manifest["deleting"].items()}
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return add_found(folder, Manifest())
    kept = (f for f in files if not f.is_kept or (archive_folder(folder) / f.path).is_file())
    return Manifest(tuple(kept), deleting)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a database's manifest, atomically and to the disk."""
    content = {
        "files": [file._asdict() for file in manifest.files],
        "deleting": manifest.deleting,
    }
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2)
    write(archive_folder(folder) / MANIFEST, text, sync=True)


def add_found(folder: Path, manifest: Manifest) -> Manifest:
    """Add the files that the manifest does not list: a kill came between a file and its entry.

    Of a file and the one that was written from it, one counts: the listed one, or the newer.
    """
    found = [f for f in _unlisted(folder, manifest) if not _are(manifest.files, f.replaces, f)]
    for file in found:
        if not _is_replaced(file, (*manifest.files, *found)):
            manifest = manifest.with_file(file)
    return manifest


def remove_replaced(folder: Path, manifest: Manifest) -> None:
    """Remove what a kill left of files that were written again: of each pair, the unlisted one."""
    for file in _unlisted(folder, manifest):
        if _are(manifest.files, file.replaces, file) or _is_replaced(file, manifest.files):
            (archive_folder(folder) / file.path).unlink()


def _are(files: Sequence[ArchivedFile], path: str, like: ArchivedFile) -> bool:
    """Whether a path is among the files, with the same rows: a path can be used again."""
    return any((f.path, f.generation) == (path, like.generation) for f in files)


def _is_replaced(file: ArchivedFile, by: Sequence[ArchivedFile]) -> bool:
    return any((f.replaces, f.generation) == (file.path, file.generation) for f in by)


def _unlisted(folder: Path, manifest: Manifest) -> list[ArchivedFile]:
    """Return the entries of files that the manifest does not list, as the files have them."""
    home, listed = archive_folder(folder), {file.path for file in manifest.files}
    paths = sorted(home.glob("*/*/*.parquet"))
    unlisted = (p for p in paths if p.relative_to(home).as_posix() not in listed)
    return [file for path in unlisted if (file := _of_itself(folder, path))]


def write_rows(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    select: str,
    file: ArchivedFile,
    check: Callable[[Path], None],
) -> ArchivedFile:
    """Write rows to a new file of the archive, which exists only if the check passes.

    Args:
        con: The connection that reads the rows.
        folder: The database's folder.
        select: The rows, as SQL, with the rowid as `_rowid`.
        file: The entry; its name is extended if there is such a file.
        check: Reads the file back under its temporary name, and raises if anything is off.

    Returns:
        The entry with the file's name, size, and digest.
    """
    file = file._replace(path=_free_path(folder, file))
    path = archive_folder(folder) / file.path
    entry = orjson.dumps(file._asdict()).decode().replace("'", "''")
    with writing(path, sync=True) as part:
        target = str(part).replace("'", "''")
        con.execute(
            f"COPY (SELECT *, {file.generation:d}::BIGINT AS {GENERATION} FROM ({select}) "  # noqa: S608
            f"ORDER BY _rowid) TO '{target}' (FORMAT parquet, COMPRESSION zstd, "
            f"KV_METADATA {{{ENTRY}: '{entry}'}})"
        )
        check(part)
    return _measured(file, path)


def is_whole(folder: Path, file: ArchivedFile) -> bool:
    """Whether a file has the content that was archived; reads all of it."""
    path = archive_folder(folder) / file.path
    return path.is_file() and digest(path.read_bytes()) == file.sha256


def require_files(folder: Path, sizes: Mapping[str, int]) -> None:
    """Reject an archive with a missing or truncated file; looks at the sizes only.

    Args:
        folder: The database's folder.
        sizes: The size of each file in bytes, by path.

    Raises:
        StaleDataError: Names the file, and the command that repairs it.
    """
    for name, size in sizes.items():
        path = archive_folder(folder) / name
        if not path.is_file() or path.stat().st_size != size:
            what = "is missing" if not path.is_file() else "is truncated or changed"
            raise StaleDataError(
                f"archive file {path} {what}, and its rows may no longer be in D1. Run "
                "`d1lab archive` to restore it from a copy or from D1, or restore it from a backup."
            )


def literal(paths: Sequence[str]) -> str:
    """Return paths as a list in SQL."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def _entry(fields: Mapping[str, Any]) -> ArchivedFile:
    return ArchivedFile(**dict(fields))._replace(copies=tuple(fields["copies"]))


def _of_itself(folder: Path, path: Path) -> ArchivedFile | None:
    """Return the entry that a file has of itself; None if it is not one of the archive's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        entry = (pq.read_metadata(path).metadata or {})[ENTRY.encode()]
        return _measured(_entry(orjson.loads(entry)), path)
    except (pa.ArrowException, OSError, KeyError, TypeError, orjson.JSONDecodeError):
        return None


def _measured(file: ArchivedFile, path: Path) -> ArchivedFile:
    content = path.read_bytes()
    return file._replace(bytes=len(content), sha256=digest(content))


def _free_path(folder: Path, file: ArchivedFile) -> str:
    """Return a path that no file has: corrections can have the bounds of what they correct."""
    name = f"{file.table}/{file.month}/{file.first}-{file.last}"
    path, number = f"{name}.parquet", 2
    while (archive_folder(folder) / path).exists():
        path, number = f"{name}-{number}.parquet", number + 1
    return path
