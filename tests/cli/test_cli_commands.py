"""Single commands in unusual cases: invalid SQL, broken files, read-only databases."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from d1lab.d1.sqlite import ENGINE_FOLDER, SqliteDatabase
from tests.support import small_shop
from tests.support.command_line import assert_refused


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT CAST(sku AS INTEGER) FROM order_lines", "Could not convert"),
        ("SELECT error('boom')", "boom"),
        ("SELEC", "syntax error"),
        ("SELECT 1; SELECT 2", "only a single SELECT"),
        ("SELECT skuu FROM order_lines", "Did you mean 'sku'?"),
    ],
)
def test_sql_rejects_in_one_line(pulled, run, statement, told):
    """Errors in the syntax, in names, and in a value of one row are each one line."""
    assert_refused(run("sql", statement), told)


@pytest.mark.parametrize("run_id", ["", ".", "..", "/tmp", "nope"])
def test_push_takes_the_id_of_a_run_and_nothing_else(project, run, run_id):
    """A path, or a part of one, is not a run."""
    (project / "data" / "mine" / "runs" / "20260101T000000-a-b" / "outbox").mkdir(parents=True)
    assert_refused(run("push", run_id), f"There is no run {run_id!r}")
    assert_refused(run("rollback", run_id), f"There is no run {run_id!r}")


def test_push_says_where_it_stands(project, run):
    """A dry run and a second push say that the results were already written."""
    _fill_customers(project)
    first = _rows(run("push", "r1").out)
    assert (first["status"], first["changed"]) == ("pushed", "1")
    assert _rows(run("push", "r1", "--dry-run").out)["standing"] == "done"
    assert _rows(run("push", "r1").out)["status"] == "already pushed"
    assert run("rollback", "r1").code == 0
    assert _rows(run("push", "r1").out)["status"] == "rolled back"


def test_run_says_that_there_is_nothing_to_report_on(folder, run):
    """A database without d1lab's tables is not an error, but the command says so."""
    SqliteDatabase.create(folder / "empty.sqlite").close()
    (folder / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:empty.sqlite"\n')
    ended = run("run")
    assert ended.code == 0
    assert "no shops in the data yet" in ended.err


def test_run_only_says_what_is_due_in_a_dry_run(pulled, run):
    """No bill is printed, because nothing was pulled or pushed."""
    assert run("init", "other").code == 0
    (pulled / "other" / "notebooks").rename(pulled / "notebooks")
    ended = run("run", "--dry-run")
    assert ended.code == 0
    assert "not run for this date yet" in ended.err
    assert "bills" not in ended.err


@pytest.mark.parametrize(
    "notebook",
    [
        "{",
        "[]",
        '{"nbformat": 4, "cells": [3]}',
        '{"nbformat": 4, "cells": [{"cell_type": "code", "source": "shop = 1"}]}',
    ],
)
def test_run_rejects_a_broken_notebook(pulled, run, notebook):
    """The file is not JSON, not a notebook, has no cells, or has cells without metadata."""
    (pulled / "notebooks").mkdir()
    (pulled / "notebooks" / "broken.ipynb").write_text(notebook)
    assert_refused(run("run", "broken", "--no-pull"), "broken.ipynb")


def test_metrics_print_days_and_missing_values(pulled, run):
    """A date has no time of day, and a missing one is empty."""
    (pulled / "metrics").mkdir()
    (pulled / "metrics" / "days.sql").write_text(
        "-- days: a day, none, a time\n-- unit: days  grain: sku  reads: order_lines\n"
        "SELECT DATE '2026-03-01' AS a, NULL::DATE AS b, NULL::DOUBLE AS c, "
        "TIMESTAMP '2026-03-01 12:00:00' AS d"
    )
    assert run("metrics", "days").out == "a\tb\tc\td\n2026-03-01\t\t\t2026-03-01 12:00:00\n"
    [row] = run("metrics", "days", "--json").json
    assert (row["a"], row["b"], row["c"]) == ("2026-03-01", None, None)


def test_metrics_names_a_file_that_is_not_text(project, run):
    """A project's metric in another encoding is named, and the others are listed."""
    (project / "metrics").mkdir()
    (project / "metrics" / "mine.sql").write_bytes("-- mine: ü".encode("utf-16"))
    listed = run("metrics")
    assert "mine.sql" in listed.err
    assert "turnover" in listed.out


@pytest.mark.parametrize("kind", ["dump", "sqlite"])
@pytest.mark.parametrize("command", [["migrate"], ["aggregate"], ["track", "e.jsonl"]])
def test_a_read_only_database_says_so(folder, run, kind, command):
    """A dump, and a file that wrangler's engine has open, are rejected before any work is done."""
    Path("e.jsonl").touch()
    file = folder / ENGINE_FOLDER / "x.sqlite"
    SqliteDatabase.create(file).close()
    (folder / "x.sql").write_text("CREATE TABLE t (a);")
    path = "x.sql" if kind == "dump" else f"{ENGINE_FOLDER}/x.sqlite"
    (folder / "d1lab.toml").write_text(f'[databases.demo]\nurl = "{kind}:{path}"\n')
    assert_refused(run(*command), "read-only", "--no-push")
    assert run("pull").code == 0
    assert run("migrate", "--dry-run").code == 0


@pytest.mark.parametrize(
    "options",
    [["--name", "a b"], ["--plan", "gratis"], ["--url", "nonsense"], ["--url", 'sqlite:"'],
     ["--url", "d1://account"], ["--url", "sqlite:"]],
)  # fmt: skip
def test_init_writes_nothing_that_would_not_work(folder, run, options):
    """The content of d1lab.toml is checked before it is written."""
    assert_refused(run("init", "new", *options))
    assert not Path("new").exists()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_track_dry_run_needs_no_database(folder, run, kind):
    """A dry run lists the rejected events without a database."""
    events = pd.DataFrame(small_shop.events()).astype({"quantity": "int64"})
    events.loc[1, "sku"] = None
    file = f"events.{kind}"
    if kind == "jsonl":
        events.to_json(file, orient="records", lines=True)
    else:
        events.to_csv(file, index=False) if kind == "csv" else events.to_parquet(file)
    ended = run("track", file, "--dry-run")
    assert ended.code == 1
    assert ended.err == "track: 180 events, dry run, 1 rejected\n"
    assert ended.out == "event\treason\n2\tsku is missing\n"
    assert run("track", file, "--dry-run", "--json").json["refused"][0]["position"] == 2


def test_init_names_the_next_command(folder, run):
    """For the demo that is building it, and for another database checking it."""
    assert "Next: d1lab demo" in run("init", "a").err
    assert "Next: d1lab doctor" in run("init", "b", "--url", "sqlite:ü.sqlite", "--name", "n").err


def test_migrate_lists_as_json(folder, run):
    """Migrations are pending first, then applied, and then there are none."""
    SqliteDatabase.create(folder / "new.sqlite").close()
    (folder / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:new.sqlite"\n')
    pending = run("migrate", "--dry-run", "--json").json
    assert pending[0] == {"migration": "0001_guide_tables.sql"}
    assert run("migrate", "--json").json == pending
    assert run("migrate", "--json").json == []


def test_tables_lists_the_apps_own_whatever_their_names(project, run):
    """Names with quotes, spaces, dots, and keywords are listed once, as the app writes them."""
    db = SqliteDatabase(project / "d1.sqlite")
    for name in ('my ""odd"" table', "select", "a.b"):
        db.execute(f'CREATE TABLE "{name}" ("from" TEXT)')
    db.close()
    assert run("pull").code == 0
    listed = [line.split("\t")[0] for line in run("tables").out.splitlines()]
    own = ['my "odd" table', "select", "a.b"]
    assert [name for name in listed if name in own] == own
    assert not [name for name in listed if name.startswith("raw.")]
    for name in (*own, *(f"raw.{name}" for name in own)):
        assert run("tables", name, "--json").json[0]["column"] == "from"


def _fill_customers(project: Path) -> None:
    from d1lab.outbox import stage

    db = SqliteDatabase(project / "d1.sqlite")
    db.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('corner', 'c1')")
    db.close()
    frame = pd.DataFrame({"shop": ["corner"], "customer_id": ["c1"], "customer_segment": ["vip"]})
    run_dir = project / "data" / "mine" / "runs" / "r1"
    assert stage(frame, "customer_insights", run_dir) == 1
    (run_dir / "run.json").write_text(json.dumps({"status": "done"}))


def _rows(out: str) -> dict[str, str]:
    """The first row of a printed table, by column."""
    header, first, *_ = (line.split("\t") for line in out.splitlines())
    return dict(zip(header, first, strict=True))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("inventry",), "inventry"),
        (("--set", "dayz=7"), "dayz"),
        (("inventory", "--set", "days=many"), "days"),
        (("--params", "no.json"), "no.json"),
        (("--shop", "harbor", "--set", "shop=kiosk"), "kiosk"),
        (("inventory", "--as-of", "2026-02-30"), "as_of"),
        (("--export", "pdf"), "Chromium"),
    ],
)
def test_run_pulls_nothing_before_its_input_is_checked(project, run, monkeypatch, arguments, told):
    """A report, parameter, or file that does not exist is reported before any row is read."""
    monkeypatch.setattr("d1lab.pages.export.find_chromium", lambda: None)
    assert_refused(run("run", *arguments), told)
    assert not (project / "data").exists()


