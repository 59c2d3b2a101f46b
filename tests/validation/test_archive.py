"""What the proof of the archive counts as a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from validation.archive import SHOWN_BY, Month, Year, compare_runs, is_same, page


def write_run(root: Path, revenue: float, rate: float) -> None:
    """A run with a figure and a staged result, and one of the report on usage, which differs."""
    place = len(root.name)
    usage = root / "data" / "demo" / "runs" / f"20260101T000000-operations-_-{place:06x}"
    usage.mkdir(parents=True)
    (usage / "results.json").write_text(json.dumps({"rows_read": place}))
    name = f"20260101T00000{place}-inventory-kiosk-{place:06x}"
    run = root / "data" / "demo" / "runs" / name
    (run / "outbox").mkdir(parents=True)
    (run / "results.json").write_text(json.dumps({"revenue": [revenue, None], "shop": "kiosk"}))
    rows = {"sku": ["b", "a"], "turnover_rate": [rate, None]}
    pq.write_table(pa.table(rows), run / "outbox" / "inventory_impact.parquet")


def test_last_digits_of_sums_are_no_difference():
    """A relative 1e-9; missing is not zero, and NaN is NaN."""
    assert is_same([0.1 + 0.2, float("nan"), None, "a"], [0.3, float("nan"), None, "a"])
    for one, other in ((1.0, 1.00001), (0.0, None), ([1], [1, 1]), ({"a": 1}, {"b": 1}), (1, 2)):
        assert not is_same(one, other)


def test_runs_are_compared_by_figures_and_staged_results(tmp_path: Path):
    """A difference names the report, the shop, and the file."""
    for name, revenue, rate in (("a", 10.0, 0.5), ("bb", 10.0 + 1e-12, 0.5), ("ccc", 11.0, 0.6)):
        write_run(tmp_path / name, revenue, rate)
    run = "inventory-kiosk"
    assert compare_runs(tmp_path / "a", tmp_path / "bb") == (1, [])
    assert compare_runs(tmp_path / "a", tmp_path / "ccc") == (
        1, [f"{run}: inventory_impact.parquet", f"{run}: results.json"],
    )  # fmt: skip
    assert compare_runs(tmp_path / "a", tmp_path / "none") == (1, [run])


def test_the_page_names_what_differs():
    """Months with the cost of a deletion, and the reports."""
    month = Month("2017-01", 10, 10, 11, 1_000_000, ("turnover",))
    year = Year((month,), 5, 2, ("inventory-kiosk: results.json",), 5, 10, (2, 1), 1_000_000, 60.0)
    text = page(year)
    assert "| 2017-01 | 10 | 10 | 1.1000 | 1.00 | turnover |" in text
    assert "| runs that differ | inventory-kiosk: results.json |" in text


def test_the_page_names_tests_that_exist():
    """Each fault is shown by one."""
    text = "".join(p.read_text() for p in (Path(__file__).parents[1] / "ops").glob("test_*.py"))
    missing = {test for test in SHOWN_BY.values() if f"def {test}(" not in text}
    assert missing == set()
