"""Tables that d1lab adds rows to day by day: the cost of a day does not grow with them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from importlib import import_module
from itertools import count

import pytest

from d1lab.pull import pull
from d1lab.pull.rhythm import DAILY, WEEKLY
from d1lab.warehouse import noted, open_warehouse
from tests.pull.conftest import assert_same

pytestmark = pytest.mark.usefixtures("few_views")

TABLE = "discount_recommendations"
START = date(2026, 1, 1)
EACH_DAY = 10
ENDS = 3  # rows that tell where a table ends


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """Set the day on which pulls and writes happen."""

    def at(day: date) -> None:
        seconds = count()
        morning = datetime(day.year, day.month, day.day, 9)
        for module in ("d1lab.pull.session", "d1lab.warehouse.own_writes"):
            monkeypatch.setattr(
                import_module(module), "utc_now", lambda: morning + timedelta(seconds=next(seconds))
            )

    return at


def advise(db, folder, day: date, rows: int = EACH_DAY) -> None:
    """Insert recommendations of a day, as a push does."""
    made = [("s", f"k{number}", day.isoformat(), "test") for number in range(rows)]
    with noted(db, folder, [TABLE]) as note:
        listed = ", ".join(f"('{shop}', '{sku}', '{on}', '{what}')" for shop, sku, on, what in made)
        db.execute(f"INSERT INTO {TABLE} (shop, sku, made_on, decision) VALUES {listed}")
        note.add(TABLE, ("shop", "sku", "made_on"), ("decision",), made, creates=True)


def app_writes(db) -> None:
    """Change the database in a way that d1lab has to look at every table."""
    db.execute("INSERT INTO product_costs (shop, sku, unit_cost, valid_from) "
               "VALUES ('s', hex(randomblob(8)), 1, '2026-01-01')")  # fmt: skip


def decide(db, day: date) -> None:
    """Change the recommendations of a day."""
    db.execute(f"UPDATE {TABLE} SET decision = 'mine' WHERE made_on = ?1", (str(day),))


def push_until(db, folder, day: date, rows: int = EACH_DAY) -> None:
    """Insert recommendations of every day after the last one that has some."""
    [[last]] = db.query(f"SELECT max(made_on) FROM {TABLE}").rows
    after = date.fromisoformat(str(last)) if last else START
    for later in range(1, (day - after).days + 1):
        advise(db, folder, after + timedelta(later), rows)


def decision(folder, day: date) -> str:
    with open_warehouse(folder) as con:
        sql = f"SELECT decision FROM raw.{TABLE} WHERE made_on = ?"
        return con.execute(sql, [day]).fetchall()[0][0]


@pytest.mark.parametrize("kind", [pytest.param("file", marks=pytest.mark.long), "remote"])
def test_rows_read_stay_flat_after_months_of_own_pushes(request, kind, folder, on):
    """A day costs the last week, a Monday six weeks, and the first of a month the whole table."""
    db = request.getfixturevalue(kind)
    on(START)
    pull(db, folder, database="x")
    read = {}
    for day in ("02-10", "02-11", "02-12", "03-24", "03-25", "03-30", "04-01"):
        today = date.fromisoformat(f"2026-{day}")
        on(today)
        push_until(db, folder, today - timedelta(1))
        app_writes(db)
        read[day] = pull(db, folder, database="x").by_table[TABLE].rows_read
        assert_same(db, folder, TABLE)
    ends = 3  # rows that tell where the table ends
    assert read["03-25"] == read["02-11"] == read["02-12"] <= (DAILY + 2) * EACH_DAY + ends
    assert read["03-30"] <= (WEEKLY + 7) * EACH_DAY + ends < read["04-01"]


def test_the_pull_after_a_push_reads_none_of_its_rows(remote, folder, on):
    """They are known, and so is that the rest of the table was read on that day."""
    on(START)
    advise(remote, folder, START)
    pull(remote, folder, database="x")
    advise(remote, folder, START + timedelta(1), 300)
    app_writes(remote)
    result = pull(remote, folder, database="x")
    assert TABLE not in result.by_table
    assert_same(remote, folder, TABLE)


def test_changes_by_hand_are_detected_by_their_age(remote, folder, on):
    """Those of the last week on the next day, older ones on the next Monday or first of a month."""
    on(START)
    pull(remote, folder, database="x")
    on(date(2026, 3, 18))
    push_until(remote, folder, date(2026, 3, 17), 1)
    pull(remote, folder, database="x")
    changed = [date(2026, 3, 14), date(2026, 2, 15), date(2026, 1, 3)]
    remote.execute(
        f"UPDATE {TABLE} SET decision = 'mine' WHERE made_on IN (?1, ?2, ?3)",
        tuple(map(str, changed)),
    )
    for day, found in (("03-19", 1), ("03-23", 2), ("04-01", 3)):
        on(date.fromisoformat(f"2026-{day}"))
        app_writes(remote)
        pull(remote, folder, database="x")
        seen = [decision(folder, day) == "mine" for day in changed]
        assert seen == [True] * found + [False] * (3 - found)


def test_own_rows_older_than_the_tail_are_kept(remote, folder, on):
    """They were pushed on days on which nothing was read, so D1's rowids are not known yet."""
    on(START)
    advise(remote, folder, START)
    pull(remote, folder, database="x")
    push_until(remote, folder, START + timedelta(20), 1)
    pull(remote, folder, database="x")
    on(START + timedelta(20))
    app_writes(remote)
    pull(remote, folder, database="x")
    assert_same(remote, folder, TABLE)


