"""Propose the time zone of a shop from the hours of its orders, which are few at night."""

from __future__ import annotations

from typing import NamedTuple

import duckdb

LEAST_ORDERS = 500
"""The minimum number of orders to detect a night."""

NIGHT_SHARE = 0.1
"""The maximum share of orders in the six quietest hours; without a night it would be 25%."""

_NIGHT_HOURS = 6
_NIGHT_MIDDLE = 4  # local hour in the middle of the quietest six
_PLACES = {
    -10: "Pacific/Honolulu",
    -8: "America/Los_Angeles",
    -7: "America/Denver",
    -6: "America/Chicago",
    -5: "America/New_York",
    -3: "America/Sao_Paulo",
    0: "Europe/London",
    1: "Europe/Berlin",
    2: "Europe/Helsinki",
    3: "Europe/Istanbul",
    4: "Asia/Dubai",
    5: "Asia/Karachi",
    6: "Asia/Dhaka",
    7: "Asia/Bangkok",
    8: "Asia/Singapore",
    9: "Asia/Tokyo",
    10: "Australia/Sydney",
    12: "Pacific/Auckland",
}

_HOURS = """
SELECT shop, hour(occurred_at), count(DISTINCT order_id)
FROM d1lab.order_lines
WHERE type = 'order' AND occurred_at IS NOT NULL AND zone_of(shop) IS NULL
GROUP BY ALL
"""


class ZoneProposal(NamedTuple):
    """A time zone that the hours of a shop's orders suggest.

    Attributes:
        shop: The shop, which has no time zone set.
        timezone: The IANA name of a large place near that offset from UTC.
        quiet_from: The first of the six quietest hours, UTC.
        quiet_until: The hour after the last.
        share: The share of the orders in them.
    """

    shop: str
    timezone: str
    quiet_from: int
    quiet_until: int
    share: float


def proposed_zones(con: duckdb.DuckDBPyConnection) -> list[ZoneProposal]:
    """Return a proposal per shop without a time zone whose orders show a night outside UTC's.

    Args:
        con: The warehouse, opened with the zones of the settings.
    """
    hours: dict[str, list[int]] = {}
    if not con.execute("SELECT 1 FROM duckdb_views() WHERE view_name = 'order_lines'").fetchall():
        return []  # only some tables were pulled
    for shop, hour, orders in con.execute(_HOURS).fetchall():
        hours.setdefault(shop, [0] * 24)[hour] = orders
    found = (proposed_zone(shop, orders) for shop, orders in sorted(hours.items()))
    return [proposal for proposal in found if proposal]


def proposed_zone(shop: str, orders: list[int]) -> ZoneProposal | None:
    """Return the proposal for one shop; None if there is no clear night, or it is UTC's.

    Args:
        shop: The shop.
        orders: Its orders by hour of the day in UTC, 24 counts.
    """
    total = sum(orders)
    nights = [sum(orders[(start + n) % 24] for n in range(_NIGHT_HOURS)) for start in range(24)]
    fewest = min(nights)
    if total < LEAST_ORDERS or fewest > NIGHT_SHARE * total:
        return None
    start = nights.index(fewest)
    behind = (start + _NIGHT_HOURS // 2 - _NIGHT_MIDDLE) % 24
    offset = 24 - behind if behind > 12 else -behind
    near = min(_PLACES, key=lambda place: (abs(place - offset), place))
    if near == 0:
        return None
    until = (start + _NIGHT_HOURS) % 24
    return ZoneProposal(shop, _PLACES[near], start, until, fewest / total)
