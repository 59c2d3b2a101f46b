"""False positives, power, and interval coverage of the A/B methods, by simulation.

    make certify        2,000 tests per cell; writes docs/validation/ab-certificate.md,
                        ab-plans.md, and ab-designs.md

The rules are d1lab's own functions, applied to all tests of a cell at once.
`tests/validation/test_ab_certificate.py` compares them with the decisions of
`d1lab.analyses.ab_tests.decision.compare`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from d1lab.analyses.ab_tests.not_available import MIN_CONVERSIONS, MIN_UNEVEN_BUYERS
from d1lab.stats import means, proportions, sequential, uneven
from validation import ab_designs, ab_plans
from validation.ab_coverage import Coverage, coverages
from validation.simulate_ab import BASE_RATE, DAYS, ORDER_LOG_SD, Cell, Tests, simulate

SEED = 20261123
TESTS = 2_000
ALPHA = 0.05
TRAFFIC = (100, 500, 5_000)
SHARES = (0.5, 0.3)  # 50/50 and 70/30
LIFTS = (0.1, 0.2)
HARD = (
    Cell(500, 0.5, order_sd=2.0),
    Cell(5_000, 0.5, order_sd=2.0),
    *(Cell(n, 0.1, order_sd=sd) for n in (2_000, 5_000) for sd in (0.8, 2.0)),
    Cell(2_000, 0.9, order_sd=2.0),
)
"""Cells of heavy order values and of splits of 90/10."""
CERTIFICATE = Path(__file__).parents[1] / "docs" / "validation" / "ab-certificate.md"
LIMITS = {
    "fixed": (0.0, 0.06),
    "group-sequential": (0.0, 0.06),
    "Beta-Binomial": (0.0, 0.05),
    "asymptotic sequence": (0.0, 0.05),
    "naive": (0.2, 1.0),  # control: daily looks at a fixed-horizon p-value must exceed the limit
    "sample ratio": (0.0, 0.001 + 0.002),  # plus two standard errors of 2,000 tests
}
"""Limits of the false positive rate of each rule."""

Decided = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Found(NamedTuple):
    """Share of tests with a winner in one cell, by rule."""

    metric: str
    cell: Cell
    shares: dict[str, float]  # share of the tests, by rule

    def faults(self) -> list[str]:
        """Return the rules outside their limits, if the variants are equal."""
        return [
            f"{rule}: {share:.1%} of A/A tests on {self.metric}, {self.cell}"
            for rule, share in self.shares.items()
            if rule in self._limited() and not LIMITS[rule][0] <= share <= LIMITS[rule][1]
        ]

    def _limited(self) -> set[str]:
        """Return the rules with a limit; heavy order values hide the fault of naive looks."""
        return set(LIMITS) - ({"naive"} if self.cell.order_sd != ORDER_LOG_SD else set())


def false_positives(tests: int, traffic: Sequence[int] = TRAFFIC) -> list[Found]:
    """Simulate A/A tests in every cell of traffic and share."""
    return _found([Cell(n, share) for n in traffic for share in SHARES], tests, SEED)


def hard(tests: int, cells: Sequence[Cell] = HARD) -> list[Found]:
    """Simulate A/A tests with heavy order values and uneven splits."""
    return _found(cells, tests, SEED + 3)


def power(tests: int, traffic: Sequence[int] = TRAFFIC) -> list[Found]:
    """Simulate tests with a true lift, at an even split."""
    return _found([Cell(n, 0.5, lift) for lift in LIFTS for n in traffic], tests, SEED + 1)


def decide(tests: Tests, share_b: float) -> dict[str, dict[str, Decided]]:
    """Return the tests decided by each rule, by metric."""
    balance = sequential.log_bayes_factor(
        *tests.visitors, share_b, concentration=proportions.CONCENTRATION
    )
    counts = proportions.Rates.of(
        tests.conversions[0], tests.visitors[0], tests.conversions[1], tests.visitors[1]
    )
    rates = _welch(tests.visitors, tests.conversions, tests.conversions)
    factor = sequential.log_bayes_factor(*tests.conversions, share_b)
    return {
        "conversions": {
            **_by_plan(score := proportions.score_z(counts), score, tests.times),
            "Beta-Binomial": (factor >= -np.log(ALPHA)).any(axis=1),
            "asymptotic sequence": _by_sequence(rates, tests, MIN_CONVERSIONS),
        },
        "revenue": _by_money(tests),
        "visitors": {"sample ratio": (balance >= -np.log(proportions.ALARM)).any(axis=1)},
    }


def _by_money(tests: Tests) -> dict[str, Decided]:
    """Decide by revenue: Welch, or pooled variances from a minimum of buyers at uneven splits."""
    plain = _welch(tests.visitors, tests.revenue, tests.revenue_squares)
    if not uneven.is_uneven(*(float(column[0, -1]) for column in tests.visitors)):
        planned = means.counting_buyers(plain, *tests.conversions)
        return {
            **_by_plan(_z(plain), _z(planned), tests.times),
            "asymptotic sequence": _by_sequence(plain, tests, MIN_CONVERSIONS),
        }
    sums = (tests.visitors, tests.revenue, tests.revenue_squares)
    a, b = (means.Sums(*(column[variant] for column in sums)) for variant in (0, 1))
    pooled = uneven.Uneven(a, b, *tests.conversions).means
    usable = np.minimum(*tests.conversions) >= MIN_UNEVEN_BUYERS
    z = np.where(usable, _z(pooled), 0.0)
    return {
        **_by_plan(z, z, tests.times),
        "naive": (np.abs(_z(plain)) >= -float(ndtri(ALPHA / 2))).any(axis=1),
        "asymptotic sequence": _by_sequence(pooled, tests, MIN_UNEVEN_BUYERS),
    }


def _found(cells: Sequence[Cell], tests: int, seed: int) -> list[Found]:
    found = []
    for place, cell in enumerate(cells):
        drawn = simulate(cell, tests, np.random.default_rng([seed, place]))
        for metric, rules in decide(drawn, cell.share_b).items():
            shares = {rule: float(decided.mean()) for rule, decided in rules.items()}
            found.append(Found(metric, cell, shares))
    return found


def _z(both: means.Means) -> Floats:
    return np.nan_to_num(means.normal_z(both))


def _by_plan(z: Floats, z_of_looks: Floats, times: Floats) -> dict[str, Decided]:
    """Decide by daily looks at a fixed-horizon z, by one look, and by Lan-DeMets bounds."""
    fixed = -float(ndtri(ALPHA / 2))
    return {
        "naive": (np.abs(z) >= fixed).any(axis=1),
        "fixed": np.abs(z[:, -1]) >= fixed,
        "group-sequential": (np.abs(z_of_looks) >= sequential.bounds(times, ALPHA)).any(axis=1),
    }


def _by_sequence(both: means.Means, tests: Tests, least_buyers: int) -> Decided:
    begun = np.minimum(*tests.conversions) >= least_buyers
    visitors = tests.visitors[0] + tests.visitors[1]
    line = sequential.sequence_critical(visitors, sequential.mixture_scale(ALPHA), ALPHA)
    return ((np.abs(np.nan_to_num(means.t_statistic(both))) >= line) & begun).any(axis=1)


def _welch(
    visitors: tuple[Floats, Floats], sums: tuple[Floats, Floats], squares: tuple[Floats, Floats]
) -> means.Means:
    a, b = (means.Sums(visitors[variant], sums[variant], squares[variant]) for variant in (0, 1))
    return means.welch(a, b)


def certificate(
    found: Sequence[Found],
    powers: Sequence[Found],
    covered: Sequence[Coverage],
    hard: Sequence[Found] = (),
) -> str:
    """Return the certificate as Markdown."""
    return _TEXT.format(
        seed=SEED,
        tests=TESTS,
        days=DAYS,
        base=BASE_RATE,
        error=100 * (ALPHA * (1 - ALPHA) / TESTS) ** 0.5,
        alarms=100 * max(one.shares["sample ratio"] for one in found if one.metric == "visitors"),
        found=_table(found, "Split", lambda cell: f"{1 - cell.share_b:.0%} / {cell.share_b:.0%}"),
        hard=_table(hard, "Split and sd", _hard_name),
        buyers=MIN_UNEVEN_BUYERS,
        powers=_table(powers, "True lift", lambda cell: f"+{cell.lift:.0%}", hide="naive"),
        covered="\n".join(
            f"| {c.interval} | {c.counts} | {c.tests:,} | {100 * c.share:.1f} |" for c in covered
        ),
    )


_TEXT = """\
# Certificate of the A/B statistics

