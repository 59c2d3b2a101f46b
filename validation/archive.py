"""A year of demo data, archived month by month: no report changes.

    python -m validation.archive [FOLDER]

It writes docs/validation/archive.md. There are two copies of the demo. In one, every report runs on
a year in D1. In the other, `d1lab archive --delete` takes one month after the other out of D1. With
each month, all metrics that the reports have computed are computed again, with equal parameters.
At the end, every report runs there, too, and its figures and staged results are compared.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from d1lab.config import load_settings
from d1lab.lab.lab import Lab
from d1lab.metrics import load_metrics
from d1lab.packed_files import is_kept, read_packed
from d1lab.warehouse import open_warehouse

PAGE = Path(__file__).parents[1] / "docs" / "validation" / "archive.md"
NEWEST = date(2017, 12, 31)
TOLERANCE = 1e-9
MONTHS = range(2, 13)
"""The month that D1 begins with after each archive: all but December leave it."""

OF_USAGE = "-operations-"
"""In the names of runs of the report on D1's usage, which an archive adds to."""

SHOWN_BY = {
    "a kill at every step": "test_a_kill_at_any_arrow_loses_and_doubles_nothing",
    "a lost manifest": "test_a_lost_manifest_is_rebuilt_from_the_files",
    "a truncated file": "test_a_truncated_file_is_noticed_and_restored",
    "two archivers": "test_two_archives_do_not_meet",
    "D1 restored to before the deletion": "test_d1_restored_to_before_the_deletion_counts_once",
    "the daily limit half-way": "test_the_days_limit_stops_half_way_and_the_next_day_goes_on",
    "a correction of an archived event": "test_a_correction_of_an_archived_event_wins",
    "rows that somebody else deleted": "test_rows_that_somebody_deleted_are_told_and_not_forgotten",
    "cost of archive, --delete, and --restore": "test_a_deletion_costs_one_written_row_a_row",
    "cost of forget": "test_forgetting_costs_two_written_rows_a_row",
}
"""Faults and costs, and the tests of `tests/ops/` that show what comes of them."""


class Month(NamedTuple):
    """One archive, and what differs after it."""

    month: str
    archived: int  # rows
    deleted: int  # rows in D1
    rows_written: int  # as billed
    file_bytes: int
    differing: tuple[str, ...]  # metrics


class Year(NamedTuple):
    """All months, and the reports at the end."""

    months: tuple[Month, ...]
    metrics: int  # different calls compared after each month
    reports: int
    differing: tuple[str, ...]  # reports, with the file that differs
    live_rows: int  # order events in D1 at the end
    rows: int  # and at the beginning
    warehouse_bytes: tuple[int, int]  # before, after
    archive_bytes: int
    seconds: float


def main() -> None:
    """Run it, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        year = archive_a_year(Path(sys.argv[1] if len(sys.argv) > 1 else folder))
    PAGE.write_text(page(year), encoding="utf-8")
    print(page(year))
    raise SystemExit(1 if year.differing or any(m.differing for m in year.months) else 0)


def archive_a_year(home: Path) -> Year:
    """Build the demo unless it is there, archive eleven months in a copy, and compare."""
    start = monotonic()
    live, archived = home / "live", home / "archived"
    if not live.is_dir():
        live.mkdir(parents=True)
        d1lab(live, "demo")
        d1lab(live, "pull")
        shutil.copytree(live, archived)
        d1lab(live, "run")
    d1lab(archived, "pull")
    calls = list(calls_of(live))
    before = values(archived, calls)
    size = _warehouse(archived).stat().st_size
    months = tuple(_archive(archived, month, calls, before) for month in MONTHS)
    d1lab(archived, "run", "--force")
    reports, differing = compare_runs(live, archived)
    return Year(
        months, len(calls), reports, tuple(differing), _events(archived), _events(live),
        (size, _warehouse(archived).stat().st_size), sum(m.file_bytes for m in months),
        monotonic() - start,
    )  # fmt: skip


def d1lab(root: Path, *args: str) -> str:
    """Run a command in a folder, as a user does, and return what it prints.

    Raises:
        subprocess.CalledProcessError: It failed; its errors are on standard error.
    """
    command = [sys.executable, "-c", "from d1lab.cli import main; main()", *args]
    env = {**os.environ, "D1LAB_ROOT": str(root)}
    ended = subprocess.run(command, cwd=root, env=env, stdout=subprocess.PIPE, check=True)
    return ended.stdout.decode()


def calls_of(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the metrics that all runs have computed, each with its parameters as JSON, once."""
    seen: set[tuple[str, str]] = set()
    known = load_metrics()
    for path in sorted(_folder(root).glob("runs/*/reads.jsonl")):
        for told in map(json.loads, path.read_text().splitlines()):
            call = (str(told.get("metric")), json.dumps(told.get("params"), sort_keys=True))
            if told.get("metric") in known and call not in seen:
                seen.add(call)
                yield call


