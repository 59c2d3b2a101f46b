"""Difference in differences by hand, and its intervals on simulated panels of known truth."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.errors import InputError
from d1lab.stats.before_after import BeforeAfter, before_after
from tests.support.examples import examples

START, WEEKS = 13, 19


def panel(
    seed: int, lift: float, treated: int = 25, rows: int = 260, trend: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Units per product and week: levels differ, demand persists, and the season moves all."""
    rng = np.random.default_rng(seed)
    drift, state = np.zeros((rows, WEEKS)), rng.normal(0, 0.3, rows)
    for week in range(WEEKS):
        state = 0.5 * state + rng.normal(0, 0.25, rows)
        drift[:, week] = state
    level = 3 * np.exp(rng.normal(0, 0.8, (rows, 1)) + np.cumsum(rng.normal(0, 0.1, WEEKS)) + drift)
    mask = np.zeros(rows, dtype=bool)
    mask[rng.choice(rows, treated, replace=False)] = True
    level[mask, START:] *= 1 + lift
    level[mask] *= np.exp(trend * np.arange(WEEKS))
    return rng.poisson(level * rng.gamma(3, 1 / 3, level.shape)).astype(float), mask


def test_the_lift_is_the_ratio_of_both_changes():
    """All rows alike: three times as much after, where the others sell half, is six times."""
    units = np.full((60, 20), 4.0)
    units[:, 14:] = 2.0
    treated = np.arange(60) < 10
    units[treated, 14:] = 12.0
    found = before_after(units, treated, 14)
    assert found == BeforeAfter(pytest.approx(5.0), pytest.approx(5.0), pytest.approx(5.0),
                                pytest.approx(1 / 401), 10, 50, None)  # fmt: skip


def test_controls_are_matched_on_their_past():
    """Fast sellers fell by half, slow ones did not: a fast product is compared with fast ones."""
    rng = np.random.default_rng(3)
    units = np.repeat(np.where(np.arange(120) < 60, 40.0, 3.0)[:, None], 20, axis=1)
    units += rng.integers(0, 2, units.shape)
    units[:60, 14:] /= 2
    treated = np.arange(120) < 8
    found = before_after(units, treated, 14)
    assert found.lift == pytest.approx(0, abs=0.02)
    assert found.low is not None
    assert found.low < 0 < found.high  # pyright: ignore[reportOperatorIssue]


def test_intervals_hold_the_truth_and_no_effect_is_seldom_seen():
    """Short form of the campaign: at least 86% of 40 panels, whose promise is 95%."""
    held = [before_after(*panel(seed, 0.5), START) for seed in range(40)]
    known = [one for one in held if one.reason is None]
    assert len(known) >= 36
    assert np.mean([one.low <= 0.5 <= one.high for one in known]) >= 0.86  # pyright: ignore
    assert np.median([one.lift for one in known]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.long
@pytest.mark.parametrize("lift", [0.0, 0.5])
def test_intervals_hold_the_truth_in_many_panels(lift):
    """91% to 98% of 400 panels, with and without an effect."""
    held = [before_after(*panel(seed, lift), START) for seed in range(1_000, 1_000 + examples(400))]
    known = [one for one in held if one.reason is None]
    assert 0.91 <= np.mean([one.low <= lift <= one.high for one in known]) <= 0.98  # pyright: ignore


def test_it_abstains_with_its_reason():
    """Too few products, too few others, no past, no time since, and a past that moved apart."""
    units, treated = panel(1, 0.0)
    few = treated & (np.cumsum(treated) <= 4)
    assert before_after(units, few, START).reason == "few_treated"
    assert before_after(units[:100], np.arange(100) < 21, START).reason == "few_controls"
    assert before_after(units, treated, 7).reason == "short_past"
    assert before_after(units, treated, WEEKS - 1).reason == "short_since"
    empty = units.copy()
    empty[treated, START:] = 0
    assert before_after(empty, treated, START).reason == "no_sales"
    moved = [before_after(*panel(seed, 0.0, trend=0.15), START).reason for seed in range(4)]
    assert moved.count("unlike_before") >= 3
    unknown = units.copy()
    unknown[treated, 3] = np.nan  # rows with an unknown week are left out
    assert before_after(unknown, treated, START).reason == "few_treated"


@pytest.mark.parametrize(
    ("counts", "treated", "level"),
    [([1.0, 2.0], [True], 0.9), ([[1.0]], [True, False], 0.9), ([[-1.0]], [True], 0.9),
     ([[1.0]], [True], 1.0)],
)  # fmt: skip
def test_it_refuses_what_is_no_panel(counts, treated, level):
    """A vector, flags of other length, a negative count, and a level of 1."""
    with pytest.raises(InputError, match="counts must be"):
        before_after(counts, treated, 1, level=level)
