"""Outputs stay out of git, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from d1lab.errors import InputError
from d1lab.runs.stored_outputs import ATTRIBUTE, install, without_outputs

ROOT = Path(__file__).parents[2]


def notebook(count: int | None, outputs: list[object]) -> str:
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "source": "x = 1"}
    text = {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "# é"}
    cells = [cell | {"outputs": outputs, "execution_count": count}, text]
    return json.dumps({"cells": cells, "metadata": {"a": 1}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_that_only_ran_is_the_same():
    """Outputs and counts go; source, tags, and text stay."""
    stripped = without_outputs(notebook(7, [{"output_type": "stream", "text": "secret"}]))
    assert stripped == without_outputs(notebook(None, []))
    assert without_outputs(stripped) == stripped
    assert json.loads(stripped) == json.loads(notebook(None, []))


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"cells": 5}', '{"cells": [1]}'])
def test_other_text_is_unchanged(text):
    """Whatever is no notebook reaches git as it is."""
    assert without_outputs(text) == text


def test_git_stores_no_outputs(tmp_path):
    """After the installation, `git add` stores the notebook without its outputs."""
    with pytest.raises(InputError, match="not in a git repository"):
        install(tmp_path)
    folder = Path(sys.executable).parent
    paths = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment = os.environ | paths

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q")
    (tmp_path / ".gitattributes").write_text("*.png binary\n")
    install(tmp_path)
    install(tmp_path)
    assert (tmp_path / ".gitattributes").read_text() == f"*.png binary\n{ATTRIBUTE}\n"
    ran = notebook(7, [{"output_type": "stream", "text": "secret"}])
    (tmp_path / "a.ipynb").write_text(ran)
    git("add", "a.ipynb")
    assert git("show", ":a.ipynb") == without_outputs(ran)
    assert (tmp_path / "a.ipynb").read_text() == ran
