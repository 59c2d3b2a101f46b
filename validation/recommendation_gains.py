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
from d1lab.analyses.discounts.recommendation_rule import Product, Recommendation, recommend
from d1lab.analyses.discounts.total_gain import total_gain
from validation.simulate_discounts import PRICE, demand, frame, runs

Frame = Any

PROOF = Path(__file__).parents[1] / "docs" / "validation" / "recommendation-gains.md"
SKUS, WEEKS = 200, 52
BATCH, MOST_SHOPS = 20, 40  # shops are added while a ratio is less precise than `PRECISE`
SEED = 15
MEANS, SPREADS = (-1.5, -2.0, -2.5, -3.0), (0.2, 0.5, 1.0)  # elasticity, over products
BETWEEN = 0.3  # standard deviation of the shops' mean elasticities
MARGINS = (0.25, 0.4, 0.5, 0.6)
DEPTHS = (0.1, 0.15, 0.25, 0.35)
HORIZON_WEEKS = 4
MEAN_WEEK = float(np.exp(0.2**2 / 2))  # of the week effects of `demand`, which are log-normal
FEWEST = 200  # recommended discounts of a cell that is judged
PRECISE = 0.05  # maximum standard error of a ratio that is judged
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
    low: float = 0.0  # 90% interval of the true sum
    high: float = 0.0

    @property
    def covered(self) -> bool:
        """Whether the interval holds the true sum."""
        return self.low <= self.true <= self.high


def simulate(cell: Cell, number: int) -> list[Gains]:
    """Return what is expected and true in one shop, at each margin."""
    import pandas as pd

    random = np.random.default_rng(
        [SEED, number, round(-100 * cell.mean), round(100 * cell.spread)]
    )
    slope = random.normal(random.normal(cell.mean, cell.between), cell.spread, cell.skus)
    depth = random.choice(DEPTHS, cell.skus)
    level = np.exp(random.normal(1, 0.7, cell.skus))
    on = runs(cell.skus, WEEKS, 4, 8, random)
    units = demand(on, 1.0, (1 - depth) ** slope - 1, random, level=level)
    found = estimate(frame(units, np.where(on, units, 0), depth))
    names = [f"s{sku:05}" for sku in range(cell.skus)]
    rows = found.products.skus.set_index("sku").reindex(names)
    truth = pd.DataFrame({"depth": depth, "true_slope": slope}, index=names)
    truth["true_units"] = level * MEAN_WEEK * HORIZON_WEEKS
    known = rows.join(truth)[rows["regular_weekly"] > 0].assign(
        drift=found.products.drift or 0.0,
        regular_units=rows["regular_weekly"] * HORIZON_WEEKS,
        unit_price=PRICE,
    )
    return [_gains(known.reset_index(), margin) for margin in MARGINS]


def _gains(known: Frame, margin: float) -> Gains:
    cost = PRICE * (1 - margin)
    known = known.rename(columns={"error_ahead": "slope_error"})
    advice = [_advice(row, cost) for row in known.to_dict("records")]
    told = known.assign(
        unit_cost=cost,
        decision=[one.decision for one in advice],
        gain=[one.gain for one in advice],
        depth=[one.depth for one in advice],
    )
    told = told[told["decision"] == "discount"]
    if told.empty:
        return Gains(0, 0, 0.0, 0.0)
    depth = told["depth"].astype(float)
    lift = (1 - depth) ** told["true_slope"]
    true = told["true_units"] * (lift * (PRICE * (1 - depth) - cost) - (PRICE - cost))
    total = total_gain(told)
    return Gains(len(told), int((true > 0).sum()), total.value, float(true.sum()), *total[1:])


def _advice(row: dict[str, Any], cost: float) -> Recommendation:
    slope, depth = (row["slope"], row["slope_error"]), (row["depth"], row["depth"])
    product = Product(PRICE, cost, row["regular_units"], *slope, *depth)
    return recommend(product._replace(drift=row["drift"]))


class Ratio(NamedTuple):
    """Expected / true gain over shops, with the standard error of its sampling."""

    discounts: int
    won: int
    said: float
    true: float
    error: float
    shops: int  # with a recommended discount
    covered: int  # of them: the interval of the sum holds the true one

    @property
    def excess(self) -> float:
        """Expected / true - 1."""
        return self.said / self.true - 1 if self.true else np.nan

    @property
    def within(self) -> bool:
        """Whether the sum of what is expected is within the limit of the true one."""
        return abs(self.excess) <= LIMIT

    @property
    def judged(self) -> bool:
        """Whether there are enough discounts, and so little noise, that the ratio counts."""
        return self.discounts >= FEWEST and 0 <= self.error <= PRECISE


