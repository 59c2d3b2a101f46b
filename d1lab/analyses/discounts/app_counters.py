"""Reports on discounts and products from the app's own counters, for shops without order events."""

# pyright: standard

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from d1lab.analyses.discounts import products as sales
from d1lab.analyses.discounts.counted_figures import (
    NO_TOTALS,
    NO_TREND,
    Frame,
    change_of_uses,
    figures,
    figures_of_products,
    is_known,
    since,
    verdict,
    verdict_on_products,
)
from d1lab.stats.periods import Periods, change, days_before

if TYPE_CHECKING:
    from d1lab.display import Figures
    from d1lab.lab import Lab


MISSING = (
    "{shop} has no order events in the {days} days to {until}, so this page uses the "
    "app's own counters. Load orders with `d1lab ingest orders FILE` or events with "
    "`d1lab track FILE` to get the full report."
)
COVERED = (
    "Order events of {shop} do not cover the {days} days to {until}: {events:,} discount uses, and "
    "the app counted {counted:,}. This page uses the app's own counters. Load the missing orders "
    "with `d1lab ingest orders FILE` to get the full report."
)
PRODUCTS_COVERED = (
    "Order events of {shop} do not cover what the app has counted: {events:,} discounted units, "
    "and the app counted {counted:,}. This page uses the app's own counters. Load the missing "
    "orders with `d1lab ingest orders FILE` to get the full report."
)
DISAGREE = "Sources disagree {when}: {first_uses:,} uses in {first}, {second_uses:,} in {second}."
NOTHING = (
    "No data for {shop} in the {days} days to {until}: no order events and no app "
    "counters for {counted}. Load orders with `d1lab ingest orders FILE` or events "
    "with `d1lab track FILE`."
)
NO_DISCOUNT = "{shop} had no discounted order in the {days} days to {until}"
NO_SALE = "{shop} had no sale in the {days} days to {until}"

TOTALS = (
    "Current totals {since}. The app does not store them by day, so they cover more "
    "than the report period. Customers are counted per discount and product and can "
    "appear several times; the largest single count is shown as a minimum."
)
COUNTED = (
    "The app stores totals without a start date. Price elasticity is not available: "
    "it needs weekly prices and units."
)

OF_DISCOUNTS = (
    ("Discounts given in this period and per day", "day and discount of each order line"),
    ("Customers in this period", "customer IDs per order; daily counts cannot be added up"),
    ("Observed lift and break-even", "weeks with and without the discount, by product"),
    ("New and returning customers", "all orders of each customer"),
    ("Stacked discounts", "order IDs of order lines"),
    ("Leaked codes", "customers per code"),
    ("Margins", "order lines and unit costs (d1lab ingest costs FILE)"),
    ("Baseline sales", "price elasticity, from order lines"),
)
OF_PRODUCTS = (
    ("Price elasticity", "prices and units by week, from order lines"),
    ("Sales in this period", "the day of each sale; the app stores only totals"),
    ("Margins", "order lines and unit costs (d1lab ingest costs FILE)"),
    ("Refunds", "refund events; totals do not show refunds"),
)


BY_DISCOUNT = (
    "discount times_used share_of_uses discounted_skus customers_at_least revenue_before savings "
    "revenue_after depth first_used_on last_used_on"
)
BY_SKU = "product times_used discounts_used savings revenue_after depth first_used_on last_used_on"

EVER = 36_500  # days


def lead(lab: Lab, until: date, days: int) -> bool:
    """Return whether the app's counters cover more of the period than order events.

    They do if there is no discounted order line, if the events start later in the period than the
    counters, or if the events have less than half of the uses. A few tracked orders are not
    enough to represent a month.

    Args:
        lab: Lab of one shop.
        until: Last day of the period.
        days: Length of the period, in days.
    """
    sources = _sources(lab, until, days)
    if not sources["event_uses"]:
        return True
    counted = _counted(sources, until, days)
    begins = sources["daily_first_day"]
    is_late = begins is not None and sources["event_first_day"] > begins
    return counted is not None and (is_late or 2 * sources["event_uses"] < counted)


