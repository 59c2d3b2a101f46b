"""Cloudflare's usage by day, over loopback, in the form that its documentation has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from d1lab.d1.analytics import (
    QueryUsage,
    busiest_queries,
    keep_usage,
    keep_usage_daily,
    usage_by_day,
)
from d1lab.d1.usage_days import DayUsage, keep_days, kept_days
from d1lab.errors import D1AuthError, D1Error, InputError
from tests.support.graphql_api import answer, serving

URL = "d1://0123456789abcdef0123456789abcdef/f1e2d3c4-1111-2222-3333-444455556666"
TOKEN = SecretStr("secret")
UNTIL = date(2026, 11, 27)


@pytest.fixture
def serve() -> Iterator[Callable[[int, Any], tuple[str, list[Any]]]]:
    """Start servers, each for one answer."""
    with ExitStack() as running:
        yield lambda status, body: running.enter_context(serving(status, body))


def test_days_come_with_rows_and_size(serve):
    """31 days of one database; a day without a size has none."""
    days = [("2026-11-26", 100, 5), ("2026-11-27", 7, 0)]
    address, asked = serve(200, answer(days, [("2026-11-26", 4096)]))
    assert usage_by_day(URL, TOKEN, UNTIL, address=address) == [
        DayUsage(date(2026, 11, 26), 100, 5, 4096),
        DayUsage(date(2026, 11, 27), 7, 0, None),
    ]
    [(authorization, body)] = asked
    assert authorization == "Bearer secret"
    assert body["variables"] == {
        "accountTag": "0123456789abcdef0123456789abcdef",
        "databaseId": "f1e2d3c4-1111-2222-3333-444455556666",
        "start": "2026-10-28",
        "end": "2026-11-27",
    }
    assert "d1AnalyticsAdaptiveGroups" in body["query"]
    assert "d1StorageAdaptiveGroups" in body["query"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"errors": [{"message": "no"}]}, D1AuthError),
        (200, {"data": None, "errors": [{"extensions": {"code": "authz"}}]}, D1AuthError),
        (200, {"data": {"viewer": {}}, "errors": None}, D1Error),
        (500, {}, D1Error),
    ],
)
def test_a_refusal_names_what_is_missing(serve, status: int, body: Any, error: type[Exception]):
    """A token without the permission, or an answer of another form; never the token itself."""
    address, _ = serve(status, body)
    with pytest.raises(error) as caught:
        usage_by_day(URL, TOKEN, UNTIL, address=address)
    assert "secret" not in str(caught.value)


def test_a_database_by_name_is_refused():
    """The API filters by ID."""
    with pytest.raises(InputError, match="database's ID"):
        usage_by_day("d1://abc/shop", TOKEN, UNTIL)


def test_the_busiest_statements_come_with_their_rows(serve):
    """As `wrangler d1 insights` asks: of one database, of the last week."""
    told = {
        "sum": {"rowsRead": 900, "rowsWritten": 0},
        "count": 9,
        "dimensions": {"query": "SELECT 1"},
    }
    account = {"d1QueriesAdaptiveGroups": [told]}
    address, asked = serve(200, {"data": {"viewer": {"accounts": [account]}}, "errors": None})
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert busiest_queries(URL, TOKEN, now, address=address) == [QueryUsage("SELECT 1", 9, 900, 0)]
    assert asked[0][1]["variables"]["filter"] == {
        "AND": [
            {
                "datetimeHour_geq": "2026-11-20T12:00:00Z",
                "datetimeHour_leq": "2026-11-27T12:00:00Z",
                "databaseId": "f1e2d3c4-1111-2222-3333-444455556666",
            }
        ]
    }


def test_a_quiet_day_keeps_its_size(serve):
    """Cloudflare has no rows for a day on which nothing was read."""
    address, _ = serve(200, answer([], [("2026-11-26", 4096)]))
    found = usage_by_day(URL, TOKEN, UNTIL, address=address)
    assert found == [DayUsage(date(2026, 11, 26), 0, 0, 4096)]


def test_days_are_kept_once_a_day_and_a_refusal_is_a_reason(serve, tmp_path):
    """A run asks on each day; older days than Cloudflare has stay."""
    keep_days(tmp_path, "cloudflare", [DayUsage(date(2026, 9, 1), 1, 2, 3)])
    address, asked = serve(200, answer([("2026-11-27", 7, 0)], []))
    for _ in range(2):
        keep_usage_daily(URL, tmp_path, TOKEN, UNTIL, address)
    assert len(asked) == 1
    assert [each.day for each in kept_days(tmp_path, "cloudflare")] == [date(2026, 9, 1), UNTIL]
    refused, _ = serve(403, {"errors": [{"message": "no"}]})
    assert "Account Analytics:Read" in keep_usage(URL, tmp_path, TOKEN, UNTIL, refused)
    assert "local database" in keep_usage("sqlite:d1.sqlite", tmp_path, TOKEN, UNTIL)
    assert "local database" in keep_usage(URL, tmp_path, None, UNTIL)
