"""The folders of a fleet, and the settings of one of its databases.

    data/fleet.d/registry.sqlite   the databases and their state
    data/fleet.d/requests.sqlite   the pace of requests to Cloudflare
    data/fleet.d/databases/<name>  a database's own data folder: warehouse, runs, and ledger
    data/fleet.d/locks             one per database, against two workers of one machine
    data/fleet.d/marts             unless a target is set
    data/fleet.d/usage/<name>      what all workers used of a database, on any machine
    data/fleet.d/fleet/runs        runs of the fleet's own report; their ledger is data/fleet.d's
    reports/fleet.d/<name>         the pages of a database, with an index of their own

No database of d1lab.toml can be named `fleet.d`, because of the dot.
"""

from __future__ import annotations

from pathlib import Path

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings

FOLDER = "fleet.d"
REPORT = "fleet"
"""The name of the fleet's own report, and of what it counts as its database."""


def fleet_folder(settings: Settings) -> Path:
    """Return the folder of the registry and of what is kept on this machine."""
    return settings.data_dir / FOLDER


def usage_folder(settings: Settings, name: str) -> Path:
    """Return the folder of a database's log of billed usage."""
    return fleet_folder(settings) / "usage" / name


def settings_of(settings: Settings, name: str, database: DatabaseSettings) -> Settings:
    """Return the settings for one database of a fleet: its own folders, and no other database."""
    changed = {
        "database": name,
        "databases": {name: database},
        "data_dir": fleet_folder(settings) / "databases" / name,
        "reports_dir": settings.reports_dir / FOLDER / name,
    }
    return settings.model_copy(update=changed)


def report_settings(settings: Settings) -> Settings:
    """Return the settings for the fleet's own report, which reads the marts of all databases."""
    changed = {
        "database": REPORT,
        "databases": {REPORT: DatabaseSettings(url="fleet:marts")},
        "data_dir": fleet_folder(settings),
    }
    return settings.model_copy(update=changed)
