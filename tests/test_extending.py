"""How many files a new metric, report, command or table touches: nothing is listed a second time.

Each test adds one to a copy of the package, counts the files that differ, and uses it from outside,
as a user would.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1 import open_database
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.command_line import PROGRAM

ROOT = Path(__file__).parents[1]

METRIC = """\
-- returned_units: units that came back per SKU
-- unit: units      grain: sku      reads: order_lines
-- $until: the last day that counts
-- returned_units: Returned [units], integer, lower is better
SELECT sku, coalesce(-sum(units) FILTER (WHERE units < 0), 0) AS returned_units
FROM order_lines WHERE shop = $shop AND day <= $until::DATE GROUP BY sku ORDER BY sku
"""

DECLARED = '''\
"""What the report on sold units says and shows."""

from d1lab.display.declarations import ReportTable


def tables(sold):
    """The report's tables, by name."""
    return {"sold": ReportTable(sold, "Products by revenue", "product revenue", 5)}
'''

CELLS = {
    "title": "# Sold units\n\nWhat was sold.",
    "parameters": 'shop = "harbor"  # whose sales\nas_of: str | None = None  # the last day',
    "open": (
        "import d1lab\nfrom d1lab.analyses.discounts import sold_report as report\n\n"
        "lab = d1lab.open(shop=shop)\n"
        'sold = lab.metric("products", until=lab.as_of(as_of=as_of), days=30)\n'
        "tables = report.tables(sold)"
    ),
    "verdict": 'lab.verdict(f"{len(sold)} products were sold.")',
    "sold": 'lab.table(tables["sold"])',
}

COMMAND = '''

@app.command(epilog="Example: d1lab shops")
def shops(database: DatabaseOption = None) -> None:
    """List the shops in the warehouse."""
    from d1lab.lab import open

    print_rows(("shop",), [(shop,) for shop in open(database).shops])
