"""Snapshots: what a later run finds of earlier ones."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from d1lab.lab.snapshots import Snapshots


def _run(runs: Path, run_id: str, as_of: str, *, shop="harbor", status="done", value=0) -> None:
    folder = runs / run_id
    Snapshots(runs, shop, folder).keep(pd.DataFrame({"value": [value]}), "groups")
    record = {"shop": shop, "status": status, "as_of": as_of}
    (folder / "run.json").write_text(json.dumps(record))


def _before(runs: Path, day: str, name="groups") -> int | None:
    frame = Snapshots(runs, "harbor", runs / "now").before(name, date.fromisoformat(day))
    return None if frame is None else int(frame["value"][0])


def test_snapshots_are_found_by_the_day_they_are_about(tmp_path):
    """The last day before the one asked for; of the same day the last run; never the day itself."""
    _run(tmp_path, "3", "2026-04-01", value=1)  # a late run about an early day
    _run(tmp_path, "1", "2026-05-01", value=2)
    _run(tmp_path, "2", "2026-05-01", value=3)
    found = [_before(tmp_path, day) for day in ("2026-06-01", "2026-05-01", "2026-04-01")]
    assert found == [3, 1, None]
    assert _before(tmp_path, "2026-06-01", "other") is None


@pytest.mark.parametrize("change", [{"shop": "kiosk"}, {"status": "failed"}])
def test_snapshots_of_others_and_of_failures_do_not_count(tmp_path, change):
    """Another shop's labels are none of ours, and a run that failed has shown none."""
    _run(tmp_path, "1", "2026-05-01", **change)
    assert _before(tmp_path, "2026-06-01") is None


def test_snapshots_of_interactive_work_and_broken_records_do_not_count(tmp_path):
    """A folder without a whole run.json is no run."""
    _run(tmp_path, "1", "2026-05-01")
    (tmp_path / "1" / "run.json").unlink()
    assert _before(tmp_path, "2026-06-01") is None
    (tmp_path / "1" / "run.json").write_text("{")
    assert _before(tmp_path, "2026-06-01") is None