def test_run_uses_the_packaged_notebooks_without_a_folder(pulled, run):
    """`d1lab init` is not required; a project's own folder takes precedence."""
    ended = run("run", "inventory", "--no-pull", "--dry-run", "--json")
    assert {each["report"] for each in ended.json["runs"]} == {"inventory"}
    (pulled / "notebooks").mkdir()
    assert_refused(run("run", "--no-pull", "--dry-run"), "notebooks")


def test_optimize_corrects_what_misleads_d1(project, run):
    """--dry-run shows the tables and the cost and changes nothing; after ANALYZE nothing is left to
    do.
    """
    db = SqliteDatabase(project / "d1.sqlite")
    one = "INSERT INTO product_costs (shop, sku, unit_cost, valid_from)"
    db.execute(f"{one} VALUES ('s', 'first', 1, '2026-01-01')")
    db.execute("ANALYZE product_costs")
    many = "SELECT 's', value, 1, '2026-01-01' FROM json_each(?1)"
    db.execute(f"{one} {many}", (json.dumps(list(range(999))),))
    believed = "SELECT stat FROM sqlite_stat1 WHERE tbl = 'product_costs'"
    foretold = run("optimize", "--dry-run")
    assert "1 table with outdated statistics; would read 2,000 rows" in foretold.err
    assert db.query(believed).rows == [("1 1 1 1",)]
    assert run("doctor", "--json").code == 1
    done = run("optimize", "--json")
    assert done.json[0]["table"] == "product_costs"
    assert db.query(believed).rows == [("1000 1000 1 1",)]
    assert "0 tables with outdated statistics" in run("optimize").err
    assert not [c for c in run("doctor", "--json").json if c["subject"].startswith("statistics")]
    db.close()


