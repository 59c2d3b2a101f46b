"""The Poisson regression: equal to statsmodels with dummies, silent where nothing can be told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from d1lab.errors import InputError
from d1lab.stats import poisson_effects
from d1lab.stats.poisson_effects import fit, student


@pytest.fixture(scope="module")
def case(oracles):
    """Counts with unknown cells and a row without any, and two causes per cell."""
    known = oracles["poisson_effects"]
    counts = np.array(known["counts"], dtype=float)
    causes = np.column_stack([np.ravel(known["binary"]), np.ravel(known["price"])])
    return counts, causes, known


def test_fit_equals_statsmodels(case):
    """Slopes, clustered errors, week effects, and dispersion, to 1e-9."""
    counts, causes, known = case
    found = fit(counts, causes)
    assert found.slopes == pytest.approx(known["slopes"], rel=1e-9)
    plain = np.sqrt((found.influence**2).sum(axis=0))
    assert plain == pytest.approx(known["errors"], rel=1e-9)
    rows, cells = known["rows"], known["cells"]
    assert (found.rows, found.cells) == (rows, cells)
    factor = rows / (rows - 1) * (cells - 1) / (cells - counts.shape[1] - 2)
    assert found.errors == pytest.approx(plain * np.sqrt(factor), rel=1e-12)
    assert found.week_effects[:4] == pytest.approx([0, *known["week_effects"]], rel=1e-9)
    assert found.deviance_ratio == pytest.approx(known["pearson_per_freedom"], rel=1e-9)
    assert found.identified.all()


def test_fit_takes_sparse_causes_and_means_add_up(case):
    """Sparse and dense causes agree; every row's expected units equal its units."""
    counts, causes, _ = case
    dense, sparse = fit(counts, causes), fit(counts, csr_array(causes))
    assert sparse.slopes == pytest.approx(dense.slopes, rel=1e-12)
    effect = (causes @ dense.slopes).reshape(counts.shape)
    mean = np.exp(dense.row_effects[:, None] + dense.week_effects + effect)
    known = np.isfinite(counts)
    assert np.where(known, mean - counts, 0).sum(axis=1) == pytest.approx(0, abs=1e-7)
    assert np.where(known, mean - counts, 0).sum(axis=0) == pytest.approx(0, abs=1e-7)


def test_influence_is_what_leaving_a_row_out_moves(case):
    """To first order; and shares of information sum to 1, none for the row without a count."""
    counts, causes, _ = case
    found = fit(counts, causes)
    changes = []
    for row in range(1, 12):
        less = counts.copy()
        less[row] = np.nan
        changes.append((found.slopes - fit(less, causes).slopes) / (1 - found.leverage[row]) ** -1)
    moved = found.influence[1:12]
    assert np.corrcoef(np.array(changes)[:, 0], moved[:, 0])[0, 1] > 0.97
    assert found.leverage.sum(axis=0) == pytest.approx([1, 1])
    assert found.leverage[0].tolist() == [0, 0]


def test_sums_over_rows_in_parts_are_those_of_all(case, monkeypatch):
    """To the last digit: the rows are added in their order. Three rows of two causes at a time."""
    counts, causes, _ = case
    whole = fit(counts, causes)
    monkeypatch.setattr(poisson_effects, "_CELLS", 6)
    parts = fit(counts, causes)
    assert parts.errors.tolist() == whole.errors.tolist()
    assert parts.half(0.95).tolist() == whole.half(0.95).tolist()


def test_half_is_wider_with_fewer_effective_rows(case):
    """The half-width uses Student's t with 1 / sum of squared shares - 1 degrees of freedom."""
    counts, causes, _ = case
    found = fit(counts, causes)
    freedom = 1 / (found.leverage**2).sum(axis=0) - 1
    left_out = (found.influence / (1 - found.leverage)) ** 2
    expected = student(0.975, freedom) * np.sqrt(left_out.sum(axis=0))
    assert found.half(0.95) == pytest.approx(expected)
    assert student(0.975, 5) == pytest.approx(2.570582, rel=1e-6)


