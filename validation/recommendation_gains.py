"""Expected and true gains of the recommended discounts, in simulated shops of known effect.

    python -m validation.recommendation_gains     writes docs/validation/recommendation-gains.md

The best of many estimates is too good on average, unless estimates are drawn toward their mean as
far as their errors demand. Each shop has products of different elasticity, of which it is known
what a discount would gain. Shops differ in their mean elasticity, too: if all were alike, a shop's
own error, which no product shows, would be what decides close to break-even.
"""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.pooling import estimate
from d1lab.analyses.discounts.recommendation_rule import Product, recommend
from validation.simulate_discounts import PRICE, demand, frame, runs

PROOF = Path(__file__).parents[1] / "docs" / "validation" / "recommendation-gains.md"
SHOPS, SKUS, WEEKS = 30, 200, 52
SEED = 15
MEANS, SPREADS = (-1.5, -2.0, -2.5, -3.0), (0.2, 0.5)  # elasticity, over products
BETWEEN = 0.3  # standard deviation of the shops' mean elasticities
MARGINS = (0.25, 0.4, 0.5, 0.6)
DEPTHS = (0.1, 0.15, 0.25, 0.35)
HORIZON_WEEKS = 4
MEAN_WEEK = float(np.exp(0.2**2 / 2))  # of the week effects of `demand`, which are log-normal
FEWEST = 200  # recommended discounts; with fewer, the sum of a cell is noise
LIMIT = 0.1


class Cell(NamedTuple):
    """How the products of simulated shops react to price."""

    mean: float
    spread: float
    between: float = BETWEEN
    skus: int = SKUS


class Gains(NamedTuple):
    """Sums over the recommended discounts of one shop."""

    discounts: int
    won: int  # that truly gain
    said: float
    true: float


def simulate(cell: Cell, number: int) -> list[Gains]:
    """Return what is expected and true in one shop, at each margin."""
    random = np.random.default_rng(
        [SEED, number, round(-100 * cell.mean), round(100 * cell.spread)]
    )
    slope = random.normal(random.normal(cell.mean, cell.between), cell.spread, cell.skus)
    depth = random.choice(DEPTHS, cell.skus)
    level = np.exp(random.normal(1, 0.7, cell.skus))
    on = runs(cell.skus, WEEKS, 4, 8, random)
    units = demand(on, 1.0, (1 - depth) ** slope - 1, random, level=level)
    found = estimate(frame(units, np.where(on, units, 0), depth))
    rows = found.products.skus.set_index("sku").reindex([f"s{sku:05}" for sku in range(cell.skus)])
    off = ~on & np.isfinite(rows["slope"].to_numpy())[:, None]
    regular = np.where(off, units, 0).sum(axis=1) / np.maximum(off.sum(axis=1), 1) * HORIZON_WEEKS
    known = [
        Product(PRICE, None, regular[sku], row.slope, row.error_ahead, depth[sku], depth[sku])
        for sku, row in enumerate(rows.itertuples())
    ]
    known = [one._replace(drift=found.products.drift or 0.0) for one in known]
    truth = level * MEAN_WEEK * HORIZON_WEEKS
    return [_gains(known, slope, truth, margin) for margin in MARGINS]


def _gains(known: list[Product], slope: Any, units: Any, margin: float) -> Gains:
    cost, said, true = PRICE * (1 - margin), [], []
    for sku, product in enumerate(known):
        if not product.units > 0:
            continue
        advice = recommend(product._replace(cost=cost))
        if advice.decision == "discount" and advice.depth is not None and advice.gain is not None:
            kept = PRICE * (1 - advice.depth) - cost
            said.append(advice.gain)
            true.append(units[sku] * ((1 - advice.depth) ** slope[sku] * kept - (PRICE - cost)))
    return Gains(len(true), sum(one > 0 for one in true), float(sum(said)), float(sum(true)))


class Ratio(NamedTuple):
    """Expected / true gain over shops, with the standard error of its sampling."""

    discounts: int
    won: int
    said: float
    true: float
    error: float

    @property
    def excess(self) -> float:
        """Expected / true - 1."""
        return self.said / self.true - 1

    @property
    def within(self) -> bool:
        """Whether the sum of what is expected is within the limit of the true one."""
        return abs(self.excess) <= LIMIT


