"""The recommendation rule: its limits, and its numbers compared with a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.discounts.recommendation_rule import (
    REASONS,
    PlannedTest,
    Product,
    _plan,
    cost_of_test,
    depths,
    gains,
    recommend,
    value_of_test,
)
from d1lab.errors import InputError
from d1lab.stats.power import sample_size

MUG = Product(10, 5, 100, -3.0, 0.3, 0.1, 0.3, None, 0.05, 200)


def test_discount_where_the_gain_is_sure():
    """At an elasticity of -5 and a margin of 50%; the depth is in the observed range."""
    advice = recommend(MUG._replace(slope=-5.0))
    assert (advice.decision, advice.reason) == ("discount", "gain")
    assert advice.depth in depths(0.1, 0.3)
    assert advice.chance >= 0.8
    assert advice.profit == pytest.approx(500 + advice.gain)
    assert advice.gain_low < advice.gain < advice.gain_high


def test_hold_where_a_discount_does_not_pay():
    """At an elasticity of -1.5 and a margin of 50%, no depth is profitable."""
    advice = recommend(MUG._replace(slope=-1.5, error=0.1))
    assert (advice.decision, advice.reason, advice.depth) == ("hold", "no_gain", None)
    assert advice.units == 100
    assert advice.profit == 500


OPEN = MUG._replace(slope=-2.7, error=1.0, base_rate=0.02, orders_per_day=1000)


def test_test_first_where_it_is_open():
    """Near break-even: a plan with orders and days, and a target above today's rate."""
    advice = recommend(OPEN)
    assert (advice.decision, advice.reason) == ("test", "unsure")
    assert 0.2 < advice.chance < 0.8
    assert advice.plan.target_rate > 0.02
    assert advice.plan.days >= 14
    assert advice.plan.orders <= advice.plan.days * 1000


def test_hold_where_a_test_would_take_years():
    """With one order per day, a test would take more than half a year."""
    advice = recommend(MUG._replace(slope=-2.4, error=0.5, orders_per_day=1))
    assert (advice.decision, advice.reason) == ("hold", "too_rare")


