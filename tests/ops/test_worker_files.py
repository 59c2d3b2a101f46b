"""Workers are written into a project, and what somebody changed is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from d1lab.errors import UnknownName
from d1lab.ops.worker_files import init_worker, worker_names, worker_version


@pytest.mark.parametrize("name", worker_names())
def test_init_writes_each_file_once(name: str, tmp_path: Path):
    """The second time nothing changes; with `dry_run` nothing is written at all."""
    planned = init_worker(name, tmp_path / "w", dry_run=True)
    assert not (tmp_path / "w").exists()
    assert {file.action for file in planned} == {"created"}
    assert init_worker(name, tmp_path / "w") == planned
    assert {file.action for file in init_worker(name, tmp_path / "w")} == {"unchanged"}
    assert {"worker.js", "wrangler.jsonc"} <= {file.path.name for file in planned}
    assert worker_version(name).isdigit()


def test_init_keeps_what_somebody_changed(tmp_path: Path):
    """An edited file stays, also when it is run again; an older file of ours is updated."""
    init_worker("events", tmp_path)
    (tmp_path / "wrangler.jsonc").write_text("{}")
    (tmp_path / "fold.js").unlink()
    for _ in range(2):
        actions = {file.path.name: file.action for file in init_worker("events", tmp_path)}
        assert actions["wrangler.jsonc"] == "kept"
        assert (tmp_path / "wrangler.jsonc").read_text() == "{}"
    assert (tmp_path / "fold.js").exists()


def test_init_updates_what_is_as_an_older_version_wrote_it(tmp_path: Path):
    """The record of what was written tells an old file from a changed one."""
    from d1lab.files import digest

    init_worker("events", tmp_path)
    (tmp_path / "fold.js").write_text("// of an older version")
    record = tmp_path / ".d1lab.json"
    old = digest((tmp_path / "fold.js").read_bytes())
    record.write_text('{"fold.js": "%s"}' % old)  # noqa: UP031
    actions = {file.path.name: file.action for file in init_worker("events", tmp_path)}
    assert actions["fold.js"] == "updated"
    assert "ADVANCE" in (tmp_path / "fold.js").read_text()
    record.write_text("[")
    (tmp_path / "fold.js").write_text("// mine")
    assert "kept" in {file.action for file in init_worker("events", tmp_path)}


def test_an_unknown_worker_is_named(tmp_path: Path):
    """With the ones that there are."""
    with pytest.raises(UnknownName, match="events"):
        init_worker("event", tmp_path)
