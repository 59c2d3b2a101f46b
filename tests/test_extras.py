"""Extras: what only some commands need may be absent, and its absence is one sentence."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.extras import MODULES
from tests.support.command_line import assert_refused, caller

ROOT = Path(__file__).parents[1]
HIDDEN = tuple(name for names in MODULES.values() for name in names)
NO_MODULE = "needs packages that are not installed: pip install"

HELP_OF_ALL = f"""
import sys
sys.modules.update(dict.fromkeys({HIDDEN!r}))
from contextlib import redirect_stdout
from io import StringIO
from typer.main import get_command
from d1lab.cli import app

def commands(command, names=()):
    inner = getattr(command, "commands", {{}})
    yield names
    for name, each in inner.items():
        yield from commands(each, (*names, name))

d1lab = get_command(app)
asked = list(commands(d1lab))
for names in asked:
    with redirect_stdout(StringIO()) as shown:
        d1lab.main([*names, "--help"], prog_name="d1lab", standalone_mode=False)
    assert "Usage" in shown.getvalue(), (names, shown.getvalue())
print(len(asked))
"""


@pytest.fixture
def d1lab(monkeypatch, capsys, tmp_path):
    """The command line in an empty project where no extra is installed."""
    for name in HIDDEN:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return caller(monkeypatch, capsys)


def test_modules_are_those_of_pyproject():
    """Each extra names the modules of the packages that pyproject.toml lists for it."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, modules in MODULES.items():
        packages = listed["optional-dependencies"][extra]
        assert modules == tuple(each.split(">=")[0].replace("-", "_") for each in packages)


def test_help_of_every_command_needs_no_extra():
    """`--help` works where nothing but the core is installed."""
    ran = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 20


def test_demo_without_its_extra(d1lab, tmp_path):
    """One sentence with the command that installs it; nothing is left behind."""
    assert_refused(d1lab("demo"), f"Building the demo shops {NO_MODULE} 'd1lab[demo]'")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_publish_without_its_extra(d1lab, tmp_path):
    """Also to a plain folder."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "index.html").write_text("x")
    ended = d1lab("publish", str(tmp_path / "there"))
    assert_refused(ended, f"Publishing pages {NO_MODULE} 'd1lab[share]'")


def test_send_without_its_extra(d1lab, monkeypatch):
    """Told before anything else happens."""
    monkeypatch.setenv("D1LAB_NOTIFY_URL", "json://127.0.0.1/")
    assert_refused(d1lab("send"), f"Sending notices {NO_MODULE} 'd1lab[share]'")


def test_prices_of_pages_without_their_extra(d1lab, tmp_path):
    """A list of addresses cannot be read from the web."""
    path = tmp_path / "data" / "demo" / "d1.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (a)")
    (tmp_path / "pages.csv").write_text(
        "shop,sku,competitor,url\nharbor,SOCK,acme,https://a.example/\n"
    )
    ended = d1lab("ingest", "prices", "--pages", "pages.csv")
    assert_refused(ended, f"Reading product pages {NO_MODULE} 'd1lab[prices]'")


def test_fleets_on_dask_without_their_extra(d1lab, tmp_path):
    """One sentence with the command; processes of this machine need nothing."""
    (tmp_path / "notebooks").mkdir()
    ended = d1lab("fleet", "run", "--scheduler", "tcp://127.0.0.1:8786")
    assert_refused(ended, "pip install 'd1lab[fleet]'")
    assert d1lab("fleet", "run").code == 0
