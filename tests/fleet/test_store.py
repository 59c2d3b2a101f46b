"""Files of a fleet: on a disk, in memory, and on a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from d1lab.config import Settings
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
