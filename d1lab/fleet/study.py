"""What the report of a fleet shows: figures of all shops, from the marts and the registry."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from d1lab.config import load_settings
from d1lab.errors import StaleDataError
from d1lab.fleet.places import FOLDER, fleet_folder
from d1lab.fleet.study_files import FILES, REPORT_FOLDER
from d1lab.stats.pooling import PoolingVerdict, judge_pooling, pool
from d1lab.stats.usual import Usual, usual
from d1lab.warehouse import scratch

WEEKS = 53
STALE_DAYS = 3  # a shop without orders for longer is listed
HOLDOUT_DAYS = 28  # between an earlier and a later estimate
NORMAL = 1.959964
POOLED = {"observed_lift": "Lift of discounts", "lift_of_conversions": "Lift of A/B tests"}
"""The figures that could be pooled over shops."""

_RANKING = """
WITH ends AS (SELECT database, shop, max(day) AS last_day FROM days GROUP BY ALL),
aged AS (SELECT *, last_day - day AS age FROM days JOIN ends USING (database, shop)),
sums AS (
  SELECT
    database, shop, any_value(currency) AS currency, any_value(last_day) AS last_day,
    coalesce(sum(revenue) FILTER (age < 28), 0) AS revenue,
    sum(revenue) FILTER (age BETWEEN 28 AND 55) AS revenue_before,
    coalesce(sum(orders) FILTER (age < 28), 0)::BIGINT AS orders,
    coalesce(sum(savings) FILTER (age < 28), 0) AS savings
  FROM aged
  GROUP BY database, shop
)
SELECT *, CASE WHEN revenue_before > 0 THEN revenue / revenue_before - 1 END AS change
FROM sums LEFT JOIN pages USING (database, shop)
ORDER BY currency, revenue DESC, database, shop
"""

_ACTIONS = """
WITH runs AS (  -- the last one may advise nothing, but it has key figures
  SELECT database, shop, report, max(as_of) AS as_of
  FROM (SELECT database, shop, report, as_of FROM figures
    UNION ALL SELECT database, shop, report, as_of FROM actions)
  GROUP BY database, shop, report
),
latest AS (FROM actions SEMI JOIN runs USING (database, shop, report, as_of)),
placed AS (
  SELECT *, row_number() OVER (
    PARTITION BY currency ORDER BY amount DESC NULLS LAST, database, shop, report, action
  ) AS place
  FROM latest
)
SELECT database, shop, report, sentence, amount, amount_low, amount_high, currency, as_of, page,
  coalesce(meaning, 'gained') AS meaning, coalesce("of", '') AS "of",
  coalesce(period, 'month') AS period, coalesce(at_most, false) AS at_most,
  coalesce(basis, 'counted') AS basis, coalesce(simulated, '') AS simulated
FROM placed
ORDER BY amount IS NULL, place, currency  -- amounts of two currencies are not compared
"""

_WEEKS = """
WITH ends AS (
  SELECT database, shop, any_value(currency) AS currency, max(day) AS last_day,
    min(day) AS first_day
  FROM days
  GROUP BY database, shop
),
weeks AS (
  SELECT database, shop, (last_day - day) // 7 AS age, sum(revenue) AS revenue
  FROM days JOIN ends USING (database, shop)
  GROUP BY ALL
)
SELECT database, shop, currency, last_day, first_day, list(age), list(revenue)
FROM weeks JOIN ends USING (database, shop)
GROUP BY ALL
ORDER BY database, shop
"""

_ESTIMATES = """
WITH known AS (
  SELECT *, (high - low) / (2 * $normal) AS error,
    max(as_of) OVER (PARTITION BY database, shop, report, dimension) AS last_day
  FROM figures
  WHERE metric = $metric AND value IS NOT NULL AND high > low
)
SELECT database, shop, dimension, max(as_of) AS as_of,
  arg_max(value, as_of) FILTER (as_of <= last_day - $gap) AS earlier,
  arg_max(error, as_of) FILTER (as_of <= last_day - $gap) AS earlier_error,
  arg_max(value, as_of) AS value, arg_max(error, as_of) AS error,
  arg_max(low, as_of) AS low, arg_max(high, as_of) AS high
