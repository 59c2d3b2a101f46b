"""Health checks: missing schema, limits, unfinished pushes, and how to fix them.

Only catalogs, the newest audit rows, and short samples are read, never a whole table of the app:
a check costs at most a few thousand rows, and its last line shows the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from d1lab.catalog import TABLES
from d1lab.counting import counted
from d1lab.d1 import Database, quote
from d1lab.d1.database import Usage
from d1lab.d1.limits import COLUMNS, PLANS, bill
from d1lab.errors import StaleDataError
from d1lab.ops.optimize import misled_tables
from d1lab.ops.private_folders import open_folders
from d1lab.ops.schema_checks import (
    AuditedPush,
    Check,
    FoundSchema,
    migrations,
    read_schema,
    shape,
    triggers,
    unique,
    unknown_tables,
)
from d1lab.ops.time_zones import ZoneProposal, proposed_zones
from d1lab.ops.worker_checks import worker_checks
from d1lab.push.ownership import TAKE_OVER, Part, left_tables, owned
from d1lab.warehouse import Zones

_NEAR = 0.9  # of a limit
_SAMPLE_ROWS = 1_000
_STALE = timedelta(days=1)


def doctor(
    db: Database,
    folder: Path | None = None,
    *,
    plan: Literal["free", "paid"] = "paid",
    writes: bool = True,
    zones: Zones | None = None,
) -> list[Check]:
    """Check a database, and its warehouse if there is one, without writing.

    Args:
        db: The database; read access is enough.
        folder: The folder of its warehouse and runs; None skips them.
        plan: The Cloudflare plan, which sets the limits.
        writes: Whether results are to be written to it. What only writing needs is a note
            otherwise, and where d1lab has made no table of its own yet.
        zones: The shops' time zones by the settings. None for those of the warehouse.

    Returns:
        The checks: problems first, then notes, then passed checks.
    """
    before = db.meter.total
    schema = read_schema(db)
    checks = [
        *migrations(schema),
        *shape(schema),
        *unique(schema),
        *triggers(schema),
        *unknown_tables(schema),
        *_limits(db, schema, plan),
        *_statistics(db, schema),
        *_unfinished(schema),
        *_unexplained(db, schema),
        *_left(db),
        *worker_checks(db, schema),
        *(_warehouse(db, folder, zones) if folder else ()),
        *(open_folders(folder) if folder else ()),
    ]
    writes = writes and not schema.is_only_read
    if not writes:
        checks = [_noted(check) for check in checks]
    checks += _possible(schema, checks, writes=writes)
    read = db.meter.total.rows_read - before.rows_read
    found = f"{read:,} billed rows read, 0 written ({bill(Usage(0, read), plan)})"
    checks.append(Check("ok", "cost of this check", found))
    rank = {"problem": 0, "note": 1, "ok": 2}
    return sorted(checks, key=lambda check: rank[check.level])


def _noted(check: Check) -> Check:
    is_problem = check.level == "problem" and check.needed_for == "writing"
    return check._replace(level="note") if is_problem else check


def _possible(schema: FoundSchema, checks: list[Check], *, writes: bool) -> Iterator[Check]:
    """Check whether the database can be read and written."""
    stops = {check.needed_for for check in checks if check.level == "problem"}
    tables = counted(len(schema.tables), "table")
    found = "problems: see above" if "reading" in stops else f"possible: {tables}"
    yield Check("ok", "reading", found)
    if schema.is_only_read:
        waiting = counted(len(schema.pending), "migration")
        found = f"not set up: {waiting} pending. Reading works without a setup"
        yield Check("note", "writing", found, "d1lab migrate, to write results", "writing")
    elif not writes:
        found = "not possible: no write token. Reading works without it"
        yield Check("note", "writing", found, "set D1LAB_WRITE_TOKEN, to write results", "writing")
    else:
        found = "problems: see above" if "writing" in stops else "possible"
        yield Check("ok", "writing", found, "", "writing")


def _limits(db: Database, schema: FoundSchema, plan: Literal["free", "paid"]) -> Iterator[Check]:
    for name, info in schema.tables.items():
        if len(info.columns) > _NEAR * COLUMNS:
            yield Check(
                "note",
                f"table {name}",
                f"{len(info.columns)} columns; D1 allows {COLUMNS}",
                "move some columns to a separate table",
            )
    size, limit = db.size_bytes(), PLANS[plan].database_bytes
    if size is not None:
        share = f"{size / 1e6:,.1f} MB of the {limit / 1e6:,.0f} MB that the {plan} plan allows"
        near = size > _NEAR * limit
        todo = "archive old events or split shops across databases" if near else ""
        yield Check("problem" if near else "ok", "database size", share, todo)


def _statistics(db: Database, schema: FoundSchema) -> Iterator[Check]:
    """Check for outdated statistics, with which D1 scans, and bills, whole tables."""
    for misled in misled_tables(db, schema.tables.values()):
        yield Check(
            "problem",
            f"statistics of {misled.table}",
            f"recorded as {misled.believed_rows:,} rows, but there are up to {misled.rows:,}. D1 "
            "can read, and bill, all of them for each page",
            "d1lab optimize",
        )


def _unfinished(schema: FoundSchema) -> Iterator[Check]:
    undone = {row[:2] for row in schema.audit if row.action == "rollback" and row.status == "done"}
    for row in schema.audit:
        if row.status == "started" and row[:2] not in undone:
            yield Check(
                "problem",
                f"{row.action} of {row.run_id}",
                (
                    f"started on {row.table} at {row.started_at} UTC and not finished (or "
                    "still running)"
                ),
                _finish(row),
                "writing",
            )


def _finish(row: AuditedPush) -> str:
    """Return the command that completes an interrupted action; a take-over is rolled back."""
    is_push = row.action == "push" and TAKE_OVER not in row.run_id
    return f"d1lab {'push' if is_push else 'rollback'} {row.run_id}"


def _left(db: Database) -> Iterator[Check]:
    """Check for counters that d1lab maintained until something else wrote there."""
    for name, since in left_tables(db).items():
        yield Check(
            "note",
            f"counters of {name}",
            f"somebody else wrote there, so d1lab stopped on {since} UTC",
            f"if the app no longer counts: d1lab aggregate --take-over {name}",
        )


def _unexplained(db: Database, schema: FoundSchema) -> Iterator[Check]:
    """Check result columns for values that d1lab did not write."""
    known = owned(db)
    for name, table in TABLES.items():
        held = schema.tables[name].columns if name in schema.tables else ()
        present = {column.name.lower() for column in held}
        asked = [
            column
            for column in table.owned("analysis")
            if table.is_guides and column in present and Part(name, column) not in known
        ]
        filled = _filled(db, name, asked) if asked else []
        if filled:
            yield Check(
                "note",
                f"table {name}",
                f"{', '.join(filled)} contain values that d1lab did not write. Pushes skip them",
                f"to let d1lab write them: d1lab aggregate --take-over {name}",
            )


def _filled(db: Database, table: str, columns: list[str]) -> list[str]:
    """Return the columns with a value in the first rows of a table."""
    flags = ", ".join(f"{quote(column)} IS NOT NULL" for column in columns)
    rows = db.query(
        f"SELECT {flags} FROM {quote(table)} LIMIT ?1",  # noqa: S608  names are quoted
        (_SAMPLE_ROWS,),
        table=table,
    ).rows
    return [column for place, column in enumerate(columns) if any(row[place] for row in rows)]


def _warehouse(db: Database, folder: Path, zones: Zones | None) -> Iterator[Check]:
    from d1lab.warehouse import open_warehouse, records

    try:
        con = open_warehouse(folder, zones=zones)
    except StaleDataError as error:
        yield Check("note", "warehouse", str(error), "d1lab pull")
        return
    with con:
        pull = records(con).pull
        invalid = con.sql(
            "SELECT table_name, column_name, reason, count(*) FROM d1lab.quarantine"
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        proposals = proposed_zones(con)
    if pull is None:
        yield Check("note", "warehouse", "incomplete: only some tables were pulled", "d1lab pull")
    else:
        yield _age(db, pull.bookmark, pull.finished_at)
    for table, column, reason, count in invalid:
        yield Check(
            "note",
            f"quarantine {table}.{column}",
            f"{counted(count, 'value')}: {reason}",
            "list them with d1lab sql 'FROM d1lab.quarantine', fix them in D1, then d1lab pull",
        )
    yield from map(_zone, proposals)


def _zone(proposal: ZoneProposal) -> Check:
    return Check(
        "note",
        f"time zone of {proposal.shop}",
        f"not set, so days are UTC; {proposal.share:.0%} of its orders are from "
        f"{proposal.quiet_from:02}:00 to {proposal.quiet_until:02}:00 UTC, as at night in "
        f"{proposal.timezone}",
        f'set timezone = "{proposal.timezone}", or the shop\'s own, in d1lab.toml',
    )


def _age(db: Database, bookmark: str | None, finished_at: datetime) -> Check:
    mark = db.bookmark()
    if mark is not None and mark == bookmark:
        return Check("ok", "warehouse", "up to date with D1")
    age = datetime.now(UTC).replace(tzinfo=None) - finished_at
    stale = age > _STALE
    found = f"pulled {age.total_seconds() / 3600:,.1f} hours ago" + (
        "; D1 has changed since then" if mark is not None else ""
    )
    return Check("note" if stale else "ok", "warehouse", found, "d1lab pull" if stale else "")
