"""Files of a fleet: on a disk, in memory, and on a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.fleet import state
from d1lab.fleet.marts import add_rows, read_mart
from d1lab.fleet.state import drop_state, fetch_state, store_state
from d1lab.fleet.store import open_store
from tests.support import s3

FIGURE = {"database": "demo", "shop": "s", "report": "r", "as_of": date(2026, 5, 1)}
FIGURE |= {"metric": "m", "dimension": ""}


@pytest.fixture(params=["disk", "memory", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fleet's target of each kind."""
    if request.param == "s3":
        with s3.running("fleets"):
            yield "s3://fleets/mine"
    else:
        yield f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "t")


def test_stores_keep_whole_files_and_states(target: str, tmp_path: Path):
    """A state is whole on another machine, with its pages beside it; marts replace rows by key."""
    store = open_store(target, tmp_path)
    assert (store.read("x/a"), store.names("x"), store.read_all("x")) == (None, [], {})
    store.write("x/a", b"1")
    store.write("x/b", b"2")
    store.write("x/a", b"3")
    assert store.read_all("x") == {"a": b"3", "b": b"2"}
    store.remove("x/a")
    store.remove("x/a")
    assert store.names("x") == ["b"]

    here, there = Settings(root=tmp_path / "here"), Settings(root=tmp_path / "there")
    (here.data_dir / "demo").mkdir(parents=True)
    (here.data_dir / "demo" / "warehouse.duckdb").write_bytes(b"all rows")
    (here.reports_dir / "demo").mkdir(parents=True)
    (here.reports_dir / "demo" / "page.html").write_text("a page")
    key = store_state(here, target, "", changed=True)
    fetch_state(there, target, key)
    assert (there.data_dir / "demo" / "warehouse.duckdb").read_bytes() == b"all rows"
    assert store.read("pages/demo/demo/page.html") == b"a page"
    assert store.sizes("pages") == {"demo/demo/page.html": 6}
    assert store.sizes("nothing") == {}
    drop_state(here, target, "demo", key)
    assert store.names("states/demo") == []

    for value in (1.0, 2.0):
        add_rows(store, "figures", "demo", [{**FIGURE, "value": value}])
    assert read_mart(store, "figures").column("value").to_pylist() == [2.0]


def test_a_state_takes_the_place_of_a_folder_only_when_it_is_there(tmp_path: Path):
    """A folder from before the target goes on; one of a state that no longer counts does not."""
    own, target = Settings(root=tmp_path), str(tmp_path / "target")
    warehouse = own.data_dir / "demo" / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True)
    warehouse.write_bytes(b"all rows")
    with pytest.raises(D1labError, match="is missing in"):
        fetch_state(own, target, "20260501T000000-0")
    fetch_state(own, target, "")
    assert warehouse.read_bytes() == b"all rows"
    key = store_state(own, target, "", changed=True)
    warehouse.write_bytes(b"of a worker that was given up")
    fetch_state(own, target, store_state(own, target, key, changed=True))
    assert warehouse.read_bytes() == b"of a worker that was given up"
    fetch_state(own, target, key)
    assert warehouse.read_bytes() == b"all rows"
    warehouse.write_bytes(b"the same state, as far as is known")
    fetch_state(own, target, key)
    assert warehouse.read_bytes() == b"the same state, as far as is known", "no download"
    fetch_state(own, target, "")
    assert not warehouse.exists()


def test_a_folder_of_half_a_state_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The disk was full while it was unpacked."""
    own, target = Settings(root=tmp_path), str(tmp_path / "target")
    warehouse = own.data_dir / "demo" / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True)
    warehouse.write_bytes(b"all rows")
    key = store_state(own, target, "", changed=True)
    fetch_state(own, target, "", from_nothing=True)

    def half(_content: bytes, _folders: object) -> None:
        warehouse.parent.mkdir()
        warehouse.write_bytes(b"all")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "unpack", half)
    with pytest.raises(OSError, match="No space"):
        fetch_state(own, target, key)
    fetch_state(own, target, "")
    assert not warehouse.exists()


def test_from_nothing_deletes_the_folders_without_a_target_too(tmp_path: Path):
    """Data, and pages."""
    own = Settings(root=tmp_path)
    for folder in (own.data_dir, own.reports_dir):
        folder.mkdir()
        fetch_state(own, "", "", from_nothing=True)
        assert not folder.exists()
