"""Every statement of an app returns, writes, and leaves the same before and after migrate."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.app_statements import play, statements_of
from tests.support.outside import GUIDE_APP
from tests.support.shop_app import HOME

EVENTS = 80


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(HOME, id="small"),
        pytest.param(
            GUIDE_APP,
            id="guide",
            marks=pytest.mark.skipif(
                not GUIDE_APP.is_dir(), reason="the guide's app is not beside this checkout"
            ),
        ),
    ],
)
def test_statements_give_the_same_before_and_after_migrate(folder: Path, tmp_path: Path):
    """Rows returned, rows billed as written, and all rows of all tables but the clock's columns."""
    found = statements_of(folder / "worker.js")
    assert Counter(sql.split()[0].upper() for sql in found)["INSERT"] == 4
    played = []
    for name in ("before", "after"):
        with closing(SqliteDatabase.create(tmp_path / f"{name}.sqlite")) as db:
            db.batch([Statement(sql) for sql in statements((folder / "schema.sql").read_text())])
            tables = sorted(db.tables())
            if name == "after":
                migrate(db)
            played.append(list(play(db, found, EVENTS, tables)))
    assert played[0] == played[1]
    left = dict(step for step in played[0] if len(step) == 2)
    assert sum(row[2] for row in left["daily_discount_stats"]) == EVENTS
    assert len(left["analytics_archive"]) == (5 if folder == GUIDE_APP else 35)
