"""The project holds together: environments, layers, style, what the repository must not name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ALL = ("demo", "fleet", "prices", "share", "xlsx", "test", "docs")
"""The extras that `make test` installs."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: tracked files are unknown")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_environment_yml_repeats_pyproject():
    """Conda users get the dependencies that pyproject.toml lists, no more and no fewer."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    extras = PROJECT["optional-dependencies"]
    assert sorted(pip) == sorted(
        [
            *PROJECT["dependencies"],
            *chain.from_iterable(extras[name] for name in ALL),
            "-e .",
        ]
    )
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_constraints_pin_every_dependency():
    """What CI installs is pinned to one version, for each package that pyproject.toml names."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"]
    wanted = (extras[name] for name in ALL)
    for requirement in [*PROJECT["dependencies"], *chain.from_iterable(wanted)]:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert name, requirement
        assert re.sub(r"[-_.]+", "-", name.group()).lower() in pinned, requirement


def test_imports_point_down():
    """The layers of pyproject.toml hold: cli, jobs, reports, lab, warehouse, d1, catalog."""
    linted = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_tracked_files_name_no_registry_and_no_machine():
    """No lock file records a download address, and no file a path of the machine it came from."""
    forbidden = re.compile(r"registry\.npmjs|files\.pythonhosted|/root/|/home/[a-z]|\"resolved\":")
    for path in _tracked():
        if path.suffix in {".png", ".ipynb"} or path == Path(__file__):
            continue
        found = forbidden.search(path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_clean_leaves_what_stands_in_the_repository(tmp_path):
    """`make clean` empties data/ and reports/ to their READMEs, whatever lies in them."""
    kept = [Path("data/README.md"), Path("reports/README.md")]
    made = ["data/salt", "data/.odd", "data/demo/README.md", "reports/demo/harbor/x.html", "site/x"]
    for name in (*kept, *map(Path, made)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    subprocess.run(["make", "--silent", "-f", ROOT / "Makefile", "clean"], cwd=tmp_path, check=True)
    left = (path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(left) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "reports"]


@pytest.mark.parametrize("folder", ["data", "reports"])
def test_what_lands_beside_a_readme_is_ignored(folder):
    """Git takes the README alone."""
    assert ROOT / folder / "README.md" in _tracked()
    ignored = ["git", "check-ignore", "-q", "--no-index"]
    assert subprocess.run([*ignored, f"{folder}/demo/x"], cwd=ROOT, check=False).returncode == 0
    assert subprocess.run([*ignored, f"{folder}/README.md"], cwd=ROOT, check=False).returncode == 1
