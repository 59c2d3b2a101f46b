"""Simulated shops whose truth is known: customers who do exactly as BG/NBD and Gamma-Gamma say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

DAYS = 730


class Truth(NamedTuple):
    """The parameters behind a shop; time in weeks."""

    r: float = 0.8
    alpha: float = 6.0
    a: float = 0.9
    b: float = 2.5
    p: float = 5.0
    q: float = 4.0
    v: float = 15.0


class Shop(NamedTuple):
    """Every purchase of every customer, in days from the shop's start; one row is one purchase."""

    purchases: pd.DataFrame  # customer_id, day, spend

    def summary(self, later_days: int) -> pd.DataFrame:
        """What the metric `purchase_summary` would give on the last day."""
        end = DAYS - later_days
        past, later = (self.purchases[side] for side in self._sides(end))
        recent = past[past["day"] > end - later_days]
        found = past.groupby("customer_id").agg(
            purchases=("day", "size"), first=("day", "min"), last=("day", "max"),
            spend=("spend", "sum"), first_spend=("spend", "first"),
        )  # fmt: skip
        repeats = found["purchases"] - 1
        return found.assign(
            repeats=repeats,
            last_days=found["last"] - found["first"],
            observed_days=end - found["first"],
            mean_spend=((found["spend"] - found["first_spend"]) / repeats).fillna(0.0),
            **_counted("recent", recent, found.index),
            **_counted("later", later, found.index),
        ).reset_index()

    def _sides(self, end: float) -> tuple[pd.Series, pd.Series]:
        before = self.purchases["day"] <= end
        return before, ~before


def _counted(name: str, rows: pd.DataFrame, customers: pd.Index) -> dict[str, pd.Series]:
    sums = rows.groupby("customer_id")["spend"].agg(["size", "sum"]).reindex(customers).fillna(0)
    return {f"{name}_purchases": sums["size"], f"{name}_spend": sums["sum"]}


def simulate(seed: int, customers: int, truth: Truth = Truth()) -> Shop:  # noqa: B008 - a value
    """Customers who come in evenly over the first two thirds of the shop's days."""
    random = np.random.default_rng(seed)
    rates = np.maximum(random.gamma(truth.r, 1 / truth.alpha, customers) / 7, 1e-9)
    leaving = random.beta(truth.a, truth.b, customers)
    scales = random.gamma(truth.q, 1 / truth.v, customers)
    rows = []
    for number in range(customers):
        day = random.uniform(0, DAYS * 2 / 3)
        while day <= DAYS:
            rows.append((f"c{number:05}", day, random.gamma(truth.p, 1 / scales[number])))
            if len(rows) > 1 and rows[-2][0] == rows[-1][0] and random.random() < leaving[number]:
                break
            day += random.exponential(1 / rates[number])
    return Shop(pd.DataFrame(rows, columns=["customer_id", "day", "spend"]))
