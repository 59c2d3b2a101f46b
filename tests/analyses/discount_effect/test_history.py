"""Weeks in which a product was for sale: from its first full week until it left the shop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.exposure import OFF, ON
from d1lab.analyses.discount_effect.history import history
from validation.simulate_discounts import frame


def test_history_knows_when_a_product_was_for_sale():
    """Weeks without a sale count; those before the first, out of stock, or after the end do not."""
    units = np.zeros((4, 20), dtype=int)
    units[0, :] = 2
    units[0, 7] = 0
    units[1, 5:] = 3
    units[2, :8] = 4
    units[3, ::4] = 1
    rows = frame(units, np.zeros_like(units))
    rows.loc[rows["sku"] == "s00001", "first_week"] = 5 - 19
    closed = rows[rows["sku"] == "s00000"].iloc[[3]].assign(level="closed", units=0.0)
    found = history(pd.concat([rows, closed]))
    known = np.isfinite(found.sales.units)
    assert known[0].tolist() == [week != 3 for week in range(20)]
    assert found.sales.units[0, 7] == 0
    assert known[1].tolist() == [week > 5 for week in range(20)]  # its first week is no full one
    assert known[2].tolist() == [week < 8 for week in range(20)]  # 12 weeks at 4 a week, none sold
    assert known[3].all()  # three weeks without a sale are usual for it
    assert found.rows(["s00002"]).tolist() == [2]


@pytest.mark.parametrize(("weeks", "is_gone"), [(14, False), (15, True)])
@pytest.mark.parametrize("first", [0, 3])
def test_a_product_left_where_no_sale_has_a_chance_of_a_hundredth(weeks, is_gone, first):
    """One a week in ten weeks, then none: 4 weeks have a chance of 1.8%, 5 of 0.7%.

    Weeks before its first sale are not weeks at that rate.
    """
    units = np.zeros((2, first + weeks), dtype=int)
    units[0], units[1, first : first + 10] = 2, 1
    rows = frame(units, np.zeros_like(units))
    rows.loc[rows["sku"] == "s00001", "first_week"] = 1 - weeks if first else -99
    known = np.isfinite(history(rows).sales.units[1])
    begins = first + 1 if first else 0
    assert known.tolist() == [
        begins <= week < first + (10 if is_gone else weeks) for week in range(first + weeks)
    ]


def test_a_history_has_categories_discounts_and_amounts():
    """Sorted by SKU; the discounts in order, with their orders; what was listed and given."""
    units = np.array([[2, 0, 4], [1, 1, 1]])
    taken = np.array([[2, 0, 0], [0, 1, 0]])
    rows = pd.concat(
        [
            frame(units, taken, name="b"),
            frame(units, taken[::-1], name="a").query("level != 'sku'"),
        ]
    )
    rows.loc[rows["sku"] == "s00001", "category"] = "tea"
    found = history(rows.sample(frac=1, random_state=1))
    assert list(found.skus) == ["s00000", "s00001"]
    assert list(found.categories) == [None, "tea"]
    assert found.sales.listed.tolist() == [[20, 0, 40], [10, 10, 10]]
    assert found.discounts["discount_id"].tolist() == ["a", "b"]
    assert found.discounts["orders"].tolist() == [3, 3]
    nothing = history(rows.head(0))
    assert nothing.sales.units.shape == (0, 1)
    assert (len(nothing.discounts), nothing.offers) == (0, ())


def test_a_discount_is_never_deeper_than_the_deepest():
    """The share of the list value given away; more than 95% is a fault in the data."""
    units = np.full((3, 20), 2)
    taken = np.where((np.arange(20) >= 8) & (np.arange(20) < 12), units, 0)
    for given, depth in ((0.25, 0.25), (0.94, 0.94), (1.3, 0.95)):
        found = history(frame(units, taken, given))
        assert found.depths[0].ravel().tolist() == pytest.approx([depth] * 60)


def test_a_discount_for_everyone_has_a_depth_per_week():
    """10% in one offer and 30% in the next; a product that was never off keeps their mean."""
    units = np.full((3, 20), 4)
    taken = np.where((np.arange(20) >= 4) & (np.arange(20) < 12), units, 0)
    taken[2] = 4
    rows = frame(units, taken)
    deep = (rows["level"] == "discount") & (rows["week"] >= 8 - 19)
    rows.loc[rows["level"] == "discount", "given"] = 4.0
    rows.loc[deep, "given"] = 12.0
    found = history(rows)
    assert found.offers[0].for_everyone
    assert found.depths[0][0, 4:12].tolist() == pytest.approx([0.1] * 4 + [0.3] * 4)
    assert found.depths[0][2].tolist() == pytest.approx([found.depths[0][2, 0]] * 20)
    assert found.depths[0][2, 0] == pytest.approx((8 * 4 + 12 * 12) / 20 / 40)


def test_a_stray_use_does_not_put_a_shelf_price_on():
    """One discounted unit of 20 in an ordinary week: what everyone gets was off."""
    units = np.full((12, 20), 20)
    taken = np.where((np.arange(20) >= 8) & (np.arange(20) < 12), units, 0)
    taken[0, 3] = 1
    found = history(frame(units, taken))
    assert found.offers[0].for_everyone
    assert found.offers[0].state[0, 3] == OFF
    assert (found.offers[0].state[:, 8:12] == ON).all()
