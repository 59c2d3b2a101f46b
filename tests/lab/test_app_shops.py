"""Shops and days in the app's own tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

METRIC = """
-- store_total: sales of a store
-- unit: money    grain: shop    reads: orders
SELECT sum(total) AS total FROM orders WHERE store_id = $shop
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pulled warehouse of an app with stores."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    db.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, store_id INT, total REAL, at DATETIME)"
    )
    later = datetime.now(UTC) + timedelta(days=400)
    db.execute(
        "INSERT INTO orders VALUES (1, 1, 2.5, '2026-01-01 10:00:00'), (2, 1, 4, '2026-01-05'), "
        "(3, 2, 8, '2026-01-02 09:00:00'), (4, 2, 1, ?1), (5, NULL, 1, '2027-01-01')",
        (later.isoformat(),),
    )
    db.execute("CREATE TABLE staff (name TEXT, STORE_ID INTEGER)")
    db.execute("INSERT INTO staff VALUES ('ada', 3)")
    pull(db, tmp_path / "data", database="app")
    db.close()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "store_total.sql").write_text(METRIC.lstrip())
    return tmp_path / "data"


@pytest.fixture
def lab(folder: Path, tmp_path: Path):
    """A lab on it with the stores as shops."""
    with open_warehouse(folder) as con:
        yield Lab(
            con,
            database="app",
            folder=folder,
            shop_column="store_id",
            metrics_folder=tmp_path / "metrics",
        )


def test_shops_are_the_values_of_the_shop_column(lab: Lab) -> None:
    """In any table of the app; each shop has the days of its rows, without future ones."""
    assert lab.shops == ["1", "2", "3"]
    assert lab.as_of("1") == date(2026, 1, 5)
    assert lab.as_of("2") == date(2026, 1, 2)
    assert abs(lab.as_of("3") - datetime.now(UTC).date()) <= timedelta(days=1)  # that of the pull
    with pytest.raises(InputError, match=r"outside the shop's data \(2026-01-01 to 2026-01-05\)"):
        lab.as_of("1", "2026-02-01")


def test_a_metric_takes_such_a_shop(lab: Lab) -> None:
    """A project's metric on the app's own table; the error names a missing shop."""
    assert lab.metric("store_total", shop="1")["total"].tolist() == [6.5]
    with pytest.raises(UnknownName, match="no shop '9'"):
        lab.metric("store_total", shop="9")


def test_all_data_has_days_of_its_own(lab: Lab) -> None:
    """For a report on all shops."""
    assert lab.as_of("", "2026-01-01") == date(2026, 1, 1)
    with pytest.raises(InputError, match="outside the data"):
        lab.as_of("", "2025-12-31")


def test_a_database_without_shops_has_days_too(folder: Path) -> None:
    """The latest time that is not in the future; no shop is required."""
    with open_warehouse(folder) as con:
        lab = Lab(con, database="app", folder=folder)
        assert lab.shops == []
        assert lab.as_of() == max(date(2026, 1, 5), min(date(2027, 1, 1), lab.as_of()))
        assert lab.simulated() == ()
        assert lab.freshness().data_as_of == lab.as_of()
