"""A time zone is proposed from the hours of orders if they show a night."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from d1lab.ops.time_zones import LEAST_ORDERS, proposed_zone

BY_LOCAL_HOUR = [12, 5, 3, 2, 2, 3, 8, 20, 35, 50, 60, 65, 70, 70, 68, 66, 65, 68, 75, 80, 78, 65,
                 45, 25]  # fmt: skip


def in_utc(zone: str, factor: float = 1) -> list[int]:
    """Return the opening hours of a shop in that zone, in UTC, in winter."""
    orders = [0] * 24
    for hour, count in enumerate(BY_LOCAL_HOUR):
        local = datetime(2026, 1, 15, hour, tzinfo=ZoneInfo(zone))
        orders[local.astimezone(UTC).hour] += int(count * factor)
    return orders


@pytest.mark.parametrize(
    "zone",
    ["America/Los_Angeles", "America/Chicago", "America/New_York", "Europe/Berlin", "Asia/Tokyo"],
)
def test_the_night_of_the_orders_gives_the_zone(zone):
    """The six hours with few orders are taken as the night."""
    proposal = proposed_zone("a", in_utc(zone))
    assert (proposal.shop, proposal.timezone) == ("a", zone)
    assert proposal.share < 0.05


def test_nothing_is_proposed_without_a_night():
    """There is no proposal for orders around the clock, too few orders, or a night that matches
    UTC.
    """
    assert proposed_zone("a", [100] * 24) is None
    few = in_utc("America/New_York", 0.4)
    assert sum(few) < LEAST_ORDERS
    assert proposed_zone("a", few) is None
    assert proposed_zone("a", in_utc("UTC")) is None