@pytest.mark.long
def test_metrics_graph_can_be_piped(folder, run):
    """Lineage needs no warehouse: rows, Mermaid, and JSON; --format alone is an error."""
    assert run("init", ".").code == 0
    rows = [line.split("\t") for line in run("metrics", "turnover", "--graph").out.splitlines()]
    assert rows[0] == ["tables", "metric", "reports", "pushed_columns"]
    assert rows[1][1:3] == ["turnover", "competitor_prices, inventory, recommendations"]
    assert run("metrics", "--graph", "--format", "mermaid").out.startswith("flowchart LR\n")
    edges = run("metrics", "--graph", "--json").json["edges"]
    report = {"kind": "report", "name": "inventory"}
    assert {"source": {"kind": "metric", "name": "turnover"}, "target": report} in edges
    assert_refused(run("metrics", "--format", "dot"), "--format is for --graph")


def test_run_takes_a_number_of_reports_at_a_time(project, run, monkeypatch):
    """`--workers` reaches the runner; without it there are two."""
    asked: list[int] = []

    def run_reports(*_: object, workers: int, **__: object) -> list[object]:
        asked.append(workers)
        return []

    monkeypatch.setattr("d1lab.jobs.run.run_reports", run_reports)
    assert run("run", "--no-pull", "--workers", "3").code == 0
    assert run("run", "--no-pull").code == 0
    assert asked == [3, 2]
    assert run("run", "--workers", "0").code == 2
