"""New metrics and reports: working files to start from, each with a test."""

from __future__ import annotations

import json
import keyword
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d1lab.errors import InputError, UnknownName
from d1lab.files import write_once
from d1lab.metrics import Metric, load_metrics, parse_metric

_METRIC = """\
-- {name}: order lines and net revenue per week
-- unit: order lines, money      grain: week      reads: order_lines
-- $since: first day of the period
-- assert: unique week
-- assert: lines > 0
SELECT date_trunc('week', day)::DATE AS week, count(*) AS lines, sum(revenue) AS revenue
FROM order_lines
WHERE shop = $shop AND day >= $since::DATE
GROUP BY week
ORDER BY week
"""
_METRIC_TEST = '''\
"""The metric {name} on the default database of d1lab.toml."""

import d1lab


def test_{name}_has_one_row_per_week():
    """Every shop has rows, no week counts twice, and no value is missing."""
    lab = d1lab.open()
    for shop in lab.shops:
        frame = lab.metric("{name}", shop=shop, since="2000-01-01")
        assert len(frame) > 0
        assert frame["week"].is_unique
        assert frame.notna().all(axis=None)
'''
_REPORT_TEST = '''\
"""The report {name} on the default database of d1lab.toml."""

import subprocess


def test_{name}_runs():
    """It ends well for every shop; nothing is pulled or pushed."""
    command = ["d1lab", "run", "{name}", "--force", "--no-pull", "--no-push"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
'''
_VALUES = {"until": "until", "since": "since", "days": "days", "weeks": "days // 7"}


def new_metric(root: Path, name: str) -> list[Path]:
    """Write a metric of weekly revenue, to be changed, and its test.

    Args:
        root: Folder of the project.
        name: Name of the metric.

    Returns:
        The files written.

    Raises:
        InputError: The name is invalid or taken.
    """
    _check_name(name)
    if name in load_metrics(root / "metrics"):
        raise InputError(f"metric {name!r} already exists. Choose another name.")
    text = _METRIC.format(name=name)
    parse_metric(text)
    return _written(
        {
            root / "metrics" / f"{name}.sql": text,
            root / "tests" / f"test_metric_{name}.py": _METRIC_TEST.format(name=name),
        }
    )


def new_report(root: Path, folder: Path, name: str, metrics: Sequence[str]) -> list[Path]:
    """Write the notebook of a report on some metrics, and its test.

    Args:
        root: Folder of the project.
        folder: Folder of its notebooks.
        name: Name of the report.
        metrics: Names of the metrics to show; each gets a chart and a table.

    Returns:
        The files written.

    Raises:
        UnknownName: A metric does not exist.
        InputError: The name is invalid or taken, or a parameter of a metric has no usual value.
    """
    _check_name(name)
    known = load_metrics(root / "metrics")
    for metric in metrics:
        if metric not in known:
            raise UnknownName("metric", metric, known)
    notebook = _notebook(name, [known[metric] for metric in metrics])
    return _written(
        {
            folder / f"{name}.ipynb": json.dumps(notebook, indent=1) + "\n",
            root / "tests" / f"test_report_{name}.py": _REPORT_TEST.format(name=name),
        }
    )


def _check_name(name: str) -> None:
    if not (name.isidentifier() and name.islower() and name.isascii()) or keyword.iskeyword(name):
        raise InputError(
            f"invalid name {name!r}. Use lowercase letters, digits, and underscores, and begin "
            "with a letter."
        )


def _written(texts: dict[Path, str]) -> list[Path]:
    """Write new files; none is overwritten."""
    for path in texts:
        if path.exists():
            raise InputError(f"{path} already exists. Choose another name.")
    return [write_once(path, text) for path, text in texts.items()]


def _notebook(name: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    title = name.replace("_", " ").capitalize()
    opening = (
        "from datetime import timedelta\n\nimport d1lab\n\nlab = d1lab.open(shop=shop)\n"
        "until = lab.as_of(as_of=as_of)\nsince = until - timedelta(days=days - 1)"
    )
    parameters = (
        'shop = "harbor"  # shop of the report\n'
        "as_of: str | None = None  # last day of the report; default: the last complete day\n"
        "days = 90  # length of the period"
    )
    verdict = 'lab.verdict(f"{shop}: {days} days until {until}", "neutral")'
    cells = [
        _cell("markdown", f"# {title}\n\nSay here which question the report answers."),
        _cell("code", parameters, "parameters"),
        _cell("code", opening),
        _cell("code", verdict),
    ]
    for metric in metrics:
        cells += _cells_of(metric)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cells_of(metric: Metric) -> list[dict[str, Any]]:
    """Return the cells that show a metric: a heading, its rows, a chart, and a table."""
    others = [name for name in metric.parameters if name != "shop"]
    if missing := [name for name in others if name not in _VALUES]:
        raise InputError(
            f"metric {metric.name!r} needs {', '.join(missing)}, which a new report cannot guess. "
            "Write the report without it, and call lab.metric with the value."
        )
    values = "".join(f", {name}={_VALUES[name]}" for name in others)
    title = metric.sentence[:1].upper() + metric.sentence[1:]
    return [
        _cell("markdown", f"## {title}"),
        _cell("code", f'{metric.name} = lab.metric("{metric.name}"{values})'),
        _cell("code", f"lab.plot({metric.name})"),
        _cell("code", f"lab.table({metric.name}, title={title!r})"),
    ]


def _cell(kind: str, source: str, *tags: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {"tags": list(tags)} if tags else {}}
    if kind == "code":
        cell |= {"outputs": [], "execution_count": None}
    return {**cell, "source": source.splitlines(keepends=True)}
