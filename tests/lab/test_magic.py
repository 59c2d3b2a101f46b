"""Options of %%d1 and what its cells leave in the notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from d1lab.errors import InputError
from d1lab.lab import Lab
from d1lab.lab.magic import options, run_cell
from d1lab.warehouse import open_warehouse

SQL = "SELECT sku, count(*) AS n FROM order_lines WHERE shop = $shop GROUP BY sku ORDER BY sku"


@pytest.fixture
def lab(tiny_warehouse: Path, tmp_path: Path):
    with open_warehouse(tiny_warehouse.parent) as con:
        folder = tmp_path / "metrics"
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor", metrics_folder=folder)


def run(lab: Lab, line: str, sql: str = SQL, **names: Any) -> tuple[Any, dict[str, Any]]:
    """Run a cell; return what it shows, and the variables after it."""
    names = {"lab": lab, "shop": "harbor", **names}
    return run_cell(options(line), sql, names, lab), names


def test_cell_without_a_name_computes_nothing(lab):
    """It shows a relation, which the notebook cuts at a thousand rows."""
    shown, _ = run(lab, "")
    assert isinstance(shown, duckdb.DuckDBPyRelation)


def test_cell_builds_on_an_earlier_one(lab):
    """A lazy result is a table of later cells, like a common table expression."""
    shown, names = run(lab, "counts --lazy")
    assert isinstance(shown, duckdb.DuckDBPyRelation)
    later, _ = run(lab, "total", "SELECT sum(n) AS n FROM counts", counts=names["counts"])
    assert later["n"].tolist() == [sum(n for _, n in shown.fetchall())]


def test_limit(lab):
    """At most so many rows are read into the frame."""
    shown, names = run(lab, "few --limit 1")
    assert isinstance(shown, pd.DataFrame)
    assert len(names["few"]) == 1


def test_save_writes_a_metric_that_the_open_lab_knows(lab):
    """The file is a metric at once; an edit of the file counts at once, too."""
    run(lab, "--save lines_per_sku")
    path = lab.metrics_folder / "lines_per_sku.sql"
    whole = len(lab.metric("lines_per_sku"))
    assert "-- $shop: value of shop" in path.read_text()
    path.write_text(path.read_text().rstrip() + " LIMIT 1\n")
    assert whole > len(lab.metric("lines_per_sku")) == 1
    with pytest.raises(InputError, match="already exists"):
        run(lab, "--save lines_per_sku")
    with pytest.raises(InputError, match="already exists"):
        run(lab, "--save turnover")


def test_metric_of_a_frame_is_refused(lab):
    """A metric reads the warehouse only."""
    with pytest.raises(InputError, match="reads few of the notebook"):
        run(lab, "--save other", "SELECT * FROM few", few=pd.DataFrame({"a": [1]}))


def test_help_names_every_option(lab):
    """-h shows the options without running anything."""
    shown, _ = run(lab, "-h", "not SQL")
    assert all(option in shown.text for option in ("--limit", "--lazy", "--save", "from"))


@pytest.mark.parametrize("line", ["a b", "from", "--limit many", "--save 1x", "--what", "a-b"])
def test_invalid_lines_say_what_is_valid(line):
    """The error names the options."""
    with pytest.raises(InputError, match="%%d1"):
        options(line)
