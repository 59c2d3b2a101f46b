"""Count product views and carts by SKU and day, each event once, without a row of its own.

The SQL of the events Worker (worker/events/writes.js), for events that come another way: the IDs of
each minute are kept for 16 days, so that a second delivery is recognized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from d1lab.catalog import SKU_DAYS
from d1lab.d1.database import Database, Statement
from d1lab.d1.encoding import to_json
from d1lab.errors import InputError

KINDS = ("view", "cart")
OLDEST_DAYS = 15

_TOLERANCE = timedelta(days=1)
_MOST = 2_500  # events in one statement
_LONGEST = 1_000  # characters of a text

_SINCE = (
    "(SELECT o.seconds FROM d1lab_offsets AS o WHERE o.shop = {} AND o.starts_at <= at"
    " ORDER BY o.starts_at DESC LIMIT 1)"
)
_DAY = (
    f"date(at, coalesce({_SINCE.format('fresh.shop')}, {_SINCE.format(repr(''))}, 0) || ' seconds')"
)
_GIVEN = """
WITH given AS (
    SELECT DISTINCT value ->> 0 AS shop, value ->> 1 AS event_id, value ->> 2 AS type,
        value ->> 3 AS sku, value ->> 4 AS at, substr(value ->> 4, 1, 16) AS minute
    FROM json_each(?1)
),
minutes AS (SELECT DISTINCT shop, minute FROM given),
known AS MATERIALIZED (
    SELECT m.shop, m.minute, ids.value AS event_id
    FROM minutes JOIN d1lab_counted_minutes AS m USING (shop, minute), json_each(m.event_ids) AS ids
),
fresh AS MATERIALIZED (
    SELECT shop, event_id, max(type) AS type, max(sku) AS sku, max(at) AS at, minute FROM given
    WHERE (shop, minute, event_id) NOT IN (SELECT shop, minute, event_id FROM known)
    GROUP BY shop, minute, event_id
)
"""
_COUNT = f"""{_GIVEN}
INSERT INTO d1lab_sku_days (shop, sku, date, views, carts)
SELECT shop, sku, {_DAY}, sum(type = 'view'), sum(type = 'cart')
FROM fresh WHERE true GROUP BY 1, 2, 3
ON CONFLICT (shop, sku, date) DO UPDATE SET
    views = views + excluded.views, carts = carts + excluded.carts
"""  # noqa: S608
_REMEMBER = f"""{_GIVEN}
INSERT INTO d1lab_counted_minutes (shop, minute, event_ids)
SELECT shop, minute, json_group_array(event_id) FROM (
    SELECT shop, minute, event_id FROM fresh
    UNION ALL
    SELECT known.shop, known.minute, known.event_id FROM known
    JOIN (SELECT DISTINCT shop, minute FROM fresh) USING (shop, minute)
) WHERE true GROUP BY shop, minute
ON CONFLICT (shop, minute) DO UPDATE SET event_ids = excluded.event_ids
"""  # noqa: S608


def is_view(event: object) -> bool:
    """Whether an event is a view or a cart."""
    return isinstance(event, Mapping) and event.get("type") in KINDS  # pyright: ignore[reportUnknownMemberType]


def count_views(db: Database, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Count views and carts that were not counted yet.

    Args:
        db: A database with the events Worker's tables.
        events: Each with `shop`, `sku`, `event_id`, `type`, and `occurred_at`.

    Returns:
        For each event the reason why it was rejected; empty if it was not.
    """
    now = datetime.now(UTC)
    checked = [_checked(event, now) for event in events]
    rows = [row for row in checked if not isinstance(row, str)]
    for start in range(0, len(rows), _MOST):
        text = to_json(rows[start : start + _MOST])
        statements = [Statement(_COUNT, (text,)), Statement(_REMEMBER, (text,))]
        db.batch(statements, table=SKU_DAYS, idempotent=True)
    return [row if isinstance(row, str) else "" for row in checked]


def _checked(event: Mapping[str, Any], now: datetime) -> list[str] | str:
    """Return an event's values as D1 stores them, or why it is invalid."""
    names = ("shop", "event_id", "type", "sku")
    texts = [str(event.get(name) or "").strip() for name in names]
    if missing := [name for name, text in zip(names, texts, strict=True) if not text]:
        return "; ".join(f"{name} is missing" for name in missing)
    if any(len(text) > _LONGEST or "\x00" in text for text in texts):
        return "a text is longer than 1,000 characters, or contains a NUL character"
    try:
        at = _moment(str(event.get("occurred_at") or ""))
    except (ValueError, InputError):
        return f"occurred_at {str(event.get('occurred_at'))[:40]!r} is not an ISO 8601 time"
    if not now - timedelta(days=OLDEST_DAYS) <= at <= now + _TOLERANCE:
        return f"occurred_at is in the future, or more than {OLDEST_DAYS} days ago"
    return [*texts, f"{at:%Y-%m-%d %H:%M:%S}"]


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
