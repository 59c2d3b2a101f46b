"""A short soak test, and the days of the long one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from validation.soak.course import PHASES, Course, Phase

EARLY = ("recommendations",)  # what it found weeks before is data of the last Monday


@pytest.fixture
def course(tmp_path) -> Callable[[int], Course]:
    """`course(5)`: the smallest shop from Sunday, 2017-12-31, over five Mondays."""
    return lambda mondays: Course(tmp_path, Phase("short", mondays, mondays=True), ["kiosk"])


def test_a_monday_of_the_smallest_shop(course):
    """Customers keep their labels from week to week as a fresh installation would give them."""
    played = course(1)
    rows = list(played.play(early=("customers",), last=("customers",)))
    assert [fault for row in rows for fault in row.faults] == []
    assert [(row.ran, row.compared) for row in rows] == [(1, 0), (1, 1)]
    assert played.rows == rows
    assert list(course(1).play()) == []  # resumed: nothing is left to do


@pytest.mark.long
def test_five_mondays_of_the_smallest_shop(course):
    """Nothing fails, and on the last Monday, every result equals that of a fresh installation.

    The last Monday scores the recommendations of the first day.
    """
    played = course(5)
    rows = list(played.play(early=EARLY))
    assert [fault for row in rows for fault in row.faults] == []
    assert [row.ran for row in rows] == [1, 0, 0, 1, 0, 8]
    assert [row.compared for row in rows] == [0, 0, 0, 0, 0, 8]
    assert rows[-1].scored > 0
    assert "past recommendations scored" in _track_record(played)
    assert played.rows == rows
    assert list(played.play()) == []  # resumed: nothing is left to do


def _track_record(course) -> str:
    """What the page of the last Monday says of earlier recommendations."""
    reports = course.settings.reports_dir / "demo" / "kiosk" / "recommendations"
    return (reports / "latest.html").read_text()


def test_course_goes_through_a_year_of_mondays_and_sixty_days():
    """The first step is the last day of the demo; then 52 Mondays, or 60 consecutive days."""
    mondays, days = (_days(phase) for phase in PHASES)
    assert len(mondays) == 53
    assert {day.weekday() for day in mondays[1:]} == {0}
    assert (mondays[-1] - mondays[1]).days == 51 * 7
    assert [day - days[0] for day in days] == [timedelta(n) for n in range(61)]


@dataclass
class _Begun:
    phase: Phase
    start: date = date(2018, 1, 1)


def _days(phase):
    return Course.days(_Begun(phase))
