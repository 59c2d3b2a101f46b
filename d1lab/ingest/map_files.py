"""Column maps as TOML files: the user's, and the built-in ones in `maps/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from d1lab.errors import InputError
from d1lab.ingest.table_file import same_name

FOLDER = Path(__file__).parent / "maps"

Columns = Mapping[str, tuple[str, ...]]
"""The file's columns by field."""


def read_map(path: Path) -> dict[str, Any]:
    """Read a map's tables and options, unchecked.

    Raises:
        InputError: The file does not exist, is not TOML, or its columns are not a table.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"file {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    if not isinstance(given.get("columns", {}), dict):
        raise InputError(f'{path}: invalid [columns]. Use lines of the form field = "column".')
    return given


def shipped_maps() -> dict[str, dict[str, Any]]:
    """Return the built-in maps, by name."""
    return deepcopy(_shipped())


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        columns = found["columns"].items()
        found["columns"] = {n: (c,) if isinstance(c, str) else tuple(c) for n, c in columns}
        made[path.stem] = found
    return made


def find_map(header: Sequence[str]) -> dict[str, Any] | None:
    """Return the built-in map that matches a header; of several, the one with the most columns."""
    there = {same_name(name) for name in header}
    found = [
        (len(needed), name)
        for name, one in _shipped().items()
        for needed in _alternatives(one["known_by"])
        if {same_name(column) for column in needed} <= there
    ]
    return shipped_maps()[max(found)[1]] if found else None


def _alternatives(known_by: list[Any]) -> list[list[str]]:
    return known_by if isinstance(known_by[0], list) else [known_by]
