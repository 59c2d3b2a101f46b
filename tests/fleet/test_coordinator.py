"""The coordinator: retries by kind, the breaker, and what another coordinator has taken."""

from __future__ import annotations

import pytest

from d1lab.errors import UnknownName
from d1lab.fleet import coordinator
from d1lab.fleet.coordinator import ATTEMPTS, BREAKER_AFTER, FleetRequest, plan_fleet
from d1lab.fleet.failures import KINDS, TRANSIENT, kind_of
from d1lab.fleet.order import Order, Outcome
from d1lab.fleet.pool import WorkerDied
from d1lab.fleet.registry import Registry
from tests.support.fleet import done, run_inline


def test_all_due_databases_are_done_once(settings, registry):
    """A second run finds nothing due; --force runs all again."""
    result, names = run_inline(settings, registry, done)
    assert (names, result.exit_code, result.left) == (list("abcdef"), 0, ())
    assert run_inline(settings, registry, done) == ((((), (), (), "")), [])
    assert run_inline(settings, registry, done, force=True, limit=2)[1] == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_failing_database_stops_no_other(settings, registry, kind):
    """Kinds that can pass are tried three times, the others once."""

    def do(order: Order) -> Outcome:
        return Outcome("c", "failed", kind, "no luck") if order.name == "c" else done(order)

    result, names = run_inline(settings, registry, do)
    assert names.count("c") == (ATTEMPTS if kind in TRANSIENT else 1)
    assert {each.name for each in result.outcomes if each.status == "done"} == set("abdef")
    assert (result.exit_code, result.stopped) == (1, "")
    [bad] = registry.entries(["c"])
    assert bad.failures == 1, "the attempts of a run are one failure"
    assert (bad.status, bad.kind, bad.message, bad.is_running) == ("failed", kind, "no luck", False)


def test_a_failure_that_passes_is_no_failure(settings, registry):
    """The second attempt of a database counts; its rows are added up."""

    def do(order: Order) -> Outcome:
        is_first = workers_of_c.append(order) is None and len(workers_of_c) == 1
        if order.name == "c" and is_first:
            return Outcome("c", "failed", "unavailable", "429", rows_read=5)
        return done(order)

    workers_of_c: list[Order] = []
    result, _ = run_inline(settings, registry, do, names=("c",))
    assert result.exit_code == 0
    [entry] = registry.entries(["c"])
    assert (entry.status, entry.rows_read, entry.failures) == ("done", 15, 0)
    assert [each.rows_read for each in result.outcomes] == [15]


def test_a_worker_that_dies_is_an_outcome(settings, registry):
    """Its database is tried again, and the rest goes on."""
    died: list[str] = []

    def do(order: Order) -> Outcome:
        if order.name == "b" and not died:
            died.append("b")
            raise WorkerDied("killed")
        return done(order)

    result, names = run_inline(settings, registry, do)
    assert names.count("b") == 2
    assert (result.exit_code, len(result.outcomes)) == (0, 6)


def test_the_breaker_stops_where_the_reason_is_not_in_the_databases(settings, registry):
    """Five in a row with one kind: the rest is not started, and still due."""

    def do(order: Order) -> Outcome:
        return Outcome(order.name, "failed", "access", "token expired.")

    result, names = run_inline(settings, registry, do)
    assert names == list("abcdef")[:BREAKER_AFTER]
    assert result.left == ("f",)
    assert result.stopped.endswith("failed (access), the last one with: token expired")
    assert result.exit_code == 1
    assert run_inline(settings, registry, done)[0].exit_code == 0


def test_failures_of_the_databases_themselves_never_open_the_breaker(settings, registry):
    """Six foreign schemas are six failures."""
    result, names = run_inline(
        settings, registry, lambda order: Outcome(order.name, "failed", "data", "foreign")
    )
    assert (len(names), result.stopped) == (6, "")


def test_a_success_in_between_closes_the_breaker(settings, registry):
    """Unavailable, but not all of the time."""
    ended: list[str] = []

    def do(order: Order) -> Outcome:
        ended.append(order.name)
        return done(order) if len(ended) % 3 == 0 else Outcome(order.name, "failed", "quota", "x")

    result, names = run_inline(settings, registry, do)
    assert (len(names), result.stopped) == (6, "")


def test_a_coordinator_that_is_stopped_gives_up_its_claims(settings, registry):
    """Ctrl-C: what is done stays done, the rest is free."""

    def do(order: Order) -> Outcome:
        if order.name == "c":
            raise KeyboardInterrupt
        return done(order)

    with pytest.raises(KeyboardInterrupt):
        run_inline(settings, registry, do)
    again, names = run_inline(settings, Registry(registry.path), done)
    assert names == list("cdef")
    assert again.exit_code == 0


