"""Changes of figures and their significance."""

from __future__ import annotations

from math import sqrt

import pytest

from d1lab.display import Figure
from d1lab.pages.changes import compare, what_changed


def figure(value, half=None, **fields) -> Figure:
    """Return a figure with a symmetric interval."""
    ends = {} if half is None else {"low": value - half, "high": value + half}
    return Figure.of("m", value, **ends, **fields)


def test_symmetric_intervals_give_the_normal_test():
    """For normal intervals the limit is 1.96 standard errors of the difference."""
    se = sqrt(3**2 + 4**2)
    inside = compare(figure(100 + 1.95 * se, 1.959964 * 3), figure(100, 1.959964 * 4))
    outside = compare(figure(100 + 1.97 * se, 1.959964 * 3), figure(100, 1.959964 * 4))
    assert (inside.finding, outside.finding) == ("noise", "changed")
    assert outside.low == pytest.approx(0.01 * se, abs=1e-3)
    assert outside.high == pytest.approx(3.93 * se, abs=1e-3)


def test_touching_intervals_may_still_differ():
    """A difference can be significant although the intervals overlap."""
    assert compare(figure(110, 6), figure(100, 6)).finding == "changed"
    assert compare(figure(108, 6), figure(100, 6)).finding == "noise"


def test_lopsided_intervals_count_on_the_side_that_matters():
    """Only the interval ends that face each other matter; the published form of MOVER."""
    now = Figure.of("m", 20, low=18, high=60)
    before = Figure.of("m", 10, low=1, high=12)
    change = compare(now, before)
    assert change.low == pytest.approx(10 - sqrt(2**2 + 2**2))
    assert change.high == pytest.approx(10 + sqrt(40**2 + 9**2))
    assert change.finding == "changed"


def test_levels_are_brought_together():
    """An 80% interval is rescaled before the comparison at 95%."""
    narrow = Figure.of("m", 108, low=103, high=113, level=0.8)
    assert compare(narrow, figure(100, 5)).finding == "noise"
    assert compare(narrow._replace(level=0.95), figure(100, 5)).finding == "changed"


@pytest.mark.parametrize(
    ("now", "before", "finding"),
    [
        (figure(2), figure(1), "unsure"),
        (figure(2, 0.1), figure(1), "unsure"),
        (figure(1), figure(1), "same"),
        (figure(1), None, "new"),
        (figure(None, note="too few"), figure(1), "unknown"),
        (figure(1, unit="USD"), figure(2, unit="EUR"), "unknown"),
    ],
)
def test_without_grounds_it_does_not_judge(now, before, finding):
    """Without an interval, a value, or the same unit, the finding says so."""
    assert compare(now, before).finding == finding


def test_figures_are_matched_by_name_and_dimension():
    """A SKU's figure is compared with that of the same SKU; a missing one is listed."""
    now = [figure(1, dimension="A"), figure(5, dimension="B")]
    before = [figure(4, dimension="B"), figure(7, dimension="C")]
    findings = [(c.figure.dimension, c.finding, c.difference) for c in what_changed(now, before)]
    assert findings == [("A", "new", None), ("B", "unsure", 1), ("C", "gone", None)]


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (figure(110.0, kind="money", unit="USD"), figure(100.0, unit="USD"), "+$10.00 (+10.0%)"),
        (figure(0.2, kind="percent"), figure(0.25), "−5.0 pp"),
        (figure(3), figure(0), "+3"),
        (figure(-5), figure(-10), "+5 (+50.0%)"),
        (figure(1.02), figure(1.0182), "+0.002 (+0.2%)"),
        (figure(0.2, kind="percent"), figure(0.2003), "−0.03 pp"),
    ],
)
def test_differences_read_well(now, before, text):
    """A share changes in percentage points; a sum in its unit and in percent."""
    assert compare(now, before).shown() == text


def test_better_is_said_only_of_real_changes():
    """A change is good or bad only if it is significant and has a direction."""
    low, high = figure(1, 0.1), figure(2, 0.1)
    assert compare(high._replace(better="higher"), low).good is True
    assert compare(high._replace(better="lower"), low).good is False
    assert compare(high, low).good is None
    assert compare(figure(2, 5)._replace(better="higher"), low).good is None


def test_float_noise_of_a_sum_is_no_change():
    """Sums in another order differ by rounding, which is no change."""
    assert compare(figure(0.1 + 0.2), figure(0.3)).finding == "same"
    assert compare(figure(0.3001), figure(0.3)).finding == "unsure"
