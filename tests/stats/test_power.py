"""Sample sizes and power: against their definitions, and at their limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats

from d1lab.errors import InputError
from d1lab.stats import power
from d1lab.stats.sequential import bounds, crossing_probability


@pytest.mark.parametrize(
    ("base", "target", "given"),
    [
        (0.05, 0.06, {}), (0.06, 0.05, {"power": 0.9}), (0.2, 0.25, {"alpha": 0.01}),
        (0.05, 0.06, {"share_b": 0.2}), (0.05, 0.06, {"inflation": 1.5}),
    ],
)  # fmt: skip
def test_a_sample_size_is_that_of_the_formula(base: float, target: float, given: Any) -> None:
    """Of Fleiss, Levin & Paik: both standard deviations by the shares of the visitors."""
    known = {"power": 0.8, "alpha": 0.05, "share_b": 0.5, "inflation": 1.0, **given}
    share, beta = known["share_b"], 1 - known["power"]
    mean = (1 - share) * base + share * target
    null = mean * (1 - mean) / (share * (1 - share))
    true = base * (1 - base) / (1 - share) + target * (1 - target) / share
    root = stats.norm.isf(known["alpha"] / 2) * null**0.5 + stats.norm.isf(beta) * true**0.5
    total = (root / (target - base)) ** 2 * known["inflation"]
    found = power.sample_size(base, target, **given)
    assert found[:5] == (base, target, known["power"], known["alpha"], share)
    assert (found.exact_a, found.exact_b) == pytest.approx((total * (1 - share), total * share))
    assert (found.visitors_a, found.visitors_b) == (
        math.ceil(found.exact_a), math.ceil(found.exact_b),
    )  # fmt: skip
    if "inflation" not in given:
        reached = power.power_of(base, target, found.exact_a, found.exact_b, known["alpha"])
        assert reached == pytest.approx(known["power"], abs=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base": 0.0}, "base = 0"), ({"base": 1.0}, "base = 1"), ({"target": 0.0}, "target = 0"),
        ({"target": 1.0}, "target = 1"), ({"alpha": 0.0}, "alpha = 0"),
        ({"share_b": 1.0}, "share_b = 1"), ({"power": 1.0}, "power = 1"),
        ({"target": 0.05}, "must differ"), ({"power": 0.05}, "must be above alpha"),
        ({"base": 1e-320, "target": 2e-320}, "too close"),
    ],
)  # fmt: skip
def test_impossible_sizes_are_refused(given: dict[str, float], said: str) -> None:
    known = {"base": 0.05, "target": 0.06, **given}
    with pytest.raises(InputError, match=said):
        power.sample_size(**known)


def test_power_counts_rejections_on_both_sides() -> None:
    """Without a difference, it is alpha; it is the same for a lift and a drop of equal variance."""
    assert power.power_of(0.5, 0.5, 300, 700, 0.1) == pytest.approx(0.1)
    assert power.power_of(0.4, 0.6, 90, 90) == pytest.approx(power.power_of(0.6, 0.4, 90, 90))
    small = power.power_of(0.5, 0.501, 400, 400)
    assert small == pytest.approx(0.05, abs=1e-3)
    assert small > 0.05


@pytest.mark.parametrize(("wanted", "alpha"), [(0.8, 0.05), (0.9, 0.01)])
def test_a_detectable_rate_has_the_wanted_power(wanted: float, alpha: float) -> None:
    found = power.detectable_rate(0.05, 9_000, 4_000, power=wanted, alpha=alpha)
    assert found is not None
    assert 0.05 < found < 0.1
    assert power.power_of(0.05, found, 9_000, 4_000, alpha) == pytest.approx(wanted, abs=1e-9)
    for base in (0.0, 1.0, -0.1):
        assert power.detectable_rate(base, 9_000, 4_000) is None
    assert power.detectable_rate(0.5, 3, 3) is None  # not even a rate of 1
    reached = power.detectable_difference(2.0, power=wanted, alpha=alpha)
    z = stats.norm.isf(alpha / 2) + stats.norm.isf(1 - wanted)
    assert reached == pytest.approx(2 * z)


def test_a_level_and_its_critical_value_are_inverse() -> None:
    assert power.critical_z() == pytest.approx(1.959963985)
    assert power.critical_z(0.01) == pytest.approx(2.575829304)
    assert power.two_sided_alpha(power.critical_z(0.2)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("needed", "seen", "daily", "days"),
    [(100, 100, 0, 0), (100, 101, 5, 0), (100, 99, 0, None), (100, 99, -1, None),
     (100, 99, math.nan, None), (100, 80, 10, 2), (100, 79, 10, 3), (100, 99, 0.5, 2)],
)  # fmt: skip
def test_days_are_whole_and_need_traffic(needed, seen, daily, days) -> None:
    assert power.days_left(needed, seen, daily) == days


@pytest.mark.parametrize(("times", "given"), [([0.5, 1.0], {}), ([0.25, 0.5, 1.0],
                         {"power": 0.9, "alpha": 0.01})])  # fmt: skip
def test_an_inflated_size_has_the_wanted_power(times, given) -> None:
    """The drift of the fixed size, times the root of the factor, crosses a bound that often."""
    known = {"power": 0.8, "alpha": 0.05, **given}
    factor = power.inflation(times, **given)
    fixed = stats.norm.isf(known["alpha"] / 2) + stats.norm.isf(1 - known["power"])
    lines = bounds(times, known["alpha"])
    chance = crossing_probability(lines, times)(fixed * factor**0.5)
    assert chance == pytest.approx(known["power"], abs=1e-9)
    assert 1 < factor < 1.1
    drifted = power.drift_factor(lines.tolist(), times, **given)
    assert drifted == pytest.approx(factor, rel=1e-12)
    assert power.inflation([1.0]) == pytest.approx(1, abs=1e-6)
