"""Limits on memory under which the libraries would abort: one sentence before they are loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from d1lab.cli import memory
from d1lab.errors import D1labError

resource = pytest.importorskip("resource")

MAIN = "import sys; from d1lab.cli.main import main; sys.argv = ['d1lab', *sys.argv[1:]]; main()"


def _limited(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process with an address space of 900 MB."""
    most = 900 * memory.MEGABYTE
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )


def test_too_little_address_space_is_one_sentence():
    """Exit code 1, on one line, and as JSON where that is asked for."""
    done = _limited("sql", "SELECT 1", "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("error: not enough memory: the limit on address space")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["exit_code"] == 1


def test_the_version_needs_no_memory(monkeypatch):
    """Neither does help: they load no library."""
    monkeypatch.setattr(memory, "_address_space", lambda: 1)
    memory.require_memory(["d1lab", "--version"])
    with pytest.raises(D1labError, match="ulimit -v"):
        memory.require_memory(["d1lab", "pull"])


def test_limits_of_containers_are_those_of_all_groups_above(tmp_path, monkeypatch):
    """The lowest of the own group and its parents; 'max' is none."""
    own = tmp_path / "cgroup"
    own.write_text("1:cpu:/x\n0::/system.slice/d1lab.service\n")
    groups = tmp_path / "groups"
    (groups / "system.slice" / "d1lab.service").mkdir(parents=True)
    (groups / "system.slice" / "d1lab.service" / "memory.max").write_text("max\n")
    (groups / "system.slice" / "memory.max").write_text("134217728\n")
    assert list(memory.cgroup_limits(groups, tmp_path / "none")) == []
    found = list(memory.cgroup_limits(groups, own))
    assert found == [134_217_728]
    monkeypatch.setattr(memory, "cgroup_limits", lambda: iter(found))
    monkeypatch.setattr(memory, "_address_space", lambda: None)
    with pytest.raises(D1labError, match="can have 128 MB, and d1lab needs 256 MB"):
        memory.require_memory(["d1lab", "pull"])
