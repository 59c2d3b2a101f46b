"""Whatever happens to a table between pulls, the warehouse equals D1."""

from __future__ import annotations

import shutil
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from tests.pull.conftest import EVENT, Remote, add_events, assert_same
from tests.support.examples import IS_LONG

pytestmark = pytest.mark.usefixtures("few_views")

_STEP = st.one_of(
    st.tuples(st.just("insert"), st.integers(1, 5), st.just(0)),
    st.tuples(st.just("update"), st.integers(0, 30), st.integers(-2, 9)),
    st.tuples(st.just("delete"), st.integers(0, 30), st.integers(1, 3)),
    st.tuples(st.just("replace"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("pull"), st.just(0), st.just(0)),
    st.tuples(st.just("die"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("cut log"), st.integers(0, 10), st.just(0)),
)


class Died(Exception):
    """The pull was killed at this point."""


@settings(max_examples=16 if IS_LONG else 3)
@given(steps=st.lists(_STEP, max_size=12), is_remote=st.booleans())
def test_a_pull_after_any_history_equals_the_source(tmp_path_factory, migrated, steps, is_remote):
    """There are inserts, updates, deletions, replacements, killed pulls, and a truncated log."""
    home = tmp_path_factory.mktemp("history")
    inner = SqliteDatabase(shutil.copy(migrated, home))
    db = Remote(inner) if is_remote else inner
    folder, number = home / "data", 0
    for what, one, two in steps:
        if what == "insert":
            add_events(db, number, one)
            number += one
        elif what == "update":
            db.execute("UPDATE order_events SET quantity = ?2 WHERE seq = ?1", (one, two))
        elif what == "delete":
            db.execute("DELETE FROM order_events WHERE seq BETWEEN ?1 AND ?1 + ?2", (one, two))
        elif what == "replace":
            listed = ", ".join(EVENT)
            db.execute(
                f"INSERT OR REPLACE INTO order_events ({listed}) "
                f"SELECT {listed} FROM order_events WHERE seq = ?1",
                (one,),
            )
        elif what == "cut log":
            db.execute("DELETE FROM d1lab_changes WHERE seq <= ?1", (one,))
        elif what == "die":
            _die(db, folder, after=one)
        else:
            pull(db, folder, database="x")
            assert_same(db, folder)
    pull(db, folder, database="x")
    assert_same(db, folder)
    inner.close()


def _die(db, folder, after):
    calls = 0

    def progress(table, done, expected):
        nonlocal calls
        calls += 1
        if calls > after:
            raise Died

    with suppress(Died):
        pull(db, folder, database="x", progress=progress)
