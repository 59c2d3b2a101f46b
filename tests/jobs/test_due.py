"""What is due, and why: everything except what ran with the same inputs."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import duckdb
import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.jobs.due import Job, key_of, plan
from d1lab.jobs.inputs import narrowed, raw_tables, tables_in
from d1lab.jobs.run import run_reports
from d1lab.runs.record import RunRecord
from d1lab.runs.run import run_folder


def only(jobs: list[Job]) -> Job:
    assert len(jobs) == 1
    return jobs[0]


def done(
    settings,
    ledger,
    job: Job,
    run_id: str,
    reads: list[str],
    status: str = "done",
    metric=None,
    shop="",
) -> None:
    """Record a run of the job that read these views, and give it a page."""
    moment = datetime.now(UTC)
    run_dir = run_folder(settings, "demo", run_id)
    run_dir.mkdir(parents=True)
    params = {"shop": shop} if shop else {}
    notes = [json.dumps({"metric": metric, "reads": reads, "params": params})] if reads else []
    (run_dir / "reads.jsonl").write_text("\n".join(notes))
    row = {
        "run_id": run_id,
        "series": job.series,
        "as_of": job.task.as_of.isoformat(),
        "key": "",
        "inputs": "{}",
        "database": "demo",
        "shop": job.task.shop,
        "report": job.task.report.name,
        "parameters": "{}",
        "status": "running",
        "started_at": moment.isoformat(),
    }
    ledger.start(row)
    record = RunRecord(
        run_id=run_id,
        report=job.task.report.name,
        title="",
        shop=job.task.shop,
        status=status,
        started_at=moment,
    )
    inputs = narrowed(job.inputs, run_dir, job.task.shop)
    ledger.finish(record, key_of(job.series, job.task, inputs), inputs, "page.html")
    settings.reports_dir.mkdir(exist_ok=True)
    (settings.reports_dir / "page.html").touch()


@pytest.fixture
def job(settings, ledger, use):
    """Plan the project's only report for shop 'harbor', with any further options."""
    use("ends_well")

    def planned(**options) -> Job:
        return only(plan(settings, ledger, **({"shops": ["harbor"]} | options)))

    return planned


def change_digest(settings, table: str, shop: str | None = None) -> None:
    """Change the digest of a table, and of one shop's rows in it."""
    with duckdb.connect(settings.folder("demo") / "warehouse.duckdb") as con:
        con.execute("UPDATE d1lab.tables SET digest = uuid()::TEXT WHERE table_name = ?", [table])
        con.execute(
            "DELETE FROM d1lab.shop_digests WHERE table_name = ? AND shop IS NOT DISTINCT FROM ?",
            [table, shop],
        )
        con.execute("INSERT INTO d1lab.shop_digests VALUES (?, ?, uuid()::TEXT)", [table, shop])


def test_plan_takes_every_report_for_every_shop(settings, ledger, use):
    """Without names, all reports run for all shops in the data; a tour is not a report."""
    use("ends_well", "uses_the_lab", "is_no_report")
    jobs = plan(settings, ledger)
    assert [(j.task.report.name, j.task.shop) for j in jobs] == [
        ("ends_well", "harbor"),
        ("ends_well", "kiosk"),
        ("uses_the_lab", "harbor"),
        ("uses_the_lab", "kiosk"),
    ]
    assert {str(j.task.as_of) for j in jobs} == {"2026-05-08"}
    assert all(j.due and j.reason == "not run for this date yet" for j in jobs)


def without_shop(settings, name: str) -> None:
    """Remove the shop from a notebook's parameters cell."""
    path = settings.notebooks_dir / f"{name}.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = "as_of: str | None = None\nshop_name = 'any'"
    path.write_text(json.dumps(notebook))


def test_a_report_without_a_shop_runs_once(settings, ledger, use):
    """Its parameters cell decides; where shops are named, it does not run."""
    use("ends_well", "uses_the_lab")
    without_shop(settings, "ends_well")
    jobs = plan(settings, ledger)
    named = [(job.task.report.name, job.task.shop) for job in jobs]
    assert named == [("ends_well", ""), ("uses_the_lab", "harbor"), ("uses_the_lab", "kiosk")]
    assert (str(jobs[0].task.as_of), str(jobs[0].task)) == ("2026-05-08", "ends_well 2026-05-08")
    assert [job.task.shop for job in plan(settings, ledger, shops=["kiosk"])] == ["kiosk"]
    with pytest.raises(UnknownName, match="no parameter 'shop'"):
        plan(settings, ledger, reports=["ends_well"], shops=["kiosk"])
    assert only(plan(settings, ledger, reports=["ends_well"])).task.shop == ""


