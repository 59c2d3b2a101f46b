"""Every reference number in tests/oracles/ab_tests.json, from other libraries.

Wrong numbers of other libraries are not included; one test shows an intended difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from d1lab.stats import bayes, exact, means, multiplicity, power, proportions, sequential
from d1lab.stats.proportions import sample_ratio_p

Z95 = 1.959963984540054
CLOSED, INVERTED = 1e-9, 1e-6

RATES = {
    "P1": (500, 10_000, 560, 10_000),
    "P2_small": (3, 40, 9, 42),
    "P3_zero_a": (0, 50, 5, 50),
    "P5_all_zero": (0, 30, 0, 30),
    "P7_hillstrom_conv": (122, 21_306, 189, 21_387),
}
COUNTS = {"C1_hillstrom_counts": (122, 189), "C3_zero": (0, 5), "C6_equal": (50, 50)}
MONEY = {
    "R1": ((10_000, 52_000, 1.4e6), (10_000, 56_500, 1.65e6)),
    "R2_hillstrom_spend": (
        (21_306, 13_908.329999999998, 2_870_050.3620999996),
        (21_387, 23_038.11, 4_911_446.576299999),
    ),
}
FAMILY = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]


def rates(case: str) -> proportions.Rates:
    return proportions.Rates.of(*RATES[case])


def money(case: str) -> means.Means:
    a, b = MONEY[case]
    return means.welch(means.Sums.of(*a), means.Sums.of(*b))


def find(oracles: dict[str, Any], case: str, call: str) -> Any:
    """Return the first entry whose case starts with this text and whose call contains the part."""
    matching = (
        entry
        for entry in oracles["ab_tests"]
        if entry["case"].startswith(case) and call in entry["call"]
    )
    return next(matching)["output"]


def close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Compare within the tolerance, relative above 1; null means infinity."""
    theirs = theirs if isinstance(theirs, list) else [theirs]
    theirs = [math.inf if number in (None, "inf") else number for number in theirs]
    ours = np.atleast_1d(ours).tolist()
    assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("case", ["P1", "P2_small", "P3_zero_a", "P7_hillstrom_conv"])
def test_score_test_matches(oracles: dict[str, Any], case: str) -> None:
    """z and p of the pooled score test equal those of three libraries."""
    theirs = find(oracles, case, "proportions_ztest")
    close(proportions.score_z(rates(case)), theirs["z"], CLOSED)
    p = float(proportions.score_p(rates(case)))
    close(p, theirs["pvalue"], CLOSED)
    close(p, find(oracles, case, "chi2_contingency(table,correction=False)"), CLOSED)
    tea = find(oracles, case, "'correction': False, 'equal_var': True}")
    close(p, tea["pvalue"], CLOSED)
    corrected = find(oracles, case, "compare='diff',method='score',correction=True")
    close(proportions.difference_z(rates(case), 0.0), corrected["z"], CLOSED)


@pytest.mark.parametrize("case", ["P1", "P2_small", "P3_zero_a", "P5_all_zero"])
def test_miettinen_nurminen_matches(oracles: dict[str, Any], case: str) -> None:
    """Both intervals equal the reference inversion, also without conversions."""
    theirs = find(oracles, case, "mn_diff(xb,nb,xa,na)")
    close(proportions.difference_interval(rates(case), Z95), theirs["diff_ci"], INVERTED)
    close(proportions.ratio_interval(rates(case), Z95), theirs["ratio_ci"]["mn"], INVERTED)


@pytest.mark.parametrize("case", ["P1", "P2_small", "P3_zero_a", "P7_hillstrom_conv"])
def test_ratio_interval_matches_statsmodels(oracles: dict[str, Any], case: str) -> None:
    """statsmodels' score interval for the ratio is correct, unlike the one for the difference."""
    theirs = find(oracles, case, "compare='ratio',method='score'")
    close(proportions.ratio_interval(rates(case), Z95), theirs, INVERTED)


def test_known_error_is_not_matched() -> None:
    """56/70 vs. 48/80: the Miettinen-Nurminen interval, not statsmodels' 0.0526 to 0.3440."""
    low, high = proportions.difference_interval(proportions.Rates.of(48, 80, 56, 70), Z95)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0528, 0.3382)


