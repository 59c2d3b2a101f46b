"""Lab: read-only access to one warehouse from a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from d1lab.config_sections import PushTable
from d1lab.errors import InputError
from d1lab.lab import app_shops, days, dictionary, freshness, query
from d1lab.lab.actions import ActionsMixin
from d1lab.lab.display import DisplayMixin
from d1lab.lab.freshness import Freshness
from d1lab.lab.local_tables import LocalTables, Namespace, callers_names, local_table
from d1lab.lab.metric_calls import MetricsMixin
from d1lab.lab.overview import overview
from d1lab.lab.plan import Plan, explained
from d1lab.lab.sharing import SharingMixin
from d1lab.lab.tables import WarehouseTables
from d1lab.metrics import check_parameters
from d1lab.parameter_types import as_day
from d1lab.search import Hit, SearchIndex, open_index
from d1lab.select_statements import tables_read

if TYPE_CHECKING:
    import pandas as pd


class Lab(DisplayMixin, ActionsMixin, SharingMixin, MetricsMixin):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A read-only warehouse with tables, SQL, metrics, display helpers, and staging.

    Args:
        con: Read-only connection to the warehouse.
        database: Name of the database.
        folder: Folder of its runs.
        shop: Default shop; None for the only shop if there is just one.
        run_dir: Folder of the run, if a run opens the lab.
        metrics_folder: Folder of the project's own metrics.
        currency: Code of the currency of all amounts; empty if unknown.
        shop_column: Column of the app's own tables with the shop.
        push_tables: Tables of the app that results can be staged for.
        keeps_results: Whether results of d1lab's metrics are kept on disk for other labs.

    Raises:
        UnknownName: The shop is not in the data.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        *,
        database: str,
        folder: Path,
        shop: str | None = None,
        run_dir: Path | None = None,
        metrics_folder: Path | None = None,
        currency: str = "",
        shop_column: str = "shop",
        push_tables: Mapping[str, PushTable] | None = None,
        keeps_results: bool = False,
    ) -> None:
        self._con, self.database, self.folder = con, database, folder
        self._given_run_dir, self._metrics_folder = run_dir, metrics_folder
        self.currency, self._shop_column = currency, shop_column
        self._push_tables, self._keeps_results = push_tables or {}, keeps_results
        only = self.shops[0] if len(self.shops) == 1 else None
        self.shop = only if shop is None else self._known_shop(shop)

    def __repr__(self) -> str:
        shops = ", ".join(self.shops) or "no shop yet"
        return f"Lab on {self.database!r}: {shops}. Try lab.describe(), lab.metrics(), lab.tables."

    def _repr_html_(self) -> str:
        return overview(self, self._con)

    # Reading

    @cached_property
    def tables(self) -> WarehouseTables:
        """All tables as attributes with Tab completion: `lab.tables.order_lines.df(100)`."""
        return WarehouseTables(
            self._con, query.relation_names(self._con), lambda name: self._note(None, (name,), {})
        )

    def sql(self, sql: str, **params: object) -> duckdb.DuckDBPyRelation:
        """Run one SELECT, or PIVOT, on the warehouse and on frames of the notebook.

        A frame or relation in a variable is a table of that name, unless the warehouse has one.

        Args:
            sql: DuckDB SQL with parameters as `$name`.
            params: Values of the parameters.

        Returns:
            A relation, which is computed when it is shown or converted: `.df()` for pandas,
            `.to_arrow_table()` for Arrow, and `.pl()` for Polars, if it is installed.

        Raises:
            UnknownName: A table, column, or parameter does not exist; the message suggests a name.
            InputError: The SQL is invalid or not a single SELECT, or a parameter is missing.
        """
        return self.query(sql, params, callers_names())

    def query(
        self, sql: str, params: Mapping[str, object], names: Namespace
    ) -> duckdb.DuckDBPyRelation:
        """Run one SELECT, as `sql` does, with the frames of these variables as tables."""
        relation = query.run(self._con, sql, params, self._local_tables, names)
        if self._given_run_dir:
            read = [
                t for t in tables_read(sql) if t in self.tables or local_table(t, names) is None
            ]
            self._note(None, read, params)
        return relation

    @cached_property
    def _local_tables(self) -> LocalTables:
        return LocalTables(self._con)

    def explain(self, sql: str, **params: object) -> Plan:
        """Show how DuckDB computes a SELECT or a metric: the tables it reads, and its plan.

        Args:
            sql: A SELECT, or the name of a metric.
            params: Values of its parameters.

        Raises:
            UnknownName: A table, column, metric, or parameter does not exist.
            InputError: The SQL is invalid, or a parameter is missing.
        """
        if sql.isidentifier():
            metric = self._metric(sql)
            if self.shop and "shop" in metric.parameters:
                params.setdefault("shop", self.shop)
            con = self._looking_in(metric.is_shipped)
            checked = check_parameters(metric, params)
            return explained(con.sql(metric.sql, params=checked), metric.sql, metric.sentence)
        return explained(self.query(sql, params, callers_names()), sql)

    def describe(self, table: str | None = None) -> pd.DataFrame:
        """Return the data dictionary: a row per table, or a row per column of one table.

        Raises:
            UnknownName: The table does not exist.
        """
        if table is None:
            return dictionary.describe_tables(self._con)
        return dictionary.describe_columns(self._con, self.tables[table].name)

    # Age and state of the data

    @property
    def shops(self) -> list[str]:
        """Shops in the data, sorted by name."""
        return sorted(self._days)

    @cached_property
    def _days(self) -> dict[str, tuple[date, date]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """First and last complete day of data per shop."""
        known = days.with_data(self._own_first, self._results)
        return days.complete(self._con, app_shops.app_shops(self._con, self._shop_column) | known)

    def _shop(self, shop: str | None) -> str:
        """Return the given or default shop; '' for all data, or if the data has no shop."""
        if shop is None and self.shop is None and self.shops:
            raise InputError(
                f"several shops in this database. Pass shop=..., one of: {', '.join(self.shops)}"
            )
        chosen = self.shop if shop is None else shop
        return self._known_shop(chosen) if chosen else ""

    def _days_of(self, shop: str) -> tuple[date, date]:
        """Return the first and last day of a shop's data, or of all data for ''."""
        if shop:
            return self._days[shop]
        if not self._days:
            return days.complete(self._con, {"": app_shops.app_days(self._con)})[""]
        firsts, lasts = zip(*self._days.values(), strict=True)
        return min(firsts), max(lasts)

    def as_of(self, shop: str | None = None, as_of: date | str | None = None) -> date:
        """Return the report date: the given day, or the last complete day of the shop's data.

        Args:
            shop: Shop; '' for all data, None for the default shop.
            as_of: Date, or YYYY-MM-DD; None for the last day.

        Raises:
            InputError: The date is invalid, or outside the complete days of the shop's data.
        """
        chosen = self._shop(shop)
        first, last = self._days_of(chosen)
        if as_of is None:
            return last
        try:
            day = as_day(as_of)
        except ValueError:
            raise InputError(f"invalid as_of={as_of!r}. Use YYYY-MM-DD.") from None
        if not first <= day <= last:
            whose = "the shop's data" if chosen else "the data"
            raise InputError(
                f"as_of={day} is outside {whose} ({first} to {last}). A day counts once it is "
                f"over ({self.timezone(chosen) or 'UTC'}). Use a day in this range, or latest."
            )
        return day

    def timezone(self, shop: str | None = None) -> str | None:
        """Return the IANA name of the time zone of a shop's days; None if unset, then UTC."""
        return self._zone_of(self._shop(shop))

    @cached_property
    def _zone_of(self) -> Callable[[str], str | None]:
        return cache(partial(days.zone_of, self._con))

    def today(self, shop: str | None = None) -> date:
        """Return today's date in the shop's time zone."""
        return days.today(self.timezone(shop))

    def freshness(self, shop: str | None = None) -> Freshness:
        """Return the time of the last pull, the last day of data, and whether it is stale."""
        return freshness.freshness(self._con, self.as_of(shop))

    def simulated(self, shop: str | None = None) -> tuple[str, ...]:
        """Return the views with simulated rows for this shop, by their column `source`."""
        name = self._shop(shop)
        return tuple(self._simulated.get(name, ()))

    @cached_property
    def _simulated(self) -> dict[str, list[str]]:
        return freshness.simulated_views(self._con)

    @property
    def quarantined(self) -> pd.DataFrame:
        """Count the values of an invalid type by table, column, and reason."""
        return freshness.quarantined(self._con)

    def search(
        self, text: str, *, kind: str | None = None, shop: str | None = None, limit: int = 20
    ) -> pd.DataFrame:
        """Search discounts, codes, products, customers, and tests; best matches first.

        Args:
            text: Words or prefixes; case, accents, and typos are ignored.
            kind: One of discount, code, sku, customer, and test; None for all.
            shop: Shop to include; None for all.
            limit: Maximum number of results.

        Raises:
            UnknownName: The kind does not exist.
            InputError: The text has no letter or digit, or the limit is below 1.
        """
        import pandas as pd

        kinds = [kind] if kind else None
        hits = self._index.search(text, kinds=kinds, shop=shop, limit=limit)
        return pd.DataFrame(hits, columns=list(Hit._fields))

    @cached_property
    def _index(self) -> SearchIndex:
        return open_index(self._con, self.folder)
