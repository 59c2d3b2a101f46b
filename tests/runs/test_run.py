"""A run: its parameters, folder, and record, and the secrets that it never sees."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import nbformat
import pytest

from d1lab.config import Settings
from d1lab.errors import D1labError, InputError, StaleDataError, UnknownName
from d1lab.jobs.run import run_report
from d1lab.packed_files import is_kept, read_packed
from d1lab.pages.notebook_blocks import read_notebook
from d1lab.runs.record import Failure, RunRecord, load_run
from d1lab.runs.report import list_reports, load_report
from d1lab.runs.run import exit_code, new_run_dir, open_lab, prepare, run, run_folder

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SECRET = "never-to-be-seen-4711"


@pytest.fixture
def settings(tmp_path: Path, tiny_warehouse: Path) -> Settings:
    """A project with the small warehouse and the notebooks of the tests."""
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, folder / "warehouse.duckdb")
    return Settings(root=tmp_path, notebooks_dir=NOTEBOOKS)


def prepared(settings: Settings, name: str, **values):
    with open_lab(settings) as lab:
        return prepare(lab, load_report(settings, name), values=values)


def test_reports_are_notebooks_with_a_parameters_cell(settings):
    """A tour without a parameters cell is not a report, and its name is unknown."""
    names = [report.name for report in list_reports(settings)]
    assert "ends_well" in names
    assert "is_no_report" not in names
    with pytest.raises(UnknownName, match="Did you mean 'ends_well'"):
        load_report(settings, "end_well")
    with pytest.raises(UnknownName):
        load_report(settings, "is_no_report")
    with pytest.raises(UnknownName):
        load_report(settings, "../notebooks/ends_well")


def test_report_digest_depends_on_code_tags_and_text(settings, tmp_path):
    """Outputs and metadata do not change a notebook's digest."""
    first = load_report(settings, "ends_well")
    notebook = json.loads(first.path.read_text())
    settings.notebooks_dir = tmp_path
    for change, same in ((_with_output, True), (_with_tag, False), (_with_comment, False)):
        (tmp_path / "ends_well.ipynb").write_text(
            json.dumps(change(json.loads(json.dumps(notebook))))
        )
        assert (load_report(settings, "ends_well").digest == first.digest) is same, change


def _with_output(notebook):
    stream = {"output_type": "stream", "name": "stdout", "text": "a"}
    notebook["cells"][2] |= {"outputs": [stream], "execution_count": 3}
    return notebook


def _with_tag(notebook):
    notebook["cells"][2]["metadata"]["tags"] = ["hide"]
    return notebook


def _with_comment(notebook):
    notebook["cells"][2]["source"] += ["  # a comment"]
    return notebook


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "There is no report"),
        ([["shop = 'a'"], ["shop = 'b'"]], "2 cells are tagged 'parameters'. Keep one."),
        ([["shop = 7"]], "'shop' must be a text"),
        ([["shop = 'a'\n", "days = len('a')"]], "default of parameter 'days' must be a literal"),
    ],
)
def test_report_with_invalid_parameters_is_rejected(settings, tmp_path, cells, message):
    """The error has the notebook's name."""
    settings.notebooks_dir = tmp_path
    code = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": c} for c in cells]
    (tmp_path / "odd.ipynb").write_text(json.dumps({"nbformat": 4, "cells": code}))
    with pytest.raises(InputError) as caught:
        load_report(settings, "odd")
    assert message in str(caught.value)
    assert "'odd'" in str(caught.value)


def test_prepare_resolves_the_day_and_checks_the_shop(settings):
    """as_of becomes the last day of the shop's data, before any kernel starts."""
    task = prepared(settings, "ends_well", shop="harbor")
    assert task.as_of == task.data.data_as_of
    assert task.parameters == {"shop": "harbor", "as_of": task.as_of.isoformat()}
    assert task.given == ("shop",)
    with pytest.raises(UnknownName, match=r"There is no shop 'harbour'.*Did you mean 'harbor'"):
        prepared(settings, "ends_well", shop="harbour")
    with pytest.raises(UnknownName, match="There is no parameter 'as_off'"):
        prepared(settings, "ends_well", as_off="2026-01-01")
    with pytest.raises(InputError, match="outside the shop's data"):
        prepared(settings, "ends_well", as_of="1999-12-31")


