"""One database, from its pull to its marts and its push; in worker processes, too."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

from d1lab.config_sections import FleetSettings
from d1lab.d1.request_limit import current_limit
from d1lab.fleet.coordinator import FleetRequest, run_fleet
from d1lab.fleet.marts import open_marts, read_mart
from d1lab.fleet.order import Order
from d1lab.fleet.pool import LocalWorkers
from d1lab.fleet.registry import open_registry
from d1lab.fleet.unit import work
from tests.support.fleet import keep_its_memory, memory_of_runs, run_inline


def pushed(settings, name: str) -> list[float]:
    """The staged value, as D1 has it."""
    with closing(sqlite3.connect(settings.root / "shops" / f"{name}.sqlite")) as con:
        sql = "SELECT turnover_rate FROM inventory_impact WHERE turnover_rate IS NOT NULL"
        return [rate for (rate,) in con.execute(sql)]


def test_a_database_is_pulled_run_pushed_and_kept(fleet):
    """And the second time, nothing has changed: no report runs, no row of a mart is doubled."""
    settings, registry = (made := fleet("a")), open_registry(made)
    result, _ = run_inline(settings, registry, lambda order: work(settings, order))
    [outcome] = result.outcomes
    assert (outcome.status, outcome.reports_done, outcome.pushed) == ("done", 2, 1), outcome
    assert pushed(settings, "a") == [1.5]
    page = settings.reports_dir / "fleet.d" / "a" / "a" / "corner" / "advises" / "latest.html"
    assert page.is_file()
    store = open_marts(settings, "")
    before = {mart: read_mart(store, mart) for mart in ("figures", "days", "actions")}
    [figure] = before["figures"].to_pylist()
    assert (figure["database"], figure["shop"], figure["metric"]) == ("a", "corner", "skus")
    [action] = before["actions"].to_pylist()
    assert (action["sentence"], action["amount"], action["currency"]) == (
        "Order 2 products",
        12.0,
        "EUR",
    )
    assert before["days"].num_rows == 60
    assert sum(before["days"].column("orders").to_pylist()) == 180
    again, _ = run_inline(settings, registry, lambda order: work(settings, order), force=True)
    assert (again.outcomes[0].reports_done, again.outcomes[0].reports_current) == (0, 2)
    assert {mart: read_mart(store, mart) for mart in before} == before
    assert_old_runs_go(settings, registry)


def assert_old_runs_go(settings, registry) -> None:
    """With `keep_days`, a run of years ago goes when its database is run again."""
    settings.fleet = FleetSettings(keep_days=30)
    folder = settings.data_dir / "fleet.d" / "databases" / "a"
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as con, con:
        con.execute("UPDATE runs SET started_at = '2020-01-01T00:00:00+00:00'")
    notebook = settings.root / "notebooks" / "advises.ipynb"
    notebook.write_text(notebook.read_text().replace("12", "13"))
    before = {path.name for path in (folder / "a" / "runs").iterdir()}
    run_inline(settings, registry, lambda order: work(settings, order), force=True)
    after = {path.name for path in (folder / "a" / "runs").iterdir()}
    assert {name.partition("-advises-")[1] for name in before - after} == {"-advises-"}
    assert len(after) == len(before) == 2, "the last run of each report stays"


def test_a_foreign_or_missing_database_fails_alone(fleet):
    """No database, one without d1lab's tables, one that has gone; and a report that fails."""
    settings = fleet("abcd", "cell_raises", "ends_well")
    shops, registry = settings.root / "shops", open_registry(settings)
    (shops / "a.sqlite").write_bytes(b"not a database, but long enough for its header" * 50)
    with closing(sqlite3.connect(shops / "foreign.sqlite")) as con, con:
        con.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY, total REAL)")
        con.execute("INSERT INTO invoices VALUES (1, 9.5)")
    (shops / "foreign.sqlite").replace(shops / "b.sqlite")
    (shops / "c.sqlite").unlink()
    result, _ = run_inline(settings, registry, lambda order: work(settings, order))
    ended = {each.name: each for each in result.outcomes}
    assert (ended["a"].status, ended["a"].kind) == ("failed", "data"), ended["a"]
    assert (ended["b"].status, ended["b"].reports_done) == ("done", 0), ended["b"]
    assert ended["b"].message.startswith("no shops in the data yet")
    assert (ended["c"].status, "does not exist" in ended["c"].message) == ("failed", True)
    assert (ended["d"].status, ended["d"].kind) == ("failed", "report"), ended["d"]
    assert (ended["d"].reports_done, ended["d"].reports_failed) == (1, 1)
    assert ended["d"].message.startswith("cell_raises: ")


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(fleet, monkeypatch):
    """Two processes, which share the memory; one is killed in its first database."""
    settings = fleet("ab", "uses_the_lab").model_copy(update={"memory": "4GB"})
    keep_its_memory(settings, "uses_the_lab")
    registry = open_registry(settings)
    workers = LocalWorkers(settings, 2)
    killed: list[int] = []

    def kill_first(_name: str, _done: int, _of: int) -> None:
        pools = [pool for pool in workers._slots if pool is not None]
        pids = [pid for pool in pools for pid in (pool._processes or {})]
        if len(pids) == 2 and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    with closing(workers):
        result = run_fleet(
            settings, registry, workers, FleetRequest(), progress=kill_first, sleep_seconds=0.1
        )
        limits = [workers._pool(place).submit(current_limit).result() for place in range(2)]
    assert killed
    buckets = {(each.path, each.pace.requests) for each in limits}
    assert buckets == {(settings.data_dir / "fleet.d" / "requests.sqlite", 1_150)}, "one for all"
    assert [each.status for each in result.outcomes] == ["done", "done"], result
    assert result.exit_code == 0
    assert set(memory_of_runs(settings.data_dir)) == {"1953125KiB"}
    for name in "ab":
        assert pushed(settings, name) == [1.5]
        ledger = settings.data_dir / "fleet.d" / "databases" / name / "ledger.sqlite"
        with closing(sqlite3.connect(ledger)) as con:
            good = "SELECT count(*) FROM runs WHERE status = 'done'"
            assert con.execute(good).fetchone() == (1,)
            assert con.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    assert read_mart(open_marts(settings, ""), "figures").num_rows == 2


def test_orders_hold_no_secret(fleet):
    """Only the settings of the database go to a worker: tokens are its own."""
    settings = fleet("a", "ends_well")
    entry = open_registry(settings).entries()[0]
    assert "token" not in str(Order(entry.name, entry.database.settings.model_dump()))
