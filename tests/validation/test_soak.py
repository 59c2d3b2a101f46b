"""The soak: its short form, the days that it plays, and that its checks find what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from d1lab.demo.build import STORES
from validation.soak.course import PHASES, Course, Phase
from validation.soak.creep import creep
from validation.soak.fresh import differences
from validation.soak.played_shop import YEAR, arrivals_of
from validation.soak.step import StepRow

SHORT = Phase("short", 4, mondays=True)
EARLY = ("recommendations",)  # what it found weeks before is data of the last Monday


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """The smallest shop, four Mondays on."""
    return Course(tmp_path_factory.mktemp("soak"), SHORT, ["kiosk"])


def test_four_mondays_of_the_smallest_shop(course):
    """Nothing fails, and on the last Monday every result is that of a fresh installation.

    On the Mondays before, recommendations are made, which the last one scores.
    """
    rows = list(course.play(early=EARLY))
    assert [fault for row in rows for fault in row.faults] == []
    assert [row.ran for row in rows] == [1, 1, 1, 1, 7]
    assert [row.compared for row in rows] == [0, 0, 0, 0, 7]
    assert rows[-1].scored > 0
    assert course.rows == rows
    assert list(course.play()) == []  # resumed: nothing is left to do


def test_course_goes_through_a_year_of_mondays_and_sixty_days():
    """The first step is the day where the demo ends; then 52 Mondays, or 60 days in a row."""
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


def _event(number: int) -> dict:
    return {
        "event_id": f"e{number}",
        "order_id": f"o{number}",
        "quantity": 2,
        "list_price": 1.5,
        "revenue": 3.0,
        "occurred_at": "2017-03-06 18:30:00",
    }


def test_orders_arrive_on_time_late_corrected_and_refunded():
    """Every order comes a year on, on the same weekday; some of them not as they should."""
    day = date(2017, 3, 6) + YEAR
    kinds: Counter[str] = Counter()
    for number in range(400):
        first, *more = arrivals_of(_event(number))
        assert first.event["occurred_at"] == "2018-03-05 18:30:00"
        late = first.day > day
        corrected = [each for each in more if each.corrects]
        returned = [each for each in more if each.event.get("type") == "refund"]
        kinds["late"] += late
        kinds["corrected"] += bool(corrected)
        kinds["refunded"] += bool(returned)
        for each in corrected:
            assert (each.event["quantity"], first.event["quantity"]) == (2, 3)
            assert each.event["event_id"] == first.event["event_id"]
        for each in returned:
            assert each.event["event_id"] != first.event["event_id"]
            assert each.event["order_id"] == first.event["order_id"]
    assert all(0 < kinds[kind] < 50 for kind in ("late", "corrected", "refunded")), kinds


def test_differences_are_found_wherever_they_are():
    """A missing row, another number, another text; not the last digit of a sum."""
    ours = {"rows": [[1, 0.1 + 0.2], ["a", None]], "status": "done"}
    assert list(differences(ours, {"rows": [[1, 0.3], ["a", None]], "status": "done"})) == []
    theirs = {"rows": [[1, 0.31]], "status": "failed", "more": 1}
    assert [found.partition(":")[0] for found in differences(ours, theirs)] == [
        "/more", "/rows", "/rows/0/1", "/status",
    ]  # fmt: skip


def _row(**fields) -> StepRow:
    basics = dict.fromkeys(StepRow._fields, 1)
    return StepRow(**basics | {"day": "2018-01-01", "faults": ()} | fields)


def test_creep_names_what_grows():
    """A step that always costs the same is fine, and so is one dear day; growth is not."""
    steady = [_row(rows_read=1000 if n != 15 else 9000) for n in range(16)]
    assert list(creep(steady)) == []
    growing = [_row(rows_read=1000 + 100 * n) for n in range(16)]
    assert [found.partition(":")[0] for found in creep(growing)] == ["rows_read"]
    assert list(creep(growing[:15])) == []


def test_every_shop_of_the_demo_can_be_soaked():
    """The default of the command is all of them."""
    from validation.soak.__main__ import _options

    assert _options([]).shops.split(",") == list(STORES)
