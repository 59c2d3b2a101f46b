"""A pull of a database of d1lab.toml, as its settings have it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from d1lab.config import Settings
from d1lab.d1.connect import connect, url_of
from d1lab.pull.old_warehouse import old_warehouse
from d1lab.pull.recency import Recency
from d1lab.pull.result import Progress, PullResult
from d1lab.pull.session import pull
from d1lab.warehouse import utc_now


def pull_database(
    settings: Settings,
    database: str | None = None,
    *,
    tables: Sequence[str] | None = None,
    full: bool = False,
    max_age_seconds: float | None = None,
    max_rows_read: int | None = None,
    accept_dropped: bool = False,
    progress: Progress | None = None,
) -> PullResult:
    """Update the warehouse of a database, as `d1lab pull` does.

    If the last pull is recent enough, D1 is not even connected to.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
        tables: As for `pull`.
        full: As for `pull`.
        max_age_seconds: As for `pull`; None for the setting, 0 for no limit.
        max_rows_read: As for `pull`.
        accept_dropped: As for `pull`.
        progress: As for `pull`.

    Raises:
        UnknownName: The settings have no such database.
        D1labError: As for `connect` and `pull`.
    """
    name, chosen = settings.resolve(database)
    folder = settings.folder(name)
    limit = settings.pull.max_age if max_age_seconds is None else max_age_seconds
    if limit and not full:
        with old_warehouse(folder, url_of(settings, name)) as old:
            age = Recency(old, utc_now(), tables, chosen.zones).young(limit)
        if age is not None:
            return PullResult(skipped=True, age_seconds=age)
    with closing(connect(settings, name)) as db:
        return pull(
            db,
            folder,
            database=name,
            tables=tables,
            full=full,
            max_rows_read=max_rows_read,
            max_age_seconds=limit or None,
            counters=settings.pull.counters,
            accept_dropped=accept_dropped,
            zones=chosen.zones,
            progress=progress,
        )
