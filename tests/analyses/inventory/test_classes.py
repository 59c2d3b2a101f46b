"""ABC, XYZ, and demand classes, compared with plain loops and at their limits."""

from __future__ import annotations

from math import nan, sqrt
from statistics import mean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.analyses.inventory.classes import abc, variation
from d1lab.analyses.inventory.gmroi import stock_profit
from d1lab.errors import InputError


@given(st.lists(st.integers(-5, 60), max_size=12))
def test_abc_equals_a_walk_down_the_list(revenue):
    """By decreasing revenue, a product that starts below 80% is A, below 95% B."""
    earned = [max(r, 0) for r in revenue]
    expected, so_far = ["C"] * len(earned), 0
    for i in sorted(range(len(earned)), key=lambda i: -earned[i]):
        if earned[i] > 0:
            begins = 100 * so_far / sum(earned)
            expected[i] = "A" if begins < 80 - 1e-9 else "B" if begins < 95 - 1e-9 else "C"
        so_far += earned[i]
    assert abc(revenue).tolist() == expected


@pytest.mark.parametrize(
    ("revenue", "classes"),
    [
        ([80, 15, 5], "ABC"),  # the second begins exactly at 80%, the third at 95%
        ([79, 16, 5], "AAC"),  # the one that crosses takes the higher class
        ([100, 0, -3, np.nan], "ACCC"),
        ([0, 0], "CC"),
        ([0.1] * 10, "AAAAAAAABB"),
        ([], ""),
    ],
)
def test_abc_at_its_edges(revenue, classes):
    """A product that crosses a limit has the higher class; one without revenue is C."""
    assert "".join(abc(revenue)) == classes


WEEKS = st.lists(st.sampled_from([0.0, 0.0, 1.0, 3.0, 12.0, -1.0, np.nan]), min_size=8, max_size=16)


@given(WEEKS)
def test_variation_equals_plain_statistics(series):
    """Coefficient of variation, interval, and squared variation of sizes, by definition."""
    other = [nan] * (len(series) - 2) + [4.0, 2.0]  # too short for a class
    found = variation([series, other, [5.0] * len(series), [0.0] * len(series)])
    assert found.demand[1:].tolist() == [None, "smooth", None]
    assert found.xyz[1:].tolist() == [None, "X", None]
    assert np.isnan(found.interval[[1, 3]]).all()
    assert np.isnan(found.size_variation[[1, 3]]).all()
    started = [i for i, units in enumerate(series) if units > 0]
    known = [units for units in series[started[0] :] if units == units] if started else []
    sold = [units for units in known if units > 0]
    if len(known) < 8 or not sold:
        assert (found.xyz[0], found.demand[0]) == (None, None)
        return
    assert found.interval[0] == pytest.approx(len(known) / len(sold))
    assert found.size_variation[0] == pytest.approx((pstdev(sold) / mean(sold)) ** 2, abs=1e-12)
    if mean(known) > 0:
        assert found.variation[0] == pytest.approx(pstdev(known) / mean(known), abs=1e-12)
    often, even = len(known) / len(sold) < 1.32, (pstdev(sold) / mean(sold)) ** 2 < 0.49
    names = {(1, 1): "smooth", (1, 0): "erratic", (0, 1): "intermittent", (0, 0): "lumpy"}
    assert found.demand[0] == names[(often, even)]


def test_variation_at_its_edges():
    """A coefficient of exactly 0.5 is X, of 1 still Y; a steady seller is X and smooth."""
    half = [1.0, 3.0] * 4  # mean 2, deviation 1
    one = [0.0, 2.0] * 5  # since its first sale: 2, 0, 2, 0, ... nine weeks
    steady = [4.0] * 8
    found = [variation([series]) for series in (half, [*one, 0.0], steady)]
    assert [one.xyz[0] for one in found] == ["X", "Y", "X"]
    assert variation([[4.0] * 7]).xyz.tolist() == [None]
    assert variation([[1.0] * 7 + [30.0], [1.0, 3.01] * 4]).xyz.tolist() == ["Z", "Y"]
    assert found[0].variation[0] == 0.5
    assert found[1].variation[0] == 1.0
    assert (found[2].demand[0], found[2].interval[0]) == ("smooth", 1)


def test_variation_refuses_a_vector():
    """One SKU has to be a matrix of one row."""
    with pytest.raises(InputError, match="SKU x week"):
        variation([1.0, 2.0])


def test_profit_published_example(oracles):
    """Cost of goods of 480,000 and a stock of 80,000: 6 turns, at any unit cost."""
    published = oracles["inventory"]["published"]
    [perfect] = [e for e in published if e["source"].startswith("stockperfect")]
    found = stock_profit(perfect["COGS"] / 50, 600_000, perfect["avg"] / 50, 50)
    assert found.cost_turnover == pytest.approx(perfect["turnover"])
    assert found.gmroi == pytest.approx((600_000 - 480_000) / 80_000)
    assert sqrt(found.average_cost) == pytest.approx(sqrt(80_000))


def test_profit_abstains_without_cost_or_stock():
    """No cost, no margin; no stock value, no return. A loss is a negative return."""
    found = stock_profit([10, 10, 10, 1], [100, 100, 30, 9], [5, 0, 5, 5], [np.nan, 4, 4, 0])
    reasons = ["no_unit_cost", "no_stock_value", None, "no_stock_value"]
    assert found.profit_reason.tolist() == reasons
    unknown = [True, True, False, True]
    assert np.isnan(found.gmroi).tolist() == np.isnan(found.cost_turnover).tolist() == unknown
    assert found.average_cost.tolist() == pytest.approx([nan, 0, 20, 0], nan_ok=True)
    assert found.cost_turnover[2] == 2
    assert found.gmroi[2] == pytest.approx((30 - 40) / 20)
    assert found.gross_margin[1] == 60
    with pytest.raises(InputError):
        stock_profit([1, 2], [1, 2, 3], [1], [1])
