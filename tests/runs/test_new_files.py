"""New metrics and reports work as they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.metrics import load_metrics
from d1lab.runs.new_files import new_metric, new_report
from d1lab.runs.report import load_notebook
from d1lab.warehouse import open_warehouse


def test_new_metric_works_at_once(tmp_path: Path, tiny_warehouse: Path) -> None:
    """One row per week, and the numbers are those of the view; its test is Python."""
    metric, test = new_metric(tmp_path, "weekly_revenue")
    compile(test.read_text(), str(test), "exec")
    with open_warehouse(tiny_warehouse.parent) as con:
        folder = metric.parent
        lab = Lab(con, database="demo", folder=tmp_path, shop="harbor", metrics_folder=folder)
        frame = lab.metric("weekly_revenue", since="2000-01-01")
        total = lab.sql("SELECT count(*) FROM order_lines WHERE shop = 'harbor'").fetchall()
    assert frame["week"].is_unique
    assert [(frame["lines"].sum(),)] == total


def test_new_report_shows_its_metrics(tmp_path: Path) -> None:
    """It is a report with parameters; each metric gets the values that it needs."""
    new_metric(tmp_path, "weekly_revenue")
    folder = tmp_path / "notebooks"
    metrics = ["weekly_revenue", "turnover", "weekly_demand"]
    path, test = new_report(tmp_path, folder, "weekly", metrics)
    compile(test.read_text(), str(test), "exec")
    report = load_notebook(path)
    assert report is not None
    assert (report.title, list(report.parameters)) == ("Weekly", ["shop", "as_of", "days"])
    cells = json.loads(path.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    compile(code, str(path), "exec")
    for call in (
        'lab.metric("weekly_revenue", since=since)',
        'lab.metric("turnover", until=until, days=days)',
    ):
        assert call in code
    [weekly_demand] = [line for line in code.splitlines() if '"weekly_demand"' in line]
    assert {"until=until", "weeks=days // 7"} == set(weekly_demand.strip(")").split(", ")[1:])
    assert code.count("lab.plot(") == code.count("lab.table(") == 3
    assert all(cell["id"] for cell in cells)


def test_nothing_is_overwritten_and_names_are_checked(tmp_path: Path) -> None:
    """A taken or invalid name, an unknown metric, and a parameter without a usual value."""
    new_metric(tmp_path, "mine")
    for name in ("mine", "turnover"):
        with pytest.raises(InputError, match="already exists"):
            new_metric(tmp_path, name)
    for name in ("Mine", "1a", "a-b", "class", ""):
        with pytest.raises(InputError, match="invalid name"):
            new_metric(tmp_path, name)
    with pytest.raises(UnknownName, match="mean 'turnover'"):
        new_report(tmp_path, tmp_path, "r", ["turnver"])
    odd = next(m for m in load_metrics().values() if "own_days" in m.parameters)
    with pytest.raises(InputError, match="cannot guess"):
        new_report(tmp_path, tmp_path, "r", [odd.name])
    new_report(tmp_path, tmp_path, "r", [])
    before = (tmp_path / "r.ipynb").read_text()
    with pytest.raises(InputError, match="already exists"):
        new_report(tmp_path, tmp_path, "r", ["turnover"])
    assert (tmp_path / "r.ipynb").read_text() == before
