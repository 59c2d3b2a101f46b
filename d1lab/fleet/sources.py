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
from collections.abc import Iterable
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.counting import counted
from d1lab.d1.connect import require_url
from d1lab.d1.rest import endpoint, list_ids
from d1lab.d1.transport import Transport
from d1lab.errors import D1AuthError, InputError, UnknownName
from d1lab.files import digest
from d1lab.fleet.pace import paced

EVERY_HOURS = 24.0
MOST_HOURS = 24.0 * 366
_LISTED = ("d1", "wrangler+http")
_SOURCES = ("d1", "wrangler+http", "gateway+https", "gateway+http", "sqlite", "dump")
_COLUMNS = ("name", "url", "plan", "currency", "timezone", "every_hours")
_EXPECTED = {
    "plan": "free or paid",
    "currency": "a code of three capital letters, such as EUR",
    "timezone": "the IANA name of a time zone, such as Europe/Berlin",
}


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
        InputError: The source is invalid or has no databases, or a file does not exist.
        D1Error: The account's databases cannot be listed.
    """
    given = defaults or FleetDefaults()
    kind, _, rest = source.partition(":")
    if source.endswith(".csv"):
        return _of_file(settings.root, source, given)
    if kind in _LISTED and (pattern := source.rpartition("/")[2]) and _is_pattern(pattern):
        found = _of_account(settings, source, pattern)
    elif kind == "sqlite" and _is_pattern(rest):
        found = _of_files(settings.root, rest)
    else:
        _require_one(source)
        name = re.sub(r"\.\w+$", "", source.rpartition("/")[2].rpartition(":")[2])
        found = [(name, _relative(settings.root, source))]
    return [_database({"name": name, "url": url}, given, source) for name, url in found]


def _require_one(source: str) -> None:
    """Reject what is not the URL of one database."""
    kind = source.partition(":")[0]
    if kind not in _SOURCES or _is_pattern(source):
        raise InputError(
            f"invalid source {source!r}. Use d1://ACCOUNT_ID/PATTERN, sqlite:PATTERN, a file "
            "NAME.csv, or the URL of one database, such as sqlite:shops/kiel.sqlite."
        )
    require_url(source)


def _relative(root: Path, url: str) -> str:
    """Return a URL by which a file inside the project is the same database in all sources."""
    kind, _, path = url.partition(":")
    if kind != "sqlite" or not (root / path).is_relative_to(root):
        return url
    return f"sqlite:{(root / path).relative_to(root).as_posix()}"


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
    is_local = not source.startswith("d1:")
    try:
        base, _ = endpoint(f"{start}all")
    except InputError:
        where = "wrangler+http://127.0.0.1:PORT" if is_local else "d1://ACCOUNT_ID"
        account = "" if is_local else " with the account ID (32 hex digits)"
        raise InputError(f"invalid source {source!r}. Use {where}/PATTERN{account}.") from None
    if settings.read_token is None and not is_local:
        raise D1AuthError(
            f"{source}: API token missing. Set D1LAB_READ_TOKEN (permission D1:Read)."
        )
    with closing(Transport(base, is_local=is_local)) as transport, paced(settings):
        ids = list_ids(transport, None if is_local else settings.read_token)
    found = [name for name in sorted(ids) if fnmatchcase(name, pattern)]
    if not found:
        raise InputError(
            f"{source}: no name of the account's {counted(len(ids), 'database')} matches "
            f"{pattern!r}. Check the pattern."
        )
    return [(name, f"{start}{ids[name]}") for name in found]


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


def _of_file(root: Path, source: str, defaults: FleetDefaults) -> list[FleetDatabase]:
    path = root / source
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restkey="")
            if unknown := sorted(set(rows.fieldnames or ()) - set(_COLUMNS)):
                raise UnknownName("column", unknown[0], _COLUMNS, path.name)
            if "url" not in (rows.fieldnames or ()):
                raise InputError(f"{path.name}: column 'url' is missing")
            lines = [(f"{path.name}, line {rows.line_num}", row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        ) from None
    if not lines:
        raise InputError(f"{path.name} has no databases. Add a line for each, with its URL.")
    return [_of_row(root, row, defaults, where) for where, row in lines]


def _of_row(root: Path, row: dict[str, str], defaults: FleetDefaults, where: str) -> FleetDatabase:
    if "" in row:
        raise InputError(f"{where} has more cells than the file has columns")
    fields = {name: text.strip() for name, text in row.items() if text and text.strip()}
    url = fields.get("url", "")
    try:
        require_url(url)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    name = url.rpartition("/")[2].rpartition(":")[2].removesuffix(".sqlite")
    return _database({"name": name} | fields | {"url": _relative(root, url)}, defaults, where)


def _database(row: dict[str, str], defaults: FleetDefaults, where: str) -> FleetDatabase:
    fields: dict[str, Any] = defaults._asdict() | row
    try:
        fields["every_hours"] = float(fields["every_hours"])
        made = FleetDatabase(**fields)
        _ = made.settings
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InputError(
            f"{where}: {name} must be {_EXPECTED[name]}, not {fields[name]!r}"
        ) from None
    except ValueError:
        raise InputError(
            f"{where}: every_hours must be a number, not {row['every_hours']!r}"
        ) from None
    if not 0 < made.every_hours <= MOST_HOURS:
        raise InputError(
            f"{where}: every_hours must be above 0 and at most {MOST_HOURS:,.0f} (a year), not "
            f"{made.every_hours:g}"
        )
    return made


PLANS: tuple[str, ...] = get_args(DatabaseSettings.model_fields["plan"].annotation)
"""The names of Cloudflare's plans."""
