"""Order lines per shop, counted again in Python on a drawn shop."""

from __future__ import annotations

from datetime import timedelta

from d1lab.metrics import evaluate, shipped_metric
from tests.support.drawn_shop import draw, opened


def test_events_are_those_of_the_last_31_days_of_all_shops():
    """The days end with the last day of any shop; a shop without an event in them has no row."""
    lines = draw(7, 120)
    last = max(line.day for line in lines)
    old = lines[0]._replace(shop="closed", day=last - timedelta(days=31))
    kept = lines[0]._replace(shop="kept", day=last - timedelta(days=30))
    with opened([*lines, old, kept]) as con:
        found = dict(evaluate(con, shipped_metric("shop_events"), {}).fetchall())
    recent = [line for line in lines if line.day > last - timedelta(days=31)]
    assert found.keys() == {"s", "other", "kept"}
    assert (found["s"], found["kept"]) == (len(recent), 1)
    assert list(found) == sorted(found, key=lambda shop: (-found[shop], shop))
