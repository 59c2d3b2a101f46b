"""Visitors that each rule of an A/B test needs, by simulation, compared with a test read once.

    make certify        writes docs/validation/ab-plans.md after the certificate

Each cell simulates tests far beyond their planned end. The power of a rule at a number of visitors
is the share of tests that it has decided by then; the visitors for 80% power are interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d1lab.analyses.ab_tests.plans import default_plan
from d1lab.stats import means, proportions, sequential
from d1lab.stats.stopping import shrinkage
from validation.simulate_ab import BASE_RATE, ORDER_LOG_SD, Cell, Tests, simulate

SEED = 20261127
TESTS = {"conversions": 40_000, "revenue": 4_000}
POWER, FIXED_Z = 0.8, 1.959964
HORIZON = 2.4  # simulated days per planned day
LIMITS = {"with an end": 1.15, "without an end": 1.75}
PAGE = Path(__file__).parents[1] / "docs" / "validation" / "ab-plans.md"

Floats = NDArray[np.float64]


class Shop(NamedTuple):
    """A shop before its test, and the metric that decides it."""

    orders: int  # in the 28 days before the start
    metric: str


SHOPS = (
    Shop(800, "conversions"),
    Shop(4_000, "conversions"),
    Shop(20_000, "conversions"),
    Shop(800, "revenue"),
    Shop(4_000, "revenue"),
)


class Needed(NamedTuple):
    """Visitors for 80% power, divided by those of a fixed test, and the effects that are shown."""

    shop: Shop
    days: int  # of the default plan
    tests: int
    with_end: float
    without_end: float
    untuned: float  # the sequence at 5,000 visitors; infinite if the horizon is not enough
    raw: float  # mean shown lift of decided tests with an end, divided by the true lift
    adjusted: float  # the same, median-unbiased

    def faults(self) -> list[str]:
        """Return the rules that need more visitors than promised."""
        found = {"with an end": self.with_end, "without an end": self.without_end}
        return [
            f"{self.shop}: {rule} needs {factor:.2f} times the visitors"
            for rule, factor in found.items()
            if not factor <= LIMITS[rule]
        ]


def needed(shop: Shop, tests: int, seed: int) -> Needed:
    """Simulate tests of a shop whose true lift a fixed test detects at the planned end."""
    plan = default_plan(shop.orders)
    conversions = shop.orders * plan.days / 28
    spread = 1.0 if shop.metric == "conversions" else float(np.exp(ORDER_LOG_SD**2))
    lift = float(np.exp(2.8 * (4 * spread / conversions) ** 0.5)) - 1
    per_day = round(shop.orders / 28 / BASE_RATE / 2)
    drawn = simulate(
        Cell(per_day, 0.5, lift), tests, np.random.default_rng(seed), int(HORIZON * plan.days)
    )
    z = _z(drawn, shop.metric)
    seen = drawn.visitors[0][0] + drawn.visitors[1][0]
    fixed = _visitors(seen, (np.abs(z) >= FIXED_Z).mean(axis=0))
    tuned, untuned = (
        _visitors(seen, np.maximum.accumulate(crossed, axis=1).mean(axis=0))
        for crossed in _endless(drawn, z, shop.metric, float(plan.tuned_conversions or 0))
    )
    ends = np.arange(plan.days // 2, int(1.6 * plan.days))
    looks = [_looks(int(end), plan.looks) for end in ends]
    power = np.array([_decided(z, seen, each).any(axis=1).mean() for each in looks])
    planned = _visitors(seen[ends - 1], power)
    raw, adjusted = _shown(z, seen, _looks(plan.days, plan.looks))
    factors = (planned / fixed, tuned / fixed, untuned / fixed)
    return Needed(shop, plan.days, tests, *factors, raw, adjusted)


def _z(drawn: Tests, metric: str) -> Floats:
    if metric == "conversions":
        (xa, xb), (na, nb) = drawn.conversions, drawn.visitors
        return proportions.score_z(proportions.Rates.of(xa, na, xb, nb))
    columns = (drawn.visitors, drawn.revenue, drawn.revenue_squares)
    a, b = (means.Sums(*(column[variant] for column in columns)) for variant in (0, 1))
    return np.nan_to_num(means.t_statistic(means.welch(a, b)))


def _endless(drawn: Tests, z: Floats, metric: str, tuned: float) -> list[NDArray[np.bool_]]:
    """Return the looks decided by the rule without an end: tuned to the shop, and not."""
    a, b = drawn.conversions
    if metric == "conversions":
        weights = (sequential.tuned_concentration(tuned), sequential.CONCENTRATION)
        return [
            sequential.log_bayes_factor(a, b, 0.5, concentration=weight) >= np.log(20)
            for weight in weights
        ]
    begun = np.minimum(a, b) >= 25
    visitors = drawn.visitors[0] + drawn.visitors[1]
    lines = (
        sequential.sequence_critical(a + b, sequential.mixture_scale(tuned_visitors=tuned)),
        sequential.sequence_critical(visitors, sequential.mixture_scale()),
    )
    return [(np.abs(z) >= line) & begun for line in lines]


def _looks(days: int, count: int) -> NDArray[np.intp]:
    """Return the days of evenly spaced looks, from 0."""
    return np.ceil(np.arange(1, count + 1) * days / count).astype(np.intp) - 1


def _decided(z: Floats, seen: Floats, looks: NDArray[np.intp]) -> NDArray[np.bool_]:
    lines = sequential.bounds((looks + 1) / (looks[-1] + 1), information=seen[looks])
    return np.abs(z[:, looks]) >= lines


def _visitors(seen: Floats, power: Floats) -> float:
    """Return the interpolated visitors at which the power reaches 80%; infinite if it does not."""
    reached = np.flatnonzero(power >= POWER)
    if not len(reached) or reached[0] == 0:
        return float("inf")
    last = int(reached[0])
    return float(np.interp(POWER, power[last - 1 : last + 1], seen[last - 1 : last + 1]))


def _shown(z: Floats, seen: Floats, looks: NDArray[np.intp]) -> tuple[float, float]:
    """Return the mean estimate of tests decided before the last look, relative to the truth."""
    lines = sequential.bounds((looks + 1) / (looks[-1] + 1), information=seen[looks])
    information = seen[looks] / seen[looks[-1]]
    truth = float(z[:, looks[-1]].mean())
    raw: list[float] = []
    adjusted: list[float] = []
    for row in z[:500, looks]:
        crossed = np.flatnonzero(np.abs(row) >= lines)
        stop = int(crossed[0]) if len(crossed) else len(looks)
        if 0 < stop < len(looks) - 1:
            raw.append(float(row[stop] / information[stop] ** 0.5 / truth))
            ends = lines[: stop + 1].tolist(), information[: stop + 1].tolist()
            adjusted.append(raw[-1] * shrinkage(float(row[stop]), *ends))
    return float(np.mean(raw)), float(np.mean(adjusted))


def page(found: Sequence[Needed]) -> str:
    """Return the page as Markdown."""
    rows = [
        f"| {one.shop.metric} | {one.shop.orders:,} | {one.days} | {one.with_end:.2f} | "
        f"{one.without_end:.2f} | {_times(one.untuned)} | {one.raw:.2f} | {one.adjusted:.2f} |"
        for one in found
    ]
    header = [f"| {' | '.join(_HEADER)} |", "|---" * len(_HEADER) + "|"]
    return _TEXT.format(
        seed=SEED, tests=min(one.tests for one in found), rows="\n".join([*header, *rows])
    )


def _times(factor: float) -> str:
    return f"{factor:.2f}" if np.isfinite(factor) else f"> {HORIZON:.1f}"


_TEXT = """\
# Default plans of A/B tests

Written by `make certify`, seed {seed}: {tests:,} simulated tests per row or more, weekly cycles in
traffic and in buying. Orders are those of the shop in the 28 days before the start, which set the
default plan. The true lift is one that a test read once detects in about the planned days.

Visitors needed for 80% power, divided by those of a test that is read once. Limits: 1.15 with an
end (group-sequential, weekly looks), 1.75 without (daily looks, tuned to the shop's orders). For
comparison, the same sequence tuned to 5,000 visitors (k = 100 for conversions).

The last two columns are the mean lift shown by tests that were decided between the first and the
last look, divided by the true lift: as observed, and median-unbiased. Such tests are selected for
high estimates, so their mean stays above 1; the median of all tests is right.

{rows}
"""

_HEADER = (
    "Metric",
    "Orders before",
    "Planned days",
    "with an end",
    "without an end",
    "not tuned",
    "lift as observed",
    "lift corrected",
)


def simulated() -> list[str]:
    """Simulate, write the page, and return the rules that need too many visitors."""
    seeded = enumerate(SHOPS, start=SEED)
    found = [needed(shop, TESTS[shop.metric], seed) for seed, shop in seeded]
    PAGE.write_text(page(found))
    return [fault for one in found for fault in one.faults()]