def values(root: Path, calls: list[tuple[str, str]]) -> list[list[Any]]:
    """Compute the metrics, each as rows in an order of their own."""
    chosen = load_settings(root=root).resolve("demo")[1]
    with open_warehouse(_folder(root), zones=chosen.zones) as con:
        lab = Lab(con, database="demo", folder=_folder(root), shop=None)
        found = (lab.metric(name, **json.loads(params)) for name, params in calls)
        frames = (frame.itertuples(index=False, name=None) for frame in found)
        return [sorted(map(list, rows), key=_place) for rows in frames]


def compare_runs(live: Path, archived: Path) -> tuple[int, list[str]]:
    """Compare figures and staged results of the newest run of each report and shop.

    Returns:
        How many were compared, and those that differ.
    """
    ours, theirs = _runs(live), _runs(archived)
    differing = sorted(ours.keys() ^ theirs.keys())
    for name in sorted(ours.keys() & theirs.keys()):
        mine, other = _content(ours[name]), _content(theirs[name])
        names = sorted(mine.keys() | other.keys())
        parts = [name for name in names if not is_same(mine.get(name), other.get(name))]
        differing += [f"{name}: {part}" for part in parts]
    return len(ours), differing


def _archive(root: Path, first: int, calls: list[tuple[str, str]], before: list[Any]) -> Month:
    keep = (NEWEST - date(NEWEST.year, first, 1)).days + 1
    told = json.loads(d1lab(root, "archive", "--keep", f"{keep}d", "--delete", "--json"))
    after = values(root, calls)
    pairs = zip(calls, before, after, strict=True)
    differing = tuple(sorted({call[0] for call, old, new in pairs if not is_same(old, new)}))
    (month,) = told["months"]
    return Month(
        month["month"], month["rows"], month["deleted"], told["rows_written"], month["bytes"],
        differing,
    )  # fmt: skip


def _folder(root: Path) -> Path:
    return root / "data" / "demo"


def _warehouse(root: Path) -> Path:
    return _folder(root) / "warehouse.duckdb"


def _events(root: Path) -> int:
    """The events that D1 has; the warehouse's own rows are the same."""
    with open_warehouse(_folder(root)) as con:
        return con.sql("SELECT count(*) FROM raw.order_events").fetchall()[0][0]


def _runs(root: Path) -> dict[str, Path]:
    """The newest run's folder by report and shop: a name is time, report, shop, and chance."""
    paths = [path for path in sorted(_folder(root).glob("runs/*")) if OF_USAGE not in path.name]
    return {path.name.split("-", 1)[1].rpartition("-")[0]: path for path in paths}


def _content(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("results.json", "decisions.json"):
        if is_kept(run / name):
            found[name] = json.loads(read_packed(run / name))
    for path in sorted((run / "outbox").glob("*.parquet")):
        rows = pq.read_table(path).to_pylist()
        found[path.name] = sorted(rows, key=_place)
    return found


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, floating-point numbers to a relative 1e-9.

    Sums of such numbers depend on their order in the last digits, and the order of an archive's
    rows is not that of D1.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or one != one != other
    return str(one) == str(other)


def _place(row: Any) -> str:
    """Return the place of a row in an order that the last digits of a number do not change."""
    cells = row.values() if isinstance(row, dict) else row
    return str([f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells])


def page(year: Year) -> str:
    """Return the page of the results."""
    rows = "\n".join(
        f"| {m.month} | {m.archived:,} | {m.deleted:,} | {m.rows_written / m.deleted:.4f} | "
        f"{m.file_bytes / 1e6:.2f} | {', '.join(m.differing) or 'none'} |"
        for m in year.months
    )
    before, after = year.warehouse_bytes
    faults = "\n".join(f"| {what} | `{test}` |" for what, test in SHOWN_BY.items())
    return f"""# Archive

`python -m validation.archive` wrote this page. A year of the demo ({year.rows:,} order events of
three shops) leaves D1 month by month, with `d1lab archive --delete`. After each month, the
{year.metrics} metrics that the reports have computed are computed again, with the same parameters.
All rows are compared, floating-point numbers to a relative 1e-9: their sums depend on the
order of the rows in the last digits.

| Month | Rows archived | Deleted in D1 | Rows written per row | File, MB | Metrics that differ |
|---|---|---|---|---|---|
{rows}

At the end, every report runs for every shop on {year.live_rows:,} live events and eleven archived
months. Its figures and its staged results are compared with those of the same report on the year in
D1. The report on D1's usage is left out: the deletions are usage, too.

| | |
|---|---|
| runs compared | {year.reports} |
| runs that differ | {", ".join(year.differing) or "none"} |
| warehouse before and after | {before / 1e6:.1f} MB, {after / 1e6:.1f} MB |
| archive files | {year.archive_bytes / 1e6:.1f} MB |

## Faults

Each of these is a test of `tests/ops/`; those of costs run on the real engine.

| Fault or cost | Test |
|---|---|
{faults}
"""


if __name__ == "__main__":
    main()
