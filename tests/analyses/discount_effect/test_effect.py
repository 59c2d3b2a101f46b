"""The effect in simulated shops of known truth, its sample, and its silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect import effect
from d1lab.analyses.discount_effect.effect import lifts, shop_effect
from d1lab.analyses.discount_effect.history import history
from validation.simulate_discounts import demand, frame, half_window

SKUS, WEEKS = 60, 40


def _shop(on, *, rate, lift, uptake, seed):
    random = np.random.default_rng(seed)
    units = demand(on, rate, lift, random)
    return frame(units, random.binomial(units, np.where(on, uptake, 0.0)))


@pytest.fixture(scope="module")
def promoted():
    """Half of the products at 25% off for everyone in weeks 10 to 24, which doubles sales."""
    weeks = _shop(half_window(SKUS, WEEKS, 10, 25), rate=4, lift=1.0, uptake=1, seed=5)
    return history(weeks)


def test_shop_effect_finds_the_lift(promoted):
    """Lift and elasticity are one estimate, at the mean depth, with its sample."""
    found = shop_effect(promoted).effect
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.5
    assert found.depth == pytest.approx(0.25)
    assert found.lift == pytest.approx(0.75**found.slope - 1)
    assert found.low == pytest.approx(0.75**found.slope_high - 1)
    assert found.break_even_margin == pytest.approx(0.25 * (1 + found.lift) / found.lift)
    assert found.skus == SKUS // 2
    assert found.aftermath_low < 0 < found.aftermath_high


@pytest.mark.parametrize("share", [0.5, 0.3, 0.15])
def test_a_code_that_is_always_there_has_no_comparison(share):
    """Whatever share of units it is on: the weeks with more of it are no comparison."""
    on = np.ones((SKUS, WEEKS), dtype=bool)
    found = history(_shop(on, rate=2, lift=0, uptake=share, seed=6))
    assert shop_effect(found).effect.reason == "never_off"
    rows, each = lifts(found, "discount")
    assert (rows["discount_id"].tolist(), each.reason.tolist()) == (["promo"], ["never_off"])
    assert np.isnan(each.lift).all()


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_a_code_that_moves_nobody_has_an_interval_around_0(share):
    """On offer for half of the products in 15 weeks; who takes it, would have bought."""
    on = half_window(SKUS, WEEKS, 10, 25)
    found = history(_shop(on, rate=5, lift=0, uptake=share, seed=7))
    effect = shop_effect(found).effect
    assert effect.low < 0 < effect.high
    assert effect.high - effect.low < 0.3
    _, each = lifts(found, "discount")
    assert each.low[0] < 0 < each.high[0]
    assert each.depth[0] == pytest.approx(0.25 * share, rel=0.1)  # of everything sold meanwhile


def test_a_discount_for_all_products_at_once_cannot_be_told_from_its_weeks():
    """It equals a change of the whole shop."""
    on = np.zeros((SKUS, WEEKS), dtype=bool)
    on[:, 10:25] = True
    found = history(_shop(on, rate=5, lift=1, uptake=0.4, seed=8))
    assert shop_effect(found).effect.reason == "no_comparison"
    assert lifts(found, "discount")[1].reason.tolist() == ["no_comparison"]


def test_lifts_keep_discounts_apart(monkeypatch):
    """A second discount of another lift, on other products, has its own.

    Beyond the discounts that are estimated, the rest are no weeks without a discount.
    """
    random = np.random.default_rng(9)
    on = np.zeros((SKUS, WEEKS), dtype=bool)
    on[SKUS // 2 :, 20:35] = True
    first, second = half_window(SKUS, WEEKS, 10, 25), on
    units = demand(first, 4, 1.0, random) + random.poisson(np.where(second, 2.0, 0.0))
    weeks = pd.concat(
        [
            frame(units, np.where(first, units, 0), name="half"),
            frame(units, np.where(second, units, 0), name="other").query("level != 'sku'"),
        ]
    )
    rows, each = lifts(history(weeks), "discount")
    assert rows["discount_id"].tolist() == ["half", "other"]
    assert each.low[0] < 1 < each.high[0]
    assert each.high[1] < each.low[0]
    assert each.skus.tolist() == [30, 30]
    monkeypatch.setattr(effect, "MOST_TOGETHER", 1)
    _, largest = lifts(history(weeks), "discount")
    assert largest.reason.tolist() == [None, "many"]
    assert largest.lift[0] == pytest.approx(each.lift[0], rel=0.03)  # 0.04 without the rest
    assert np.isnan(largest.lift[1])


def test_effect_is_silent_with_reasons(promoted):
    """No discount; nine products with a comparison."""
    bare = frame(np.full((SKUS, WEEKS), 3), np.zeros((SKUS, WEEKS), dtype=int))
    assert shop_effect(history(bare)).effect.reason == "no_discount"
    on = np.zeros((SKUS, WEEKS), dtype=bool)
    on[:9, 10:25] = True
    few = history(_shop(on, rate=4, lift=1, uptake=1, seed=3))
    assert shop_effect(few).effect.reason == "few_skus"
    assert lifts(few, "discount")[1].reason.tolist() == ["few_skus"]
    on[9, 10:25] = True
    enough = history(_shop(on, rate=4, lift=1, uptake=1, seed=3))
    assert lifts(enough, "discount")[1].reason.tolist() == [None]


def test_effect_is_silent_where_its_interval_is_too_wide():
    """A few bulk orders: the ends of the interval differ by more than a factor of four."""
    random = np.random.default_rng(2)
    bulk = random.choice([0, 200], (48, 30), p=[0.97, 0.03])
    on = half_window(48, 30, 10, 14)
    units = random.poisson(2, on.shape) + bulk
    taken = random.binomial(units, np.where(on, 0.6, 0))
    found = history(frame(units, taken))
    assert shop_effect(found).effect.reason == "too_wide"
    assert np.isnan(lifts(found, "discount")[1].lift).all()