def test_plan_needs_a_report(settings, ledger):
    """A folder without reports is an error of its own, not a shop without data."""
    with pytest.raises(InputError, match="no reports found in "):
        plan(settings, ledger)


def test_plan_takes_what_is_named(settings, ledger, use):
    """Reports, shops, and a shop among the parameters narrow the plan."""
    use("ends_well", "uses_the_lab")
    job = only(plan(settings, ledger, reports=["ends_well"], texts={"shop": "kiosk"}))
    assert (job.task.report.name, job.task.shop) == ("ends_well", "kiosk")
    with pytest.raises(InputError, match="Pass only one"):
        plan(settings, ledger, shops=["harbor"], texts={"shop": "kiosk"})
    with pytest.raises(UnknownName, match="There is no shop 'harbour'"):
        plan(settings, ledger, shops=["harbour"])
    with pytest.raises(UnknownName, match="There is no report 'ends_wel'"):
        plan(settings, ledger, reports=["ends_wel"])
    with pytest.raises(UnknownName, match="There is no parameter 'dayz'"):
        plan(settings, ledger, texts={"dayz": "7"})


def test_same_inputs_are_not_due(settings, ledger, job):
    """A report does not run twice with the same notebook, data, and code."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    again = job()
    assert not again.due
    assert again.reason == "up to date since run r1"
    assert again.last.run_id == "r1"
    assert job(force=True).due


def test_skipped_runs_count_and_failed_ones_do_not(settings, ledger, job):
    """A report without data waits until something changes; a failed report runs again."""
    done(settings, ledger, job(), "r1", ["order_lines"], status="failed")
    assert job().due
    done(settings, ledger, job(), "r2", ["order_lines"], status="skipped")
    assert not job().due


def test_another_time_zone_is_due(settings, ledger, job):
    """It moves the days, although no row changed; another shop's time zone does not matter."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    demo = settings.databases["demo"]
    other = {"harbor": demo.timezone, "kiosk": "Asia/Tokyo"}
    settings.databases["demo"] = demo.model_copy(update={"timezone": other})
    assert not job().due
    settings.databases["demo"] = demo.model_copy(update={"timezone": "Asia/Tokyo"})
    assert job().reason == "changed since run r1: the time zone"


def test_another_setting_is_due_if_the_result_depends_on_it(settings, ledger, job):
    """Amounts are shown in the shop's currency; the currency of another shop does not matter."""
    demo = settings.databases["demo"].model_copy(update={"currency": "USD"})
    settings.databases["demo"] = demo
    done(settings, ledger, job(), "r1", ["order_lines"])
    for name, value, reason in (
        ("currency", "CHF", "the currency"),
        ("uses_start", 1, "uses_start"),
        ("shop_column", "store", "shop_column"),
    ):
        settings.databases["demo"] = demo.model_copy(update={name: value})
        assert job().reason == f"changed since run r1: {reason}"
    for name, value in (("currency", {"harbor": "USD", "kiosk": "CHF"}), ("plan", "free")):
        settings.databases["demo"] = demo.model_copy(update={name: value})
        assert not job().due


def test_changed_data_is_due_if_the_report_reads_it(settings, ledger, job):
    """A change in a table that the last run did not read makes nothing due."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    change_digest(settings, "inventory_impact")
    assert not job().due
    change_digest(settings, "order_events")
    again = job()
    assert again.due
    assert again.reason == "changed since run r1: table order_events"


def test_a_change_in_another_shop_is_not_due(settings, ledger, job):
    """d1lab's own metrics read only their shop's rows, which a new shop does not change."""
    change_digest(settings, "order_events", "harbor")
    done(settings, ledger, job(), "r1", ["order_lines"], metric="turnover", shop="harbor")
    change_digest(settings, "order_events", "kiosk")
    assert not job().due
    change_digest(settings, "order_events", "harbor")
    assert job().reason == "changed since run r1: table order_events (this shop)"
    assert tables_in(job().inputs).count("order_events") == 1


@pytest.mark.parametrize(
    "read",
    [
        {"reads": ["order_lines"]},
        {"reads": ["order_lines"], "metric": "turnover", "shop": "kiosk"},
        {"reads": ["order_lines"], "metric": "own", "shop": "harbor"},
        {"reads": ["discount_totals"], "metric": "counted_discounts", "shop": "harbor"},
    ],
)
def test_other_shops_count_where_they_can_be_read(settings, ledger, job, read):
    """By free SQL, a metric for another shop, a project's metric, or a view that compares shops."""
    (settings.root / "metrics").mkdir()
    (settings.root / "metrics" / "own.sql").write_text(
        "-- own: a number\n-- unit: -  grain: all  reads: products\nSELECT count(*) FROM products"
    )
    table = "analytics_archive" if "discount_totals" in read["reads"] else "order_events"
    change_digest(settings, table, "harbor")
    change_digest(settings, "discount_analytics", "harbor")
    done(settings, ledger, job(), "r1", **read)
    change_digest(settings, "discount_analytics", "kiosk")
    assert not job().due
    change_digest(settings, table, "kiosk")
    assert job().reason == f"changed since run r1: table {table}"


