"""The state of the warehouse that a run reads: what its page names, and what makes it due."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from d1lab.lab.freshness import QUARANTINED, as_utc
from d1lab.lab.lab import Lab
from d1lab.runs.record import DataState, QuarantinedCount, TableState


class ShopState(NamedTuple):
    """What a run of a shop reads, and what is to be told about it."""

    data: DataState
    quarantined: tuple[QuarantinedCount, ...]
    simulated: tuple[str, ...]  # the views with simulated rows of the shop


def shop_state(lab: Lab, shop: str) -> ShopState:
    """Return the state of the warehouse for the runs of a shop; '' for those of all data."""
    counts = lab.sql(QUARANTINED).fetchall()
    names = ("table", "column", "reason", "rows")
    quarantined = (QuarantinedCount(**dict(zip(names, row, strict=True))) for row in counts)
    return ShopState(data_state(lab, shop), tuple(quarantined), lab.simulated(shop))


def data_state(lab: Lab, shop: str) -> DataState:
    """Return the state of the warehouse."""
    tables = lab.sql(
        "SELECT table_name, rows, high_rowid, pulled_at, digest, rows_read"
        " FROM d1lab.tables ORDER BY ALL"
    ).fetchall()
    of_shop = _shop_digests(lab, shop)
    pulled = lab.sql("SELECT finished_at, bookmark FROM d1lab.pull").fetchall()
    finished_at, bookmark = pulled[-1] if pulled else (None, None)
    return DataState(
        pulled_at=_utc(finished_at),
        data_as_of=lab.as_of(shop),
        timezone=lab.timezone(shop),
        bookmark=bookmark,
        tables=tuple(
            TableState(
                name=name,
                rows=rows,
                high_rowid=high,
                pulled_at=_utc(at),
                digest=digest,
                shop_digest=of_shop.get(name),
                rows_read=read,
            )
            for name, rows, high, at, digest, read in tables
        ),
    )


def _shop_digests(lab: Lab, shop: str) -> dict[str, str]:
    """Return the digests of a shop's rows by table: of those that have a shop.

    A warehouse of an earlier version has none until the next pull.
    """
    there = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'shop_digests'"
    if not shop or not lab.sql(there).fetchall():
        return {}
    found = lab.sql(
        "SELECT table_name, coalesce(any_value(digest) FILTER (shop = $shop), '0-0')"
        " FROM d1lab.shop_digests GROUP BY 1",
        shop=shop,
    )
    return dict(found.fetchall())


def _utc(moment: datetime | None) -> datetime | None:
    return as_utc(moment) if moment else None
