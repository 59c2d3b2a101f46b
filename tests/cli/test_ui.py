"""The command ui: without DuckDB's extension it is one sentence, and nothing is downloaded."""

from __future__ import annotations

from types import SimpleNamespace

import duckdb
import pytest

import d1lab.warehouse
from d1lab.cli import ui
from tests.support.command_line import assert_refused


class Connection:
    """A connection that has the extension, or not; it keeps what it was asked."""

    def __init__(self, *, has_extension: bool) -> None:
        self.asked: list[str] = []
        self.has_extension, self.is_closed = has_extension, False

    def execute(self, sql: str) -> None:
        self.asked.append(sql)
        if sql == "LOAD ui" and not self.has_extension:
            raise duckdb.IOException('Extension "ui.duckdb_extension" not found.')

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def opened(folder, monkeypatch):
    """Lets the command open such a connection, and end at once."""

    def open_one(*, has_extension: bool) -> Connection:
        con = Connection(has_extension=has_extension)
        monkeypatch.setattr(d1lab.warehouse, "open_warehouse", lambda folder: con)
        monkeypatch.setattr(ui, "signal", SimpleNamespace(pause=lambda: None))
        return con

    return open_one


def test_ui_without_its_extension_is_one_sentence(opened, run):
    """DuckDB would try to download it; d1lab says how to install it instead."""
    con = opened(has_extension=False)
    assert_refused(run("ui"), "extension 'ui' is not installed", "INSTALL ui", code=1)
    assert con.asked == ["SET autoinstall_known_extensions = false", "LOAD ui"]
    assert con.is_closed


@pytest.mark.parametrize(
    ("option", "call"),
    [("--browser", "CALL start_ui()"), ("--no-browser", "CALL start_ui_server()")],
)
def test_ui_starts_duckdbs_interface(opened, run, option, call):
    """With or without a browser, until it is interrupted."""
    con = opened(has_extension=True)
    ended = run("ui", option)
    assert ended.code == 0
    assert "http://localhost:4213/" in ended.err
    assert con.asked[-1] == call
    assert con.is_closed


def test_ui_without_a_warehouse(folder, run):
    """The error is that of every command that reads the warehouse."""
    assert_refused(run("ui"), "d1lab pull", code=3)
