"""Content of the competitor price report: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.competitor_prices import tables as frames
from d1lab.analyses.competitor_prices.study import Frame, PriceStudy
from d1lab.counting import counted
from d1lab.display import money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.display.sources import are_simulated
from d1lab.stats.periods import dates_of

NO_PRICES = (
    "No competitor prices for {shop} on or before {until}. Load them with `d1lab "
    "ingest prices`, or use a later --as-of date."
)

NO_CURRENCY = (
    "The currency of {shop} is not set, so prices cannot be compared. Add currency = "
    '"EUR" under [databases.NAME] in d1lab.toml.'
)


def verdict(found: PriceStudy) -> dict[str, str]:
    """Return the verdict of the report: a sentence, the first action, and a status."""
    known = frames.compared(found)
    if known.empty:
        return {
            "text": "Price position not available: no competitor price is comparable.",
            "status": "unknown",
            "detail": (
                f"{counted(len(found.looks), 'price')} observed: {_counted(frames.reasons(found))}."
            ),
        }
    cut, alerts = frames.undercut(found), frames.alerts(found)
    cheapest = int((known["rank"] == 1).sum())
    text = (
        f"The shop has the lowest price on {cheapest:,} of {len(known):,} comparable "
        f"products. {f'On {len(cut):,}, a' if len(cut) else 'No'} competitor is at least "
        f"{found.rule.threshold:.0%} cheaper."
    )
    status = "good" if cut.empty else "bad" if len(alerts) else "neutral"
    return {"text": text, "status": status, "detail": _detail(found, cut, alerts)}


def _detail(found: PriceStudy, cut: Frame, alerts: Frame) -> str:
    if len(alerts):
        first = alerts.iloc[0]
        return (
            f"{len(alerts):,} can be matched at a margin of "
            f"{found.rule.margin_floor:.0%} or more. Largest gap: {first['product']}, "
            f"{money(first['cheapest'], found.currency)} at {first['cheapest_at']}."
        )
    if cut.empty:
        return "No price needs action."
    reasons = cut.groupby("why", as_index=False).agg(looks=("sku", "size"))
    text = f"None can be matched: {_counted(reasons.sort_values('looks', ascending=False))}."
    no_cost = (cut["answer_reason"] == "no_cost").any()
    return f"{text} Load unit costs with `d1lab ingest costs`." if no_cost else text


def _counted(reasons: Frame) -> str:
    pairs = zip(reasons["why"], reasons["looks"], strict=True)
    return "; ".join(f"{why} ({count:,})" for why, count in pairs)


def figures(found: PriceStudy) -> Iterator[dict[str, Any]]:
    """Return the key figures: index, undercut, alerts, room to raise, and comparable share."""
    known, cut = frames.compared(found), frames.undercut(found)
    nothing = None if len(known) else "no comparable competitor price"
    index = float(known["price_index"].median()) if len(known) else None
    text = f"Median of {counted(len(known), 'product')}. 1.00 = competitors' median price."
    yield {"metric": "price_index", "value": index, "note": nothing or text}
    yield {"metric": "undercut_products", "value": None if nothing else len(cut), "note": nothing}
    yield _alerts(found, cut, nothing)
    yield {"metric": "room_products", "value": None if nothing else len(frames.room(found))}
    share = float(found.looks["reason"].isna().mean())
    yield {"metric": "compared_share", "value": share}


def _alerts(found: PriceStudy, cut: Frame, nothing: str | None) -> dict[str, Any]:
    """Return the number of prices to match; None if the cost of each candidate is missing."""
    count = len(frames.alerts(found))
    unknown = int((cut["answer_reason"] == "no_cost").sum())
    if nothing or (unknown and not count):
        note = nothing or f"unit cost missing for {unknown:,} undercut products"
        return {"metric": "to_match", "value": None, "note": note}
    note = f"unit cost missing for {unknown:,} more" if unknown else ""
    return {"metric": "to_match", "value": count, "note": note}


def tables(found: PriceStudy) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    return {
        "alerts": ReportTable(
            frames.alerts(found), "Prices to match", frames.ALERTS, 15, note=rules(found)
        ),
        "left": ReportTable(
            frames.left(found), "Undercut products without action", frames.LEFT, 15
        ),
        "room": ReportTable(
            frames.room(found), "Products with room to raise the price", frames.ROOM, 15
        ),
        "all": ReportTable(
            frames.compared(found), "Price position, highest index first", frames.ALL, 20
        ),
        "competitors": ReportTable(frames.competitors(found), "Competitors", frames.WHO),
        "reasons": ReportTable(frames.reasons(found), "Reasons prices are not compared"),
        "uncompared": ReportTable(
            frames.uncompared(found), "Prices not compared", frames.LOOKS, 15
        ),
    }


def index_chart(history: Frame) -> ReportChart:
    """Return the chart of the weekly price index, with the quartiles as a band.

    Args:
        history: Rows of the metric `price_index`.
    """
    band = {"low": "price_index_low", "high": "price_index_high"}
    return ReportChart(
        "line",
        history,
        "day price_index",
        title="Price index",
        description="Weekly median, across products, of the price paid divided by the "
        "competitors' median price.",
        options={**band, "reference": 1, "zero": False},
        otherwise="No comparable price in these weeks.",
    )


def product_chart(found: PriceStudy, sku: str, prices: Frame) -> ReportChart:
    """Return the chart of the list price and competitor prices of one product.

    Args:
        found: Results of `study`.
        sku: SKU of the product.
        prices: Rows of the metric `price_history` for the product.
    """
    return ReportChart(
        "line",
        prices,
        "day price",
        title=name_of(found, sku),
        description="Price paid over 28 days, list price, and observed competitor prices of one "
        "product.",
        options={"color": "seller", "step": True, "zero": False},
        otherwise="This product has no comparable prices.",
    )


def rules(found: PriceStudy) -> str:
    """Return a note on the rule for prices to match."""
    rule = found.rule
    return (
        f"A product is listed when a competitor is at least {rule.threshold:.0%} below the "
        f"price paid, matching keeps a margin of {rule.margin_floor:.0%} of the new "
        f"price, and stock lasts through the {rule.lead_time_days:g}-day lead time. "
        "Products without stock data skip the stock check. Only a test shows how "
        "many more units a lower price sells."
    )


def limits(found: PriceStudy, simulated: Collection[str]) -> str:
    """Return a note on the data and its limits."""
    untold = int((found.looks["in_stock"].isna() & found.looks["reason"].isna()).sum())
    text = (
        "What is compared is the average price paid, after discounts, over the last 28 days "
        f"({dates_of(found.until, 28)}); list prices are shown beside it. Both are assumed to be "
        f"in {found.currency}. Competitor prices are as displayed; taxes and shipping can differ."
    )
    stock = (
        f" {counted(untold, 'price')} without availability: treated as in stock." if untold else ""
    )
    source = are_simulated(simulated, "competitor_prices inventory_days product_costs")
    return f"{source}{text}{stock}"


def name_of(found: PriceStudy, sku: str) -> str:
    """Return the display name of a product."""
    names = found.looks.loc[found.looks["sku"] == sku, "product"]
    return str(names.iloc[0]) if len(names) else sku
