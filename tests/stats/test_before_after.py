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


def by_hand(units: np.ndarray, treated: np.ndarray, start: int, level: float) -> list[float]:
    """Lift, interval, and p, product by product: the method as documented, without matrices."""
    past = units[:, :start]
    quarters = np.array_split(np.arange(start), 4)
    course = np.array([[np.log1p(row[part].mean()) for part in quarters] for row in past])
    mean = np.array([np.log1p(row.mean()) for row in past])
    places = np.column_stack([2 * mean, course - mean[:, None]])
    controls = [row for row in range(len(units)) if not treated[row]]
    near = {
        row: sorted(
            (one for one in controls if one != row),
            key=lambda one, row=row: (
                round(float(((places[row] - places[one]) ** 2).sum()), 9),
                one,
            ),
        )[:30]
        for row in range(len(units))
    }
    rows = [row for row in range(len(units)) if treated[row]]
    picks = np.random.default_rng(0).integers(0, 10, (400, len(rows)))
    sets = [rows] + [sorted({near[row][k] for row, k in zip(rows, pick, strict=True)})
                     for pick in picks]  # fmt: skip

    def log_lift(some: list[int]) -> float:
        own = [units[some, :start].sum(), units[some, start:].sum()]
        other = np.zeros(2)
        for row in some:
            for one in [one for one in near[row] if one not in some][:5]:
                other += units[one, :start].sum(), units[one, start:].sum()
        return float(np.log(own[1] / own[0]) - np.log(other[1] / other[0]))

    def share(some: list[int]) -> float:
        parts = units[some, :start].sum(axis=1)
        return float((parts**2).sum() / parts.sum() ** 2)

    size = float(np.mean([len(one) for one in sets[1:]]))
    pool = len(set().union(*sets[1:]))
    left = max(1 - size / pool, 0.25)
    lift, *placebos = [
        log_lift(one) * (1 if place == 0 else (share(rows) / share(one) / left) ** 0.5)
        for place, one in enumerate(sets)
    ]
    ends = np.quantile(placebos, [(1 + level) / 2, (1 - level) / 2])
    far = sum(abs(one) >= abs(lift) for one in placebos)
    return [*np.expm1([lift, *(lift - ends)]), (1 + far) / 401]


@pytest.mark.parametrize(("seed", "level"), [(2, 0.95), (5, 0.8)])
def test_the_method_by_hand(seed: int, level: float):
    """Six of 50 products: nearest controls, placebos, their widening, and the interval."""
    units, treated = panel(seed, 0.5, treated=6, rows=50)
    found = before_after(units, treated, START, level=level)
    assert list(found[:4]) == pytest.approx(by_hand(units, treated, START, level), rel=1e-9)
    assert found[4:] == (6, 44, None)


@pytest.mark.parametrize(
    ("treated", "others", "start", "weeks", "reason"),
    [
        (5, 40, 8, 10, None), (4, 40, 8, 10, "few_treated"), (5, 39, 8, 10, "few_controls"),
        (11, 44, 8, 10, None), (11, 43, 8, 10, "few_controls"), (5, 40, 7, 10, "short_past"),
        (5, 40, 8, 9, "short_since"), (4, 39, 7, 8, "short_past"),
    ],
)  # fmt: skip
def test_it_needs_products_and_weeks(treated, others, start, weeks, reason):
    """Rows without a sale before, or with an unknown week, do not count."""
    units = np.random.default_rng(1).integers(3, 9, (treated + others + 2, weeks)).astype(float)
    units[-1, :start], units[-2, 0] = 0, np.nan
    mask = np.arange(len(units)) < treated
    found = before_after(units, mask, start)
    assert (found.reason, found.treated, found.controls) == (reason, treated, others)
    assert (found.lift is None) is (found.p_value is None) is (reason is not None)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1])
def test_a_level_is_inside_0_to_1(level):
    with pytest.raises(InputError):
        before_after([[0.0]], [True], 1, level=level)
    assert before_after([[0.0]], [True], 1, level=0.5).reason == "short_past"
