"""Files of a fleet: on this machine's disk, or on any host that fsspec knows."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from d1lab.files import write
from d1lab.remote_files import host_errors, open_target


class Store(Protocol):
    """Whole files by their path below one folder."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None if it does not exist."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file; readers see the old content or the new one, never a part."""

    def remove(self, path: str) -> None:
        """Delete a file, if it exists."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of all files below a folder, by their path from there, sorted."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, sorted."""
        ...

    def read_all(self, folder: str) -> dict[str, bytes]:
        """Return the content of all files of a folder by name."""
        ...


class DiskStore:
    """A folder on this machine.

    Args:
        root: The folder; created when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None if it does not exist."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file under another name, and rename it."""
        write(self.root / path, content)

    def remove(self, path: str) -> None:
        """Delete a file, if it exists."""
        (self.root / path).unlink(missing_ok=True)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of all files below a folder, by their path from there, sorted."""
        root = self.root / folder
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.stat().st_size for path in files}

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, sorted, without those that are half written."""
        found = (self.root / folder).glob("*")
        return sorted(path.name for path in found if path.is_file() and path.name[0] != ".")

    def read_all(self, folder: str) -> dict[str, bytes]:
        """Return the content of all files of a folder by name."""
        return {name: (self.root / folder / name).read_bytes() for name in self.names(folder)}


class RemoteStore:
    """A folder on a host. An object store replaces a file in one step.

    Args:
        target: Such as `s3://bucket/fleet`; credentials come from the environment.
    """

    def __init__(self, target: str) -> None:
        self._what = f"fleet: {target}"
        self._fs, self._root = open_target(target, "A fleet's target")

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None if it does not exist."""
        with host_errors(self._what):
            try:
                return self._fs.cat_file(f"{self._root}/{path}")
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file in one step."""
        place = f"{self._root}/{path}"
        with host_errors(self._what):
            self._fs.makedirs(place.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(place, content)

    def remove(self, path: str) -> None:
        """Delete a file, if it exists."""
        with host_errors(self._what):
            try:
                self._fs.rm_file(f"{self._root}/{path}")
            except FileNotFoundError:
                return

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of all files below a folder, by their path from there, sorted."""
        root = f"{self._root}/{folder}"
        with host_errors(self._what):
            self._fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self._fs.find(root, detail=True)
        start = root.strip("/") + "/"
        return {
            path.strip("/").removeprefix(start): each["size"]
            for path, each in sorted(found.items())
        }

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, sorted."""
        with host_errors(self._what):
            self._fs.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._fs.ls(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                return []
        return sorted(f["name"].rpartition("/")[2] for f in found if f["type"] == "file")

    def read_all(self, folder: str) -> dict[str, bytes]:
        """Return the content of all files of a folder by name, many at once where the host can."""
        places = {f"{self._root}/{folder}/{name}": name for name in self.names(folder)}
        if not places:
            return {}
        with host_errors(self._what):
            found: dict[str, bytes] = self._fs.cat(list(places))
        return {place.rpartition("/")[2]: content for place, content in found.items()}


def open_store(target: str, local: Path) -> Store:
    """Open a target; the local folder for ''.

    Raises:
        InputError: The target needs a package that is not installed, or contains a password.
        UnknownName: Its protocol is unknown.
    """
    if not target:
        return DiskStore(local)
    return RemoteStore(target) if "://" in target else DiskStore(Path(target))
