"""A small part of `make chaos`, and proof that it notices what it looks for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab.d1 import Database
from d1lab.errors import D1UnavailableError
from tests.support.outside import chromium
from validation.chaos import answers, disk, hostile, inputs, kills
from validation.chaos.served import AFTER, FAULTS
from validation.chaos.tally import compared, tally


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    yield
    for part in (kills, answers, inputs):
        part.forget_starts()


@pytest.mark.long
@pytest.mark.parametrize("part", [0.4, 0.9])
def test_a_killed_command_runs_again(part: float) -> None:
    """And leaves what an undisturbed one leaves."""
    assert not kills.attempt(("track", part)).is_fault


def test_every_command_that_writes_is_killed() -> None:
    """The full campaign kills each ten times or more."""
    drawn = Counter(name for name, _ in kills.cases(234, 1))
    assert min(drawn.values()) >= 10
    assert sum(drawn.values()) >= 200


@pytest.mark.long
def test_a_full_disk_is_one_sentence() -> None:
    """A command that cannot write ends with 1, and goes on when there is room."""
    assert not disk.attempt(("track", 20_000)).is_fault


@pytest.mark.parametrize("fault", FAULTS)
def test_spoiled_answers_leave_the_right_state(fault: str) -> None:
    """Each fault at one request of some operation that is quick to prepare."""
    drawn = random.Random(fault)
    name = drawn.choice(("migrate", "track"))
    request = drawn.randrange(answers.start_of(name).requests)
    outcome = answers.attempt((name, fault, request, False))
    assert not outcome.is_fault, outcome


@pytest.mark.long
def test_a_pull_survives_answers_without_rows() -> None:
    """The answer that once emptied the warehouse, at a request and all later ones."""
    for request in range(0, answers.start_of("pull").requests, 3):
        outcome = answers.attempt(("pull", "results null", request, True))
        assert not outcome.is_fault, outcome


def test_spoiled_answers_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that writes again when its answer is lost is caught."""

    def twice(db: Database, _: Path) -> None:
        write = "INSERT INTO d1lab_changes (table_name, row_id) VALUES ('order_events', 1)"
        try:
            db.execute(write)
        except D1UnavailableError:
            db.execute(write)

    monkeypatch.setitem(answers.OPERATIONS, "twice", answers.Operation(twice, ("migrate",)))
    assert answers.attempt(("twice", AFTER, 0, False)).doubled == 1


@pytest.mark.long
def test_mutated_inputs_end_in_a_sentence() -> None:
    """A few of each kind."""
    for case in inputs.cases(3 * len(inputs.TARGETS), 11):
        outcome = inputs.attempt(case)
        assert not outcome.is_fault, outcome


@pytest.mark.long
@pytest.mark.browser
def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """One page of them, with the policy and without; a script that runs is noticed."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        shown = list(hostile.attempts(hostile.strings(10, 3), page, tmp_path))
        assert (len(shown), [one for one in shown if one.is_fault]) == (20, [])
        (tmp_path / "page.html").write_text("")
        hacked = "<script>window.hacked = 1</script>"
        assert all(one.is_fault for one in hostile.seen(["x"], "off", hacked, page, tmp_path))
        browser.close()


def test_compared_counts_what_is_lost_and_doubled() -> None:
    """By table; an error that was reported is not wrong."""
    expected = {"t": Counter({("a",): 1, ("b",): 1}), "u": Counter({("c",): 1})}
    found = {"t": Counter({("a",): 1}), "u": Counter({("c",): 2})}
    outcome = compared("case", expected, found)
    assert (outcome.wrong, outcome.lost, outcome.doubled) == (True, 1, 1)
    assert not compared("case", expected, expected).is_fault
    added = tally("part", [outcome, compared("case", expected, found, claimed=False)])
    assert (added.tried, added.wrong, added.lost, added.doubled) == (2, 1, 2, 2)
