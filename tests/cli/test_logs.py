"""The log on standard error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    """Other tests run in this process, too."""
    yield
    logger = logging.getLogger("d1lab")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


def test_verbose_and_json_logs_name_what_happens(project, run):
    """No option logs nothing, -v one line per event, and json one JSON object per line."""
    assert "pulled database" not in run("pull").err
    assert "pulled database=mine rows_pulled=0" in run("-v", "pull").err
    lines = run("--log-format", "json", "pull").err.splitlines()
    [event] = [json.loads(line) for line in lines if line.startswith("{")]
    assert (event["event"], event["level"], event["database"]) == ("pulled", "info", "mine")
    assert event["time"].endswith("+00:00")
    assert "pulled database" not in run("pull").err


def test_warnings_take_the_chosen_format(project, run, capsys):
    """A program that reads JSON receives nothing else."""
    assert run("--log-format", "json", "pull").code == 0
    logging.getLogger("d1lab.jobs.lineage").warning("lineage: cannot send %s", "START")
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["event"]) == ("warning", "lineage: cannot send START")
