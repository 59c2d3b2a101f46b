"""Lifetime values: historic unless the model passes the backtest, and how it is shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.customers import holdout
from d1lab.analyses.customers import report as words
from d1lab.analyses.customers.groups import overdue
from d1lab.analyses.customers.lifetime_value import (
    Lifetimes,
    evaluated,
    figures,
    lifetimes,
    listed,
    score_table,
    valued,
)
from d1lab.analyses.customers.spend_forecast import SpendForecast
from d1lab.errors import InputError
from tests.support.simulate_customers import Shop, simulate


def _summaries(shop: Shop, days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `purchase_summary` of a simulated shop, for today and as of `days` ago."""
    return shop.summary(0), shop.summary(days)


@pytest.fixture(scope="module")
def large() -> tuple[pd.DataFrame, pd.DataFrame]:
    return _summaries(simulate(7, 2000), 90)


@pytest.fixture(scope="module")
def values(large) -> Lifetimes:
    """What the model says of them."""
    return evaluated(*large, 90, 365)


def test_evaluated_lets_the_model_speak_where_it_wins(values):
    """Customers drawn from the model: it beats the baselines, and values add up."""
    assert values.reason is None
    model, *rivals = values.holdout.scores
    assert model.error_per_customer <= min(rival.error_per_customer for rival in rivals)
    assert set(values.customers["lifetime_value_method"]) == {"model"}
    gained = values.customers["expected_value"]
    assert values.total.low < values.total.expected < values.total.high
    assert gained.sum() < values.total.expected  # discounted
    assert gained.sum() == pytest.approx(values.total.expected, rel=0.08)


def test_evaluated_stores_what_was_spent_where_it_must_not_speak():
    """A small shop: no individual forecast, historic values, and baselines still shown."""
    values = evaluated(*_summaries(simulate(7, 120), 90), 90, 365)
    assert values.reason == "fewer than 200 customers"
    assert set(values.customers["lifetime_value_method"]) == {"historic"}
    assert "expected_value" not in values.customers
    assert values.total is None
    assert score_table(values)["forecast"].tolist() == [
        "Actual",
        "Baseline: each customer's average rate to date",
        "Baseline: same as the previous period",
    ]
    assert words.holdout(values, "USD") == "Forecast not available: fewer than 200 customers."


def test_valued_adds_what_is_expected_to_what_was_spent(values):
    """A customer without a purchase has a historic value of 0, not a forecast."""
    known = values.customers[["customer_id", "spend"]]
    prospect = pd.DataFrame({"customer_id": ["prospect"], "spend": [0.0]})
    joined = valued(pd.concat([known, prospect]), values)
    assert len(joined) == len(known) + 1
    last = joined.iloc[-1]
    assert (last["lifetime_value"], last["lifetime_value_method"]) == (0.0, "historic")
    gained = joined["lifetime_value"] - joined["spend"]
    expected = values.customers["expected_value"]
    assert gained[:-1].to_numpy() == pytest.approx(expected.to_numpy())


def test_valued_is_what_was_spent_where_the_model_is_silent():
    """The historic value equals spend to the cent."""
    values = evaluated(*_summaries(simulate(7, 120), 90), 90, 365)
    joined = valued(values.customers[["customer_id", "spend"]], values)
    assert joined["lifetime_value"].equals(joined["spend"])
    assert set(joined["lifetime_value_method"]) == {"historic"}


def test_figures_abstain_with_a_reason(values):
    """Without a model, the expected spend is not available, with a reason."""
    customers = pd.DataFrame(
        {
            "customer_id": ["a", "b"], "purchases": [1, 3], "spend": [10.0, 30.0],
            "first_day": pd.to_datetime("2026-01-01"), "last_day": pd.to_datetime("2026-03-01"),
            "days": [5, 5], "m_score": [1, 5], "orders": [1, 3], "discounted_orders": [0, 0],
        }
    )  # fmt: skip
    silent = evaluated(*_summaries(simulate(7, 120), 90), 90, 365)
    found = {f["metric"]: f for f in figures(customers, overdue(customers), silent)}
    assert found["repeat_rate"]["value"] == 0.5
    assert (found["customers"]["value"], found["lapsing_customers"]["value"]) == (2, 0)
    assert found["lapsing_pace"]["value"] == 0
    late = pd.DataFrame({"pace": [2.5, 4.0]})
    more = {f["metric"]: f["value"] for f in figures(customers.assign(purchases=2), late, silent)}
    assert (more["lapsing_customers"], more["lapsing_pace"], more["repeat_rate"]) == (2, 6.5, 1)
    assert found["historic_value"]["value"] == 20
    assert found["expected_spend"]["value"] is None
    assert found["expected_spend"]["note"] == "fewer than 200 customers"
    found = {f["metric"]: f for f in figures(customers, overdue(customers), values)}
    assert found["expected_spend"]["low"] < found["expected_spend"]["value"]
    assert np.isfinite(found["expected_spend"]["high"])


def _held(values, low: float, high: float):
    """Return the same values with another interval in the backtest."""
    tested = values.holdout._replace(interval=SpendForecast((low + high) / 2, low, high))
    return values._replace(holdout=tested)


