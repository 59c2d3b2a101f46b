"""Lab: read-only access to one warehouse from a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from d1lab import outbox
from d1lab.config import PushTable
from d1lab.display.labels import Label, selected
from d1lab.errors import InputError, UnknownName
from d1lab.lab import app_shops, dictionary, freshness, query
from d1lab.lab.freshness import Freshness
from d1lab.lab.push_tables import push_table
from d1lab.lab.showing import DisplayMixin
from d1lab.lab.tables import WarehouseTables
from d1lab.metrics import (
    Metric,
    evaluate,
    labels_of,
    load_metrics,
    parameters_from_text,
    tables_read,
)
from d1lab.parameter_types import as_day
from d1lab.search import Hit, SearchIndex, open_index
from d1lab.warehouse import APPS_FIRST, OWN_FIRST, looking_in

if TYPE_CHECKING:
    import pandas as pd


class Lab(DisplayMixin):
    """A read-only warehouse with tables, SQL, metrics, display helpers, and staging.

    Args:
        con: A read-only connection to the warehouse.
        database: Its name.
        folder: Where its runs are kept.
        shop: The default shop; without it, the only one if there is but one.
        run_dir: The run's folder, when a run opens the lab.
        metrics_folder: The project's own metrics.
        currency: The code of the currency of its amounts; empty where it is not known.
        shop_column: The column of the app's own tables that names a shop.
        push_tables: The tables of the app's that results may be staged for.

    Raises:
        UnknownName: The data has no such shop.
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
    ) -> None:
        self._con, self.database, self.folder = con, database, folder
        self._given_run_dir, self._metrics_folder = run_dir, metrics_folder
        self.currency, self._shop_column = currency, shop_column
        self._push_tables = push_tables or {}
        only = self.shops[0] if len(self.shops) == 1 else None
        self.shop = only if shop is None else self._known_shop(shop)

    def __repr__(self) -> str:
        shops = ", ".join(self.shops) or "no shop yet"
        return f"Lab on {self.database!r}: {shops}. Try lab.describe(), lab.metrics(), lab.tables."

    # Reading

    @cached_property
    def tables(self) -> WarehouseTables:
        """Every table as an attribute that completes: `lab.tables.order_lines.df(100)`."""
        return WarehouseTables(
            self._con, query.relation_names(self._con), lambda name: self._note(None, (name,), {})
        )

    def sql(self, sql: str, **params: object) -> duckdb.DuckDBPyRelation:
        """One SELECT on the warehouse, as a relation: `.df()`, `.pl()`, `.to_arrow_table()`.

        Args:
            sql: DuckDB's SQL, with `$name` where a value belongs.
            params: The values.

        Raises:
            UnknownName: A table, column or parameter does not exist; the nearest is named.
            InputError: The SQL is wrong, does more than read, or a parameter is missing.
        """
        relation = query.run(self._con, sql, params)
        if self._given_run_dir:
            self._note(None, tables_read(sql), params)
        return relation

    def metric(self, name: str, **params: object) -> pd.DataFrame:
        """Evaluate a metric; `lab.metrics()` lists them with their parameters.

        Args:
            name: The metric's name.
            params: Its parameters. `shop` may be left out when the lab was opened for one.

        Raises:
            UnknownName: There is no such metric, parameter or shop.
            InputError: A parameter is missing or of the wrong type.
        """
        metric = self._metric(name)
        if self.shop and "shop" in metric.parameters:
            params.setdefault("shop", self.shop)
        if "shop" in params:
            self._known_shop(params["shop"])
        frame = self._evaluated(metric, params)
        self._note(name, metric.reads, params)
        return frame

    def parameters_from_text(self, name: str, texts: Mapping[str, str]) -> dict[str, object]:
        """A metric's parameters as a command line gives them, each read by its declared type.

        Raises:
            UnknownName: There is no such metric or parameter.
            InputError: A number is none.
        """
        return parameters_from_text(self._metric(name), texts)

    def _metric(self, name: str) -> Metric:
        if name not in self._metrics:
            raise UnknownName("metric", name, self._metrics)
        return self._metrics[name]

    def _evaluated(self, metric: Metric, params: Mapping[str, object]) -> pd.DataFrame:
        try:
            return evaluate(self._looking_in(metric.is_shipped), metric, params).df()
        except duckdb.CatalogException as error:
            raise InputError(
                f"metric {metric.name!r}: "
                f"{query.explained(self._con, error, metric.sql)} If the warehouse "
                "was built before this metric was added, run `d1lab pull`."
            ) from None
        except duckdb.Error as error:
            raise InputError(
                f"metric {metric.name!r} with {dict(params)}: "
                f"{query.explained(self._con, error, metric.sql)}"
            ) from None

    def _looking_in(self, is_shipped: bool) -> duckdb.DuckDBPyConnection:
        """Where a metric's names are looked up: d1lab's metrics mean its views."""
        return self._own_first if is_shipped else self._apps_first

    @cached_property
    def _own_first(self) -> duckdb.DuckDBPyConnection:
        return looking_in(self._con, OWN_FIRST)

    @cached_property
    def _apps_first(self) -> duckdb.DuckDBPyConnection:
        return looking_in(self._con, APPS_FIRST)

    @cached_property
    def _metrics(self) -> dict[str, Metric]:
        return load_metrics(self._metrics_folder)

    @cached_property
    def _labels(self) -> dict[str, Label]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return labels_of(self._metrics)

    def metrics(self) -> pd.DataFrame:
        """Every metric: what it says, unit, grain, the views it reads, its parameters."""
        import pandas as pd

        return pd.DataFrame(
            {
                "metric": m.name,
                "sentence": m.sentence,
                "unit": m.unit,
                "grain": ", ".join(m.grain),
                "reads": ", ".join(m.reads),
                "parameters": ", ".join(m.parameters),
            }
            for m in self._metrics.values()
        )

    def describe(self, table: str | None = None) -> pd.DataFrame:
        """The data dictionary: a row per table, or a row per column of one table.

        Raises:
            UnknownName: There is no such table.
        """
        if table is None:
            return dictionary.describe_tables(self._con)
        return dictionary.describe_columns(self._con, self.tables[table].name)

    # The data's age and faults

    @property
    def shops(self) -> list[str]:
        """The shops in the data, by name."""
        return sorted(self._days)

    @cached_property
    def _days(self) -> dict[str, tuple[date, date]]:
        """First and last day of each shop's data."""
        found = evaluate(self._own_first, self._metrics["last_day"], {}).fetchall()
        known = {shop: (first, last) for shop, first, last in found}
        return app_shops.app_shops(self._con, self._shop_column) | known

    def _known_shop(self, shop: object) -> str:
        if str(shop) not in self._days:
            raise UnknownName("shop", str(shop), self._days, f"database {self.database!r}")
        return str(shop)

    def _shop(self, shop: str | None) -> str:
        """The shop that is meant; '' for all data, also where the data has no shop."""
        if shop is None and self.shop is None and self.shops:
            raise InputError(
                f"several shops in this database. Pass shop=..., one of: {', '.join(self.shops)}"
            )
        chosen = self.shop if shop is None else shop
        return self._known_shop(chosen) if chosen else ""

    def _days_of(self, shop: str) -> tuple[date, date]:
        """The first and the last day of a shop's data, or of all data for ''."""
        if shop:
            return self._days[shop]
        if not self._days:
            return app_shops.app_days(self._con)
        firsts, lasts = zip(*self._days.values(), strict=True)
        return min(firsts), max(lasts)

    def as_of(self, shop: str | None = None, as_of: date | str | None = None) -> date:
        """The report date: the one given, or the last in the shop's data.

        Args:
            shop: A shop, or '' for all data; None for the lab's own.
            as_of: A day, or YYYY-MM-DD.

        Raises:
            InputError: It is no date, or lies before the shop's first day or after its last.
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
                f"as_of={day} is outside {whose} ({first} to {last}). Use a day of these, "
                "or latest."
            )
        return day

    def freshness(self, shop: str | None = None) -> Freshness:
        """When the data was pulled, how far it reaches, and whether that is too old."""
        return freshness.freshness(self._con, self.as_of(shop))

    def simulated(self, shop: str | None = None) -> tuple[str, ...]:
        """The views that hold simulated rows for this shop, as their `source` says."""
        name = self._shop(shop)
        return tuple(self._simulated.get(name, ()))

    @cached_property
    def _simulated(self) -> dict[str, list[str]]:
        return freshness.simulated_views(self._con)

    @property
    def quarantined(self) -> pd.DataFrame:
        """Values that did not fit their declared type, counted by table, column and reason."""
        return freshness.quarantined(self._con)

    # Staging

    @cached_property
    def run_dir(self) -> Path:
        """The run's folder; an interactive lab makes one of its own when it first stages."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        return self._given_run_dir or self.folder / "runs" / f"{stamp}-interactive"

    def stage(self, frame: Any, *, table: str, columns: str | Sequence[str] | None = None) -> int:
        """Put results for a D1 table into the run's outbox; nothing is written to D1.

        In a run a key that is staged twice must have equal values; in interactive work the
        later row takes the place of the earlier, so that a cell can be run again.

        Args:
            frame: The table's key columns, and columns that d1lab owns.
            table: The D1 table's name: one of d1lab's, or one that `[push.tables]` names.
            columns: Names of the columns to stage, also as one text; all for None.

        Returns:
            How many rows were staged.

        Raises:
            UnknownName, InputError: As `d1lab.results.stage` draws them.
        """
        interactive = self._given_run_dir is None
        chosen = selected(frame, columns)
        declared = push_table(self._con, table, self._push_tables)
        return outbox.stage(chosen, declared, self.run_dir, replace=interactive)

    def keep(self, records: object, name: str) -> Path:
        """Keep records with the run as <name>.json, such as what a decision followed from.

        Raises:
            InputError: The name cannot be a file of the run.
        """
        return outbox.keep(records, name, self.run_dir)

    def _note(self, metric: str | None, reads: Any, params: Mapping[str, object]) -> None:
        """Note in a run what was read, so that its page can say so."""
        if self._given_run_dir is None:
            return
        record = {"metric": metric, "reads": sorted(reads), "params": dict(params)}
        outbox.note_read(self._given_run_dir, record)

    def search(
        self, text: str, *, kind: str | None = None, shop: str | None = None, limit: int = 20
    ) -> pd.DataFrame:
        """Discounts, codes, articles, customers and tests by their words, best first.

        Args:
            text: Words, their beginnings, or nearly so: case, accents and typing errors aside.
            kind: Only one of discount, code, sku, customer and test.
            shop: Only of this shop.
            limit: Maximum number of results.

        Raises:
            UnknownName: There is no such kind.
            InputError: The text holds no letter or digit, or the limit is below 1.
        """
        import pandas as pd

        kinds = [kind] if kind else None
        hits = self._index.search(text, kinds=kinds, shop=shop, limit=limit)
        return pd.DataFrame(hits, columns=list(Hit._fields))

    @cached_property
    def _index(self) -> SearchIndex:
        return open_index(self._con, self.folder)
