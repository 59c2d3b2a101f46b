"""Facts about a database, by what the documented API tells, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from d1lab.analyses.operations.study import Plan
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.usage_days import DayUsage, keep_days
from d1lab.ops.advise_database import NOT_TOLD, Fact, database_facts
from tests.support.d1_api import D1Api, Fault, over_http

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ABOUT = {  # developers.cloudflare.com/api/resources/d1: GET /accounts/{id}/d1/database/{id}
    "uuid": "11111111-2222-3333-4444-555555555555",
    "name": "shop",
    "created_at": "2026-01-02T03:04:05.678Z",
    "version": "production",
    "num_tables": 12,
    "running_in_region": "WEUR",
    "jurisdiction": None,
    "read_replication": {"mode": "disabled"},
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database of one table."""
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as opened:
        opened.execute("CREATE TABLE t (a INTEGER)")
        yield opened


def told(
    db: SqliteDatabase,
    folder: Path,
    *,
    plan: Plan = "paid",
    fault: Fault | None = None,
    **about: Any,
) -> dict[str, Fact]:
    """The facts by name, of the database behind the API."""
    with closing(over_http(D1Api(db, fault, {**ABOUT, **about}))) as http:
        return {fact.what: fact for fact in database_facts(http, folder, plan, NOW)}


def test_the_api_tells_place_replicas_and_time_travel(db: SqliteDatabase, tmp_path: Path):
    """Thirty days back on the paid plan, seven on the free one; asked for, not assumed."""
    asked: list[str] = []

    def listen(_: int, request: httpx2.Request, __: dict[str, Any]) -> None:
        asked.extend(request.url.params.get_list("timestamp"))

    facts = told(db, tmp_path, fault=listen)
    assert facts["jurisdiction"].found == (
        "none: D1 can keep the data anywhere; the primary runs in WEUR"
    )
    assert facts["read replication"].found == "disabled: all reads go to the primary"
    assert facts["Time Travel"].found == "reaches back to 2026-10-28 13:00 UTC (30 days)"
    free = told(db, tmp_path, plan="free", fault=listen)
    assert free["Time Travel"].found == "reaches back to 2026-11-20 13:00 UTC (7 days)"
    assert asked == ["2026-10-28T13:00:00Z", "2026-11-20T13:00:00Z"]


def test_a_young_database_reaches_back_to_its_beginning(db: SqliteDatabase, tmp_path: Path):
    """It has no earlier state."""
    young = told(db, tmp_path, created_at="2026-11-25T11:00:00Z")["Time Travel"]
    assert young.found == "reaches back to 2026-11-25 12:00 UTC (2 days)"
    newest = told(db, tmp_path, created_at="2026-11-27T11:30:00Z")["Time Travel"]
    assert newest.found == "not available: the database is less than an hour old"


def test_a_refused_time_is_no_reach(db: SqliteDatabase, tmp_path: Path):
    """D1 answers with an error for a time that it does not keep."""

    def refuse(_: int, request: httpx2.Request, __: dict[str, Any]) -> httpx2.Response | None:
        if not request.url.path.endswith("/bookmark"):
            return None
        errors = [{"code": 7500, "message": "timestamp is too old"}]
        return httpx2.Response(400, json={"success": False, "errors": errors, "result": None})

    found = told(db, tmp_path, fault=refuse)["Time Travel"].found
    assert found.startswith("not available for 2026-10-28 13:00 UTC: ")
    assert "too old" in found


@pytest.mark.parametrize(
    ("about", "what", "found"),
    [
        ({"jurisdiction": "eu"}, "jurisdiction", "eu; the primary runs in WEUR"),
        ({"jurisdiction": "eu", "running_in_region": None}, "jurisdiction", "eu"),
        ({"read_replication": {"mode": "auto"}}, "read replication", "on, at no extra price"),
        ({"read_replication": None}, "read replication", NOT_TOLD),
    ],
)
def test_each_part_stands_for_itself(
    db: SqliteDatabase, tmp_path: Path, about: dict[str, Any], what: str, found: str
):
    """An answer of another version can lack one."""
    assert told(db, tmp_path, **about)[what].found == found


def test_the_size_comes_with_its_growth_and_the_day_of_the_limit(
    db: SqliteDatabase, tmp_path: Path
):
    """From the meter's days; a database in a file has no facts of the API."""
    days = [
        DayUsage(date(2026, 11, 26) - timedelta(days=ago), 1, 1, 400_000_000 - 2_000_000 * ago)
        for ago in range(20)
    ]
    assert told(db, tmp_path)["size"].found.endswith(
        "growth not available: 0 of 14 days that a forecast needs are known"
    )
    keep_days(tmp_path, "d1lab", days)
    size, *others = database_facts(db, tmp_path, "free", NOW)
    assert size.found == (
        "0.0 MB of the 500 MB that the free plan allows; +2.00 MB a day; the limit is reached on "
        "2027-01-15 (90% interval 2027-01-15 to 2027-01-15)"
    )
    assert size.todo == "upgrade, or d1lab archive"
    assert [each.found for each in others] == [NOT_TOLD] * 3
