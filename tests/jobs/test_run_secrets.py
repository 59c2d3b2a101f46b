"""Secrets while reports run: what a notebook can find in the processes and files around it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import d1lab
from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.jobs.ledger import open_ledger
from d1lab.pull import pull
from d1lab.runs.run import kernel_environment
from tests.support.command_line import PROGRAM
from tests.support.command_line import d1lab as program
from tests.support.d1_api import D1Api, over_http

SECRET, THEIRS = "5ecret-of-d1lab", "5ecret-of-the-shell"
VARIABLES = ("D1LAB_READ_TOKEN", "D1LAB_WRITE_TOKEN", "CLOUDFLARE_API_TOKEN", "D1LAB_NOTIFY_URL")

CODE = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""Where the program's code is: that of this checkout, wherever it is installed from."""

WAITS = """
import os, time
from pathlib import Path
Path("../ready").write_text(str(os.getpid()))
while not Path("../go").exists():
    time.sleep(0.02)
"""


def notebook_of(parameters: str, *cells: str) -> str:
    """A notebook with a `parameters` cell and these cells."""
    plain = [([], source) for source in cells]
    made = [
        {"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": [],
         "execution_count": None, "id": f"c{number}"}
        for number, (tags, source) in enumerate([(["parameters"], parameters), *plain])
    ]  # fmt: skip
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def family(pid: int) -> dict[int, str]:
    """A process and its descendants, each with its environment."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = int(fields[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: (Path("/proc") / str(each) / "environ").read_text() for each in found}


@linux
def test_no_process_around_a_kernel_shows_a_token(settings):
    """Not the program, the kernels' server, a kernel, or the process that draws charts."""
    (settings.notebooks_dir / "waits.ipynb").write_text(notebook_of('shop = "harbor"', WAITS))
    environment = {"PATH": os.environ["PATH"], "HOME": str(settings.root), "LC_ALL": "C.UTF-8"}
    environment |= CODE | dict.fromkeys(VARIABLES, SECRET) | {"AWS_SECRET_ACCESS_KEY": THEIRS}
    arguments = [PROGRAM, "run", "waits", "--shop", "harbor", "--no-pull", "--no-push"]
    running = subprocess.Popen(
        arguments, cwd=settings.root, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    ready = settings.root / "ready"
    try:
        until = time.monotonic() + 100
        while not (ready.is_file() and ready.read_text()) and time.monotonic() < until:
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        seen, kernel = family(running.pid), int(ready.read_text())
    finally:
        (settings.root / "go").touch()
        _, told = running.communicate(timeout=100)
    assert running.returncode == 0, told
    assert kernel in seen
    assert len(seen) >= 3
    for pid, shown in seen.items():
        assert SECRET not in shown
        assert THEIRS not in shown or pid == running.pid
    assert "LC_ALL=C.UTF-8" in seen[kernel]


def test_tokens_taken_out_of_the_environment_are_still_used(tmp_path):
    """The program still has them: one that cannot be sent is rejected, and not shown."""
    url = "d1://0123456789abcdef0123456789abcdef/11111111-2222-3333-4444-555555555555"
    (tmp_path / "d1lab.toml").write_text(f'database = "x"\n[databases.x]\nurl = "{url}"\n')
    ended = program("pull", cwd=tmp_path, **CODE, D1LAB_READ_TOKEN=f"{SECRET} {SECRET}")
    assert ended.returncode == 2
    assert "an API token contains a line break, space" in ended.stderr
    assert SECRET not in ended.stderr


def test_a_kernel_is_told_of_its_own_database_only(settings):
    """It is not told where the other databases are."""
    settings.databases["live"] = DatabaseSettings(url="d1://account/elsewhere")
    environment = kernel_environment(settings, "demo", settings.root)
    assert "elsewhere" not in str(environment)
    assert "data/demo/d1.sqlite" in environment["D1LAB_DATABASES"]


def test_sql_of_a_run_reads_files_of_the_project_only(settings, tmp_path_factory, monkeypatch):
    """This holds for metrics and `lab.sql`; folders named in d1lab.toml can be read as well."""
    outside = tmp_path_factory.mktemp("outside")
    for folder in (outside, settings.root):
        (folder / "costs.csv").write_text("a\n1\n")
    run_dir = settings.folder("demo") / "runs" / "r1"
    run_dir.mkdir(parents=True)
    (settings.root / "metrics").mkdir()
    (settings.root / "metrics" / "leak.sql").write_text(
        f"-- leak: a file\n-- unit: rows  grain: a  reads: order_lines\n"
        f"SELECT * FROM read_csv('{outside}/costs.csv')"
    )
    monkeypatch.setenv("D1LAB_ROOT", str(settings.root))
    monkeypatch.setenv("D1LAB_RUN_DIR", str(run_dir))
    lab = d1lab.open("demo", shop="harbor")
    assert lab.sql(f"FROM read_csv('{settings.root}/costs.csv')").fetchall() == [(1,)]
    for path in (outside / "costs.csv", settings.root / ".." / outside.name / "costs.csv"):
        with pytest.raises(InputError, match="disabled by configuration"):
            lab.sql(f"FROM read_csv('{path}')").fetchall()
    with pytest.raises(InputError, match="disabled by configuration"):
        lab.metric("leak")
    assert not lab.metric("last_day").empty
    (settings.root / "d1lab.toml").write_text(f'[run]\nread_folders = ["{outside}"]\n')
    allowed = d1lab.open("demo", shop="harbor")
    assert len(allowed.metric("leak")) == 1
    monkeypatch.delenv("D1LAB_RUN_DIR")
    (settings.root / "d1lab.toml").unlink()
    assert len(d1lab.open("demo", shop="harbor").metric("leak")) == 1  # somebody is at it


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_data_folders_are_private(tmp_path):
    """Everything that d1lab creates under data/ is private to its user."""
    settings = Settings(root=tmp_path)
    open_ledger(settings)
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    pull(over_http(D1Api(db)), settings.folder("demo"), database="demo")
    db.close()
    for folder in (settings.data_dir, settings.folder("demo")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
