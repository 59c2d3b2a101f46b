"""What discounts take from their category, in simulated shops of known truth."""

# pyright: basic, reportOptionalOperand=false, reportOperatorIssue=false

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.discount_effect.cannibalization import _compared, _on_offer, cannibalization
from d1lab.analyses.discount_effect.effect import shop_effect
from d1lab.analyses.discount_effect.history import history
from d1lab.analyses.discounts.report import from_category
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