def test_rowids_that_were_used_before_are_read(remote, folder, on):
    """Another installation rolled its push back, and d1lab's own rows got the rowids."""
    on(START)
    advise(remote, folder, START)
    advise(remote, folder, START + timedelta(2))
    pull(remote, folder, database="x")
    remote.execute(f"DELETE FROM {TABLE} WHERE made_on = ?1", (str(START + timedelta(2)),))
    today = START + timedelta(20)
    advise(remote, folder, today, 2)
    pull(remote, folder, database="x")
    on(today)
    app_writes(remote)
    pull(remote, folder, database="x")
    assert_same(remote, folder, TABLE)


def test_a_row_that_was_deleted_stays_deleted(remote, folder, on):
    """Somebody deleted it after the push that inserted it, and before the next pull."""
    on(START)
    advise(remote, folder, START)
    pull(remote, folder, database="x")
    on(START + timedelta(1))
    advise(remote, folder, START + timedelta(1))
    remote.execute(f"DELETE FROM {TABLE} WHERE made_on = ?1 AND sku = 'k3'",
                   (str(START + timedelta(1)),))  # fmt: skip
    pull(remote, folder, database="x")
    assert_same(remote, folder, TABLE)


def test_a_rollback_of_an_old_push_is_seen_at_once(remote, folder, on):
    """Its rows are unknown, so the whole table is read, also of a table of the app."""
    on(START)
    last = START + timedelta(25)
    remote.execute(
        "INSERT INTO inventory_impact (shop, sku, date, days_of_supply) "
        "VALUES ('s', 'k', ?1, 3), ('s', 'k', ?2, 4)",
        (str(START), str(last)),
    )
    pull(remote, folder, database="x")
    push_until(remote, folder, START + timedelta(25), 1)
    on(last)
    pull(remote, folder, database="x")
    with noted(remote, folder, [TABLE, "inventory_impact"]):
        decide(remote, START + timedelta(1))
        remote.execute("UPDATE inventory_impact SET days_of_supply = NULL")
    pull(remote, folder, database="x")
    assert_same(remote, folder, TABLE)
    assert_same(remote, folder, "inventory_impact")


def test_future_days_hide_nothing(remote, folder, on):
    """A table with days to come only is read whole, as it says nothing of the newest day."""
    on(START)
    advise(remote, folder, date(2999, 1, 1))
    pull(remote, folder, database="x")
    decide(remote, date(2999, 1, 1))
    on(START + timedelta(1))
    pull(remote, folder, database="x")
    assert_same(remote, folder, TABLE)
