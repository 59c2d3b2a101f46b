"""The runs of the past, filtered, with what they cost."""

from __future__ import annotations

from datetime import date

import pytest

from d1lab.errors import InputError
from d1lab.jobs import history
from d1lab.jobs.history import past_runs
from tests.jobs.test_ledger import finish
from tests.support.sample_run import run_record


@pytest.fixture
def shown(settings, ledger):
    """Record four runs; return a function that lists the IDs of matching ones."""
    days = {"r1": "2026-05-01", "r2": "2026-05-02", "r3": "2026-05-03", "r4": "2026-05-04"}
    fields = {
        "r1": {"report": "inventory", "shop": "harbor"},
        "r2": {"report": "customers", "shop": "harbor"},
        "r3": {"report": "inventory", "shop": "kiosk"},
        "r4": {"report": "inventory", "shop": "harbor", "database": "old"},
    }
    for run_id, day in days.items():
        status = "failed" if run_id == "r3" else "done"
        started = f"{day}T06:00:00+00:00"
        finish(ledger, run_id, status, started_at=started, **fields[run_id])

    def listed(**filters: object) -> list[str]:
        return [run.run_id for run in past_runs(settings, **filters)]  # pyright: ignore[reportArgumentType]

    return listed


def test_past_runs_are_filtered_and_the_newest_leads(shown):
    """Each filter alone, and two combined; a limit keeps the newest runs."""
    assert shown() == ["r4", "r3", "r2", "r1"]
    assert shown(reports=["inventory"]) == ["r4", "r3", "r1"]
    assert shown(shops=["harbor"], reports=["inventory"]) == ["r4", "r1"]
    assert shown(statuses=["failed"]) == ["r3"]
    assert shown(since=date(2026, 5, 3)) == ["r4", "r3"]
    assert shown(database="demo") == ["r3", "r2", "r1"]
    assert shown(limit=1) == ["r4"]


def test_runs_that_are_not_listed_are_not_parsed(shown, monkeypatch):
    """A ledger can have 100,000 of them."""
    parsed: list[str] = []
    monkeypatch.setattr(history, "readable", lambda row: parsed.append(row["run_id"]))
    assert shown(limit=2) == []
    assert parsed == ["r4", "r3"]


def test_past_runs_refuse_a_status_that_is_none(shown):
    """A misspelled status would otherwise list nothing."""
    with pytest.raises(InputError, match="unknown status 'fail'"):
        shown(statuses=["fail"])


def test_past_run_has_what_its_record_has(settings, ledger):
    """Seconds and cost; without a readable record they are missing, and the run stays."""
    pushed = {"at": "2026-05-01T06:00:00Z", "rows_read": 100, "rows_written": 10}
    record = run_record(run_id="whole", seconds=1.5, data_rows_read=900, pushed=pushed)
    folder = settings.folder("demo") / "runs"
    for run_id in ("damaged", "whole"):
        (folder / run_id).mkdir(parents=True)
        finish(ledger, run_id)
    record.save(folder / "whole")
    (folder / "damaged" / "run.json").write_text("{")
    found = {run.run_id: run for run in past_runs(settings)}
    whole, damaged = found["whole"], found["damaged"]
    assert (whole.seconds, whole.rows_read, whole.rows_written) == (1.5, 1_000, 10)
    assert whole.cost == pytest.approx(1_000 * 0.001e-6 + 10 * 1e-6)
    assert (damaged.seconds, damaged.rows_read, damaged.cost) == (None, None, None)
    assert damaged.status == "done"
