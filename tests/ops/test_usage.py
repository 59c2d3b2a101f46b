"""Usage by day from the meter, kept, forecast, and priced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from d1lab.d1.database import Usage
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.usage_log import note
from d1lab.ops.usage import UsageReport, usage
from tests.support.d1_api import D1Api, over_http
from tests.support.graphql_api import answer, serving

TODAY = date(2026, 11, 27)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A small database."""
    opened = SqliteDatabase.create(tmp_path / "d1.sqlite")
    opened.execute("CREATE TABLE t (a INTEGER)")
    yield opened
    opened.close()


def spend(folder: Path, day: date, read: int, written: int) -> None:
    """Bill some rows to a day."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    note(folder, Usage(1, read, written), at, command="pull", tables={"t": Usage(1, read, written)})


def report(db: SqliteDatabase, folder: Path, plan: str = "free") -> UsageReport:
    """The report of today, without a token."""
    return usage(db, folder, token=None, plan=plan, today=TODAY)  # type: ignore[arg-type]


def test_a_growing_database_is_told_the_day_of_its_limit(db: SqliteDatabase, tmp_path: Path):
    """2,000 rows more each day reach 100,000; the paid plan has no such day."""
    for ago in range(30, 0, -1):
        spend(tmp_path, TODAY - timedelta(days=ago), 500_000, 90_000 - 2_000 * ago)
    found = report(db, tmp_path)
    by_what = {each.what: each for each in found.forecasts}
    written = by_what["rows written a day"]
    assert (written.latest_value, written.day) == (88_000, date(2026, 12, 2))
    assert by_what["rows read a day"].day is None
    assert by_what["size"].reason == "0 of 14 days that a forecast needs are known"
    assert (written.per_day, written.is_reached) == (2_000, False)
    assert [each.what for each in report(db, tmp_path, "paid").forecasts] == ["size"]
    upgrade = next(each for each in found.thresholds if each.what == "upgrade")
    assert (upgrade.is_due, upgrade.value) == (True, pytest.approx(0.88))


def test_cloudflares_days_have_what_the_app_uses(db: SqliteDatabase, tmp_path: Path):
    """A token that allows it, on loopback; the meter's rows do not add to them."""
    spend(tmp_path, TODAY, 7, 7)
    days = [TODAY - timedelta(days=ago) for ago in range(20, -1, -1)]
    told = answer(
        [(str(day), 1_000, 90_000 + 100 * n) for n, day in enumerate(days)],
        [(str(day), 300_000_000 + 5_000_000 * n) for n, day in enumerate(days)],
    )
    with serving(200, told) as (address, _), closing(over_http(D1Api(db))) as http:
        found = usage(
            http, tmp_path, token=SecretStr("t"), plan="free", today=TODAY, address=address
        )
    assert (found.source, found.source_note) == ("cloudflare", "")
    assert found.days[-1].rows_written == 92_000
    size = next(each for each in found.forecasts if each.what == "size")
    assert size.day == TODAY + timedelta(days=20)
    assert [each.is_due for each in found.thresholds if each.what == "upgrade"] == [True, False]


def test_days_are_kept_beyond_those_of_the_meter(db: SqliteDatabase, tmp_path: Path):
    """The log drops old months; the days stay, and a day without a line used nothing."""
    spend(tmp_path, TODAY - timedelta(days=3), 10, 1)
    report(db, tmp_path)
    for path in (tmp_path / "usage").glob("*.jsonl"):
        path.unlink()
    days = report(db, tmp_path).days
    assert [(each.day.day, each.rows_read) for each in days] == [
        (24, 10),
        (25, 0),
        (26, 0),
        (27, 0),
    ]
    assert days[-1].bytes == db.size_bytes()


def test_costs_of_the_month_name_the_plan_that_stops(db: SqliteDatabase, tmp_path: Path):
    """Past a daily limit the free plan fails; the paid plan charges beyond what it includes."""
    for ago in range(1, 21):
        spend(tmp_path, TODAY - timedelta(days=ago), 1_000, 4_000_000)
    free, paid = report(db, tmp_path).costs
    assert free.projected is None
    assert free.note == "a daily limit was passed on 20 of the last 20 days"
    assert paid.so_far == pytest.approx(5 + 80 - 50)
    assert paid.projected == pytest.approx(5 + (80 + 4 * 4) - 50)


def test_without_days_there_are_reasons_instead_of_numbers(db: SqliteDatabase, tmp_path: Path):
    """A new project."""
    found = report(db, tmp_path)
    assert found.source_note.startswith("only what d1lab used")
    assert {each.day for each in found.forecasts} == {None}
    assert all(each.reason for each in found.forecasts)
    assert found.costs[1].projected is None
