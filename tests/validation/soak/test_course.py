"""A short soak test, and the days of the long one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from validation.soak.course import PHASES, Course, Phase

SHORT = Phase("short", 5, mondays=True)  # from Sunday, 2017-12-31
EARLY = ("recommendations",)  # what it found weeks before is data of the last Monday


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """The smallest shop over five Mondays."""
    return Course(tmp_path_factory.mktemp("soak"), SHORT, ["kiosk"])


def test_five_mondays_of_the_smallest_shop(course):
    """Nothing fails, and on the last Monday, every result equals that of a fresh installation.

    The last Monday scores the recommendations of the first day.
    """
    rows = list(course.play(early=EARLY))
    assert [fault for row in rows for fault in row.faults] == []
    assert [row.ran for row in rows] == [1, 0, 0, 1, 0, 8]
    assert [row.compared for row in rows] == [0, 0, 0, 0, 0, 8]
    assert rows[-1].scored > 0
    assert "past recommendations scored" in _track_record(course)
    assert course.rows == rows
    assert list(course.play()) == []  # resumed: nothing is left to do


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
