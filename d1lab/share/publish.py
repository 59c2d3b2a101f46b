"""Copy pages to a folder or a static host: only files that differ, and the index last.

The hashes of the copied files are in `.d1lab-published.json`, next to the copies. A file is
unchanged if its hash is the same and the host lists it with the same size, so nothing is read back.
Only files listed there are deleted, and only on request.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from d1lab.errors import InputError
from d1lab.files import digest, write
from d1lab.fleet.places import FOLDER
from d1lab.pages.index import ALL, INDEX
from d1lab.pages.storage import LATEST
from d1lab.remote_files import check_target, host_errors, open_target

RECORD = ".d1lab-published.json"
PATTERNS = ("*/*/*/*/*.csv", "*/*/*/*.pdf", "*/*/*/*.html", "index-*.html", ALL, INDEX)
"""What is published, below reports/; the cards that the index is made from stay at home."""

Progress = Callable[[str, int, int], None]


class Published(NamedTuple):
    """One file, and what was done with it, or would be in a dry run."""

    action: Literal["new", "changed", "removed"]
    path: str  # below reports/ and below the target
    bytes: int


class PublishResult(NamedTuple):
    """The files copied and deleted, in this order, or that would be."""

    target: str
    files: tuple[Published, ...]
    unchanged: int  # files that were there already

    @property
    def bytes(self) -> int:
        """The size of the copied files."""
        return sum(file.bytes for file in self.files if file.action != "removed")


class _File(NamedTuple):
    size: int
    digest: str


def publish(
    reports_dir: Path,
    target: str,
    *,
    delete: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PublishResult:
    """Copy the index, the pages, and their CSV files to a target.

    A file is copied before those that link to it: tables, pages, `latest.html`, the index.

    Args:
        reports_dir: The folder of all pages.
        target: A folder, or a URL that fsspec knows, such as s3://bucket/reports. Credentials
            come from the environment, as for the host's own tools.
        delete: Whether to delete published files that no longer exist.
        dry_run: Whether to only return what would be done.
        progress: Called after each file.

    Raises:
        InputError: There is nothing to publish; the target contains a password, is inside the
            folder of pages, or needs a package that is not installed.
        D1labError: The host returned an error.
    """
    pages = _pages(reports_dir)
    with host_errors(f"publishing to {check_target(target)}"):
        fs, root = open_target(target, "Publishing pages")
        if _is_local(fs):
            _check_apart(Path(root), reports_dir)
        there = _listed(fs, root)
        known = _record(fs, root)
        plan = list(_plan(pages, there, known, delete=delete))
        if not dry_run and plan:
            _carry_out(fs, root, reports_dir, plan, progress)
            kept = {} if delete else {p: d for p, d in known.items() if p in there}
            fs.pipe_file(f"{root}/{RECORD}", _text(kept | {p: f.digest for p, f in pages.items()}))
    copied = sum(file.action != "removed" for file in plan)
    return PublishResult(target, tuple(plan), len(pages) - copied)


def _pages(reports_dir: Path) -> dict[str, _File]:
    """Return the files to publish, in order."""
    if not (reports_dir / INDEX).is_file():
        raise InputError(
            f"no reports to publish: {INDEX} not found in {reports_dir}. Run `d1lab run` first."
        )
    folders = (reports_dir, *sorted((reports_dir / FOLDER).glob("*/")))  # with those of a fleet
    found = [path for folder in folders for each in PATTERNS for path in sorted(folder.glob(each))]
    plain = [path for path in found if not _is_hidden(path.relative_to(reports_dir))]
    ordered = sorted(plain, key=lambda path: _place(path, reports_dir))
    return {path.relative_to(reports_dir).as_posix(): _file(path) for path in ordered}


def _place(path: Path, reports_dir: Path) -> tuple[bool, bool, bool]:
    """Return the order of a file: those that it links to come before it."""
    return path == reports_dir / INDEX, path.name == INDEX, path.name == LATEST


def _is_hidden(path: Path) -> bool:
    return any(name.startswith(".") for name in path.parts)


def _file(path: Path) -> _File:
    content = path.read_bytes()
    return _File(len(content), digest(content))


def _is_local(fs: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def _check_apart(root: Path, reports_dir: Path) -> None:
    ours, theirs = reports_dir.resolve(), root.resolve()
    if theirs.is_relative_to(ours) or ours.is_relative_to(theirs):
        raise InputError(f"the target {root} must not overlap the reports folder {reports_dir}")


def _listed(fs: Any, root: str) -> dict[str, int]:
    """Return the sizes of the target's files, by path."""
    fs.invalidate_cache()
    details = fs.find(root, detail=True)
    prefix = f"{fs._strip_protocol(root)}/"
    return {p.removeprefix(prefix): d["size"] for p, d in details.items() if p.startswith(prefix)}


def _record(fs: Any, root: str) -> dict[str, str]:
    """Return the hashes of the published files, by path; empty the first time."""
    try:
        record = json.loads(fs.cat_file(f"{root}/{RECORD}"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise InputError(
            f"{RECORD} in the target is not readable as JSON; remove it, and all pages are copied"
        ) from None
    return {str(path): str(digest) for path, digest in record.items()}


def _plan(
    pages: dict[str, _File], there: dict[str, int], known: dict[str, str], *, delete: bool
) -> Iterator[Published]:
    for path, file in pages.items():
        if there.get(path) != file.size or known.get(path) != file.digest:
            yield Published("changed" if path in there else "new", path, file.size)
    for path in sorted(known.keys() & there.keys() - pages.keys()) if delete else ():
        yield Published("removed", path, there[path])


def _carry_out(
    fs: Any, root: str, reports_dir: Path, plan: list[Published], progress: Progress | None
) -> None:
    fs.makedirs(root, exist_ok=True)
    for done, file in enumerate(plan, start=1):
        place = f"{root}/{file.path}"
        if file.action == "removed":
            fs.rm_file(place)
        elif _is_local(fs):
            write(Path(place), (reports_dir / file.path).read_bytes())
        else:
            fs.makedirs(place.rpartition("/")[0], exist_ok=True)
            fs.put_file(str(reports_dir / file.path), place)
        if progress:
            progress("publish", done, len(plan))


def _text(record: dict[str, str]) -> bytes:
    return json.dumps(dict(sorted(record.items())), indent=1).encode()
