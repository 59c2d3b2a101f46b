"""Jobs run to their page and their push, and none is stopped by another's error."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import nbformat
import pytest

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.jobs import job_runner
from d1lab.jobs.job_result import JobResult, overall_exit_code
from d1lab.jobs.leases import Work
from d1lab.jobs.run import run_reports
from d1lab.pages import page
from d1lab.pull import pull
from d1lab.runs.record import load_run
from d1lab.runs.run import run_folder
from d1lab.share.notices import latest_reports
from tests.support.time_up import time_is_up_in_the_cell

HARBOR = {"shops": ["harbor"]}


def only(outcomes: list[JobResult]) -> JobResult:
    assert len(outcomes) == 1
    return outcomes[0]


def staged_rates(settings) -> list[tuple[str, float]]:
    """Return the rows of the D1 table that the tests' report writes to."""
    with closing(connect(settings)) as db:
        sql = "SELECT date, turnover_rate FROM inventory_impact WHERE turnover_rate IS NOT NULL"
        return db.query(sql).rows


def test_a_report_without_a_shop_has_its_page_and_is_then_current(settings, ledger, use):
    """The page is under `_` instead of a shop; the index and the command name no shop."""
    use("ends_well")
    path = settings.notebooks_dir / "ends_well.ipynb"
    path.write_text(path.read_text().replace("shop = ", "label = ").replace("(shop, ", "(label, "))
    outcome = only(run_reports(settings))
    assert (outcome.status, outcome.exit_code) == ("done", 0), outcome
    assert outcome.page == settings.reports_dir / "demo" / "_" / "ends_well" / "2026-05-08.html"
    assert "demo" in outcome.page.read_text()
    record = load_run(run_folder(settings, "demo", outcome.run_id))
    assert (record.shop, record.command) == ("", "d1lab run ends_well --as-of 2026-05-08")
    assert "_/ends_well/" in (settings.reports_dir / "index.html").read_text()
    assert only(run_reports(settings)).status == "current"


