"""Slopes per product: drawn toward the category and the shop, with errors that hold."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.discount_effect import pooling
from d1lab.analyses.discount_effect.pooling import OF_CATEGORY, OF_SHOP, OWN, estimate
from validation.simulate_discounts import demand, frame, half_window

SKUS, WEEKS = 120, 52


@pytest.fixture(scope="module")
def found():
    """Products of three categories; slopes differ by category (-3, -2, -1) and product (sd .7)."""
    random = np.random.default_rng(3)
    category = np.arange(SKUS) % 3
    slope = np.array([-3.0, -2.0, -1.0])[category] + random.normal(0, 0.7, SKUS)
    on = half_window(SKUS, WEEKS, 15, 35)
    units = demand(on, 10, 0.75**slope - 1, random)
    weeks = frame(units, np.where(on, units, 0))
    names = np.array(["hats", "mugs", "tea"])[category]
    weeks["category"] = weeks["sku"].str[1:].astype(int).map(lambda number: names[number])
    estimates = estimate(weeks)
    return estimates, slope, names


def test_slopes_cover_the_truth(found):
    """Of products on offer, and of those never on offer, by their category."""
    estimates, slope, _ = found
    rows = estimates.products.skus.set_index("sku").loc[[f"s{n:05}" for n in range(SKUS)]]
    inside = (rows["slope_low"] < slope) & (slope < rows["slope_high"])
    assert inside[: SKUS // 2].mean() > 0.85
    assert inside[SKUS // 2 :].mean() > 0.85
    assert (rows["basis"][: SKUS // 2] == OWN).all()
    assert (rows["basis"][SKUS // 2 :] == OF_CATEGORY).all()
    assert (rows["error"][SKUS // 2 :] > rows["error"][: SKUS // 2].mean()).all()
    assert (rows["error_ahead"] >= rows["error"]).all()


def test_slopes_are_closer_to_the_truth_than_the_shops(found):
    """Pooling halves the error of one slope for all; categories come out in order."""
    estimates, slope, names = found
    rows = estimates.products.skus.set_index("sku").loc[[f"s{n:05}" for n in range(SKUS)]]
    error = np.sqrt(((rows["slope"] - slope) ** 2)[: SKUS // 2].mean())
    assert error < 0.7 * np.sqrt(((estimates.shop.slope - slope) ** 2)[: SKUS // 2].mean())
    means = rows["slope"][SKUS // 2 :].groupby(names[SKUS // 2 :]).mean()
    assert means["hats"] < means["mugs"] < means["tea"]
    assert estimates.products.category_spread > 0.5
    assert estimates.products.spread == pytest.approx(0.7, abs=0.3)


def test_without_categories_products_get_the_shops_slope(found):
    """All the same, and with the error of one product among all."""
    estimates, _, _ = found
    random = np.random.default_rng(4)
    on = half_window(SKUS, WEEKS, 15, 35)
    units = demand(on, 10, 1.0, random)
    bare = estimate(frame(units, np.where(on, units, 0)))
    others = bare.products.skus[bare.products.skus["basis"] != OWN]
    assert set(others["basis"]) == {OF_SHOP}
    assert others["slope"].nunique() == 1
    assert bare.shop.slope_low < others["slope"].iloc[0] < bare.shop.slope_high
    assert bare.products.spread < estimates.products.spread


def test_no_product_has_a_slope_where_the_shop_has_none():
    """No discount: no rows, and no error."""
    bare = estimate(frame(np.full((12, 20), 3), np.zeros((12, 20), dtype=int)))
    assert bare.shop.reason == "no_discount"
    assert bare.products.skus.empty


@pytest.mark.parametrize(("moved", "drift"), [(5, 0.0), (6, 1.4**0.5)])
def test_slopes_drift_where_they_change_beyond_sampling(monkeypatch, moved, drift):
    """Ten products, some by 2 standard errors: five give 1.41 errors of the sum, six 1.84."""
    halves = iter([np.zeros(10), np.where(np.arange(10) < moved, 2.0, 0.0)])
    monkeypatch.setattr(pooling, "_half", lambda *_: (next(halves), np.full(10, 0.5)))
    assert pooling._drift(np.ones((10, 8)), None, -1.0) == pytest.approx(drift)


def test_drift_is_a_spread_beyond_the_errors_of_both_halves(monkeypatch):
    """Changes weigh by their precision, at most that of a variance of .01; ten are needed."""
    change = np.linspace(1.5, 2.5, 12) * np.resize([1, -1], 12)
    variance = np.array([0.02, 0.005, 0.03] * 4)
    variance[11] = np.inf  # nothing to compare in one half
    halves = iter([(0.0, 0.25), (1.0, 0.75)] * 2)
    seen = []

    def half(units, *_):
        seen.append(units)
        moved, part = next(halves)
        return moved * change, part * variance

    monkeypatch.setattr(pooling, "_half", half)
    units = np.arange(12 * 7.0).reshape(12, 7)
    drift = pooling._drift(units, None, -1.0)
    weight = 1 / np.maximum(variance[:11], 0.01) ** 2
    excess = (weight * (change[:11] ** 2 - variance[:11])).sum() / weight.sum()
    assert drift == pytest.approx(excess**0.5)
    early, late = seen[:2]
    assert np.isnan(early).tolist() == [[False] * 3 + [True] * 4] * 12
    assert np.isnan(late).tolist() == [[True] * 3 + [False] * 4] * 12
    variance[:2] = np.inf
    assert pooling._drift(units, None, -1.0) is None  # nine products


def test_the_variance_of_a_half_is_its_dispersion_by_its_information(monkeypatch):
    found = np.array([-2.0, -1.0]), np.array([4.0, 1e-12])
    monkeypatch.setattr(pooling, "climbed", lambda *_: found)
    monkeypatch.setattr(pooling, "dispersion_of", lambda units, shop, slope: np.array([2.0, 3.0]))
    slope, variance = pooling._half(np.ones((2, 3)), None, -1.0)
    assert (slope.tolist(), variance.tolist()) == ([-2, -1], [0.5, np.inf])


@pytest.mark.parametrize(
    ("categories", "mine", "groups", "count", "named"),
    [
        (["b", "a", "b", None, "a"], [0, 1, 2, 4], [2, 1, 2, 0, 1], 3, [1, 1, 1, 0, 1]),
        (["b", "a", "b", None, "a"], [0, 1, 2], [2, 1, 2, 0, 1], 3, [1, 0, 1, 0, 0]),
        (["b", "a", "b", None, "a"], [0, 2], [0] * 5, 1, [1, 0, 1, 0, 0]),
        ([None, float("nan"), None], [0, 1], [0] * 3, 1, [0, 0, 0]),
    ],
)
def test_a_category_tells_of_its_products_with_two_that_are_compared(
    categories, mine, groups, count, named
):
    """One category alone is not told from the shop; products without one are together."""
    found = pooling._groups(np.array(categories, dtype=object), np.array(mine))
    assert (found[0].tolist(), found[1]) == (groups, count)
    assert found[2].tolist() == [bool(one) for one in named]


def test_slopes_have_intervals_weeks_and_an_order(found):
    estimates, _, _ = found
    rows, products = estimates.products.skus, estimates.products
    assert list(zip(rows["slope"], rows["sku"], strict=True)) == sorted(
        zip(rows["slope"], rows["sku"], strict=True)
    )
    assert (rows["slope_high"] - rows["slope"]).tolist() == pytest.approx(
        (1.959964 * rows["error"]).tolist()
    )
    assert (rows["slope"] - rows["slope_low"]).tolist() == pytest.approx(
        (1.959964 * rows["error"]).tolist()
    )
    ahead = np.hypot(rows["error"], products.drift or 0.0)
    assert rows["error_ahead"].tolist() == pytest.approx(ahead.tolist())
    by_sku = rows.set_index("sku").loc[estimates.history.skus]
    assert by_sku["weeks_on"].tolist() == (estimates.price < 0).sum(axis=1).tolist()
    assert by_sku["weeks_off"].tolist() == (estimates.price == 0).sum(axis=1).tolist()
    assert by_sku["drawn_with"].nunique() == 3
    assert (rows["error_shared"] < rows["error"]).all()
    assert (rows["error_by_width"].abs() < rows["error"]).all()


def test_regular_units_count_all_weeks(found):
    """Per product: within what Poisson counts allow of the mean of its weeks at the full price."""
    estimates, _, _ = found
    rows = estimates.products.skus.set_index("sku").loc[[f"s{n:05}" for n in range(SKUS)]]
    regular = np.where(estimates.price == 0, estimates.history.sales.units, np.nan)
    mean = np.nanmean(regular, axis=1)[: SKUS // 2]
    assert rows["regular_weekly"][: SKUS // 2].to_numpy() == pytest.approx(mean, rel=0.35)
    assert rows["regular_weekly"][SKUS // 2 :].isna().all()


def test_heavy_and_light_sellers_have_errors_of_their_own():
    """Of equal shops, the slopes of products that sell 20 times as much are much closer."""
    random = np.random.default_rng(5)
    slope = random.normal(-2.5, 1.0, SKUS)
    level = np.where(np.arange(SKUS) % 4 < 2, 20.0, 1.0)
    on = half_window(SKUS, WEEKS, 15, 35)
    units = demand(on, 1.0, 0.75**slope - 1, random, level=level)
    rows = estimate(frame(units, np.where(on, units, 0))).products.skus.set_index("sku")
    rows = rows.loc[[f"s{n:05}" for n in range(SKUS // 2)]]
    heavy = level[: SKUS // 2] == 20
    away = np.abs(rows["slope"] - slope[: SKUS // 2])
    for kind in (heavy, ~heavy):
        assert (away < 1.645 * rows["error"])[kind].mean() > 0.75
    assert rows["error"][heavy].mean() < 0.75 * rows["error"][~heavy].mean()
