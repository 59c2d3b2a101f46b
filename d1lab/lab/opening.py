"""Open the warehouse of a database as a Lab."""

from __future__ import annotations

from d1lab.config import load_settings
from d1lab.lab import notebook
from d1lab.lab.lab import Lab
from d1lab.warehouse import archive_folder, limit_memory, open_warehouse, restrict


def open(
    database: str | None = None, *, shop: str | None = None, max_age: float | None = None
) -> Lab:
    """Open the warehouse of a database, read-only; no token is needed, except to pull.

    In a run, SQL reads files of the project only, and of the folders that `[run] read_folders` of
    d1lab.toml names.

    Args:
        database: Name of a database in d1lab.toml; None for the default.
        shop: Default shop of the lab; None for the only shop, or all.
        max_age: Pull first if the data is older than this, in seconds, such as 300; None for no
            pull. Ignored in a run, which reads the data that it was planned with.

    Raises:
        StaleDataError: There is no warehouse yet; the message has the command to pull it.
        UnknownName: The database or shop does not exist.
    """
    settings = load_settings()
    name, chosen = settings.resolve(database)
    folder = settings.folder(name)
    if max_age is not None and settings.run_dir is None:
        from d1lab.pull import pull_database

        pull_database(settings, name, max_age_seconds=max_age)
    con = open_warehouse(folder, uses_start=chosen.uses_start, zones=chosen.zones)
    if settings.memory:
        limit_memory(con, settings.memory)
    if settings.run_dir:  # a run that nobody watches
        outside = (settings.root / path for path in settings.run.read_folders)
        restrict(con, (settings.root, settings.run_dir, archive_folder(folder), *outside))
    lab = Lab(
        con,
        database=name,
        folder=folder,
        shop=shop,
        shop_column=chosen.shop_column,
        push_tables=settings.push.tables,
        run_dir=settings.run_dir,
        metrics_folder=settings.root / "metrics",
        keeps_results=True,
    )
    lab.currency, lab.plan = chosen.currency_of(lab.shop), chosen.plan
    lab.memory = settings.memory
    lab.reports_dir, lab.pages_url = settings.reports_dir, settings.notify.pages_url
    notebook.set_up(lab, is_watched=settings.run_dir is None)
    return lab