@pytest.mark.parametrize("case", RATES)
def test_fisher_matches(oracles: dict[str, Any], case: str) -> None:
    """Fisher's exact test, for 500/10,000 and for 0/30."""
    close(exact.fisher_p(*RATES[case]), find(oracles, case, "fisher_exact"), CLOSED)


@pytest.mark.parametrize("case", ["P2_small", "P3_zero_a", "P5_all_zero"])
def test_barnard_matches(oracles: dict[str, Any], case: str) -> None:
    """Barnard's exact test, if scipy's sampled supremum is the supremum."""
    close(exact.barnard_p(*RATES[case]), find(oracles, case, "barnard_exact"), CLOSED)


@pytest.mark.parametrize("case", COUNTS)
def test_binomial_matches(oracles: dict[str, Any], case: str) -> None:
    """Exact p, mid-p, and the Clopper-Pearson interval as a ratio of rates."""
    a, b = COUNTS[case]
    ours = exact.binomial_test(b, a + b, 0.5)
    close(ours.p_value, find(oracles, case, "binomtest(xb,xa+xb,w_b)"), CLOSED)
    close(ours.p_value, find(oracles, case, "method='exact-cond'"), CLOSED)
    close(ours.mid_p, find(oracles, case, "method='cond-midp'"), CLOSED)
    theirs = find(oracles, case, "proportion_ci(.95,exact)")
    close((ours.low, ours.high), theirs["p_ci"], CLOSED)
    ends = sequential.rate_ratio(np.array([ours.low, ours.high]), 0.5)
    close(ends, theirs["rate_ratio_ci"], INVERTED)


@pytest.mark.parametrize("case", MONEY)
def test_welch_matches(oracles: dict[str, Any], case: str) -> None:
    """t, degrees of freedom, p, and interval equal scipy, GrowthBook, and tea-tasting."""
    theirs = find(oracles, case, "ttest_ind_from_stats")
    both = money(case)
    p = float(means.p_value(both))
    interval = means.difference_interval(both, Z95)
    close(means.t_statistic(both), theirs["t"], CLOSED)
    close(both.freedom, theirs["df"], CLOSED)
    close(p, theirs["pvalue"], CLOSED)
    close(interval, theirs["ci95"], CLOSED)
    tea = find(oracles, case, "Mean('y',{}).analyze_aggregates")
    close(p, tea["pvalue"], CLOSED)
    close(interval, [tea["effect_size_ci_lower"], tea["effect_size_ci_upper"]], CLOSED)
    growthbook = find(oracles, case, "TwoSidedTTest(SampleMeanStatistic...,difference_type='abs")
    close(p, growthbook["pValue"], CLOSED)


@pytest.mark.parametrize("case", MONEY)
def test_fieller_matches(oracles: dict[str, Any], case: str) -> None:
    """Fieller's interval for the lift."""
    theirs = find(oracles, case, "relative lift CI fieller")
    ours = np.array(means.ratio_interval(money(case), Z95)) - 1
    close(ours, theirs["fieller"], CLOSED)


def pairs(entry: dict[str, Any], variant: str, y: str, x: str) -> means.Pairs:
    names = ("n", y, y * 2, x, x * 2)
    sums = [entry["input"][f"{name}{'' if name == 'n' else '_'}{variant}"] for name in names]
    cross = entry["input"].get(f"{x}{y}_{variant}", entry["input"].get(f"{y}{x}_{variant}"))
    return means.Pairs(*(np.asarray(float(number)) for number in (*sums, cross)))


def test_cuped_matches(oracles: dict[str, Any]) -> None:
    """CUPED from sums: difference, interval, and p of GrowthBook and tea-tasting."""
    theirs = find(oracles, "K1_CUPED", "theta=None)...,difference_type='absolute'")
    ours = means.cuped(*(pairs(theirs, variant, "y", "x") for variant in "ab"))
    close(ours.b - ours.a, theirs["expected"], CLOSED)
    close(means.difference_interval(ours, Z95), theirs["ci"], CLOSED)
    close(means.p_value(ours), theirs["pValue"], CLOSED)
    tea = find(oracles, "K1_CUPED", "covariate='x'")
    close([ours.a, ours.b], [tea["control"], tea["treatment"]], CLOSED)
    close(means.p_value(ours), tea["pvalue"], CLOSED)


