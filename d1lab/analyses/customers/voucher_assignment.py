"""Which overdue customers get a voucher, and which are held out: a random half of each stratum."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

STRATA, FEWEST_PER_STRATUM = 5, 10
"""Strata by expected value; fewer for fewer than 50 customers."""

WINDOW_DAYS = 60
"""Days in which purchases count, by default."""


def assign(overdue: Frame, seed: int) -> Frame:
    """Draw the half that gets the voucher.

    Args:
        overdue: Result of `groups.overdue`: the column `pace` is the expected value in a year.
        seed: Seed of the draw. The same customers and seed always give the same halves.

    Returns:
        Columns customer_id, stratum (1 has the highest expected value), is_sent, and pace. In each
        stratum, both halves are equal; of an odd number, odd strata send one more and even strata
        hold out one more.
    """
    chosen = overdue[["customer_id", "pace"]].round({"pace": 2})
    chosen = chosen.sort_values(["pace", "customer_id"], ascending=[False, True], ignore_index=True)
    count = len(chosen)
    strata = max(min(STRATA, count // FEWEST_PER_STRATUM), 1)
    stratum = np.arange(count) * strata // max(count, 1) + 1
    drawn = chosen.assign(stratum=stratum, draw=[_draw(seed, c) for c in chosen["customer_id"]])
    grouped = drawn.groupby("stratum")["draw"]
    sent = (grouped.transform("size") + stratum % 2) // 2
    drawn["is_sent"] = grouped.rank(method="first") <= sent
    return drawn[["customer_id", "stratum", "is_sent", "pace"]]


def _draw(seed: int, customer_id: str) -> int:
    """Return a random number that depends on nothing but the seed and the customer."""
    return _number(f"{seed}:{customer_id}")


def seed_of(shop: str, voucher: str) -> int:
    """Return the seed of a test that has none of its own."""
    return _number(f"{shop}\n{voucher}")


def _number(text: str) -> int:
    """Return 48 bits of a text's hash: D1 and JSON keep such a number exactly."""
    return int.from_bytes(sha256(text.encode()).digest()[:6], "big")
