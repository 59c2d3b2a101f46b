"""Usage of a D1 database by day, from Cloudflare's GraphQL Analytics API.

Source: developers.cloudflare.com/d1/observability/metrics-analytics, read 2026-11-27: data of the
last 31 days; `d1AnalyticsAdaptiveGroups` has rows read and written, `d1StorageAdaptiveGroups` the
size. The token needs the permission Account Analytics:Read.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx2
from pydantic import SecretStr

from d1lab.d1.usage_days import DayUsage, keep_days, kept_days
from d1lab.errors import D1AuthError, D1Error, D1UnavailableError, InputError

GRAPHQL = "https://api.cloudflare.com/client/v4/graphql"
KEPT_DAYS = 31
"""How far back Cloudflare's data goes."""

_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_QUERY = """
query Usage($accountTag: string!, $databaseId: string!, $start: Date!, $end: Date!) {
  viewer {
    accounts(filter: {accountTag: $accountTag}) {
      d1AnalyticsAdaptiveGroups(
        limit: 10000
        filter: {date_geq: $start, date_leq: $end, databaseId: $databaseId}
        orderBy: [date_ASC]
      ) {
        sum { rowsRead rowsWritten }
        dimensions { date }
      }
      d1StorageAdaptiveGroups(
        limit: 10000
        filter: {date_geq: $start, date_leq: $end, databaseId: $databaseId}
        orderBy: [date_ASC]
      ) {
        max { databaseSizeBytes }
        dimensions { date }
      }
    }
  }
}
"""


_INSIGHTS = """
query Insights($accountTag: string!, $filter: ZoneWorkersRequestsFilter_InputObject) {
  viewer {
    accounts(filter: {accountTag: $accountTag}) {
      d1QueriesAdaptiveGroups(limit: 50, filter: $filter, orderBy: [sum_rowsRead_DESC]) {
        sum { rowsRead rowsWritten }
        count
        dimensions { query }
      }
    }
  }
}
"""
INSIGHT_DAYS = 7
"""The days whose statements are asked for."""


class QueryUsage(NamedTuple):
    """What one statement of any app used in the last `INSIGHT_DAYS` days."""

    sql: str
    runs: int
    rows_read: int
    rows_written: int


def usage_by_day(
    url: str, token: SecretStr, until: date, *, address: str = GRAPHQL
) -> list[DayUsage]:
    """Read the usage of a database's last 31 days.

    Args:
        url: d1://ACCOUNT_ID/DATABASE_ID.
        token: With the permission Account Analytics:Read.
        until: The last day.
        address: Where the API is.

    Raises:
        InputError: The URL names the database instead of its ID.
        D1AuthError: The token does not have the permission.
        D1UnavailableError: The API cannot be reached.
        D1Error: The answer is an error, or not in the documented form.
    """
    account, database = _ids(url)
    start = until - timedelta(days=KEPT_DAYS - 1)
    variables = {"accountTag": account, "databaseId": database}
    variables |= {"start": start.isoformat(), "end": until.isoformat()}
    told = _asked(address, token, {"query": _QUERY, "variables": variables})
    try:
        (found,) = told["data"]["viewer"]["accounts"]
        sizes = {
            each["dimensions"]["date"]: int(each["max"]["databaseSizeBytes"])
            for each in found["d1StorageAdaptiveGroups"]
        }
        rows = {
            each["dimensions"]["date"]: (
                int(each["sum"]["rowsRead"]),
                int(each["sum"]["rowsWritten"]),
            )
            for each in found["d1AnalyticsAdaptiveGroups"]
        }
        return [
            DayUsage(date.fromisoformat(day), *rows.get(day, (0, 0)), sizes.get(day))
            for day in sorted(sizes.keys() | rows.keys())
        ]
    except (KeyError, TypeError, ValueError):
        raise D1Error("Cloudflare's usage is not in its documented form") from None


def keep_usage(
    url: str, folder: Path, token: SecretStr | None, today: date, address: str | None = None
) -> str:
    """Keep the days that Cloudflare has of a database.

    Returns:
        Why there are none; '' if they were kept.
    """
    if token is None or not url.startswith("d1:"):
        return "a local database has no usage at Cloudflare"
    try:
        found = usage_by_day(url, token, today, address=address or GRAPHQL)
        keep_days(folder, "cloudflare", found)
    except (D1Error, InputError) as error:
        return str(error)
    return ""


def keep_usage_daily(
    url: str, folder: Path, token: SecretStr | None, today: date, address: str | None = None
) -> None:
    """Keep the days that Cloudflare has, unless it was asked today; without them, do nothing."""
    kept = kept_days(folder, "cloudflare")
    if not kept or kept[-1].day < today:
        keep_usage(url, folder, token, today, address)


def busiest_queries(
    url: str, token: SecretStr, now: datetime, *, address: str = GRAPHQL
) -> list[QueryUsage]:
    """Read the statements that read the most rows, at most 50, whoever sent them.

    The query is that of `wrangler d1 insights`.

    Args:
        url: d1://ACCOUNT_ID/DATABASE_ID.
        token: With the permission Account Analytics:Read.
        now: The present, UTC.
        address: Where the API is.

    Raises:
        InputError, D1Error: As `usage_by_day`.
    """
    account, database = _ids(url)
    form = "%Y-%m-%dT%H:%M:%SZ"
    since = (now - timedelta(days=INSIGHT_DAYS)).strftime(form)
    span = {"datetimeHour_geq": since, "datetimeHour_leq": now.strftime(form)}
    variables = {"accountTag": account, "filter": {"AND": [{**span, "databaseId": database}]}}
    told = _asked(address, token, {"query": _INSIGHTS, "variables": variables})
    try:
        (found,) = told["data"]["viewer"]["accounts"]
        return [
            QueryUsage(
                str(each["dimensions"]["query"]),
                int(each["count"]),
                int(each["sum"]["rowsRead"]),
                int(each["sum"]["rowsWritten"]),
            )
            for each in found["d1QueriesAdaptiveGroups"]
        ]
    except (KeyError, TypeError, ValueError):
        raise D1Error("Cloudflare's query insights are not in their documented form") from None


def _ids(url: str) -> tuple[str, str]:
    """Return the account and the database of a URL."""
    match = re.fullmatch(r"d1://([0-9A-Za-z]+)/([0-9a-f-]{36})", url)
    if match is None:
        raise InputError("Cloudflare's usage needs the database's ID in its URL, not its name")
    return match[1], match[2]


def _asked(address: str, token: SecretStr, body: dict[str, Any]) -> Any:
    headers = {"authorization": f"Bearer {token.get_secret_value()}"}
    try:
        answer = httpx2.post(address, json=body, headers=headers, timeout=_TIMEOUT)
        told = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise D1UnavailableError(
            f"Cloudflare's usage cannot be read: {type(error).__name__}. Try again later."
        ) from None
    errors: list[object] = cast("Any", told).get("errors") or [] if isinstance(told, dict) else []
    if answer.status_code in (401, 403) or any("authz" in str(each) for each in errors):
        raise D1AuthError(
            "the token has no permission Account Analytics:Read, which Cloudflare's usage needs"
        )
    if answer.status_code != 200 or errors:
        raise D1Error(f"Cloudflare's usage: HTTP {answer.status_code}", status=answer.status_code)
    return cast("Any", told)