def test_an_app_without_shops_gets_its_results_back(tmp_path):
    """A report on all data of the app's own table writes to the columns named in d1lab.toml."""
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        db.execute("CREATE TABLE stores (id INTEGER PRIMARY KEY, opened DATETIME, score INTEGER)")
        db.execute("INSERT INTO stores VALUES (1, '2026-05-01 10:00:00', NULL), (2, NULL, 3)")
        migrate(db)
        pull(db, tmp_path / "data" / "live", database="live")
    (tmp_path / "notebooks").mkdir()
    code = "import d1lab\nlab = d1lab.open()\n"
    code += "rated = lab.sql('SELECT id, id * 10 AS score FROM stores')"
    cells = [
        nbformat.v4.new_code_cell("factor = 10", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(f"{code}\nlab.stage(rated.df(), table='stores')"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "rate.ipynb")
    settings = Settings(
        root=tmp_path,
        database="live",
        databases={"live": {"url": "sqlite:d1.sqlite"}},
        push={"tables": {"stores": {"key": ["id"], "columns": ["score"]}}},
    )
    outcome = only(run_reports(settings))
    assert (outcome.status, outcome.exit_code) == ("done", 0), outcome
    assert outcome.page == settings.reports_dir / "live" / "_" / "rate" / "2026-05-01.html"
    with closing(connect(settings)) as db:
        assert db.query("SELECT id, score FROM stores ORDER BY id").rows == [(1, 10), (2, 20)]
        [audited] = db.query("SELECT report, table_name, status FROM d1lab_pushes").rows
    assert audited == ("rate", "stores", "done")


def test_run_reports_runs_pushes_and_is_then_current(settings, ledger, use, monkeypatch):
    """The first time everything runs; the second time nothing is due, and nothing is written.

    The page is written once, after the push that it tells of.
    """
    use("uses_the_lab")
    written = Mock(wraps=page.store_page)
    monkeypatch.setattr(page, "store_page", written)
    outcome = only(run_reports(settings, **HARBOR))
    assert (outcome.status, outcome.exit_code) == ("done", 0), outcome
    shelf = settings.reports_dir / "demo" / "harbor" / "uses_the_lab"
    assert outcome.page == shelf / "2026-05-08.html"
    assert outcome.page.is_file()
    assert (settings.reports_dir / "index.html").is_file()
    assert outcome.pushed is not None
    assert outcome.pushed.changed == 1
    assert [rate for _, rate in staged_rates(settings)] == [1.5]
    run_dir = run_folder(settings, "demo", outcome.run_id)
    assert [(t.table, t.changed) for t in load_run(run_dir).pushed.tables] == [
        ("inventory_impact", 1)
    ]
    (entry,) = ledger.entries()
    assert (entry.status, entry.staged) == ("done", 1)
    assert entry.pushed_at is not None
    assert set(entry.inputs) == {
        "table d1lab_sources",
        "table d1lab_stock",
        "table order_events",
        "table inventory_impact",
        "the notebook",
        "d1lab",
        "DuckDB",
        "the time zone",
        "the currency",
        "shop_column",
        "uses_start",
    }
    again = only(run_reports(settings, **HARBOR))
    assert written.call_count == 1
    assert (again.status, again.exit_code, again.run_id) == ("current", 0, outcome.run_id)
    assert again.page == outcome.page
    assert len(ledger.entries()) == 1


def test_what_was_not_pushed_is_pushed_later(settings, ledger, use):
    """After --no-push, the results are pushed without a second run."""
    use("uses_the_lab")
    first = only(run_reports(settings, **HARBOR, push=False))
    assert first.pushed is None
    assert staged_rates(settings) == []
    second = only(run_reports(settings, **HARBOR))
    assert (second.status, second.run_id) == ("current", first.run_id)
    assert second.pushed.changed == 1
    assert len(staged_rates(settings)) == 1
    third = only(run_reports(settings, **HARBOR))
    assert third.pushed is None


def test_a_failed_push_leaves_the_report(settings, ledger, use):
    """D1's error is shown; the page stays, and the next call tries again."""
    use("uses_the_lab")
    file = settings.folder("demo") / "d1.sqlite"
    with closing(sqlite3.connect(file)) as con:
        con.execute("ALTER TABLE inventory_impact RENAME TO elsewhere")
    outcome = only(run_reports(settings, **HARBOR))
    assert outcome.status == "done"
    assert outcome.exit_code > 0
    assert outcome.message.startswith("report created, but results were not written to D1: ")
    assert outcome.page.is_file()
    with closing(sqlite3.connect(file)) as con:
        con.execute("ALTER TABLE elsewhere RENAME TO inventory_impact")
    assert only(run_reports(settings, **HARBOR)).pushed.changed == 1


def test_a_notebook_that_cannot_be_read_fails_alone(settings, ledger, use):
    """The others run; a broken metric that no report uses stops nothing either."""
    use("uses_the_lab")
    (settings.notebooks_dir / "bad.ipynb").write_bytes(b"")
    (settings.root / "metrics").mkdir()
    (settings.root / "metrics" / "headless.sql").write_text("SELECT 1")
    planned = {o.job.task.report.name: o for o in run_reports(settings, **HARBOR, dry_run=True)}
    assert {name: o.status for name, o in planned.items()} == {
        "uses_the_lab": "due",
        "bad": "failed",
    }
    outcomes = {o.job.task.report.name: o for o in run_reports(settings, **HARBOR)}
    good, bad = outcomes["uses_the_lab"], outcomes["bad"]
    assert (good.status, good.exit_code) == ("done", 0)
    assert good.page is not None
    assert (bad.status, bad.exit_code, bad.run_id) == ("failed", 1, None)
    assert bad.message.endswith("bad.ipynb: the file is empty")
    assert overall_exit_code(list(outcomes.values())) == 1
    assert [entry.report for entry in ledger.entries()] == ["uses_the_lab"]
    named = run_reports(settings, **HARBOR, reports=["bad", "uses_the_lab"], dry_run=True)
    assert {o.job.task.report.name: o.status for o in named} == {
        "uses_the_lab": "current",
        "bad": "failed",
    }


def test_broken_files_of_an_earlier_run_do_not_stop_the_next(settings, ledger, use, caplog):
    """Record, figures, mark, and card: each broken file is named, and the report runs."""
    use("uses_the_lab")
    earlier = {**HARBOR, "texts": {"as_of": "2026-05-07"}}
    first = only(run_reports(settings, **earlier))
    run_dir = run_folder(settings, "demo", first.run_id)
    [mark] = run_dir.glob("push/*.done.json")
    for path in (run_dir / "run.json", run_dir / "results.json", mark):
        path.write_text('{"half')
    card = first.page.with_suffix(".json")
    card.write_text("")
    assert only(run_reports(settings, **earlier)).status == "current"
    assert str(mark) in caplog.text
    again = only(run_reports(settings, **HARBOR))
    assert (again.status, again.exit_code) == ("done", 0), again.message
    assert again.page.is_file()
    assert "run.json is not a run record" in caplog.text
    assert str(card) in caplog.text
    assert "uses_the_lab/latest.html" in (settings.reports_dir / "index.html").read_text()
    assert latest_reports(settings, ledger) != []


def test_an_unexpected_error_is_its_own_jobs(settings, use, monkeypatch):
    """Even an unforeseen error stops one report, not the others."""
    use("ends_well", "uses_the_lab")
    really = job_runner.write_page

    def fail(run_dir: Path, reports_dir: Path) -> Path:
        if "ends_well" in run_dir.name:
            raise ZeroDivisionError("nobody thought of this")
        return really(run_dir, reports_dir)

    monkeypatch.setattr(job_runner, "write_page", fail)
    outcomes = {o.job.task.report.name: o for o in run_reports(settings, **HARBOR)}
    assert outcomes["uses_the_lab"].status == "done"
    assert outcomes["ends_well"].status == "failed"
    assert "ZeroDivisionError: nobody thought of this" in outcomes["ends_well"].message


def test_a_fault_is_one_reports_own(settings, ledger, use):
    """A failed, a skipped, and a successful report each have a page and an exit code."""
    use("cell_raises", "stops_early", "uses_the_lab")
    outcomes = {o.job.task.report.name: o for o in run_reports(settings, **HARBOR)}
    told = {name: (o.status, o.exit_code) for name, o in outcomes.items()}
    assert told == {
        "cell_raises": ("failed", 1),
        "stops_early": ("skipped", 0),
        "uses_the_lab": ("done", 0),
    }
    assert all(o.page.is_file() for o in outcomes.values())
    assert "village" in outcomes["cell_raises"].message
    assert outcomes["stops_early"].message == "no data"
    assert outcomes["uses_the_lab"].pushed.changed == 1
    again = {o.job.task.report.name: o.status for o in run_reports(settings, **HARBOR)}
    assert again == {"cell_raises": "failed", "stops_early": "current", "uses_the_lab": "current"}


def test_results_of_a_failed_run_are_not_pushed(settings, ledger, use):
    """Results staged before the error stay in the run's folder."""
    use("uses_the_lab")
    path = settings.notebooks_dir / "uses_the_lab.ipynb"
    notebook = json.loads(path.read_text())
    fault = {"cell_type": "code", "execution_count": None, "id": "fault", "metadata": {}}
    notebook["cells"].append(fault | {"outputs": [], "source": "1 / 0"})
    path.write_text(json.dumps(notebook))
    outcome = only(run_reports(settings, **HARBOR))
    assert (outcome.status, outcome.pushed) == ("failed", None)
    assert outcome.record.staged == {"inventory_impact": 1}
    assert staged_rates(settings) == []


STAGES_A_CUSTOMER = (
    "import pandas as pd\n"
    "frame = pd.DataFrame({'shop': [shop], 'customer_id': ['ada'],"
    " 'lifetime_value': [float(as_of[-1])]})\n"
    "lab.stage(frame, table='customer_insights')"
)


def stage_a_customer(settings) -> None:
    """Make the report write the day of its run as a customer's lifetime value."""
    path = settings.notebooks_dir / "uses_the_lab.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][-1]["source"] = STAGES_A_CUSTOMER
    path.write_text(json.dumps(notebook))


def value_of_a_customer(settings) -> float:
    with closing(connect(settings)) as db:
        return db.query("SELECT lifetime_value FROM customer_insights").rows[0][0]


def test_a_past_day_is_pushed_but_never_over_a_later_one(settings, ledger, use):
    """A table without a day in its key has one state: the results of the latest day stay."""
    use("uses_the_lab")
    past_day = HARBOR | {"texts": {"as_of": "2026-05-01"}}
    day = only(run_reports(settings, **past_day))
    assert day.pushed.changed == 1, "inventory_impact has a row for each day"
    stage_a_customer(settings)
    assert only(run_reports(settings, **past_day)).pushed.changed == 1
    assert value_of_a_customer(settings) == 1
    assert only(run_reports(settings, **HARBOR)).pushed.changed == 1
    past = only(run_reports(settings, **past_day, force=True))
    assert (past.status, past.pushed, past.exit_code) == ("done", None, 0)
    assert "customer_insights holds the results of a later day than 2026-05-01" in past.message
    assert f"d1lab push {past.run_id}" in past.message
    assert value_of_a_customer(settings) == 8
    assert only(run_reports(settings, **HARBOR)).status == "current"


def test_a_day_to_come_is_refused(settings, ledger, use):
    """No report runs for a day after the data's last day."""
    use("uses_the_lab")
    with pytest.raises(InputError, match="as_of=2030-01-01 is outside the shop's data"):
        run_reports(settings, **HARBOR, texts={"as_of": "2030-01-01"})
    assert ledger.entries() == []
    assert staged_rates(settings) == []


def test_what_if_runs_stay_at_home(settings, ledger, use):
    """A run with a changed parameter is pushed only with --push. The standard run, whose results
    it replaces, is then due again."""
    use("uses_the_lab")
    path = settings.notebooks_dir / "uses_the_lab.ipynb"
    text = path.read_text().replace("turnover_rate=1.5", "turnover_rate=float(days)")
    path.write_text(text.replace("whose data\\n", "whose data\\ndays = 30  # how far back\\n"))
    what_if = HARBOR | {"texts": {"days": "7"}}
    variant = only(run_reports(settings, **what_if))
    assert (variant.status, variant.pushed) == ("done", None)
    assert not (variant.page.parent / "latest.html").exists()
    assert latest_reports(settings, ledger) == []
    standard = only(run_reports(settings, **HARBOR))
    assert standard.pushed.changed == 1
    assert only(run_reports(settings, **HARBOR)).status == "current"
    (rate,) = staged_rates(settings)
    asked = only(run_reports(settings, **what_if, push=True))
    assert asked.pushed.changed == 1
    assert staged_rates(settings) != [rate]
    (due,) = run_reports(settings, **HARBOR, dry_run=True)
    assert due.message.endswith(f"run {asked.run_id} wrote to inventory_impact since")
    assert only(run_reports(settings, **HARBOR, push=False)).status == "current"
    again = only(run_reports(settings, **HARBOR))
    assert (again.status, again.pushed.changed) == ("done", 1)
    assert staged_rates(settings) == [rate]
    assert [report.run.run_id for report in latest_reports(settings, ledger)] == [again.run_id]


def test_two_reports_run_at_once(settings, ledger, use):
    """Each notebook waits for the other: run one after the other, they would fail.

    They share the memory.
    """
    use("meets_another")
    told = []
    settings = settings.model_copy(update={"memory": "4GB"})
    outcomes = run_reports(settings, progress=lambda *seen: told.append(seen))
    assert [(o.job.task.shop, o.status) for o in outcomes] == [
        ("harbor", "done"),
        ("kiosk", "done"),
    ]
    names = {name for name, _, _ in told}
    assert names == {"meets_another harbor 2026-05-08", "meets_another kiosk 2026-05-08"}
    assert {cells for _, _, cells in told} == {4}
    runs = [run_folder(settings, "demo", outcome.run_id) for outcome in outcomes]
    assert [(run / "here").read_text() for run in runs] == ["1953125KiB"] * 2


def test_a_dead_kernel_is_tried_once_more(settings, ledger, use):
    """Two failed runs are recorded; a cell that raises an error runs only once."""
    use("kernel_dies")
    outcome = only(run_reports(settings, **HARBOR))
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    assert [e.status for e in ledger.entries()] == ["failed", "failed"]


def test_a_time_out_ends_with_its_code(settings, ledger, use, monkeypatch, tmp_path):
    """`--timeout` limits each run; the page says so."""
    use("never_ends")
    time_is_up_in_the_cell(monkeypatch, tmp_path)
    outcome = only(run_reports(settings, **HARBOR, timeout_seconds=1.5))
    assert (outcome.status, outcome.exit_code) == ("timeout", 4)
    assert "1.5 s" in outcome.page.read_text()


@pytest.mark.parametrize("waits_for", ["itself", "the system"])
def test_a_query_that_waits_ends_its_run(settings, ledger, use, waits_for):
    """A statement of DuckDB in a kernel, without processor time: one failed run, and why.

    An interrupt ends the one; the other is a read that the system does not return from.
    """
    use("waits_for_itself")
    folder = settings.root / "metrics"
    folder.mkdir(exist_ok=True)
    header = "-- waits: numbers\n-- unit: -  grain: all  reads: nothing\n"
    sql = "SELECT max(wait(i)) AS most FROM range(1_000_000_000) AS t (i)"
    if waits_for == "the system":
        os.mkfifo(settings.root / "pipe")
        sql = f"SELECT content FROM read_text('{settings.root / 'pipe'}')"
    (folder / "waits.sql").write_text(header + sql)
    outcome = only(run_reports(settings, **HARBOR))
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    told = "was ended: it used no processor time for 0.5 seconds, "
    told += {"itself": "so DuckDB", "the system": "and no interrupt reached it"}[waits_for]
    assert outcome.message.startswith(f"metric 'waits' {told}")
    assert [entry.status for entry in ledger.entries()] == ["failed"]
    assert told in outcome.page.read_text()


IDLE = """
import sys
from d1lab.cli import main
sys.argv = ["d1lab", "run"]
try:
    main()
finally:
    print(*(name for name in {heavy} if name in sys.modules), sep="\\n")
"""
HEAVY = ("pandas", "numpy", "pyarrow", "scipy", "papermill", "jupyter_client", "nbformat", "jinja2")
HEAVY += ("altair", "markdown_it", "httpx2", "adbc_driver_sqlite", "d1lab.runs.kernels.fork_client")


def test_a_command_with_nothing_to_do_imports_nothing_that_runs_reports(settings, use):
    """Most calls of a scheduler: the same D1, and reports that are up to date."""
    use("ends_well")
    with closing(connect(settings)) as db:
        pull(db, settings.folder(), database="demo", zones=settings.resolve()[1].zones)
    assert only(run_reports(settings)).status == "done"
    done = subprocess.run(
        [sys.executable, "-c", IDLE.format(heavy=HEAVY)],
        env={**os.environ, "D1LAB_ROOT": str(settings.root)},
        check=True,
        capture_output=True,
        text=True,
    )
    table, imported = done.stdout.split("\n", 2)[1], done.stdout.splitlines()[2:]
    assert table.split("\t")[1:3] == ["ends_well", "current"], done
    assert imported == [""], done.stderr


def test_locked_work_is_left_to_its_holder(settings, ledger, use):
    """Exit code 75, and nothing starts; other shops run."""
    use("ends_well")
    with ledger.lease(Work("demo", "harbor", "ends_well")):
        outcomes = run_reports(settings)
    assert [(o.status, o.exit_code) for o in outcomes] == [("locked", 75), ("done", 0)]
    assert f"process {os.getpid()}" in outcomes[0].message
    assert len(ledger.entries()) == 1
    assert overall_exit_code(outcomes) == 75
    assert overall_exit_code([*outcomes, outcomes[1]._replace(exit_code=4)]) == 4
    assert overall_exit_code([]) == 0


def test_a_dry_run_only_tells(settings, ledger, use):
    """It shows what is due, and why, without a kernel, a ledger row, or a page."""
    use("ends_well")
    outcomes = run_reports(settings, dry_run=True)
    assert [(o.status, o.message) for o in outcomes] == [("due", "not run for this date yet")] * 2
    assert ledger.entries() == []
    assert not settings.reports_dir.exists()


def test_wrong_parameters_start_nothing(settings, ledger, use):
    """One invalid parameter stops all reports before the first kernel starts."""
    use("ends_well", "uses_the_lab")
    with pytest.raises(InputError, match="parameter 'as_of' expects a day"):
        run_reports(settings, texts={"as_of": "31.05.2026"})
    assert ledger.entries() == []


def test_runs_are_compared_with_the_run_before(settings, ledger, use):
    """previous_run_id is the last successful run of an earlier day, however often a day runs."""
    use("uses_the_lab")
    early = only(run_reports(settings, **HARBOR, texts={"as_of": "2026-05-01"}))
    late = only(run_reports(settings, **HARBOR))
    again = only(run_reports(settings, **HARBOR, force=True))
    assert early.record.previous_run_id is None
    assert late.record.previous_run_id == early.run_id
    assert late.run_id != again.run_id
    assert again.record.previous_run_id == early.run_id


def test_interrupt_ends_the_kernels(settings, ledger, use, tmp_path):
    """Ctrl-C ends the command, its kernels, and its server; the run is recorded as failed."""
    use("never_ends")
    program = f"""
from pathlib import Path
from d1lab.config import Settings
from d1lab.jobs.run import run_reports
if __name__ == "__main__":
    run_reports(Settings(root=Path({str(settings.root)!r})), shops=["harbor"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    _wait_for(lambda: any("cell 5" in p.read_text() for p in settings.root.rglob("log.txt")))
    kernels = _kernels_below(process.pid)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in kernels))
    (entry,) = ledger.entries()
    assert entry.status == "failed"
    assert "interrupted" in load_run(run_folder(settings, "demo", entry.run_id)).reason


def _wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.05)


def _kernels_below(pid: int) -> list[int]:
    """Return the processes that a process and its children started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    below = [child for child in parents.get(pid, ())]
    return below + [grandchild for child in below for grandchild in parents.get(child, ())]


def test_runs_say_what_they_cost(settings, ledger, use):
    """The cost is the rows that the last pull read from the tables that the run used."""
    use("uses_the_lab")
    outcome = only(run_reports(settings, **HARBOR, push=False))
    record = outcome.record
    assert record is not None
    tables = {table.name: table.rows_read for table in record.data.tables}
    read = {name.removeprefix("table ") for name in ledger.entries()[-1].inputs}
    assert record.data_rows_read == sum(rows for name, rows in tables.items() if name in read)
    assert record.usage.rows_read == record.data_rows_read > 0
    assert load_run(run_folder(settings, "demo", record.run_id)) == record