def test_ratio_of_means_matches(oracles: dict[str, Any]) -> None:
    """Revenue per order by the delta method equals GrowthBook and tea-tasting."""
    theirs = find(oracles, "Q1_ratio", "TwoSidedTTest(RatioStatistic...,difference_type='absolute'")
    ours = means.ratio_of_means(*(pairs(theirs, variant, "m", "d") for variant in "ab"))
    close(ours.b - ours.a, theirs["expected"], CLOSED)
    close(means.difference_interval(ours, Z95), theirs["ci"], CLOSED)
    tea = find(oracles, "Q1_ratio", "RatioOfMeans")
    close(means.p_value(ours), tea["pvalue"], CLOSED)


@pytest.mark.parametrize("case", ["P1", "P2_small", "P3_zero_a", "P7_hillstrom_conv"])
def test_chance_and_losses_match(oracles: dict[str, Any], case: str) -> None:
    """P(B better) and both losses equal quadrature and Miller's sum."""
    theirs = find(oracles, case, "Beta(1,1) priors")
    ours = bayes.rates_posterior(*RATES[case])
    close(ours.b_better, theirs["p_b_beats_a"], CLOSED)
    close(ours.loss_b, theirs["expected_loss_choose_b"], CLOSED)
    close(ours.loss_a, theirs["expected_loss_choose_a"], CLOSED)


@pytest.mark.parametrize("case", ["C1_hillstrom_counts", "C3_zero"])
def test_chance_from_counts_matches(oracles: dict[str, Any], case: str) -> None:
    """P(B better) from counts with a declared share."""
    theirs = find(oracles, case, "Jeffreys share posterior")
    close(bayes.probability_b_better(*COUNTS[case], 0.5), theirs["p_b_beats_a"], CLOSED)


@pytest.mark.parametrize("case", MONEY)
def test_chance_of_money_matches(oracles: dict[str, Any], case: str) -> None:
    """Normal probability and losses of GrowthBook with an improper prior, absolute scale."""
    theirs = find(
        oracles, case, "EffectBayesianABTest(SampleMeanStatistic...,difference_type='absolute'"
    )
    both = money(case)
    ours = bayes.normal_posterior(float(both.b - both.a), float(both.error))
    close(ours.b_better, theirs["chanceToWin"], CLOSED)
    close([ours.loss_a, ours.loss_b], theirs["risk"], CLOSED)


def test_sample_ratio_matches(oracles: dict[str, Any]) -> None:
    """Cookie Cats, 44,700 vs. 45,489: chi-square at the end, the e-process while running."""
    p = sample_ratio_p(44_700, 45_489, 0.5)
    close(p, find(oracles, "S2", "chisquare")["pvalue"], CLOSED)
    close(p, find(oracles, "S2", "check_srm"), CLOSED)
    exactly = exact.binomial_test(45_489, 90_189, 0.5).p_value
    close(exactly, find(oracles, "S2", "binomtest"), CLOSED)
    theirs = find(oracles, "S2", "k=10000")
    close(
        sequential.log_bayes_factor(44_700, 45_489, 0.5, concentration=1e4),
        theirs["log_bf"],
        CLOSED,
    )
    ends = sequential.share_interval(44_700, 45_489, 0.5, concentration=1e4)
    close(ends, theirs["theta_cs"], INVERTED)


@pytest.mark.parametrize("weight", [2, 100, 400])
@pytest.mark.parametrize("case", COUNTS)
def test_beta_binomial_matches(oracles: dict[str, Any], case: str, weight: int) -> None:
    """The e-process, its p-value, and its sequence, for three prior weights."""
    a, b = COUNTS[case]
    theirs = find(oracles, case, f"xa={a},xb={b},w_b=0.5,k={weight})")
    factor = sequential.log_bayes_factor(a, b, 0.5, concentration=weight)
    close(factor, theirs["log_bf"], CLOSED)
    close(sequential.e_process_p(factor), theirs["p_instant"], CLOSED)
    ends = sequential.share_interval(a, b, 0.5, concentration=weight)
    close(ends, theirs["theta_cs"], INVERTED)
    close(
        [sequential.rate_ratio(end, 0.5) for end in ends],
        theirs["rate_ratio_cs"],
        INVERTED,
    )


