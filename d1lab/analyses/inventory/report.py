"""What the report says in sentences, and its key figures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.inventory import tables as lists
from d1lab.analyses.inventory.discount_effect import CAUSE, LEVEL, REASONS, DiscountEffect
from d1lab.analyses.inventory.study import DEAD_DAYS, Frame, Study
from d1lab.display.sources import are_simulated

FIRSTS, LONGEST = 3, 30
"""So many products of a list stand beside its number, with so many letters each: a phone's line."""

NO_STOCK = "no stock is recorded for {shop} in the {days} days to {until}"


def verdict(found: Study) -> dict[str, str]:
    """The report's answer in a sentence with a number for each list, and how to take it."""
    short, dead = lists.short(found), lists.dead(found)
    known = int(found.products["days_of_supply"].notna().sum())
    if not known:
        text = "How long the stock lasts is not known."
        return {"text": text, "status": "unknown", "detail": _span(found)}
    text = (
        f"{len(short):,} of {known:,} products {_plural(short, 'runs', 'run')} out within "
        f"{found.plan.lead_days} days; "
        f"{len(dead):,} {_plural(dead, 'lies', 'lie')} unsold; {_moved(found.effect)}."
    )
    return {"text": text, "status": "bad" if len(short) else "good"}


def _span(found: Study) -> str:
    """What to ask for where the ledger is younger than the period; '' where it is not."""
    products = found.products
    span = (products["last_day"].max() - products["first_day"].min()).days + 1
    if span >= found.days or not (products["reason"] == "low_coverage").any():
        return ""
    return (
        f"The ledger spans {span} of the last {found.days} days: a run with --set days={span} "
        "looks at these alone."
    )


def _plural(frame: Frame, one: str, many: str) -> str:
    return one if len(frame) == 1 else many


def _firsts(frame: Frame) -> str:
    """The first products of a list by name, and how many more there are; '' for none."""
    titles = frame["product_title"].fillna(frame["sku"]).head(FIRSTS)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in titles]
    more = f" and {len(frame) - len(names):,} more" if len(frame) > len(names) else ""
    return "; ".join(names) + more


def _moved(effect: DiscountEffect) -> str:
    if effect.lift is None:
        return "what discounts moved is not known"
    change = effect.lift.value - 1
    return f"at {effect.depth:.0%} off, products sold {abs(change):.0%} {_more(change)}"


def _more(change: float) -> str:
    return "more" if change >= 0 else "less"


def figures(found: Study) -> Iterator[dict[str, Any]]:
    """One key figure per list, with its first products; then the lift, cover and forecast."""
    short, dead, moved = lists.short(found), lists.dead(found), lists.moved(found)
    questioned = lists.questioned(moved)
    cover = found.products["days_of_supply"]
    known = cover.notna().any()
    yield {
        "metric": "products_short",
        "value": len(short) if known else None,
        "note": _firsts(short) if known else "how long the stock lasts is not known",
    }
    yield _dead_figure(found, dead)
    yield {
        "metric": "discounts_questioned",
        "value": len(questioned) if len(moved) else None,
        "note": _firsts(questioned) if len(moved) else _unquestioned(found),
    }
    yield lift_figure(found.effect)
    yield {"metric": "median_cover", "value": cover.median()}
    yield {"metric": "lost_units", "value": found.products["lost_units_estimate"].sum(min_count=1)}
    yield {"metric": "order_now", "value": found.products["order_units"].sum(min_count=1)}


def _dead_figure(found: Study, dead: Frame) -> dict[str, Any]:
    """The money in stock that nobody buys; unknown without a ledger, or without any price."""
    if found.products["reason"].isin(lists.UNSEEN).all():
        return {"metric": "dead_stock", "value": None, "note": "the ledger says too little"}
    value = dead["tied_up"].sum(min_count=1) if len(dead) else 0.0
    return {"metric": "dead_stock", "value": float(value), "note": _firsts(dead)}


def _unquestioned(found: Study) -> str:
    """Why no discount can be questioned: none was given, or what was given is not recorded."""
    if found.products["units_sold_with_discount"].sum() > 0:
        return "units were sold at a discount; what was given for them, only order events tell"
    return "nothing was sold at a discount"


