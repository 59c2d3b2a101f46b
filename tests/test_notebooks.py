"""The notebooks keep the house's rules, and run on the tiny warehouse."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from d1lab.analyses.discount_effect.effect import REASONS
from d1lab.analyses.discount_effect.launches import REASONS as LAUNCHES
from d1lab.config import Settings
from d1lab.display import DataTable, Note, Verdict
from d1lab.outbox import read_outbox
from d1lab.packed_files import read_packed
from d1lab.pages.page import render_page
from d1lab.runs.execute import execute
from d1lab.runs.kernels.kernel import Kernel
from d1lab.runs.record import RunRecord, load_results
from d1lab.runs.report import load_report
from d1lab.runs.run import kernel_environment, open_lab, prepare, run

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
REPORTS = sorted(set(NOTEBOOKS) - {"tour", "fleet"})
MAX_LINES = 40
VEGA = "application/vnd.vegalite.v6+json"


def _cells(name: str, kind: str = "code") -> list[dict[str, Any]]:
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def _code(name: str) -> str:
    """The notebook's Python, without cells that are another language's."""
    sources = ("".join(cell["source"]) for cell in _cells(name))
    return "\n".join(source for source in sources if not source.startswith("%%"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_committed_clean(name):
    """Format 4.5, a stable id per cell, no output, no count, the kernel every machine has."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in _cells(name))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_tells_a_story(name):
    """It begins with a title; it defines nothing, and loops over no rows."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert "".join(notebook["cells"][0]["source"]).startswith("# ")
    tree = ast.parse(_code(name))
    forbidden = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Lambda,
        ast.For,
        ast.While,
    )
    found = [type(node).__name__ for node in ast.walk(tree) if isinstance(node, forbidden)]
    assert not found
    assert "iterrows" not in _code(name)
    assert "itertuples" not in _code(name)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_short(name, tmp_path):
    """At most 40 lines of code as ruff formats them: what is longer belongs into an analysis."""
    formatted = tmp_path / f"{name}.ipynb"
    shutil.copyfile(FOLDER / formatted.name, formatted)
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100"]
    subprocess.run([*ruff, formatted], check=True, capture_output=True)
    assert _lines(formatted) <= MAX_LINES
    assert formatted.read_bytes() == (FOLDER / formatted.name).read_bytes()


def _lines(notebook: Path) -> int:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    lines = (line.strip() for source in sources for line in source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


@pytest.mark.parametrize("name", REPORTS)
def test_report_cells_show_what_the_analysis_declares(name):
    """Titles, columns and limits stand in the analysis: a cell that shows is one short call."""
    for cell in _cells(name):
        code = "".join(cell["source"])
        calls = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)]
        shown = [n for n in calls if ast.unparse(n.func) in ("lab.table", "lab.chart")]
        assert all(len(n.args) == 1 and not n.keywords for n in shown), code
        assert "charts." not in code


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_never_writes(name):
    """It stages; only push writes. No file, no database, no other process."""
    code = _code(name)
    for word in (
        "open_database",
        ".execute(",
        "to_csv",
        "to_parquet",
        "write_",
        "subprocess",
        "os.",
    ):
        assert word not in code, word


@pytest.mark.parametrize("name", REPORTS)
def test_report_has_one_typed_parameters_cell(name):
    """One cell tagged `parameters`, with as_of, and shop unless it is about D1's usage; each line
    says what it is.
    """
    [cell] = [c for c in _cells(name) if "parameters" in c["metadata"].get("tags", ())]
    source = "".join(cell["source"])
    assert ("shop = " in source) != ('days_of = "usage"' in source)
    assert "as_of: str | None = None" in source
    assert all("#" in line for line in source.splitlines())
    assert all(isinstance(n, ast.Assign | ast.AnnAssign) for n in ast.parse(source).body)


@pytest.mark.parametrize("name", REPORTS)
def test_report_holds_no_sql(name):
    """Meaning lives in the metric files: a report calls metrics by name."""
    assert "lab.sql(" not in _code(name)
    assert "lab.metric(" in _code(name)


@pytest.fixture
def settings(tiny_warehouse: Path, tmp_path: Path) -> Settings:
    """A project with the tiny warehouse and the notebooks that ship."""
    (tmp_path / "data" / "demo").mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, tmp_path / "data" / "demo" / "warehouse.duckdb")
    return Settings(root=tmp_path, notebooks_dir=FOLDER)


def _run(settings: Settings, report: str, **values: object) -> tuple[RunRecord, Path]:
    with open_lab(settings) as lab:
        task = prepare(lab, load_report(settings, report), values=values)
    return run(settings, task)


def _shown(run_dir: Path, mime: str) -> list[Any]:
    """What the run's cells showed of one kind, in order."""
    cells = json.loads(read_packed(run_dir / "notebook.ipynb"))["cells"]
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    return [data[mime] for data in outputs if mime in data]