def ratio(shops: list[Gains]) -> Ratio:
    """Return the ratio of the sums, and the error of it (delta method over shops)."""
    count, won, said, true = (sum(one[place] for one in shops) for place in range(4))
    ahead = said / true if true else np.nan
    left = sum((one.said - ahead * one.true) ** 2 for one in shops) ** 0.5
    some = [one for one in shops if one.discounts]
    covered = sum(one.covered for one in some)
    error = left / true if true else np.nan
    return Ratio(int(count), int(won), said, true, error, len(some), covered)


def cells(between: float, spreads: tuple[float, ...]) -> list[tuple[Cell, list[Ratio]]]:
    """Return the ratio of every cell at every margin."""
    with get_context("spawn").Pool(2) as pool:
        every = [Cell(mean, spread, between) for mean in MEANS for spread in spreads]
        return [(cell, _simulated(pool, cell)) for cell in every]


def _simulated(pool: Any, cell: Cell) -> list[Ratio]:
    shops: list[list[Gains]] = []
    found: list[Ratio] = []
    while len(shops) < MOST_SHOPS:
        numbers = range(len(shops), len(shops) + BATCH)
        shops += pool.starmap(simulate, [(cell, number) for number in numbers])
        found = [ratio(list(one)) for one in zip(*shops, strict=True)]
        if all(one.judged or one.discounts < FEWEST for one in found):
            break
    return found


def lines(found: list[tuple[Cell, list[Ratio]]]) -> str:
    """Return one line of the table per cell and margin with a recommended discount."""
    return "\n".join(
        f"| {cell.mean:.1f} ({cell.spread:.1f}) | {margin:.0%} | {one.discounts:,} "
        f"| {one.won / one.discounts:.0%} | {one.said:,.0f} | {one.true:,.0f} "
        f"| {_shown(one)} | {_verdict(one)} | {one.covered} of {one.shops} |"
        for cell, ratios in found
        for margin, one in zip(MARGINS, ratios, strict=True)
        if one.discounts
    )


def _shown(one: Ratio) -> str:
    return f"{one.excess:+.0%} ({one.error:.0%})" if one.true > 0 else "-"


def _verdict(one: Ratio) -> str:
    if not one.judged:
        return "too few" if one.discounts < FEWEST else "too noisy"
    return "yes" if one.within else "no"


def summed(found: list[tuple[Cell, list[Ratio]]]) -> str:
    """Return the sums over all cells, in words."""
    every = [one for _, ratios in found for one in ratios if one.discounts]
    said, true = sum(one.said for one in every), sum(one.true for one in every)
    judged = [one for one in every if one.judged]
    others = [one for one in every if not one.judged]
    covered, shops = sum(one.covered for one in every), sum(one.shops for one in every)
    return (
        f"Over all lines, {said:,.0f} were expected and {true:,.0f} are true "
        f"({said / true - 1:+.0%}). {sum(one.within for one in judged)} of {len(judged)} judged "
        f"lines are within 10%. The others have {sum(one.discounts for one in others):,} discounts "
        f"together, with {sum(one.said for one in others):,.0f} expected and "
        f"{sum(one.true for one in others):,.0f} true. The 90% interval of a shop's total "
        f"holds the true one in {covered:,} of {shops:,} cases ({covered / shops:.0%})."
    )


_HEAD = (
    "| Elasticity (sd) | Margin | Discounts | Truly gain | Expected | True | Ratio | In 10% "
    "| 90% covers |\n|---|---:|---:|---:|---:|---:|---:|---|---:|"
)

_PAGE = """# Expected gains of recommended discounts

Written by `python -m validation.recommendation_gains`; do not edit by hand.

Simulated shops ({batch} to {most} per cell, seed {seed}), each with {skus} products over {weeks}
weeks. Offers come and go; elasticities differ between products, and the shops' means differ with a
standard deviation of {between}. Expected gains are those of the recommendation; true gains follow
from the product's true elasticity and true sales. *Ratio* is expected / true - 1, with its
standard error over shops. A line is judged from {fewest} discounts on, if that error is at most
{precise:.0%}. *90% covers* counts the shops in which the interval of the total holds the true
total. Lines without a recommended discount are left out.

{differ_sum}

{head}
{differ}

## If all shops had the same mean

Nothing in one shop's data shows by how much its mean elasticity is misestimated, and all its
products share that error. Where shops differ, errors in both directions balance. If all shops had
the same mean, and a discount hardly paid, it would be recommended in the shops that err toward it,
and the few expected gains would be too high there. The interval of the total includes that error.

{same_sum}

{head}
{same}
"""


def main() -> None:
    """Simulate all cells, and write and print the page."""
    differ, same = cells(BETWEEN, SPREADS), cells(0.0, SPREADS[:2])
    page = _PAGE.format(
        head=_HEAD, batch=BATCH, most=MOST_SHOPS, skus=SKUS, weeks=WEEKS, seed=SEED,
        between=BETWEEN, fewest=FEWEST, precise=PRECISE, differ=lines(differ),
        differ_sum=summed(differ), same=lines(same), same_sum=summed(same),
    )  # fmt: skip
    PROOF.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
