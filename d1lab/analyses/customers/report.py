"""What the report says in sentences, and why."""

from __future__ import annotations

from typing import Any

import pandas as pd

from d1lab.analyses.customers import groups
from d1lab.analyses.customers.labels import Labelled, moves, since, unprompted_share
from d1lab.analyses.customers.lifetime_value import Lifetimes
from d1lab.display import money
from d1lab.display.values import Kind, plain, show

Frame = Any  # a pandas DataFrame: static types do not know its columns

MISSING = (
    "No orders are recorded for {shop}: its customers are known from the app's own table alone. "
    "For groups and lifetime values, bring order events by `d1lab ingest orders FILE` or `d1lab "
    "track FILE`: they tell the number of purchases, the spend and the first purchase, which that "
    "table does not."
)


_KNOWN: dict[str, tuple[str, Kind]] = {
    "customers": ("Customers", "integer"),
    "with_last_purchase": ("Whose last purchase is known", "integer"),
    "with_first_purchase": ("Whose first purchase is known", "integer"),
    "within_30_days": ("Bought within 30 days", "integer"),
    "within_90_days": ("Bought within 90 days", "integer"),
    "within_365_days": ("Bought within a year", "integer"),
    "median_days_since_purchase": ("Days since the last purchase, median", "number"),
    "average_order_value": ("Average order, mean of the customers", "money"),
    "used_a_discount": ("Used a discount", "percent"),
    "savings": ("Saved by discounts", "money"),
}


def known(recency: Frame) -> Frame:
    """What the app's own customer table tells without orders, a line for each.

    Args:
        recency: The metric `customer_recency`.
    """
    row = recency.iloc[0].to_dict()
    lines = [
        (label, money(row[name]) if kind == "money" else show(plain(row[name]), kind))
        for name, (label, kind) in _KNOWN.items()
    ]
    return pd.DataFrame(lines, columns=["what", "value"])


def verdict(table: Frame, lapsing: Frame) -> str:
    """The report's answer in a sentence.

    Args:
        table: Of `groups.group_table`.
        lapsing: Of `groups.lapsing`.
    """
    share = groups.best_share(table)
    if share is None:
        return "These customers cannot be told apart yet."
    best = table[table["rfm_group"].isin(groups.BEST)]["customers"].sum()
    return (
        f"{best:,} Champions and Loyal customers hold {share:.0%} of what was spent; "
        f"{len(lapsing):,} good customers are about to lapse."
    )


def movement(labelled: Labelled) -> str:
    """How far the groups are to be trusted, and who rose into and fell out of the best ones."""
    doubt = confidence(labelled.now)
    if labelled.earlier is None:
        return f"{doubt}Nothing is known of 90 days ago to compare with."
    moved = moves(labelled.earlier, labelled.now)
    was, is_ = (moved[column].isin(groups.BEST) for column in ("from_group", "to_group"))
    return (
        f"{doubt}In 90 days {int((is_ & ~was).sum()):,} customers rose into these two groups, and "
        f"{int((was & ~is_).sum()):,} fell out of them."
    )


def confidence(customers: Frame) -> str:
    """How far the groups are to be trusted, by the number of buyers; '' where that is far."""
    bought = groups.buyers(customers)
    count, reasons = len(bought), bought["reason"].dropna().unique()
    if len(reasons):
        return f"No groups: {_SILENT[reasons[0]]}. "
    return _CONFIDENCE.get(bought["confidence"].iloc[0], "").format(count=count)


_CONFIDENCE = {
    "fixed_rules": "Only {count} customers: the groups follow fixed rules, not shares. ",
    "low": "Only {count} customers, so the groups are of low confidence: a few orders shift them. ",
}

_SILENT = {
    "recency_says_nothing": "the days since the last purchase tell nobody apart",
    "frequency_says_nothing": "every customer bought equally often",
    "spend_says_nothing": "every customer spent the same",
}


def stability(labelled: Labelled) -> str:
    """How many labels moved without an order, and where those of 90 days ago come from."""
    told = [
        f"{share:.0%} of the labels changed {since(before)} without an order of the customer."
        for before in (labelled.last, labelled.earlier)
        for share in [unprompted_share(moves(before, labelled.now))]
        if share is not None
    ]
    if labelled.replayed:
        told.append("The groups of 90 days ago are made again from the orders.")
    return " ".join(dict.fromkeys(told))  # one snapshot may serve both


def holdout(values: Lifetimes) -> str:
    """What the shop's own past says of the forecast."""
    if values.reason is not None:
        return f"No forecast: {values.reason}."
    model, *rivals = values.holdout.scores
    closest = min(rivals, key=lambda rival: abs(rival.spend_error or 0.0))
    naive = abs(closest.spend_error or 0.0) < abs(model.spend_error or 0.0)
    return (
        f"On the last {values.holdout.days} days the model was {_off(model.spend_error)} in total, "
        f"the better simple rate {_off(closest.spend_error)}"
        f"{': there the simple rate wins' if naive else ''}. {_held(values)}Customer by customer "
        "the model was the closest, so it may speak."
    )


def _held(values: Lifetimes) -> str:
    """Whether what came lay inside the interval that the model had given for it."""
    interval, came = values.holdout.interval, values.holdout.actual_spend
    if interval is None:
        return ""
    ends = f"{money(interval.low)} to {money(interval.high)}"
    came = money(came)
    if values.holdout.missed:
        return (
            f"What came, {came}, lay outside its 90 % interval ({ends}): take today's "
            "interval for too narrow. "
        )
    return f"What came, {came}, lay inside its 90 % interval ({ends}). "


def _off(error: float | None) -> str:
    return "without a measure" if error is None else f"{error:+.0%} off"


def returns(customers: Frame) -> str:
    """What was taken out before anything was counted."""
    cancelled, back = customers["cancelled_orders"].sum(), customers["refunded"].sum()
    if not cancelled and not back:
        return "No order was cancelled or refunded."
    return f"Taken out: {cancelled:,.0f} orders that came back whole, and refunds of {money(back)}."


def remarks(customers: Frame, values: Lifetimes, staged: int) -> str:
    """All that a reader should know of how this was made, in one note."""
    stored = "what each customer has really spent"
    if values.reason is None:
        stored += f", and what to expect of the next {values.horizon_days} days"
    return (
        f"{returns(customers)} Groups, scores and lifetime values of {staged:,} customers go back "
        f"to D1; the lifetime value is {stored}. Lists hold ids only, and come as CSV."
    )
