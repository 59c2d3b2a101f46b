"""What the report says in sentences, and its key figures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.competitor_prices import tables as lists
from d1lab.analyses.competitor_prices.study import Frame, Study
from d1lab.display import money
from d1lab.display.sources import are_simulated

NO_PRICES = (
    "no competitor's price for {shop} was seen up to {until}. `d1lab ingest prices` reads them "
    "from a file or from product pages; prices seen later need a later as_of."
)

NO_CURRENCY = (
    'which currency {shop} counts in is not known, so no price compares: write currency = "EUR" '
    "under [databases.NAME] in d1lab.toml"
)


def verdict(found: Study) -> dict[str, str]:
    """The report's answer: a sentence, a second one that names what to do first, a status."""
    known = lists.compared(found)
    if known.empty:
        return {
            "text": "Where the shop's prices stand is not known: no competitor's price compares.",
            "status": "unknown",
            "detail": f"Of {len(found.looks):,} prices seen: {_counted(lists.reasons(found))}.",
        }
    cut, alerts = lists.undercut(found), lists.alerts(found)
    cheapest = int((known["rank"] == 1).sum())
    text = (
        f"Nobody asks less for {cheapest:,} of {len(known):,} products with a comparable price; "
        f"for {len(cut):,} a competitor asks at least {found.rule.threshold:.0%} less."
    )
    status = "good" if cut.empty else "bad" if len(alerts) else "neutral"
    return {"text": text, "status": status, "detail": _detail(found, cut, alerts)}


def _detail(found: Study, cut: Frame, alerts: Frame) -> str:
    if len(alerts):
        first = alerts.iloc[0]
        return (
            f"{len(alerts):,} can be matched and keep a margin of {found.rule.margin_floor:.0%}; "
            f"first: {first['product']}, at {money(first['cheapest'])} from {first['cheapest_at']}."
        )
    if cut.empty:
        return "No price calls for an answer."
    reasons = cut.groupby("why", as_index=False).agg(looks=("sku", "size"))
    told = f"None of these is answered: {_counted(reasons.sort_values('looks', ascending=False))}."
    no_cost = (cut["answer_reason"] == "no_cost").any()
    return f"{told} `d1lab ingest costs` reads costs." if no_cost else told


def _counted(reasons: Frame) -> str:
    pairs = zip(reasons["why"], reasons["looks"], strict=True)
    return "; ".join(f"{why} ({count:,})" for why, count in pairs)


def figures(found: Study) -> Iterator[dict[str, Any]]:
    """Index, undercut, alerts; then room to raise and how much of the looks compares."""
    known, cut = lists.compared(found), lists.undercut(found)
    nothing = None if len(known) else "no competitor's price compares"
    index = float(known["price_index"].median()) if len(known) else None
    told = f"1 is the competitors' median; half of {len(known):,} products lie above"
    yield {"metric": "price_index", "value": index, "note": nothing or told}
    yield {"metric": "undercut_products", "value": None if nothing else len(cut), "note": nothing}
    yield _alerts(found, cut, nothing)
    yield {"metric": "room_products", "value": None if nothing else len(lists.room(found))}
    share = float(found.looks["reason"].isna().mean())
    yield {"metric": "compared_share", "value": share}


def _alerts(found: Study, cut: Frame, nothing: str | None) -> dict[str, Any]:
    """How many to match; unknown where a cost is missing for each that could be."""
    count = len(lists.alerts(found))
    unknown = int((cut["answer_reason"] == "no_cost").sum())
    if nothing or (unknown and not count):
        note = nothing or f"the cost of {unknown:,} undercut products is not known"
        return {"metric": "to_match", "value": None, "note": note}
    note = f"the cost of {unknown:,} more is not known" if unknown else ""
    return {"metric": "to_match", "value": count, "note": note}


def rules(found: Study) -> str:
    """What stands behind an alert."""
    rule = found.rule
    return (
        f"An alert needs all of these: a competitor asks {rule.threshold:.0%} less or more for it; "
        f"matching leaves a margin of {rule.margin_floor:.0%} of the new price; the stock on hand "
        f"lasts the {rule.lead_time_days:g} days of a delivery. Where no stock is recorded, that "
        "gate is open. What a lower price sells more, only a test tells."
    )


def limits(found: Study, simulated: Collection[str]) -> str:
    """What the reader must know of the data."""
    untold = int((found.looks["in_stock"].isna() & found.looks["reason"].isna()).sum())
    told = (
        f"Own prices are list prices, before discounts, and taken to be in {found.currency}; "
        "paid is the average of 28 days. A competitor's price is as its page shows it: taxes and "
        "delivery may differ."
    )
    stock = f" {untold:,} prices do not tell the stock, and count as to be had." if untold else ""
    source = are_simulated(simulated, "competitor_prices inventory_days product_costs")
    return f"{source}{told}{stock}"


def name_of(found: Study, sku: str) -> str:
    """A product as the report calls it."""
    names = found.looks.loc[found.looks["sku"] == sku, "product"]
    return str(names.iloc[0]) if len(names) else sku
