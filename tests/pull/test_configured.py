"""A pull with the project's settings: within the age, D1 is not even connected to."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import d1lab
from d1lab.cli import app
from d1lab.config import Settings
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.pull import pull_database
from d1lab.warehouse import next_warehouse


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project with a pulled warehouse, whose D1 is gone since."""
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    (tmp_path / "data" / "demo").mkdir(parents=True)
    path = tmp_path / "data" / "demo" / "d1.sqlite"
    db = SqliteDatabase.create(path)
    migrate(db)
    db.close()
    settings = Settings(root=tmp_path)
    assert not pull_database(settings, max_age_seconds=300).skipped
    path.unlink()
    return settings


def made_older(settings: Settings, seconds: int) -> None:
    with next_warehouse(settings.folder()) as con:
        con.execute(f"UPDATE d1lab.pull SET started_at = started_at - INTERVAL {seconds} SECOND")


def test_a_young_warehouse_needs_no_database(project):
    """The option decides over the setting, and 0 means no limit."""
    result = pull_database(project, max_age_seconds=300)
    assert (result.skipped, result.rows_read) == (True, 0)
    assert 0 <= (result.age_seconds or -1) < 300
    by_setting = project.model_copy(update={"pull": project.pull.model_copy()})
    by_setting.pull.max_age = 300
    assert pull_database(by_setting).skipped
    for asked in ({"max_age_seconds": 0}, {"full": True}):
        with pytest.raises(InputError, match="does not exist"):
            pull_database(by_setting, **asked)


def test_old_data_is_pulled(project):
    """Above the age, D1 is asked, by a notebook's lab, too."""
    made_older(project, 301)
    with pytest.raises(InputError, match="does not exist"):
        pull_database(project, max_age_seconds=300)
    with pytest.raises(InputError, match="does not exist"):
        d1lab.open(max_age=300)
    assert d1lab.open(max_age=900).shops == []
    assert d1lab.open().shops == []


def test_the_command_line_tells_the_age(project):
    """In seconds, minutes, or hours; as JSON in seconds."""
    made_older(project, 600)
    told = CliRunner().invoke(app, ["pull", "--max-age", "900"])
    assert (told.exit_code, told.stdout) == (0, "")
    assert "The data is 10 min old; D1 was not asked" in told.stderr
    told = CliRunner().invoke(app, ["run", "--max-age", "900", "--json"])
    assert '"age_seconds": 60' in told.stdout