def test_every_table_counts_when_reads_are_unknown(settings, ledger, job):
    """A run that recorded nothing, or something unknown, depends on all tables."""
    done(settings, ledger, job(), "r1", [])
    change_digest(settings, "ab_test_results")
    assert job().reason == "changed since run r1: table ab_test_results"
    done(settings, ledger, job(), "r2", ["order_lines", "d1lab.tables"])
    change_digest(settings, "customer_insights")
    assert job().reason == "changed since run r2: table customer_insights"


def test_changed_notebook_or_code_is_due(settings, ledger, job, monkeypatch):
    """What computes the result matters as much as the data."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    notebook = settings.notebooks_dir / "ends_well.ipynb"
    before = notebook.read_text()
    notebook.write_text(before.replace("1 + 1", "1 + 2").replace("print(shop", "print(1, shop"))
    assert job().reason == "changed since run r1: the notebook"
    notebook.write_text(before)
    monkeypatch.setattr("d1lab.jobs.inputs.source_digest", lambda: "newer")
    assert job().reason == "changed since run r1: d1lab"


def test_report_is_due_by_the_metrics_that_it_read(settings, ledger, job):
    """A changed metric makes the reports due that read it; a new metric makes none due."""
    folder = settings.root / "metrics"
    folder.mkdir()
    header = "-- unit: -  grain: all  reads: products\nSELECT count(*) FROM products"
    for name in ("own", "other"):
        (folder / f"{name}.sql").write_text(f"-- {name}: a number\n{header}")
    done(settings, ledger, job(), "r1", ["products"], metric="own")
    assert not job().due
    (folder / "other.sql").write_text(f"-- other: changed\n{header}")
    (folder / "new.sql").write_text(f"-- new: a number\n{header}")
    assert not job().due
    (folder / "own.sql").write_text(f"-- own: changed\n{header}")
    assert job().reason == "changed since run r1: metric own"
    (folder / "own.sql").unlink()
    assert job().reason == "changed since run r1: metric own"


def test_other_parameters_are_another_series(settings, ledger, job):
    """A day or parameter that did not run yet is due, whatever ran for others."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    earlier = job(texts={"as_of": "2026-05-01"})
    assert earlier.due
    assert earlier.series == job().series
    assert job(shops=["kiosk"]).series != job().series


def test_lost_page_is_due(settings, ledger, job):
    """A report whose page was removed runs again."""
    done(settings, ledger, job(), "r1", ["order_lines"])
    shutil.rmtree(settings.reports_dir)
    assert job().reason == "the page of run r1 is missing"


def test_raw_tables_follow_views():
    """A view leads to its tables; a name that is neither a view nor a table is unknown."""
    read = raw_tables(["order_lines", "raw.ab_test_daily"], [])
    assert read == {"order_events", "ab_test_daily"}
    assert raw_tables(["order_lines", "d1lab.tables"], []) is None


def test_raw_tables_follow_the_apps_own_names():
    """A name that is also a view of d1lab counts as both; case does not matter."""
    tables = ["Orders", "customers", "app_product_costs"]
    assert raw_tables(["orders"], tables) == {"Orders"}
    assert raw_tables(["product_costs"], tables) == {"app_product_costs", "product_costs"}
    assert raw_tables(["customers"], tables) >= {"customers", "customer_insights"}
    assert raw_tables(["orders", "a_view_of_the_apps"], tables) is None


def test_results_that_vanished_before_their_push_are_made_again(settings, ledger, use):
    """Somebody removed the run's folder, so nothing is left to push."""
    use("uses_the_lab")
    [done] = run_reports(settings, shops=["harbor"], push=False)
    shutil.rmtree(run_folder(settings, "demo", done.run_id))
    [job] = plan(settings, ledger, shops=["harbor"])
    assert (job.due, job.reason) == (
        True,
        f"the files of run {done.run_id} are missing, and it was not pushed",
    )
    [again] = run_reports(settings, shops=["harbor"])
    assert again.pushed.changed == 1
    shutil.rmtree(run_folder(settings, "demo", again.run_id))
    assert not plan(settings, ledger, shops=["harbor"])[0].due
