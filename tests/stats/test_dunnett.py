"""Dunnett's test: against published tables, scipy's simulation, and an independent integral."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from d1lab.stats.dunnett import dunnett_levels, dunnett_p


@pytest.mark.parametrize(
    ("treatments", "freedom", "critical"),
    [(2, 30, 2.32), (9, 10, 3.24), (2, np.inf, 2.21), (3, np.inf, 2.35), (1, 12, 2.18)],
)
def test_critical_values_are_those_of_dunnetts_table(treatments, freedom, critical):
    """Dunnett (1964), Biometrics 20:482-491, two-sided 5%, groups of equal size."""
    [level, *_] = dunnett_levels(0.05, [freedom] * treatments, [0.5**0.5] * treatments)
    found = stats.norm.isf(level / 2) if np.isinf(freedom) else stats.t.isf(level / 2, freedom)
    assert found == pytest.approx(critical, abs=0.0051)


def test_p_is_scipys_within_its_simulation_error():
    """Unequal groups with a pooled variance, as scipy has it."""
    rng = np.random.default_rng(5)
    groups = [rng.normal(shift, 1, n) for shift, n in ((0, 12), (1.1, 9), (0.4, 15))]
    pooled = sum(((g - g.mean()) ** 2).sum() for g in groups) / 33
    shares = [(1 / 12) / (1 / 12 + 1 / len(group)) for group in groups[1:]]
    t = [
        (group.mean() - groups[0].mean()) / np.sqrt(pooled * (1 / 12 + 1 / len(group)))
        for group in groups[1:]
    ]
    theirs = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(0)).pvalue
    assert dunnett_p(t, 33.0, np.sqrt(shares)) == pytest.approx(theirs, abs=3e-4)


@pytest.mark.parametrize(("freedom", "c"), [(8, 2.1), (33, 2.6)])
def test_p_is_the_double_integral(freedom: int, c: float):
    """An adaptive quadrature of the definition, over sums of equal steps, to 1e-9."""
    loads = np.array([[0.6], [0.8]])
    rest = np.sqrt(1 - loads**2)
    z, step = np.linspace(-9, 9, 721, retstep=True)  # exact to rounding for such smooth tails

    def at(s: float) -> float:
        inside = stats.norm.cdf((loads * z + c * s) / rest)
        inside = inside - stats.norm.cdf((loads * z - c * s) / rest)
        inner = float((inside.prod(axis=0) * stats.norm.pdf(z)).sum() * step)
        return inner * float(stats.chi.pdf(s * freedom**0.5, freedom)) * freedom**0.5

    expected = 1 - integrate.quad(at, 0.01, 3.5, epsabs=1e-11, epsrel=1e-11)[0]
    assert dunnett_p([c, -c], freedom, [0.6, 0.8]) == pytest.approx([expected] * 2, abs=1e-9)


def test_levels_are_those_at_which_p_is_alpha():
    """The inversion: a t statistic at its level has an adjusted p-value of alpha, to 1e-9."""
    freedom, loads = [20.0, 57.5, np.inf], [0.5, 0.7, 0.8]
    levels = dunnett_levels(0.05, freedom, loads)
    for place, (v, level) in enumerate(zip(freedom, levels, strict=True)):
        t = stats.norm.isf(level / 2) if np.isinf(v) else stats.t.isf(level / 2, v)
        p = dunnett_p([t] * 3, freedom, loads)[place]
        assert p == pytest.approx(0.05, abs=1e-9)
        assert 0.05 / 3 < level < 0.05
