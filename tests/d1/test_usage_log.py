"""The log of what D1 bills, by month."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.d1.database import Usage
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.usage_days import FOLDER, DayUsage, keep_days
from d1lab.d1.usage_log import complete_until, days_until, metered_days, note, spent


def test_spent_sums_from_a_day_on(tmp_path):
    """Sums cover today, this month, or both months, and are zero without a log."""
    assert spent(tmp_path, date(2026, 5, 1)) == Usage()
    for day, rows in (("2026-04-30", 1), ("2026-05-01", 10), ("2026-05-31", 100)):
        note(tmp_path, Usage(1, rows, 2 * rows), datetime.fromisoformat(f"{day}T23:59:00+00:00"))
    assert spent(tmp_path, date(2026, 5, 31)) == Usage(1, 100, 200)
    assert spent(tmp_path, date(2026, 5, 1)) == Usage(2, 110, 220)
    assert spent(tmp_path, date(2026, 4, 1)) == Usage(3, 111, 222)


def test_a_line_that_was_cut_off_does_not_count(tmp_path):
    """A process can be killed while it writes; the lines of other processes are kept."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    note(tmp_path, Usage(1, 5, 0), now)
    with (tmp_path / FOLDER / "2026-05.jsonl").open("a") as file:
        file.write('{"at": "2026-05-01T0')
    assert spent(tmp_path, date(2026, 5, 1)) == Usage(1, 5, 0)


def test_three_months_are_kept(tmp_path):
    """The log does not grow without limit, and a connection that read nothing adds no line."""
    for month in range(1, 7):
        note(tmp_path, Usage(1, 1, 0), datetime(2026, month, 2, tzinfo=UTC))
    note(tmp_path, Usage(1, 0, 0), datetime(2026, 7, 2, tzinfo=UTC))
    months = sorted(path.stem for path in (tmp_path / FOLDER).glob("*.jsonl"))
    assert months == ["2026-04", "2026-05", "2026-06"]
    days = [each for each in metered_days(tmp_path) if each.rows_read]
    assert [each.day.month for each in days] == [1, 2, 3, 4, 5, 6]  # of those dropped, too


def test_a_connection_notes_what_it_cost_when_it_closes(tmp_path):
    """The cost is recorded once, whichever command opened the connection."""
    settings = Settings(root=tmp_path, databases={"demo": {"url": "sqlite:d1.sqlite"}})
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        db.execute("CREATE TABLE t (a INTEGER)")
        db.execute("INSERT INTO t VALUES (1), (2)")
    db = connect(settings)
    assert len(db.query("SELECT * FROM t").rows) == 2
    db.close()
    db.close()
    [line] = (settings.folder() / FOLDER).glob("*.jsonl")
    assert line.read_text().count("\n") == 1
    assert spent(settings.folder(), date(2026, 1, 1)).rows_read == 2
    [day] = metered_days(settings.folder())
    assert day.bytes == (tmp_path / "d1.sqlite").stat().st_size


def test_a_days_size_is_its_largest_and_may_be_unknown(tmp_path):
    """Answers of older versions, and of some ways to D1, have no size."""
    for hour, size in ((1, 8192), (2, 4096), (3, None)):
        note(tmp_path, Usage(1, 5, 0), datetime(2026, 5, 1, hour, tzinfo=UTC), size_bytes=size)
    note(tmp_path, Usage(1, 1, 0), datetime(2026, 5, 3, tzinfo=UTC))
    assert metered_days(tmp_path) == [
        DayUsage(date(2026, 5, 1), 15, 0, 8192),
        DayUsage(date(2026, 5, 2), 0, 0, None),
        DayUsage(date(2026, 5, 3), 1, 0, None),
    ]


def test_days_are_cloudflares_if_it_has_the_last_one(tmp_path):
    """The app's rows count, too; if Cloudflare was not asked since, the meter's are newer."""
    for day in (1, 2, 3):
        note(tmp_path, Usage(1, 5, 0), datetime(2026, 5, day, tzinfo=UTC))
    keep_days(tmp_path, "cloudflare", [DayUsage(date(2026, 5, day), 900, 9, 1) for day in (1, 2)])
    assert days_until(tmp_path, date(2026, 5, 2))[0] == "cloudflare"
    assert days_until(tmp_path, date(2026, 5, 1)) == (
        "cloudflare",
        [DayUsage(date(2026, 5, 1), 900, 9, 1)],
    )
    source, days = days_until(tmp_path, date(2026, 5, 3))
    assert (source, [each.rows_read for each in days]) == ("d1lab", [5, 5, 5])


def test_a_report_covers_the_days_before_the_pull_or_the_first_day_so_far(tmp_path):
    """Without any usage, the day of the pull is the first."""
    pulled = date(2026, 5, 2)
    assert complete_until(tmp_path, pulled) == pulled
    note(tmp_path, Usage(1, 5, 0), datetime(2026, 5, 2, tzinfo=UTC))
    assert complete_until(tmp_path, pulled) == pulled
    assert complete_until(tmp_path, date(2026, 5, 9)) == date(2026, 5, 8)