def test_a_coordinator_shows_that_it_is_alive(settings, registry, monkeypatch):
    """Else another machine would take its databases after a minute."""
    beats: list[bool] = []
    monkeypatch.setattr(coordinator, "BEAT_SECONDS", -1.0)
    monkeypatch.setattr(registry, "beat", lambda: beats.append(True))
    run_inline(settings, registry, done)
    assert len(beats) >= 6


@pytest.mark.parametrize("request_", [{}, {"force": True}, {"reports": ("r",)}])
def test_two_coordinators_do_each_database_once(settings, registry, request_):
    """While the first works on each, a second one comes and takes all that is free.

    What is forced, or done for some reports only, is still due then, but not for the first.
    """
    other = Registry(registry.path)
    second: list[str] = []

    def do(order: Order) -> Outcome:
        if order.name == "a":
            second.extend(run_inline(settings, other, done, **request_)[1])
        return done(order)

    result, first = run_inline(settings, registry, do, **request_)
    assert (first, second) == (["a"], list("bcdef"))
    assert result.taken == tuple("bcdef")


def test_the_budget_of_a_day_goes_with_the_order(settings, registry):
    """A database that has used it up is not started."""
    seen: list[int | None] = []

    def do(order: Order) -> Outcome:
        seen.append(order.max_rows_read)
        return done(order)

    for _ in range(3):
        run_inline(settings, registry, do, names=("a",), force=True, max_rows_read=20)
    assert seen == [20, 10]
    [planned] = plan_fleet(registry, FleetRequest(("a",), force=True, max_rows_read=20))
    assert (planned.due, "is used up" in planned.reason) == (False, True)


def test_a_state_goes_when_another_one_counts(settings, registry, tmp_path):
    """And only then: a run that changed nothing keeps it."""
    states = tmp_path / "target" / "states" / "a"
    states.mkdir(parents=True)
    left: list[list[str]] = []
    for key in ("k1", "k1", "k2"):
        (states / f"{key}.tar.gz").touch()
        kept = {"names": ("a",), "target": str(tmp_path / "target"), "force": True}
        run_inline(settings, registry, lambda order, key=key: done(order, state=key), **kept)
        left.append(sorted(path.name for path in states.iterdir()))
    assert left == [["k1.tar.gz"], ["k1.tar.gz"], ["k2.tar.gz"]]


def test_from_nothing_is_for_the_first_attempt_that_gets_anywhere(settings, registry):
    """It forgets the state that counted; an attempt that stored a new one is gone on from."""
    run_inline(settings, registry, lambda order: done(order, state="old"), names=("a",))
    seen: list[tuple[str, bool]] = []

    def do(order: Order) -> Outcome:
        seen.append((order.state, order.from_nothing))
        state = "" if len(seen) == 1 else "new"
        return Outcome("a", "failed", "unavailable", "429", state=state)

    run_inline(settings, registry, do, names=("a",), force=True, from_nothing=True)
    assert seen == [("", True), ("", True), ("new", False)]


def test_an_unknown_database_is_rejected(registry):
    """With the closest name."""
    with pytest.raises(UnknownName, match="database 'z'"):
        plan_fleet(registry, FleetRequest(("z",)))


def test_a_plan_says_why(settings, registry):
    """Longest overdue first; then what is not due, with its time."""
    run_inline(settings, registry, done, names=("a",))
    run_inline(settings, registry, lambda o: Outcome(o.name, "failed", "data", "x"), names=("b",))
    quota = Outcome("f", "failed", "quota", "used up", resets_at="2099-01-01T00:00:00+00:00")
    run_inline(settings, registry, lambda _order: quota, names=("f",))
    planned = {each.name: each for each in plan_fleet(registry, FleetRequest(limit=2))}
    assert planned["f"].reason == "failed in 1 run (quota), tried again 2099-01-01 00:00 UTC"
    assert planned["a"].reason.startswith("due 20")
    assert planned["b"].reason.startswith("failed 20")
    assert planned["c"].reason == "not run yet"
    assert [name for name, each in planned.items() if each.due] == ["b", "c"]
    assert planned["d"].reason == "beyond --limit"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "machine"),
        (OSError(28, "No space left on device"), "machine"),
        (RuntimeError("IO Error: Could not write file: No space left on device"), "machine"),
        (FileNotFoundError(2, "missing"), "data"),
    ],
)
def test_kinds_of_errors(error, kind):
    """A full disk is the machine's, whoever reports it."""
    assert kind_of(error) == kind
