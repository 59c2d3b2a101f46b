"""The group of commands that load what the app does not record: d1lab ingest ..."""

from __future__ import annotations

import typer

from d1lab.cli import ingest_orders, ingest_prices, ingest_products

app = typer.Typer(
    help="Load files into D1: orders, products, stock, unit costs, competitor prices.",
    no_args_is_help=True,
)

for _module in (ingest_orders, ingest_products, ingest_prices):
    app.add_typer(_module.app)
