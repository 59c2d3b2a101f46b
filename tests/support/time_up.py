"""A run's time limit that passes while its cell runs, on a fast machine as on a busy one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d1lab.runs import execute, run

VARIABLE = "D1LAB_TEST_STARTED"
"""Names a file that a notebook of tests/notebooks makes when its endless cell runs."""


def time_is_up_in_the_cell(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every time limit pass at once when such a cell runs, however long that takes to come."""
    started = folder / "started"
    monkeypatch.setenv(VARIABLE, str(started))
    environment_of = run.kernel_environment

    def with_variable(*about: Any) -> dict[str, str]:
        """Kernels get an allow-list, on which this variable is not."""
        return environment_of(*about) | {VARIABLE: str(started)}

    monkeypatch.setattr(run, "kernel_environment", with_variable)

    class Deadline(execute.Deadline):
        def _watch(self) -> None:
            while not started.exists() and not self._over.wait(0.02):
                pass
            self.seconds = 0
            super()._watch()

    monkeypatch.setattr(execute, "Deadline", Deadline)
