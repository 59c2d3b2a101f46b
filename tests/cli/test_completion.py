"""Completion in the shell: the right names, and nothing at all where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import d1lab

TOO_MUCH = ("duckdb", "pandas", "pyarrow", "numpy", "papermill")


@pytest.fixture(scope="module")
def project(tiny_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the tiny warehouse, a metric of its own, and two runs."""
    folder = tmp_path_factory.mktemp("completed")
    for name in ("20260501T060000-inventory-harbor", "20260502T060000-inventory-harbor"):
        (folder / "data" / "demo" / "runs" / name).mkdir(parents=True)
        (folder / "data" / "demo" / "runs" / name / "run.json").write_text("{}")
    (folder / "data" / "demo" / "warehouse.duckdb").symlink_to(tiny_warehouse)
    (folder / "metrics").mkdir()
    (folder / "metrics" / "turn_of_year.sql").touch()
    return folder


def completed(line: str, folder: Path, shell: str = "bash") -> list[str]:
    """What a shell is offered behind a line."""
    asked = {
        "_D1LAB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    ended = d1lab(cwd=folder, **asked)
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("d1lab run inv", ["inventory"]),
        ("d1lab run --shop har", ["harbor"]),
        ("d1lab metrics turn", ["turn_of_year", "turnover"]),
        ("d1lab tables order", ["order_lines"]),
        (
            "d1lab push 2026",
            ["20260502T060000-inventory-harbor", "20260501T060000-inventory-harbor"],
        ),
    ],
)
def test_shell_completes_names(project, line, offered):
    """Reports, shops, metrics with the project's own, tables, and runs with the newest first."""
    assert completed(line, project) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_too(project, shell):
    """They ask in other variables."""
    assert any("harbor" in word for word in completed("d1lab run --shop har", project, shell))


def test_completion_without_a_warehouse_is_silent(tmp_path):
    """No table, no shop, and no error, whatever d1lab.toml says."""
    assert completed("d1lab run --shop ", tmp_path) == []
    (tmp_path / "d1lab.toml").write_text("[[[")
    assert completed("d1lab tables ", tmp_path) == []


def test_completion_imports_no_more_than_it_needs(tmp_path):
    """Names of files need neither DuckDB nor pandas; nor do shops without a warehouse."""
    code = (
        "import sys, typer, d1lab.cli.completion as c\n"
        "ctx = typer.Context(typer.main.get_command(__import__('d1lab.cli').cli.app))\n"
        "assert 'turnover' in c.metrics(ctx, 'turn')\n"
        "assert 'inventory' in c.reports(ctx, 'inv')\n"
        "assert c.shops(ctx, '') == []\n"
        f"assert not {{*sys.modules}} & {{*{TOO_MUCH!r}}}, {{*sys.modules}} & {{*{TOO_MUCH!r}}}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