def ratio(shops: list[Gains]) -> Ratio:
    """Return the ratio of the sums, and the error of it (delta method over shops)."""
    count, won, said, true = (float(total) for total in np.array(shops, dtype=float).sum(axis=0))
    ahead = said / true if true else np.nan
    left = sum((one.said - ahead * one.true) ** 2 for one in shops) ** 0.5
    return Ratio(int(count), int(won), said, true, left / true if true else np.nan)


def cells(between: float) -> list[tuple[Cell, list[Ratio]]]:
    """Return the ratio of every cell at every margin."""
    found = []
    with get_context("spawn").Pool(2) as pool:
        for cell in (Cell(mean, spread, between) for mean in MEANS for spread in SPREADS):
            shops = pool.starmap(simulate, [(cell, number) for number in range(SHOPS)])
            found.append((cell, [ratio(list(one)) for one in zip(*shops, strict=True)]))
    return found


def lines(found: list[tuple[Cell, list[Ratio]]]) -> str:
    """Return one line of the table per cell and margin with a recommended discount."""
    return "\n".join(
        f"| {cell.mean:.1f} ({cell.spread:.1f}) | {margin:.0%} | {one.discounts:,} "
        f"| {one.won / one.discounts:.0%} | {one.said:,.0f} | {one.true:,.0f} "
        f"| {_shown(one)} | {_judged(one)} |"
        for cell, ratios in found
        for margin, one in zip(MARGINS, ratios, strict=True)
        if one.discounts
    )


def _shown(one: Ratio) -> str:
    return f"{one.excess:+.0%} ({one.error:.0%})" if one.true > 0 else "-"


def _judged(one: Ratio) -> str:
    return "too few" if one.discounts < FEWEST else "yes" if one.within else "no"


def summed(found: list[tuple[Cell, list[Ratio]]]) -> str:
    """Return the sums over all cells, in words."""
    every = [one for _, ratios in found for one in ratios]
    said, true = sum(one.said for one in every), sum(one.true for one in every)
    judged = [one for one in every if one.discounts >= FEWEST]
    few = [one for one in every if one.discounts < FEWEST]
    return (
        f"Over all lines, {said:,.0f} were expected and {true:,.0f} are true "
        f"({said / true - 1:+.0%}). {sum(one.within for one in judged)} of {len(judged)} cells "
        f"with {FEWEST} or more discounts are within 10%. The others have "
        f"{sum(one.discounts for one in few):,} discounts together, with "
        f"{sum(one.said for one in few):,.0f} expected and "
        f"{sum(one.true for one in few):,.0f} true."
    )


_HEAD = """| Elasticity (sd) | Margin | Discounts | Truly gain | Expected | True | Ratio | In 10% |
|---|---:|---:|---:|---:|---:|---:|---|"""

_PAGE = """# Expected gains of recommended discounts

Written by `python -m validation.recommendation_gains`; do not edit by hand.

{shops} simulated shops per cell (seed {seed}), each with {skus} products over {weeks} weeks. Offers
come and go; elasticities differ between products, and the shops' means differ with a standard
deviation of {between}. Expected gains are those of the recommendation; true gains follow from the
product's true elasticity and true sales. *Ratio* is expected / true - 1, with its
standard error. Cells without a recommended discount are left out.

{differ_sum}

{head}
{differ}

## If all shops had the same mean

Nothing in one shop's data shows by how much its mean elasticity is misestimated, and all its
products share that error. Where shops differ, errors in both directions balance. If all shops had
the same mean, and a discount hardly paid, it would be recommended in the shops that err toward it,
and the few expected gains would be too high there. The same holds of cells above whose products
hardly ever reach break-even. The error of a shop cannot be seen in its own data; how much of the
rest is due to the lower bound on the spread was not examined.

{same_sum}

{head}
{same}
"""


def main() -> None:
    """Simulate all cells, and write and print the page."""
    differ, same = cells(BETWEEN), cells(0.0)
    page = _PAGE.format(
        head=_HEAD, shops=SHOPS, skus=SKUS, weeks=WEEKS, seed=SEED, between=BETWEEN,
        differ=lines(differ), differ_sum=summed(differ), same=lines(same), same_sum=summed(same),
    )  # fmt: skip
    PROOF.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
