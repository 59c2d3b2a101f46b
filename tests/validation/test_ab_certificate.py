"""A fast part of `make certify`, and a comparison of its rules with `compare`."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from validation import ab_certificate as certify
from validation import ab_coverage as coverage
from validation import simulate_ab

METHODS = {
    "group-sequential": ("conversions", "group_sequential", None),
    "Beta-Binomial": ("conversions", "always_valid", 0.5),
}


@pytest.mark.parametrize(
    "rule",
    [pytest.param("group-sequential", marks=pytest.mark.long), "Beta-Binomial"],
)
def test_the_simulated_rule_is_the_products(rule: str) -> None:
    """For each test with 28 looks, the vectorized rules decide as `compare` does."""
    metric, method, share = METHODS[rule]
    drawn = simulate_ab.simulate(simulate_ab.Cell(500, 0.5, 0.25), 12, np.random.default_rng(3))
    decided = certify.decide(drawn, 0.5)[metric][rule]
    planned = int(drawn.visitors[0][0, -1] + drawn.visitors[1][0, -1])
    plan = AbPlan(
        method=method,  # pyright: ignore[reportArgumentType]
        share_b=0.5,
        share_declared=share is not None,
        planned_visitors=planned,
    )
    for test, expected in enumerate(decided):
        *earlier, last = looks(drawn, test)
        result = compare(last.a, last.b, plan, earlier)
        assert (result.winner in ("a", "b")) == expected, (test, result.p_value)
    assert 0 < decided.sum() < len(decided)


def test_the_simulated_money_rule_is_the_products() -> None:
    """Revenue by the asymptotic sequence, from the 25th conversion on."""
    drawn = simulate_ab.simulate(simulate_ab.Cell(500, 0.5, 0.5), 12, np.random.default_rng(4))
    decided = certify.decide(drawn, 0.5)["revenue"]["asymptotic sequence"]
    plan = AbPlan(method="always_valid", primary_metric="revenue")
    for test, expected in enumerate(decided):
        *earlier, last = looks(drawn, test)
        result = compare(last.a, last.b, plan, earlier)
        assert (result.winner in ("a", "b")) == expected, (test, result.p_value)
    assert 0 < decided.sum() < len(decided)


def looks(drawn: simulate_ab.Tests, test: int) -> list[Look]:
    """Return the sums of one test by day."""
    a, b = ([list(column[variant][test]) for column in drawn[:4]] for variant in (0, 1))
    return [
        Look(*(Variant(int(n), int(x), float(y), float(yy)) for n, x, y, yy in variants))
        for variants in zip(zip(*a, strict=True), zip(*b, strict=True), strict=True)
    ]


def test_false_positives_keep_their_limits() -> None:
    """400 A/A tests per cell with 28 looks: within the limits plus sampling error."""
    found = certify.false_positives(400, traffic=(100, 500))
    rates: dict[str, list[float]] = {}
    for one in found:
        for rule, share in one.shares.items():
            rates.setdefault(rule, []).append(share)
    assert np.mean(rates["group-sequential"]) <= 0.06
    assert max(rates["group-sequential"]) <= 0.06 + 3 * 0.011
    assert max(rates["Beta-Binomial"]) <= 0.05
    assert max(rates["asymptotic sequence"]) <= 0.05
    assert min(rates["naive"]) > 0.2
    assert max(rates["sample ratio"]) <= 0.005


def test_money_keeps_its_limits_at_uneven_splits() -> None:
    """300 A/A tests at 90/10 with log-normal order values of sd 2: Welch declares 10% there."""
    cell = simulate_ab.Cell(2_500, 0.1, order_sd=2.0)
    [_, revenue, _] = certify.hard(300, [cell])
    assert revenue.metric == "revenue"
    assert revenue.shares["fixed"] <= 0.06 + 2 * 0.0137
    assert revenue.shares["group-sequential"] <= 0.06 + 2 * 0.0137
    assert revenue.shares["asymptotic sequence"] <= 0.05
    assert revenue.shares["naive"] > 0.3


def test_a_wrong_rule_is_caught() -> None:
    """The check detects an invalid rule: daily looks labeled as group-sequential."""
    cell = simulate_ab.Cell(100)
    honest = certify.Found("conversions", cell, {"group-sequential": 0.053, "naive": 0.27})
    wrong = certify.Found("conversions", cell, {"group-sequential": 0.27})
    assert not honest.faults()
    assert wrong.faults()
    assert certify.Found("conversions", cell, {"naive": 0.05}).faults()


@pytest.mark.long
def test_coverage_is_measured_on_what_compare_shows() -> None:
    """A few intervals of each kind: most cover the true value, on both scales."""
    covered = coverage.coverages(12, 1)
    assert {one.interval.rsplit(", ")[-1] for one in covered} == {"difference", "ratio"}
    assert all(one.share > 0.5 for one in covered)


def test_the_certificate_tells_seed_and_limits() -> None:
    """The text has the seed, a row per cell, and the intervals."""
    found = certify.false_positives(20, traffic=(100,))
    text = certify.certificate(found, found, [coverage.Coverage("Welch", "1", 20, 0.95, 0.9, 1)])
    assert str(certify.SEED) in text
    assert text.count("| conversions | 100 |") == 4
    assert "| Welch | 1 | 20 | 95.0 |" in text
