"""Usage of a D1 database by day, from Cloudflare's GraphQL Analytics API.

Source: developers.cloudflare.com/d1/observability/metrics-analytics, read 2026-11-27: data of the
last 31 days; `d1AnalyticsAdaptiveGroups` has rows read and written, `d1StorageAdaptiveGroups` the
size. The token needs the permission Account Analytics:Read.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, NamedTuple, cast

import httpx2
from pydantic import SecretStr

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


class DayUsage(NamedTuple):
    """What a database used on one day, UTC."""

    day: date
    rows_read: int
    rows_written: int
    bytes: int | None  # the largest size of the day; None if unknown


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
    match = re.fullmatch(r"d1://([0-9A-Za-z]+)/([0-9a-f-]{36})", url)
    if match is None:
        raise InputError("Cloudflare's usage needs the database's ID in its URL, not its name")
    start = until - timedelta(days=KEPT_DAYS - 1)
    variables = {"accountTag": match[1], "databaseId": match[2]}
    variables |= {"start": start.isoformat(), "end": until.isoformat()}
    told = _asked(address, token, {"query": _QUERY, "variables": variables})
    try:
        (account,) = told["data"]["viewer"]["accounts"]
        sizes = {
            each["dimensions"]["date"]: int(each["max"]["databaseSizeBytes"])
            for each in account["d1StorageAdaptiveGroups"]
        }
        return [
            DayUsage(
                date.fromisoformat(each["dimensions"]["date"]),
                int(each["sum"]["rowsRead"]),
                int(each["sum"]["rowsWritten"]),
                sizes.get(each["dimensions"]["date"]),
            )
            for each in account["d1AnalyticsAdaptiveGroups"]
        ]
    except (KeyError, TypeError, ValueError):
        raise D1Error("Cloudflare's usage is not in its documented form") from None


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
