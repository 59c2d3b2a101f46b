"""A real trial, Hillstrom's 64,000 customers: the published rates, and from rows to a verdict."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.exposures import Measure, scan
from d1lab.analyses.ab_tests.model import AbPlan
from d1lab.analyses.ab_tests.visitors import effects, variants
from tests.support.outside import real_data

HILLSTROM = real_data("hillstrom.csv")
MENS, WOMENS, NONE = "Mens E-Mail", "Womens E-Mail", "No E-Mail"


@pytest.fixture(scope="module")
def hillstrom() -> duckdb.DuckDBPyRelation:
    """64,000 customers, one row each."""
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE h AS SELECT * FROM read_csv($path)",
        {"path": str(HILLSTROM)},
    )
    return con.table("h")


def test_hillstrom_has_the_published_rates(hillstrom: Any, oracles: dict[str, Any]) -> None:
    """Visits, conversions and spend of each arm, from one scan per pair."""
    published = next(
        e["output"] for e in oracles["hillstrom"] if e["case"] == "H0_hillstrom_summary"
    )
    measures = [Measure("visit"), Measure("conversion"), Measure("spend")]
    for mail in (MENS, WOMENS):
        sums = scan(hillstrom, measures, variant="segment", a=NONE, b=mail)
        for arm, name in (("a", NONE), ("b", mail)):
            visit, conversion, spend = (getattr(s, arm) for s in sums)
            assert float(visit.n) == published[name]["n"]
            assert float(visit.y) == published[name]["visits"]
            assert float(conversion.y) == published[name]["conversions"]
            assert float(spend.y) == pytest.approx(published[name]["spend_sum"], rel=1e-12)
            assert float(spend.yy) == pytest.approx(published[name]["spend_ss"], rel=1e-12)


@pytest.mark.parametrize(
    ("mail", "points", "p", "t", "spend_p"),
    [
        (MENS, 0.0068, 1.5e-13, 5.300, 1.2e-7),
        (WOMENS, 0.00311, 0.000157, 3.2564, 0.00113),
    ],
)
def test_hillstrom_from_rows_to_a_verdict(
    hillstrom: Any, mail: str, points: float, p: float, t: float, spend_p: float
) -> None:
    """Both mails win against none, on conversions and on spend, with the facts' numbers."""
    measures = [Measure("conversion"), Measure("spend")]
    sums = scan(hillstrom, measures, variant="segment", a=NONE, b=mail)
    plan = AbPlan(share_b=0.5, share_declared=True)
    result = compare(*variants(sums, conversions="conversion", revenue="spend"), plan)
    assert (result.status, result.winner) == ("decided", "b")
    assert result.difference == pytest.approx(points, abs=5e-5)
    assert result.p_value == pytest.approx(p, rel=0.05)
    [revenue] = [effect for effect in result.effects if effect.metric == "revenue"]
    assert revenue.p_value == pytest.approx(spend_p, rel=0.1)
    assert t == pytest.approx((revenue.difference or 0) / half_width(revenue) * 1.96, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "measure", "covariate", "per"),
    [
        ("spend", "spend", None, None),
        ("spend_cuped", "spend", "history", None),
        ("aov", "spend", None, "conversion"),
    ],
)
def test_hillstrom_matches_tea_tasting(
    hillstrom: Any,
    oracles: dict[str, Any],
    call: str,
    measure: str,
    covariate: str | None,
    per: str | None,
) -> None:
    """Welch, CUPED with a year's history, and order value, as tea-tasting computes them."""
    theirs = next(
        e["output"]
        for e in oracles["hillstrom"]
        if e["case"] == "H1_hillstrom_womens_vs_none" and e["call"] == call
    )
    asked = [Measure(measure, covariate=covariate, per=per)]
    [ours] = effects(scan(hillstrom, asked, variant="segment", a=NONE, b=WOMENS))
    assert ours.value_a == pytest.approx(theirs["control"], rel=1e-9)
    assert ours.difference == pytest.approx(theirs["effect_size"], rel=1e-9)
    assert ours.difference_low == pytest.approx(theirs["effect_size_ci_lower"], rel=1e-9)
    assert ours.p_value == pytest.approx(theirs["pvalue"], rel=1e-9)


def half_width(effect: Any) -> float:
    return (effect.difference_high - effect.difference_low) / 2
