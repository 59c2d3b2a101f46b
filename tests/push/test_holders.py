"""Which run's results D1 has: recorded when a push begins, and cleared by a rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab import catalog
from d1lab.d1 import Database, Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.push.before_image import leave_mark, mark_path
from d1lab.push.holders import (
    Holder,
    Place,
    digest_of,
    give_up,
    holders,
    place_of,
    pushed_digests,
    take,
)
from d1lab.push.staged import Origin, Staged

PLACE = Place("customer_insights", "harbor", "customers", "")
BEGUN = "2026-05-01 10:00:00"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A migrated database."""
    opened = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(opened)
    yield opened
    opened.close()


def begin(db: Database, run_id: str, digest: str = "a", *, started_at: str = BEGUN) -> None:
    """Begin a push: the rows of the audit and of the holder are written in one batch."""
    audit = Statement(
        "INSERT INTO d1lab_pushes VALUES (?1, ?2, 'push', 'started', NULL, 1, 0, '', '', ?3, NULL)"
        " ON CONFLICT DO NOTHING",
        (run_id, PLACE.table, BEGUN),
    )
    db.batch([audit, take(PLACE, Holder(run_id, "2026-05-01", digest), started_at)])


def test_the_run_that_began_last_is_the_holder(db):
    """A later push takes over, and a push that resumes after a kill does not take it back."""
    assert holders(db, [PLACE]) == {}
    begin(db, "first")
    assert holders(db, [PLACE]) == {PLACE: Holder("first", "2026-05-01", "a")}
    begin(db, "second", "b")
    begin(db, "first", started_at="2026-05-02 09:00:00")  # resumed: its audit row is older
    assert holders(db, [PLACE]) == {PLACE: Holder("second", "2026-05-01", "b")}


def test_only_the_holder_can_be_cleared(db):
    """A rollback of an older run does not remove the newer one."""
    begin(db, "first")
    begin(db, "second")
    db.batch([give_up(PLACE, "first")])
    assert holders(db, [PLACE])[PLACE].run_id == "second"
    db.batch([give_up(PLACE, "second")])
    assert holders(db, [PLACE]) == {}


def test_many_places_are_read_at_once(db):
    """Each place has its own holder, or is omitted."""
    begin(db, "first")
    others = [PLACE._replace(shop="a'b\"c"), PLACE._replace(report="none"), PLACE._replace(day="x")]
    assert holders(db, [others[0], PLACE, *others[1:]]) == {
        PLACE: Holder("first", "2026-05-01", "a")
    }
    assert holders(db, []) == {}


def test_a_place_without_an_origin_is_a_place(db):
    """A run of a script has neither a report nor a shop."""
    assert place_of("customer_insights", Origin(None, None, None)) == (
        "customer_insights", "", "", "",
    )  # fmt: skip
    assert place_of("inventory_impact", Origin("inventory", "s", "2026-05-01")).day == "2026-05-01"


def test_the_digest_is_of_the_values():
    """It does not depend on the order of rows, only on values, keys, and columns."""
    table = catalog.table("customer_insights")
    rows = {("s", "a"): ("vip",), ("s", "b"): (None,)}
    staged = Staged(table, ("customer_segment",), rows)
    same = staged._replace(rows=dict(reversed(rows.items())))
    assert digest_of(staged) == digest_of(same)
    others = [
        staged._replace(rows={**rows, ("s", "b"): ("new",)}),
        staged._replace(rows={("s", "a"): ("vip",), ("s", "c"): (None,)}),
        staged._replace(columns=("lifetime_value",)),
    ]
    assert len({digest_of(each) for each in (staged, *others)}) == 4


def test_pushed_digests_are_those_of_the_marks(tmp_path):
    """There is one per table that was pushed, and it is empty for a mark without one."""
    assert pushed_digests(tmp_path) == {}
    leave_mark(mark_path(tmp_path, "customer_insights", "push"), "u", {"digest": "a"})
    leave_mark(mark_path(tmp_path, "inventory_impact", "push"), "u", {})
    leave_mark(mark_path(tmp_path, "customer_insights", "rollback"), "u", {"digest": "b"})
    assert pushed_digests(tmp_path) == {"customer_insights": "a", "inventory_impact": ""}
