"""Checks: shipped metrics keep their assertions; broken files are named, one sentence each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d1lab.config import Settings, load_settings
from d1lab.errors import UnknownName
from d1lab.metrics import load_metrics
from d1lab.runs.check import check

METRIC = """\
-- lines_per_kind: order lines per day
-- unit: order lines      grain: day      reads: order_lines
-- $kind: type of the lines
-- assert: unique day
-- assert: lines < 1000
-- check: kind=order
SELECT day, count(*) AS lines FROM order_lines WHERE shop = $shop AND type = $kind GROUP BY day
"""


def notebook(*sources: str, language: str = "python", tag: bool = False) -> str:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "outputs": [], "execution_count": None}
        | {"source": source, "metadata": {"tags": ["parameters"]} if tag and not i else {}}
        for i, source in enumerate(sources)
    ]
    kernel = {"kernelspec": {"name": language, "display_name": "x", "language": language}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def settings(tiny_warehouse: Path, tmp_path: Path, monkeypatch) -> Settings:
    """A project with the tiny warehouse and no notebook."""
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    for name in ("metrics", "notebooks", "data/demo"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/demo/warehouse.duckdb").symlink_to(tiny_warehouse)
    return load_settings()


def test_shipped_metrics_keep_their_assertions(settings):
    """Each has its grain as a unique key, and all assertions are true of every shop."""
    metrics = load_metrics()
    found = check(settings)
    assert found.broken == ()
    assert found.metrics == len(metrics)
    assert found.assertions == sum(len(metric.assertions) for metric in metrics.values())
    for metric in metrics.values():
        assert metric.assertions[0].text == f"unique {', '.join(metric.grain)}"


def test_check_names_broken_files_and_goes_on(settings):
    """A broken metric, assertion, and notebook each have a sentence; what is right is counted."""
    root = settings.root
    (root / "metrics" / "lines_per_kind.sql").write_text(METRIC)
    tight = METRIC.replace("lines_per_kind", "tight").replace("< 1000", "< 1")
    (root / "metrics" / "tight.sql").write_text(tight)
    bare = METRIC.replace("lines_per_kind", "bare").replace("-- check: kind=order\n", "")
    (root / "metrics" / "bare.sql").write_text(bare)
    (root / "metrics" / "headless.sql").write_text("SELECT 1")
    report = notebook("shop = 'nowhere'\ndays = 7", "import d1lab\nd1lab.open(shop=shop)", tag=True)
    (root / "notebooks" / "good.ipynb").write_text(report)
    (root / "notebooks" / "bad.ipynb").write_text(notebook("1", "x = 1 / 0\nx"))
    (root / "notebooks" / "torn.ipynb").write_text("{")
    (root / "notebooks" / "other.ipynb").write_text(notebook("1", language="R"))
    names = ["lines_per_kind", "tight", "bare", "headless", "good", "bad", "torn", "other"]
    found = check(settings, names=names)
    assert (found.metrics, found.assertions, found.notebooks) == (3, 6, 2)
    told = {note.path.name: note.sentence for note in found.broken}
    assert set(told) == {"tight.sql", "bare.sql", "headless.sql", "bad.ipynb", "torn.ipynb"}
    assert "'lines < 1' is false for" in told["tight.sql"]
    assert "(shop harbor)" in told["tight.sql"]
    assert "-- check: kind=VALUE" in told["bare.sql"]
    assert (
        "ZeroDivisionError: division by zero (in the cell that begins 'x = 1 / 0')"
        in (told["bad.ipynb"])
    )
    assert [(note.path.name, note.sentence) for note in found.not_checked] == [
        ("other.ipynb", "its language is r")
    ]
    left = {path.name for path in (root / "data" / "demo").iterdir()}
    assert left <= {"results", "warehouse.duckdb"}  # no run, only kept results of metrics


def test_check_of_an_unknown_name_is_rejected(settings):
    """Nothing is checked instead of what was asked for."""
    with pytest.raises(UnknownName, match="Did you mean 'turnover'"):
        check(settings, names=["turnver"])
