"""Data folders that other users of the machine can open."""

from __future__ import annotations

import os

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ops.doctor import doctor
from d1lab.ops.private_folders import open_folders

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


def test_doctor_tells_of_a_folder_that_others_can_open(tmp_path):
    """One that existed with a wider mode; the fix names it."""
    folder = tmp_path / "data" / "live"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    (check,) = [found for found in doctor(db, folder) if found.subject == "data folders"]
    db.close()
    assert (check.level, "live/ (mode 755)" in check.found) == ("note", True)
    assert str(folder) in check.todo


@pytest.mark.parametrize("mode", [0o700, 0o500])
def test_private_folders_are_no_finding(tmp_path, mode):
    """Also below a data folder that others can open: it has no data of its own."""
    folder = tmp_path / "data" / "live"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o755)
    folder.chmod(mode)
    assert list(open_folders(folder)) == []
    assert list(open_folders(tmp_path / "none" / "x")) == []
