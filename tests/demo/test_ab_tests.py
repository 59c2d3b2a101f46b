"""Simulated A/B tests: random without a difference, and consistent sums."""

from __future__ import annotations

from collections import defaultdict

import duckdb
import numpy as np
import orjson
import pytest
from scipy import stats

from d1lab.demo.ab_tests import COST_SHARE, DAILY, SETUPS, Setup, draw, simulate_tests

DAYS = 30
RNG = np.random.default_rng(5)
PLACE = np.sort(RNG.integers(0, DAYS, 3_000))
CENTS = RNG.integers(100, 10_000, 3_000)


def totals(setup: Setup, seed: int) -> np.ndarray:
    return draw(setup, PLACE, CENTS, DAYS, np.random.default_rng(seed)).sum(axis=0)


def test_draw_without_difference_is_uniform():
    """Without a difference, the z test of the rates has its nominal error rate."""
    scores = []
    for seed in range(400):
        (n_a, x_a, *_), (n_b, x_b, *_) = totals(Setup("harbor", "none", "", 0, DAYS), seed)
        pooled = (x_a + x_b) / (n_a + n_b)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
        scores.append((x_b / n_b - x_a / n_a) / error)
    assert stats.kstest(scores, "norm").pvalue > 0.01


@pytest.mark.parametrize("lift", [0.3, -0.2])
def test_draw_has_the_lift(lift):
    """On average B's rate is A's times 1 + lift, and the better variant has the base rate."""
    setup = Setup("harbor", "lift", "", 0, DAYS, lift=lift, base=0.05)
    sums = sum(totals(setup, seed) for seed in range(60))
    rates = sums[:, 1] / sums[:, 0]
    assert rates[1] / rates[0] == pytest.approx(1 + lift, rel=0.02)
    assert rates.max() == pytest.approx(0.05, rel=0.02)


def test_draw_money_adds_up():
    """Without effect and discount, both variants together have the revenue of the orders."""
    both = totals(Setup("harbor", "none", "", 0, DAYS), 1).sum(axis=0)
    _, conversions, revenue, squares, cost, profit, _ = both
    assert conversions == CENTS.size
    assert (revenue, squares, cost) == (CENTS.sum(), (CENTS**2).sum(), 0)
    assert profit == pytest.approx(CENTS.sum() * (1 - COST_SHARE), rel=1e-4)


def test_draw_discount_costs():
    """For B's orders, revenue + discount = value and profit = revenue - cost."""
    setup = Setup("harbor", "cut", "", 0, DAYS, discount_b=0.2, share_b=1.0)
    _, _, revenue, _, cost, profit, _ = totals(setup, 1)[1]
    assert revenue + cost == CENTS.sum()
    assert cost == pytest.approx(0.2 * CENTS.sum(), rel=1e-3)
    assert profit == pytest.approx((1 - COST_SHARE - 0.2) * CENTS.sum(), rel=1e-2)


@pytest.fixture(scope="module")
def simulated():
    """The demo's tests over a year of random orders, and the number of orders per day."""
    con = duckdb.connect()
    con.execute(
        """
        CREATE TABLE order_lines AS
        SELECT shop, 'o' || n AS order_id, 'order' AS type,
            DATE '2017-01-01' + (n % 365)::INTEGER AS day,
            (5 + n % 40)::DECIMAL(18, 6) AS revenue
        FROM range(19000) AS r(n), (VALUES ('harbor'), ('village'), ('kiosk')) AS s(shop)
        """
    )
    yield simulate_tests(con, seed=7), simulate_tests(con, seed=7)
    con.close()


def test_simulate_tests_totals_are_the_sums_of_the_days(simulated):
    """The totals of a test equal the sums of its days, to the cent."""
    tests, _ = simulated
    sums: dict[tuple, float] = defaultdict(float)
    for row in tests.daily:
        day = dict(zip(DAILY, row, strict=True))
        assert day["conversions"] <= day["visitors"]
        for name in DAILY[4:]:
            sums[day["test_id"], day["variant"], name] += day[name]
    for result, inputs in zip(tests.results, tests.inputs, strict=True):
        assert inputs["test_id"] == result["test_id"]
        for variant in "ab":
            for name in DAILY[4:]:
                total = sums.get((result["test_id"], variant, name))
                if total is not None:
                    held = (result | inputs)[f"variant_{variant}_{name}"]
                    assert held == pytest.approx(total, abs=1e-6)
    assert len({test_id for test_id, *_ in sums}) == len(SETUPS) - 1  # one has the guide's only


def test_simulate_tests_shows_every_case(simulated):
    """Every kind of test that the reports handle exists, and all are marked as simulated."""
    tests, again = simulated
    assert tests == again
    by_id = {result["test_id"]: result for result in tests.results}
    inputs = {row["test_id"]: row for row in tests.inputs}
    assert inputs.keys() == by_id.keys()
    assert {row["source"] for row in tests.inputs} == {"simulated"}
    assert set(inputs["village-double-points"]) == {"test_id", "shop", "source"}
    assert set(by_id["village-double-points"]) == {
        *("test_id", "shop", "test_name", "variant_a_config", "variant_b_config"),
        *("variant_a_conversions", "variant_b_conversions", "variant_a_revenue"),
        *("variant_b_revenue", "started_at", "ended_at"),
    }
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(by_id["harbor-summer-sale"]["variant_b_config"])
    running = {test_id for test_id, result in by_id.items() if result["ended_at"] is None}
    assert running == {"harbor-basket-discount", "harbor-reminder-mail"}
    assert inputs["harbor-basket-discount"]["method"] == "group_sequential"
    banner = inputs["harbor-welcome-banner"]
    visitors = [banner[f"variant_{variant}_visitors"] for variant in "ab"]
    assert stats.chisquare(visitors).pvalue < 0.001