def test_discounts_tells_the_dashboard(settings):
    """The guide's four numbers, their change, the trend, codes and products."""
    record, run_dir = _run(settings, "discounts")
    assert record.status == "done", record.error
    [verdict] = _shown(run_dir, Verdict.MIME)
    assert verdict["text"] == "Discounts totaled $41 on 22 order lines in the last 30 days."
    figures = {figure.metric: figure for figure in load_results(run_dir)}
    assert "-13% vs. the 30 days before, within normal" in figures["savings"].note
    values = {name: figure.value for name, figure in figures.items()}
    assert {name: values[name] for name in ("discounts", "uses", "savings", "skus")} == {
        "discounts": 3,
        "uses": 22,
        "savings": 41,
        "skus": 4,
    }
    below, cost, brought, codes, products, *deeper = _shown(run_dir, DataTable.MIME)
    assert len(deeper) == 7
    assert (below["rows"], below["note"]) == (
        [],
        "Without a unit cost, and so not checked: 4 discounted products.",
    )
    assert sorted(row[0] for row in cost["rows"]) == ["d0", "d1", "d2"]
    assert {row[-1] for row in brought["rows"]} <= set(REASONS.values())
    begun = next(table for table in deeper if table["title"] == "Promotions that began in one week")
    assert all(row[-1] in LAUNCHES.values() for row in begun["rows"])
    assert values["observed_lift"] is None
    assert [row[0] for row in codes["rows"]] == ["SPRING10", "<b>VIP</b>", "no code recorded: d2"]
    assert products["total_rows"] == 4
    assert len(_shown(run_dir, VEGA)) == 1
    assert record.simulated == ("inventory_days",)  # weeks out of stock are not counted


def test_discounts_stops_where_none_was_used(settings):
    """A shop without discounts gets no page full of zeros: the run ends well, and says why."""
    record, _ = _run(settings, "discounts", shop="kiosk")
    assert record.status == "skipped"
    assert "kiosk had no discounted order in the 30 days to 2026-05-08" in record.reason


def _outputs(run_dir: Path) -> list[Any]:
    """What the cells of a run showed, with its key figures and the rows to write to D1."""
    cells = json.loads(read_packed(run_dir / "notebook.ipynb"))["cells"]
    shown = [[output.get("data") for output in cell.get("outputs", ())] for cell in cells]
    staged = {name: rows.to_pylist() for name, rows in read_outbox(run_dir).items()}
    return [shown, load_results(run_dir), staged]


