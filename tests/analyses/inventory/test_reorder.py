"""Reorder points and quantities against published and hand-made examples."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from d1lab.analyses.inventory.reorder import reorder, reorder_point
from d1lab.errors import InputError


def test_reorder_published_example(oracles):
    """5 per day, 14 days, and a safety stock of 42: the reorder point is 112."""
    published = oracles["inventory"]["published"]
    [rop] = [example for example in published if "rop" in example]
    point = reorder_point(rop["daily"], rop["lead"], rop["safety_stock"])
    assert point == rop["rop"]
    assert rop["safety_stock"] == (rop["maxdaily"] - rop["daily"]) * rop["lead"]


def test_reorder_when_and_how_much():
    """Forecast 140 and service level 180: point 70 + 40 * sqrt(1/2); no order above it."""
    when = reorder([140, 140, 140, np.nan], [180, 180, 180, np.nan], [98, 99, -2, 5], lead_days=14)
    point = 70 + 40 * sqrt(0.5)  # 98.28
    assert when.reorder_point[:3] == pytest.approx(point)
    assert when.order_units[:3].tolist() == [141, 0, 241]  # up to the point and 28 days more
    assert np.isnan(when.order_units[3])
    unknown = reorder([None, 28], [None, 28], [3, None], lead_days=14)
    assert np.isnan(unknown.order_units).all()
    assert unknown.reorder_point.tolist() == pytest.approx([np.nan, 14], nan_ok=True)


def test_reorder_covers_its_days():
    """A pace of 2 a day, no safety stock: 10 days of lead time, and as many as are to cover."""
    for cover, order in ((1, 3), (28, 57)):
        when = reorder(56.0, 56.0, 19, lead_days=10, cover_days=cover)
        assert (when.reorder_point, when.order_units) == (20, order)
    below = reorder(56.0, 50.0, 19, lead_days=1, cover_days=1)  # a quantile below the mean
    assert (below.reorder_point, below.order_units) == (2, 0)
    assert reorder(56.0, 56.0, 2, lead_days=1, cover_days=1).order_units == 2  # at the point


@pytest.mark.parametrize("days", [{"lead_days": 0}, {"lead_days": 9, "cover_days": 0}])
def test_reorder_needs_days_above_0(days):
    with pytest.raises(InputError, match="must be above 0"):
        reorder(1, 1, 1, **days)
