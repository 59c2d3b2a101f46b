"""Printed output: complete on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

import json
import re

import pytest

from d1lab.cli import output

RUN = ("shop", "report", "seconds", "page")
PAGE = "reports/harbor/recommendations/2018-01-01.html"
ROWS = [("harbor", "recommendations", 1234567.891, PAGE)]


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Print rows as on a terminal of the given width."""

    def show(width: int, columns, rows) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        output.print_rows(columns, rows)
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

    return show


def test_output_fills_a_wide_terminal_with_a_table(terminal):
    """Each row is one line, with grouped and rounded numbers."""
    lines = [line.split() for line in terminal(120, RUN, ROWS).splitlines()]
    assert ["harbor", "recommendations", "1.23457e+06", PAGE] in lines


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_output_is_complete_on_a_narrow_terminal(terminal, width):
    """Long words are broken, or each value has its own line; there is no ellipsis."""
    shown = terminal(width, RUN, ROWS)
    assert "…" not in shown
    assert all(len(line) <= width for line in shown.splitlines())
    if width < 60:  # the page has lines of its own
        assert PAGE in "".join(shown.split())


def test_output_puts_a_path_beneath_its_row(terminal):
    """If only a path does not fit, it stays in one piece, so that it can be copied."""
    lines = terminal(80, RUN, ROWS).splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["harbor", "recommendations", "1.23457e+06"],
        [PAGE],
    ]


def test_output_prints_a_block_per_row_if_no_table_fits(terminal):
    """This happens below half the width that the table needs."""
    assert terminal(40, RUN, ROWS).splitlines()[1].split() == ["report", "recommendations"]


def test_output_of_a_pipe_is_for_programs(capsys):
    """There are no thousands separators and no rounding, and missing values are empty."""
    row = (1234567.891, 0.1 + 0.2, float("nan"), None, True, 2.0, 12345678)
    output.print_rows("abcdefg", [row])
    assert capsys.readouterr().out.splitlines()[1] == "1234567.891\t0.3\t\t\tyes\t2\t12345678"


def test_output_escapes_control_characters(terminal, capsys):
    """Escape sequences, tabs, and line breaks in a value have no effect."""
    output.print_rows(("a", "b"), [("\x1b[31mred", "x\ty\nz")])
    assert capsys.readouterr().out == "a\tb\n [31mred\tx y z\n"
    assert "\x1b[31mred" not in terminal(80, ("a",), [("\x1b[31mred",)])


def test_output_as_json_keeps_columns_of_one_name(capsys):
    """A join can have two columns `a`; in a JSON object the second one is `a_2`."""
    output.print_rows(("a", "a", "a_2"), [(1, 2, 3)], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "a_2": 2, "a_2_2": 3}]


def test_output_as_json_keeps_huge_integers(capsys):
    """A HUGEINT of 128 bits is exact."""
    output.print_json({"sum": 2**127 - 1, "low": -(2**63) - 1, "fits": 2**64 - 1})
    assert json.loads(capsys.readouterr().out) == {
        "sum": 2**127 - 1,
        "low": -(2**63) - 1,
        "fits": 2**64 - 1,
    }
