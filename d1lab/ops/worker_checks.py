"""Checks of d1lab's Workers: versions, secrets, bindings, and what they have left undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from d1lab.catalog import FOLDS, OWNED, REJECTED, WORKERS
from d1lab.counting import counted
from d1lab.d1 import Database
from d1lab.d1.gateway import GatewayDatabase
from d1lab.errors import D1Error
from d1lab.ops.schema_checks import Check, FoundSchema
from d1lab.ops.worker_files import worker_version

_SILENT = timedelta(hours=1)  # the cron of the events Worker runs every 10 minutes
_MOST_REJECTED = 1_000


def worker_checks(db: Database, schema: FoundSchema) -> Iterator[Check]:
    """Check the Workers that were at work on this database, and the gateway that leads to it."""
    if {FOLDS, OWNED, REJECTED, WORKERS} <= schema.tables.keys() - schema.foreign.keys():
        yield from _events(db)
        yield from _folds(db)
        yield from _rejected(db)
    if isinstance(db, GatewayDatabase):
        yield from _gateway(db)


def _events(db: Database) -> Iterator[Check]:
    rows = db.query("SELECT name, version, seen_at FROM d1lab_workers", table=WORKERS).rows
    seen = {str(name): (str(version), str(at)) for name, version, at in rows}
    if "events" in seen:
        version, at = seen["events"]
        yield _version("events", version)
        age = datetime.now(UTC) - datetime.fromisoformat(at).replace(tzinfo=UTC)
        if age > _SILENT:
            todo = "check its cron trigger, with `npx wrangler tail`"
            yield Check("note", "events Worker", f"its cron last ran at {at} UTC", todo)
    elif db.query("SELECT 1 FROM d1lab_folds LIMIT 1", table=FOLDS).rows:
        found = "counters are folded, but no Worker was at work here"
        yield Check("problem", "events Worker", found, "deploy it, or d1lab aggregate --no-fold")


def _version(name: str, version: str) -> Check:
    ours = worker_version(name)
    if version == ours:
        return Check("ok", f"{name} Worker", f"version {version}")
    todo = f"d1lab worker init {name}, then deploy it"
    return Check("problem", f"{name} Worker", f"version {version}, but d1lab has {ours}", todo)


def _folds(db: Database) -> Iterator[Check]:
    sql = "SELECT table_name, state, since FROM d1lab_folds WHERE state <> 'on'"
    for table, state, since in db.query(sql, table=FOLDS).rows:
        found = f"the events Worker does not count: {state} since {since} UTC"
        yield Check("note", f"counters of {table}", found, "d1lab aggregate")


def _rejected(db: Database) -> Iterator[Check]:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM d1lab_rejected_events LIMIT {_MOST_REJECTED})"  # noqa: S608
    [(count,)] = db.query(sql, table=REJECTED).rows
    number = int(str(count))
    if number:
        some = f"{number:,} or more" if number == _MOST_REJECTED else counted(number, "event")
        todo = "read d1lab_rejected_events in D1, fix the app, and delete the rows"
        yield Check("note", "rejected events", some, todo)


def _gateway(db: GatewayDatabase) -> Iterator[Check]:
    try:
        gateway = db.about()
        yield _version("gateway", gateway.version)
        yield Check("ok", "gateway cache", f"{gateway.cache}, for 300 seconds")
        if db.has_writer_secret:
            writer = db.about(writer=True)
            if writer.role != "writer":
                todo = "set D1LAB_GATEWAY_WRITER to the Worker's WRITER_SECRET"
                yield Check(
                    "problem", "gateway secrets", "the writer's only reads", todo, "writing"
                )
        if gateway.role == "writer":
            todo = "set D1LAB_GATEWAY_READER to the Worker's READER_SECRET"
            yield Check("note", "gateway secrets", "pulls use the writer's secret", todo)
    except D1Error as error:
        yield Check("problem", "gateway", str(error), "deploy it: d1lab worker init gateway")
