"""Metrics of a lab: evaluate one, list them, and the connections that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from d1lab.display.labels import Label
from d1lab.errors import InputError, UnknownName
from d1lab.lab import dictionary, query
from d1lab.lab.shared_tables import SharedTables
from d1lab.lab.staging import StagingMixin
from d1lab.metrics import (
    Metric,
    broken_metrics,
    check_parameters,
    labels_of,
    load_metrics,
    parameters_from_text,
)
from d1lab.warehouse import APPS_FIRST, OWN_FIRST, looking_in
from d1lab.warehouse.result_cache import ResultCache

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


class MetricsMixin(StagingMixin):
    """Methods of a Lab for metrics."""

    database: str
    shop: str | None
    currency: str
    memory: str | None = None
    """The limit on the memory of its queries, such as '2GB'; None without a setting."""
    _days: Mapping[str, tuple[date, date]]
    _metrics_folder: Path | None
    _shop_column: str
    _keeps_results: bool

    def metric(self, name: str, **params: object) -> pd.DataFrame:
        """Evaluate a metric; `lab.metrics()` lists them with their parameters.

        Args:
            name: Name of the metric.
            params: Parameters of the metric. `shop` is optional if the lab has a default shop.

        Raises:
            UnknownName: The metric, a parameter, or the shop does not exist.
            InputError: A parameter is missing or has an invalid type.
        """
        metric = self._metric(name)
        if self.shop and "shop" in metric.parameters:
            params.setdefault("shop", self.shop)
        if "shop" in params:
            self._known_shop(params["shop"])
        frame = self._evaluated(metric, params)
        self._note(name, metric.reads, params)
        return frame

    def _known_shop(self, shop: object) -> str:
        if str(shop) not in self._days:
            raise UnknownName("shop", str(shop), self._days, f"database {self.database!r}")
        return str(shop)

    def _evaluated(self, metric: Metric, params: Mapping[str, object]) -> pd.DataFrame:
        """Return the rows of a metric: those that another notebook has computed, or new ones."""
        if self._results is None or not metric.is_shipped:
            return self._computed(metric, params)
        checked = check_parameters(metric, params)
        return self._results.frame(
            metric.name,
            metric.sql,
            checked,
            lambda: self._computed(metric, checked),
            currency=self.currency,
        )

    def _computed(self, metric: Metric, params: Mapping[str, object]) -> pd.DataFrame:
        if not metric.is_shipped:
            return query.evaluated(self._apps_first, metric, params, memory=self.memory)
        return query.evaluated(self._own_first, metric, params, self._shared, self.memory)

    @cached_property
    def _shared(self) -> SharedTables:
        return SharedTables(self._own_first)

    @cached_property
    def _results(self) -> ResultCache | None:
        about = {"shop_column": self._shop_column}
        return ResultCache(self._con, self.folder, about) if self._keeps_results else None

    def parameters_from_text(self, name: str, texts: Mapping[str, str]) -> dict[str, object]:
        """Parse the parameters of a metric from text, such as the command line, by declared type.

        Raises:
            UnknownName: The metric or a parameter does not exist.
            InputError: A value does not have the declared type.
        """
        return parameters_from_text(self._metric(name), texts)

    def _metric(self, name: str) -> Metric:
        if name not in self._metrics and (
            problem := broken_metrics(self._metrics_folder).get(name)
        ):
            raise InputError(problem)
        if name not in self._metrics:
            raise UnknownName("metric", name, self._metrics)
        return self._metrics[name]

    def _looking_in(self, is_shipped: bool) -> duckdb.DuckDBPyConnection:
        """Return the connection for a metric: in d1lab's own metrics, names mean d1lab's views."""
        return self._own_first if is_shipped else self._apps_first

    @cached_property
    def _own_first(self) -> duckdb.DuckDBPyConnection:
        return looking_in(self._con, OWN_FIRST)

    @cached_property
    def _apps_first(self) -> duckdb.DuckDBPyConnection:
        return looking_in(self._con, APPS_FIRST)

    @property
    def _metrics(self) -> dict[str, Metric]:
        """The metrics as their files are now: a metric can be written while the lab is open."""
        return load_metrics(self._metrics_folder)

    @property
    def _labels(self) -> dict[str, Label]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return labels_of(self._metrics)

    @property
    def metric_names(self) -> list[str]:
        """Names of all metrics."""
        return sorted(self._metrics)

    def parameters_of(self, metric: str) -> list[str]:
        """Return the parameters of a metric; none for an unknown one."""
        return list(self._metrics[metric].parameters) if metric in self._metrics else []

    @property
    def metrics_folder(self) -> Path | None:
        """Folder of the project's own metrics; None without a project."""
        return self._metrics_folder

    def metrics(self) -> pd.DataFrame:
        """List all metrics: description, unit, grain, views read, and parameters."""
        return dictionary.describe_metrics(self._metrics.values())
