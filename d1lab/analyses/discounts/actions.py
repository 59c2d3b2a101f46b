"""Actions of the reports on discounts, products, and recommendations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.discounts import products
from d1lab.analyses.discounts.recommendations import of

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MONTH_DAYS = 30


def of_discounts(found: Any, days: int, taken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the actions of the discount report, as arguments of `lab.action`.

    Args:
        found: The report's `DiscountStudy`.
        days: Length of its period.
        taken: Products with an advice that comes before ending a discount.
    """
    by_sku, by_code, codes = found.by_sku, found.by_code, found.codes
    losing = by_sku[(by_sku["margin_after"].astype(float) < 0) & ~by_sku["sku"].isin(taken)]
    if len(losing):
        yield _cap(losing.sort_values(["margin_after", "sku"]), days)
    leaking = codes[codes["leaks"].eq(True)]["discount_code"]
    leaks = by_code[by_code["discount_code"].isin(leaking)]
    if len(leaks):
        yield _check(leaks, days)


def _cap(losing: Frame, days: int) -> dict[str, Any]:
    lost = -losing["margin_after"].astype(float) * MONTH_DAYS / days
    earning = int((losing["margin_before"].astype(float) > 0).sum())
    told = "All of them" if earning == len(losing) else f"{earning:,} of them"
    return {
        "verb": "Cap",
        "what": "the discount of {items} sold below cost",
        "reason": f"{told} would earn money at list price. Worst: {losing['name'].iloc[0]}.",
        "amount": float(lost.sum()),
        "meaning": "lost",
        "basis": "counted",
        "item": "product",
        "items": losing[["sku", "name", "depth"]].assign(amount=lost),
        "link": "list-cost-by-product",
    }


def _check(leaks: Frame, days: int) -> dict[str, Any]:
    given = leaks["savings"].astype(float) * MONTH_DAYS / days
    return {
        "verb": "Check",
        "what": "{items} with far more customers than the others",
        "reason": "A code that spread beyond its audience gives away what it need not.",
        "amount": float(given.sum()),
        "meaning": "given away",
        "at_most": True,
        "basis": "counted",
        "item": "code",
        "items": leaks[["discount_code", "customers"]].assign(amount=given),
        "link": "list-customers-per-code",
    }


def of_products(sold: Frame, days: int, taken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the actions of the product report, as arguments of `lab.action`.

    Args:
        sold: Rows of the metric `products`.
        days: Length of the period.
        taken: Products with another advice, which comes first.
    """
    free = sold[~sold["sku"].isin(taken)]
    alone, dependent = products.alone(free), products.dependent(free)
    alone = alone[alone["savings"].astype(float) > 0].sort_values(
        ["savings", "sku"], ascending=[False, True]
    )
    if len(alone):
        yield _keep(alone, days)
    if len(dependent):
        yield _without(dependent)


def _keep(alone: Frame, days: int) -> dict[str, Any]:
    given = alone["savings"].astype(float) * MONTH_DAYS / days
    return {
        "verb": "Keep",
        "what": "{items} at full price",
        "reason": "At least 80% of their units sell without a discount.",
        "amount": float(given.sum()),
        "meaning": "given away",
        "at_most": True,
        "basis": "counted",
        "item": "product",
        "items": alone[["sku", "product", "units"]].assign(amount=given),
        "link": "list-products-that-sell-mostly-at-full-price",
    }


def _without(dependent: Frame) -> dict[str, Any]:
    return {
        "verb": "Test",
        "key": "test-without",
        "what": "{items} two weeks without a discount",
        "reason": "At least 80% of their units sell at a discount; what they sell without one is "
        "not known.",
        "basis": "counted",
        "item": "product",
        "items": dependent[["sku", "product", "units", "savings"]],
        "link": "list-products-that-sell-mostly-on-discount",
    }


def of_recommendations(
    advised: Frame, horizon_days: int, taken: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the actions of the recommendation report, as arguments of `lab.action`.

    Args:
        advised: Result of `recommendations.advise`.
        horizon_days: Days of the expected gains.
        taken: Products with an advice that comes before discounts.
    """
    free = advised[~advised["sku"].isin(taken)]
    discount, test = of(free, "discount"), of(free, "test")
    if len(discount):
        yield _discount(discount, horizon_days)
    is_always = test["reason"] == "always_on"
    if len(test[~is_always]):
        yield _test(test[~is_always])
    if is_always.any():
        yield _learn(test[is_always])


def _discount(rows: Frame, horizon_days: int) -> dict[str, Any]:
    """Return the advice to discount; its range is the sum of the products' ranges.

    Their errors go together, because products with few sales share the shop's elasticity.
    """
    scale = MONTH_DAYS / horizon_days
    amount, low, high = (
        rows[name].astype(float) * scale for name in ("gain", "gain_low", "gain_high")
    )
    return {
        "verb": "Discount",
        "what": "{items}",
        "reason": "A profit gain is at least 80% likely, from what discounts sold before.",
        "amount": float(amount.sum()),
        "low": float(low.sum()),
        "high": float(high.sum()),
        "basis": "estimate",
        "item": "product",
        "items": rows[["sku", "product", "depth"]].assign(amount=amount),
        "link": "list-products-to-discount",
    }


def _test(rows: Frame) -> dict[str, Any]:
    return {
        "verb": "Test",
        "key": "test-discount",
        "what": "a discount on {items}",
        "reason": "A gain is possible but uncertain; knowing is worth more than a test costs.",
        "basis": "estimate",
        "item": "product",
        "items": rows[["sku", "product", "depth", "plan_orders", "plan_days"]],
        "link": "list-products-to-test",
    }


def _learn(rows: Frame) -> dict[str, Any]:
    return {
        "verb": "Test",
        "key": "test-always",
        "what": "{items} two weeks without a discount",
        "reason": "They are always discounted, so what the discount brings is not known.",
        "basis": "counted",
        "item": "product",
        "items": rows[["sku", "product", "plan_days"]],
        "link": "list-products-to-test",
    }