Written by `make certify`, seed {seed}: {tests:,} simulated tests per cell, {days} daily looks,
weekly seasonality in traffic and in buying, base rate {base:.0%}, log-normal order values. Visitors
are per day and variant at an even split. Figures are percentages of the tests; their standard error
is {error:.1f} percentage points at 5%. The simulation calls the functions that the reports use.

## Winners declared with no true difference

Limits: group-sequential 6.0, always-valid methods (Beta-Binomial, asymptotic sequence) 5.0. Naive
daily checks must exceed 20; otherwise the simulation could not detect an invalid method. The check
for a sample ratio mismatch raised a false alarm in {alarms:.1f}% of the tests of its worst cell
(limit: 0.1 plus twice its standard error).

{found}

## Heavy order values and uneven splits, with no true difference

Twice as many tests per cell. The limits are the same; a test read once has 6.0, too. With sd 2, a
few orders outweigh all others. If the smaller variant has less than 40% of the visitors, money has
pooled variances, and no result below {buyers} buyers in that variant, which counts as no winner.

{hard}

## Winners declared with B truly better

{powers}

## Coverage of intervals

95% intervals as `compare` shows them. Limits: 94 to 97; exact and sequential methods can be above.
Counts, rates, and effects are random. Counts are visitors of a variant, or conversions if visitors
are unknown.

