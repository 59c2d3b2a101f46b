"""The shop's days: which day of the shop's calendar a moment belongs to.

D1 keeps UTC; a shop's day begins at its own midnight. The zone is a setting, by shop. The warehouse
records the zones that it was built with and keeps the day of each order event (`_day`), because
converting every time again costs as much as the rest of a scan. A connection whose settings name
other zones computes the days instead, until the next pull keeps them.

    zone_of(shop)               the name of its zone; NULL where none is set, and days are UTC
    local_time(shop, moment)    a moment (UTC) as the shop's clock shows it
    local_day(shop, moment)     its day
    day_start(shop, day)        the moment (UTC) at which that day begins
    is_to_come(day)             whether it is still to come as of the pull, with a day's tolerance
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote

DAY = "_day"
"""The column in which the warehouse keeps the shop's day of a row."""

Zones = Mapping[str, str]
"""IANA names by shop; '' is the default of other shops. Without one, days are UTC."""

TO_COME = "is in the future"
"""The reason in d1lab.quarantine of rows that are dated after the pull."""

TOLERANCE = timedelta(days=1)
"""The most that a row's time can be in the future, to allow for clock and zone differences."""

_MACROS = """
CREATE OR REPLACE MACRO main.zones() AS
    coalesce(getvariable('zones')::VARCHAR, {zones})::JSON::MAP(VARCHAR, VARCHAR);
CREATE OR REPLACE MACRO main.zone_of(shop) AS coalesce(main.zones()[shop], main.zones()['']);
CREATE OR REPLACE MACRO main.local_time(shop, moment) AS
    timezone(coalesce(zone_of(shop), 'UTC'), timezone('UTC', moment::TIMESTAMP));
CREATE OR REPLACE MACRO main.local_day(shop, moment) AS local_time(shop, moment)::DATE;
CREATE OR REPLACE MACRO main.day_start(shop, day) AS
    timezone('UTC', timezone(coalesce(zone_of(shop), 'UTC'), day::DATE::TIMESTAMP));
CREATE OR REPLACE MACRO main.kept_day(kept, shop, moment) AS
    CASE WHEN coalesce(getvariable('zones_differ')::BOOLEAN, false) THEN local_day(shop, moment)
    ELSE coalesce(kept, local_day(shop, moment)) END;
CREATE OR REPLACE MACRO main.is_to_come(day) AS coalesce(day::TIMESTAMP > {horizon}, false);
"""
_USES_MACROS = "SELECT main.kept_day(NULL, '', NULL), main.is_to_come(NULL) WHERE false"
_NEVER = "TIMESTAMP '9999-12-31'"


def prepare_days(
    con: duckdb.DuckDBPyConnection, zones: Zones | None = None, now: datetime | None = None
) -> None:
    """Make the macros of a warehouse that is being built, and the kept days right.

    Args:
        con: The warehouse.
        zones: The zones from now on; None for those that it was built with.
        now: When the pull began, UTC; None where no day counts as still to come.
    """
    known = zones_of(con)
    wanted = known if zones is None else dict(zones)
    horizon = f"TIMESTAMP '{now + TOLERANCE:%Y-%m-%d %H:%M:%S}'" if now else _NEVER
    con.execute("CREATE SCHEMA IF NOT EXISTS d1lab")
    con.execute("CREATE OR REPLACE TABLE d1lab.zones (shop VARCHAR, timezone VARCHAR)")
    if wanted:
        con.executemany("INSERT INTO d1lab.zones VALUES (?, ?)", [list(z) for z in wanted.items()])
    con.execute(_MACROS.format(zones=_literal(wanted), horizon=horizon))
    keep_days(con, is_changed=wanted != known)


def keep_days(con: duckdb.DuckDBPyConnection, *, is_changed: bool = False) -> None:
    """Give tables their column of days; recompute it where the zones have changed."""
    there = columns_by_table(con)
    for name, table in catalog.TABLES.items():
        columns = there.get(name, {})
        if table.shop_day and columns and (is_changed or DAY not in columns):
            _keep(con, name, table.shop_day, columns)


