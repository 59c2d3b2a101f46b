"""Error rates of further designs: several variants, clusters, days, quantiles, orders, vouchers.

make certify        writes docs/validation/ab-designs.md after the other certificates
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from validation.ab_arms import several, watched
from validation.ab_clusters import clusters, switchbacks
from validation.ab_orders import quantiles, repeats
from validation.measured import Measured, table
from validation.vouchers import DISCOUNT, MARGIN, vouchers

SEED = 20261128
TESTS = 4_000
MANY = 10_000  # of cells that are cheap
PAGE = Path(__file__).parents[1] / "docs" / "validation" / "ab-designs.md"

PARTS = {
    "several": (several, TESTS, ("Metric", "Visitors", "Split in %")),
    "watched": (watched, TESTS, ("Metric", "Visitors a day", "Variants")),
    "clusters": (clusters, MANY, ("Clusters of A and B", "Correlation", "sd of sizes")),
    "switchbacks": (switchbacks, MANY, ("Variant of a day", "Days", "Correlation")),
    "quantiles": (quantiles, TESTS, ("Quantile", "Values of A and B", "Values")),
    "repeats": (repeats, TESTS // 2, ("Customers", "Orders of a customer", "Share of B, sd")),
    "vouchers": (vouchers, TESTS // 4, ("Customers", "Buyers held out", "sd of spend")),
}
"""Campaigns with the number of their tests per cell, and what names a cell."""

Found = dict[str, list[Measured]]


def simulate(scale: float = 1.0) -> Found:
    """Simulate all parts; `scale` shortens them for tests."""
    return {
        name: part(max(int(tests * scale), 10), SEED + place)
        for place, (name, (part, tests, _)) in enumerate(PARTS.items())
    }


def page(found: Found) -> str:
    """Return the page as Markdown."""
    tables = {name: table(PARTS[name][2], rows) for name, rows in found.items()}
    numbers = {"tests": TESTS, "many": MANY, "few": TESTS // 2, "fewest": TESTS // 4}
    return _TEXT.format(seed=SEED, margin=MARGIN, discount=DISCOUNT, **numbers, **tables)


_TEXT = """\
# Certificate of further A/B designs

Written by `make certify`, seed {seed}: {tests:,} simulated tests per cell, {many:,} by cluster and
by day, {few:,} by orders, {fewest:,} of vouchers. The base rate is 5%, order values are log-normal
(sd 0.8 on the log scale where no other is given), and true lifts are random. The simulation calls
the functions that the reports use. Figures are percentages of the tests with an answer.

Limits: 6% false positives of a test read once, 5% of always-valid ones; intervals that are not
adjusted cover 93% to 97%, give or take two standard errors. "No answer" means that the program
gives a reason instead.

## Three and four variants, read once

False winners or losers are tests of equal variants in which any variant is called better or worse
than A. Conversions have Holm's correction, and so has money at an uneven split. Money at an even
split has Dunnett's, whose intervals cover all together in 95%. Holm's intervals are made for one
comparison each: each covers in 95% or more, all together in less. The best wins where one variant
is 20% better, by conversions or by the revenue that follows from them.

{several}

## Three and four variants, looked at each day

Always valid, 28 daily looks, weekly cycles. A test of several variants that is not declared
always valid has no looks: it is read once, when it has ended.

{watched}

## Tests by store or city

Visitors of a cluster resemble each other by the correlation given (beta-binomial rates). Sizes are
log-normal, and every cluster counts once. At fewer than 40% of the clusters in one variant, the
variances are pooled; Welch's test had up to 14% false positives there. "Ratio known" is the share
of the tests in which A's mean is clear enough for a lift in percent; a dash stands where that
is fewer than one test in twenty.

{clusters}

## Tests by day

Rates of neighboring days correlate, weekdays differ in traffic and in buying, and 400 visitors come
a day. Days drawn at random have an answer in 97% to 99% of the tests; the others look as if they
had been chosen. With A and B every other day, intervals are wider than they have to be. Days drawn
two at a time are recognized in six of ten tests and have no limit here: each day must be drawn for
itself. With a week each, or with B on weekends, there is no answer: about 15% and 9% of tests
without an effect would have had a winner.

{switchbacks}

## Quantiles of order values

At least 25 values on each side of the quantile. Where many values are equal, such as one of 11
prices here, a quantile jumps from one price to the next, and its error is not known: there is an
answer only if no value makes up more than 15% of those around the quantile. Without that rule, 18%
of the tests at 75% with prices alone were false. Intervals of the fewest values are wider than they
have to be, so they may cover up to 98.5%, and with prices more.

{quantiles}

## Orders counted without visitors

Customers order again, and the counts of both variants vary more than those of customers. The
inflation of the variance is estimated from the same orders, as the report does it. At a declared
share of less than 40%, money has pooled variances, and no result below 150 customers in the smaller
variant; with each variant's own, 13% to 19% of tests at 10% and sd 2 were false. Intervals of
counts are exact, so they may cover more than 97%. Daily looks are those of an always-valid test,
from the 25th conversion on.

{repeats}

## Vouchers for a random half

A random half of each stratum of expected value gets a voucher of {discount:.0%}, and the profit of
all customers is compared; the margin is {margin:.0%}. True lifts of the share who buy are random,
so the voucher gains in some tests and loses in others. There is an answer from 25 buyers in each
half on. A few large orders decide where spend varies much. "Anyway" is the share of the buyers sent
a voucher who would have bought without it, at most 1.

{vouchers}
"""


def faults(found: Found) -> list[str]:
    """Return the figures outside their limits."""
    rows: Sequence[Measured] = [one for part in found.values() for one in part]
    return [fault for one in rows if (fault := one.fault())]


def simulated() -> list[str]:
    """Simulate, write the page, and return the figures outside their limits."""
    found = simulate()
    PAGE.write_text(page(found))
    return faults(found)


if __name__ == "__main__":
    for fault in simulated():
        print("outside its limits:", fault)
