"""What D1 still holds of a run's results."""

from __future__ import annotations

from contextlib import closing

import pytest

from d1lab.d1.connect import connect
from d1lab.jobs.lost_results import why_lost
from d1lab.push.holders import Holder, holders, place_of
from d1lab.push.staged import Origin

MINE = place_of("customer_insights", Origin("customers", "harbor", "2026-05-08"))


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({}, "customer_insights was rolled back or restored"),
        ({MINE: Holder("other", "2026-05-08", "b")}, "run other wrote to customer_insights since"),
        ({MINE: Holder("other", "2026-05-08", "a")}, ""),
        ({MINE: Holder("mine", "2026-05-08", "a")}, ""),
    ],
)
def test_results_are_lost_where_the_place_holds_others(held, why):
    """The same values written by another machine count as present."""
    assert why_lost({MINE: "a"}, held) == why


def test_a_place_is_one_day_where_rows_have_one():
    """The key of inventory_impact includes the day; customer_insights has one state only."""
    days = ("2026-05-01", "2026-05-08")
    stock = {place_of("inventory_impact", Origin("inventory", "harbor", day)) for day in days}
    customers = {place_of("customer_insights", Origin("customers", "harbor", day)) for day in days}
    assert (len(stock), len(customers)) == (2, 1)


def test_asking_for_holders_reads_two_rows_for_each_place(settings):
    """The runs of other shops do not matter."""
    with closing(connect(settings, write=True)) as db:
        for number in range(200):
            place = place_of("customer_insights", Origin("customers", f"shop-{number}", None))
            db.execute(
                "INSERT INTO d1lab_results VALUES (?1, ?2, ?3, ?4, ?5, NULL, 'a')",
                (*place, f"run-{number}"),
            )
        origins = [Origin("customers", shop, "2026-05-08") for shop in ("shop-7", "unknown")]
        asked = [place_of("customer_insights", origin) for origin in origins]
        before = db.meter.total.rows_read
        found = holders(db, asked)
        assert {p.shop: h.run_id for p, h in found.items()} == {"shop-7": "run-7"}
        assert db.meter.total.rows_read - before <= 4