def lead_products(lab: Lab, until: date, days: int) -> bool:
    """Return whether the app's counters cover more sales of the products than order events.

    They do if the events have less than half of the discounted units that the app has counted.
    Arguments as in `lead`.
    """
    sources = _sources(lab, until, days)
    return bool(sources["product_units"] and 2 * sources["event_units"] < sources["product_units"])


def disagreement(lab: Lab, until: date, days: int) -> str:
    """Return sentences on sources with different numbers of the same uses; '' if they agree.

    Arguments as in `lead`.
    """
    sources = _sources(lab, until, days)
    found, counted = [], sources["daily_uses"]
    if counted and sources["event_uses"] and sources["event_uses"] != counted:
        source = {"first": "order events", "first_uses": sources["event_uses"]}
        when = f"in the {days} days to {until}"
        found.append((source, counted, "daily_discount_stats", when))
    in_all, totals = sources["daily_uses_in_all"], sources["total_uses"]
    if in_all and totals and in_all > totals:
        source = {"first": "discount_analytics", "first_uses": totals}
        found.append((source, in_all, "daily_discount_stats", "over all days"))
    return " ".join(
        DISAGREE.format(**source, second=name, second_uses=uses, when=when)
        for source, uses, name, when in found
    )


def _sources(lab: Lab, until: date, days: int) -> dict[str, Any]:
    """Return the only row of the metric `counted_sources`, with None for missing values."""
    [row] = lab.metric("counted_sources", until=until, days=days).to_dict("records")
    return {str(name): _known(value) for name, value in row.items()}


def _known(value: Any) -> Any:
    """Convert a cell of a frame to a date, int, or str; None if it is missing."""
    if value is None or value != value:
        return None
    if hasattr(value, "to_pydatetime"):
        return value.date()
    return int(value) if isinstance(value, float) else value


def _counted(sources: dict[str, Any], until: date, days: int) -> int | None:
    """Return the app's uses in the period: by day, or in total if all lie in the period."""
    if sources["daily_uses"]:
        return sources["daily_uses"]
    first = sources["total_first_day"]
    return sources["total_uses"] if first and first > until - timedelta(days) else None


def discounts(lab: Lab, until: date, days: int) -> tuple[Any, ...]:
    """Return a note on the missing orders and the dashboard from the app's counters.

    Args:
        lab: Lab of one shop whose counters `lead`.
        until: Last day of the period.
        days: Length of the period, in days.
    """
    scope = {"shop": lab.shop, "days": days, "until": until}
    sources = _sources(lab, until, days)
    if not sources["event_uses"] and not sources["daily_uses"] and _has_orders(lab, until, days):
        return (NO_DISCOUNT.format(**scope),)
    dashboard = lab.metric("counted_dashboard", until=until, days=days).set_index("measure")
    used = lab.metric("counted_discounts", until=until)
    counted_by_day = bool(sources["daily_uses"])
    if not counted_by_day and _has_orders(lab, until, EVER):
        return (NO_DISCOUNT.format(**scope),)
    if not counted_by_day and used.empty:
        return (NOTHING.format(counted="discounts", **scope),)
    reason = MISSING.format(**scope)
    if _has_orders(lab, until, days):
        counted = _counted(sources, until, days) or 0
        reason = COVERED.format(events=sources["event_uses"], counted=counted, **scope)
    dashboard["note"] = change(Periods.of(dashboard)).in_words(days_before(until, days))
    known = lab.figures(*figures(dashboard, used))
    return (
        reason,
        lab.verdict(verdict(dashboard, used, days), detail=change_of_uses(dashboard)),
        known,
        _as_table(lab, known, f"Dashboard from the app's counters, {days} days to {until}"),
        _by_day(lab, until, days) if is_known(dashboard, "uses") else lab.note(NO_TREND),
        *(_totals(lab, used, until) if len(used) else [lab.note(NO_TOTALS)]),
        *_noted(lab, disagreement(lab, until, days)),
        _not_available(lab, OF_DISCOUNTS),
    )