def lift_figure(effect: DiscountEffect) -> dict[str, Any]:
    """The discount's part, with its interval, or why there is none."""
    if effect.lift is None:
        return {"metric": "discount_lift", "value": None, "note": REASONS[str(effect.reason)]}
    value, low, high = (end - 1 for end in effect.lift[:3])
    told = {"low": low, "high": high, "level": LEVEL, "note": "association, not effect"}
    return {"metric": "discount_lift", "value": value, **told}


def assumptions(found: Study) -> str:
    """What the orders rest on."""
    plan = found.plan
    return (
        f"Assumed for orders: a delivery takes {plan.lead_days} days, nothing is on its way, an "
        f"order lasts {plan.order_days} days, stock shall last in {plan.service_level:.0%} of all "
        "lead times, and forecast errors grow with the square root of time. An order is 0 while "
        "stock is above its reorder point, also where cover, which looks at the whole period, is "
        "shorter than the delivery: sales have fallen since."
    )


def dead_rule(found: Study) -> str:
    """What counts as dead stock here."""
    days = min(found.days, DEAD_DAYS)
    return f"Stock on hand without a sale for {days} days or more, by the period's ledger."


def discount(found: Study) -> str:
    """What the discount goes together with, what was only pulled forward, and what that proves."""
    effect = found.effect
    if effect.lift is None:
        return f"What discounts moved is not told: {REASONS[str(effect.reason)]}."
    lift, margin = effect.lift, effect.break_even_margin
    paid = (
        f"It pays for itself at a margin of {margin:.0%} or more."
        if margin
        else "At this depth no margin pays for it."
    )
    return (
        f"At a discount of {effect.depth:.0%}, the mean of the weeks that had one, products sold "
        f"{abs(lift.value - 1):.0%} {_more(lift.value - 1)} a day in stock (95 % interval "
        f"{lift.low - 1:+.0%} to {lift.high - 1:+.0%}; {effect.weeks:,} weeks, {effect.products:,} "
        f"products, errors clustered by product). {paid} {_aftermath(effect)} {CAUSE}"
    )


def _aftermath(effect: DiscountEffect) -> str:
    after = effect.aftermath
    if after is None:
        return "Too few weeks follow one another to see whether sales were only pulled forward."
    span = f"(95 % interval {after.low - 1:+.0%} to {after.high - 1:+.0%})"
    if after.high < 1:
        return f"The week after sold {1 - after.value:.0%} less {span}: a part was pulled forward."
    if after.low > 1:
        return f"The week after sold {after.value - 1:.0%} more {span}: no dip shows."
    return f"The week after shows no clear dip {span}."


def forecasts(found: Study) -> str:
    """How good the forecasts were on the shop's own past."""
    if not found.forecast.rivals:
        return "No forecast could be tested on this shop's past yet."
    chosen, benchmark = found.forecast.rivals[0], found.forecast.rivals[1]
    gain = 1 - chosen.rmsse / benchmark.rmsse
    covered = found.forecast.coverage
    tail = (
        f" Of the last 28 days' sales, {covered:.0%} lay inside their 80 % intervals."
        if covered is not None
        else " Too few windows to say how often intervals hold."
    )
    return (
        f"Over {chosen.windows:,} past windows of four weeks, each forecast from what was known "
        f"then, the choice per product erred {abs(gain):.1%} {'less' if gain > 0 else 'more'} than "
        f"the {benchmark.rival}, Shopify's own rule.{tail}"
    )


def stored(found: Study) -> str:
    """How many stored figures differ; '' for none."""
    count = int(found.products["stored_differs"].sum())
    if not count:
        return ""
    return (
        f"Turnover or cover in D1 differs by more than 1 % from what the ledger gives, or the "
        f"ledger gives none: {count:,} {'product' if count == 1 else 'products'}, listed under "
        "'Stored figures that differ'."
    )


def limits(found: Study, simulated: Collection[str], staged: int) -> str:
    """What is simulated, what the ledger does not tell, and what goes back."""
    products, source = found.products, are_simulated(simulated, "inventory_days product_costs")
    return (
        f"{source}On {products.gap_days.sum():,} days "
        f"stock began other than it ended the day before; {products.shrunk_units.sum():,} units "
        f"vanished without a sale. Turnover and cover of {staged:,} products go back to D1."
    )
