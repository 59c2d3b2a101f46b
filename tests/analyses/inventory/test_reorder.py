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
    with pytest.raises(InputError, match="lead_days=0"):
        reorder(1, 1, 1, lead_days=0)
