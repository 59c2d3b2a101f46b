"""The inputs of a run: digests of all that its result depends on.

Of a table that was read only by d1lab's own metrics with the run's shop, the shop's rows count: a
change in another shop makes nothing due. Other SQL can read all shops, so the whole table counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from d1lab import outbox
from d1lab.config import Settings
from d1lab.d1.usage_log import days_until
from d1lab.files import digest
from d1lab.runs.report import Report
from d1lab.runs.run import Task
from d1lab.select_statements import tables_read
from d1lab.warehouse import HISTORY, own_name
from d1lab.warehouse.views import OF_ALL_SHOPS, VIEWS

PACKAGE = Path(__file__).parents[1]
_SOURCES = {".py", ".sql", ".html", ".css", ".js"}
_TABLE = "table "
_THIS_SHOP = " (this shop)"
_METRIC = "metric "


def inputs_of(settings: Settings, task: Task) -> dict[str, str]:
    """Digests of what the task's result could depend on.

    Tables as `table <name>`, and the shop's rows of them as `table <name> (this shop)`.
    """
    tables = {f"{_TABLE}{table.name}": str(table.digest) for table in task.data.tables}
    rows = {
        f"{_TABLE}{table.name}{_THIS_SHOP}": table.shop_digest
        for table in task.data.tables
        if table.shop_digest is not None
    }
    return (
        tables
        | rows
        | {
            **code_of(settings, task.report),
            "the time zone": task.data.timezone or "",
            **_settings(settings, task),
            **_usage(settings, task),
        }
    )


def _settings(settings: Settings, task: Task) -> dict[str, str]:
    """The settings of the database that change a result or its page."""
    chosen = settings.databases[task.database]
    own = {
        "the currency": chosen.currency_of(task.shop or None),
        "shop_column": chosen.shop_column,
        "uses_start": "" if chosen.uses_start is None else str(chosen.uses_start),
    }
    return own | ({"the plan": chosen.plan} if task.report.is_of_usage else {})


def code_of(settings: Settings, report: Report) -> dict[str, str]:
    """Digests of all code that a run executes: the notebook, d1lab, and the project's metrics."""
    return {
        "the notebook": report.digest,
        "d1lab": source_digest(),
        "DuckDB": duckdb_version(),
        **metric_digests(settings.root / "metrics"),
    }


def _usage(settings: Settings, task: Task) -> dict[str, str]:
    """The complete days of D1's usage, for a report on it.

    The day of the pull is not over: what d1lab uses on it makes no report due.
    """
    if not task.report.is_of_usage or task.as_of is None:
        return {}
    pulled_at = task.data.pulled_at
    is_over = pulled_at is not None and task.as_of < pulled_at.date()
    days = days_until(settings.folder(task.database), task.as_of) if is_over else ()
    return {"D1's usage": digest(repr(days))}


def metric_digests(folder: Path) -> dict[str, str]:
    """Return the digests of a project's metrics, each as `metric <name>`."""
    paths = sorted(folder.glob("*.sql")) if folder.is_dir() else []
    return {f"{_METRIC}{path.stem}": digest(path.read_bytes()) for path in paths}


def narrowed(inputs: Mapping[str, str], run_dir: Path, shop: str) -> dict[str, str]:
    """The inputs without the metrics, tables, and other shops' rows that the run did not read.

    Args:
        inputs: As those of `inputs_of`.
        run_dir: The run's folder, with the notes of what it read.
        shop: The run's shop; '' for all.
    """
    notes = outbox.read_notes(run_dir)
    if notes:
        used = {f"{_METRIC}{note['metric']}" for note in notes}
        inputs = {k: v for k, v in inputs.items() if not k.startswith(_METRIC) or k in used}
    tables, of_shop, others = tables_in(inputs), set[str](), set[str]()
    for note in notes:
        is_of_shop = _is_of_shop(note, shop, inputs)
        for name in note["reads"]:
            (of_shop if is_of_shop else others).add(name)
            others.update(OF_ALL_SHOPS.get(name, ()))
    read, read_whole = raw_tables(of_shop, tables), raw_tables(others, tables)
    rest = {k: v for k, v in inputs.items() if not k.startswith(_TABLE)}
    if read is None or read_whole is None or not (read | read_whole):
        # no notes, or a read that cannot be followed: anything may matter
        return rest | {f"{_TABLE}{name}": inputs[f"{_TABLE}{name}"] for name in tables}
    names = [f"{_TABLE}{name}" for name in sorted(read_whole)]
    for name in sorted(read - read_whole):
        whole = f"{_TABLE}{name}"
        names.append(whole + _THIS_SHOP if whole + _THIS_SHOP in inputs else whole)
    return rest | {name: inputs[name] for name in names if name in inputs}


def _is_of_shop(note: Mapping[str, Any], shop: str, inputs: Mapping[str, str]) -> bool:
    """Whether a note is of one of d1lab's own metrics, about the run's shop."""
    metric = note["metric"]
    is_own = metric is not None and f"{_METRIC}{metric}" not in inputs
    return is_own and bool(shop) and note.get("params", {}).get("shop") == shop


def tables_in(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the D1 tables among inputs."""
    names = {name.removesuffix(_THIS_SHOP) for name in inputs if name.startswith(_TABLE)}
    return tuple(name.removeprefix(_TABLE) for name in sorted(names))


def raw_tables(names: Iterable[str], tables: Collection[str]) -> set[str] | None:
    """The D1 tables behind views and raw tables; None when one of them cannot be followed.

    A name that both the app and d1lab have counts for both.

    Args:
        names: As the notes of a run have them.
        tables: The tables of the warehouse.

    >>> sorted(raw_tables(["order_lines", "raw.inventory_impact", "shops"], ["shops"]))
    ['inventory_impact', 'order_events', 'shops']
    """
    found: set[str] = set()
    for name in names:
        bare = name.removeprefix("raw.").removeprefix(f"{HISTORY}.")
        own = {table for table in tables if own_name(table).lower() == bare.lower()}
        view = VIEWS / f"{name}.sql"
        if bare != name:
            own.add(bare)
        if view.is_file():
            behind = raw_tables(tables_read(view.read_text("utf-8")), tables)
            own |= behind or set()
        if not own:
            return None
        found |= own
    return found


def changed(
    before: Mapping[str, str], now: Mapping[str, str], *, with_tables: bool = True
) -> list[str]:
    """The names of the earlier inputs that are not the same now.

    Args:
        before: The inputs of the earlier run.
        now: Those of the same report now.
        with_tables: Whether rows of D1's tables count. They do not for a report on D1's usage,
            which is of a day: each order line of any shop would make it due again.
    """
    names = [name for name, digest in before.items() if now.get(name) != digest]
    return [name for name in names if with_tables or not name.startswith(_TABLE)]


@cache
def duckdb_version() -> str:
    """The version of DuckDB, whose results can change with it."""
    return version("duckdb")


@cache
def source_digest() -> str:
    """A hash of d1lab's own code, SQL and templates."""
    return digest_of_files(PACKAGE)


def digest_of_files(folder: Path) -> str:
    """A hash of the sources in a folder, by their paths and contents; '' where it is absent."""
    if not folder.is_dir():
        return ""
    sources = (path for path in sorted(folder.rglob("*")) if path.suffix in _SOURCES)
    lines = [
        f"{path.relative_to(folder).as_posix()} {digest(path.read_bytes())}\n"
        for path in sources
        if path.is_file()
    ]
    return digest("".join(lines))
