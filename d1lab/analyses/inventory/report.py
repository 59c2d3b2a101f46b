"""Content of the inventory report: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from d1lab.analyses.discount_effect.effect import CAUSE, LEVEL, REASONS, DiscountEffect
from d1lab.analyses.inventory import details, order_list
from d1lab.analyses.inventory import tables as frames
from d1lab.analyses.inventory.demand import ForecasterScore
from d1lab.analyses.inventory.new_products import CATEGORY_START
from d1lab.analyses.inventory.study import DEAD_DAYS, Frame, InventoryStudy
from d1lab.counting import counted
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.display.sources import are_simulated

FIRSTS, LONGEST = 1, 30
"""Products named next to a count, and letters of each name, to fit on a phone."""

NO_STOCK = "{shop} has no stock data in the {days} days to {until}"


def verdict(found: InventoryStudy) -> dict[str, str]:
    """Return the verdict of the report, with a number for each list, and its status."""
    short, dead = frames.short(found), frames.dead(found)
    known = int(found.products["days_of_supply"].notna().sum())
    if not known:
        text = "How long the stock lasts is not known."
        return {"text": text, "status": "unknown", "detail": _span(found)}
    text = (
        f"{_number(short)} of {known:,} products {_plural(short, 'is', 'are')} out of stock or "
        f"{_plural(short, 'runs', 'run')} out within {found.plan.lead_days} days. "
        f"{_dead(dead)}{_moved(found.effect)}."
    )
    return {"text": text, "status": "bad" if len(short) else "good"}


def _span(found: InventoryStudy) -> str:
    """Return a hint to shorten the period if the ledger does not cover it, else ''."""
    products = found.products
    span = (products["last_day"].max() - products["first_day"].min()).days + 1
    if span >= found.days or not (products["reason"] == "low_coverage").any():
        return ""
    return (
        f"Stock data covers {span} of the last {found.days} days. To use only these, "
        f"run with --set days={span}."
    )


def _number(frame: Frame) -> str:
    return f"{len(frame):,}" if len(frame) else "None"


def _dead(dead: Frame) -> str:
    return f"{len(dead):,} {_plural(dead, 'is', 'are')} dead stock. " if len(dead) else ""


def _plural(frame: Frame, one: str, many: str) -> str:
    return one if len(frame) == 1 else many


def _firsts(frame: Frame) -> str:
    """Return the names of the first products of a list and the number of others; '' if empty."""
    titles = frame["product_title"].fillna(frame["sku"]).head(FIRSTS)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in titles]
    more = f" and {len(frame) - len(names):,} more" if len(frame) > len(names) else ""
    return "; ".join(names) + more


def _moved(effect: DiscountEffect) -> str:
    if effect.lift is None:
        return "The effect of discounts is not available"
    return (
        f"Weeks with a discount on offer ({effect.depth:.0%} off on average) sold "
        f"{abs(effect.lift):.0%} {_more(effect.lift)} units"
    )


def _more(change: float) -> str:
    return "more" if change >= 0 else "less"


def figures(found: InventoryStudy) -> Iterator[dict[str, Any]]:
    """Return a key figure per list with its first products, then lift, supply, and forecast."""
    short, dead, moved = frames.short(found), frames.dead(found), frames.moved(found)
    questioned = frames.questioned(moved)
    cover = found.products["days_of_supply"]
    known = cover.notna().any()
    yield {
        "metric": "products_short",
        "value": len(short) if known else None,
        "note": _firsts(short) if known else "days of supply not available",
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


def _dead_figure(found: InventoryStudy, dead: Frame) -> dict[str, Any]:
    """Return the value of dead stock; None without stock data or prices."""
    if found.products["reason"].isin(frames.UNSEEN).all():
        return {"metric": "dead_stock", "value": None, "note": "not enough stock data"}
    value = dead["tied_up"].sum(min_count=1) if len(dead) else 0.0
    return {"metric": "dead_stock", "value": float(value), "note": _firsts(dead)}


def _unquestioned(found: InventoryStudy) -> str:
    """Return the reason for an empty discount list: no discounts, or none recorded."""
    if found.products["units_sold_with_discount"].sum() > 0:
        return "units were sold at a discount, but discount amounts require order events"
    return "no discounted sales"


def lift_figure(effect: DiscountEffect) -> dict[str, Any]:
    """Return the lift in discounted weeks as a key figure, or the reason for a missing one."""
    if effect.lift is None:
        return {"metric": "discount_lift", "value": None, "note": REASONS[str(effect.reason)]}
    told = {"low": effect.low, "high": effect.high, "level": LEVEL}
    note = f"{counted(effect.skus, 'product')}; no proof of cause"
    return {"metric": "discount_lift", "value": effect.lift, **told, "note": note}


def tables(found: InventoryStudy) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    return {
        "short": ReportTable(
            order_list.order_list(found),
            "Products to reorder",
            order_list.COLUMNS,
            50,
            note=assumptions(found),
            bars="profit_at_risk",
        ),
        "dead": ReportTable(
            frames.dead(found),
            "Dead stock to clear",
            frames.DEAD,
            50,
            note=dead_rule(found),
            bars="tied_up",
        ),
        "discounts": ReportTable(
            frames.moved(found),
            "Discounted products, those to review first",
            frames.MOVED,
            25,
            name="discounts",
        ),
        "cover": ReportTable(
            frames.cover(found),
            "Turnover and days of supply, lowest first",
            frames.COVER,
            10,
            name="cover",
        ),
        "classes": ReportTable(frames.classes(found), "ABC and XYZ"),
        "forecast": ReportTable(
            frames.backtest(found), "Forecast methods compared", note=forecasts(found)
        ),
        "ledger": ReportTable(frames.ledger(found), "Ledger mismatches", frames.LEDGER, 10),
        "stored": ReportTable(
            frames.stored(found), "Stored figures that differ", frames.STORED, 10
        ),
        "profit": ReportTable(
            frames.profit(found),
            "Return on inventory (GMROI), lowest first",
            frames.PROFIT,
            10,
            name="margin",
        ),
        "refused": ReportTable(frames.refused(found), "Figures not available"),
    }


def product_details(found: InventoryStudy, advice: Mapping[str, str]) -> ReportTable:
    """Return the details of the products on the lists.

    Args:
        found: Results of `study`.
        advice: Sentences by SKU, as from `overview.product_advice.sentences`.
    """
    return ReportTable(details.products(found, advice), "Products", details.COLUMNS, details.LIMIT)


def cover_chart(found: InventoryStudy) -> ReportChart:
    """Return the chart of the lowest days of supply, with the lead time; bars without intervals."""
    lowest = frames.known(frames.cover(found)).head(20)
    has_intervals = lowest["days_of_supply_low"].notna().any()
    ends = " days_of_supply_low days_of_supply_high" if has_intervals else ""
    return ReportChart(
        "interval" if has_intervals else "bar",
        lowest,
        f"product days_of_supply{ends}",
        title="Days of supply",
        description="Days of supply for the products that run out first.",
        options={"reference": found.plan.lead_days} if has_intervals else {},
    )


def to_stage(found: InventoryStudy, until: date) -> Frame:
    """Return the rows to stage: turnover and days of supply of products with recent stock data."""
    today = found.products[found.products["last_day"].dt.date == until]
    return today.assign(date=until, turnover_rate=today["turnover"])[frames.STAGED.split()]


def assumptions(found: InventoryStudy) -> str:
    """Return a note on the assumptions of the reorder quantities."""
    plan = found.plan
    safety = f"and stock lasts until the delivery with a probability of {plan.service_level:.0%}. "
    if found.products["forecast_reason"].eq("uncalibrated").any():
        safety = "with no safety stock (too little history to tell how much sales vary). "
    return (
        f"Assumed: a delivery takes {plan.lead_days} days, no order is on its way, an order lasts "
        f"{plan.order_days} days, {safety}The quantity is 0 while the stock is enough at the pace "
        "of the last weeks, even if days of supply, at the pace of the whole period, are fewer "
        "than a delivery takes."
    )


def dead_rule(found: InventoryStudy) -> str:
    """Return the definition of dead stock in this report."""
    days = min(found.days, DEAD_DAYS)
    return f"Stock on hand with no sale in the last {days} days."


def discount(found: InventoryStudy) -> str:
    """Return a note on the lift while on offer, pull-forward, and their limits."""
    effect = found.effect
    if effect.lift is None:
        return f"Effect of discounts not available: {REASONS[str(effect.reason)]}."
    margin = effect.break_even_margin
    paid = (
        f"At this lift, the discount breaks even at a margin of {margin:.0%}."
        if margin
        else "At this lift and depth, no margin makes the discount profitable."
    )
    return (
        f"At the average discount of {effect.depth:.0%}, products sold "
        f"{abs(effect.lift):.0%} {_more(effect.lift)} units per week on offer "
        f"(95% interval {effect.low:+.0%} to {effect.high:+.0%}; {effect.weeks:,} "
        f"product-weeks, {effect.skus:,} products, clustered by product). {paid} "
        f"{_aftermath(effect)} {CAUSE}"
    )


def _aftermath(effect: DiscountEffect) -> str:
    after, low, high = effect.aftermath, effect.aftermath_low, effect.aftermath_high
    if after is None or low is None or high is None:
        return "Pull-forward cannot be told from these weeks."
    span = f"(95% interval {low:+.0%} to {high:+.0%})"
    if high < 0:
        return (
            f"Sales in the week after an offer were {-after:.0%} lower {span}: some "
            "demand was pulled forward."
        )
    if low > 0:
        return (
            f"Sales in the week after an offer were {after:.0%} higher {span}: no "
            "sign of pull-forward."
        )
    return f"No significant dip in the week after an offer {span}."


def forecasts(found: InventoryStudy) -> str:
    """Return a note on the backtest of the forecasts."""
    if not found.forecast.rivals:
        return "Not enough history to backtest a forecast."
    chosen, benchmark = found.forecast.rivals[0], found.forecast.rivals[1]
    covered = found.forecast.coverage
    tail = (
        f" {covered:.0%} of products' sales in the last 28 days fell inside their 80% interval."
        if covered is not None
        else " Not enough windows to check interval coverage."
    )
    return (
        f"Backtest over {chosen.windows:,} four-week windows: at the service level, the method "
        f"chosen per product had {_compared(chosen, benchmark)} the {benchmark.rival}, Shopify's "
        f"rule.{tail}{_new(found)}"
    )


def _new(found: InventoryStudy) -> str:
    """Return how many products are forecast from their category; '' if none are."""
    count = int((found.forecast.demand.rival == CATEGORY_START).sum())
    if not count:
        return ""
    return (
        f" {counted(count, 'product')} with less than 15 weeks of history: forecast from "
        "the mean of the category and their own weeks."
    )


def _compared(chosen: ForecasterScore, benchmark: ForecasterScore) -> str:
    """Return how the losses of two methods compare; both can be 0, if sales never change."""
    if benchmark.pinball == 0:
        return "the same loss as" if chosen.pinball == 0 else "a higher loss than"
    gain = 1 - chosen.pinball / benchmark.pinball
    return f"a {abs(gain):.1%} {'lower' if gain > 0 else 'higher'} loss than"


def stored(found: InventoryStudy) -> str:
    """Return a note on stored figures that differ; '' if none do."""
    count = int(found.products["stored_differs"].sum())
    if not count:
        return ""
    return (
        f"{count:,} {'product' if count == 1 else 'products'}: turnover or days of supply stored "
        "in D1 differs by more than 1% from the value computed from the stock ledger, or no value "
        "can be computed. See 'Stored figures that differ'."
    )


def limits(found: InventoryStudy, simulated: Collection[str], staged: int) -> str:
    """Return a note on simulated data, gaps in the ledger, and the staged results."""
    products, source = found.products, are_simulated(simulated, "inventory_days product_costs")
    return (
        f"{source}On {products.gap_days.sum():,} product-days, opening stock did not "
        "match the previous closing stock. Shrinkage: "
        f"{products.shrunk_units.sum():,} units. Turnover and days of supply for "
        f"{staged:,} products are written back to D1."
    )
