"""The commands for sharing: their output, their files, and their exit codes."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.share.conftest import SECRET, Project, Receiver
from tests.support.command_line import PROGRAM, Ended, caller, d1lab


def _run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return d1lab(*arguments, cwd=cwd, D1LAB_ROOT=str(cwd), **environment)


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Ended]:
    """`run("publish", "site", cwd=folder)`: the command line in this process."""

    def call(*arguments: str, cwd: Path, **environment: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            for name, value in {"D1LAB_ROOT": str(cwd), **environment}.items():
                patch.setenv(name, value)
            return caller(patch, capsys)(*arguments)

    return call


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A project with an index and one page."""
    page = tmp_path / "reports" / "demo" / "harbor" / "inventory" / "latest.html"
    page.parent.mkdir(parents=True)
    page.write_text("page")
    (tmp_path / "reports" / "index.html").write_text("index")
    return tmp_path


def test_publish_says_what_it_copies(pages: Path, run):
    """A dry run and the real run list the same files, and the next run has nothing to do."""
    listed = run("publish", "site", "--dry-run", cwd=pages)
    assert not (pages / "site").exists()
    assert "would copy 2 files (9 bytes) to site" in listed.err
    copied = run("publish", "site", cwd=pages)
    assert copied.out == listed.out
    assert copied.out.splitlines()[1] == "new\tdemo/harbor/inventory/latest.html\t4"
    assert (pages / "site" / "index.html").read_text() == "index"
    again = run("publish", "site", "--json", cwd=pages).json
    assert again == {"target": "site", "files": [], "unchanged": 2}


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of apprise
def test_send_ends_with_1_until_it_is_delivered(project: Project, receiver: Receiver, run):
    """A dry run prints the message; if the receiver is down, it is sent again later."""
    folder = project.settings.root
    project.add("failed")
    said = run("send", "--dry-run", cwd=folder)
    assert (said.code, receiver.messages) == (0, [])
    assert "Cell 3 failed. No column 'sku'" in said.err
    receiver.status = 500
    address = {"D1LAB_NOTIFY_URL": receiver.url()}
    failed = run("send", cwd=folder, **address)
    assert failed.code == 1
    assert "did not take it (status 500)" in failed.err
    receiver.status = 200
    sent = run("send", "--json", cwd=folder, **address)
    assert sent.code == 0
    assert [delivery["status"] for delivery in sent.json] == ["sent"]
    again = run("send", cwd=folder, **address)
    assert (again.code, len(receiver.messages)) == (0, 1)
    assert SECRET not in "".join(end.out + end.err for end in (said, failed, sent, again))


def test_schedule_prints_this_project_and_this_program(tmp_path: Path):
    """The snippet can be used unchanged."""
    printed = _run("schedule", "cron", "--every", "30", cwd=tmp_path).stdout
    [line] = [line for line in printed.splitlines() if not line.startswith("#")]
    assert line.startswith(f"*/30 * * * * cd {tmp_path} && ")
    assert f"&& {PROGRAM} run >> " in line


def test_serve_says_where_and_ends_quietly(pages: Path):
    """It prints its address on loopback, and an interrupt is not an error."""
    command = [PROGRAM, "serve", "--port", "0", "--no-reload"]
    environment = {**os.environ, "D1LAB_ROOT": str(pages)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        said = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert found, said
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"index"
        connection.close()
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert server.stderr.read() == ""