@pytest.mark.parametrize("case", COUNTS)
def test_beta_binomial_matches_savvi(oracles: dict[str, Any], case: str) -> None:
    """The e-process of the paper's own package."""
    theirs = find(oracles, case, "Multinomial(.05,[0.50,0.5],k=100)")
    close(sequential.log_bayes_factor(*COUNTS[case], 0.5), theirs["log_odds"], CLOSED)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("tuned", [5_000, 20_000])
def test_mixture_scale_matches(oracles: dict[str, Any], alpha: float, tuned: int) -> None:
    """GrowthBook's rho."""
    theirs = find(oracles, "A1_asympcs_rho", f"sequential_rho(alpha={alpha},tuning={tuned})")
    close(sequential.mixture_scale(alpha, tuned), theirs, CLOSED)


@pytest.mark.parametrize("n", [1_000, 5_000, 20_000, 100_000])
def test_sequence_width_matches(oracles: dict[str, Any], n: int) -> None:
    """The asymptotic sequence's half-width at sigma 1."""
    theirs = find(oracles, "A1_asympcs_halfwidth", f"(s2=1,n={n},5000,.05)")
    ours = sequential.sequence_critical(n, sequential.mixture_scale()) / math.sqrt(n)
    close(ours, theirs, CLOSED)


@pytest.mark.parametrize("case", ["P1", "P2_small", "P7_hillstrom_conv"])
@pytest.mark.parametrize("tuned", [5_000, 20_000])
def test_sequence_p_matches(oracles: dict[str, Any], case: str, tuned: int) -> None:
    """Sequential p-value and interval of GrowthBook, on the absolute scale."""
    theirs = find(oracles, case, f"difference_type='absolute',sequential_tuning_parameter={tuned}")
    difference, error = theirs["expected"], theirs["uplift"]["stddev"]
    n = RATES[case][1] + RATES[case][3]
    scale = sequential.mixture_scale(0.05, tuned)
    close(sequential.sequence_p(difference / error, n, scale), theirs["pValue"], CLOSED)
    reach = error * float(sequential.sequence_critical(n, scale))
    close([difference - reach, difference + reach], theirs["ci"], CLOSED)


@pytest.mark.parametrize("case", MONEY)
def test_sequence_of_money_matches(oracles: dict[str, Any], case: str) -> None:
    """The same for revenue per visitor, from its sums."""
    theirs = find(
        oracles, case, "SequentialTwoSidedTTest(SampleMeanStatistic...,difference_type='absolute'"
    )
    both = money(case)
    n = MONEY[case][0][0] + MONEY[case][1][0]
    scale = sequential.mixture_scale()
    close(sequential.sequence_p(means.t_statistic(both), n, scale), theirs["pValue"], CLOSED)
    endless = both._replace(freedom=np.asarray(np.inf))
    critical = sequential.sequence_critical(n, scale)
    close(means.difference_interval(endless, critical), theirs["ci"], CLOSED)


def test_group_sequential_bounds_match(oracles: dict[str, Any]) -> None:
    """O'Brien-Fleming's five bounds."""
    theirs = find(oracles, "G1", "'obrien-fleming',two_sided=True")
    close(sequential.bounds([0.2, 0.4, 0.6, 0.8, 1.0]), theirs, INVERTED)


def test_noninferiority_matches(oracles: dict[str, Any]) -> None:
    """490 vs. 500 of 10,000, with a margin of 0.5 percentage points."""
    theirs = find(oracles, "N1", "correction=True")
    counts = proportions.Rates.of(500, 10_000, 490, 10_000)
    close(proportions.difference_z(counts, -0.005), theirs["z"], CLOSED)
    one_sided = ndtr(-proportions.difference_z(counts, -0.005))
    close(one_sided, theirs["p_one_sided"], CLOSED)


def test_sample_size_matches(oracles: dict[str, Any]) -> None:
    """5% to 5.5%: visitors for 80% power, and the power of given visitors."""
    ours = power.sample_size(0.05, 0.055)
    close(ours.exact_a, find(oracles, "W1", "samplesize_proportions_2indep_onetail"), CLOSED)
    theirs = find(oracles, "W1", "power_proportions_2indep")
    close(power.power_of(0.05, 0.055, 31_231, 31_231), theirs, CLOSED)