def test_words_say_whether_the_interval_held_what_came(values):
    """If the interval missed in the backtest, the page warns about today's interval."""
    came = values.holdout.actual_spend
    told = words.holdout(_held(values, came - 10, came + 10), "USD")
    assert f"Actual spend, ${came:,.0f}, was inside the model's 90% interval" in told
    missed = _held(values, came + 10, came + 1000)
    assert "outside the model's 90% interval" in words.holdout(missed, "USD")
    assert "too narrow" in words.holdout(missed, "USD")
    customers = pd.DataFrame(
        {"purchases": [1], "spend": [1.0], "pace": [0.0], "customer_id": ["a"]}
    )
    notes = {
        case: figures(customers, customers, one)[-1]["note"]
        for case, one in {"held": _held(values, came - 1, came + 1), "missed": missed}.items()
    }
    assert notes == {
        "held": "Next 365 days",
        "missed": "Next 365 days. The last such forecast missed: a rough guide",
    }


def _now(values) -> pd.DataFrame:
    known = values.customers[["customer_id", "spend", "purchases"]]
    return valued(known.assign(days=7, rfm_group="Loyal", customer_segment="regular"), values)


def test_listed_gives_each_customer_an_interval_where_the_model_speaks(values):
    """Most valuable first; one-time buyers have no probability of being active."""
    table = listed(_now(values), values)
    assert table["lifetime_value"].is_monotonic_decreasing
    assert len(table) == len(values.customers)
    once = table["purchases"] == 1
    assert table.loc[once, "chance_alive"].isna().all()
    assert table.loc[~once, "chance_alive"].between(0, 1).all()
    inside = table["expected_spend"].between(
        table["expected_spend_low"], table["expected_spend_high"]
    )
    assert inside.all()
    assert (table["expected_spend_low"] == 0).any()  # single customers are far from sure


def test_the_20_000_most_valuable_customers_have_an_interval(monkeypatch, values):
    """Of equal value, the first ones by ID."""
    count, seen = 20_001, []
    names = [f"c{n:05}" for n in range(count)]
    known = pd.DataFrame(
        {"customer_id": names, "spend": 1.0, "purchases": 1, "expected_value": 2.0}
    )
    known = known.assign(
        repeats=0, last_days=0, observed_days=9, mean_spend=0.0, lifetime_value_method="model",
        chance_alive=1.0, expected_purchases=0.5, expected_spend=2.0,
    )  # fmt: skip
    many = values._replace(customers=known[::-1])

    def ends(models, customers, days):
        seen.append((len(customers.repeats), days))
        return np.zeros(len(customers.repeats)), np.ones(len(customers.repeats))

    monkeypatch.setattr(holdout, "value_intervals", ends)
    table = listed(_now(many), many)
    assert seen == [(20_000, 365)]
    assert table["customer_id"].tolist() == names
    assert table["expected_spend_high"].isna().tolist() == [False] * 20_000 + [True]
    assert set(table["lifetime_value"]) == {3.0}


def test_only_customers_of_the_past_are_held_out():
    """Those whose first purchase is in the holdout do not count in it."""
    past = pd.DataFrame(
        {
            "customer_id": ["a", "b"], "purchases": [1, 0], "repeats": [0, 0],
            "last_days": [0.0, np.nan], "observed_days": [200.0, np.nan], "mean_spend": 0.0,
            "recent_purchases": [1, 0], "recent_spend": [5.0, 0.0], "later_purchases": [2, 7],
            "later_spend": [9.0, 99.0],
        }
    )  # fmt: skip
    present = past.assign(purchases=[3, 0])
    found = evaluated(present, past, 90, 365)
    assert (found.holdout.customers, found.holdout.actual_spend) == (1, 9.0)
    assert (found.holdout.actual_purchases, found.horizon_days) == (2, 365)
    assert found.holdout.scores[1].spend == 5.0
    assert found.customers["customer_id"].tolist() == ["a"]
    table = score_table(found)
    assert table["forecast"].iloc[0] == "Actual"
    assert table[["purchases", "spend"]].iloc[0].tolist() == [2, 9]
    none = evaluated(present, past.assign(observed_days=100.0), 90, 365)
    assert score_table(none)["forecast"].tolist() == ["Actual"]


def test_listed_is_history_where_the_model_is_silent():
    """There are no forecast columns, not even empty ones."""
    values = evaluated(*_summaries(simulate(7, 120), 90), 90, 365)
    table = listed(_now(values), values)
    assert table.columns.tolist() == [
        "customer_id", "rfm_group", "lifetime_value", "spend", "customer_segment", "silent_days",
        "purchases",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["holdout_days", "horizon_days"])
def test_lifetimes_refuse_a_period_without_a_day(tiny_lab, name):
    """A holdout period and a horizon of 0 days are rejected."""
    days = {"holdout_days": 90, "horizon_days": 365, name: 0}
    with pytest.raises(InputError, match=f"{name}=0 is too small. Use 1 or more."):
        lifetimes(tiny_lab, tiny_lab.as_of(), **days)
