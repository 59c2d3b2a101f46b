"""Reading follows change, in small: what the benchmark measures on the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import reading
from bench.reading import Size
from d1lab.d1.sqlite import SqliteDatabase
from tests.pull.conftest import Remote

FEW = 40  # rows that tell where the tables end
KIOSK = Size(4, 500, 20, 50, 40, 300)
LIVING = Size(1, 2_000, 900, 1_000, 200, 3_000)


@pytest.fixture
def filled(tmp_path: Path):
    """A database of some size, which looks remote."""

    def made(size: Size, name: str = "d1") -> Remote:
        db = Remote(SqliteDatabase.create(tmp_path / f"{name}.sqlite"))
        reading.fill(db, size)
        return db

    return made


@pytest.mark.long
def test_one_line_costs_the_same_beside_more_shops(filled, tmp_path):
    """A new order line is read, and the ends of the tables; no row of any other shop."""
    sizes = (KIOSK, KIOSK._replace(shops=16))
    read = [
        reading.one_line(filled(size, f"{size.shops}"), tmp_path / f"{size.shops}", size)
        for size in sizes
    ]
    assert read[0] == read[1] <= FEW


def test_own_push_is_not_read_again(filled, tmp_path):
    """A segment for each of 900 customers, and the warehouse has them."""
    assert reading.own_push(filled(LIVING), tmp_path / "own", LIVING) <= FEW


@pytest.mark.long
def test_pulls_of_a_day_read_what_changed(filled, tmp_path):
    """Counters once a day; the pairs of discounts by the app's index from the second day on."""
    db = filled(LIVING)
    first, second = reading.living_days(db, tmp_path / "days", LIVING, 3, days=2)
    daily = LIVING.customers + LIVING.products
    assert daily + LIVING.discounts <= first.counters_read <= daily + LIVING.discounts + FEW
    assert daily <= second.counters_read <= daily + FEW
    assert first.rows_changed == 3 * 24
    tail = 8 * 97  # stock of the last days
    for day in (first, second):
        assert day.rows_read - day.counters_read <= tail + 3 * 2 * FEW
