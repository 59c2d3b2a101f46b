"""Times as people and programs write them."""

from __future__ import annotations

import pytest

from d1lab.errors import InputError
from d1lab.ingest.times import both_readings, order_of_days, unsettled, utc_texts

NOON = "2025-03-01 12:00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("2025-03-01T12:00:00Z", "2025-03-01 07:00:00 -0500", "2025-03-01T13:00+01:00"),
        *("20250301T120000Z", "1740830400", "1740830400000", "2025/03/01 12:00"),
        *("3/1/2025 12:00", "03/01/25 12:00 PM", "3/1/2025, 12:00:00 p.m.", "01.03.2025 12:00"),
        *("Mar 1, 2025 12:00 PM", "March 1, 2025 at 12:00 pm", "1 Mar 2025 12:00"),
        *(
            "1-Mar-2025 12:00",
            "01-Mar-25 12:00",
            "Sat, 01 Mar 2025 12:00:00 GMT",
            "2025-03-01 12:00:00.123",
        ),
    ],
)
def test_time_is_read(text):
    """Offsets, AM and PM, names of months, and seconds since 1970 are read."""
    assert utc_texts([text], "UTC", "month-first") == {text: NOON}


@pytest.mark.parametrize("text", ["yesterday", "2025-02-30", "13/13/2025", "45717", "3/2025", ""])
def test_text_that_is_not_a_time_is_omitted(text):
    """A line with such a text is rejected, and the reason shows it."""
    assert utc_texts([text], "UTC", "day-first") == {}


def test_times_without_an_offset_are_the_shops():
    """This includes the hour that is skipped in spring and the one that is repeated in fall."""
    read = utc_texts(["2025-03-30 02:30", "2025-10-26 02:30", "2025-06-01"], "Europe/Berlin", None)
    assert list(read.values()) == [
        "2025-03-30 01:30:00",
        "2025-10-26 00:30:00",
        "2025-05-31 22:00:00",
    ]


def test_file_shows_whether_days_come_first():
    """13 cannot be a month, and with dots the day comes first."""
    assert order_of_days(["3/1/2025", "13/1/2025"]) == "day-first"
    assert order_of_days(["3-1-2025", "1-13-2025"]) == "month-first"
    assert order_of_days(["3/1/2025", "31.12.2025"]) is None
    with pytest.raises(InputError, match=r"'13/1/2025'.*'1/13/2025'"):
        order_of_days(["13/1/2025", "1/13/2025"])


def test_day_with_two_readings_is_shown_in_both():
    """3/3 is the same day in both."""
    assert unsettled(["3/3/2025", "1.2.2025", "2025-01-02"]) is None
    assert unsettled(["3/1/2025 10:00"]) == "3/1/2025 10:00"
    assert both_readings("3/1/2025 10:00") == ("January 3, 2025", "March 1, 2025")