def test_prepare_accepts_an_earlier_day(settings):
    """The given day is the run's day, and the last day of the data is recorded as well."""
    last = prepared(settings, "ends_well").as_of
    task = prepared(settings, "ends_well", as_of=date(last.year, last.month, last.day - 1))
    assert task.as_of < task.data.data_as_of == last


def test_run_without_a_warehouse_says_what_to_do(settings):
    """Missing data has exit code 3, before anything is started."""
    (settings.folder("demo") / "warehouse.duckdb").unlink()
    with pytest.raises(StaleDataError, match="d1lab pull") as caught:
        prepared(settings, "ends_well")
    assert caught.value.exit_code == 3


def test_run_saves_everything_in_its_folder(settings):
    """run.json has the parameters and the data; the notebook is the executed one."""
    record, run_dir = run(settings, prepared(settings, "ends_well"))
    assert record == load_run(run_dir)
    assert (record.status, record.report, record.title) == ("done", "ends_well", "Ends well")
    assert run_dir == settings.folder("demo") / "runs" / record.run_id
    assert re.fullmatch(r"\d{8}T\d{12}-ends_well-harbor-[0-9a-f]{6}", record.run_id)
    assert record.parameters == {"shop": "harbor", "as_of": record.as_of.isoformat()}
    assert (record.code_cells, record.cells_done) == (5, 5)
    assert record.data.tables
    assert record.seconds > 0
    notebook = json.loads(read_packed(run_dir / "notebook.ipynb"))
    printed = notebook["cells"][3]["outputs"][0]["text"]
    assert "".join(printed) == f"harbor {record.as_of}\n"
    assert "cell 4: ok" in (run_dir / "log.txt").read_text()
    assert not (settings.notebooks_dir / "ends_well-out.ipynb").exists()


def test_run_records_what_was_read_shown_and_staged(settings):
    """Key figures, staged rows, and simulated views of the run are in its folder."""
    record, run_dir = run(settings, prepared(settings, "uses_the_lab"))
    assert record.status == "done", record.error
    assert record.staged == {"inventory_impact": 1}
    figures = json.loads((run_dir / "results.json").read_text())
    assert [(f["metric"], f["value"]) for f in figures] == [("skus", 7)]
    assert record.simulated == ("inventory_days",)
    assert "Passed unknown parameter" not in (run_dir / "log.txt").read_text()


@pytest.mark.parametrize(
    ("name", "status", "kind", "code"),
    [
        ("cell_raises", "failed", "cell", 1),
        ("kernel_dies", "failed", "kernel", 1),
        ("stops_early", "skipped", None, 0),
    ],
)
def test_failed_run_is_recorded(settings, name, status, kind, code):
    """The record has the status, the cell, and the results until then."""
    record, run_dir = run(settings, prepared(settings, name))
    assert record.status == status
    assert (record.error and record.error.kind) == kind
    assert exit_code(record) == code
    assert record.reason
    assert is_kept(run_dir / "notebook.ipynb")


def test_exit_code_shows_timeout_and_missing_data():
    """It is 4 for a timeout and 3 for a notebook without data."""
    moment = datetime(2026, 5, 31, tzinfo=UTC)
    record = RunRecord(
        run_id="a", report="a", title="a", shop="a", status="failed", started_at=moment
    )
    for failure, code in (
        (Failure(kind="timeout", ename="RunTimeoutError"), 4),
        (Failure(ename="StaleDataError"), 3),
        (Failure(ename="ValueError"), 1),
    ):
        assert exit_code(record.model_copy(update={"error": failure})) == code


