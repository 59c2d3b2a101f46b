"""d1lab's own code in the fork server: its modules, and its state on the disk."""

from __future__ import annotations

import os
from importlib.util import find_spec

from d1lab.runs.kernels.own_code import code_state, own_modules


def test_every_change_of_a_source_changes_the_state(tmp_path):
    """A source that is new, changed without a change of its size, or removed; no other file."""
    source = tmp_path / "package" / "deep" / "metric.sql"
    source.parent.mkdir(parents=True)
    before = code_state(tmp_path)
    states = set()
    for nanoseconds in (1, 2):
        source.write_text("SELECT 1")
        os.utime(source, ns=(0, nanoseconds))
        states.add(code_state(tmp_path))
    assert len({before, *states}) == 3
    source.rename(source.with_suffix(".pyc"))
    assert code_state(tmp_path) == before


def test_modules_of_reports_can_be_imported():
    """The notebook API and the analyses; packages by their own names."""
    names = own_modules()
    assert {"d1lab.lab", "d1lab.lab.lab", "d1lab.analyses.overview.study"} <= set(names)
    assert all(find_spec(name) for name in names)