'''

MIGRATION = """\
CREATE TABLE IF NOT EXISTS suppliers (shop TEXT NOT NULL, sku TEXT NOT NULL, supplier TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS suppliers_key ON suppliers (shop, sku);
"""
VIEW = "-- One row per product and its supplier.\nSELECT shop, sku, supplier FROM raw.suppliers\n"
ENTRY = (
    '    Table("suppliers", key=("shop", "sku"), columns=columns_of(text="shop sku supplier")),\n'
)


class Checkout:
    """A copy of the package and its notebooks, and a project that uses it."""

    def __init__(self, folder: Path, warehouse: Path) -> None:
        self.code, self.project = folder / "code", folder / "project"
        for name in ("d1lab", "notebooks"):
            shutil.copytree(ROOT / name, self.code / name)
        self._before = self._texts()
        (self.project / "data" / "demo").mkdir(parents=True)
        shutil.copyfile(warehouse, self.project / "data" / "demo" / "warehouse.duckdb")

    def add(self, path: str, text: str) -> None:
        """Write a new file."""
        assert not (self.code / path).exists()
        (self.code / path).write_text(text, encoding="utf-8")

    def insert(self, path: str, text: str, *, before: str = "") -> None:
        """Insert a text into a file; at its end, or before another one that stands there once."""
        file = self.code / path
        old = file.read_text(encoding="utf-8")
        assert not before or old.count(before) == 1
        new = old.replace(before, text + before) if before else old + text
        file.write_text(new, encoding="utf-8")

    def touched(self) -> list[str]:
        """The files that are new or differ, by name."""
        now = self._texts()
        return sorted(name for name in now if now[name] != self._before.get(name))

    def _texts(self) -> Mapping[str, bytes]:
        files = (path for path in self.code.rglob("*") if path.is_file())
        return {str(p.relative_to(self.code)): p.read_bytes() for p in files if p.suffix != ".pyc"}

    def run(self, *command: str | Path) -> str:
        """What a command prints; it must end with 0."""
        paths = {"PYTHONPATH": str(self.code), "D1LAB_ROOT": str(self.project)}
        place = {
            "D1LAB_NOTEBOOKS_DIR": str(self.code / "notebooks"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**os.environ, **paths, **place},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def checkout(tmp_path: Path, tiny_warehouse: Path) -> Checkout:
    """A checkout of one's own, with the tiny warehouse as its demo."""
    return Checkout(tmp_path, tiny_warehouse)


def test_a_metric_with_its_labels_is_one_file(checkout):
    """The header names it, documents it, and labels its columns on tables."""
    checkout.add("d1lab/analyses/inventory/returned_units.sql", METRIC)
    assert checkout.touched() == ["d1lab/analyses/inventory/returned_units.sql"]
    code = (
        "import d1lab\n"
        "lab = d1lab.open('demo', shop='harbor')\n"
        "frame = lab.metric('returned_units', until='2026-05-08')\n"
        "print(lab.table(frame, title='Returned').columns[1].header)\n"
    )
    assert checkout.run(sys.executable, "-c", code) == "Returned (units)\n"
    listed = json.loads(checkout.run(PROGRAM, "metrics", "--json"))
    assert "returned_units" in [metric["metric"] for metric in listed]


def test_a_report_is_two_files(checkout):
    """A notebook, and the module that declares what it shows; `run` makes a page of them."""
    tags = {"parameters": ["parameters"], "open": ["setup"]}
    cells = [
        {
            "cell_type": "markdown" if name == "title" else "code",
            "id": name,
            "metadata": {"tags": tags[name]} if name in tags else {},
            "source": source,
        }
        | ({} if name == "title" else {"outputs": [], "execution_count": None})
        for name, source in CELLS.items()
    ]
    shipped = json.loads((ROOT / "notebooks" / "products.ipynb").read_text(encoding="utf-8"))
    checkout.add("notebooks/sold.ipynb", json.dumps({**shipped, "cells": cells}))
    checkout.add("d1lab/analyses/discounts/sold_report.py", DECLARED)
    assert len(checkout.touched()) == 2
    run = (PROGRAM, "run", "sold", "--shop", "harbor", "--no-pull", "--no-push", "--json")
    [ran] = json.loads(checkout.run(*run))["runs"]
    assert ran["status"] == "done"
    page = checkout.project / "reports" / "demo" / "harbor" / "sold" / "latest.html"
    assert "Products by revenue" in page.read_text(encoding="utf-8")


def test_a_command_is_one_function(checkout):
    """Its sentence and its example stand with it; the help lists it."""
    checkout.insert("d1lab/cli/data.py", COMMAND)
    assert checkout.touched() == ["d1lab/cli/data.py"]
    assert checkout.run(PROGRAM, "shops").split() == ["shop", "harbor", "kiosk"]
    assert "List the shops in the warehouse." in checkout.run(PROGRAM, "--help")
    assert "Example: d1lab shops" in checkout.run(PROGRAM, "shops", "--help")


def test_a_table_is_a_migration_a_view_and_an_entry(checkout):
    """D1 gets it, a pull brings its rows, and the lab has its view."""
    checkout.add("d1lab/d1/migrations/0999_suppliers.sql", MIGRATION)
    checkout.add("d1lab/warehouse/suppliers.sql", VIEW)
    checkout.insert("d1lab/catalog.py", ENTRY, before=")\n\nTABLES: dict[str, Table]")
    assert len(checkout.touched()) == 3
    database = checkout.project / "d1.sqlite"
    SqliteDatabase.create(database).close()
    settings = 'database = "mine"\n[databases.mine]\nurl = "sqlite:d1.sqlite"\n'
    (checkout.project / "d1lab.toml").write_text(settings, encoding="utf-8")
    checkout.run(PROGRAM, "migrate")
    with closing(open_database(f"sqlite:{database}")) as db:
        db.execute("INSERT INTO suppliers VALUES ('harbor', 'hat', 'Mill')")
    checkout.run(PROGRAM, "pull")
    assert json.loads(checkout.run(PROGRAM, "sql", "--json", "FROM suppliers")) == [
        {"shop": "harbor", "sku": "hat", "supplier": "Mill"}
    ]
