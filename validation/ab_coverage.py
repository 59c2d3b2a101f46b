"""Coverage of the intervals of `compare`, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from d1lab.analyses.ab_tests.decision import AbResult, compare
from d1lab.analyses.ab_tests.model import AbPlan, Design, Variant
from validation.simulate_ab import ORDER_LOG_MEAN, ORDER_LOG_SD

Generator = np.random.Generator


class Coverage(NamedTuple):
    """Share of the intervals of one kind that include the true value."""

    interval: str
    counts: str
    tests: int
    share: float
    least: float
    most: float

    def fault(self) -> str | None:
        """Return a message if the coverage is outside its limits, else None."""
        if self.least <= self.share <= self.most:
            return None
        return f"{self.interval}, {self.counts}: {self.share:.1%} of intervals cover the true value"


class Drawn(NamedTuple):
    """One simulated test and its true values."""

    result: AbResult
    difference: float
    ratio: float


class Kind(NamedTuple):
    """Kind of simulated tests, with the limits of their coverage."""

    name: str
    counts: tuple[int, int]  # range of counts, uniform on the log scale
    draw: Callable[..., Drawn]
    options: tuple
    least: float = 0.94
    most: float = 0.97


def coverages(tests: int, seed: int) -> list[Coverage]:
    """Measure the coverage of every kind of interval, on both scales if there are two."""
    found = []
    for place, kind in enumerate(KINDS):
        rng = np.random.default_rng([seed, place])
        found.extend(_covered(kind, tests, rng))
    return found


def _covered(kind: Kind, tests: int, rng: Generator) -> Iterator[Coverage]:
    drawn = [kind.draw(rng, kind.counts, *kind.options) for _ in range(tests)]
    limits = kind.least, kind.most
    for scale in ("difference", "ratio"):
        held = [
            low <= getattr(one, scale) <= high
            for one in drawn
            for low, high in [_ends(one.result, scale)]
            if low is not None and high is not None
        ]
        if held:
            counts = f"{kind.counts[0]:,} to {kind.counts[1]:,}"
            share = float(np.mean(held))
            yield Coverage(f"{kind.name}, {scale}", counts, len(held), share, *limits)


def _ends(result: AbResult, scale: str) -> tuple[float | None, float | None]:
    effect = result.effects[0] if result.effects else None
    return getattr(effect, f"{scale}_low", None), getattr(effect, f"{scale}_high", None)


def _rates(rng: Generator, visitors: tuple[int, int], rates: tuple[float, float]) -> Drawn:
    """Draw two rates within a range; B's rate differs by up to a third."""
    n = [int(np.exp(rng.uniform(*np.log(visitors)))) for _ in "ab"]
    rate_a = float(np.exp(rng.uniform(*np.log(rates))))
    rate_b = rate_a * float(np.exp(rng.uniform(-0.3, 0.3)))
    a, b = (Variant(k, int(rng.binomial(k, p))) for k, p in zip(n, (rate_a, rate_b), strict=True))
    return Drawn(compare(a, b), rate_b - rate_a, rate_b / rate_a)


def _same(rng: Generator, visitors: tuple[int, int], rates: tuple[float, float]) -> Drawn:
    """Draw the same small rate for both variants, for exact tests."""
    n = [int(np.exp(rng.uniform(*np.log(visitors)))) for _ in "ab"]
    rate = float(np.exp(rng.uniform(*np.log(rates))))
    a, b = (Variant(k, int(rng.binomial(k, rate))) for k in n)
    return Drawn(compare(a, b), 0.0, 1.0)


def _counts(rng: Generator, mean: tuple[int, int], method: Design) -> Drawn:
    """Draw Poisson counts with a declared share, without visitors."""
    share = float(rng.uniform(0.2, 0.8))
    exposure = float(np.exp(rng.uniform(*np.log(mean))))
    ratio = float(np.exp(rng.uniform(-0.5, 0.5)))
    a, b = rng.poisson(exposure * (1 - share)), rng.poisson(exposure * share * ratio)
    plan = AbPlan(method=method, share_b=share, share_declared=True)
    return Drawn(compare(Variant(None, int(a)), Variant(None, int(b)), plan), np.nan, ratio)


class Orders(NamedTuple):
    """How the money of a test is simulated."""

    declared: bool = False  # whether only the share is known, not the visitors
    share: tuple[float, float] = (0.3, 0.7)  # range of B's share
    sd: float = ORDER_LOG_SD  # of the logarithm of order values


def _money(rng: Generator, visitors: tuple[int, int], orders: Orders) -> Drawn:
    """Draw log-normal order values at a rate of 5%; B converts up to a third more or less."""
    lift = float(np.exp(rng.uniform(-0.3, 0.3)))
    share = float(rng.uniform(*orders.share))
    n = [int(np.exp(rng.uniform(*np.log(visitors)))) for _ in "ab"]
    if orders.declared or orders.share[0] == orders.share[1]:
        total = sum(n)
        n[1] = int(rng.binomial(total, share))
        n[0] = total - n[1]
    variants = []
    for k, rate in zip(n, (0.05, 0.05 * lift), strict=True):
        values = rng.lognormal(ORDER_LOG_MEAN, orders.sd, rng.binomial(k, rate))
        seen = None if orders.declared else k
        variants.append(Variant(seen, len(values), float(values.sum()), float((values**2).sum())))
    plan = AbPlan(primary_metric="revenue", share_b=share, share_declared=orders.declared)
    mean = 0.05 * np.exp(ORDER_LOG_MEAN + orders.sd**2 / 2)
    return Drawn(compare(variants[0], variants[1], plan), float(mean * (lift - 1)), lift)


SMALL, LARGE, HUGE = (20, 300), (1_000, 100_000), (10_000, 100_000)

KINDS = (
    Kind("Miettinen-Nurminen", SMALL, _rates, ((0.05, 0.5),)),
    Kind("Miettinen-Nurminen", LARGE, _rates, ((0.005, 0.3),)),
    Kind("Exact where small, no difference", SMALL, _same, ((0.01, 0.06),), most=1.0),
    Kind("Clopper-Pearson", (10, 100), _counts, ("fixed",), most=1.0),
    Kind("Clopper-Pearson", (100, 10_000), _counts, ("fixed",), most=1.0),
    Kind("Beta-Binomial, one look", (100, 10_000), _counts, ("always_valid",), most=1.0),
    Kind("Welch and Fieller", HUGE, _money, (Orders(),)),
    Kind("Compound Poisson", HUGE, _money, (Orders(declared=True),)),
    *(
        Kind(f"Money at {1 - share:.0%} / {share:.0%}, sd {sd:g}", HUGE, _money, (orders,), 0.93)
        for share, sd in ((0.1, 0.8), (0.1, 2.0), (0.9, 2.0))
        for orders in [Orders(share=(share, share), sd=sd)]
    ),
)
"""Simulated kinds; counts are visitors per variant, or conversions if visitors are unknown."""
