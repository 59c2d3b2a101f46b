"""What discounts take from their category, in simulated shops of known truth."""

# pyright: basic, reportOptionalOperand=false, reportOperatorIssue=false

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from d1lab.analyses.discount_effect import cannibalization as module
from d1lab.analyses.discount_effect.cannibalization import _compared, _on_offer, cannibalization
from d1lab.analyses.discount_effect.effect import shop_effect
from d1lab.analyses.discount_effect.history import history
from d1lab.analyses.discounts.report import from_category
from d1lab.stats.poisson_effects import PoissonFit
from validation.simulate_discounts import demand, frame

PER_CATEGORY, WEEKS = 10, 52


def shop(categories, slope, seed):
    """Return a shop whose categories put four of ten products on offer, in weeks of their own.

    `slope`: change of the log of other products' units, per share of the category on offer.
    """
    random = np.random.default_rng(seed)
    category = np.repeat(np.arange(categories), PER_CATEGORY)
    weeks = random.random((categories, WEEKS // 4)) < 0.4
    active = np.repeat(weeks, 4, axis=1)[category]
    on = active & (np.arange(len(category)) % PER_CATEGORY < 4)[:, None]
    level = np.exp(random.normal(0, 0.5, len(category)))
    usual = np.bincount(category, level)[category]
    share = np.zeros(on.shape)
    for one in range(categories):
        mine = category == one
        share[mine] = (level[mine, None] * on[mine]).sum(axis=0) / usual[mine, None]
    units = demand(on, 6.0, 0.8, random, level=level)
    units = random.binomial(units, np.where(on, 1.0, np.exp(slope * share)))
    rows = frame(units, np.where(on, units, 0))
    rows["category"] = [f"c{int(sku[1:]) // PER_CATEGORY:02}" for sku in rows["sku"]]
    found = history(rows)
    return found, shop_effect(found), share[(share > 0) & ~on].mean()


def test_what_a_category_loses_is_found():
    """Truth: the others lose 1 - exp(-0.9 x share), a quarter; the interval excludes 0."""
    found, effect, share = shop(12, -0.9, seed=1)
    taken = cannibalization(found, effect.price)
    assert taken.reason is None
    assert taken.share == pytest.approx(share, rel=0.1)
    assert taken.low < np.expm1(-0.9 * share) < taken.high < 0
    assert taken.categories == 12
    assert taken.skus >= 12 * 6  # those at the full price, and the others between their offers
    words = from_category(taken)
    assert words.startswith(f"While {taken.share:.0%} of their category was on offer, products at")
    assert f"sold {-taken.change:.0%} fewer units (95% interval \N{MINUS SIGN}" in words
    assert "Not significant" not in words


def test_nothing_is_found_where_nothing_is_lost():
    """Truth: 0. The others sell on as before."""
    found, effect, _ = shop(12, 0.0, seed=2)
    taken = cannibalization(found, effect.price)
    assert taken.reason is None
    assert taken.low < 0 < taken.high
    assert taken.high - taken.low < 0.3
    assert "Not significant." in from_category(taken)


def test_too_little_data_has_a_reason():
    """Without categories, with too few of them, and where all are on offer in the same weeks."""
    found, effect, _ = shop(7, -0.9, seed=3)
    few = cannibalization(found, effect.price)
    assert (few.change, few.reason, few.categories) == (None, "few_categories", 7)
    assert from_category(few).startswith(
        "Cannibalization within categories not available: fewer than 8"
    )
    bare = found._replace(categories=np.full(len(found.skus), None, dtype=object))
    assert cannibalization(bare, effect.price).reason == "no_categories"
    assert cannibalization(found, np.zeros_like(effect.price)).reason == "no_discount"


def _plain(categories, skus, monkeypatch, *, half=0.1, identified=True):
    """Categories of two products or more each, of which the first is on offer in half of the weeks.

    Return the estimate, and what was given to the regression.
    """
    names = np.array([f"c{n % categories}" for n in range(skus)], dtype=object)
    units = np.full((skus + categories + 1, 6), 4.0)
    price = np.zeros(units.shape)
    price[skus : skus + categories, 3:] = -0.2
    units[0, 5] = np.nan
    price[0, 5] = np.nan
    names = np.r_[names, np.array([f"c{n}" for n in range(categories)], dtype=object)]
    found = SimpleNamespace(categories=np.append(names, None), sales=SimpleNamespace(units=units))
    seen = []
    fitted = PoissonFit(
        *np.array([[-1.0, -2.0], [0, 0]]), np.array([True, identified]),
        np.ones((skus + categories, 2)), np.full((skus + categories, 2), 0.5),
        *np.zeros((2, 1)), rows=1, cells=1, deviance_ratio=1.0,
    )  # fmt: skip
    monkeypatch.setattr(PoissonFit, "half", lambda self, _: np.array([9.0, half]))
    monkeypatch.setattr(module, "fit", lambda *given: seen.append(given) or fitted)
    return cannibalization(found, price), seen


@pytest.mark.parametrize(
    ("categories", "skus", "reason"),
    [
        (8, 20, None), (7, 20, "few_categories"), (8, 19, "few_skus"),
    ],
)  # fmt: skip
def test_eight_categories_and_twenty_products_are_enough(categories, skus, reason, monkeypatch):
    """Products on offer themselves do not count: at the full price, nothing beside them is."""
    taken, seen = _plain(categories, skus, monkeypatch)
    assert taken.reason == reason
    assert taken.categories == categories
    assert taken.skus == skus
    assert taken.weeks == 3 * skus - 1  # of one product, one of the three is unknown
    assert len(seen) == (taken.reason is None)


@pytest.mark.parametrize(
    ("over", "identified", "reason"),
    [(-1e-9, True, None), (1e-9, True, "too_wide"), (0.0, False, "no_comparison")],
)
def test_the_change_is_that_of_the_mean_share(over, identified, reason, monkeypatch):
    """Of 20 products in 8 categories, with a share of 2/7 or 1/4 of each on offer."""
    share = _plain(8, 20, monkeypatch)[0].share
    half = (np.log(4) + over) / 2 / share
    taken, seen = _plain(8, 20, monkeypatch, half=half, identified=identified)
    units, causes = seen[0]
    assert units.shape == (28, 6)  # one has no category
    shares = causes[:, 1].reshape(28, 6)
    cells = shares[:20, 3:]
    known = np.isfinite(units[:20, 3:])
    assert share == pytest.approx(cells[known].mean())
    assert set(np.round(shares[:4, 3], 9)) == {0.25}
    assert np.round(shares[4:8, 3], 9).tolist() == [round(1 / 3, 9)] * 4
    assert (shares[20:, 3:] == 0).all()
    assert causes[:, 0].reshape(28, 6)[20:, 3:].tolist() == [[-0.2] * 3] * 8
    assert (taken.reason, taken.skus, taken.categories) == (reason, 20, 8)
    if reason is None:
        ends = [np.expm1((-2 + side * half) * share) for side in (0, -1, 1)]
        assert [taken.change, taken.low, taken.high] == pytest.approx(ends)
        assert taken.share == pytest.approx(share)


def test_errors_are_sums_over_categories():
    fitted = SimpleNamespace(
        influence=np.arange(6.0).reshape(3, 2), leverage=np.array([[0.1, 0.2], [0.3, 0.4], [0, 1]])
    )
    fitted._replace = lambda **fields: fields
    found = module._clustered(fitted, np.array([1, 0, 1]))
    assert found["influence"].tolist() == [[2, 3], [4, 6]]
    assert found["leverage"].tolist() == [[0.3, 0.4], [0.1, 1.2]]


def test_the_share_on_offer_is_by_regular_units():
    """Of 3 and 1 regular units, the first is on offer: 75%; a week without stock counts 0."""
    units = np.array([[3.0, 9, 3, np.nan], [1, 1, 1, 1], [5, 5, 5, 5]])
    price = np.array([[0.0, -0.2, 0, -0.2], [0, 0, -0.1, 0], [0, 0, 0, 0]])
    shares = _on_offer(units, price, np.array([0, 0, 1]))
    assert shares[0] == pytest.approx([0, 0.75, 0.25, 0])
    assert (shares[1] == shares[0]).all()
    assert (shares[2] == 0).all()


def test_products_are_compared_over_weeks_that_differ():
    """By a twentieth of the category or more, in their own full-price weeks, and with a sale."""
    units = np.array([[1.0, 1], [1, 1], [0, 0], [1, 1], [1, np.nan]])
    share = np.array([[0.0, 0.05], [0, 0.04], [0, 0.5], [0, 0.5], [0, 0.5]])
    price = np.zeros((5, 2))
    price[3, 1] = -0.3
    assert _compared(units, share, price).tolist() == [True, False, False, False, False]