FROM known
GROUP BY database, shop, report, dimension
ORDER BY database, shop, dimension
"""


class WeekOfShop(NamedTuple):
    """The last week of a shop with its usual range."""

    database: str
    shop: str
    currency: str
    last_day: date
    revenue: float
    usual: Usual


class PoolingStudy(NamedTuple):
    """A figure of all shops, and whether drawing their estimates toward each other is better."""

    verdict: PoolingVerdict
    mean: float | None  # of all shops, what is expected of a new one; None unless it is better
    spread: float | None  # standard deviation between the shops' true values
    estimates: Any  # frame: the latest of each shop, with `drawn`; empty unless it is better


class FleetStudy(NamedTuple):
    """All that the report shows."""

    ranking: Any  # frame: one row per shop, by currency and revenue of 28 days
    weeks: tuple[WeekOfShop, ...]  # one per shop
    actions: Any  # frame: the latest of each shop and report, by money
    databases: Any  # frame: one row per database of the registry
    pooling: Mapping[str, PoolingStudy]  # by the figure's metric

    @property
    def outliers(self) -> list[WeekOfShop]:
        """The shops whose last week is outside their usual range, farthest first."""
        out = [week for week in self.weeks if week.usual.position in ("high", "low")]
        return sorted(out, key=_distance, reverse=True)

    @property
    def judged(self) -> int:
        """The number of shops with enough weeks to be judged."""
        return sum(week.usual.position is not None for week in self.weeks)


def open_study() -> FleetStudy:
    """Read what `d1lab fleet report` has copied to this machine.

    Raises:
        StaleDataError: It was never called.
    """
    settings = load_settings()
    in_run = settings.data_dir.name == FOLDER
    return study((settings.data_dir if in_run else fleet_folder(settings)) / REPORT_FOLDER)


def study(folder: Path) -> FleetStudy:
    """Compute what the report shows.

    Args:
        folder: With the Parquet files of `keep_study`.
    """
    if not all((folder / f"{name}.parquet").is_file() for name in FILES):
        raise StaleDataError("no figures of a fleet yet. Run `d1lab fleet report`.")
    with scratch() as con:
        for name in FILES:
            con.from_parquet(str(folder / f"{name}.parquet")).create_view(name)
        return FleetStudy(
            ranking=con.sql(_RANKING).df(),
            weeks=tuple(_weeks(con)),
            actions=con.sql(_ACTIONS).df(),
            databases=con.sql("FROM databases ORDER BY database").df(),
            pooling={metric: _judged(con, metric) for metric in POOLED},
        )


def _weeks(con: duckdb.DuckDBPyConnection) -> list[WeekOfShop]:
    """Return the last week of each shop; weeks without a sale count as zero."""
    return [
        _week(database, shop, currency or "", last, first, dict(zip(ages, sums, strict=True)))
        for database, shop, currency, last, first, ages, sums in con.sql(_WEEKS).fetchall()
    ]


def _week(
    database: str, shop: str, currency: str, last: date, first: date, by_age: Mapping[int, float]
) -> WeekOfShop:
    """Return the last week of a shop by the revenue of its weeks; 0 is the age of the last."""
    count = min(((last - first).days + 1) // 7, WEEKS)
    sums = [by_age.get(age, 0.0) for age in reversed(range(count))]
    now = sums[-1] if sums else 0.0
    return WeekOfShop(database, shop, currency, last, now, usual(sums or [0.0]))


def _distance(week: WeekOfShop) -> float:
    """Return how far a week is outside its range, in half widths of the range."""
    low, high = week.usual.low or 0.0, week.usual.high or 0.0
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9)
    return abs(week.revenue - middle) / half


def _judged(con: duckdb.DuckDBPyConnection, metric: str) -> PoolingStudy:
    given = {"metric": metric, "gap": HOLDOUT_DAYS, "normal": NORMAL}
    found = con.execute(_ESTIMATES, given).df()
    held = found[found["earlier"].notna()]
    verdict = judge_pooling(
        *(held[name].tolist() for name in ("earlier", "earlier_error", "value"))
    )
    if not verdict.is_better:
        return PoolingStudy(verdict, None, None, found.head(0).assign(drawn=[]))
    pooled = pool(found["value"].tolist(), found["error"].tolist())
    return PoolingStudy(verdict, pooled.mean, pooled.spread, found.assign(drawn=pooled.values))


def stale_since(last_day: date, today: date) -> int | None:
    """Return the days since a shop's last order day, if they are more than usual; else None.

    >>> stale_since(date(2026, 5, 1), date(2026, 5, 9))
    8
    """
    age = today - last_day
    return age.days if age > timedelta(days=STALE_DAYS) else None