def test_turnover_shows_three_lists_and_stages(settings):
    """What runs out, what is dead, what the ledger does not tell; figures of today are staged.

    Whatever the setting `memory` is.
    """
    little = settings.model_copy(update={"memory": "100MB"})
    _, in_little = _run(little, "inventory", days=8)
    record, run_dir = _run(settings, "inventory", days=8)
    assert _outputs(in_little) == _outputs(run_dir)
    assert record.status == "done", record.error
    [verdict] = _shown(run_dir, Verdict.MIME)
    assert verdict["text"] == (
        "2 of 3 products are out of stock or run out within 14 days. 1 is dead stock. "
        "The effect of discounts is not available."
    )
    assert verdict["status"] == "bad"
    figures = load_results(run_dir)
    assert [(figure.metric, figure.value) for figure in figures][:4] == [
        ("products_short", 2),
        ("dead_stock", figures[1].value),
        ("discounts_questioned", figures[2].value),
        ("discount_lift", None),
    ]
    assert figures[0].note.startswith("</script><script>alert(1)</sc")
    assert figures[1].note == "Item 1"
    tables = {table["title"]: table for table in _shown(run_dir, DataTable.MIME)}
    assert list(tables)[:3] == [
        "Products to reorder",
        "Dead stock to clear",
        "Discounted products, those to review first",
    ]
    assert [row[0] for row in tables["Dead stock to clear"]["rows"]] == ["Item 1 (dead)"]
    cover = tables["Turnover and days of supply, lowest first"]
    assert [row[0] for row in cover["rows"]][1:3] == ["Item 0 (worked)", "plain"]
    names = [column["name"] for column in cover["columns"]]
    reasons = [row[names.index("why")] for row in cover["rows"]]
    assert [reason == "" for reason in reasons] == [True] * 3 + [False] * 4
    refused = [
        row
        for row in tables["Figures not available"]["rows"]
        if row[0] == "Turnover and days of supply"
    ]
    assert sum(row[2] for row in refused) == 4
    notes = [note["text"] for note in _shown(run_dir, Note.MIME)]
    assert notes[0].startswith("Effect of discounts not available")
    assert notes[-1].startswith("Stock levels are simulated.")
    assert record.simulated == ("inventory_days",)
    assert record.staged == {"inventory_impact": 7}
    staged = {row["sku"]: row for row in read_outbox(run_dir)["inventory_impact"].to_pylist()}
    assert staged["worked"]["turnover_rate"] == pytest.approx(2.1485148514851486, rel=1e-9)
    assert staged["worked"]["days_of_supply"] == pytest.approx(3.225806451612903, rel=1e-9)
    assert staged["untracked"]["turnover_rate"] is None
    assert staged["dead"]["days_of_supply"] is None
    assert {row["date"] for row in staged.values()} == {date(2026, 5, 8)}


@pytest.mark.parametrize(
    ("report", "read"),
    [
        ("discounts", ("inventory_days", "product_costs")),
        ("products", ("inventory_days", "product_costs")),
        ("recommendations", ("inventory_days", "product_costs")),
        ("inventory", ("inventory_days", "product_costs")),
    ],
)
def test_reports_name_simulated_unit_costs(settings, report, read):
    """Whatever rests on them says so: the run's record, and the page in words."""
    with duckdb.connect(settings.root / "data" / "demo" / "warehouse.duckdb") as con:
        con.execute(
            "INSERT INTO raw.product_costs (shop, sku, unit_cost, valid_from, source) "
            "VALUES ('harbor', 'worked', 4, '2026-01-01', 'simulated')"
        )
    record, run_dir = _run(settings, report)
    assert record.status == "done", record.error
    assert record.simulated == read
    notice = re.search("<b>Simulated data:</b> ([^.]*)", str(render_page(run_dir)))
    assert notice
    assert notice[1].split(", ")[-1] == "unit costs"
    said = " ".join(note["text"] for note in _shown(run_dir, Note.MIME))
    of_stock = report in ("recommendations", "inventory")
    assert ("Stock levels and unit costs are simulated." in said) == of_stock


def test_turnover_abstains_where_too_few_days_were_observed(settings):
    """Eight days of ninety say nothing: no figure, and NULL goes back."""
    record, run_dir = _run(settings, "inventory")
    assert record.status == "done", record.error
    [verdict] = _shown(run_dir, Verdict.MIME)
    assert verdict["status"] == "unknown"
    assert "run with --set days=8" in verdict["detail"]
    values = {figure.metric: figure.value for figure in load_results(run_dir)}
    assert (values["median_cover"], values["dead_stock"]) == (None, None)
    staged = read_outbox(run_dir)["inventory_impact"]
    assert staged["turnover_rate"].null_count == staged.num_rows == 7


def test_turnover_stops_where_no_stock_is_kept(settings):
    """A shop without inventory ends well, and says why."""
    record, _ = _run(settings, "inventory", shop="kiosk")
    assert record.status == "skipped"
    assert "kiosk has no stock data" in record.reason


