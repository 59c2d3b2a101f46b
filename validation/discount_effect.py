"""Coverage of the discount effect in simulated shops of known effect.

    python -m validation.discount_effect     writes docs/validation/discount-effect.md

Each cell simulates shops with fixed seeds: discounts that everyone gets and codes that some use,
that are always there, that run for some products and weeks, and that come and go.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.effect import REASONS, shop_effect
from d1lab.analyses.discount_effect.history import history
from validation.simulate_discounts import demand, frame, half_window, runs

PROOF = Path(__file__).parents[1] / "docs" / "validation" / "discount-effect.md"
SHOPS, SKUS, WEEKS = 60, 150, 52
SEED = 14


class Cell(NamedTuple):
    """One kind of shop."""

    name: str
    rate: float  # mean units of a product in a week
    lift: float  # true
    uptake: float  # share of units with the discount while it is on
    pattern: str  # always, window, long or short runs


SHARES = (0.5, 0.3, 0.15)
TRUTHS = ((0.8, 0.78), (2.0, 0.0), (5.0, 0.78))  # units a week, lift
HALF = "15 weeks, half of the products"
CELLS = (
    *(Cell(f"code on {share:.0%} of units, always", 2, 0, share, "always") for share in SHARES),
    *(
        Cell(f"code on {share:.0%} of units, {HALF}", rate, 0, share, "window")
        for share in SHARES
        for rate, _ in TRUTHS
    ),
    *(Cell(f"for everyone, {HALF}", rate, lift, 1, "window") for rate, lift in TRUTHS),
    *(Cell("for everyone, comes and goes", rate, lift, 1, "runs") for rate, lift in TRUTHS),
)


def simulate(cell: Cell, random: Any) -> Any:
    """Return the effect that d1lab finds in one simulated shop."""
    if cell.pattern == "always":
        on = np.ones((SKUS, WEEKS), dtype=bool)
    elif cell.pattern == "window":
        on = half_window(SKUS, WEEKS, 15, 30)
    else:
        on = runs(SKUS, WEEKS, 4, 6, random)
    units = demand(on, cell.rate, cell.lift, random)
    taken = random.binomial(units, np.where(on, cell.uptake, 0.0))
    return shop_effect(history(frame(units, taken))).effect


def row(cell: Cell, number: int) -> str:
    """Return a cell's line of the table."""
    random = np.random.default_rng([SEED, number])
    found = [simulate(cell, random) for _ in range(SHOPS)]
    known = [one for one in found if one.reason is None]
    told = Counter(REASONS[one.reason] for one in found if one.reason)
    why = "; ".join(f"{count} x {reason}" for reason, count in told.items())
    head = f"| {cell.name} | {cell.rate:.1f} | {cell.lift:+.0%} "
    if not known:
        return f"{head}| - | - | {len(known)} | {why} |"
    mean = np.mean([one.lift for one in known])
    covered = np.mean([one.low <= cell.lift <= one.high for one in known])
    return f"{head}| {mean:+.1%} | {covered:.0%} | {len(known)} | {why or '-'} |"


_PAGE = """# Coverage of the discount effect

Written by `python -m validation.discount_effect`; do not edit by hand.

{shops} simulated shops per line (seed {seed}), each with {skus} products over {weeks} weeks. Units
are gamma-Poisson (variance above the mean); levels differ between products and weeks. The estimate
is that of `d1lab.analyses.discount_effect`, from sales and uses only: it is not told when the
discount was on offer.

| Discount | Units a week | True lift | Mean estimate | 95% covers | Answers | Not available |
|---|---:|---:|---:|---:|---:|---|
{rows}

A discount for everyone whose offers come and go is read from the sales themselves. Where a product
sells less than once a week, whole offers pass without a sale, so such products are left out.
"""


def main() -> None:
    """Simulate all cells, and write and print the page."""
    rows = "\n".join(row(cell, number) for number, cell in enumerate(CELLS))
    page = _PAGE.format(shops=SHOPS, seed=SEED, skus=SKUS, weeks=WEEKS, rows=rows)
    PROOF.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
