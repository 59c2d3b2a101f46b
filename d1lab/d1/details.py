"""What Cloudflare's API tells about a database besides its rows.

Source: developers.cloudflare.com/api/resources/d1/subresources/database/methods/get, read
2026-11-28. An answer can lack each part; an unknown value is shown as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from d1lab.d1.envelope import MisshapenError, object_of


class DatabaseDetails(NamedTuple):
    """A database as the API describes it; None for what the answer does not have."""

    created_at: datetime | None
    jurisdiction: str | None  # 'eu', 'fedramp', or 'us'; '' for none
    replication: str | None  # 'auto' or 'disabled'
    region: str | None  # of the primary


def details(found: Any) -> DatabaseDetails:
    """Read the answer about one database."""
    told = object_of(found)
    mode = object_of(told.get("read_replication") or {}).get("mode")
    jurisdiction = (told["jurisdiction"] or "") if "jurisdiction" in told else None
    region = told.get("running_in_region")
    for text in (mode, jurisdiction, region):
        if text is not None and not isinstance(text, str):
            raise MisshapenError("a property of the database is not a text")
    return DatabaseDetails(_moment(told.get("created_at")), jurisdiction, mode, region)


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise MisshapenError("'created_at' is not a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
