"""Faults in statistics and queries, and the tests that must find them."""

from __future__ import annotations

import random

import pytest

from validation.mutants import faults, suite
from validation.mutants.faults import ROOT, Fault
from validation.mutants.suite import Suite, both
from validation.mutants.worker import _outcome

LOOKS = ROOT / "d1lab" / "analyses" / "ab_tests" / "ab_test_looks.sql"


def test_a_query_gets_one_fault_outside_its_comments():
    """Each fault changes one line, and no comment."""
    found = list(faults.sql_faults(LOOKS, random.Random(1), 99))
    assert any("PARTITION BY variant" in fault.text for fault in found)
    for fault in found:
        _, removed, added = fault.diff().splitlines()
        assert removed.startswith("-"), fault.diff()
        assert added.startswith("+")
        assert not removed.lstrip("- ").startswith("--")
        assert len(fault.changed()) == 1


SHOWS = """
def note(found) -> str:
    return "none" if found > 1 else "some"

def tables(found):
    told = {"note": found + 4}
    return {"short": ReportTable(found, 50), "few": found < 2, "said": f"{found + 3}"}
"""


def test_text_is_no_place_for_a_fault():
    """What a report says is left out; the numbers that decide are not. Elsewhere text is code."""
    libcst = pytest.importorskip("libcst", reason="make mutants installs it")
    matchers = pytest.importorskip("libcst.matchers")
    module = libcst.parse_module(SHOWS)
    numbers = {node.value: node for node in matchers.findall(module, matchers.Integer())}
    for stem, left in (("report", {"2"}), ("study", {"1", "2", "4"})):
        shown = faults._shown(module, stem)
        assert {value for value, node in numbers.items() if node not in shown} == left


MEANS = "d1lab/stats/means.py"
SUITE = Suite(
    {
        "tests/stats/test_dunnett.py::test_quick": 0.1,
        "tests/stats/test_dunnett.py::test_slow": 5.0,
        "tests/stats/test_means.py::test_own": 9.0,
        "tests/analyses/ab_tests/test_rows.py::test_reads": 1.0,
    },
    {
        (MEANS, 1): {"tests/analyses/ab_tests/test_rows.py::test_reads"},
        (MEANS, 4): {
            "tests/stats/test_dunnett.py::test_slow",
            "tests/stats/test_means.py::test_own",
        },
        (MEANS, 5): {"tests/stats/test_dunnett.py"},
    },
)
MODULE = "LIMIT = 3\n\ndef mean(x):\n    total = sum(x)\n    return total\n"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (4, "own slow"),
        (5, "quick slow"),
        (1, "own quick reads slow"),
        (3, "own quick reads slow"),
    ],
)
def test_the_tests_of_a_line_are_those_that_run_it(line, names, tmp_path, monkeypatch):
    """Those of its own name come first; a fixture counts for its file, an import for the module."""
    (tmp_path / MEANS).parent.mkdir(parents=True)
    (tmp_path / MEANS).write_text(MODULE)
    for module in (faults, suite):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    lines = MODULE.splitlines()
    lines[line - 1] += "  # changed"
    tests = SUITE.tests_of(Fault(MEANS, "\n".join(lines)))
    assert [test.rpartition("_")[2] for test in tests] == names.split()


def test_the_tests_of_a_query_are_in_files_that_name_it():
    """Beside tests that run a line that reads it."""
    fault = next(faults.sql_faults(LOOKS, random.Random(1), 1))
    assert SUITE.tests_of(fault) == ["tests/analyses/ab_tests/test_rows.py::test_reads"]


def test_two_halves_of_the_tests_make_one_suite():
    """A line that both run has the tests of both."""
    more = Suite({"other": 2.0}, {(MEANS, 4): {"other"}})
    joined = both(SUITE, more)
    assert joined.seconds == {**SUITE.seconds, "other": 2.0}
    assert joined.lines[MEANS, 4] == {"other", *SUITE.lines[MEANS, 4]}


@pytest.mark.parametrize(
    ("status", "found"), [(0, False), (1 << 8, True), (2 << 8, True), (5 << 8, False), (27, True),
                          (3 << 8, None), (4 << 8, None), (9, None)]
)  # fmt: skip
def test_what_an_end_says(status, found):
    """Too much processor time (27) is found; a process that was killed says nothing."""
    assert _outcome(status) is found
