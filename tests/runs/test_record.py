"""run.json and results.json can be read by other processes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from d1lab.display import Figure, Figures
from d1lab.errors import InputError
from d1lab.runs.record import (
    DataState,
    RunRecord,
    key_figures,
    load_results,
    load_run,
    save_results,
)

START = datetime(2026, 5, 31, 6, 0, tzinfo=UTC)


def record(**fields) -> RunRecord:
    """A successful run."""
    basics = {"run_id": "r1", "report": "inventory", "title": "Turnover", "shop": "harbor"}
    return RunRecord.model_validate({**basics, "status": "done", "started_at": START, **fields})


def test_record_survives_its_file(tmp_path: Path):
    """The page reads what the run saved."""
    run = record(
        as_of=date(2026, 5, 31),
        parameters={"shop": "harbor", "days": 30},
        data={"pulled_at": START, "tables": [{"name": "order_events", "rows": 5}]},
        pushed={"at": START, "tables": [{"table": "inventory_impact", "staged": 3, "changed": 1}]},
    )
    run.save(tmp_path)
    assert load_run(tmp_path) == run
    assert run.data.rows == 5


def test_record_of_a_later_version_is_read(tmp_path: Path):
    """Unknown fields are ignored, so that archives stay readable."""
    text = json.loads(record().model_dump_json()) | {"colour": "blue"}
    (tmp_path / "run.json").write_text(json.dumps(text))
    assert load_run(tmp_path) == record()


def test_invalid_record_names_the_field(tmp_path: Path):
    """A missing or broken record is a clear error."""
    with pytest.raises(InputError, match=r"run\.json is missing"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text('{"run_id": "r1"}')
    with pytest.raises(InputError, match="report"):
        load_run(tmp_path)


def test_command_repeats_the_run_and_quotes_values():
    """The command has the parameters that were set, and quotes hostile values."""
    run = record(
        as_of=date(2026, 5, 31),
        database="live",
        parameters={"shop": "harbor", "as_of": None, "days": 30, "code": "x'; rm -rf /", "n": 5},
        given=("shop", "days", "code"),
    )
    assert run.command == (
        "d1lab run inventory --shop harbor --database live --as-of 2026-05-31"
        """ --set days=30 --set 'code=x'"'"'; rm -rf /'"""
    )


def test_age_counts_from_the_pull():
    """The age is that of the pull, not of the run."""
    run = record(data=DataState(pulled_at=START))
    assert run.age_days(START + timedelta(hours=36)) == 1.5
    assert record().age_days() is None


def test_key_figures_are_the_last_of_each_name(tmp_path: Path):
    """A figure shown twice counts once, and results.json has it."""
    cells = [
        {"outputs": [{"data": Figures.of(figure)._repr_mimebundle_()}]}
        for figure in (Figure.of("orders", 1), Figure.of("days", 2.5), Figure.of("orders", 3))
    ]
    figures = key_figures({"cells": [{"cell_type": "markdown"}, *cells]})
    assert [(figure.metric, figure.value) for figure in figures] == [("orders", 3), ("days", 2.5)]
    assert load_results(tmp_path) == []
    save_results(tmp_path, figures)
    assert load_results(tmp_path) == figures
