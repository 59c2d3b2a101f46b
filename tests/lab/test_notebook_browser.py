"""Notebooks in a real JupyterLab, in a real Chromium: pictures, amounts, tables, and errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.charts.theme import PALETTE
from tests.support.examples import IS_LONG
from tests.support.outside import chromium

CHROMIUM = chromium()
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
REPORTS = ("inventory", "discounts", "customers") if IS_LONG else ("inventory",)
MONEY = "Between $465,165 and $511,682"
HOSTILE = "<img src=x onerror=window.hit=1>"
CELLS = [
    f"from IPython.display import HTML\nHTML({MONEY!r})",  # without our class: a formula
    "import d1lab, pandas as pd\nlab = d1lab.open(shop='harbor')",
    f"lab.verdict({MONEY!r}, 'good')",
    f"pd.DataFrame({{'n': [2, 10, None], 'text': [{MONEY!r}, {HOSTILE!r}, 'x']}})",
    "lab.plot(pd.DataFrame({'name': ['a', 'b'], 'value': [1, 2]}))",
    "lab",
    "lab.tables.products.relation()",
    "pd.DataFrame({'n': range(1_000_000)})",
    "lab.metric('turnver')",
]
CONTROLLED = [
    "shop = 'harbor'  # shop of the report\ndays = 3  # length of the period [1 to 30]",
    "import d1lab\nlab = d1lab.open(shop=shop)",
    "lab.controls()",
    "print(f'{days} days of {lab.shop}')",
    "%%d1\nSELECT count(*) AS lines FROM order_lines WHERE shop = $shop",
]

DRIVE = """
async (paths) => {
  const app = window.jupyterapp, running = [], panels = {};
  for (const path of paths) {
    const panel = await app.commands.execute("docmanager:open", {path: `notebooks/${path}.ipynb`});
    await panel.context.ready;
    await panel.sessionContext.ready;
    panels[path] = panel;
    const run = {semanticWidget: panel.id};  // otherwise it runs the panel that still has the focus
    running.push(app.commands.execute("notebook:run-all-cells", run));
  }
  window.panels = panels;
  Promise.all(running).then(() => { window.ended = true; });
}
"""
SHOWN = """
(path) => {
  const panel = window.panels[path], node = panel.node;
  const outputs = panel.content.model.toJSON().cells.map((cell) => cell.outputs || []);
  return {
    outputs,
    drawings: node.querySelectorAll(".jp-OutputArea figure.chart svg").length,
    formulas: [...node.querySelectorAll(".jp-CodeCell")].map(
      (cell) => cell.querySelectorAll(".jp-OutputArea mjx-container").length),
  };
}
"""


def notebook(cells: list[str], *tags: str) -> str:
    """A notebook with these code cells, of which the first has these tags."""
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "source": source}
        | {"execution_count": None}
        for i, source in enumerate(cells)
    ]
    made[0]["metadata"] = {"tags": tags}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def project(tiny_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the tiny warehouse, the shipped notebooks, and one of hard cases."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "data" / "demo").mkdir(parents=True)
    (folder / "data" / "demo" / "warehouse.duckdb").symlink_to(tiny_warehouse)
    (folder / "d1lab.toml").write_text(
        'database = "demo"\n[databases.demo]\nurl = "sqlite:x"\ncurrency = "USD"\n'
    )
    (folder / "notebooks").mkdir()
    for name in ("tour", *REPORTS):
        text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
        if name == "inventory":
            text = text.replace("days = 90 ", "days = 8 ")  # the tiny ledger's days
        (folder / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    (folder / "notebooks" / "hard.ipynb").write_text(notebook(CELLS))
    (folder / "notebooks" / "controlled.ipynb").write_text(notebook(CONTROLLED, "parameters"))
    return folder


@pytest.fixture(scope="module")
def address(project: Path) -> Iterator[str]:
    """The address of `d1lab lab`."""
    config = project / "config"
    settings = config / "settings" / "@jupyterlab"
    for name, values in {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    app = {"LabApp": {"expose_app_in_browser": True, "user_settings_dir": str(settings.parent)}}
    (config / "jupyter_lab_config.json").write_text(json.dumps(app))
    variables = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(config) for name in variables}
    server = subprocess.Popen(
        [Path(sys.executable).with_name("d1lab"), "lab", "--no-browser", "--port", "0"],
        cwd=project,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        found = (re.search(r"http://127\S+token=\w+", line) for line in server.stderr)
        yield next(match[0] for match in found if match)
    finally:
        server.terminate()
        server.communicate()


@pytest.fixture(scope="module")
def lab_page(address: str) -> Iterator[Any]:
    """JupyterLab after all notebooks have run."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(180_000)
        page.goto(address)
        page.wait_for_function("window.jupyterapp !== undefined")
        page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        page.evaluate(DRIVE, ["tour", *REPORTS, "hard", "controlled"])
        page.wait_for_function("window.ended")
        yield page
        browser.close()


def shown(page: Any, name: str) -> dict[str, Any]:
    return page.evaluate(SHOWN, name)


def texts(outputs: list[dict[str, Any]]) -> str:
    """The HTML of a cell's outputs."""
    found = (output.get("data", {}).get("text/html", "") for output in outputs)
    return "".join("".join(text) for text in found)


