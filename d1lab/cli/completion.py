"""Completion in the shell: names of reports, shops, metrics, tables, runs, and databases.

A Tab must be fast and silent: each function imports only what it needs, and whatever fails (invalid
settings, a missing warehouse) offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from d1lab.config import Settings

_METRICS = Path(__file__).parents[1] / "analyses"
_MOST_RUNS = 100
_SHOPS = """
SELECT string_agg('SELECT DISTINCT "' || column_name || '" FROM "' || schema_name || '"."'
    || replace(table_name, '"', '""') || '"', ' UNION ')
FROM duckdb_columns() WHERE schema_name = 'raw' AND data_type = 'VARCHAR'
    AND lower(column_name) IN ('shop', lower($column))
"""
_TABLES = """
SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'
UNION ALL
SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name = 'raw' AND estimated_size > 0
"""

Complete = Callable[[typer.Context, str], list[str]]


def _completing(names: Callable[[Settings, str | None], Iterable[str]]) -> Complete:
    """Return a completion of these names, which get the settings and the database."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from d1lab.config import load_settings

        try:
            found = names(load_settings(), ctx.params.get("database"))
            given = {text for value in ctx.params.values() for text in _texts(value)}
            return [name for name in found if name.startswith(incomplete) and name not in given]
        except Exception:  # noqa: BLE001  a shell shows what goes wrong in the middle of a line
            return []

    return complete


def _texts(value: object) -> list[object]:
    """Return what an argument that takes several has so far."""
    return list(cast("list[object]", value)) if isinstance(value, list | tuple) else []


def _reports(settings: Settings, database: str | None) -> list[str]:
    from d1lab.runs.report import list_reports

    return [report.name for report in list_reports(settings)]


def _metrics(settings: Settings, database: str | None) -> list[str]:
    paths = [*_METRICS.glob("*/*.sql"), *(settings.root / "metrics").glob("*.sql")]
    return sorted({path.stem for path in paths})


def _metrics_and_notebooks(settings: Settings, database: str | None) -> list[str]:
    from d1lab.runs.report import notebooks

    stems = {path.stem for path in notebooks(settings)}
    return sorted(stems | {*_metrics(settings, database)})


def _databases(settings: Settings, database: str | None) -> list[str]:
    return sorted(settings.databases)


def _runs(settings: Settings, database: str | None) -> list[str]:
    """Return the runs of a database, the newest first."""
    records = (settings.folder(database) / "runs").glob("*/run.json")
    return sorted((path.parent.name for path in records), reverse=True)[:_MOST_RUNS]


def _tables(settings: Settings, database: str | None) -> list[str]:
    rows = _asked(settings, database, _TABLES)
    return sorted(name if schema == "main" else f"{schema}.{name}" for schema, name in rows)


def _d1_tables(settings: Settings, database: str | None) -> list[str]:
    return sorted(name for schema, name in _asked(settings, database, _TABLES) if schema == "raw")


def _shops(settings: Settings, database: str | None) -> list[str]:
    column = settings.resolve(database)[1].shop_column
    [(sql,)] = _asked(settings, database, _SHOPS, {"column": column})
    return sorted(shop for (shop,) in _asked(settings, database, sql) if shop)


def _asked(
    settings: Settings, database: str | None, sql: str, params: dict[str, str] | None = None
) -> list[tuple[str, ...]]:
    """Query the warehouse; without one, there is nothing to import DuckDB for."""
    path = settings.folder(database) / "warehouse.duckdb"
    if not path.is_file():
        raise FileNotFoundError(path)
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql, params).fetchall()


reports = _completing(_reports)
metrics = _completing(_metrics)
metrics_and_notebooks = _completing(_metrics_and_notebooks)
databases = _completing(_databases)
runs = _completing(_runs)
tables = _completing(_tables)
d1_tables = _completing(_d1_tables)
shops = _completing(_shops)
