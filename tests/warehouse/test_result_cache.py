"""Results of metrics on disk: the same frame as computed, or none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

import d1lab
from d1lab.cli import app
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.lab import query
from d1lab.metrics import load_metrics
from d1lab.ops.forget_files import files_of, forget_in_file
from d1lab.pull import pull
from d1lab.warehouse import VIEWS, next_warehouse, open_warehouse, result_cache
from d1lab.warehouse.result_cache import ResultCache, build_of

PARAMS = {"shop": "harbor", "until": date(2026, 5, 8), "least": 3}
FRAME = pd.DataFrame(
    {
        "sku": ["a", "b", None],
        "day": pd.to_datetime(["2026-01-01", None, "2026-01-03"]),
        "revenue": [0.1 + 0.2, float("nan"), -0.0],
        "units": [1, 2, 3],
        "is_new": [True, None, False],
    }
)


@pytest.fixture
def con(tiny_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(tiny_warehouse.parent) as opened:
        yield opened


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Ask a cache, in which everything is worth keeping; whether it has to compute."""
    monkeypatch.setattr(result_cache, "LEAST_SECONDS", 0.0)

    def ask(
        cache: ResultCache,
        params: dict[str, object] = PARAMS,
        sql: str = "SELECT 1",
        frame: pd.DataFrame = FRAME,
        currency: str = "EUR",
    ) -> bool:
        calls: list[int] = []
        compute = lambda: calls.append(1) or frame.copy()  # noqa: E731
        found = cache.frame("sold", sql, params, compute, currency=currency)
        pd.testing.assert_frame_equal(found, frame, check_exact=True)
        return bool(calls)

    return ask


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("results/*/*.parquet"))


def test_a_result_is_computed_once_for_all_labs(con, computed, tmp_path):
    """Its files are for their user alone."""
    assert computed(ResultCache(con, tmp_path, {"shop_column": "shop"}))
    assert not computed(ResultCache(con, tmp_path, {"shop_column": "shop"}))
    [path] = files(tmp_path)
    assert path.name.startswith("sold-")
    if os.name == "posix":
        assert [p.stat().st_mode & 0o77 for p in (path, path.parent, path.parent.parent)] == [0] * 3


def test_whatever_a_result_depends_on_makes_another_entry(con, computed, tmp_path):
    """Parameters with their types, SQL, settings, the connection's zones, and the build."""
    settings = {"shop_column": "shop"}
    assert computed(ResultCache(con, tmp_path, settings))
    assert computed(ResultCache(con, tmp_path, {"shop_column": "store"}))
    cache = ResultCache(con, tmp_path, settings)
    assert computed(cache, sql="SELECT 2")
    assert computed(cache, currency="USD")
    for other in ("3", 3.0, Decimal(3), 4, True, None, date(2026, 5, 8)):
        assert computed(cache, {**PARAMS, "least": other}), other
    con.execute('SET VARIABLE zones = \'{"": "Asia/Tokyo"}\'')
    assert computed(ResultCache(con, tmp_path, settings))
    with next_warehouse(tmp_path) as built:
        first = build_of(built)
    with open_warehouse(tmp_path) as other:
        assert build_of(other) not in ("", first, build_of(con))
        assert computed(ResultCache(other, tmp_path, settings))


def test_days_are_kept_as_text(con, tmp_path):
    """A damaged file, or that of another result, is written again."""
    days = {"harbor": (date(2026, 1, 2), date(2026, 5, 8)), "kiosk": (date(2025, 1, 1),) * 2}
    calls: list[str] = []

    def ask(sql: str = "SELECT 1") -> int:
        before = len(calls)
        found = ResultCache(con, tmp_path, {}).days(sql, lambda: calls.append(sql) or days)
        assert found == days
        return len(calls) - before

    assert [ask(), ask(), ask("SELECT 2"), ask("SELECT 2")] == [1, 0, 1, 0]
    first, second = sorted(tmp_path.glob("results/*/days-*.json"))
    content = first.read_text()
    for damage in ("", content[:-5], content.replace("2026", "2025"), "[]", second.read_text()):
        first.write_text(damage)
        assert ask() + ask("SELECT 2") == 1
        assert ask() + ask("SELECT 2") == 0


def test_values_without_a_sure_text_are_not_kept(con, computed, tmp_path):
    """The text of a long list leaves out its middle."""
    cache = ResultCache(con, tmp_path, {})
    for _ in range(2):
        assert computed(cache, {**PARAMS, "least": [1, 2]})
    assert files(tmp_path) == []


