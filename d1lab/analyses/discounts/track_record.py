"""Track record: results of earlier recommendations after their horizon."""

# pyright: standard

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

NEAR = 0.05  # tolerance around the recommended depth to count as followed
SETTLING_DAYS = 7  # after the horizon, in which late orders and refunds can change the score
COLUMNS = "decision recommendations followed units_forecast units_observed forecast_error gained"


def score(outcomes: Frame) -> Frame:
    """Add the forecast at the observed depth to the outcomes.

    Args:
        outcomes: Rows of the metric `recommendation_outcomes`.

    Returns:
        The rows with `forecast_units`, `is_written` (whether D1 has a score), and `scored_on` (the
        last day of the horizon, regardless of the report date).

    The forecast is regular units x (1 - observed depth)^slope, so a recommendation that was not
    followed still tests the slope.
    """
    depth = outcomes["observed_depth"].astype(float).fillna(0).clip(0, 0.99)
    forecast = outcomes["regular_units"].astype(float) * (1 - depth) ** outcomes["slope"].astype(
        float
    )
    made = _days(outcomes["made_on"])
    return outcomes.assign(
        made_on=made,
        forecast_units=forecast,
        is_written=outcomes["scored_on"].notna(),
        scored_on=_ends(made, outcomes["horizon_days"]),
    )


def _ends(made: Any, horizon_days: Any) -> Any:
    """Return the last day of each horizon as dates."""
    import pandas as pd

    pairs = zip(made, horizon_days, strict=True)
    days = [day + timedelta(int(horizon)) for day, horizon in pairs]
    return pd.Series(days, index=made.index, dtype=object)


def _days(column: Any) -> Any:
    """Convert a column of days to dates; DuckDB returns timestamps, new rows have dates."""
    import pandas as pd

    return pd.to_datetime(column).dt.date


def followed(scored: Frame) -> Frame:
    """Return whether the shop followed each recommendation: the depth, or 0 for hold."""
    advised = scored["depth"].astype(float).where(scored["decision"] == "discount", 0.0)
    near = (scored["observed_depth"].astype(float).fillna(0) - advised).abs() <= NEAR
    return near & scored["decision"].isin(["discount", "hold"])


def gained(scored: Frame) -> Frame:
    """Return actual profit minus the forecast at the regular price; NaN without a cost."""
    margin = scored["unit_price"].astype(float) - scored["unit_cost"].astype(float)
    return scored["observed_profit"].astype(float) - scored["regular_units"].astype(float) * margin


def track(scored: Frame) -> Frame:
    """Return the track record by decision; empty before the first horizon has passed."""
    rows = scored[scored["decision"].notna()]
    rows = rows.assign(followed=followed(rows), gained=gained(rows))
    known = rows["forecast_units"].notna()
    rows = rows.assign(observed_known=rows["observed_units"].where(known))
    found = rows.groupby("decision", as_index=False).agg(
        recommendations=("sku", "size"),
        followed=("followed", "sum"),
        units_forecast=("forecast_units", "sum"),
        units_observed=("observed_known", "sum"),
        gained=("gained", lambda gains: gains.sum(min_count=1)),
    )
    forecast = found["units_forecast"].astype(float).replace(0, np.nan)
    return found.assign(forecast_error=found["units_observed"].astype(float) / forecast - 1)


def in_words(scored: Frame, horizon_days: int) -> str:
    """Return the track record as a sentence: recommendations scored, followed, and profitable."""
    rows = scored[scored["decision"].notna()]
    if rows.empty:
        return (
            f"No track record yet. Recommendations are scored {horizon_days} days "
            "after they are made."
        )
    did = rows[followed(rows) & (rows["decision"] == "discount")]
    known = gained(did).dropna()
    text = f"{len(rows):,} past recommendations scored"
    if known.empty:
        return f"{text}. No followed discount has a known unit cost."
    return (
        f"{text}. {(known > 0).sum():,} of {len(known):,} followed discounts increased "
        "profit vs. the forecast at regular price."
    )


def to_stage(scored: Frame, advised: Frame, columns: str, until: date) -> Frame:
    """Return new recommendations, and scores that are missing in D1 or can still change.

    Args:
        scored: Result of `score`.
        advised: Result of `recommendations.advise`.
        columns: Columns to stage, separated by spaces.
        until: Report date.
    """
    import pandas as pd

    names = columns.split()
    settled = until - timedelta(SETTLING_DAYS)
    changing = ~scored["is_written"].astype(bool) | (scored["scored_on"] > settled)
    frames = [frame[names].astype(object) for frame in (scored[changing], advised) if len(frame)]
    if not frames:
        return advised[names]
    whole = pd.concat(frames, ignore_index=True)
    return whole.where(whole.notna(), None)
