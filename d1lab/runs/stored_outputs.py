"""Notebooks in git without outputs: the filter, and its installation."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, cast

from d1lab.errors import InputError
from d1lab.files import write

FILTER = "d1lab-outputs"
ATTRIBUTE = f"*.ipynb filter={FILTER}"
COMMAND = "d1lab strip"


def without_outputs(text: str) -> str:
    """Return the text of a notebook without outputs and counts; other text is unchanged.

    Cells, tags, and kernel stay, so a notebook that only ran has no difference in git.
    """
    try:
        notebook: Any = json.loads(text)
        cells = cast("list[dict[str, Any]]", notebook["cells"])
        for cell in cells:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
            cell.get("metadata", {}).pop("execution", None)
        notebook.get("metadata", {}).pop("widgets", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return text
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def install(folder: Path) -> Path:
    """Let git pass the notebooks of a folder through the filter when they are committed.

    The files in the folder keep their outputs. Each clone needs this once.

    Returns:
        The file .gitattributes.

    Raises:
        InputError: The folder is not in a git repository, or git is not installed.
    """
    setting = ["git", "-C", str(folder), "config", f"filter.{FILTER}.clean", COMMAND]
    try:
        done = subprocess.run(setting, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"git cannot be started: {error.strerror}") from None
    if done.returncode:
        raise InputError(f"{folder.resolve()} is not in a git repository. Run `git init` first.")
    path = folder / ".gitattributes"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if ATTRIBUTE not in lines:
        write(path, "\n".join([*lines, ATTRIBUTE, ""]))
    return path
