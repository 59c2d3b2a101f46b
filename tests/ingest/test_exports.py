"""The time of an export: a part of a day is never reported as a whole one."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from d1lab.ingest.events import track
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support.exports import FIRST, load, write_export

ZONE = "America/New_York"
EARLIER = FIRST | {"Name": "#0", "Id": "500", "Created at": "2026-05-01 15:00:00 -0400"}
LATEST = FIRST | {"Created at": "2026-05-02 09:30:00 -0400"}  # two hours before 11:00 local time


def _latest(db, folder) -> date:
    """The day of `latest`, as a lab on a pulled warehouse has it."""
    pull(db, folder, database="live", zones={"": ZONE})
    with closing(open_warehouse(folder)) as con:
        return Lab(con, database="live", folder=folder).as_of("harbor")


def _set_time(path, moment: datetime) -> None:
    os.utime(path, (moment.timestamp(),) * 2)


@pytest.mark.parametrize(
    ("exported_at", "latest"),
    [
        pytest.param("2026-05-02T11:00-04:00", date(2026, 5, 1), marks=pytest.mark.long),
        ("2026-05-02T23:59-04:00", date(2026, 5, 1)),
        ("2026-05-03T00:00-04:00", date(2026, 5, 2)),
        pytest.param("2026-05-06T11:00-04:00", date(2026, 5, 2), marks=pytest.mark.long),
    ],
)
def test_day_of_the_export_is_not_complete(db, tmp_path, exported_at, latest):
    """In the shop's zone; a day that was over by then is complete, whether orders came or not."""
    path = write_export(tmp_path / "export.csv", EARLIER, LATEST)
    load(db, path, exported_at=exported_at)
    assert _latest(db, tmp_path / "data") == latest


def test_files_own_time_tells_whether_its_last_day_was_over(db, tmp_path):
    """Without --exported-at: written at 11:00 local time, and again after a copy, days later."""
    path = write_export(tmp_path / "export.csv", EARLIER, LATEST)
    _set_time(path, datetime(2026, 5, 2, 15, tzinfo=UTC))
    load(db, path)
    assert _latest(db, tmp_path / "data") == date(2026, 5, 1)
    _set_time(path, datetime(2026, 5, 9, tzinfo=UTC))
    load(db, path)
    assert _latest(db, tmp_path / "data2") == date(2026, 5, 2)


def test_an_older_export_takes_nothing_back(db, tmp_path):
    """Last month's file, loaded after this month's."""
    load(db, write_export(tmp_path / "new.csv", EARLIER, LATEST), exported_at="2026-05-04T11:00Z")
    load(db, write_export(tmp_path / "old.csv", EARLIER), exported_at="2026-05-02T11:00Z")
    rows = db.query("SELECT shop, exported_at FROM d1lab_exports").rows
    assert rows == [("harbor", "2026-05-04 11:00:00")]
    assert _latest(db, tmp_path / "data") == date(2026, 5, 2)


def test_events_of_the_app_after_an_export_complete_its_day(db, tmp_path, event):
    """The app recorded an order in the evening: it covers the day, too."""
    path = write_export(tmp_path / "export.csv", EARLIER, LATEST)
    load(db, path, exported_at="2026-05-02T11:00-04:00")
    track(db, [event(9, occurred_at="2026-05-02T23:00:00Z")])
    assert _latest(db, tmp_path / "data") == date(2026, 5, 2)


def test_first_day_is_kept(db, tmp_path):
    """A shop whose only day is a part of one is reported on it."""
    load(db, write_export(tmp_path / "x.csv", LATEST), exported_at="2026-05-02T11:00-04:00")
    assert _latest(db, tmp_path / "data") == date(2026, 5, 2)
