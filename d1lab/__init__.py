"""Analytics workbench for Cloudflare D1.

    import d1lab
    lab = d1lab.open("demo", shop="harbor")

The package, from the top down; imports point down only:

    cli         the commands: d1lab pull, run, push, ...
    share       sharing of pages: serve, publish, send, schedule
    jobs        which reports are due, and the ledger of runs
    pages       one HTML page per run, and the index
    runs        execution of a notebook in its own kernel
    ops         doctor and optimize: health checks of a database
    demo        the demo shops
    ingest      data import: events, orders, costs, competitor prices
    analyses    the analyses of the reports: one folder per family, with its metrics (.sql)
    lab         the notebook API, read-only
    metrics     loads analyses/*/*.sql, one file per metric
    search      discounts, codes, products, customers, and tests by name
    pull        D1 -> warehouse
    push        staged results -> D1, audited and reversible
    charts      a few chart forms in one theme
    outbox      the staged results of a run
    display     output of notebooks: verdict, figures, tables, notes
    warehouse   the DuckDB file and its views
    d1          the only access to D1
    catalog     every D1 table, declared once
    config      settings: the only reader of the environment and of d1lab.toml
    errors      all exceptions of d1lab
    counting    a count with its noun: "1 price", "2,000 prices"
    stats       statistical methods without shop concepts: numbers in, NamedTuple out

The names below are loaded on first use, so that `d1lab --help` starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d1lab import charts
    from d1lab.config import load_settings
    from d1lab.d1 import open_database
    from d1lab.errors import D1labError
    from d1lab.lab import Lab, open

from d1lab.version import __version__

__all__ = ["D1labError", "Lab", "__version__", "charts", "load_settings", "open", "open_database"]

_HOMES = {
    "D1labError": "d1lab.errors",
    "Lab": "d1lab.lab",
    "charts": "d1lab.charts",
    "load_settings": "d1lab.config",
    "open": "d1lab.lab",
    "open_database": "d1lab.d1",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'd1lab' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = home if name == "charts" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
