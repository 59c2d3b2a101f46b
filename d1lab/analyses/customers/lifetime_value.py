"""Customer lifetime value: spend to date, plus expected spend where the backtest supports it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from d1lab.analyses.customers import holdout
from d1lab.analyses.customers.groups import buyers
from d1lab.analyses.customers.holdout import (
    CustomerValues,
    Holdout,
    Models,
    PeriodPurchases,
    Purchases,
)
from d1lab.analyses.customers.spend_forecast import SpendForecast
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame: static types do not know its columns

ANNUAL_RATE = 0.1
"""What a purchase in a year is worth less than one today (convention)."""

SHOWN = (
    "customer_id rfm_group lifetime_value spend expected_spend expected_spend_low"
    " expected_spend_high expected_purchases chance_alive customer_segment silent_days purchases"
)
"""Columns of the list of customers; those of the forecast only where it is shown."""

MAX_INTERVALS = 20_000
"""Number of most valuable customers simulated; the others have no interval of their own."""

FORECASTS = {
    "model": "BG/NBD and Gamma-Gamma",
    "past_rate": "Baseline: each customer's average rate to date",
    "as_before": "Baseline: same as the previous period",
}


class Lifetimes(NamedTuple):
    """Values of all customers who bought, and what stands behind them."""

    customers: (
        Frame  # the summary with lifetime_value_method, and the model's columns where it is shown
    )
    holdout: Holdout
    models: Models
    reason: str | None  # why the forecast is not shown, in words; None where it is
    total: SpendForecast | None  # of the whole shop's spend in the horizon, undiscounted
    horizon_days: int


def lifetimes(lab: Lab, until: date, *, holdout_days: int, horizon_days: int) -> Lifetimes:
    """What each customer was worth up to a day, and what to expect after it.

    Args:
        lab: Opened for one shop.
        until: Today.
        holdout_days: How many of the last days are held out to test the forecast.
        horizon_days: How far ahead values look.

    Raises:
        InputError: Days are fewer than one.
    """
    for name, days in {"holdout_days": holdout_days, "horizon_days": horizon_days}.items():
        if days < 1:
            raise InputError(f"{name}={days} is too small. Use 1 or more.")
    present = lab.metric("purchase_summary", until=until, later_days=0)
    past = lab.metric("purchase_summary", until=until, later_days=holdout_days)
    return evaluated(present, past, holdout_days, horizon_days)


def evaluated(present: Frame, past: Frame, holdout_days: int, horizon_days: int) -> Lifetimes:
    """Fit, test on the shop's own past, and value each customer.

    Args:
        present: `purchase_summary` of today, with nothing later.
        past: The same as known `holdout_days` ago, with what came since.
        holdout_days: The held-out period's length.
        horizon_days: How far ahead values look.

    """
    bought = present[present["purchases"] > 0].reset_index(drop=True)
    tested = _held_out(past, holdout_days)
    models = holdout.fit(Purchases.of(bought))
    reason = models.reason or tested.reason
    total = None
    if reason is None:
        bought, total = _forecast(bought, models, horizon_days)
    bought = bought.assign(lifetime_value_method="historic" if reason else "model")
    said = holdout.REASONS[reason] if reason else None
    return Lifetimes(bought, tested, models, said, total, horizon_days)


def _held_out(past: Frame, days: int) -> Holdout:
    known = past[past["purchases"] > 0]
    recent, later = (
        PeriodPurchases(known[f"{when}_purchases"].to_numpy(), known[f"{when}_spend"].to_numpy())
        for when in ("recent", "later")
    )
    return holdout.hold_out(Purchases.of(known), recent, later, days)


def _forecast(bought: Frame, models: Models, days: int) -> tuple[Frame, SpendForecast]:
    known = Purchases.of(bought)
    expected = holdout.values(models, known, days, ANNUAL_RATE)
    return bought.assign(**expected._asdict()), holdout.total_spend(models, known, days)


def valued(customers: Frame, values: Lifetimes) -> Frame:
    """Customers with their lifetime value, and by which method it is made.

    It is what was really spent ('historic'), plus, where a forecast is shown, the spend
    to expect within the horizon, discounted ('model').

    Args:
        customers: Scores; `spend` is net of refunds.
        values: Of the same customers; who never bought is not among them, and has spent nothing.
    """
    names = ["lifetime_value_method", *CustomerValues._fields]
    known = [name for name in names if name in values.customers]
    joined = customers.merge(values.customers[["customer_id", *known]], "left", on="customer_id")
    expected = joined["expected_value"].fillna(0.0) if "expected_value" in joined else 0.0
    return joined.assign(
        lifetime_value=joined["spend"] + expected,
        lifetime_value_method=joined["lifetime_value_method"].fillna("historic"),
    )


def listed(customers: Frame, values: Lifetimes) -> Frame:
    """All who bought, the most valuable first, with the columns of `SHOWN` that are known.

    Whether someone who bought once is still active is not told: the model takes all of them to be.

    Args:
        customers: Of `valued`, with the app's segments.
        values: Of the same customers.
    """
    order = ["lifetime_value", "customer_id"]
    bought = buyers(customers).sort_values(order, ascending=[False, True])
    bought = bought.assign(silent_days=bought["days"])
    if values.reason is None:
        bought["chance_alive"] = bought["chance_alive"].where(bought["purchases"] > 1)
        top = bought[["customer_id"]].head(MAX_INTERVALS)
        known = top.merge(values.customers, "left", on="customer_id")
        low, high = holdout.value_intervals(values.models, Purchases.of(known), values.horizon_days)
        ends = top.assign(expected_spend_low=low, expected_spend_high=high)
        bought = bought.merge(ends, "left", on="customer_id")
    return bought[[name for name in SHOWN.split() if name in bought]]


def score_table(values: Lifetimes) -> Frame:
    """The holdout period: actual spend, and the forecasts of the model and the baselines."""
    tested = values.holdout
    rows = pd.DataFrame([score._asdict() for score in tested.scores])
    came = {
        "forecast": "Actual",
        "purchases": tested.actual_purchases,
        "spend": tested.actual_spend,
    }
    named = rows.replace({"forecast": FORECASTS}) if len(rows) else rows
    return pd.concat([pd.DataFrame([came]), named], ignore_index=True)


def figures(customers: Frame, lapsing: Frame, values: Lifetimes) -> list[dict[str, Any]]:
    """The report's key figures, the weightiest first.

    Args:
        customers: Scores of all customers.
        lapsing: Overdue high-value customers.
        values: Their lifetime values.
    """
    bought = buyers(customers)
    total = values.total._asdict() if values.total else {"expected": None}
    return [
        {"metric": "customers", "value": len(bought)},
        {"metric": "repeat_rate", "value": float((bought["purchases"] > 1).mean())},
        {"metric": "lapsing_customers", "value": len(lapsing)},
        {"metric": "lapsing_pace", "value": float(lapsing["pace"].sum())},
        {"metric": "historic_value", "value": float(bought["spend"].mean())},
        {
            "metric": "expected_spend",
            "value": total.pop("expected"),
            "note": _horizon(values) if total else values.reason,
            "level": 0.9,
            **total,
        },
    ]


def _horizon(values: Lifetimes) -> str:
    """What the expected spend is of, and how far its interval is to be trusted."""
    doubt = ". The backtest interval missed the actual value" if values.holdout.missed else ""
    return f"Next {values.horizon_days} days{doubt}"
