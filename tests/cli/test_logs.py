"""The log on standard error."""

from __future__ import annotations

import json

from tests.support.command_line import d1lab


def test_verbose_and_json_logs_name_what_happens(project):
    """Nothing without an option; a line per event with -v; one JSON object per line with json."""
    quiet = d1lab("pull", cwd=project)
    assert "pulled database" not in quiet.stderr
    told = d1lab("-v", "pull", cwd=project)
    assert "pulled database=mine rows_pulled=0" in told.stderr
    lines = d1lab("--log-format", "json", "pull", cwd=project).stderr.splitlines()
    [event] = [json.loads(line) for line in lines if line.startswith("{")]
    assert (event["event"], event["level"], event["database"]) == ("pulled", "info", "mine")
    assert event["time"].endswith("+00:00")
