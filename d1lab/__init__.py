"""The analytics workbench beside a Cloudflare D1 database.

    import d1lab
    lab = d1lab.open("demo", shop="harbor")

The package, from the top down; imports point down only:

    cli        the commands: d1lab pull, run, push, ...
    share      pages on their way to people: serve, publish, send, schedule
    jobs       what is due, and the ledger of runs
    reports    a notebook becomes a run, a run becomes a page; charts
    push       results go back to D1, audited and reversible
    ingest     ways in: events, orders, costs, competitors' prices, the demo shop
    ops        doctor: what the database lacks
    competitors, customers, discounts, stock
               what a report says: lists and words made of statistics
    lab        what an analyst and a notebook hold in hand
    metrics    sql/metrics/*.sql, one file per metric
    search     discounts, codes, articles, customers and tests by their words
    exposures  rows per visitor -> the sums that A/B statistics take
    pull       D1 -> warehouse
    results    results staged by a run
    display    what a notebook shows: verdict, figures, tables, notes
    warehouse  the DuckDB file: built aside, swapped in, opened read-only
    d1         the only place that speaks to D1
    catalog    every D1 table, declared once
    config     settings: the only reader of the environment and of d1lab.toml
    errors     every error that d1lab raises on purpose
    stats      pure functions: numbers in, NamedTuple out

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
