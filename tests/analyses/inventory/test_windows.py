"""Past weeks as test windows, by loops over single products."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.inventory.windows import as_matrix, by_then, past_of, quantiles, spread


def test_windows_are_the_four_weeks_after_each_week():
    """Sums, squares, and the scale; a window with an unknown week is not known."""
    rng = np.random.default_rng(4)
    weeks = rng.poisson(3, (4, 14)).astype(float)
    weeks[0, :5], weeks[1, 6], weeks[2, 1:] = 0, np.nan, np.nan
    units = as_matrix(weeks)
    assert np.isnan(units[0, :5]).all()  # before its first sale
    past = past_of(units)
    for sku in range(4):
        for week in range(14):
            later = units[sku, week + 1 : week + 5]
            whole = len(later) == 4 and np.isfinite(later).all()
            wanted = (later.sum(), (later**2).sum()) if whole else (np.nan, np.nan)
            found = past.sums[sku, week], past.squares[sku, week]
            assert found == pytest.approx(wanted, nan_ok=True)
            steps = np.diff(units[sku, : week + 1])
            steps = steps[np.isfinite(steps)]
            scale = ((steps**2).sum() + 1) / (len(steps) + 1)
            assert past.scale[sku, week] == pytest.approx(scale)
            assert past.able[sku, week] == (np.isfinite(units[sku, : week + 1]).sum() >= 8)


@pytest.mark.parametrize("weeks", [1, 4, 5])
def test_the_first_window_is_complete_after_five_weeks(weeks):
    past = past_of(as_matrix(np.ones((1, weeks))))
    assert np.isfinite(past.sums).sum() == (weeks == 5)


def test_a_window_counts_four_weeks_later():
    assert by_then(np.arange(1.0, 7)[None]).tolist() == [[0, 0, 0, 0, 1, 3]]


@pytest.mark.parametrize(("known", "is_enough"), [(99, False), (100, True)])
def test_quantiles_need_100_errors(known, is_enough):
    """Unknown ones do not count."""
    errors = np.append(np.arange(float(known)), [np.nan] * 5).reshape(1, -1)
    found = quantiles(errors, np.array([0.0, 0.5, 1.0]))
    wanted = [0, (known - 1) / 2, known - 1] if is_enough else [np.nan] * 3
    assert found.tolist() == pytest.approx(wanted, nan_ok=True)


def test_the_unit_of_errors_is_that_of_one_unit_or_more():
    found = spread(np.array([0.0, 1, 9]), np.array([16.0, 16, 16]))
    assert found.tolist() == pytest.approx([2, 2, 6])