@pytest.mark.parametrize("name", ["tour", *REPORTS])
def test_notebook_shows_pictures_and_no_error(lab_page, name):
    """Each notebook runs to its end, with a chart that is really drawn."""
    result = shown(lab_page, name)
    kinds = [output["output_type"] for outputs in result["outputs"] for output in outputs]
    assert "error" not in kinds, result["outputs"]
    bundles = [o["data"] for outputs in result["outputs"] for o in outputs if "data" in o]
    drawn = [bundle for bundle in bundles if "image/svg+xml" in bundle]
    assert len(drawn) >= 1, result["outputs"]
    assert result["drawings"] == len(drawn)
    assert not any("vegalite" in mime for bundle in bundles for mime in bundle)
    assert sum(result["formulas"]) == 0


def test_amounts_are_no_formulas(lab_page):
    """JupyterLab sets two amounts in foreign HTML as a formula, but none of d1lab's."""
    lab_page.wait_for_function("panels.hard.node.querySelector('mjx-container') !== null")
    first, *others = shown(lab_page, "hard")["formulas"]
    assert first == 1
    assert sum(others) == 0


def test_tables_sort_search_and_escape(lab_page):
    """Numbers sort as numbers with missing ones last; text is never run."""
    table = "panels.hard.content.widgets[3].node.querySelector('.d1lab')"
    column = f"[...{table}.querySelectorAll('tbody td:first-child')].map(c => c.textContent)"
    lab_page.evaluate(f"{table}.querySelector('th button').click()")
    lab_page.evaluate(f"{table}.querySelector('th button').click()")
    assert lab_page.evaluate(column) == ["10", "2", "–"]
    assert lab_page.evaluate("window.hit") is None
    million = shown(lab_page, "hard")["outputs"][7]
    assert "First 1,000 rows of 1,000,000" in texts(million)
    search = "panels.hard.content.widgets[7].node.querySelector('.d1lab')"
    lab_page.evaluate(
        f"(() => {{ const box = {search}.querySelector('input'); box.value = '99 9'; "
        "box.dispatchEvent(new Event('input')); })()"
    )
    rows = f"[...{search}.querySelectorAll('tbody tr')].filter(r => !r.hidden).length"
    assert lab_page.evaluate(rows) == 19  # 99, 990 to 999, 199, 299, ... 899


def test_lab_shows_its_tables(lab_page):
    """Database, shop, and a folding tree of tables with columns and samples."""
    html = texts(shown(lab_page, "hard")["outputs"][5])
    for text in ("harbor", "demo", "<details>", "order_lines", "297 rows", "discount_id"):
        assert text in html


def test_error_is_its_sentence_with_a_fold(lab_page):
    """A typo shows the suggestion; the traceback is behind a fold."""
    error, fold = shown(lab_page, "hard")["outputs"][8]
    assert "Did you mean 'turnover'?" in error["evalue"]
    assert len(error["traceback"]) == 1
    assert "<details" in texts([fold])
    assert "UnknownName" in texts([fold])


def test_controls_run_the_cells_below(lab_page):
    """A change of a slider is assigned, and the cells below the parameters show its results."""
    cell = "panels.controlled.content.widgets[3].node"
    lab_page.wait_for_function("panels.controlled.node.querySelector('.widget-readout') !== null")
    assert "3 days of harbor" in lab_page.evaluate(f"{cell}.innerText")
    lab_page.evaluate("jupyterapp.shell.activateById(panels.controlled.id)")
    lab_page.evaluate("panels.controlled.node.querySelector('.widget-readout').focus()")
    lab_page.keyboard.press("Control+A")
    lab_page.keyboard.type("14")
    lab_page.keyboard.press("Enter")
    lab_page.wait_for_function(f"{cell}.innerText.includes('14 days of harbor')")
    controls = "panels.controlled.content.widgets[2].node"
    assert "Run the cells below" not in lab_page.evaluate(f"{controls}.innerText")


def test_sql_cells_are_highlighted(lab_page):
    """In a cell that begins with %%d1, words of SQL are keywords; in another cell they are not."""
    lab_page.wait_for_function(
        "panels.controlled.content.widgets[4].model.mimeType === 'text/x-sql'"
    )
    node = "panels.controlled.content.widgets[4].node"
    colors = (
        f"[...{node}.querySelectorAll('.cm-line span')].filter(s => s.textContent === 'SELECT')"
        ".map(s => getComputedStyle(s).color)"
    )
    plain = lab_page.evaluate(f"getComputedStyle({node}.querySelector('.cm-content')).color")
    assert lab_page.evaluate(colors) not in ([], [plain])
    python = lab_page.evaluate("panels.controlled.content.widgets[3].model.mimeType")
    assert python == "text/x-ipython"


def test_charts_follow_the_dark_theme(lab_page):
    """In JupyterLab's dark theme, a chart is drawn in the dark palette."""
    lab_page.evaluate(
        "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    lab_page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    mark = "panels.hard.node.querySelector('figure.chart svg [fill^=\"#\"]')"
    color = lab_page.evaluate(f"getComputedStyle({mark}).fill")
    dark = {pair[1] for pair in PALETTE.values()}
    assert "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", color)[:3]) in dark
