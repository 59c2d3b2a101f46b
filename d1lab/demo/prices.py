"""Simulated competitor prices based on real list prices, because no public data set has any.

Three fictitious competitors sell the shop's products with the most revenue, each at its own price
level, with drift, promotions, and stockouts. One has a different currency, and some products have
no recent observation. Every row has source = 'simulated', and every name ends with "(simulated)".
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from d1lab.ingest.prices.observations import Observation

LOOKS = 14  # weekly observations, the last one on the day before the shop's last day

_PRODUCTS = Path(__file__).with_name("prices.sql")


class Competitor(NamedTuple):
    """A fictitious competitor."""

    name: str
    site: str  # under .example, which cannot be registered (RFC 2606)
    level: float  # its prices relative to the shop's list prices
    currency: str = "USD"
    rate: float = 1.0  # units of its currency per dollar


COMPETITORS = (
    Competitor("Northgate (simulated)", "northgate.example", 1.04),
    Competitor("Budget Basket (simulated)", "budget-basket.example", 0.94),
    Competitor("Maple Market (simulated)", "maple-market.example", 1.0, "CAD", 1.3),
)


def simulate_prices(
    con: duckdb.DuckDBPyConnection, shop: str, *, skus: int, seed: int
) -> list[Observation]:
    """Simulate rows of `competitor_prices`: 14 weekly observations, oldest first.

    Args:
        con: A connection with the view `order_lines`.
        shop: Shop of the products.
        skus: Number of products, those with the most revenue.
        seed: Random seed; the same seed and orders give the same rows.
    """
    products = con.sql(_PRODUCTS.read_text(), params={"shop": shop, "skus": skus}).fetchall()
    rows = []
    for place, competitor in enumerate(COMPETITORS):
        rng = np.random.default_rng([seed, place, *shop.encode()])
        prices, there, seen = _draw(np.array([row[1] for row in products]), competitor, rng)
        for (sku, _, last_day), *looks in zip(products, prices, there, seen, strict=True):
            rows += _rows(shop, str(sku), competitor, last_day, *looks)
    return sorted(rows, key=lambda row: (row.observed_at, row.sku, row.competitor))


def _draw(
    usual: np.ndarray, competitor: Competitor, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulate price, availability, and presence of each product (row) and observation (column)."""
    shape = (len(usual), LOOKS)
    level = competitor.level * np.exp(rng.normal(0, 0.05, (len(usual), 1)))
    drift = np.exp(np.cumsum(rng.normal(0, 0.006, shape), axis=1))
    depth = rng.choice([0.1, 0.2], shape)
    promoted = np.where(_spells(rng, shape, starts=0.05, weeks=2), 1 - depth, 1.0)
    prices = usual[:, None] * level * drift * promoted * competitor.rate
    there = ~_spells(rng, shape, starts=0.03, weeks=3)
    kept = rng.random((len(usual), 1)) < 0.85  # a competitor does not sell all products
    stopped = rng.random((len(usual), 1)) < 0.08  # not observed for weeks
    seen = kept & ~(stopped & (np.arange(LOOKS) >= LOOKS - 5))
    return _as_asked(prices), there, seen


def _as_asked(prices: np.ndarray) -> np.ndarray:
    """Round prices as shops do: from 5 on, they end in 9."""
    return np.where(prices < 5, np.maximum(prices, 0.05), np.round(prices - 0.04, 1) + 0.09)


def _spells(
    rng: np.random.Generator, shape: tuple[int, int], *, starts: float, weeks: int
) -> np.ndarray:
    """Simulate periods that start at random and last several observations."""
    begins = rng.random(shape) < starts
    spell = begins.copy()
    for later in range(1, weeks):
        spell[:, later:] |= begins[:, :-later]
    return spell


def _rows(
    shop: str,
    sku: str,
    competitor: Competitor,
    last_day: date,
    prices: np.ndarray,
    there: np.ndarray,
    seen: np.ndarray,
) -> Iterator[Observation]:
    url = f"https://{competitor.site}/p/{sku}"
    for look in np.flatnonzero(seen).tolist():
        day = last_day - timedelta(days=7 * (LOOKS - 1 - look) + 1)
        yield Observation(
            shop,
            sku,
            competitor.name,
            Decimal(f"{prices[look]:.2f}"),
            competitor.currency,
            bool(there[look]),
            url,
            datetime.combine(day, time(9)),
            "simulated",
        )
