"""Groups of today's customers on several earlier days, from one scan of the orders."""

# pyright: standard

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d1lab.analyses.customers.alignment import aligned
from d1lab.analyses.customers.segments import FIXED_RULES_BELOW, GROUPS, NO_GROUP, group_codes

if TYPE_CHECKING:
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

GROUP = pd.CategoricalDtype(list(GROUPS))

MOST_DAYS = 7
"""Days of the metric `customer_snapshots`."""


class EarlierScores:
    """Scores of the same customers on several days, as of each day.

    Args:
        lab: Lab opened for one shop.
        customers: Column of customer IDs in order, with all who ever bought.
        days: At most `MOST_DAYS`.
        mode: Scoring mode.
    """

    def __init__(self, lab: Lab, customers: Any, days: Collection[date], mode: str) -> None:
        self._lab, self._customers, self._mode = lab, customers, mode
        self._days = sorted(days)
        self._known: Frame = None
        if days and len(customers) >= FIXED_RULES_BELOW:
            self._known = self._read()

    def _read(self) -> Frame:
        """Return the rows of the metric, in the order of the customers."""
        padded = [*self._days, *[self._days[-1]] * MOST_DAYS][:MOST_DAYS]
        given = {f"day_{number}": day for number, day in enumerate(padded, 1)}
        return aligned(self._lab.metric("customer_snapshots", **given), self._customers)

    def on(self, day: date) -> Frame:
        """Return customer_id, purchases, last_day, and rfm_group of all customers on a day.

        Who had not bought by then has 0 purchases and no group.
        """
        if self._known is None:
            return self._of_few(day)
        number = self._days.index(day) + 1
        purchases, last_day, spend = (
            self._known[f"{name}_{number}"].to_numpy()
            for name in ("purchases", "last_day", "spend")
        )
        bought = purchases > 0
        if bought.sum() < FIXED_RULES_BELOW:
            return self._of_few(day)
        codes = np.full(len(bought), NO_GROUP, np.int8)
        codes[bought] = group_codes(last_day[bought], purchases[bought], spend[bought], self._mode)
        return pd.DataFrame(
            {
                "customer_id": self._customers,
                "purchases": np.where(bought, purchases, 0),
                "last_day": last_day,
                "rfm_group": pd.Categorical.from_codes(codes, dtype=GROUP),
            }
        )

    def _of_few(self, day: date) -> Frame:
        """Return the same of few customers: their fixed rules need the gaps between purchases."""
        scores = self._lab.metric("customer_scores", until=day, mode=self._mode)
        found = aligned(scores[scores["purchases"] > 0], self._customers)
        return found.assign(purchases=found["purchases"].fillna(0))
