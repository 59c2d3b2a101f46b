"""The group `d1lab ingest`: commands to load data that the app does not record."""

from __future__ import annotations

import typer

from d1lab.cli import ingest_orders, ingest_prices, ingest_products

app = typer.Typer(
    help="Load files into D1: orders, products, stock, unit costs, competitor prices.",
    no_args_is_help=True,
)

for _module in (ingest_orders, ingest_products, ingest_prices):
    app.add_typer(_module.app)
