"""The log of what D1 bills, by month."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.d1.database import Usage
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.usage_log import FOLDER, note, spent


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
    months = sorted(path.stem for path in (tmp_path / FOLDER).iterdir())
    assert months == ["2026-04", "2026-05", "2026-06"]


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
