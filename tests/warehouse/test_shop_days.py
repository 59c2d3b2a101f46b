"""The shop's local days: clock changes, several shops and connections, and future days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import StaleDataError
from d1lab.lab import Lab
from d1lab.pull import PullResult, pull, session
from d1lab.warehouse import create_views, next_warehouse, open_warehouse, prepare_days, scratch

NEW_YORK, BERLIN, AUCKLAND = "America/New_York", "Europe/Berlin", "Pacific/Auckland"


class Shop:
    """A database of order events and its warehouse, pulled at times that the test chooses."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch, self._count = folder / "data", patch, 0
        self.db = SqliteDatabase.create(folder / "d1.sqlite")
        migrate(self.db)

    def order(self, *times: str, shop: str = "a") -> None:
        """Add an order line of 1.00 at each of these times, in UTC."""
        for at in times:
            self._count += 1
            self.db.execute(
                "INSERT INTO order_events (shop, event_id, type, order_id, sku, quantity, "
                "list_price, discount_amount, revenue, occurred_at) "
                "VALUES (?1, ?2, 'order', ?2, 'S', 1, 1, 0, 1, ?3)",
                (shop, f"e{self._count:02}", at),
            )

    def pull(self, zones: dict[str, str] | None = None, at: str = "2026-06-01 12:00") -> PullResult:
        """Pull at the given time, in UTC."""
        self._patch.setattr(session, "utc_now", lambda: datetime.fromisoformat(at))
        return pull(self.db, self.folder, database="x", zones=zones)

    def ask(self, sql: str, zones: dict[str, str] | None = None) -> list[tuple]:
        """Return rows of the warehouse as a connection with these zones sees them."""
        with open_warehouse(self.folder, zones=zones) as con:
            return con.sql(sql).fetchall()

    def days(self, zones: dict[str, str] | None = None) -> list[str]:
        """Return the days of the order lines, in the order in which they were added."""
        rows = self.ask("SELECT day FROM order_lines ORDER BY event_id", zones)
        return [str(day) for (day,) in rows]

    def as_of(self, name: str = "a", zones: dict[str, str] | None = None) -> date:
        """Return the report date."""
        with open_warehouse(self.folder, zones=zones) as con:
            return Lab(con, database="x", folder=self.folder).as_of(name)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop without orders."""
    made = Shop(tmp_path, monkeypatch)
    with closing(made.db):
        yield made


def test_an_evening_order_counts_on_its_local_day(shop):
    """23:30 in New York is the next day in UTC, and 00:30 in Berlin is the previous one."""
    shop.order("2026-01-16 04:30:00", "2026-01-15 23:30:00")
    shop.pull({"": NEW_YORK})
    assert shop.days() == ["2026-01-15", "2026-01-15"]
    shop.pull({"": BERLIN})
    assert shop.days() == ["2026-01-16", "2026-01-16"]


def test_days_follow_clock_changes(shop):
    """Midnight in New York is 05:00 UTC in winter and 04:00 in summer; days have 23 or 25 hours."""
    shop.order(
        "2026-03-08 04:59:59",  # 23:59:59 EST, the day before the clock goes forward
        "2026-03-08 05:00:00",  # midnight
        "2026-03-09 03:59:59",  # 23:59:59 EDT
        "2026-03-09 04:00:00",
        "2026-11-01 05:30:00",  # 01:30 EDT, and an hour later 01:30 EST
        "2026-11-01 06:30:00",
        "2026-11-02 04:59:59",  # 23:59:59 EST
        "2026-11-02 05:00:00",
    )
    shop.pull({"": NEW_YORK}, at="2026-12-01 12:00")
    assert shop.days() == [
        "2026-03-07", "2026-03-08", "2026-03-08", "2026-03-09",
        "2026-11-01", "2026-11-01", "2026-11-01", "2026-11-02",
    ]  # fmt: skip


def test_two_shops_of_one_database_have_zones_of_their_own(shop):
    """A shop without its own zone has the default zone, or UTC."""
    for name in ("east", "west", "other"):
        shop.order("2026-01-15 11:30:00", shop=name)
    shop.pull({"east": AUCKLAND, "west": "Pacific/Honolulu"})
    assert shop.days() == ["2026-01-16", "2026-01-15", "2026-01-15"]
    shop.pull({"": AUCKLAND, "west": "Pacific/Honolulu"})
    assert shop.days() == ["2026-01-16", "2026-01-15", "2026-01-16"]


def test_weeks_are_of_local_days(shop):
    """In New York, Sunday 23:30 belongs to the ending ISO week and Monday 00:30 to the next."""
    shop.order("2026-01-05 04:30:00", "2026-01-05 05:30:00")
    shop.pull({"": NEW_YORK})
    sql = "SELECT date_trunc('week', day)::DATE, date_trunc('month', day)::DATE FROM order_lines"
    weeks = shop.ask(f"{sql} ORDER BY event_id")
    assert [str(week) for week, _ in weeks] == ["2025-12-29", "2026-01-05"]


def test_a_connection_has_the_days_of_its_own_settings(shop):
    """Two labs keep their own zones on one warehouse; the next pull uses the settings."""
    shop.order("2026-01-16 04:30:00")
    shop.pull({"": NEW_YORK})
    with (
        open_warehouse(shop.folder, zones={"": NEW_YORK}) as one,
        open_warehouse(shop.folder, zones={"": BERLIN}) as two,
        open_warehouse(shop.folder, zones={}) as none,
    ):
        days = [con.sql("SELECT day::VARCHAR FROM order_lines").fetchall() for con in (one, two)]
        assert days == [[("2026-01-15",)], [("2026-01-16",)]]
        labs = [Lab(con, database="x", folder=shop.folder) for con in (one, two, none)]
        assert [lab.timezone("a") for lab in labs] == [NEW_YORK, BERLIN, None]
        assert [str(lab.as_of("a")) for lab in labs] == ["2026-01-15", "2026-01-16", "2026-01-16"]


def test_a_new_zone_makes_the_next_pull_keep_its_days(shop):
    """The pull runs although D1 has not changed; without a new zone it has nothing to do."""
    shop.order("2026-01-16 04:30:00")
    assert not shop.pull({}).skipped
    assert shop.pull({}).skipped
    changed = shop.pull({"": NEW_YORK})
    assert (changed.skipped, changed.rows_pulled) == (False, 0)
    assert shop.ask("SELECT _day::VARCHAR FROM raw.order_events") == [("2026-01-15",)]
    assert shop.pull({"": NEW_YORK}).skipped
    assert shop.pull().skipped  # no settings: those of the warehouse


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, AUCKLAND, "Asia/Kolkata", "Europe/Lisbon"])
def test_days_are_those_of_python(zone):
    """DuckDB and zoneinfo agree on the day of every hour, including clock changes."""
    moments = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=3 * n) for n in range(2_920)]
    with scratch() as con:
        prepare_days(con, {"": zone})
        naive = [moment.replace(tzinfo=None) for moment in moments]
        rows = con.execute("SELECT local_day('a', unnest(?::TIMESTAMP[]))", [naive]).fetchall()
        [(start, end)] = con.execute(
            "SELECT day_start('a', DATE '2025-03-31'), day_start('a', DATE '2025-11-03')"
        ).fetchall()
    assert [day for (day,) in rows] == [m.astimezone(ZoneInfo(zone)).date() for m in moments]
    for moment, day in ((start, date(2025, 3, 31)), (end, date(2025, 11, 3))):
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        assert moment == midnight.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("zone", "at", "expected"),
    [
        (None, "2026-06-01 12:00", "2026-05-31"),
        (NEW_YORK, "2026-06-01 03:00", "2026-05-30"),  # May 31, 23:00: that day is not over
        (NEW_YORK, "2026-06-01 04:00", "2026-05-31"),
        (AUCKLAND, "2026-05-31 11:59", "2026-05-30"),
        (AUCKLAND, "2026-05-31 12:00", "2026-05-31"),  # midnight there
    ],
)
def test_the_latest_day_is_over_by_the_shops_clock(shop, zone, at, expected):
    """Ahead of UTC or behind it, no report covers part of a day."""
    now = datetime.fromisoformat(at)
    shop.order(*(f"{now - timedelta(hours=6 * n):%Y-%m-%d %H:%M:%S}" for n in range(12)))
    zones = {"": zone} if zone else {}
    shop.pull(zones, at=at)
    assert str(shop.as_of(zones=zones)) == expected


def test_a_day_that_ends_is_complete_though_nothing_was_sold_since(shop):
    """The pull on the next day completes the previous one, although D1 has not changed."""
    shop.order("2026-05-30 12:00:00", "2026-05-31 12:00:00")
    shop.pull({}, at="2026-05-31 15:00")
    assert str(shop.as_of()) == "2026-05-30"
    assert shop.pull({}, at="2026-05-31 23:00").skipped
    assert not shop.pull({}, at="2026-06-01 00:10").skipped
    assert str(shop.as_of()) == "2026-05-31"
    assert shop.pull({}, at="2026-06-02 00:10").skipped


def test_a_shop_of_one_day_has_that_day(shop):
    """The first and the last day are the same."""
    shop.order("2026-05-31 12:00:00")
    shop.pull({}, at="2026-05-31 15:00")
    assert str(shop.as_of()) == "2026-05-31"


def test_future_days_are_set_aside_and_listed(shop):
    """An order dated 2099 changes no report; it stays in quarantine with a reason until its day."""
    shop.order("2026-05-20 10:00:00", "2099-01-01 00:00:00", "2026-06-04 10:00:00")
    result = shop.pull({})
    assert (result.to_come, shop.days()) == (2, ["2026-05-20"])
    listed = shop.ask(
        "SELECT table_name, column_name, key, value, reason FROM d1lab.quarantine ORDER BY value"
    )
    assert listed[1] == (
        "order_events", "occurred_at", '{"shop":"a","event_id":"e02"}', "2099-01-01 00:00:00",
        "is in the future",
    )  # fmt: skip
    assert str(shop.as_of()) == "2026-05-20"
    later = shop.pull({}, at="2026-06-05 12:00")
    assert (later.to_come, shop.days()) == (1, ["2026-05-20", "2026-06-04"])
    assert str(shop.as_of()) == "2026-06-04"


def test_a_fast_clock_is_tolerated(shop):
    """A time up to a day ahead is accepted, because a clock can be fast and a zone ahead of UTC."""
    shop.order("2026-06-02 11:00:00", "2026-06-02 13:00:00")
    assert shop.pull({"": AUCKLAND}).to_come == 1
    assert shop.days() == ["2026-06-02"]


def test_rows_that_were_not_pulled_have_days_too(tmp_path):
    """A table without stored days gets them, and a missing one is computed."""
    with next_warehouse(tmp_path) as con:
        con.execute("CREATE TABLE raw.order_events (shop VARCHAR, occurred_at TIMESTAMP)")
        con.execute("INSERT INTO raw.order_events VALUES ('a', '2026-01-16 04:30')")
        prepare_days(con, {"": NEW_YORK})
        con.execute("INSERT INTO raw.order_events BY NAME (SELECT 'b' AS shop, "
                    "TIMESTAMP '2026-01-17 04:30' AS occurred_at)")  # fmt: skip
        lines = con.sql("SELECT kept_day(_day, shop, occurred_at)::VARCHAR FROM raw.order_events")
        assert lines.fetchall() == [("2026-01-15",), ("2026-01-16",)]


def test_a_warehouse_without_shop_days_is_of_another_version(tmp_path):
    """Its views do not have such days, so a pull rebuilds it."""
    with next_warehouse(tmp_path) as con:
        create_views(con, tmp_path)
        con.execute("DROP MACRO main.kept_day")
    with pytest.raises(StaleDataError, match="another version"):
        open_warehouse(tmp_path)
