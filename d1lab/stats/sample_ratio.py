"""Did each arm get its declared share of the visitors? If not, nothing else can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from d1lab.stats.exact import binomial_test
from d1lab.stats.sequential import e_process_p, log_bayes_factor

ALARM = 0.001
"""Below this p-value the test is invalid."""

CONCENTRATION = 10_000.0
"""The e-process' prior weight, in visitors: broken shares differ by little, and by much traffic."""

SMALL = 10
"""Below so many expected visitors of an arm the exact test takes the place of chi-square."""


def sample_ratio_p(visitors_a: int, visitors_b: int, share_b: float) -> float:
    """p-value of the declared share for a test read once; chi-square, exact where it is small.

    >>> round(sample_ratio_p(44_700, 45_489, 0.5), 10)
    0.0086079878
    """
    from scipy.special import ndtr

    total = visitors_a + visitors_b
    if total * min(share_b, 1 - share_b) < SMALL:
        return binomial_test(visitors_b, total, share_b).p_value if total else 1.0
    z = (visitors_b - total * share_b) / (total * share_b * (1 - share_b)) ** 0.5
    return float(2 * ndtr(-abs(z)))


def running_sample_ratio_p(
    visitors_a: Sequence[int], visitors_b: Sequence[int], share_b: float
) -> float:
    """p-value of the declared share over all looks so far, valid however often one looks.

    Lindon & Malek (2022), arXiv 2011.03567.
    """
    factors = log_bayes_factor(visitors_a, visitors_b, share_b, concentration=CONCENTRATION)
    return float(e_process_p(factors).min())
