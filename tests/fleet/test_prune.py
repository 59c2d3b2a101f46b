"""What a fleet no longer needs is deleted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.fleet.marts import add_rows, open_marts
from d1lab.fleet.places import settings_of
from d1lab.fleet.prune import KeptRuns, prune_fleet
from d1lab.fleet.registry import Registry
from d1lab.fleet.state import store_state
from tests.fleet.test_store import FIGURE
from tests.support.fleet import done, run_inline, synced


@pytest.fixture
def target(settings: Settings, registry: Registry, tmp_path: Path) -> str:
    """A fleet whose databases have a page, a mart, an old state, and one that counts."""
    target = str(tmp_path / "target")

    def work(order):
        entry = registry.entries([order.name])[0]
        own = settings_of(settings, order.name, entry.database.settings)
        (own.data_dir / order.name).mkdir(parents=True)
        (own.data_dir / order.name / "warehouse.duckdb").write_bytes(b"rows")
        (own.reports_dir / "shop").mkdir(parents=True)
        (own.reports_dir / "shop" / "page.html").write_text("a page")
        add_rows(open_marts(settings, target), "figures", order.name, [FIGURE])
        store_state(own, target, "", changed=True)  # of a worker that was given up
        return done(order, state=store_state(own, target, "", changed=True))

    run_inline(settings, registry, work, target=target)
    return target


def files(target: str, name: str) -> set[str]:
    root = Path(target)
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {path for path in found if f"/{name}/" in path or f"/{name}." in path}


def test_a_superseded_state_goes_and_the_one_that_counts_stays(settings, registry, target):
    """A dry run gives the same bytes, and deletes nothing."""
    before = files(target, "a")
    planned = prune_fleet(settings, registry, target, KeptRuns(), dry_run=True)
    assert files(target, "a") == before
    sizes = {path.name: path.stat().st_size for path in Path(target, "states", "a").iterdir()}
    counts = f"{registry.entries(['a'])[0].state}.tar.gz"
    [a] = [each for each in planned if each.name == "a"]
    assert (a.what, a.number) == ("states", 1)
    assert a.bytes == sum(size for name, size in sizes.items() if name != counts)
    assert prune_fleet(settings, registry, target, KeptRuns()) == planned
    assert [path.name for path in Path(target, "states", "a").iterdir()] == [counts]
    assert prune_fleet(settings, registry, target, KeptRuns()) == []


def test_all_of_a_database_that_is_gone_goes_on_request(settings, registry, target):
    """Its folders, states, pages, rows of marts, and its row in the registry."""
    (settings.root / "shops" / "a.sqlite").unlink()
    synced(settings, registry)
    own = settings_of(settings, "a", registry.entries(["a"])[0].database.settings)
    prune_fleet(settings, registry, target, KeptRuns())
    assert len(files(target, "a")) == 4, "without --gone it stays"
    pruned = prune_fleet(settings, registry, target, KeptRuns(), gone=True)
    assert [(each.name, each.what) for each in pruned] == [("a", "database")]
    assert files(target, "a") == set()
    assert not own.data_dir.exists()
    assert not own.reports_dir.exists()
    assert [entry.name for entry in registry.entries()] == list("bcdef")
    assert len(files(target, "b")) == 3


def test_old_runs_of_the_fleets_own_report_go(settings, registry):
    """Its pages are made again each day, and would fill the disk."""
    runs = settings.data_dir / "fleet.d" / "fleet" / "runs"
    old = runs / "20200101T000000000000-fleet-_-000000"
    old.mkdir(parents=True)
    (old / "run.json").write_text("{}")
    pruned = prune_fleet(settings, registry, "", KeptRuns())
    assert [each[:3] for each in pruned] == [("", "report", 1)]
    assert list(runs.iterdir()) == []


def test_a_database_that_is_being_run_is_left_alone(settings, registry, target):
    """Its worker may store a state that the registry does not name yet."""
    other = Registry(registry.path)
    assert other.hold("a")
    pruned = prune_fleet(settings, registry, target, KeptRuns())
    assert {each.name for each in pruned} == set("bcdef")
    assert len(files(target, "a")) == 4
    other.release()
