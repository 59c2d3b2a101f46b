"""Errors, Ctrl-C, and closed pipes: one line and an exit code in every case."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d1lab.d1 import transport
from tests.support.command_line import assert_refused

BIN = Path(sys.executable).parent / "d1lab"


def test_main_reports_a_file_in_the_place_of_a_folder(folder, run):
    """An error of the operating system is one line as well."""
    Path("taken").touch()
    assert_refused(run("init", "taken"), "taken", "exists", code=1)
    assert_refused(run("init", "taken/sub"), "Not a directory", code=1)


def test_main_reports_settings_that_are_not_text(folder, run):
    """A d1lab.toml saved in another encoding is an error in one line."""
    Path("d1lab.toml").write_bytes("database = 'ü'".encode("utf-16"))
    assert_refused(run("pull"), "d1lab.toml is not valid TOML", code=2)


@pytest.mark.parametrize("arguments", [("sql", "SELECT '\udcff'"), ("search", "\udcff")])
def test_main_rejects_bytes_that_are_not_utf8(folder, run, arguments):
    """The shell can pass such arguments, but no database accepts them."""
    assert_refused(run(*arguments), "is not valid UTF-8", code=2)


@pytest.mark.parametrize(
    "url",
    ["wrangler+http://127.0.0.1:99999/x", "wrangler+http://127.0.0.1:x/x", "d1://acc", "sqlite:"],
)
def test_main_reports_a_malformed_url(folder, run, url):
    """An invalid port and a missing part are reported."""
    Path("d1lab.toml").write_text(f'[databases.demo]\nurl = "{url}"\n')
    ended = run("pull")
    assert_refused(ended, code=2)


def test_main_says_that_it_waits_and_why(folder, run, monkeypatch, caplog):
    """Without an engine, each retry gives the reason, and the final error says what to check."""
    monkeypatch.setattr(transport, "ATTEMPTS", 2)
    with socket.socket() as taken:  # bound, but nobody listens there
        taken.bind(("127.0.0.1", 0))
        url = f"wrangler+http://127.0.0.1:{taken.getsockname()[1]}/x"
        Path("d1lab.toml").write_text(f'[databases.demo]\nurl = "{url}"\n')
        assert_refused(run("pull"), "127.0.0.1", "Check that `wrangler dev` is running", code=1)
    (retry,) = caplog.messages
    assert "refused" in retry
    assert "Retrying in" in retry


def test_main_ends_by_ctrl_c_in_one_line(folder):
    """Ctrl-C during a request to a silent database gives no traceback and code 130."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"wrangler+http://127.0.0.1:{silent.getsockname()[1]}/x"
        Path("d1lab.toml").write_text(f'[databases.demo]\nurl = "{url}"\n')
        asking = subprocess.Popen([BIN, "pull"], stderr=subprocess.PIPE, text=True)
        asked, _ = silent.accept()
        with asked:
            asking.send_signal(signal.SIGINT)
            _, told = asking.communicate(timeout=120)
    assert asking.returncode == 130
    assert told == "interrupted. Completed work is kept. Run the same command to continue.\n"


def test_main_accepts_a_reader_that_stops(project, run):
    """`d1lab sql ... | head -1` does not fail."""
    assert run("pull").code == 0
    reading, writing = os.pipe()
    writer = subprocess.Popen(
        [BIN, "sql", "FROM range(100000)"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert os.read(reading, 5) == b"range"
    os.close(reading)
    _, told = writer.communicate(timeout=120)
    assert (writer.returncode, told) == (0, "")


@pytest.mark.long
def test_main_ends_a_long_query_by_ctrl_c(project, run):
    """DuckDB does not check for signals while it works, so it is interrupted explicitly."""
    psutil = pytest.importorskip("psutil")
    assert run("pull").code == 0
    endless = "SELECT count(*) FROM range(100000000000) AS t(a) WHERE a % 7 = sqrt(a)"
    asking = subprocess.Popen([BIN, "sql", endless], stderr=subprocess.PIPE, text=True)
    try:
        while sum(psutil.Process(asking.pid).cpu_times()[:2]) < 4:  # it takes one to start
            assert asking.poll() is None
            time.sleep(0.05)
        asking.send_signal(signal.SIGINT)
        _, told = asking.communicate(timeout=120)
    finally:
        asking.kill()
    assert asking.returncode == 130
    assert told == "interrupted. Completed work is kept. Run the same command to continue.\n"