def test_fit_leaves_out_what_it_cannot_tell_apart(case):
    """A cause equal to a week, or to some rows, or without any count in it, has no slope."""
    counts, causes, _ = case
    shape = counts.shape
    week = np.zeros(shape)
    week[:, 3] = 1
    rows = np.zeros(shape)
    rows[5:9] = 1
    empty = np.zeros(shape)
    empty[10, :8] = 1
    silent = counts.copy()
    silent[10, :8] = 0
    columns = [causes[:, 0], week.ravel(), rows.ravel(), empty.ravel()]
    found = fit(silent, np.column_stack(columns))
    assert found.identified.tolist() == [True, False, False, False]
    assert np.isnan(found.slopes).tolist() == [False, True, True, True]


def test_fit_takes_weeks_without_any_count(case):
    """Such a week has no effect and changes nothing else."""
    counts, causes, _ = case
    wider = np.column_stack([counts, np.zeros(len(counts))])
    more = np.dstack([causes.reshape(*counts.shape, 2).transpose(2, 0, 1)[k] for k in (0, 1)])
    more = np.concatenate([more, np.zeros((len(counts), 1, 2))], axis=1).reshape(-1, 2)
    found = fit(wider, more)
    assert found.slopes == pytest.approx(fit(counts, causes).slopes, rel=1e-9)
    assert np.isnan(found.week_effects[-1])


def test_fit_rejects_what_is_no_panel(case):
    """Negative counts, and causes of another shape."""
    counts, causes, _ = case
    with pytest.raises(InputError, match="negative"):
        fit(-counts, causes)
    with pytest.raises(InputError, match="one line per row and week"):
        fit(counts, causes[:-1])


def test_half_has_limits_for_one_row_and_for_none(case):
    """A row with all of the information: a twentieth is left of it, and one degree of freedom."""
    counts, causes, _ = case
    one = fit(counts, causes)._replace(
        influence=np.array([[0.3], [0.1]]), leverage=np.array([[1.0], [0.0]])
    )
    assert one.half(0.9) == pytest.approx([6.313752 * np.hypot(0.3 / 0.05, 0.1)], rel=1e-6)
    near = one._replace(leverage=np.array([[0.96], [0.04]]))
    freedom = max(1 / (0.96**2 + 0.04**2) - 1, 1)
    width = np.hypot(0.3 / 0.05, 0.1 / 0.96)
    assert near.half(0.9) == pytest.approx([student(0.95, freedom) * width])
    even = one._replace(leverage=np.full((2, 1), 0.25))
    width = np.hypot(0.3 / 0.75, 0.1 / 0.75)
    assert even.half(0.9) == pytest.approx([student(0.95, 7.0) * width])
    assert one._replace(influence=0 * one.influence, leverage=0 * one.leverage).half(0.9) == [0]


def test_rows_without_a_count_tell_nothing():
    """Their level is minus infinity, and their influence 0; a level is that of untouched cells."""
    counts = np.array([[0.0, 0, 0, 0], [8, 4, 8, 4], [2, 1, 4, 1], [6, 3, 6, np.nan]])
    cause = np.zeros((4, 4))
    cause[2, 2] = 1
    found = fit(counts, cause.reshape(-1, 1))
    assert found.slopes == pytest.approx([np.log(2)])
    assert np.exp(found.week_effects) == pytest.approx([1, 0.5, 1, 0.5])
    assert np.exp(found.row_effects) == pytest.approx([0, 8, 2, 6])
    assert (found.rows, found.cells) == (3, 11)
    assert found.influence[0] == found.leverage[0] == [0]
    assert found.deviance_ratio == pytest.approx(0, abs=1e-12)


def test_nothing_is_identified_without_counts():
    """No row, or one week: there is nothing to compare."""
    none = fit(np.zeros((2, 3)), np.ones((6, 1)))
    assert (none.rows, none.cells, none.identified.tolist()) == (0, 0, [False])
    assert np.isnan(none.slopes).all()
    assert np.isnan(none.week_effects).all()
    assert np.isinf(none.row_effects).all()
    week = fit(np.array([[3.0], [5.0]]), np.array([[1.0], [0.0]]))
    assert week.identified.tolist() == [False]
