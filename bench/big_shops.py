"""Big shops: what each report of one takes, with up to 16 million order lines.

Processor time of a report and all its processes, and the peak of the largest of them. The shops are
made, with the same distributions at each size. All sizes take ten minutes and 2 GB in the temporary
folder, so this part runs only when it is named; a size can be, too, and is then the only one in
RESULTS.md:

    python -m bench big_shops
    D1LAB_BENCH_SHOPS=1m python -m bench big_shops
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.comparison import Comparison, Target
from d1lab.config import load_settings
from d1lab.pull.load import create_missing
from d1lab.warehouse import next_warehouse, open_warehouse, prepare_days, result_cache
from d1lab.warehouse.views import create_views

ON_REQUEST = True
"""Whether it runs only if it is named."""

DAYS = 730
REPORTS = (
    "ab_tests", "competitor_prices", "customers", "discounts", "inventory", "products",
    "recommendations", "overview",
)  # fmt: skip
MADE_MEMORY = "4GB"  # of DuckDB, to make a shop

_SQL = Path(__file__).with_name("big_shop.sql")
_RUN = "from d1lab.cli import main; main()"


class Size(NamedTuple):
    """Size of a shop, and what its reports may take."""

    title: str
    lines: int
    skus: int = 5_000
    customers: int = 400_000
    codes: int = 120
    tests: int = 9
    reports: Sequence[str] = REPORTS
    most_seconds: float | None = None  # of the processor, of any report
    most_mb: tuple[str, int] | None = None  # a report, and the peak of its largest process


SIZES = {
    "1m": Size("1 million lines", 1_000_000),
    "4m": Size("4 million lines", 4_000_000),
    "16m": Size("16 million lines", 16_000_000, most_seconds=60),
    "wide": Size(
        "48,000 SKUs, 200 tests, and 20,000 codes", 2_000_000, 48_000, 1_500_000, 20_000, 200,
        most_mb=("inventory", 1_200),
    ),
    "customers": Size(
        "A million customers", 3_000_000, customers=4_300_000, reports=("customers",),
        most_mb=("customers", 1_500),
    ),
}  # fmt: skip


class Took(NamedTuple):
    """What a report took."""

    seconds: float  # of the processor, with all processes
    peak_mb: float  # of the largest process


def run() -> list[Comparison]:
    """Measure the shops that D1LAB_BENCH_SHOPS names, or all."""
    named = os.environ.get("D1LAB_BENCH_SHOPS", "").split() or SIZES
    return [_shop(SIZES[name], name) for name in named]


def _shop(size: Size, name: str) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "notebooks").symlink_to(Path(__file__).parents[1] / "notebooks")
        # In a process of its own: a process counts the peak of the one that started it.
        subprocess.run([sys.executable, "-m", "bench.big_shops", name, folder], check=True)
        took = {report: _measured(root, report) for report in size.reports}
        shape = _shape(root)
    return Comparison(
        size.title,
        f"One shop with {shape}. Processor seconds of a report with all its processes, without "
        "pull and push, and the peak of the largest process. No result was kept from before.",
        ("report", "CPU seconds", "peak MB"),
        [(report, each.seconds, round(each.peak_mb)) for report, each in took.items()],
        targets(size, took),
    )


def targets(size: Size, took: dict[str, Took]) -> list[Target]:
    """Return the targets of a size, with what was measured by report."""
    found: list[Target] = []
    if size.most_seconds is not None:
        slowest = max(each.seconds for each in took.values())
        found.append(Target("CPU seconds of the slowest report", slowest, size.most_seconds))
    if size.most_mb is not None:
        report, limit = size.most_mb
        found.append(Target(f"peak MB of {report}", took[report].peak_mb, limit))
    return found


def make(root: Path, size: Size) -> None:
    """Write the warehouse of a project with one shop of that size."""
    shape = {name: getattr(size, name) for name in ("lines", "skus", "customers", "codes", "tests")}
    shape["days"] = DAYS
    _folder(root).mkdir(parents=True, exist_ok=True)
    with next_warehouse(_folder(root)) as con:
        con.execute(f"SET memory_limit = '{MADE_MEMORY}'")
        create_missing(con)
        create_views(con)
        for statement in con.extract_statements(_SQL.read_text(encoding="utf-8")):
            taken = {name: shape[name] for name in statement.named_parameters}
            con.execute(statement, taken)
        # Like a pull: days of other zones than the settings' would be computed by each query.
        prepare_days(con, load_settings(root=root).databases["demo"].zones)


def _shape(root: Path) -> str:
    """Return what the shop has, in words."""
    with open_warehouse(_folder(root)) as con:
        counts = con.execute(
            "SELECT count(*), count(DISTINCT sku), count(DISTINCT customer_id) FROM order_lines"
        ).fetchall()[0]
    lines, skus, customers = (f"{count:,}" for count in counts)
    return f"{lines} order lines of {skus} SKUs and {customers} customers in {DAYS} days"


def _folder(root: Path) -> Path:
    return load_settings(root=root).folder("demo")


def _measured(root: Path, report: str) -> Took:
    """Run a report as a user does, and return what it took."""
    shutil.rmtree(_folder(root) / result_cache.FOLDER, ignore_errors=True)
    arguments = ("run", report, "--shop", "big", "--no-pull", "--no-push", "--force")
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=root,
        env=os.environ | {"D1LAB_ROOT": str(root)},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)  # with all processes that it has waited for
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (report, process.returncode)
    return Took(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    make(Path(sys.argv[2]), SIZES[sys.argv[1]])
