"""The analytics workbench beside a Cloudflare D1 database.

    import d1lab
    lab = d1lab.open("demo", shop="harbor")

The package, from the top down; imports point down only:

    cli         the commands: d1lab pull, run, push, ...
    share       pages for people: serve, publish, send, schedule
    jobs        what is due, and the ledger of runs
    pages       a run becomes one HTML file; the index
    runs        a notebook becomes a run, in a kernel of its own
    ops         doctor: what a database needs
    demo        the demo shops
    ingest      data in: events, orders, costs, competitor prices
    analyses    what the reports say: one folder per family, with its metrics (.sql)
    lab         the notebook API, read-only
    metrics     loads analyses/*/*.sql, one file per metric
    search      discounts, codes, products, customers, and tests by name
    pull        D1 -> warehouse
    push        staged results -> D1, audited and reversible
    charts      a few chart forms in one theme
    outbox      the staged results of a run
    display     what a notebook shows: verdict, figures, tables, notes
    warehouse   the DuckDB file and its views
    d1          the only place that talks to D1
    catalog     every D1 table, declared once
    config      settings: the only reader of the environment and of d1lab.toml
    errors      every error that d1lab raises on purpose
    counting    a count with its noun: "1 price", "2,000 prices"
    stats       methods that know no shop: numbers in, NamedTuple out

The names below are loaded when they are first used, so that `d1lab --help` starts at once.
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
