"""One advice per product, in a fixed order."""

from __future__ import annotations

from d1lab.analyses.overview.advice import PRECEDENCE, one_each, settle


def test_settle_takes_the_first_of_all_advice():
    for place, kind in enumerate(PRECEDENCE):
        later = {name: ["mug"] for name in reversed(PRECEDENCE[place:])}
        assert settle(later) == {"mug": kind}


def test_settle_order_comes_before_discounts_and_prices():
    found = settle(
        {"price": ["a", "b", "c"], "discount": ["a", "c", "d"], "order": ["a"], "cap": ["c"]}
    )
    assert found == {"a": "order", "b": "price", "c": "cap", "d": "discount"}


def test_one_each_gives_every_product_to_one_action():
    named = [("x", "keep", ["a", "b"]), ("y", None, ["a", "c"]), ("z", "order", ["b", "d"])]
    assert one_each(named) == {0: {"a"}, 1: {"c"}, 2: {"b", "d"}}
