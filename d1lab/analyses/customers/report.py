"""Content of the customer report: verdict, figures, tables, charts, and notes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from d1lab.analyses.customers import groups, labels, lifetime_value
from d1lab.analyses.customers.labels import LabeledCustomers, moves, since, unprompted_share
from d1lab.analyses.customers.lifetime_value import Lifetimes
from d1lab.analyses.customers.study import CustomerStudy
from d1lab.analyses.customers.voucher_report import ShopVouchers, read_vouchers, voucher_table
from d1lab.counting import counted
from d1lab.display import money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.display.values import Kind, plain, show

if TYPE_CHECKING:
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MISSING = (
    "No orders are recorded for {shop}, so this page uses the app's customer table "
    "only. Groups and lifetime values need order events: load them with `d1lab "
    "ingest orders FILE` or `d1lab track FILE`."
)


_KNOWN: dict[str, tuple[str, Kind]] = {
    "customers": ("Customers", "integer"),
    "with_last_purchase": ("With a known last purchase", "integer"),
    "within_30_days": ("Bought within 30 days", "integer"),
    "within_90_days": ("Bought within 90 days", "integer"),
    "within_365_days": ("Bought within a year", "integer"),
    "median_days_since_purchase": ("Median days since last purchase", "number"),
    "average_order_value": ("Average order value (mean over customers)", "money"),
    "used_a_discount": ("Used a discount", "percent"),
    "savings": ("Discounts given", "money"),
}


def known(lab: Lab, until: date) -> ReportTable:
    """Return the figures of the app's customer table, for a shop without orders."""
    row = lab.metric("customer_recency", until=until).iloc[0].to_dict()
    lines = [
        (label, lab.money(row[name]) if kind == "money" else show(plain(row[name]), kind))
        for name, (label, kind) in _KNOWN.items()
    ]
    return ReportTable(pd.DataFrame(lines, columns=pd.Index(["what", "value"])), "What is known")


def figures(found: CustomerStudy) -> list[dict[str, Any]]:
    """Return the key figures of the report, most important first."""
    return lifetime_value.figures(found.customers, found.overdue, found.values)


class ReportContent(NamedTuple):
    """Tables and charts of the report by name, and the shop's voucher tests."""

    tables: dict[str, ReportTable]
    charts: dict[str, ReportChart]
    vouchers: ShopVouchers


def content(lab: Lab, found: CustomerStudy, until: date) -> ReportContent:
    """Return what the report shows below its headline.

    Args:
        lab: Lab opened for one shop.
        found: Results of `study`.
        until: Last day included.
    """
    vouchers = read_vouchers(lab, until)
    shown = tables(found, lab.metric("customer_weeks", until=until, weeks=13))
    shown["vouchers"] = voucher_table(vouchers.tests, found.currency)
    drawn = charts(found, lab.metric("customer_cohorts", until=until))
    return ReportContent(shown, drawn, vouchers)


def tables(found: CustomerStudy, weeks: Frame) -> dict[str, ReportTable]:
    """Return the tables of the report by name.

    Args:
        found: Results of `study`.
        weeks: Rows of the metric `customer_weeks`.
    """
    now, last, values = found.customers, found.labelled.last, found.values
    grouped = groups.with_weeks(found.groups, now, weeks)
    return {
        "groups": ReportTable(grouped, "Groups", groups.COLUMNS),
        "moves": ReportTable(
            labels.transitions(last, now),
            f"Group changes {since(last)}",
            limit=10,
            note=stability(found.labelled),
            name="moves",
        ),
        "group_changes": ReportTable(
            labels.group_changes(last, now),
            f"Customers who changed group {since(last)}",
            "customer_id from_group to_group ordered spend",
            10,
            name="who-moved",
        ),
        "overdue": ReportTable(
            found.overdue,
            "High spenders who are going quiet",
            groups.LAPSING_COLUMNS,
            15,
            name="about-to-lapse",
        ),
        "holdout": ReportTable(
            lifetime_value.score_table(values),
            f"Backtest on the last {values.holdout.days} days: actual vs. forecast",
            note=holdout(values, found.currency),
            name="holdout",
        ),
        "customers": ReportTable(
            lifetime_value.listed(now, values),
            "Most valuable customers",
            limit=10,
            name="customers",
        ),
    }


def charts(found: CustomerStudy, cohorts: Frame) -> dict[str, ReportChart]:
    """Return the charts of the report by name.

    Args:
        found: Results of `study`.
        cohorts: Rows of the metric `customer_cohorts`.
    """
    by_month, months = groups.cohort_grid(cohorts), "month_number first_month"
    return {
        "grid": ReportChart(
            "heatmap",
            groups.grid(found.customers),
            "frequency_and_spend recency share_of_spend",
            title="Share of spend by recency and FM score",
            description="Spend by recency, and by frequency and money.",
        ),
        "moves": ReportChart(
            "heatmap",
            labels.matrix(found.labelled.earlier, found.customers),
            "to_group from_group share",
            title="Group today by group 90 days ago",
            description="Share of each group of 90 days ago by the group of today.",
        ),
        "retention": ReportChart(
            "heatmap",
            by_month,
            f"{months} retention",
            title="Retention: share of the cohort that bought in each later month",
            description="Retention by first month.",
        ),
        "spend": ReportChart(
            "heatmap",
            by_month,
            f"{months} cumulative_per_customer",
            title="Cumulative spend per customer",
            description="Cumulative revenue by first month.",
        ),
    }


