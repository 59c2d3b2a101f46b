"""Places of pages, relative to reports/: <database>/<shop>/<report>/<day>.html."""

from __future__ import annotations

import re

from d1lab.files import digest

ALL_DATA = "_"  # folder of reports for all data, instead of a shop


def report_place(database: str, shop: str, report: str) -> str:
    """Return the folder of a report's pages.

    Args:
        database: Name of the database.
        shop: Name of the shop; '' for a report on all data.
        report: Name of the report.

    >>> report_place("demo", "", "operations"), report_place("demo", "Ivy & Co", "inventory")
    ('demo/_/operations', 'demo/Ivy-Co-3cf2fa28/inventory')
    """
    return f"{file_name(database)}/{file_name(shop) if shop else ALL_DATA}/{file_name(report)}"


def file_name(text: str) -> str:
    """Convert a name to one path segment; a changed name gets a hash of the original."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".-")[:60]
    return safe if safe and safe == text != ALL_DATA else f"{safe or 'shop'}-{digest(text)[:8]}"
