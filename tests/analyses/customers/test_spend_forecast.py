"""Intervals of single customers' spend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from d1lab.analyses.customers import spend_forecast


def test_each_customer_has_an_interval_of_its_own(monkeypatch):
    """90% of draws around 100, 1,000, and 50; the last one is widened to its expected value."""
    shop = SimpleNamespace(
        draw=lambda random: random.normal([100.0, 1_000, 50], 1), columns=(None,), means=None
    )
    monkeypatch.setattr(spend_forecast, "_spenders", lambda *_: shop)
    monkeypatch.setattr(spend_forecast, "expected_spend", lambda *_: np.array([50.0, 500, 40]))
    monkeypatch.setattr(spend_forecast, "expected_purchases", lambda *_: np.full(3, 2.0))
    nothing: Any = None
    low, high = spend_forecast.spend_intervals(*[nothing] * 7, draws=4_000)
    assert low == pytest.approx([98.355, 998.355, 48.355], abs=0.1)
    assert high == pytest.approx([101.645, 1_001.645, 80], abs=0.1)
