"""Actions of the inventory report: order, clear, pause a discount."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.inventory import tables as frames
from d1lab.analyses.inventory.order_list import MONTH_DAYS, profit_at_risk
from d1lab.analyses.inventory.study import Frame, InventoryStudy
from d1lab.counting import counted


def declared(found: InventoryStudy, taken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`.

    Args:
        found: Results of `study`.
        taken: Products with an advice that comes before pausing a discount.
    """
    short, dead = frames.short(found), frames.dead(found)
    if len(short):
        yield _order(found, short)
    if len(dead):
        yield _clear(dead)
    moved = frames.moved(found)
    less = moved[moved["surely_less"].eq(True) & ~moved["sku"].isin(taken)]
    if len(less):
        yield _pause(found, less)


def _order(found: InventoryStudy, short: Frame) -> dict[str, Any]:
    lead_days = found.plan.lead_days
    amount = profit_at_risk(short, lead_days)
    low, high = _range_at_risk(short[amount.notna()], lead_days)
    out = int((short["ending_units"] <= 0).sum())
    known = int(amount.notna().sum())
    gone = f"{out:,} out of stock already. " if out else ""
    reason = f"A delivery takes {lead_days} days. {gone}Pause discounts meanwhile."
    if 0 < known < len(short):
        reason += f" Unit cost known for {known:,}."
    names = ["sku", "product", "order_units", "days_of_supply", "ending_units", "why"]
    return {
        "verb": "Order",
        "what": "{items} before they run out" if len(short) > 1 else "{items} before it runs out",
        "reason": reason,
        "amount": float(amount.sum()) if known else None,
        "low": low,
        "high": high,
        "meaning": "at risk",
        "basis": "estimate",
        "item": "product",
        "items": short[names].assign(amount=amount),
        "link": "list-products-to-reorder",
    }


def _range_at_risk(priced: Frame, lead_days: float) -> tuple[float | None, float | None]:
    """Return the sums of the ends of the products' 90% ranges; None if a product has no range.

    This is wider than a 90% range of the sum: products rarely all sell at the same end.
    """
    ends = [profit_at_risk(priced, lead_days, f"velocity_{end}") for end in ("low", "high")]
    if priced.empty or any(end.isna().any() for end in ends):
        return None, None
    return float(ends[0].sum()), float(ends[1].sum())


def _clear(dead: Frame) -> dict[str, Any]:
    at_cost = dead["tied_up_at_cost"].astype(float)
    value = at_cost if at_cost.notna().all() else dead["tied_up"].astype(float)
    basis = "at cost" if at_cost.notna().all() else "at the selling price"
    is_known = value.notna().any()
    names = ["sku", "product", "ending_units", "idle_days"]
    return {
        "verb": "Clear",
        "what": "{items} without a sale",
        "reason": f"In stock, but not sold for {counted(int(dead['idle_days'].min()), 'day')} or "
        f"more. Valued {basis}.",
        "amount": float(value.sum()) if is_known else None,
        "meaning": "tied up",
        "per": "once",
        "basis": "counted",
        "item": "product",
        "items": dead[names].assign(amount=value),
        "link": "list-dead-stock-to-clear",
    }


def _pause(found: InventoryStudy, less: Frame) -> dict[str, Any]:
    given = less["discount_given"].astype(float) * MONTH_DAYS / found.days
    return {
        "verb": "Pause",
        "what": "the discount of {items}",
        "reason": "These sold less in weeks with a discount on offer than in other weeks.",
        "amount": float(given.sum()),
        "meaning": "given away",
        "basis": "counted",
        "item": "product",
        "items": less[["sku", "product"]].assign(amount=given),
        "link": "list-discounts",
    }