def columns_by_table(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return the columns of the tables in schema raw, with their types, in one query."""
    found: dict[str, dict[str, str]] = {}
    rows = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'raw' AND database_name = current_database() "
        "ORDER BY table_name, column_index"
    )
    for table, column, kind in rows.fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def has_days(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether `prepare_days` has created the macros."""
    try:
        con.execute(_USES_MACROS)  # duckdb_functions() would list thousands
    except duckdb.CatalogException:
        return False
    return True


def zones_of(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the time zones that a warehouse was built with."""
    try:
        return dict(con.execute("SELECT shop, timezone FROM d1lab.zones").fetchall())
    except duckdb.CatalogException:
        return {}


def use_zones(con: duckdb.DuckDBPyConnection, zones: Zones) -> None:
    """Let a connection that reads a warehouse have days in these zones."""
    con.execute("SET VARIABLE zones = $zones", {"zones": json.dumps(dict(zones))})
    con.execute(f"SET VARIABLE zones_differ = {dict(zones) != zones_of(con)}")


def kept_day(table: str, columns: Collection[str]) -> str:
    """Return how an INSERT computes a table's stored day; '' if it has none.

    Args:
        table: The table's name.
        columns: The columns that are inserted.
    """
    declared = catalog.TABLES.get(table)
    moment = declared.shop_day if declared else None
    if moment is None or not {"shop", moment} <= {*columns}:
        return ""
    return f"local_day(shop, {quote(moment)})"


def set_aside(con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """List the rows that are dated after a pull in the quarantine, in place of those listed before.

    The rows stay in the tables, and the views leave them out until their day has come.

    Args:
        con: The warehouse.
        now: When the pull began, UTC.

    Returns:
        How many there are.
    """
    con.execute("DELETE FROM d1lab.quarantine WHERE reason = ?", [TO_COME])
    for name, table in catalog.TABLES.items():
        if not table.day:
            continue
        key = ", ".join(f"'{column}', {quote(column)}::VARCHAR" for column in table.key)
        day = quote(table.day)
        con.execute(
            f"INSERT INTO d1lab.quarantine SELECT ?, json_object({key})::VARCHAR, ?, "
            f"{day}::VARCHAR, ?, ?, _rowid FROM raw.{quote(name)} WHERE is_to_come({day})",
            [name, table.day, TO_COME, now],
        )
    return count_to_come(con)


def count_to_come(con: duckdb.DuckDBPyConnection) -> int:
    """Count the rows of a warehouse that are dated after its pull."""
    found = con.execute("SELECT count(*) FROM d1lab.quarantine WHERE reason = ?", [TO_COME])
    return found.fetchall()[0][0]


def has_days_since(
    con: duckdb.DuckDBPyConnection, then: datetime, now: datetime, zones: Zones
) -> bool:
    """Whether days have ended, or come, since a pull, and the warehouse has rows of them.

    Args:
        con: The warehouse that the pull made.
        then: When it began, UTC.
        now: The present, UTC.
        zones: Those of the settings.
    """
    if count_to_come(con) and now.date() > then.date():
        return True
    if not any(_day(now, zone) > _day(then, zone) for zone in {"", *zones.values()}):
        return False  # the usual answer, without a scan
    use_zones(con, zones)
    ended = (
        "SELECT 1 FROM d1lab.order_lines GROUP BY shop HAVING max(day) >= local_day(shop, $then)"
    )
    passed = " AND local_day(shop, $now) > local_day(shop, $then) LIMIT 1"
    return bool(con.execute(ended + passed, {"then": then, "now": now}).fetchall())


def _day(moment: datetime, zone: str) -> date:
    """Return the day of a moment (UTC) in a time zone; '' for UTC."""
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone or "UTC")).date()


def _keep(con: duckdb.DuckDBPyConnection, name: str, moment: str, columns: Collection[str]) -> None:
    """Give a table its column of days, computed from the moments."""
    rest = f"* EXCLUDE ({DAY})" if DAY in columns else "*"
    raw, day = f"raw.{quote(name)}", f"local_day(shop, {quote(moment)})"
    con.execute(f"CREATE OR REPLACE TABLE {raw} AS SELECT {rest}, {day} AS {DAY} FROM {raw}")


def _literal(zones: Zones) -> str:
    """The zones as JSON, in a literal of SQL."""
    return "'" + json.dumps(dict(zones)).replace("'", "''") + "'"
