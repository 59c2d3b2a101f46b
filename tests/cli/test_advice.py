"""`doctor --advise` proposes migrations, and only `migrate --folder` applies them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.command_line import caller


def test_advice_is_a_folder_of_migrations(tmp_path: Path, monkeypatch, capsys):
    """The JSON names the folder; a file that cannot be read is an error of one line."""
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        migrate(db)
    (tmp_path / "d1lab.toml").write_text(
        'database = "mine"\n[databases.mine]\nurl = "sqlite:d1.sqlite"\n'
    )
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    d1lab = caller(monkeypatch, capsys)
    told = d1lab("doctor", "--advise", "--json").json
    assert [each["name"] for each in told["duplicates"]] == ["idx_shop_discount"]
    assert len(told["statements"]) == 7
    facts = ["size", "jurisdiction", "read replication", "Time Travel"]
    assert [each["what"] for each in told["facts"]] == facts
    shown = d1lab("doctor", "--advise").out
    assert all(f"\n{fact}\t" in shown for fact in facts)
    waiting = d1lab("migrate", "--folder", told["folder"], "--dry-run", "--json").json
    assert waiting == [{"migration": told["duplicates"][0]["file"]}]
    assert d1lab("migrate", "--folder", told["folder"]).code == 0
    assert d1lab("doctor", "--advise", "--json").json["duplicates"] == []
    missing = d1lab("doctor", "--advise", "--queries", "none.sql")
    assert (missing.code, "--queries none.sql" in missing.err) == (2, True)
