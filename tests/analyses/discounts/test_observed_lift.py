"""Observed lifts: recovery of known lifts of slow sellers, coverage, and missing lifts."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.discounts.observed_lift import REGULAR, Weeks, observed_lifts, product_lifts
from d1lab.analyses.discounts.sales_model import truncated
from d1lab.errors import InputError

TRUE = 0.6  # of discount 0; discount 1 does nothing


def _shop(seed, *, skus=120, weeks=40, treated=20, rate=1.5, spread=0.0, lift=TRUE, busy=0.0):
    """Slow sellers, of which `treated` have discount 0 at times, as many others discount 1.

    Args:
        busy: How much more likely a discount is in weeks of high demand.
    """
    random = np.random.default_rng(seed)
    sku, week = (grid.ravel() for grid in np.mgrid[0:skus, 0:weeks])
    level, season = np.log(random.gamma(2, rate / 2, skus) + 0.2), random.normal(0, 0.3, weeks)
    with_it = random.random(sku.size) < 0.3 + busy * np.sign(season[week])
    discount = np.where(with_it & (sku < treated), 0, REGULAR)
    discount = np.where(with_it & (sku >= treated) & (sku < 2 * treated), 1, discount)
    own = random.normal(0, spread, skus) if spread else np.zeros(skus)
    more = np.where(discount == 0, np.log1p(lift), 0) + np.where(discount != REGULAR, own[sku], 0)
    uneven = random.gamma(10, 0.1, sku.size)
    orders = random.poisson(np.exp(level[sku] + season[week] + more) * uneven).astype(float)
    units = orders + random.poisson(0.3 * orders)
    depth = np.where(discount != REGULAR, 0.2, 0.0)
    shop = Weeks(sku, week, units, orders, depth, discount)
    return shop.where(orders > 0)


def test_observed_lift_is_not_drawn_towards_none_by_weeks_without_a_sale():
    """SKUs with 1.5 orders per week: the simple ratio of units shows half of the lift."""
    found, plain = [], []
    for seed in range(12):
        shop = _shop(seed)
        found.append(observed_lifts(shop, 2).lift)
        mine = shop.where(shop.sku < 20)
        logs = [np.log(mine.units[mine.discount == kind]).mean() for kind in (0, REGULAR)]
        plain.append(np.expm1(logs[0] - logs[1]))
    assert np.mean(found, axis=0) == pytest.approx([TRUE, 0], abs=0.08)
    assert np.mean(plain) < TRUE * 0.6


@pytest.mark.parametrize(("treated", "spread"), [(12, 0.0), (20, 0.2)])
def test_observed_lift_covers_the_truth_as_often_as_it_says(treated, spread):
    """About 95% of the intervals cover it, with few SKUs and with different SKUs."""
    inside = []
    for seed in range(30):
        found = observed_lifts(_shop(seed, treated=treated, spread=spread, skus=70), 2)
        known, truth = ~np.isnan(found.lift), np.array([TRUE, 0])
        inside += list(((found.low <= truth) & (truth <= found.high))[known])
    assert len(inside) > 40
    assert 0.89 <= np.mean(inside) <= 0.99


def test_observed_lift_takes_out_what_moved_all_products():
    """Discounts in busy weeks look better than they are without week effects."""
    found = [observed_lifts(_shop(seed, busy=0.25), 2).lift[1] for seed in range(8)]
    assert np.mean(found) == pytest.approx(0, abs=0.06)


def test_observed_lift_says_depth_and_size():
    """Mean depth of its weeks, SKUs with both kinds of weeks, and number of these weeks."""
    shop = _shop(1)
    found = observed_lifts(shop, 2)
    assert found.depth == pytest.approx([0.2, 0.2])
    assert found.skus[0] <= 20
    assert found.weeks[0] <= (shop.discount == 0).sum()
    assert found.reason.tolist() == [None, None]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.where((s.discount != 0) | (s.sku < 9)), "few_skus"),
        (lambda s: s.where((s.discount != 0) | (s.week < 3)), "few_skus"),  # once only
        (lambda s: s.where((s.discount == 0) | (s.sku >= 20)), "few_skus"),  # never regular
        (lambda s: s.where((s.discount == 0) | (s.week > 36)), "few_skus"),  # three weeks regular
        (lambda s: s._replace(discount=np.where(s.week >= 34, 0, REGULAR)), "no_comparison"),
    ],
)
def test_observed_lift_abstains(change, reason):
    """Too few products, too few weeks with or without it, or all in the same weeks."""
    found = observed_lifts(change(_shop(2)), 2)
    assert found.reason[0] == reason
    assert np.isnan([found.lift[0], found.low[0], found.high[0], found.depth[0]]).all()


def test_observed_lift_abstains_where_the_interval_says_nothing():
    """SKUs that rarely sell twice in a week: the ends differ by more than a factor of four."""
    found = observed_lifts(_shop(3, treated=10, rate=0.1, skus=40, spread=1.5), 2)
    assert set(found.reason) <= {"too_wide", "few_skus"}
    assert np.isnan(found.lift).all()


def test_observed_lift_refuses_a_week_without_a_sale():
    """A week without a sale has no price, so it is unknown whether it was discounted."""
    shop = _shop(4)
    with pytest.raises(InputError, match="at least one order"):
        observed_lifts(shop._replace(orders=shop.orders * 0), 2)


def test_own_lifts_cover_each_products_truth():
    """95% intervals of single products cover their true lift almost as often as stated."""
    inside = []
    for seed in range(12):
        shop = _shop(seed, rate=4)
        found = product_lifts(shop._replace(discount=np.minimum(shop.discount, 0)))
        known = ~np.isnan(found.lift)
        truth = np.where(found.sku < 20, TRUE, 0)
        inside += list(((found.low <= truth) & (truth <= found.high))[known & (found.sku < 40)])
        assert not known[found.sku >= 40].any()
    assert len(inside) > 300
    assert 0.88 <= np.mean(inside) <= 0.98


def test_own_lifts_without_a_discount_are_none():
    """A shop that never discounts has no lifts."""
    shop = _shop(5)
    assert len(product_lifts(shop._replace(discount=np.full(len(shop.sku), REGULAR))).sku) == 0


def test_truncated_has_the_moments_of_positive_counts():
    """Mean and variance of a zero-truncated Poisson count, summed term by term."""
    counts = np.arange(1, 80)
    for rate in (0.1, 1.0, 7.0):
        logs = counts * np.log(rate) - np.cumsum(np.log(counts))
        chance = np.exp(logs) / np.exp(logs).sum()
        mean, variance = truncated(np.log(rate))
        assert mean == pytest.approx(chance @ counts)
        assert variance == pytest.approx(chance @ counts**2 - mean**2)
