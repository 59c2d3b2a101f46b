"""Databases of a fleet, listed from an account, a pattern of files, or a CSV file.

d1://ACCOUNT_ID/*              all databases of an account, or those whose name matches
wrangler+http://HOST:PORT/*    the same for a local engine
sqlite:data/shops/*.sqlite     files that match
shops.csv                      a column url; optional: name, plan, currency, timezone, and
                                   every_hours
any other database URL         one database
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1.connect import require_url
from d1lab.d1.rest import endpoint, list_ids
from d1lab.d1.transport import Transport
from d1lab.errors import D1AuthError, InputError, UnknownName
from d1lab.files import digest

EVERY_HOURS = 24.0
_LISTED = ("d1", "wrangler+http")
_COLUMNS = ("name", "url", "plan", "currency", "timezone", "every_hours")


class FleetDefaults(NamedTuple):
    """Settings of the databases of a source that the source itself does not set."""

    plan: str = "paid"
    currency: str = ""
    timezone: str = ""
    every_hours: float = EVERY_HOURS


class FleetDatabase(NamedTuple):
    """One database of a fleet."""

    name: str  # unique in the fleet; names its folders
    url: str
    plan: str
    currency: str
    timezone: str
    every_hours: float  # how often it is pulled and run

    @property
    def settings(self) -> DatabaseSettings:
        """The same as a section of d1lab.toml."""
        fields = {name: getattr(self, name) for name in ("url", "plan", "currency", "timezone")}
        return DatabaseSettings.model_validate(fields)


def list_source(
    settings: Settings, source: str, defaults: FleetDefaults | None = None
) -> list[FleetDatabase]:
    """Return the databases of a source, in the order of the source.

    Args:
        settings: The project's; relative paths start at its root.
        source: See the docstring of this module.
        defaults: What the source itself does not set.

    Raises:
        InputError: The source is invalid, or a file does not exist.
        D1Error: The account's databases cannot be listed.
    """
    given = defaults or FleetDefaults()
    kind, _, rest = source.partition(":")
    if source.endswith(".csv"):
        return list(_of_file(settings.root / source, given))
    if kind in _LISTED and (pattern := source.rpartition("/")[2]) and _is_pattern(pattern):
        found = _of_account(settings, source, pattern)
    elif kind == "sqlite" and _is_pattern(rest):
        found = _of_files(settings.root, rest)
    else:
        require_url(source)
        found = [(re.sub(r"\.\w+$", "", source.rpartition("/")[2].rpartition(":")[2]), source)]
    return [_database({"name": name, "url": url}, given, source) for name, url in found]


def unique_name(wanted: str, url: str, taken: Iterable[str]) -> str:
    """Return a name for the folders of a database: of letters, digits, '-', and '_'.

    A name that another database has, or that was changed to nothing, gets a hash of the URL.

    >>> unique_name("my.shop", "d1://a/b", [])
    'my-shop'
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-_")[:60]
    lower = {each.lower() for each in taken}  # some file systems ignore case
    return name if name and name.lower() not in lower else f"{name or 'db'}-{digest(url)[:8]}"


def _is_pattern(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def _of_account(settings: Settings, source: str, pattern: str) -> list[tuple[str, str]]:
    """Return names and URLs of an account's databases whose names match."""
    start = source.removesuffix(pattern)
    base, _ = endpoint(f"{start}all")
    is_local = not source.startswith("d1:")
    if settings.read_token is None and not is_local:
        raise D1AuthError(
            f"{source}: API token missing. Set D1LAB_READ_TOKEN (permission D1:Read)."
        )
    with closing(Transport(base, is_local=is_local)) as transport:
        ids = list_ids(transport, None if is_local else settings.read_token)
    return [(name, f"{start}{ids[name]}") for name in sorted(ids) if fnmatchcase(name, pattern)]


def _of_files(root: Path, pattern: str) -> list[tuple[str, str]]:
    """Return names and URLs of the SQLite files that match, relative to the project if inside."""
    path = Path(pattern)
    base, pattern = (
        (Path(path.anchor), str(path.relative_to(path.anchor))) if path.anchor else (root, pattern)
    )
    found = sorted(each for each in base.glob(pattern) if each.is_file())
    if not found:
        raise InputError(f"no files match {pattern!r} in {base}. Check the pattern.")
    inside = [each.relative_to(root) if each.is_relative_to(root) else each for each in found]
    return [(each.stem, f"sqlite:{each.as_posix()}") for each in inside]


def _of_file(path: Path, defaults: FleetDefaults) -> Iterator[FleetDatabase]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if unknown := sorted(set(rows.fieldnames or ()) - set(_COLUMNS)):
                raise UnknownName("column", unknown[0], _COLUMNS, path.name)
            if "url" not in (rows.fieldnames or ()):
                raise InputError(f"{path.name}: column 'url' is missing")
            lines = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        ) from None
    for line, row in lines:
        url = (row.get("url") or "").strip()
        require_url(url)
        stem = url.rpartition("/")[2].rpartition(":")[2].removesuffix(".sqlite")
        fields = {name: text.strip() for name, text in row.items() if text and text.strip()}
        yield _database({"name": stem} | fields, defaults, f"{path.name}, line {line}")


def _database(row: dict[str, str], defaults: FleetDefaults, where: str) -> FleetDatabase:
    fields: dict[str, Any] = defaults._asdict() | row
    try:
        fields["every_hours"] = float(fields["every_hours"])
        made = FleetDatabase(**fields)
        _ = made.settings
    except ValidationError as error:
        [first, *_] = error.errors()
        raise InputError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError:
        raise InputError(
            f"{where}: every_hours must be a number, not {row['every_hours']!r}"
        ) from None
    if not made.every_hours > 0:
        raise InputError(f"{where}: every_hours must be above 0, not {made.every_hours:g}")
    return made


PLANS: tuple[str, ...] = get_args(DatabaseSettings.model_fields["plan"].annotation)
"""The names of Cloudflare's plans."""
