"""OpenLineage events of runs: which tables of D1 a report read, and which its results went to.

A run sends START when it begins and COMPLETE or FAIL when it has ended and was pushed, to a file
(one JSON object per line) or to an HTTP address. Inputs are the tables that the run really read,
as its notes say. Specification: openlineage.io/spec/2-0-2/OpenLineage.json.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from d1lab.config import Settings
from d1lab.runs.record import RunRecord
from d1lab.version import __version__

ENDPOINT = "/api/v1/lineage"
PRODUCER = f"https://github.com/d1lab/d1lab/tree/v{__version__}"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
TIMEOUT_SECONDS = 5.0

_FACETS = "https://openlineage.io/spec/facets"
_RUNS = uuid.UUID("6f1f3a0e-8d8b-5d0e-9a6c-0d1ab0d1ab00")
_log = logging.getLogger(__name__)

Event = dict[str, Any]


class Lineage:
    """Sends a project's events; without the setting `lineage`, it sends nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._target = settings, settings.lineage

    def started(self, database: str, shop: str, report: str, run_id: str) -> None:
        """Send START."""
        if self._target:
            self._send(_event("START", datetime.now(UTC), database, shop, report, run_id))

    def ended(self, record: RunRecord, tables: Iterable[str]) -> None:
        """Send COMPLETE, or FAIL for a run that failed or timed out.

        Args:
            record: Of the run, with what was pushed.
            tables: The D1 tables that it read.
        """
        if self._target:
            url = self._settings.resolve(record.database)[1].url
            self._send(ended_event(record, sorted(tables), url))

    def _send(self, event: Event) -> None:
        """Send an event; a failure is a warning, because the run itself is done."""
        try:
            if urlsplit(self._target or "").scheme in ("http", "https"):
                _post(str(self._target), event)
            else:
                _append(self._settings.root / str(self._target), event)
        except OSError as error:
            _log.warning("lineage: cannot send %s: %s", event["eventType"], error)


def ended_event(record: RunRecord, tables: Sequence[str], url: str) -> Event:
    """Return the event COMPLETE or FAIL of a run.

    Args:
        record: Of the run.
        tables: The D1 tables that it read.
        url: The database's; it is the namespace of its tables.
    """
    kind = "COMPLETE" if record.error is None else "FAIL"
    at = record.finished_at or datetime.now(UTC)
    event = _event(kind, at, record.database, record.shop, record.report, record.run_id)
    rows = {table.name: table.rows for table in record.data.tables}
    event["inputs"] = [
        _dataset(url, name, "inputFacets", _statistics("Input", "1-0-0", rows.get(name)))
        for name in tables
    ]
    event["outputs"] = [
        _dataset(url, table.table, "outputFacets", _statistics("Output", "1-0-2", table.changed))
        for table in (record.pushed.tables if record.pushed else ())
    ]
    event["run"]["facets"] = _run_facets(record)
    return event


def _event(kind: str, at: datetime, database: str, shop: str, report: str, run_id: str) -> Event:
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "run": {"runId": str(uuid.uuid5(_RUNS, f"{database}/{run_id}")), "facets": {}},
        "job": {"namespace": "d1lab", "name": f"{database}.{shop}.{report}", "facets": {}},
        "inputs": [],
        "outputs": [],
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }


def _dataset(url: str, table: str, kind: str, facets: Event) -> Event:
    return {"namespace": url, "name": table, kind: facets}


def _run_facets(record: RunRecord) -> Event:
    facets: Event = {}
    if record.as_of:
        start = f"{record.as_of.isoformat()}T00:00:00Z"
        facets["nominalTime"] = _facet("1-0-1/NominalTimeRunFacet", nominalStartTime=start)
    if record.error:
        facets["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet",
            message=record.error.message,
            programmingLanguage="Python",
        )
    return facets


def _statistics(side: str, schema: str, rows: int | None) -> Event:
    if rows is None:
        return {}
    facet = _facet(f"{schema}/{side}Statistics{side}DatasetFacet", rowCount=rows)
    return {f"{side.lower()}Statistics": facet}


def _facet(schema: str, **fields: object) -> Event:
    name = schema.rpartition("/")[2]
    url = f"{_FACETS}/{schema}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}


def _append(path: Path, event: Event) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:  # one write: lines of several threads do not mix
        file.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))


def _post(target: str, event: Event) -> None:
    """Raises:
    OSError: The address does not take the event.
    """
    import httpx2

    parts = urlsplit(target)
    url = target if parts.path.strip("/") else urlunsplit(parts._replace(path=ENDPOINT))
    try:
        httpx2.post(url, json=event, timeout=TIMEOUT_SECONDS).raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise OSError(str(error) or type(error).__name__) from None