def test_customers_tells_and_stages(settings):
    """A small shop: fixed rules that say so, no forecast, and what was really spent goes back."""
    record, run_dir = _run(settings, "customers")
    assert record.status == "done", record.error
    [verdict] = _shown(run_dir, Verdict.MIME)
    assert "Champions and Loyal customers account for" in verdict["text"]
    assert "Only 23 customers: the groups have fixed limits" in verdict["detail"]
    values = {figure.metric: figure.value for figure in load_results(run_dir)}
    assert (values["customers"], values["repeat_rate"]) == (23, 1)
    assert values["expected_spend"] is None
    titles = [table["title"] for table in _shown(run_dir, DataTable.MIME)]
    assert titles == [
        "High spenders who are going quiet",
        "Groups",
        "Group changes since Apr 27, 2026",
        "Customers who changed group since Apr 27, 2026",
        "Voucher tests",
        "Backtest on the last 90 days: actual vs. forecast",
        "Most valuable customers",
    ]
    assert len(_shown(run_dir, VEGA)) == 4
    staged = read_outbox(run_dir)["customer_insights"].to_pylist()
    assert len(staged) == 23
    scores = read_outbox(run_dir)["d1lab_customer_scores"].to_pylist()
    assert {row["lifetime_value_method"] for row in scores} == {"historic"}
    assert {row["customer_segment"] for row in staged} <= {"vip", "regular", "new"}
    spent = {row["customer_id"]: row["lifetime_value"] for row in staged}
    paid = [(1 + i % 3) * (9 if i % 4 == 0 else 10) for i in range(0, 97 * 3, 23)]
    assert spent["c0"] == sum(paid) - 18  # the refund of two is taken out
    [note] = _shown(run_dir, Note.MIME)
    assert "$18 in refunds" in note["text"]


@pytest.mark.long
def test_customers_does_not_depend_on_earlier_runs(settings):
    """What is shown and staged of a day is the same before and after runs of other days."""
    before = _found(settings)
    for day in ("2026-04-20", "2026-05-01"):
        assert _run(settings, "customers", as_of=day)[0].status == "done"
    assert _found(settings) == before


def _found(settings):
    record, run_dir = _run(settings, "customers")
    assert record.status == "done", record.error
    staged = {name: rows.to_pylist() for name, rows in read_outbox(run_dir).items()}
    return _shown(run_dir, DataTable.MIME), load_results(run_dir), staged


def test_customers_of_an_app_without_orders(settings):
    """The customer table alone: what it tells, and which pieces are missing for the rest."""
    with duckdb.connect(settings.data_dir / "demo" / "warehouse.duckdb") as con:
        con.execute("DELETE FROM raw.order_events WHERE shop = 'harbor'")
    record, run_dir = _run(settings, "customers")
    assert record.status == "skipped", record.error
    assert "No orders are recorded for harbor" in record.reason
    assert "customer table only" in record.reason
    [table] = _shown(run_dir, DataTable.MIME)
    assert ["With a known last purchase", "2"] in table["rows"]
    assert not read_outbox(run_dir)


@pytest.mark.long
def test_customers_that_nobody_can_tell_apart(settings):
    """Every customer bought once and the same: no groups, no charts of them, and no error."""
    record, run_dir = _run(settings, "customers", shop="kiosk")
    assert record.status == "done", record.error
    [verdict] = _shown(run_dir, Verdict.MIME)
    assert verdict["text"] == "Customer groups are not available yet."
    assert (
        "Customer groups not available: every customer bought equally often." in verdict["detail"]
    )
    staged = read_outbox(run_dir)["customer_insights"].to_pylist()
    assert {row["customer_segment"] for row in staged} == {None}
    scores = read_outbox(run_dir)["d1lab_customer_scores"].to_pylist()
    assert {row["rfm_group"] for row in scores} == {None}
    assert {float(row["lifetime_value"]) for row in staged} == {5}


def test_tour_runs(settings, tmp_path):
    """An analyst's first five minutes end without an error, and with a chart."""
    environment = kernel_environment(settings, "demo", tmp_path)
    kernel = Kernel(environment, FOLDER, tmp_path / "log.txt")
    done = execute(FOLDER / "tour.ipynb", {}, kernel, timeout_seconds=60)
    assert done.status == "done", done.failure
    (tmp_path / "notebook.ipynb").write_text(json.dumps(done.notebook))
    assert len(_shown(tmp_path, VEGA)) == 1
