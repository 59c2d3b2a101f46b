"""Open the warehouse of a database as a Lab."""

from __future__ import annotations

from d1lab.config import load_settings
from d1lab.lab import magic
from d1lab.lab.lab import Lab
from d1lab.warehouse import open_warehouse


def open(database: str | None = None, *, shop: str | None = None) -> Lab:
    """Open the warehouse of a database. It only reads, and needs no token.

    Args:
        database: A name of d1lab.toml; None for the default one.
        shop: The shop that metrics are about when they are not told otherwise.

    Raises:
        StaleDataError: Nothing was pulled yet; the message says which command does.
        UnknownName: There is no such database or shop.
    """
    settings = load_settings()
    name, chosen = settings.resolve(database)
    folder = settings.folder(name)
    lab = Lab(
        open_warehouse(folder, uses_start=chosen.uses_start),
        database=name,
        folder=folder,
        shop=shop,
        shop_column=chosen.shop_column,
        push_tables=settings.push.tables,
        run_dir=settings.run_dir,
        metrics_folder=settings.root / "metrics",
    )
    lab.currency = chosen.currency_of(lab.shop)
    magic.register(lab)
    return lab
