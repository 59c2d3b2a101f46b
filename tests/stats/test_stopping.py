"""The estimate after an early stop is median-unbiased."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats.sequential import bounds
from d1lab.stats.stopping import shrinkage

TIMES = np.array([0.25, 0.5, 0.75, 1.0])


def test_a_stop_at_the_first_look_has_no_bias_to_correct() -> None:
    """There was nothing to select from."""
    assert shrinkage(5.0, [4.3], [0.25]) == pytest.approx(1, abs=1e-9)
    assert shrinkage(-5.0, [4.3], [0.25]) == pytest.approx(1, abs=1e-9)


def test_a_stop_on_the_line_is_corrected_the_most() -> None:
    """Far beyond the line at the second look, earlier stops would have been likely."""
    lines = bounds(TIMES)[:2].tolist()
    near, far = (shrinkage(z, lines, [0.25, 0.5]) for z in (3.0, 4.5))
    assert 0.9 < far < near < 1


def test_half_of_the_estimates_are_above_the_truth() -> None:
    """600 tests with a true drift of 2.8, stopped at the bound: the median is the truth."""
    rng, lines = np.random.default_rng(3), bounds(TIMES)
    raw, adjusted = [], []
    for _ in range(600):
        z = np.cumsum(rng.normal(2.8 * 0.25, 0.5, 4)) / np.sqrt(TIMES)
        stop = int(np.flatnonzero(np.append(np.abs(z[:3]) >= lines[:3], True))[0])
        estimate = z[stop] / TIMES[stop] ** 0.5
        raw.append(estimate)
        adjusted.append(
            estimate * shrinkage(z[stop], [*lines[:stop], np.inf], TIMES[: stop + 1].tolist())
        )
    assert np.mean(np.array(adjusted) > 2.8) == pytest.approx(0.5, abs=0.045)
    assert np.mean(raw) > np.mean(adjusted)
