"""OpenLineage events: what a run read and wrote, to a file or an address."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from d1lab.jobs.lineage import SCHEMA, ended_event
from d1lab.jobs.run import run_reports
from tests.support.sample_run import run_record

HARBOR = {"shops": ["harbor"]}


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, dict]]]]:
    """An address on loopback, and what it has received: path and event."""
    received: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_run_writes_its_events_to_a_file(settings, use):
    """START, then COMPLETE with the tables that were really read, and those that were pushed."""
    use("uses_the_lab")
    settings.lineage = "events/lineage.jsonl"
    [outcome] = run_reports(settings, **HARBOR)
    lines = (settings.root / settings.lineage).read_text().splitlines()
    start, complete = map(json.loads, lines)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    for event in (start, complete):
        assert event["job"]["name"] == "demo.harbor.uses_the_lab"
        assert event["schemaURL"] == SCHEMA
        assert uuid.UUID(event["run"]["runId"]) == uuid.UUID(start["run"]["runId"])
    read = {each["name"] for each in complete["inputs"]}
    pulled = {table.name for table in outcome.record.data.tables}
    assert "inventory_impact" in read < pulled
    assert {each["namespace"] for each in complete["inputs"]} == {settings.databases["demo"].url}
    [written] = complete["outputs"]
    assert written["name"] == "inventory_impact"
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == outcome.pushed.changed == 1


def test_a_failed_run_sends_fail_to_an_address(settings, use, receiver):
    """The path of the specification where the address has none; the message goes with it."""
    use("cell_raises")
    settings.lineage, received = receiver
    run_reports(settings, **HARBOR)
    (start_path, start), (end_path, end) = received
    assert start_path == end_path == "/api/v1/lineage"
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert end["run"]["facets"]["errorMessage"]["message"]
    assert end["outputs"] == []


def test_a_receiver_that_is_not_there_is_a_warning(settings, use, caplog):
    """The run is done all the same."""
    use("uses_the_lab")
    settings.lineage = "http://127.0.0.1:9"
    [outcome] = run_reports(settings, **HARBOR, push=False)
    assert outcome.status == "done"
    assert "lineage: cannot send COMPLETE" in caplog.text


def test_events_of_equal_ids_in_two_databases_are_of_two_runs():
    """A run's id is its own within its database only."""
    ids = {
        ended_event(run_record(database=name), [], "sqlite:x")["run"]["runId"]
        for name in ("demo", "live")
    }
    assert len(ids) == 2
