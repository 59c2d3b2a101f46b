"""New products: their forecast by hand, and its intervals on simulated shops of known truth."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.inventory.demand import SHORT_WEEKS, forecast
from d1lab.analyses.inventory.new_products import CATEGORY_START, start
from d1lab.analyses.inventory.windows import as_matrix, past_of


def test_a_newcomer_is_drawn_toward_its_category():
    """The weight is that of Bühlmann: variance of weeks / variance of products' true means."""
    rng = np.random.default_rng(1)
    weeks = np.full((13, 30), np.nan)
    weeks[:6] = rng.poisson(rng.gamma(4, 2, size=(6, 1)), size=(6, 30))
    weeks[6:12] = 50 + rng.poisson(4, size=(6, 30))
    weeks[12, 27:] = [4.0, 0.0, 2.0]
    category = ["tea"] * 6 + ["mugs"] * 6 + ["tea"]
    last = weeks[:12, -8:]
    means = last.mean(axis=1)
    own = np.repeat([means[:6].mean(), means[6:].mean()], 6)
    within = last.var(axis=1, ddof=1).mean()
    k = within / (((means - own) ** 2).mean() - within / 8)
    units = as_matrix(weeks)
    found = start(units, past_of(units), category, SHORT_WEEKS, [0.95])
    assert found.weight == pytest.approx(k)
    assert found.forecast_units[12] == pytest.approx(4 * (6 + k * own[0]) / (3 + k))
    assert np.isnan(found.forecast_units[:12]).all()  # they were for sale when the data begins
    assert np.isnan(found.ends).all()  # no earlier newcomers to learn an interval from


def test_a_category_of_few_products_says_nothing():
    """Four established products of its category are too few; the reason says so."""
    weeks = np.full((10, 30), 3.0)
    weeks[9, :26] = np.nan
    few, enough = ["tea"] * 4 + [None] * 5 + ["tea"], ["tea"] * 5 + [None] * 4 + ["tea"]
    assert forecast(weeks, categories=few).demand.reason[9] == "short_history"
    found = forecast(weeks, categories=enough).demand
    assert (found.reason[9], found.rival[9], found.forecast_units[9]) == (None, CATEGORY_START, 12)
    assert forecast(weeks).demand.reason[9] == "short_history"


def _shop(seed: int) -> tuple[np.ndarray, list[str]]:
    """20 categories, 1,500 products that differ within them, new ones all the time."""
    rng = np.random.default_rng(seed)
    category = rng.integers(0, 20, 1_500)
    rate = rng.gamma(1.5, 4, 20)[category] * rng.gamma(2, 0.5, 1_500)
    units = rng.negative_binomial(2, 2 / (2 + rate[:, None]), size=(1_500, 70)).astype(float)
    first = rng.integers(0, 64, 1_500) * (rng.random(1_500) < 0.6)
    units[np.arange(70) < first[:, None]] = 0
    return units, [f"c{one}" for one in category]


def test_newcomers_of_known_truth_are_covered():
    """80% and 95% hold, and the error is below that of their own weeks and of the category."""
    units, category = _shop(3)
    before, sold = units[:, :66], units[:, 66:].sum(axis=1)
    demand = forecast(before, categories=category).demand
    new = demand.rival == CATEGORY_START
    assert new.sum() > 100
    inside = (demand.forecast_low <= sold) & (sold <= demand.forecast_high)
    assert 0.74 <= inside[new].mean() <= 0.87
    assert 0.92 <= (sold <= demand.service_units)[new].mean() <= 0.98
    weeks = 66 - (before > 0).argmax(axis=1)
    own = 4 * before.sum(axis=1) / weeks
    errors = [((each - sold)[new] ** 2).mean() for each in (demand.forecast_units, own)]
    assert errors[0] < 0.95 * errors[1]
