"""The estimate after an early stop is median-unbiased."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

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


@pytest.mark.parametrize("information", [[1, 2, 3], [100, 200, 300]])
def test_what_is_left_does_not_depend_on_the_unit(information: list[float]) -> None:
    """Only the shares count, and a look that cannot stop, or has nothing new, changes nothing."""
    lines = [4.0486, 2.8628, 2.3375]
    whole = shrinkage(2.6, lines, information)
    assert whole == pytest.approx(0.987835, abs=1e-6)
    assert shrinkage(-2.6, lines, information) == whole
    first, second, last = information
    more = shrinkage(2.6, [lines[0], np.inf, *lines[1:]], [first, 1.5 * first, second, last])
    assert more == pytest.approx(whole, abs=1e-9)
    same = shrinkage(2.6, [lines[0], 1.0, *lines[1:]], [first, first, second, last])
    assert same == pytest.approx(whole, abs=1e-9)


def test_the_median_is_that_of_the_stagewise_order() -> None:
    """Two looks by integration: P(stop at the first, or beyond z at the second) is one half."""
    line, z, times = 2.5, 2.2, (1.0, 2.0)
    left = shrinkage(z, [line, np.inf], times)
    drift = left * z / times[1] ** 0.5
    first = stats.norm.sf(line - drift)

    def later(x: float) -> float:
        rest = stats.norm.sf(z * 2**0.5 - x - drift)
        return float(stats.norm.pdf(x - drift) * rest)

    above = first + integrate.quad(later, -line, line, epsabs=1e-12)[0]
    assert above == pytest.approx(0.5, abs=1e-9)
