"""Customer lifetime value: spend to date, plus expected spend if the backtest supports it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from d1lab.analyses.customers import holdout
from d1lab.analyses.customers.alignment import aligned, sorted_by
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

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

ANNUAL_RATE = 0.1
"""Annual discount rate of expected spend (convention)."""

SHOWN = (
    "customer_id rfm_group lifetime_value spend expected_spend expected_spend_low"
    " expected_spend_high expected_purchases chance_alive customer_segment silent_days purchases"
)
"""Columns of the customer list; those of the forecast only if it is shown."""

MAX_INTERVALS = 20_000
"""Number of most valuable customers with a simulated interval of their own."""

FORECASTS = {
    "model": "BG/NBD and Gamma-Gamma",
    "past_rate": "Baseline: each customer's average rate to date",
    "as_before": "Baseline: same as the previous period",
}


class Lifetimes(NamedTuple):
    """Lifetime values of all customers who bought, with the models and their backtest."""

    customers: (
        Frame  # the summary with lifetime_value_method, and the model's columns if it is shown
    )
    holdout: Holdout
    models: Models
    reason: str | None  # reason why the forecast is not shown, in words; None if it is
    total: SpendForecast | None  # of the whole shop's spend in the horizon, undiscounted
    horizon_days: int


def lifetimes(lab: Lab, until: date, *, holdout_days: int, horizon_days: int) -> Lifetimes:
    """Compute each customer's spend up to a day and the expected spend after it.

    Args:
        lab: Lab opened for one shop.
        until: Last day included.
        holdout_days: Days at the end that are held out to test the forecast.
        horizon_days: Days covered by the expected spend.

    Raises:
        InputError: A number of days is less than 1.
    """
    for name, days in {"holdout_days": holdout_days, "horizon_days": horizon_days}.items():
        if days < 1:
            raise InputError(f"{name}={days} is too small. Use 1 or more.")
    rows = lab.metric("purchase_summary", until=until, later_days=holdout_days)
    return evaluated(of_today(rows), rows, holdout_days, horizon_days)


def of_today(rows: Frame) -> Frame:
    """Return the rows of `purchase_summary` as they are with no days held out.

    Args:
        rows: Its rows with any number of days held out.
    """
    names = ("purchases", *Purchases._fields, "spend")
    renamed = {f"{name}_now": name for name in names}
    bought = rows[rows["purchases_now"] > 0]
    return bought[["customer_id", *renamed]].rename(columns=renamed).reset_index(drop=True)


def evaluated(present: Frame, past: Frame, holdout_days: int, horizon_days: int) -> Lifetimes:
    """Fit the models, run the backtest, and compute each customer's value.

    Args:
        present: `purchase_summary` of today, with no days held out.
        past: `purchase_summary` as of `holdout_days` ago, with the later purchases.
        holdout_days: Length of the holdout period.
        horizon_days: Days covered by the expected spend.

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
    """Add lifetime value and its method to the customers.

    The value is spend to date ('historic'), plus the discounted expected spend within the horizon
    if the forecast is shown ('model').

    Args:
        customers: Scores; `spend` is net of refunds.
        values: Values of the same customers. Those who never bought are missing and have spent 0.
    """
    names = ["lifetime_value_method", *CustomerValues._fields]
    known = [name for name in names if name in values.customers]
    joined = aligned(values.customers[["customer_id", *known]], customers["customer_id"])[known]
    expected = joined["expected_value"].fillna(0.0) if "expected_value" in joined else 0.0
    joined["lifetime_value"] = customers["spend"] + expected
    joined["lifetime_value_method"] = joined["lifetime_value_method"].fillna("historic")
    return customers.assign(**joined)


def listed(customers: Frame, values: Lifetimes) -> Frame:
    """Return all customers who bought, highest value first, with the available columns of `SHOWN`.

    The probability of being active is blank for one-time buyers: the model always gives 100%.

    Args:
        customers: Result of `valued`, with the app's segments.
        values: Values of the same customers.
    """
    shown = customers.assign(silent_days=customers["days"])
    shown = buyers(shown[[name for name in SHOWN.split() if name in shown]])
    bought = sorted_by(shown, lifetime_value="descending", customer_id="ascending")
    if values.reason is not None:
        return bought
    bought["chance_alive"] = bought["chance_alive"].where(bought["purchases"] > 1)
    known = aligned(values.customers, bought["customer_id"].head(MAX_INTERVALS))
    ends = holdout.value_intervals(values.models, Purchases.of(known), values.horizon_days)
    for name, end in zip(("expected_spend_low", "expected_spend_high"), ends, strict=True):
        bought[name] = pd.Series(end)  # NaN for all others
    return bought[[name for name in SHOWN.split() if name in bought]]


def score_table(values: Lifetimes) -> Frame:
    """Return actual spend in the holdout period, and the forecasts of model and baselines."""
    tested = values.holdout
    rows = pd.DataFrame([score._asdict() for score in tested.scores])
    came = {
        "forecast": "Actual",
        "purchases": tested.actual_purchases,
        "spend": tested.actual_spend,
    }
    named = rows.replace({"forecast": FORECASTS}) if len(rows) else rows
    return pd.concat([pd.DataFrame([came]), named], ignore_index=True)


def figures(customers: Frame, overdue: Frame, values: Lifetimes) -> list[dict[str, Any]]:
    """Return the key figures of the report, most important first.

    Args:
        customers: Scores of all customers.
        overdue: Overdue high-value customers.
        values: Lifetime values of the customers.
    """
    bought = buyers(customers)
    total = values.total._asdict() if values.total else {"expected": None}
    return [
        {"metric": "customers", "value": len(bought)},
        {"metric": "repeat_rate", "value": float((bought["purchases"] > 1).mean())},
        {"metric": "lapsing_customers", "value": len(overdue)},
        {"metric": "lapsing_pace", "value": float(overdue["pace"].sum())},
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
    """Return the horizon of the expected spend, with a warning if the backtest missed."""
    doubt = ". The last such forecast missed: a rough guide" if values.holdout.missed else ""
    return f"Next {values.horizon_days} days{doubt}"