| Interval | Counts | Tests | Covers the true value |
|---|---|---|---|
{covered}
"""


def _hard_name(cell: Cell) -> str:
    return f"{1 - cell.share_b:.0%} / {cell.share_b:.0%}, sd {cell.order_sd:g}"


_COLUMNS = ("naive", "fixed", "group-sequential", "Beta-Binomial", "asymptotic sequence")


def _table(found: Sequence[Found], named: str, name: Callable[[Cell], str], hide: str = "") -> str:
    columns = [column for column in _COLUMNS if column != hide]
    lines = [
        f"| Metric | Visitors | {named} | " + " | ".join(columns) + " |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    for metric, cell, shares in found:
        if metric != "visitors":
            cells = [f"{100 * shares[c]:.1f}" if c in shares else "-" for c in columns]
            lines.append(f"| {metric} | {cell.visitors:,} | {name(cell)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Simulate, write the certificate, and print the rules outside their limits."""
    start = monotonic()
    found, uneven_splits = false_positives(TESTS), hard(2 * TESTS)
    powers = power(TESTS)
    covered = coverages(TESTS, SEED + 2)
    CERTIFICATE.write_text(certificate(found, powers, covered, uneven_splits))
    faults = [fault for one in (*found, *uneven_splits) for fault in one.faults()]
    faults += [fault for one in covered if (fault := one.fault())]
    faults += ab_plans.simulated() + ab_designs.simulated()
    print(f"{CERTIFICATE.name}: {len(found) + len(powers)} cells, {monotonic() - start:.0f} s")
    for fault in faults:
        print("outside its limits:", fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