@pytest.mark.parametrize("fault", ["truncated", "another result", "changed byte", "empty", "text"])
def test_a_damaged_entry_is_computed_again_and_repaired(con, computed, tmp_path, fault):
    """It is never shown."""
    cache = ResultCache(con, tmp_path, {})
    assert computed(cache)
    [path] = files(tmp_path)
    content = path.read_bytes()
    if fault == "another result":
        computed(cache, sql="SELECT 2", frame=FRAME[["sku"]])
        [other] = {*files(tmp_path)} - {path}
        shutil.copyfile(other, path)
    else:
        changed = bytearray(content)
        changed[len(content) // 10] ^= 0xFF
        damage = {"truncated": content[:-9], "changed byte": changed, "empty": b"", "text": b"[]"}
        path.write_bytes(damage[fault])
    assert computed(cache)
    assert not computed(cache)


def test_fast_results_and_those_a_file_changes_are_not_kept(con, computed, tmp_path, monkeypatch):
    """Columns of several types, numbers as objects, and tuples come back as something else."""
    cache = ResultCache(con, tmp_path, {})
    for values in ([1, "a", 2.5], [1, None], [True, 1], [(1, 2), (3,)], [Decimal("1.0"), 1.0]):
        frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
        assert computed(cache, frame=frame), values
    for frame in (FRAME.rename_axis("x", axis=1), FRAME.set_index("sku")):
        computed(cache, sql="SELECT 3", frame=frame)  # read or not, it is this frame
        computed(cache, sql="SELECT 3", frame=frame)
        for path in files(tmp_path):
            path.unlink()
    monkeypatch.setattr(result_cache, "LEAST_SECONDS", 3600.0)
    assert computed(cache)
    assert files(tmp_path) == []


def test_a_result_that_would_push_out_the_others_is_not_kept(con, computed, tmp_path, monkeypatch):
    """A frame of just the size is."""
    monkeypatch.setattr(result_cache, "MOST_BYTES_EACH", FRAME.memory_usage().sum())
    cache = ResultCache(con, tmp_path, {})
    assert computed(cache, sql="SELECT 2", frame=pd.concat([FRAME, FRAME], ignore_index=True))
    assert files(tmp_path) == []
    assert computed(cache)
    assert not computed(cache)


def test_the_size_is_bounded(con, computed, tmp_path, monkeypatch):
    """The entry that was used longest ago goes first."""
    cache = ResultCache(con, tmp_path, {})
    for number in (1, 2):
        computed(cache, sql=f"SELECT {number}")
    monkeypatch.setattr(result_cache, "MOST_BYTES", 2 * files(tmp_path)[0].stat().st_size)
    for age, path in enumerate(sorted(files(tmp_path), key=lambda p: p.stat().st_mtime_ns)):
        os.utime(path, (1000 - age, 1000 - age))
    assert not computed(cache, sql="SELECT 2")  # the older one, but used again
    assert computed(cache, sql="SELECT 3")
    assert not computed(cache, sql="SELECT 2")
    assert computed(cache, sql="SELECT 1")


def test_a_folder_that_cannot_be_written_to_is_no_error(con, computed, tmp_path):
    """Each result is computed then."""
    (tmp_path / "results").write_text("not a folder")
    for _ in range(2):
        assert computed(ResultCache(con, tmp_path, {}))


def test_labs_share_results_until_the_next_pull(tmp_path, monkeypatch, computed):
    """Metrics of the project are computed each time: they can read files and the clock."""
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    (tmp_path / "metrics").mkdir()
    own = "-- mine: a number\n-- unit: number  grain: x  reads: order_lines\nSELECT 1 AS x"
    (tmp_path / "metrics" / "mine.sql").write_text(own)
    asked: list[str] = []
    really = query.evaluated

    def evaluated(con, metric, *rest, **given):
        asked.append(metric.name)
        return really(con, metric, *rest, **given)

    monkeypatch.setattr(query, "evaluated", evaluated)

    def ask() -> list[str]:
        asked.clear()
        for name in ("last_day", "mine"):
            d1lab.open().metric(name)
        return list(asked)

    db = SqliteDatabase.create(folder / "d1.sqlite")
    migrate(db)
    pull(db, folder, database="demo")
    assert ask() == ["last_day", "mine"]
    assert ask() == ["mine"]
    db.execute("INSERT INTO ab_test_results (shop, test_id) VALUES ('harbor', 't')")
    assert not pull(db, folder, database="demo").skipped
    assert files(folder) == []
    assert ask() == ["last_day", "mine"]
    late = folder / "results" / "0123" / "of-an-open-notebook.parquet"
    late.parent.mkdir()
    late.write_bytes(b"x" * 2_000_000)
    for options, is_left in (["--dry-run"], True), ([], False):
        told = CliRunner().invoke(app, ["prune", *options])
        assert "2.0 MB" in told.stderr
        assert late.exists() == is_left
    assert ask() == ["mine"]
    for path in list(files_of(folder, tmp_path / "reports")):
        forget_in_file(path, "customer_id", "c1", dry_run=False)
    assert ask() == ["last_day", "mine"]
    db.close()


def test_d1labs_metrics_depend_on_the_warehouse_and_their_parameters_only():
    """No clock, no chance, no file: otherwise their results could not be kept."""
    texts = {m.name: m.sql for m in load_metrics().values()}
    texts |= {path.stem: path.read_text() for path in VIEWS.glob("*.sql")}
    impure = r"\b(now|today|random|uuid|setseed|get_current_\w+|read_\w+|glob)\s*\(|\bcurrent_\w+"
    code = {name: re.sub(r"--[^\n]*", "", text) for name, text in texts.items()}
    assert {name for name, text in code.items() if re.search(impure, text, re.IGNORECASE)} == set()
