"""What the report of a fleet reads: a copy of the marts, the registry's state, and pages to link.

data/fleet.d/report/figures.parquet, days.parquet, actions.parquet   of listed databases
data/fleet.d/report/databases.parquet                                one row per database
data/fleet.d/report/pages.parquet                                    one row per shop
"""

# pyright: standard

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from d1lab.config import Settings
from d1lab.files import writing
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import SCHEMAS, read_mart
from d1lab.fleet.places import FOLDER, fleet_folder
from d1lab.fleet.store import Store
from d1lab.page_places import report_place

REPORT_FOLDER = "report"
FILES = (*SCHEMAS, "databases", "pages")
"""The names of the files."""

_DATABASES = pa.schema(
    [
        *((name, pa.string()) for name in ("database", "status", "kind", "message")),
        *((name, pa.string()) for name in ("tried_at", "succeeded_at", "due_at", "plan")),
        *((name, pa.int64()) for name in ("failures", "requests", "rows_read", "rows_written")),
        ("seconds", pa.float64()),
    ]
)
_PAGES = pa.schema([(name, pa.string()) for name in ("database", "shop", "page")])


def keep_study(
    settings: Settings, store: Store, entries: list[RegistryEntry], *, has_pages: bool = True
) -> Path:
    """Copy the marts and the registry's state to this machine, for the notebook.

    Databases that are gone are left out.

    Args:
        settings: The project's.
        store: The folder of all marts.
        entries: All databases of the registry.
        has_pages: Whether the pages of the shops are on this machine.

    Returns:
        The folder.
    """
    listed = [entry for entry in entries if entry.listed]
    names = {entry.name for entry in listed}
    tables = {mart: read_mart(store, mart, names) for mart in SCHEMAS}
    pages = settings.reports_dir / FOLDER if has_pages else None
    tables["actions"] = _with_pages(tables["actions"], pages)
    tables["pages"] = _shop_pages(tables["days"], pages)
    tables["databases"] = pa.Table.from_pylist([_row(entry) for entry in listed], _DATABASES)
    folder = fleet_folder(settings) / REPORT_FOLDER
    for name, table in tables.items():
        with writing(folder / f"{name}.parquet") as part:
            pq.write_table(table, part)
    return folder


def last_day(folder: Path) -> date | None:
    """Return the last day of any shop in what `keep_study` has copied; None without a day."""
    days = pq.read_table(folder / "days.parquet", columns=["day"]).column("day")
    return max((day for day in days.unique().to_pylist() if day), default=None)


def mart_rows(folder: Path) -> list[tuple[str, int]]:
    """Return the name and the number of rows of each mart in what `keep_study` has copied."""
    return [(name, pq.read_metadata(folder / f"{name}.parquet").num_rows) for name in SCHEMAS]


def simulated_views(folder: Path) -> tuple[str, ...]:
    """Return the views with simulated data behind the actions of what `keep_study` has copied."""
    texts = pq.read_table(folder / "actions.parquet", columns=["simulated"]).column("simulated")
    return tuple(sorted({view for text in texts.to_pylist() if text for view in text.split()}))


def _with_pages(actions: pa.Table, pages: Path | None) -> pa.Table:
    """Add the place of each action's page below the pages of the fleet; NULL without one."""
    columns = ("database", "shop", "report", "as_of", "action")
    rows = zip(*(actions.column(name).to_pylist() for name in columns), strict=True)
    places = [
        _page(pages, database, shop, report, f"{day}.html", f"#action-{key}")
        for database, shop, report, day, key in rows
    ]
    return actions.append_column("page", pa.array(places, pa.string()))


def _shop_pages(days: pa.Table, pages: Path | None) -> pa.Table:
    """Return the place of each shop's overview, or of its database's index."""
    shops = days.group_by(["database", "shop"]).aggregate([]).to_pylist()
    for row in shops:
        database, shop = row["database"], row["shop"]
        row["page"] = _page(pages, database, shop, "overview", "latest.html") or _existing(
            pages, f"{database}/index.html"
        )
    return pa.Table.from_pylist(shops, _PAGES)


def _page(
    pages: Path | None, database: str, shop: str, report: str, file: str, anchor: str = ""
) -> str | None:
    """Return the place of a page below the pages of the fleet; None if it does not exist."""
    place = _existing(pages, f"{database}/{report_place(database, shop, report)}/{file}")
    return f"{place}{anchor}" if place else None


def _existing(pages: Path | None, place: str) -> str | None:
    return place if pages is not None and (pages / place).is_file() else None


def _row(entry: RegistryEntry) -> dict[str, Any]:
    names = ("status", "kind", "message", "failures", "requests", "rows_read", "rows_written")
    return {
        "database": entry.name,
        "plan": entry.database.plan,
        "tried_at": _minute(entry.tried_at),
        "succeeded_at": _minute(entry.succeeded_at),
        "due_at": _minute(entry.due_at),
        "seconds": entry.seconds,
        **{name: getattr(entry, name) for name in names},
    }


def _minute(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else None
