"""Copies of archive files on a folder or host, and the repair of damaged files from them."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from pathlib import Path
from typing import Any

from d1lab.errors import D1labError, StaleDataError
from d1lab.files import digest, write
from d1lab.remote_files import check_target, host_errors, open_target
from d1lab.warehouse import ArchivedFile, Manifest, archive_folder, is_whole

ACTION = "Copying the archive"
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "b2"})
"""Hosts without folders. Making one there would make the bucket, if its name is misspelled."""


def copy_file(folder: Path, file: ArchivedFile, to: str) -> tuple[str, bool]:
    """Copy a file to a target, unless it is there, and read it back.

    Args:
        folder: The database's folder.
        file: The file.
        to: A folder, or a URL that fsspec knows, such as s3://bucket/archive.

    Returns:
        The copy's place, and whether it was written now.

    Raises:
        InputError: The target has a password, or needs a package that is not installed.
        D1labError: The host failed, or returned something else than was written.
    """
    place = f"{to.rstrip('/')}/{folder.name}/{file.path}"
    with host_errors(f"archive copy {check_target(to)}"):
        fs, path = open_target(place, ACTION)
        if fs.exists(path) and digest(fs.cat_file(path)) == file.sha256:
            return place, False
        if not _BUCKETS.intersection(_protocols(fs)):
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, (archive_folder(folder) / file.path).read_bytes())
        fs.invalidate_cache()
        if digest(fs.cat_file(path)) != file.sha256:
            raise D1labError(f"archive: {place} is not what was written. Run the command again.")
    return place, True


def repaired(folder: Path, manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """Restore damaged files from their copies; drop those whose rows are still in D1.

    Args:
        folder: The database's folder.
        manifest: Its archive.

    Returns:
        The manifest, and the paths of what was restored or dropped.

    Raises:
        StaleDataError: A file is damaged, and nothing else has its rows.
    """
    fixed: list[str] = []
    for file in manifest.files:
        if is_whole(folder, file):
            continue
        path = archive_folder(folder) / file.path
        if content := next(filter(None, (_fetch(place, file) for place in file.copies)), None):
            write(path, content, sync=True)
        elif file.deleted_at or file.is_kept or manifest.deleting.get(file.table):
            raise StaleDataError(
                f"archive file {path} is missing or damaged, no copy has it, and its {file.rows:,} "
                "rows were deleted in D1. Restore the file from a backup, or D1 with Time Travel."
            )
        else:
            path.unlink(missing_ok=True)
            kept = tuple(f for f in manifest.files if f.path != file.path)
            manifest = manifest._replace(files=kept)
        fixed.append(file.path)
    return manifest, tuple(fixed)


def _fetch(place: str, file: ArchivedFile) -> bytes | None:
    """Return a copy's content; None if it is not what was archived."""
    try:
        with host_errors(f"archive copy {place}"):
            fs, path = open_target(place, ACTION)
            content = fs.cat_file(path)
    except D1labError:
        return None
    return content if digest(content) == file.sha256 else None


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def delete_copy(place: str) -> None:
    """Delete a copy, unless it is gone.

    Raises:
        D1labError: The host failed.
    """
    with host_errors(f"archive copy {place}"):
        fs, path = open_target(place, ACTION)
        if fs.exists(path):
            fs.rm_file(path)
