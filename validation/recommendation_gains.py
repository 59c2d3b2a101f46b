"""Expected and true gains of the recommended discounts, in simulated shops of known effect.

    python -m validation.recommendation_gains     writes docs/validation/recommendation-gains.md

The best of many estimates is too good on average, unless estimates are drawn toward their mean as
far as their errors demand. Each shop has products of different elasticity, of which it is known
what a discount would gain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.pooling import estimate
from d1lab.analyses.discounts.recommendation_rule import Product, recommend
from validation.simulate_discounts import PRICE, demand, frame, runs

PROOF = Path(__file__).parents[1] / "docs" / "validation" / "recommendation-gains.md"
SHOPS, SKUS, WEEKS = 40, 200, 52
SEED = 15
SLOPES = ((-2.0, 0.5), (-2.0, 1.0), (-3.0, 0.5))  # mean and standard deviation over products
MARGINS = (0.4, 0.6)
HORIZON_WEEKS = 4
MEAN_WEEK = float(np.exp(0.2**2 / 2))  # of the week effects of `demand`, which are log-normal


class Gains(NamedTuple):
    """Recommended discounts of one shop, per product."""

    said: Any
    true: Any


def simulate(mean: float, spread: float, margin: float, random: Any) -> Gains:
    """Return expected and true gains of the discounts recommended in one shop."""
    slope = random.normal(mean, spread, SKUS)
    depth = random.choice([0.15, 0.25, 0.35], SKUS)
    level = np.exp(random.normal(1, 0.7, SKUS))
    on = runs(SKUS, WEEKS, 4, 8, random)
    lift = (1 - depth) ** slope - 1
    units = demand(on, 1.0, lift, random, level=level)
    found = estimate(frame(units, np.where(on, units, 0), depth))
    slopes = found.products.skus.set_index("sku")
    said, true = [], []
    for sku in range(SKUS):
        row = slopes.loc[f"s{sku:05}"] if f"s{sku:05}" in slopes.index else None
        if row is None:
            continue
        regular = units[sku][~on[sku]].mean() * HORIZON_WEEKS
        if not regular > 0:
            continue
        cost = PRICE * (1 - margin)
        known = Product(
            PRICE, cost, regular, row["slope"], row["error_ahead"], depth[sku], depth[sku]
        )
        advice = recommend(known)
        if advice.decision == "discount" and advice.depth is not None:
            kept = PRICE * (1 - advice.depth) - cost
            gained = (1 - advice.depth) ** slope[sku] * kept - (PRICE - cost)
            said.append(advice.gain)
            true.append(level[sku] * MEAN_WEEK * HORIZON_WEEKS * gained)
    return Gains(np.array(said), np.array(true))


def row(mean: float, spread: float, margin: float, number: int) -> tuple[str, float, float]:
    """Return one line of the table, with its expected and true gain."""
    random = np.random.default_rng([SEED, number])
    shops = [simulate(mean, spread, margin, random) for _ in range(SHOPS)]
    said, true = (sum(float(one[at].sum()) for one in shops) for at in (0, 1))
    count = sum(len(one.said) for one in shops)
    won = sum(int((one.true > 0).sum()) for one in shops)
    ratio = f"{said / true - 1:+.0%}" if true > 0 else "-"
    line = (
        f"| {mean:.1f} ({spread:.1f}) | {margin:.0%} | {count:,} | {won / max(count, 1):.0%} "
        f"| {said:,.0f} | {true:,.0f} | {ratio} |"
    )
    return line, said, true


_PAGE = """# Expected gains of recommended discounts

Written by `python -m validation.recommendation_gains`; do not edit by hand.

{shops} simulated shops per line (seed {seed}), each with {skus} products over {weeks} weeks. Offers
come and go; elasticities differ between products. Expected gains are those of the recommendation;
true gains follow from the product's true elasticity and true sales.

Over all lines, {said:,.0f} were expected and {true:,.0f} are true ({ratio:+.0%}).

| Elasticity, mean (sd) | Margin | Discounts | Truly gain | Expected | True | Expected vs. true |
|---|---:|---:|---:|---:|---:|---:|
{rows}
"""


def main() -> None:
    """Simulate all cells, and write and print the page."""
    cells = [(mean, spread, margin) for mean, spread in SLOPES for margin in MARGINS]
    lines = [row(*cell, number) for number, cell in enumerate(cells)]
    said, true = (sum(line[at] for line in lines) for at in (1, 2))
    shown = {"rows": "\n".join(line[0] for line in lines), "ratio": said / true - 1}
    size = {"shops": SHOPS, "skus": SKUS, "weeks": WEEKS, "seed": SEED}
    page = _PAGE.format(**size, **shown, said=said, true=true)
    PROOF.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
