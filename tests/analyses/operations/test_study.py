"""Forecasts, costs, and thresholds from the usage of each day."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from d1lab.analyses.operations.study import (
    Forecast,
    MonthCost,
    Plan,
    ShopShare,
    UsageStudy,
    largest_share,
    percent,
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


def drawn(first: date, count: int) -> list[DayUsage]:
    """Days of unlike usage, of which some months exceed what the paid plan includes."""
    rng = random.Random(count)
    return [
        DayUsage(first + timedelta(days=n), rng.randrange(2 * 10**9), rng.randrange(4 * 10**6), 7)
        for n in range(count)
    ]


def month_by_hand(used: list[DayUsage], today: date) -> list[float]:
    """Rows read and written in the whole month of the newest day, day by day."""
    known = {each.day: each[1:3] for each in used}
    recent = [rows for day, rows in known.items() if day < today][-28:]
    means = [sum(rows[k] for rows in recent) / len(recent) for k in (0, 1)]
    newest, sums = used[-1].day, [0.0, 0.0]
    every = [newest + timedelta(days=n) for n in range(-31, 32)]
    for day in (day for day in every if (day.year, day.month) == (newest.year, newest.month)):
        for k in (0, 1):
            so_far = known.get(day, (0, 0))[k]
            sums[k] += so_far if day < today else max(so_far, means[k])
    return sums


@pytest.mark.parametrize(
    ("first", "count", "ahead"),
    [
        (FIRST, 1, 1),  # one complete day
        (FIRST, 30, 1),  # the whole of a month
        (FIRST, 30, 0),  # its last day is not over
        (date(2026, 10, 5), 40, 1),  # the mean is of the last 28 days, also of October
        (date(2026, 10, 5), 40, 0),
        (date(2025, 12, 1), 20, 1),  # the next month is in another year
        (date(2025, 11, 10), 380, 1),  # so is last year's November
        (date(2028, 2, 1), 10, 0),  # of 29 days
    ],
)
def test_a_month_of_unlike_days_is_projected(first: date, count: int, ahead: int):
    """Today counts at least as the mean of the last 28 days, the days after it as the mean."""
    used = drawn(first, count)
    newest = used[-1].day
    read, written = month_by_hand(used, newest + timedelta(days=ahead))
    whole = 5 + max(read - 25e9, 0) / 1e6 * 0.001 + max(written - 50e6, 0) / 1e6
    free, paid = found(used, "paid", ahead=ahead).costs
    assert paid.projected == pytest.approx(whole, rel=1e-12)
    done = [each for each in used if each.day >= newest.replace(day=1)]
    read, written = (sum(each[k] for each in done) for k in (1, 2))
    so_far = 5 + max(read - 25e9, 0) / 1e6 * 0.001 + max(written - 50e6, 0) / 1e6
    assert paid.so_far == pytest.approx(so_far, rel=1e-12)
    assert (paid.plan, paid.note) == (
        "paid", "if nothing else in the account uses the included rows",
    )  # fmt: skip
    assert (free.plan, free.so_far) == ("free", 0.0)


def test_the_free_plan_costs_nothing_unless_a_limit_stopped_it():
    """A limit may be met, not passed; of the last 28 days, each day counts once."""
    met = days(40, 5_000_000, 100_000)
    assert found(met).costs[0] == MonthCost("free", 0.0, 0.0, "")
    for place, rows, over in [
        (11, (5_000_001, 1), 0), (12, (5_000_001, 1), 1), (12, (1, 100_001), 1),
        (39, (5_000_001, 100_001), 1),
    ]:  # fmt: skip
        passed = [*met]
        passed[place] = DayUsage(met[place].day, *rows, None)
        note = f"a daily limit was passed on {over} of the last 28 days" if over else ""
        assert found(passed).costs[0] == MonthCost("free", 0.0, None if over else 0.0, note)


def test_without_a_complete_day_there_is_no_projection():
    """The first day is shown so far; without any day, nothing is known."""
    first = found(days(1, 9, 60_000_000), ahead=0)
    assert first.costs[1] == MonthCost("paid", 15.0, None, "no complete day")
    assert first.thresholds[0].found == "the first day used 60000% of the free plan's rows written"
    nothing = study([], "free", PLANS, today=FIRST, horizon_days=9)
    assert [each.latest_value for each in nothing.forecasts] == [None] * 3
    assert {each.reason for each in nothing.forecasts} == {
        "0 of 14 days that a forecast needs are known"
    }
    assert [(each.so_far, each.projected) for each in nothing.costs] == [(0.0, 0.0), (5.0, None)]
    assert nothing.thresholds == ()
    assert nothing.first_limit is None


def test_each_limit_of_a_plan_has_its_forecast():
    """Rows grow by the same number each day, so all bounds are one day; the paid plan has none."""
    used = [
        DayUsage(FIRST + timedelta(days=n), 1_000_000 + 100_000 * n, 10_000 + 1_000 * n, 10**8)
        for n in range(20)
    ]
    day, last = FIRST + timedelta(days=40), FIRST + timedelta(days=90)
    size = Forecast("free", "size", 5 * 10**8, 10**8, None, None, None, "", 0.0)
    assert found(used).forecasts == (
        Forecast("free", "rows read a day", 5 * 10**6, 2_900_000, day, day, day, "", 100_000),
        Forecast("free", "rows written a day", 10**5, 29_000, last, last, last, "", 1_000),
        size,
    )
    paid = found(used, "paid")
    assert paid.forecasts == (size._replace(plan="paid", limit=10**10),)
    assert (paid.first_limit, found(used).first_limit) == (None, found(used).forecasts[0])
    near = study(used, "free", PLANS, today=used[-1].day + timedelta(days=1), horizon_days=71)
    assert [each.day for each in near.forecasts] == [day, last, None]
    near = study(used, "free", PLANS, today=used[-1].day + timedelta(days=1), horizon_days=70)
    assert [each.day for each in near.forecasts] == [day, None, None]
    today = study(used, "free", PLANS, today=used[-1].day, horizon_days=9).forecasts[0]
    assert today.latest_value == 2_800_000  # a day that is not over is no value
    few = found(used[:13]).forecasts[0]
    assert (few.latest_value, few.day) == (2_200_000, None)
    assert few.reason == "13 of 14 days that a forecast needs are known"


def test_the_first_limit_is_the_earliest_that_is_not_reached():
    at = Forecast("free", "size", 100, 99, FIRST, None, None, "")
    later, reached = at._replace(day=FIRST + timedelta(days=1)), at._replace(latest_value=100)
    assert [each.is_reached for each in (at, reached)] == [False, True]
    assert UsageStudy((later, reached, at), (), ()).first_limit is at
    assert UsageStudy((reached, at._replace(day=None)), (), ()).first_limit is None


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
    ("plan", "read", "written", "size", "due"),
    [
        ("free", 1, 70_000, 400_000_000, {"upgrade": [False, False], "archive": [False]}),
        ("free", 1, 70_001, 400_000_001, {"upgrade": [True, True], "archive": [False]}),
        ("free", 3_500_001, 1, 7 * 10**9 + 1, {"upgrade": [True, True], "archive": [True]}),
        ("paid", 1, 99_000, 7 * 10**9, {"upgrade": [False], "archive": [False]}),
        ("paid", 1, 99_000, 7 * 10**9 + 1, {"upgrade": [False], "archive": [True]}),
    ],
)
def test_a_step_is_due_beyond_its_number(
    plan: Plan, read: int, written: int, size: int, due: dict[str, list[bool]]
):
    """70% of a daily limit, 400 MB of the free plan, 7 GB of D1."""
    steps = found(days(3, read, written, size), plan).thresholds
    told: dict[str, list[bool]] = {}
    for each in steps:
        told.setdefault(each.what, []).append(each.is_due)
    assert told == due
    busiest = max(read / 5_000_000, written / 100_000)
    assert (steps[0].value, steps[0].limit) == (pytest.approx(busiest), 0.7)
    sizes = [(each.value, each.limit) for each in steps[1:]]
    assert sizes == [(size, 4e8), (size, 7e9)][plan == "paid" :]


def test_the_busiest_day_is_that_of_31_complete_days():
    """The newest day is not over, and the 32nd before it is too old; the size is the newest."""
    used = [each._replace(bytes=None) for each in days(40, 1, 1_000)]
    for place, written in ((39, 95_000), (7, 90_000), (8, 80_000)):
        used[place] = used[place]._replace(rows_written=written)
    used[3], used[30] = used[3]._replace(bytes=9), used[30]._replace(bytes=5)
    steps = found(used, ahead=0).thresholds
    assert steps[0].found == "the busiest of 31 days used 80% of the free plan's rows written"
    assert [each.value for each in steps] == [0.8, 5, 5]
    most = found(days(2, 4_500_000, 80_000), "paid").thresholds[0].found
    assert most == (
        "on the paid plan already; the busiest of 2 days used 90% of the free plan's rows read"
    )


def test_shares_have_two_digits_if_they_are_small():
    assert [percent(share) for share in (0.0, 0.00894, 0.0994, 0.104, 0.996)] == [
        "0%", "0.89%", "9.9%", "10%", "100%",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "size", "share", "is_due"),
    [
        ("paid", 8_000_000_000, 0.6, True),
        ("paid", 8_000_000_000, 0.4, False),
        ("paid", 8_000_000_000, 0.5, False),
        ("free", 400_000_000, 0.6, False),
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
    assert (split.value, split.limit) == (share, 0.5)
    helps = "400 MB" if plan == "free" else "7,000 MB"
    assert split.found.startswith(f"a makes {share:.0%} of the order events")
    assert split.found.endswith(f"a database of its own helps from {helps} on")


def test_a_database_without_events_has_no_largest_shop():
    """Nor has one with a single shop a threshold of it."""
    assert largest_share([]) is largest_share([("a", 0)]) is None
    assert largest_share([("a", 1), ("b", 3)]) == ("b", 0.75, 2)
    only = ShopShare("a", 1.0, 1)
    whats = [each.what for each in found(days(3, 1, 1), "paid", only).thresholds]
    assert whats == ["upgrade", "archive"]
