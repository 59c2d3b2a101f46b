"""Actions go to D1 only where they are asked for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from d1lab.cli.main import app
from d1lab.config_sections import PushSettings
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.display.actions import Action, save_actions
from d1lab.jobs.push_actions import stage_actions
from d1lab.jobs.run import run_reports
from d1lab.runs.record import RunRecord

ROWS = "SELECT * FROM d1lab_actions"


def _rows(settings) -> list[dict]:
    database = SqliteDatabase(settings.data_dir / "demo" / "d1.sqlite")
    try:
        found = database.execute(ROWS)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    finally:
        database.close()


@pytest.fixture
def expected() -> dict:
    return {
        "shop": "harbor",
        "report": "advises",
        "action": "order",
        "sentence": "Order 2 products",
        "amount": 12,
        "basis": "counted",
        "items": 2,
        "link": "action-order",
    }


def test_the_setting_writes_the_actions_of_each_run(settings, use, expected):
    """A summary's quotes are not written twice: they belong to the run of their report."""
    use("advises", "sums_up")
    settings.push = PushSettings(actions=True)
    done = run_reports(settings, shops=["harbor"])
    [row] = _rows(settings)
    assert {name: row[name] for name in expected} == expected
    assert row["made_on"] == str(done[0].job.task.as_of)
    assert done[0].record.staged == {"d1lab_actions": 1}
    assert done[1].record.staged == {}


def test_actions_of_a_report_on_all_shops_stay_in_its_folder(tmp_path):
    """The table has a shop in its key."""
    action = Action.of_fields(key="upgrade", verb="Upgrade", what="the plan", basis="counted")
    save_actions(tmp_path, [action])
    record = RunRecord(
        run_id=tmp_path.name,
        report="operations",
        title="",
        shop="",
        status="done",
        started_at=datetime.now(UTC),
        as_of=date(2026, 5, 8),
    )
    assert stage_actions(tmp_path, record) is record
    assert stage_actions(tmp_path, record.model_copy(update={"shop": "harbor"})).staged


def test_push_with_actions_writes_them_and_a_dry_run_leaves_no_trace(
    settings, use, expected, monkeypatch, capsys
):
    use("advises")
    [done] = run_reports(settings, shops=["harbor"])
    assert _rows(settings) == []
    monkeypatch.setenv("D1LAB_ROOT", str(settings.root))
    push = ["push", done.run_id, "--json"]
    app([*push, "--actions", "--dry-run"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["tables"][0]["table"] == "d1lab_actions"
    app(push, standalone_mode=False)
    assert _rows(settings) == []
    app([*push, "--actions"], standalone_mode=False)
    [row] = _rows(settings)
    assert {name: row[name] for name in expected} == expected