def verdict(table: Frame, overdue: Frame) -> str:
    """Return the verdict of the report as a sentence.

    Args:
        table: Result of `groups.group_table`.
        overdue: Result of `groups.overdue`.
    """
    share = groups.best_share(table)
    if share is None:
        return "Customer groups are not available yet."
    best = table[table["rfm_group"].isin(groups.BEST)]["customers"].sum()
    quiet = counted(len(overdue), "high spender") if len(overdue) else "No high spender"
    return (
        f"{best:,} Champions and Loyal customers account for {share:.0%} of spend. "
        f"{quiet} {'are' if len(overdue) > 1 else 'is'} going quiet."
    )


def movement(labelled: LabeledCustomers) -> str:
    """Return the confidence in the groups and the moves into and out of the best ones."""
    doubt = confidence(labelled.now) + left_out(labelled.walk_ins)
    if labelled.earlier is None:
        return f"{doubt}No data from 90 days ago to compare with."
    moved = moves(labelled.earlier, labelled.now)
    was, is_ = (moved[column].isin(groups.BEST) for column in ("from_group", "to_group"))
    return (
        f"{doubt}In the last 90 days, {counted((is_ & ~was).sum(), 'customer')} moved "
        f"into these two groups and {int((was & ~is_).sum()):,} moved out."
    )


def left_out(walk_ins: Frame | None) -> str:
    """Return a note on customer IDs shared by many people, which are in no group; '' if none."""
    if walk_ins is None or walk_ins.empty:
        return ""
    named = ", ".join(
        f"{row.customer_id} ({row.share_of_orders:.0%} of orders)" for row in walk_ins.itertuples()
    )
    return f"Not in any group, because they are likely many people under one name: {named}. "


def confidence(customers: Frame) -> str:
    """Return a note on low confidence in the groups, by number of buyers; '' if it is normal."""
    bought = groups.buyers(customers)
    count, reasons = len(bought), bought["reason"].dropna().unique()
    if len(reasons):
        return f"Customer groups not available: {_SILENT[reasons[0]]}. "
    return _CONFIDENCE.get(bought["confidence"].iloc[0], "").format(count=count)


_CONFIDENCE = {
    "fixed_rules": "Only {count} customers: the groups have fixed limits. ",
    "low": "With only {count} customers, a few orders can change the groups. ",
}

_SILENT = {
    "recency_says_nothing": "all customers last bought equally long ago",
    "frequency_says_nothing": "every customer bought equally often",
    "spend_says_nothing": "every customer spent the same",
}


NOBODY_LEAVES = (
    " Nothing shows that customers leave for good, so expected purchases assume that all stay, and "
    "the chance that a customer is still active is unknown."
)


def stability(labelled: LabeledCustomers) -> str:
    """Return the share of labels that changed without an order, in words."""
    notes = [
        f"{share:.0%} of customers changed group {since(before)} without placing an order."
        for before in (labelled.last, labelled.earlier)
        for share in [unprompted_share(moves(before, labelled.now))]
        if share is not None
    ]
    return " ".join(dict.fromkeys(notes))  # one snapshot may serve both


def holdout(values: Lifetimes, currency: str) -> str:
    """Return the result of the backtest in words."""
    if values.reason is not None:
        return f"Forecast not available: {values.reason}."
    model, *rivals = values.holdout.scores
    closest = min(rivals, key=lambda rival: abs(rival.spend_error or 0.0))
    naive = abs(closest.spend_error or 0.0) < abs(model.spend_error or 0.0)
    return (
        f"Backtest on the last {values.holdout.days} days: total spend error "
        f"{_off(model.spend_error)} for the model, {_off(closest.spend_error)} for "
        f"the best baseline{' (baseline better)' if naive else ''}. "
        f"{_held(values, currency)}The model had the lowest error per customer, so its forecast "
        f"is shown.{'' if values.models.purchases.a else NOBODY_LEAVES}"
    )


def _held(values: Lifetimes, currency: str) -> str:
    """Return whether actual spend was inside the model's interval, in words."""
    interval, came = values.holdout.interval, values.holdout.actual_spend
    if interval is None:
        return ""
    ends = f"{money(interval.low, currency)} to {money(interval.high, currency)}"
    came = money(came, currency)
    if values.holdout.missed:
        return (
            f"Actual spend, {came}, was outside the model's 90% interval ({ends}). "
            "Treat today's interval as too narrow. "
        )
    return f"Actual spend, {came}, was inside the model's 90% interval ({ends}). "


def _off(error: float | None) -> str:
    return "not available" if error is None else f"{error:+.0%}"


def returns(customers: Frame, currency: str) -> str:
    """Return a note on excluded orders and refunds."""
    cancelled, back = customers["cancelled_orders"].sum(), customers["refunded"].sum()
    if not cancelled and not back:
        return "No canceled or refunded orders."
    refunds = money(back, currency)
    return f"Excluded: {cancelled:,.0f} fully returned orders and {refunds} in refunds."


def remarks(found: CustomerStudy, staged: int) -> str:
    """Return the note on the data and method of the report."""
    values = found.values
    stored = "each customer's spend to date"
    if values.reason is None:
        stored += f" plus expected spend over the next {values.horizon_days} days"
    return (
        f"{returns(found.customers, found.currency)} Groups, scores, and lifetime values for "
        f"{staged:,} customers are written back to D1. Lifetime value is {stored}. Lists contain "
        "customer IDs only and are available as CSV."
    )
