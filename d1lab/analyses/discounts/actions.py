"""Actions of the reports on discounts, products, and recommendations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.discounts import earnings, products
from d1lab.analyses.discounts.recommendations import of
from d1lab.analyses.discounts.total_gain import total_gain
from d1lab.counting import counted

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MONTH_DAYS = 30


def of_discounts(found: Any, days: int, taken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the actions of the discount report, as arguments of `lab.action`.

    Args:
        found: The report's `DiscountStudy`.
        days: Length of its period.
        taken: Products with an advice that comes before ending a discount.
    """
    by_code, codes = found.by_code, found.codes
    losing = earnings.losing(found.by_sku, taken)
    if len(losing):
        yield _cap(losing, days)
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
        "link": "list-products-sold-below-cost",
    }


def _check(leaks: Frame, days: int) -> dict[str, Any]:
    given = leaks["savings"].astype(float) * MONTH_DAYS / days
    return {
        "verb": "Check",
        "what": "{items} with far more customers than the others",
        "reason": "A code that spread beyond its audience gives money away to others.",
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
        yield _keep(alone, days, len(products.alone(sold)))
    if len(dependent):
        yield _without(dependent, _others(len(products.dependent(sold)) - len(dependent)))


def _keep(alone: Frame, days: int, listed: int) -> dict[str, Any]:
    given = alone["savings"].astype(float) * MONTH_DAYS / days
    rest = listed - len(alone)
    others = f" {counted(rest, 'other')} gave nothing away, or another advice comes first."
    left_out = others if rest else ""
    return {
        "verb": "Keep",
        "what": "{items} at full price",
        "reason": f"At least 80% of their units sell without a discount.{left_out}",
        "amount": float(given.sum()),
        "meaning": "given away",
        "at_most": True,
        "basis": "counted",
        "item": "product",
        "items": alone[["sku", "product", "units"]].assign(amount=given),
        "link": "list-products-that-sell-mostly-at-full-price",
    }


def _others(count: int) -> str:
    """Return a sentence on the products that an action leaves out; '' if there are none."""
    return f" For {counted(count, 'other')}, another advice comes first." if count else ""


def _without(dependent: Frame, left_out: str) -> dict[str, Any]:
    return {
        "verb": "Test",
        "key": "test-without",
        "what": "{items} without a discount for two weeks",
        "reason": "At least 80% of their units sell at a discount; what they sell without one is "
        f"not known.{left_out}",
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
        always = int((of(advised, "test")["reason"] == "always_on").sum())
        yield _learn(test[is_always], _others(always - int(is_always.sum())))


def _discount(rows: Frame, horizon_days: int) -> dict[str, Any]:
    """Return the advice to discount, with the 90% interval of the total gain."""
    scale = MONTH_DAYS / horizon_days
    amount, (_, low, high) = rows["gain"].astype(float) * scale, total_gain(rows)
    return {
        "verb": "Discount",
        "what": "{items}",
        "reason": "Judged by earlier discounts, each is at least 80% likely to raise profit.",
        "amount": float(amount.sum()),
        "low": low * scale,
        "high": high * scale,
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
        "reason": "They may gain from one, but that is uncertain. A test costs less than knowing "
        "is worth.",
        "basis": "estimate",
        "item": "product",
        "items": rows[["sku", "product", "depth", "plan_orders", "plan_days"]],
        "link": "list-products-to-test",
    }


def _learn(rows: Frame, left_out: str) -> dict[str, Any]:
    return {
        "verb": "Test",
        "key": "test-always",
        "what": "{items} without a discount for two weeks",
        "reason": "They are always discounted, so what the discount brings is not known."
        + left_out,
        "basis": "counted",
        "item": "product",
        "items": rows[["sku", "product", "plan_days"]],
        "link": "list-products-to-test",
    }