def simulated_value(product, depth, plan):
    """Draw slopes and both variants' orders, update the slope by Bayes, and take the better."""
    random = np.random.default_rng(5)
    lift = (1 - depth) ** random.normal(product.slope, product.error, (2, 3_000))
    kept, margin = product.price * (1 - depth) - product.cost, product.price - product.cost
    gain = product.units * (lift * kept - margin)
    bought = np.minimum(product.base_rate * lift[0], 1)
    a, b = (random.binomial(plan.orders // 2, p, 3_000) for p in (product.base_rate, bought))
    share = lift[1] / (1 + lift[1])  # of B in all orders with the product
    log = b[:, None] * np.log(share) + a[:, None] * np.log1p(-share)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    takes = weight @ gain[1] > 0
    return (np.where(takes, gain[0], 0).mean() - max(gain.mean(), 0)) * 182 / product.horizon_days


@pytest.mark.parametrize(
    ("units", "decision", "reason"),
    [(100, "test", "unsure"), (40, "hold", "not_worth_it")],
)
def test_a_test_is_worth_what_a_simulation_of_it_says(units, decision, reason):
    """100 units: 119 against a cost of 67. 40 units: 48 against 57, where knowing the gain exactly
    would be worth 96: a test does not tell it exactly.
    """
    product = OPEN._replace(units=units)
    found = gains(product, 5, depths(0.1, 0.3))
    best = int(found.gain.argmax())
    plan = recommend(OPEN).plan
    depth = float(found.depth[best])
    worth = simulated_value(product, depth, plan)
    assert value_of_test(product, depth, plan) == pytest.approx(worth, rel=0.1)
    assert (worth > cost_of_test(product, found, best, plan)) == (decision == "test")
    advice = recommend(product)
    assert (advice.decision, advice.reason) == (decision, reason)


@pytest.mark.parametrize("rate", [0.02, 0.4])
def test_the_value_of_a_test_is_an_integral_over_its_results(rate):
    """Of the better of 0 and the expected gain, with the variance of a ratio of two shares."""
    product = OPEN._replace(base_rate=rate, error=0.5, slope=-2.4)
    plan, depth = PlannedTest(2_000, 14, 0.5), 0.25
    slope = np.linspace(-5.4, 0.6, 801)
    weight = np.exp(-(((slope + 2.4) / 0.5) ** 2) / 2)
    weight /= weight.sum()
    lift = 0.75**slope
    gain = 100 * (lift * (7.5 - 5) - 5)
    bought = np.minimum(rate * lift, 1)
    spread = bought * (1 - bought) + lift**2 * rate * (1 - rate)  # of B's orders - lift x A's
    noise = np.sqrt(spread / 1_000) / rate
    shown = np.linspace(-1, 8, 4_001)[:, None]
    density = np.exp(-(((shown - lift) / noise) ** 2) / 2) / noise / np.sqrt(2 * np.pi)
    informed = np.maximum(density @ (weight * gain), 0).sum() * 9 / 4_000
    expected = (informed - max(weight @ gain, 0)) * 182 / product.horizon_days
    assert value_of_test(product, depth, plan) == pytest.approx(expected, rel=1e-3)


def test_a_test_of_what_is_known_is_worth_nothing():
    """With a known slope, no result changes the decision."""
    assert value_of_test(OPEN._replace(error=1e-6), 0.2, recommend(OPEN).plan) < 1e-3


def test_drift_widens_the_gain_and_leaves_its_mean():
    """Noise over time has no direction: it must not pay."""
    at = np.array([0.1, 0.3])
    still = gains(MUG._replace(error=0.3), 5, at)
    moving = gains(MUG._replace(error=0.5, drift=0.4), 5, at)
    assert moving.gain == pytest.approx(still.gain, rel=1e-12)
    assert (moving.low < still.low).all()
    assert (moving.high > still.high).all()
    log = np.log(1 - at)
    drawn = np.random.default_rng(3).normal(0, 1, (200_000, 1))
    lift = np.exp((-3 - 0.16 * log / 2 + 0.5 * drawn) * log)
    profit = 100 * (lift * (10 * (1 - at) - 5) - 5)
    assert moving.gain == pytest.approx(profit.mean(axis=0), abs=1.5)
    assert moving.chance == pytest.approx((profit > 0).mean(axis=0), abs=0.005)


def test_below_cost_and_always_discounted_come_first():
    """Neither needs an estimate: end the discount; switch it off for two weeks to learn."""
    sure = MUG._replace(slope=-5.0)
    cheap = recommend(sure._replace(paid=4.99, always_discounted=True))
    assert (cheap.decision, cheap.reason) == ("hold", "below_cost")
    assert recommend(sure._replace(paid=5.0)).decision == "discount"
    always = recommend(sure._replace(slope=None, paid=7, always_discounted=True))
    assert (always.decision, always.reason) == ("test", "always_on")


def test_a_product_without_a_tried_depth_sells_without_help():
    """No depth was observed, so none is recommended."""
    advice = recommend(MUG._replace(least_depth=None, most_depth=None))
    assert (advice.decision, advice.reason) == ("hold", "without_help")


def test_never_a_discount_while_stock_is_short():
    """Regardless of the gain: no discount below the lead time; allowed exactly at it."""
    sure = MUG._replace(slope=-5.0)
    assert recommend(sure._replace(cover_days=13.9), lead_time_days=14).reason == "short_cover"
    assert recommend(sure._replace(cover_days=14), lead_time_days=14).decision == "discount"


def test_never_a_depth_outside_the_observed_range():
    """A deeper discount would gain more, but only observed depths are recommended."""
    advice = recommend(MUG._replace(slope=-8.0, cost=1, most_depth=0.2))
    assert advice.depth == 0.2
    narrow = recommend(MUG._replace(slope=-8.0, cost=1, least_depth=0.11, most_depth=0.13))
    assert narrow.depth == 0.12
    assert depths(0.3, 1.0).max() == 0.95  # a gift is no discount


def test_without_a_cost_it_abstains_but_knows_the_margin_needed():
    """At that margin, the same product breaks even."""
    advice = recommend(MUG._replace(cost=None))
    assert (advice.decision, advice.reason) == (None, "no_cost")
    assert advice.gain is None
    assert advice.chance is None
    needed = advice.break_even_margin
    found = gains(MUG, 10 * (1 - needed), np.array([advice.depth]))
    assert found.gain[0] == pytest.approx(0, abs=1e-9)


def test_without_a_cost_a_loss_of_revenue_is_a_loss_at_any_cost():
    """At an elasticity of -0.5, a discount loses revenue: hold, at any unit cost."""
    advice = recommend(MUG._replace(cost=None, slope=-0.5, error=0.1))
    assert (advice.decision, advice.reason) == ("hold", "loses_revenue")
    for cost in (0, 2, 5, 9):
        assert recommend(MUG._replace(cost=cost, slope=-0.5, error=0.1)).decision == "hold"


@pytest.mark.parametrize("ulps", range(-3, 4))
def test_rounding_does_not_choose_the_depth(ulps):
    """Without a cost the chance is the same at every depth: the highest gain counts."""
    slope = -2.8430176820758977 + ulps * 2**-51
    product = Product(3.17, None, 1.02, slope, 1.45, least_depth=0.1, most_depth=0.5)
    at = gains(product, 0, depths(0.1, 0.5))
    assert np.ptp(at.chance) < 1e-12
    assert recommend(product).depth == at.depth[at.gain.argmax()]


def test_without_a_slope_it_abstains():
    """A product with few sales has no made-up values."""
    advice = recommend(MUG._replace(slope=None, error=None))
    assert (advice.decision, advice.reason) == (None, "no_slope")


def test_depths_are_steps_of_five_percent_within_the_range():
    """A depth of 0 is none; a gift is at most 95%; both ends count."""
    assert depths(0.0, 0.1).tolist() == [0.05, 0.1]
    assert depths(0.05, 0.15).tolist() == [0.05, 0.1, 0.15]
    assert depths(0.0, 0.04).tolist() == [0.02]
    assert depths(0.96, 1.0).tolist() == [0.95]
    assert depths(0.9, 0.99).tolist() == [0.9, 0.95]
    assert depths(0.3, 0.35).tolist() == [0.3, 0.35]  # 0.35 / 0.05 is below 7 in floats


def test_a_unit_sold_at_a_loss_gains_by_no_lift():
    """At or below cost at the regular price: no chance, whatever the slope."""
    at = np.array([0.1, 0.2])
    for cost in (10, 11):
        assert gains(MUG._replace(slope=-9.0), cost, at).chance.tolist() == [0, 0]
    assert (gains(MUG._replace(slope=-99.0), 9.0, at).chance == [0.0, 0.0]).all()  # 10% is margin
    assert gains(MUG._replace(slope=-99.0), 8.99, at).chance.tolist() == pytest.approx([1, 0])


def test_the_best_depth_is_chosen_among_those_that_are_sure():
    """A deeper discount would gain more on average, but is not 80% likely to gain."""
    product = MUG._replace(slope=-3.3, error=0.95)
    found = gains(product, 5, depths(0.1, 0.3))
    sure = found.chance >= 0.8
    assert sure.any()
    assert not sure[found.gain.argmax()]
    advice = recommend(product)
    assert advice.depth == found.depth[sure][found.gain[sure].argmax()]
    assert advice.units == pytest.approx(100 * found.lift[found.depth == advice.depth][0])
    lift = found.lift[found.depth == advice.depth][0]
    assert advice.break_even_margin == pytest.approx(advice.depth * lift / (lift - 1))


def test_a_test_is_planned_for_the_break_even_rate():
    """Orders of both variants, at least two weeks, at most half a year, and a target below 1."""
    advice = recommend(OPEN)
    plan = advice.plan
    target = 0.02 * 5 / (10 * (1 - advice.depth) - 5)
    assert plan.target_rate == pytest.approx(target)
    size = sample_size(0.02, target)
    assert plan.orders == size.visitors_a + size.visitors_b
    assert plan.days == 14 == recommend(OPEN._replace(orders_per_day=plan.orders / 14)).plan.days
    days = recommend(OPEN._replace(orders_per_day=plan.orders / 20, units=1e4)).plan.days
    assert days == 20
    last, late = (OPEN._replace(orders_per_day=plan.orders / days) for days in (182, 182.5))
    assert _plan(last, advice.depth).days == 182
    assert _plan(late, advice.depth) is None
    assert recommend(late).reason == "too_rare"
    little = OPEN._replace(cost=7.0)
    assert _plan(little, 0.25).target_rate == pytest.approx(0.02 * 3 / 0.5)
    assert _plan(little, 0.3) is None  # nothing is left of the price
    for unknown in ({"base_rate": 0.0}, {"orders_per_day": 0.0}, {"base_rate": 0.9}):
        assert recommend(OPEN._replace(**unknown)).reason == "too_rare"


@pytest.mark.parametrize(
    "missing", [{"slope": None}, {"error": 0.0}, {"cost": None}, {"base_rate": 0}]
)
def test_the_value_of_a_test_needs_all_of_its_inputs(missing):
    with pytest.raises(InputError, match="requires slope, error, cost, and rate"):
        value_of_test(OPEN._replace(**missing), 0.2, PlannedTest(100, 14, 0.05))


def test_a_test_costs_its_work_and_the_worse_half():
    """50, and half of the gain or loss over its days."""
    found = gains(MUG, 5, np.array([0.1, 0.3]))
    for best in (0, 1):
        lost = abs(found.gain[best]) / 2 * 56 / 28
        assert cost_of_test(MUG, found, best, PlannedTest(9, 56, 0.1)) == pytest.approx(50 + lost)


def test_every_reason_has_words():
    """Every reason has words, so that pages show no codes."""
    assert all(" " in words for words in REASONS.values())


def test_gains_equal_a_simulation():
    """Mean, interval, and probability equal those of 400,000 drawn slopes."""
    at = np.array([0.1, 0.2, 0.3])
    slopes = np.random.default_rng(3).normal(-2.4, 0.5, 400_000)[:, None]
    drawn = 100 * ((1 - at) ** slopes * (10 * (1 - at) - 5) - 5)
    found = gains(MUG._replace(slope=-2.4, error=0.5), 5, at)
    assert found.gain == pytest.approx(drawn.mean(axis=0), abs=0.5)
    assert found.chance == pytest.approx((drawn > 0).mean(axis=0), abs=0.005)
    assert found.low == pytest.approx(np.quantile(drawn, 0.05, axis=0), abs=0.6)
    assert found.high == pytest.approx(np.quantile(drawn, 0.95, axis=0), abs=1.5)


def test_gains_refuse_what_makes_no_sense():
    """A missing price, units, or error is rejected."""
    for wrong in ({"price": 0}, {"units": 0}, {"error": 0}, {"slope": None}, {"error": None}):
        with pytest.raises(InputError, match="gains require"):
            gains(MUG._replace(**wrong), 5, np.array([0.1]))


def test_a_depth_that_eats_the_margin_never_gains():
    """Below cost, no lift is profitable."""
    assert gains(MUG, 8, np.array([0.3])).chance[0] == 0
