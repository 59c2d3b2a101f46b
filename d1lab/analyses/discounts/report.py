"""What the report on discounts says and shows: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from typing import Any, NamedTuple

from d1lab.analyses.discounts import earnings, lifts, products
from d1lab.analyses.discounts.earnings import BaselineShare
from d1lab.analyses.discounts.elasticity import Elasticity
from d1lab.display import money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.stats.periods import Periods, change

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


class DiscountStudy(NamedTuple):
    """What one shop's discounts earned, and the lift that they need."""

    shop: Elasticity
    observed: Frame  # of `lifts.observed`
    by_discount: Frame  # of `earnings.earned`, as the next two
    by_code: Frame
    by_sku: Frame
    stacking: Frame  # of the metric `discount_stacking`
    codes: Frame  # of the metric `leaking_codes`
    anyway: BaselineShare


def study(
    *, earned: Frame, weeks: Frame, prices: Frame, stacking: Frame, codes: Frame
) -> DiscountStudy:
    """Compute everything for one shop.

    Args:
        earned: The metric `discount_earnings`.
        weeks: The metric `discount_lift`.
        prices: The metric `elasticity`.
        stacking: The metric `discount_stacking`.
        codes: The metric `leaking_codes`.
    """
    shop, observed = products.answer(prices).shop, lifts.observed(weeks)
    by_discount, by_code, by_sku = (
        earnings.earned(earned, level, shop, observed) for level in ("discount", "code", "sku")
    )
    anyway = earnings.anyway(by_sku)
    return DiscountStudy(shop, observed, by_discount, by_code, by_sku, stacking, codes, anyway)


def dashboard(measures: Frame, days: int) -> Frame:
    """The period's key figures, each with its change as a note.

    Args:
        measures: The metric `discount_dashboard`.
        days: The period's length.
    """
    named = measures.rename(columns={"measure": "metric"})
    notes = change(Periods.of(named)).in_words(f"the {days} days before")
    return named.assign(note=notes)[["metric", "value", "note"]]


def verdict(shown: Frame, days: int, currency: str) -> dict[str, str]:
    """The report's answer in a sentence, and its change.

    Args:
        shown: Of `dashboard`.
        days: The period's length.
        currency: Of its amounts; empty where it is not known.
    """
    savings, lines = (shown.set_index("metric").loc[name] for name in ("savings", "uses"))
    given = money(savings["value"], currency)
    text = (
        f"Discounts totaled {given} on {lines['value']:,.0f} order lines in the last {days} days."
    )
    return {"text": text, "detail": savings["note"]}


def caution(health: Frame, disagreement: str) -> str:
    """What limits the page: data that is missing, and sources that tell different numbers.

    Args:
        health: The metric `data_health`.
        disagreement: Of `app_counters.disagreement`.
    """
    return " ".join(filter(None, (earnings.caution(health), disagreement)))


def figures(found: DiscountStudy) -> tuple[dict[str, Any], ...]:
    """The key figures beside the dashboard: lift, stacking, and sales without the discount."""
    summary = earnings.summary(found.stacking, found.by_discount, found.anyway)
    return lifts.figure(found.observed), *summary


def top_codes(codes: Frame) -> ReportTable:
    """Which discounts were used.

    Args:
        codes: The metric `top_codes`.
    """
    shown = codes.drop(columns="discount_id")
    return ReportTable(shown, "Discounts by discounted order lines", limit=15)


def top_skus(skus: Frame) -> ReportTable:
    """Which products received them.

    Args:
        skus: The metric `top_skus`.
    """
    return ReportTable(skus, "Products by discounts given", limit=15)


def trend_chart(trend: Frame) -> ReportChart:
    """Discounts given per day.

    Args:
        trend: The metric `discount_trend`.
    """
    savings = trend["savings"]
    return ReportChart(
        "bar",
        trend,
        "day savings",
        title="Discounts given per day",
        description=f"Daily savings, {savings.min():,.0f} to {savings.max():,.0f}.",
    )


def tables(found: DiscountStudy) -> dict[str, ReportTable]:
    """The tables on cost, lift, codes, and stacking, by name."""
    return {
        "cost": _cost(found.by_discount, "discount", 15),
        "sku_cost": _cost(found.by_sku, "product", 15),
        "code_cost": _cost(found.by_code, "code", 10),
        "lift": _lift(found.by_discount, "discount", 15),
        "sku_lift": _lift(found.by_sku, "product", 15),
        "code_lift": _lift(found.by_code, "code", 10),
        "leaks": ReportTable(
            found.codes,
            "Customers per code",
            "discount_code customers usual_customers uses days_used leaks",
            10,
            note=earnings.leaks(found.codes),
        ),
        "stacking": ReportTable(
            found.stacking,
            "Orders by number of discounts",
            "stacked orders orders_with_codes customers with_full_price revenue savings depth",
        ),
    }


def _cost(earned: Frame, by: str, limit: int) -> ReportTable:
    return ReportTable(earned, f"Cost by {by}", earnings.gave(earned), limit)


def _lift(earned: Frame, by: str, limit: int) -> ReportTable:
    rows, columns = earnings.answered(earned), earnings.brought(earned)
    return ReportTable(rows, f"Lift and break-even by {by}", columns, limit)


def lift_chart(found: DiscountStudy) -> ReportChart:
    """The observed lift of the discounts that have one."""
    return ReportChart(
        "interval",
        earnings.with_lift(found.by_discount, most=15),
        "name observed_lift observed_low observed_high",
        title="Observed lift by discount",
        description="Units with the discount against regular weeks of the same products, "
        "with 95% intervals.",
        options={"reference": 0, "kinds": {"observed_lift": "percent"}},
        otherwise=lifts.silent(found.observed),
    )


def without_discount(found: DiscountStudy) -> str:
    """What of the discounted units would have sold at the full price, in words."""
    return earnings.explained(found.shop, found.stacking, found.anyway)
