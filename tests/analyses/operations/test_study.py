"""Forecasts, costs, and thresholds from the usage of each day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from d1lab.analyses.operations.study import (
    Plan,
    ShopShare,
    UsageStudy,
    largest_share,
    study,
)
from d1lab.d1.limits import PLANS
from d1lab.d1.usage_days import DayUsage

FIRST = date(2026, 11, 1)


def days(count: int, read: int, written: int, size: int = 1_000_000, growth: int = 0):
    """Days of equal usage from November 1 on, growing by `growth` bytes a day."""
    return [
        DayUsage(FIRST + timedelta(days=n), read, written, size + growth * n) for n in range(count)
    ]


def found(
    used: list[DayUsage], plan: Plan = "free", largest: ShopShare | None = None, ahead: int = 1
) -> UsageStudy:
    """The study on the day after the last one."""
    today = used[-1].day + timedelta(days=ahead)
    return study(used, plan, PLANS, today=today, horizon_days=365, largest=largest)


def test_the_size_is_forecast_over_days_without_a_command():
    """A database that d1lab visits every second day grows by 10 MB a day to 500 MB."""
    used = [
        each if n % 2 == 0 else each._replace(bytes=None)
        for n, each in enumerate(days(31, 1, 1, 100_000_000, 10_000_000))
    ]
    size = found(used).forecasts[-1]
    assert (size.what, size.day) == ("size", FIRST + timedelta(days=40))
    assert not size.is_reached
    assert size.per_day == pytest.approx(10_000_000)


def test_a_limit_that_is_reached_says_so():
    """The forecast's day is the next one, but the limit was met before."""
    read, written, _ = found(days(20, 100, 100_000)).forecasts
    assert (read.is_reached, written.is_reached) == (False, True)


@pytest.mark.parametrize(
    ("count", "ahead", "expected"),
    [
        (30, 1, 30),  # the whole of November, seen from December 1
        (20, 1, 30),  # and from November 21: twenty days, and ten like them
        (20, 0, 30),  # on November 20, which is not over and has its mean already
    ],
)
def test_a_month_is_projected_day_by_day(count: int, ahead: int, expected: int):
    """Each day writes 4 million rows; 50 million are included."""
    paid = found(days(count, 1_000, 4_000_000), "paid", ahead=ahead).costs[1]
    assert paid.projected == pytest.approx(5 + 4 * expected - 50)
    assert paid.so_far == pytest.approx(5 + max(4 * count - 50, 0))


def test_stored_bytes_beyond_five_gigabytes_cost():
    """$0.75 for each GB of a month."""
    assert found(days(3, 1, 1, 8_000_000_000), "paid").costs[1].so_far == pytest.approx(
        5 + 3 * 0.75
    )


def test_the_paid_plan_needs_no_upgrade():
    """The same rows are due on the free plan only; both give the number."""
    used = days(20, 100, 90_000)
    for plan, is_due in (("free", True), ("paid", False)):
        upgrade = found(used, plan).thresholds[0]  # type: ignore[arg-type]
        assert (upgrade.what, upgrade.value, upgrade.is_due) == ("upgrade", 0.9, is_due)


@pytest.mark.parametrize(
    ("plan", "size", "share", "is_due"),
    [
        ("paid", 8_000_000_000, 0.6, True),
        ("paid", 8_000_000_000, 0.4, False),
        ("paid", 1_000_000_000, 0.7, False),  # one database has room for both
        ("free", 450_000_000, 0.6, True),
    ],
)
def test_a_large_shop_moves_out_of_a_large_database_only(
    plan: Plan, size: int, share: float, is_due: bool
):
    """Splitting a small one would help nothing."""
    largest = largest_share([("a", round(100 * share)), ("b", 30), ("c", round(70 - 100 * share))])
    assert largest is not None
    split = found(days(3, 1, 1, size), plan, largest).thresholds[-1]
    assert (split.what, split.is_due) == ("one database per shop", is_due)


def test_a_database_without_events_has_no_largest_shop():
    """Nor has one with a single shop a threshold of it."""
    assert largest_share([]) is None
    only = ShopShare("a", 1.0, 1)
    whats = [each.what for each in found(days(3, 1, 1), "paid", only).thresholds]
    assert whats == ["upgrade", "archive"]
