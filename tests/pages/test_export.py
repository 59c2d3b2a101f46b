"""CSV export: all tables of a page, complete, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from d1lab.display import DataTable
from d1lab.errors import InputError
from d1lab.pages.export import export_tables
from tests.support.sample_run import code, write_run


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with a table shown in full, one that is cut, and an empty one."""
    folder = tmp_path / "data" / "demo" / "runs" / "r1"
    frames = {
        "about-to-lapse": pd.DataFrame(
            {"customer_id": ["=1+1", "c2", "c3"], "spend": [-1.5, 0.1 + 0.2, None]}
        ),
        "customers": pd.DataFrame({"customer_id": [f"c{i}" for i in range(120)]}),
        "nobody": pd.DataFrame({"customer_id": []}),
    }
    tables = [
        DataTable.from_frame(frame, title=f"All of {name}", name=name, run_dir=folder)
        for name, frame in frames.items()
    ]
    return write_run(tmp_path, [code("lab.table(...)", table) for table in tables], run_id="r1")


def test_every_table_is_written_beside_the_page(run_dir: Path, tmp_path: Path):
    """All tables in the order of the page, by their names in the report, with all rows."""
    page = tmp_path / "reports" / "harbor" / "customers" / "2026-05-31.html"
    exported = export_tables(run_dir, page)
    folder = page.with_suffix("")
    assert [(file.path, file.rows) for file in exported] == [
        (folder / "about-to-lapse.csv", 3),
        (folder / "customers.csv", 120),
        (folder / "nobody.csv", 0),
    ]
    assert _read(exported[0].path) == [
        ["customer_id", "spend"],
        ["'=1+1", "-1.5"],
        ["c2", "0.30000000000000004"],
        ["c3", ""],
    ]
    assert len(_read(exported[1].path)) == 121
    assert _read(exported[2].path) == [["customer_id"]]


def test_a_second_export_writes_the_same_files(run_dir: Path, tmp_path: Path):
    """No second copy with another name; the run keeps its file, for rewriting the page."""
    page = tmp_path / "page.html"
    first = export_tables(run_dir, page)
    assert export_tables(run_dir, page) == first
    assert sorted(path.name for path in run_dir.glob("*.csv")) == sorted(f.path.name for f in first)


def test_a_table_of_an_older_run_is_named_by_its_title(run_dir: Path, tmp_path: Path):
    """Old runs without file names of tables can also be exported."""
    path = run_dir / "notebook.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        for output in cell["outputs"]:
            del output["data"][DataTable.MIME]["name"]
    path.write_text(json.dumps(notebook))
    names = [file.path.name for file in export_tables(run_dir, tmp_path / "page.html")]
    assert names == ["all-of-about-to-lapse.csv", "customers.csv", "all-of-nobody.csv"]


@pytest.mark.parametrize("gone", ["notebook.ipynb", "customers.csv"])
def test_a_run_whose_files_are_gone_says_what_to_do(run_dir: Path, tmp_path: Path, gone: str):
    """Rows that were cut cannot be exported without their file."""
    (run_dir / gone).unlink()
    with pytest.raises(InputError, match="run"):
        export_tables(run_dir, tmp_path / "page.html")