def test_multiplicity_matches(oracles: dict[str, Any]) -> None:
    """Holm and Benjamini-Hochberg on ten p-values."""
    close(multiplicity.holm(FAMILY), find(oracles, "M1", "'holm')")["adj"], CLOSED)
    close(multiplicity.holm(FAMILY), find(oracles, "M1", "= Holm"), CLOSED)
    ours = multiplicity.benjamini_hochberg(FAMILY)
    close(ours, find(oracles, "M1", "false_discovery_control"), CLOSED)
    close(ours, find(oracles, "M1", "adjust_fdr"), CLOSED)
    close(ours, find(oracles, "M1", "'fdr_bh'")["adj"], CLOSED)


def test_sample_ratio_matches_the_other_libraries(oracles: dict[str, Any]) -> None:
    """The checks of tea-tasting and spotify-confidence; the e-process with a small weight."""
    p = sample_ratio_p(44_700, 45_489, 0.5)
    close(p, find(oracles, "S2", "'norm', 'correction': False}).analyze")["pvalue"], CLOSED)
    close(p, find(oracles, "S2", "SampleRatioTest")[0], CLOSED)
    exactly = exact.binomial_test(45_489, 90_189, 0.5)
    close(exactly.p_value, find(oracles, "S2", "{'method': 'binom'}")["pvalue"], CLOSED)
    theirs = find(oracles, "S2", "betabinom_avi(n_a=44700,n_b=45489,w_b=0.5,k=100)")
    close(sequential.log_bayes_factor(44_700, 45_489, 0.5), theirs["log_bf"], CLOSED)
    close(sequential.share_interval(44_700, 45_489, 0.5), theirs["theta_cs"], INVERTED)


@pytest.mark.parametrize("case", RATES)
def test_clopper_pearson_matches(oracles: dict[str, Any], case: str) -> None:
    """The exact interval of each variant's rate, for 0 of 30 and for 560 of 10,000."""
    theirs = find(oracles, case, "Clopper-Pearson")
    xa, na, xb, nb = RATES[case]
    for (x, n), ends in zip(((xa, na), (xb, nb)), theirs, strict=True):
        ours = exact.binomial_test(x, n, 0.5)
        close((ours.low, ours.high), ends, CLOSED)


def test_unadjusted_means_match(oracles: dict[str, Any]) -> None:
    """The test without CUPED, and Welch of spotify-confidence, to ten digits."""
    given = find(oracles, "K1_CUPED", "theta=None)...,difference_type='absolute'")
    ours = means.welch(*(pairs(given, variant, "y", "x").outcome for variant in "ab"))
    theirs = find(oracles, "K1_CUPED", "unadjusted TwoSidedTTest difference_type='absolute'")
    close(means.difference_interval(ours, Z95), theirs["ci"], CLOSED)
    close(means.p_value(ours), theirs["pValue"], CLOSED)
    tea = find(oracles, "K1_CUPED", "Mean('y').analyze_aggregates")
    close(means.t_statistic(ours), tea["statistic"], CLOSED)
    [spotify] = find(oracles, "R1", "StudentsTTest.difference('a','b')")
    close(means.p_value(money("R1")), spotify["p-value"], CLOSED)
    ends = means.difference_interval(money("R1"), Z95)
    close(ends, [spotify["ci_lower"], spotify["ci_upper"]], CLOSED)


def test_every_entry_is_matched(oracles: dict[str, Any]) -> None:
    """The tests of this module together read every entry of the file."""
    read: list[str] = []

    class Entry(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "output":
                read.append(self["library"] + self["case"] + self["call"])
            return super().__getitem__(name)

    watched = {"ab_tests": [Entry(entry) for entry in oracles["ab_tests"]]}
    for test in _tests_of_an_entry():
        for case in _cases(test):
            test(watched, **case)
    known = [entry["library"] + entry["case"] + entry["call"] for entry in oracles["ab_tests"]]
    assert sorted(set(read)) == sorted(known)


def _tests_of_an_entry() -> list[Callable[..., None]]:
    tests = [item for name, item in globals().items() if name.startswith("test_")]
    return [
        test
        for test in tests
        if "oracles" in signature(test).parameters and test is not test_every_entry_is_matched
    ]


def _cases(test: Any) -> Iterator[dict[str, Any]]:
    """The arguments that pytest hands to a test, one after another."""
    marks = [mark.args for mark in getattr(test, "pytestmark", ())]
    for values in product(*(values for _, values in marks)):
        yield dict(zip((name for name, _ in marks), values, strict=True))
