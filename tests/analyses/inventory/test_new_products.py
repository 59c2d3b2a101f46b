"""New products: their forecast by hand, and its intervals on simulated shops of known truth."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from d1lab.analyses.inventory.demand import SHORT_WEEKS, forecast
from d1lab.analyses.inventory.new_products import CATEGORY_START, start
from d1lab.analyses.inventory.windows import as_matrix


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
    found = start(weeks, category, SHORT_WEEKS, [0.95])
    assert found.weight == pytest.approx(k)
    assert found.forecast_units[12] == pytest.approx(4 * (6 + k * own[0]) / (3 + k))
    assert np.isnan(found.forecast_units[:12]).all()  # they were for sale when the data begins
    assert np.isnan(found.ends).all()  # no earlier newcomers to learn an interval from


def test_forecasts_and_intervals_equal_plain_loops():
    """Forty newcomers of two categories, of which the larger one has sold for long, too.

    Errors are scaled by the category's mean (at least 1), and by how many weeks speak.
    """
    rng = np.random.default_rng(2)
    weeks = rng.poisson(rng.gamma(3, 1, (60, 1)), (60, 40)).astype(float)
    first = np.r_[np.zeros(20, int), 9 + np.arange(40) * 30 // 40]  # week 9 is surely the first
    first[20] = 8
    weeks[np.arange(40) < first[:, None]] = 0
    weeks[np.arange(60), first] = 1
    weeks[5, 20] = np.nan
    category = np.where(np.arange(60) % 7 == 0, "rare", "tea")
    units = as_matrix(weeks)
    found = start(weeks, category, 15, [0.1, 0.95])

    @cache
    def at(week: int) -> tuple[dict[str, float], float]:
        settled = [s for s in range(60) if np.isfinite(units[s, : week + 1]).sum() >= 8]
        recent = {s: units[s, max(week - 7, 0) : week + 1] for s in settled}
        recent = {s: one[np.isfinite(one)] for s, one in recent.items()}
        means = {s: one.mean() for s, one in recent.items()}
        middle = {
            name: np.mean([means[s] for s in settled if category[s] == name] or [0.0])
            for name in ("rare", "tea")
        }
        many = {name: sum(category[s] == name for s in settled) >= 5 for name in middle}
        if not settled:
            return dict.fromkeys(middle, np.nan), 0.0
        within = np.mean([one.var() for one in recent.values()]) * 8 / 7
        between = np.mean([(means[s] - middle[category[s]]) ** 2 for s in settled]) - within / 8
        k = min(within / max(between, within / 52, 1e-12), 52)
        return {name: middle[name] if many[name] else np.nan for name in middle}, k

    def drawn(sku: int, week: int) -> tuple[float, float]:
        mean, k = at(week)
        own = units[sku, : week + 1]
        own = own[np.isfinite(own)]
        middle, count = mean[category[sku]], len(own) + k
        total = 4 * max((own.sum() + k * middle) / max(count, 1), 0)
        unit = np.sqrt(max(total, 1) * max(middle, 1)) * np.sqrt(1 + 4 / max(count, 1))
        return total, unit

    errors = []
    for sku in range(21, 60):
        for week in range(first[sku], min(first[sku] + 14, 36)):
            total, unit = drawn(sku, week)
            errors.append((units[sku, week + 1 : week + 5].sum() - total) / unit)
    ends = np.nanquantile(errors, [0.1, 0.95])
    is_new = 40 - first < 15
    is_new[:21] = False
    assert is_new.sum() > 5
    assert np.isnan(found.forecast_units[~is_new]).all()
    assert np.isnan(found.ends[~is_new]).all()
    assert found.weight == pytest.approx(at(39)[1])
    for sku in np.flatnonzero(is_new):
        total, unit = drawn(sku, 39)
        assert found.forecast_units[sku] == pytest.approx(total, nan_ok=True)
        wanted = np.maximum(total + ends * unit, 0)
        assert found.ends[sku] == pytest.approx(wanted, nan_ok=True)


def test_a_category_counts_as_a_year_at_most_and_as_nothing_where_products_differ():
    """Products that are all alike, and products that differ more than their weeks do."""
    weeks = np.full((11, 30), np.nan)
    weeks[:10] = 2 + np.tile([1.0, -1.0], 15)  # every product has the same mean
    weeks[10, 29] = 6.0
    alike = start(weeks, [None] * 11, SHORT_WEEKS, [0.5])
    assert alike.weight == 52
    assert alike.forecast_units[10] == pytest.approx(4 * (6 + 52 * 2) / 53)
    weeks[:10] += np.arange(0, 10, 1)[:, None]
    apart = start(weeks, [None] * 11, SHORT_WEEKS, [0.5])
    mean, k = 6.5, apart.weight
    assert 0 < k < 1
    assert apart.forecast_units[10] == pytest.approx(4 * (6 + k * mean) / (1 + k))


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
