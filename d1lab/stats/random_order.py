"""Whether an order of two treatments looks drawn at random: its changes, and its weekdays.

Neighboring days resemble each other, and so do equal weekdays. A comparison of days holds whatever
their correlation if their order was drawn at random, and does not if it was chosen in long runs or
by weekday.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import comb
from typing import cast

import numpy as np

WEEK_DAYS = 7


def changes(treated: Sequence[bool]) -> int:
    """Return how often the next day has the other treatment."""
    return sum(now != then for then, now in pairwise(treated))


def few_changes_p(treated: Sequence[bool]) -> float:
    """Return the probability of at most as many runs in a random order of the same treatments.

    Wald & Wolfowitz (1940), Annals of Mathematical Statistics 11:147-162.

    Args:
        treated: Whether each day was treated, in order; both kinds occur.

    >>> round(few_changes_p([False] * 7 + [True] * 7), 6)
    0.000583
    """
    in_b = int(sum(treated))
    in_a = len(treated) - in_b
    runs = 1 + changes(treated)
    return sum(_orders(count, in_a, in_b) for count in range(2, runs + 1)) / comb(in_a + in_b, in_a)


def _orders(runs: int, in_a: int, in_b: int) -> int:
    """Return the number of orders with a number of runs."""
    half = runs // 2
    if runs % 2 == 0:
        return 2 * comb(in_a - 1, half - 1) * comb(in_b - 1, half - 1)
    return comb(in_a - 1, half) * comb(in_b - 1, half - 1) + comb(in_a - 1, half - 1) * comb(
        in_b - 1, half
    )


def by_weekday_p(treated: Sequence[bool]) -> float:
    """Return the p-value of equal shares of the treatment on all weekdays, by an F-test.

    Args:
        treated: Whether each day was treated, in order, without gaps; both kinds occur.

    >>> by_weekday_p(([False] * 5 + [True] * 2) * 4) < 1e-12
    True
    """
    from scipy.special import fdtrc

    values = np.asarray(treated, dtype=np.float64)
    spread = ((values - values.mean()) ** 2).sum()
    days = [values[first::WEEK_DAYS] for first in range(WEEK_DAYS) if first < len(values)]
    within = sum(float(((day - day.mean()) ** 2).sum()) for day in days)
    freedom = len(values) - len(days)
    if freedom < 1:
        return 1.0
    if within <= 0:
        return 0.0
    explained = (spread - within) / (len(days) - 1)
    tail = cast("float", fdtrc(len(days) - 1, freedom, explained / (within / freedom)))
    return float(tail)