def test_secrets_never_reach_a_run(settings, monkeypatch):
    """No token is in the kernel's environment, memory image, settings, or any file, including the
    page.
    """
    for name in (
        "D1LAB_READ_TOKEN",
        "D1LAB_WRITE_TOKEN",
        "CLOUDFLARE_API_TOKEN",
        "d1lab_read_token",
    ):
        monkeypatch.setenv(name, SECRET)
    record = run_report(settings, None, "tells_secrets")
    assert record.status == "done", record.error
    notebook = read_packed(run_folder(settings, "demo", record.run_id) / "notebook.ipynb").decode()
    assert (settings.reports_dir / "demo" / "harbor" / "tells_secrets" / "latest.html").is_file()
    assert "D1LAB_RUN_DIR" in notebook
    assert "read_token=None" in notebook
    for path in settings.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            plain = gzip.decompress(content) if path.suffix == ".gz" else content
            assert SECRET.encode() not in plain, path


def test_plain_kernels_see_no_secrets_either(settings, monkeypatch):
    """A kernel that is not forked gets no tokens."""
    monkeypatch.setenv("D1LAB_WRITE_TOKEN", SECRET)
    record, run_dir = run(settings, prepared(settings, "tells_secrets"), fork=False)
    assert record.status == "done", record.error
    assert SECRET not in read_packed(run_dir / "notebook.ipynb").decode()


def test_run_folders_do_not_clash(settings):
    """Two runs in the same second have different folders, for any name of the shop."""
    task = prepared(settings, "ends_well")._replace(shop="../../a b.myshopify.com")
    first, second = new_run_dir(settings, task), new_run_dir(settings, task)
    assert first != second
    assert first.parent == second.parent == settings.folder("demo") / "runs"


@pytest.mark.parametrize("after", ["", "run_dir.mkdir()\n(run_dir / 'note').write_text('x')"])
def test_a_run_whose_folder_is_deleted_while_it_runs_says_so(settings, tmp_path, after):
    """Also where the notebook's next cell makes the folder again: what was in it is lost."""
    cells = [
        nbformat.v4.new_code_cell("shop = 'harbor'", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import os, shutil\nfrom pathlib import Path\n"
            "run_dir = Path(os.environ['D1LAB_RUN_DIR'])\nshutil.rmtree(run_dir)\n" + after
        ),
    ]
    settings.notebooks_dir = tmp_path / "notebooks"
    settings.notebooks_dir.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), settings.notebooks_dir / "gone.ipynb")
    with pytest.raises(D1labError, match="was deleted while the report ran"):
        run(settings, prepared(settings, "gone"))


def test_every_result_is_kept_and_an_expected_error_stops_nothing(settings, tmp_path):
    """Two tables of one cell are both kept, from the first cell on; other values are not."""
    folder = tmp_path / "own"
    folder.mkdir()
    sources = {
        "parameters": "note = 'x'",
        "": (
            "import d1lab, pandas as pd\nlab = d1lab.open('demo')\nlab.verdict('first')\n"
            "len('not shown')\nlab.table(pd.DataFrame({'n': [1]}), title='second')\n"
            "lab.table(pd.DataFrame({'n': [2]}), title='third')"
        ),
        "raises-exception": "1 / 0",
        "last": "print('after')",
    }
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": [tag] if tag else []}}
        | {"source": source, "outputs": [], "execution_count": None}
        for i, (tag, source) in enumerate(sources.items())
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "several.ipynb").write_text(json.dumps(notebook))
    own = settings.model_copy(update={"notebooks_dir": folder})
    record, run_dir = run(own, prepared(own, "several"))
    assert (record.status, record.cells_done, record.code_cells) == ("done", 5, 5)  # one injected
    executed = json.loads(read_packed(run_dir / "notebook.ipynb"))
    content = read_notebook(executed)
    assert content.verdict is not None
    assert content.verdict.text == "first"
    shown = [block.value.title for block in content.blocks if block.form == "table"]
    assert shown == ["second", "third"]
    printed = [(b.label, b.text) for b in content.blocks if b.form == "text"]
    assert printed == [
        ("Expected error", "ZeroDivisionError: division by zero"),
        ("Printed", "after"),
    ]