def products(lab: Lab, until: date, days: int) -> tuple[Any, ...]:
    """Return a note on the missing orders and the product tables from the app's counters.

    Args:
        lab: Lab of one shop without net sales in the period, or whose counters `lead_products`.
        until: Last day of the period.
        days: Length of the period, in days.
    """
    scope, sources = {"shop": lab.shop, "days": days, "until": until}, _sources(lab, until, days)
    if _has_orders(lab, until, EVER) and not lead_products(lab, until, days):
        return (NO_SALE.format(**scope),)
    sold = lab.metric("counted_products")
    if sold.empty:
        return (NOTHING.format(counted="products", **scope),)
    lists = {
        "Products that sell without help, by revenue": sales.alone(sold),
        "Products that hardly sell without a discount, by savings given": sales.dependent(sold),
        "Products by revenue, with and without a discount": sold,
    }
    columns, latest = sales.columns(sold), sold["updated_on"].max()
    reason = MISSING.format(**scope)
    if units := sources["event_units"]:
        counted = sources["product_units"] or 0
        reason = PRODUCTS_COVERED.format(events=units, counted=counted, shop=lab.shop)
    return (
        reason,
        lab.verdict(verdict_on_products(sold), detail=COUNTED),
        lab.figures(
            *figures_of_products(sold),
            {"metric": "savings_in_all", "value": sold["savings"].sum()},
            {"metric": "elasticity", "value": None, "note": "prices by week are not recorded"},
        ),
        *(lab.table(rows, title=title, columns=columns, limit=15) for title, rows in lists.items()),
        lab.note(f"{_last_change(latest)}{sales.missing(sold)}"),
        _not_available(lab, OF_PRODUCTS),
    )


def _as_table(lab: Lab, known: Figures, title: str) -> Any:
    """Show the key figures as a table, with their notes as scope."""
    import pandas as pd

    rows = [(figure.label, figure.shown(), figure.note) for figure in known.figures]
    frame = pd.DataFrame(rows, columns=["what", "value", "scope"])
    labels = {"what": "What", "value": "Value", "scope": "Scope"}
    return lab.table(frame, title=title, name="dashboard", labels=labels)


def _has_orders(lab: Lab, until: date, days: int) -> bool:
    return bool(lab.metric("data_health", until=until, days=days)["lines"].any())


def _by_day(lab: Lab, until: date, days: int) -> Any:
    trend = lab.metric("counted_days", until=until, days=days)
    words = {"labels": {"times_used": "Uses"}, "title": "Uses of discounts per day"}
    words["description"] = (
        f"Daily uses by the app's own counters, at most {trend['times_used'].max():,.0f}; "
        "a day without a row is 0."
    )
    return lab.charts.bar(trend, "day", "times_used", **words)


def _totals(lab: Lab, used: Frame, until: date) -> tuple[Any, Any]:
    note, skus = TOTALS.format(since=since(used)), lab.metric("counted_skus", until=until)
    by_discount = {"title": "Discounts since their first use, by uses", "columns": BY_DISCOUNT}
    by_sku = {"title": "Products since their first discount, by savings given", "columns": BY_SKU}
    return (
        lab.table(used, note=note, limit=15, **by_discount),
        lab.table(skus, limit=15, **by_sku),
    )


def _last_change(day: Any) -> str:
    return f"The counters last changed on {day:%Y-%m-%d}. " if day == day else ""


def _noted(lab: Lab, text: str) -> list[Any]:
    return [lab.note(text)] if text else []


def _not_available(lab: Lab, rows: tuple[tuple[str, str], ...]) -> Any:
    import pandas as pd

    labels = {"what": "What", "needs": "Requires"}
    frame = pd.DataFrame(rows, columns=["what", "needs"])
    return lab.table(frame, title="Not available without order events", labels=labels, limit=20)
