"""Content of the discount report: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from d1lab.allocators import give_back
from d1lab.analyses.discount_effect.cannibalization import (
    REASONS,
    Cannibalization,
    cannibalization,
)
from d1lab.analyses.discount_effect.effect import DiscountEffect
from d1lab.analyses.discount_effect.launches import launches
from d1lab.analyses.discount_effect.pooling import Estimates
from d1lab.analyses.discounts import earnings, lifts
from d1lab.analyses.discounts.earnings import BaselineShare
from d1lab.counting import counted
from d1lab.display import money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.stats.periods import Periods, change

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

BELOW = "name margin_after margin_before revenue_after savings depth units"


class DiscountStudy(NamedTuple):
    """Cost and lift of the discounts of one shop."""

    shop: DiscountEffect
    observed: Frame  # result of `lifts.observed`
    by_discount: Frame  # result of `earnings.earned`, as the next two
    by_code: Frame
    by_sku: Frame
    whole: Frame  # the row of all discounts together, of the metric `discount_earnings`
    stacking: Frame  # rows of the metric `discount_stacking`
    codes: Frame  # rows of the metric `leaking_codes`
    baseline: BaselineShare
    launches: Frame  # result of `launches.launches`, with the discounts' names
    taken: Cannibalization


def study(*, earned: Frame, discounts: Estimates, stacking: Frame, codes: Frame) -> DiscountStudy:
    """Compute the results for one shop.

    Args:
        earned: Rows of the metric `discount_earnings`.
        discounts: Result of `pooling.estimate`.
        stacking: Rows of the metric `discount_stacking`.
        codes: Rows of the metric `leaking_codes`.
    """
    give_back()  # what the estimate of a large shop's discounts has left
    shop, observed = discounts.shop, lifts.observed(discounts)
    by_discount, by_code, by_sku = (
        earnings.earned(earned, level, shop, observed) for level in ("discount", "code", "sku")
    )
    baseline = earnings.baseline_share(by_sku)
    whole = earned[earned["level"] == "all"]
    parts = (by_discount, by_code, by_sku, whole, stacking, codes)
    begun = launches(discounts.history, discounts.price)
    named = by_discount[["discount_id", "name"]].merge(begun, on="discount_id")
    taken = cannibalization(discounts.history, discounts.price)
    return DiscountStudy(shop, observed, *parts, baseline, named, taken)


def dashboard(measures: Frame, days: int) -> Frame:
    """Return the key figures of the period, each with its change as a note.

    Args:
        measures: Rows of the metric `discount_dashboard`.
        days: The period's length.
    """
    named = measures.rename(columns={"measure": "metric"})
    notes = change(Periods.of(named)).in_words(f"the {days} days before")
    return named.assign(note=notes)[["metric", "value", "note"]]


def verdict(shown: Frame, days: int, currency: str) -> dict[str, str]:
    """Return the verdict of the report; the figure of the discounts given has its change.

    Args:
        shown: Result of `dashboard`.
        days: The period's length.
        currency: Code of the currency of all amounts; empty if unknown.
    """
    savings, lines = (shown.set_index("metric").loc[name] for name in ("savings", "uses"))
    given = money(savings["value"], currency)
    text = (
        f"Discounts totaled {given} on {lines['value']:,.0f} order lines in the last {days} days."
    )
    return {"text": text}


def caution(health: Frame, disagreement: str) -> str:
    """Return a note on missing data and on sources that disagree.

    Args:
        health: Rows of the metric `data_health`.
        disagreement: Result of `app_counters.disagreement`.
    """
    return " ".join(filter(None, (earnings.caution(health), disagreement)))


def figures(found: DiscountStudy) -> tuple[dict[str, Any], ...]:
    """Return the key figures on lift, stacking, and baseline sales."""
    summary = earnings.summary(found.stacking, found.whole, found.baseline)
    lift = lifts.figure(found.shop)
    if _is_shown(found.taken):
        lift["note"] = f"{lift['note']} {_beside(found.taken)}"
    return lift, *summary


def top_codes(codes: Frame, weeks: Frame) -> ReportTable:
    """Return the table of the most used discounts.

    Args:
        codes: Rows of the metric `top_codes`.
        weeks: Rows of the metric `code_weeks`.
    """
    shown = codes.merge(weeks, on="discount_id", how="left").drop(columns="discount_id")
    return ReportTable(shown, "Discounts by discounted order lines", limit=15)


def top_skus(skus: Frame) -> ReportTable:
    """Return the table of the most discounted products.

    Args:
        skus: Rows of the metric `top_skus`.
    """
    return ReportTable(skus, "Products by discounts given", limit=15)


def trend_chart(trend: Frame) -> ReportChart:
    """Return the chart of discounts given per day.

    Args:
        trend: Rows of the metric `discount_trend`.
    """
    savings = trend["savings"]
    return ReportChart(
        "bar",
        trend,
        "day savings",
        title="Discounts given per day",
        description=f"Discounts given per day: {savings.min():,.0f} to {savings.max():,.0f}.",
    )


def tables(found: DiscountStudy) -> dict[str, ReportTable]:
    """Return the tables on cost, lift, codes, and stacking, by name."""
    return {
        "cost": _cost(found.by_discount, "discount", 15),
        "sku_cost": _cost(found.by_sku, "product", 15),
        "code_cost": _cost(found.by_code, "code", 10),
        "lift": _lift(found.by_discount, "discount", 15)._replace(
            title="Discounts by what they bring and need", name="lift-and-break-even-by-discount"
        ),
        "sku_lift": _lift(found.by_sku, "product", 15)._replace(note=from_category(found.taken)),
        "code_lift": _lift(found.by_code, "code", 10),
        "leaks": ReportTable(
            found.codes,
            "Customers per code",
            "discount_code customers usual_customers uses days_used leaks",
            10,
            note=earnings.leaks(found.codes),
        ),
        "launches": ReportTable(
            found.launches,
            "Promotions that began in one week",
            "name weeks_ago treated controls did_lift did_lift_low did_lift_high did_why",
            10,
        ),
        "stacking": ReportTable(
            found.stacking,
            "Orders by number of discounts",
            "stacked orders orders_with_codes customers with_full_price revenue savings depth",
        ),
    }


def below_cost(found: DiscountStudy, taken: Collection[str]) -> ReportTable:
    """Return the table of the products that lost money at a discount, those that lost most first.

    Args:
        found: Result of `study`.
        taken: Products with an advice that comes before ending a discount.
    """
    costs = found.by_sku["margin_after"].notna()
    missing = counted(int((~costs).sum()), "discounted product")
    note = "" if costs.all() else f"Without a unit cost, and so not checked: {missing}."
    losing = earnings.losing(found.by_sku, taken)
    return ReportTable(losing, "Products sold below cost", BELOW, 15, note, bars="margin_after")


def _cost(earned: Frame, by: str, limit: int) -> ReportTable:
    return ReportTable(earned, f"Cost by {by}", earnings.discount_columns(earned), limit)


def _lift(earned: Frame, by: str, limit: int) -> ReportTable:
    rows, columns = earnings.lifts_first(earned), earnings.lift_columns(earned)
    return ReportTable(rows, f"Lift and break-even by {by}", columns, limit)


def lift_chart(found: DiscountStudy) -> ReportChart:
    """Return the chart of the observed lifts."""
    return ReportChart(
        "interval",
        earnings.with_lift(found.by_discount, most=15),
        "name observed_lift observed_low observed_high",
        title="Units sold while on offer, compared with other weeks",
        description="Units while on offer vs. other weeks of the same products, with 95% ranges.",
        options={
            "reference": 0,
            "kinds": {"observed_lift": "percent"},
            "labels": {"observed_lift": "More units than in other weeks"},
        },
        otherwise=lifts.silent(found.observed),
    )


def without_discount(found: DiscountStudy) -> str:
    """Return the share of discounted units that would have sold at full price, in words."""
    return earnings.explained(found.shop, found.stacking, found.baseline)


def from_category(taken: Cannibalization) -> str:
    """Return how products at the full price sell while others of their category are on offer."""
    if taken.reason is not None:
        return f"Cannibalization within categories not available: {REASONS[taken.reason]}."
    sample = f"{counted(taken.skus, 'product')} in {taken.categories} categories"
    return (
        f"{_beside(taken)} {'' if _is_shown(taken) else 'Not significant. '}"
        f"{sample}, {counted(taken.weeks, 'product-week')}. Association, not cause."
    )


def _beside(taken: Cannibalization) -> str:
    assert taken.change is not None
    more = "more" if taken.change > 0 else "fewer"
    return (
        f"While {taken.share:.0%} of their category was on offer, products at the full price sold "
        f"{abs(taken.change):.0%} {more} units "
        f"(95% interval {taken.low:+.0%} to {taken.high:+.0%})."
    ).replace("-", "\N{MINUS SIGN}")


def _is_shown(taken: Cannibalization) -> bool:
    """Return whether the interval excludes 0."""
    return taken.low is not None and taken.high is not None and (taken.low > 0 or taken.high < 0)
