"""The effect in simulated shops of known truth, its sample, and its silence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect import effect
from d1lab.analyses.discount_effect.effect import lifts, prices, shop_effect
from d1lab.analyses.discount_effect.exposure import OFF, ON, UNKNOWN, OfferedWeeks, WeeklySales
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
    assert found.slope_high - found.slope == pytest.approx(1.959964 * found.error)
    assert found.slope - found.slope_low == pytest.approx(1.959964 * found.error)
    assert found.high == pytest.approx(0.75**found.slope_low - 1)
    units, on = promoted.sales.units, np.zeros((SKUS, WEEKS), bool)
    on[: SKUS // 2, 10:25] = True
    shop = shop_effect(promoted)
    seen = np.isfinite(shop.price)
    assert found.weeks == (seen & np.isfinite(units))[: SKUS // 2].sum()
    raw = units[seen & on].mean() / units[seen & ~on].mean() - 1
    assert found.raw_lift == pytest.approx(raw)


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


def _offer(skus: list[int], state: list[list[int]], for_everyone: bool = True) -> OfferedWeeks:
    return OfferedWeeks(np.array(skus), np.array(state, dtype=np.int8), for_everyone)


def _history(units: list[list[float]], *offers: tuple[str, OfferedWeeks, list[list[float]]]) -> Any:
    """A history with offers by level, each with its depths."""
    known = np.array(units, dtype=float)
    return SimpleNamespace(
        sales=WeeklySales(known, 10 * np.nan_to_num(known), np.zeros(known.shape)),
        discounts=pd.DataFrame({"level": [level for level, *_ in offers]}),
        offers=tuple(offer for _, offer, _ in offers),
        depths=tuple(np.array(depth) for *_, depth in offers),
    )


def test_prices_add_up_the_discounts_on_offer():
    """Of discounts, not of their codes; one that is never off is no cut, unknown is unknown."""
    found = _history(
        [[1, 1, 1, np.nan], [1, 1, 1, 1], [1, 1, 1, 1]],
        ("discount", _offer([0, 1], [[ON, OFF, ON, ON], [ON, UNKNOWN, OFF, OFF]]), [[0.2] * 4] * 2),
        ("discount", _offer([0], [[ON, ON, OFF, OFF]]), [[0.5] * 4]),
        (
            "discount",
            _offer([0, 1, 2], [[ON] * 4, [ON] * 4, [ON, ON, UNKNOWN, ON]]),
            [[0.3] * 4] * 3,
        ),
        ("code", _offer([2], [[ON] * 4]), [[0.4] * 4]),
    )
    price = np.exp(prices(found))
    assert price[0] == pytest.approx([0.4, 0.5, 0.8, np.nan], nan_ok=True)
    assert price[1] == pytest.approx([0.8, np.nan, 1, 1], nan_ok=True)
    assert price[2] == pytest.approx([1, 1, 1, 1])  # on in all weeks, as far as is known
    some = _history([[1, 1], [1, 1]], ("discount", _offer([1], [[ON, ON]]), [[0.25] * 2]))
    assert np.exp(prices(some)).tolist() == [[1, 1], [0.75, 0.75]]  # the other is never on


def test_products_count_with_a_sale_and_known_weeks_on_and_off():
    units = np.array([[1.0, 0, 0], [0, 0, 0], [1, np.nan, np.nan], [1, 1, 1], [0, 1, np.nan]])
    on = np.array([[True, False, False]] * 3 + [[True] * 3, [True, False, True]])
    assert effect._both(units, on).tolist() == [True, False, False, False, True]
    offer = _offer([0, 3, 4], [[ON, OFF, OFF], [ON, ON, UNKNOWN], [ON, OFF, ON]])
    assert effect._size(units, offer) == (2, 2)  # of the first and of the last, a week each


def _fitted(slopes: list[float], half: float, identified: list[bool]) -> Any:
    halves = np.full(len(slopes), half)
    return SimpleNamespace(
        slopes=np.array(slopes), identified=np.array(identified), half=lambda _: halves
    )


PRICE = np.log([[0.5, 1.0, 1.0], [1.0, 0.75, np.nan]])
UNITS = np.array([[6.0, 2, 1], [3, 5, 9]])


@pytest.mark.parametrize(("over", "reason"), [(-1e-9, None), (1e-9, "too_wide")])
def test_an_effect_is_told_if_its_ends_differ_by_at_most_a_factor_of_four(over, reason):
    """At the mean depth of 37.5%, that of prices, not of their logs."""
    at = np.log(0.625)
    half = (np.log(4) + over) / 2 / -at
    after = _fitted([-1.0, 0.5], 0.4, [True, True])
    found = effect._effect(_fitted([-1.0], half, [True]), after, PRICE, UNITS, (7, 99))
    assert (found.reason, found.skus, found.weeks) == (reason, 7, 99)
    if reason:
        assert (found.slope, found.lift, found.depth) == (None, None, None)
        return
    assert (1 + found.high) / (1 + found.low) == pytest.approx(4)
    assert (found.depth, found.lift) == (pytest.approx(0.375), pytest.approx(1 / 0.625 - 1))
    ends = [0.625 ** (0.5 + side * 0.4) - 1 for side in (0, 1, -1)]
    assert [found.aftermath, found.aftermath_low, found.aftermath_high] == pytest.approx(ends)
    assert found.raw_lift == pytest.approx((6 + 5) / 2 / ((2 + 1 + 3) / 3) - 1)
    assert found.break_even_margin == pytest.approx(0.375 / (1 - 0.625))


def test_an_effect_that_cannot_be_told_is_none():
    after = _fitted([-1.0, 0.5], 0.4, [True, False])
    found = effect._effect(_fitted([-1.0], 0.1, [True]), after, PRICE, UNITS, (7, 99))
    assert (found.aftermath, found.aftermath_low, found.aftermath_high) == (None, None, None)
    none = effect._effect(_fitted([-1.0], 0.1, [False]), after, PRICE, UNITS, (7, 99))
    assert none.reason == "no_comparison"


@pytest.mark.parametrize(
    ("lift", "depth", "margin"),
    [(1.0, 0.25, 0.5), (0.25, 0.2, 1.0), (0.24, 0.2, None), (0.0, 0.2, None)],
)
def test_a_lift_breaks_even_at_a_margin_up_to_the_price(lift, depth, margin):
    assert effect._break_even(lift, depth) == (margin and pytest.approx(margin))


def test_the_depth_of_a_discount_is_of_all_that_was_sold_meanwhile():
    """Weighed by the list value of the weeks in which it was on, and the product for sale."""
    units = [[1, 2, 3, np.nan], [4, 4, 4, 4]]
    offer = _offer([0, 1], [[ON, ON, OFF, ON], [UNKNOWN, ON, OFF, OFF]])
    found = _history(units, ("discount", offer, [[0.1, 0.2, 0.9, 0.9], [0.9, 0.4, 0.9, 0.9]]))
    assert effect._mean_depth(found, 0) == pytest.approx((0.1 + 0.4 + 1.6) / 7)
    nothing = _history([[0, 1.0]], ("discount", _offer([0], [[ON, OFF]]), [[0.1, 0.1]]))
    assert np.isnan(effect._mean_depth(nothing, 0))


def test_lifts_say_how_wide_they_are_and_for_what(monkeypatch):
    """Of three discounts: one is too wide, one cannot be told apart, one is told."""
    seen = []
    halves = np.array([0.1, np.log(4) / 2 - 1e-9, np.log(4) / 2 + 1e-9, 0.1])
    fitted = SimpleNamespace(
        slopes=np.array([0.5, 1.0, 1.0, 9.0]), identified=np.array([False, True, True, True]),
        half=lambda _: halves,
    )  # fmt: skip
    monkeypatch.setattr(effect, "fit", lambda *given: seen.append(given) or fitted)
    units = np.arange(12.0).reshape(3, 4)
    one = _offer([0, 2], [[ON, OFF, UNKNOWN, OFF], [OFF, OFF, ON, OFF]])
    rest = [_offer([1], [[OFF, ON, OFF, OFF]]), _offer([1, 2], [[OFF, OFF, ON, OFF], [OFF] * 4])]
    ends, reason = effect._together(units, [one, one, one], rest)
    assert reason.tolist() == ["no_comparison", None, "too_wide"]
    wanted = np.expm1([1, 1 - halves[1], 1 + halves[1]])
    assert ends[:, 1] == pytest.approx(wanted)
    assert np.isnan(ends[:, [0, 2]]).all()
    known, causes = seen[0]
    assert np.isnan(known).sum() == np.isnan(known[0, 2]) == 1
    columns = causes.toarray().reshape(3, 4, 4)
    assert columns[:, :, 0].tolist() == [[1, 0, 0, 0], [0] * 4, [0, 0, 1, 0]]
    assert columns[:, :, 3].tolist() == [[0] * 4, [0, 1, 1, 0], [0] * 4]
    effect._together(units, [one], [])
    assert seen[1][1].shape == (12, 1)


def test_reasons_have_their_numbers_in_words():
    assert list(effect.reasons_in_words(["many", None])) == [
        "not among the 300 discounts with the most weeks on offer, whose lifts are estimated",
        None,
    ]
