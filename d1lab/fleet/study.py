"""What the report of a fleet shows: figures of all shops, from the marts and the registry."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from d1lab.config import Settings, load_settings
from d1lab.errors import StaleDataError
from d1lab.files import writing
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import SCHEMAS, read_mart
from d1lab.fleet.places import FOLDER, fleet_folder
from d1lab.fleet.store import Store
from d1lab.stats.pooling import PoolingVerdict, judge_pooling
from d1lab.stats.usual import Usual, usual
from d1lab.warehouse import scratch

REPORT_FOLDER = "report"
WEEKS = 53
STALE_DAYS = 3  # a shop without orders for longer is listed
HOLDOUT_DAYS = 28  # between an earlier and a later estimate
NORMAL = 1.959964
POOLED = {"observed_lift": "Lift of discounts", "lift_of_conversions": "Lift of A/B tests"}
"""The figures that could be pooled over shops."""

_DATABASES = pa.schema(
    [
        *((name, pa.string()) for name in ("database", "status", "kind", "message")),
        *((name, pa.string()) for name in ("tried_at", "succeeded_at", "plan")),
        *((name, pa.int64()) for name in ("failures", "requests", "rows_read", "rows_written")),
        ("seconds", pa.float64()),
    ]
)

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
FROM sums
ORDER BY currency, revenue DESC, database, shop
"""

_ACTIONS = """
WITH latest AS (
  FROM actions QUALIFY as_of = max(as_of) OVER (PARTITION BY database, shop, report)
),
placed AS (
  SELECT *, row_number() OVER (
    PARTITION BY currency ORDER BY amount DESC NULLS LAST, database, shop, report, action
  ) AS place
  FROM latest
)
SELECT database, shop, report, sentence, amount, amount_low, amount_high, currency, meaning, period,
  basis, as_of
FROM placed
ORDER BY amount IS NULL, place, currency  -- amounts of two currencies are not compared
"""

_ESTIMATES = """
WITH known AS (
  SELECT *, (high - low) / (2 * $normal) AS error,
    max(as_of) OVER (PARTITION BY database, shop, report, dimension) AS last_day
  FROM figures
  WHERE metric = $metric AND value IS NOT NULL AND high > low
)
SELECT arg_max(value, as_of) FILTER (as_of <= last_day - $gap) AS earlier,
  arg_max(error, as_of) FILTER (as_of <= last_day - $gap) AS error,
  arg_max(value, as_of) AS later
FROM known
GROUP BY database, shop, report, dimension
HAVING earlier IS NOT NULL
"""


class WeekOfShop(NamedTuple):
    """The last week of a shop with its usual range."""

    database: str
    shop: str
    currency: str
    last_day: date
    revenue: float
    usual: Usual


class FleetStudy(NamedTuple):
    """All that the report shows."""

    ranking: Any  # frame: one row per shop, by currency and revenue of 28 days
    weeks: tuple[WeekOfShop, ...]  # one per shop
    actions: Any  # frame: the latest of each shop and report, by money
    databases: Any  # frame: one row per database of the registry
    pooling: Mapping[str, PoolingVerdict]  # by the figure's metric

    @property
    def outliers(self) -> list[WeekOfShop]:
        """The shops whose last week is outside their usual range, farthest first."""
        out = [week for week in self.weeks if week.usual.position in ("high", "low")]
        return sorted(out, key=_distance, reverse=True)

    @property
    def judged(self) -> int:
        """The number of shops with enough weeks to be judged."""
        return sum(week.usual.position is not None for week in self.weeks)


def keep_study(settings: Settings, store: Store, entries: list[RegistryEntry]) -> Path:
    """Copy the marts and the registry's state to this machine, for the notebook.

    Returns:
        The folder.
    """
    folder = fleet_folder(settings) / REPORT_FOLDER
    tables = {mart: read_mart(store, mart) for mart in SCHEMAS}
    rows = [_row(entry) for entry in entries if entry.listed]
    for name, table in (*tables.items(), ("databases", pa.Table.from_pylist(rows, _DATABASES))):
        with writing(folder / f"{name}.parquet") as part:
            pq.write_table(table, part)
    return folder


def last_day(folder: Path) -> date | None:
    """Return the last day of any shop in what `keep_study` has copied; None without a day."""
    days = pq.read_table(folder / "days.parquet", columns=["day"]).column("day")
    return max(days.to_pylist(), default=None)


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
    if not (folder / "databases.parquet").is_file():
        raise StaleDataError("no figures of a fleet yet. Run `d1lab fleet report`.")
    with scratch() as con:
        for name in (*SCHEMAS, "databases"):
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
    rows = con.sql(
        "SELECT database, shop, any_value(currency), max(day), min(day),"
        " list({'day': day, 'revenue': revenue}) FROM days GROUP BY ALL ORDER BY database, shop"
    ).fetchall()
    return [
        _week(database, shop, currency or "", last, first, days)
        for database, shop, currency, last, first, days in rows
    ]


def _week(
    database: str, shop: str, currency: str, last: date, first: date, days: list[dict[str, Any]]
) -> WeekOfShop:
    count = min(((last - first).days + 1) // 7, WEEKS)
    sums = [0.0] * count
    for day in days:
        age = (last - day["day"]).days // 7
        if age < count:
            sums[-1 - age] += day["revenue"]
    now = sums[-1] if sums else 0.0
    return WeekOfShop(database, shop, currency, last, now, usual(sums or [0.0]))


def _distance(week: WeekOfShop) -> float:
    """Return how far a week is outside its range, in half widths of the range."""
    low, high = week.usual.low or 0.0, week.usual.high or 0.0
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9)
    return abs(week.revenue - middle) / half


def _judged(con: duckdb.DuckDBPyConnection, metric: str) -> PoolingVerdict:
    given = {"metric": metric, "gap": HOLDOUT_DAYS, "normal": NORMAL}
    rows = con.execute(_ESTIMATES, given).fetchall()
    earlier, errors, later = ([row[place] for row in rows] for place in range(3))
    return judge_pooling(earlier, errors, later)


def stale_since(last_day: date, today: date) -> int | None:
    """Return the days since a shop's last order day, if they are more than usual; else None.

    >>> stale_since(date(2026, 5, 1), date(2026, 5, 9))
    8
    """
    age = today - last_day
    return age.days if age > timedelta(days=STALE_DAYS) else None


def _row(entry: RegistryEntry) -> dict[str, Any]:
    names = ("status", "kind", "message", "failures", "requests", "rows_read", "rows_written")
    return {
        "database": entry.name,
        "plan": entry.database.plan,
        "tried_at": _minute(entry.tried_at),
        "succeeded_at": _minute(entry.succeeded_at),
        "seconds": entry.seconds,
        **{name: getattr(entry, name) for name in names},
    }


def _minute(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else None
