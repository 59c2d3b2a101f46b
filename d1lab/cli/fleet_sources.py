"""The group fleet: its sources, where databases are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from d1lab.cli.fleet_output import print_synced
from d1lab.cli.output import DryRunOption, JsonOption, echo_err
from d1lab.config import Settings, load_settings
from d1lab.errors import D1labError, InputError

if TYPE_CHECKING:
    from d1lab.fleet.registry import SyncedDatabase
    from d1lab.fleet.sources import FleetDefaults

app = typer.Typer(help="Run the reports of many databases.", no_args_is_help=True)


@app.command(epilog="Example: d1lab fleet add 'sqlite:data/shops/*.sqlite'")
def add(
    source: Annotated[
        str,
        typer.Argument(
            help="Where the databases are listed: d1://ACCOUNT_ID/PATTERN, sqlite:PATTERN, a CSV "
            "file with a column url, or the URL of one database."
        ),
    ],
    plan: Annotated[
        Literal["free", "paid"], typer.Option(help="The Cloudflare plan of these databases.")
    ] = "paid",
    currency: Annotated[str, typer.Option(help="Currency of amounts, such as EUR.")] = "",
    timezone: Annotated[
        str, typer.Option(help="Time zone of days, an IANA name. Default: UTC.")
    ] = "",
    every_hours: Annotated[
        float,
        typer.Option(min=0.01, max=8784, help="How often each database is run, in hours."),
    ] = 24.0,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add databases to the fleet, and remember where they are listed.

    Exit codes: 0 added or known already, 1 the account cannot be listed, 2 invalid input or token.
    """
    from d1lab.fleet.registry import open_registry
    from d1lab.fleet.sources import FleetDefaults, list_source

    settings, defaults = load_settings(), FleetDefaults(plan, currency, timezone, every_hours)
    found = list_source(settings, source, defaults)
    done = open_registry(settings).sync(source, defaults, found, dry_run=dry_run)
    print_synced(done, "add", dry_run=dry_run, as_json=as_json)


@app.command(epilog="Example: d1lab fleet sync --dry-run")
def sync(dry_run: DryRunOption = False, as_json: JsonOption = False) -> None:
    """List all sources again: add new databases, and stop running those that are gone.

    A source that cannot be listed stops no other, and its databases stay as they are. Nothing of a
    database that is gone is deleted.

    Exit codes: 0 all sources listed, 1 a source cannot be listed, 2 no source, or an invalid
    source or token.
    """
    from d1lab.fleet.registry import open_registry

    settings = load_settings()
    sources = open_registry(settings).sources()
    if not sources:
        raise InputError("the fleet has no source. Add one: d1lab fleet add SOURCE")
    done, code = _sync(settings, sources, dry_run=dry_run)
    print_synced(done, "sync", dry_run=dry_run, as_json=as_json)
    raise typer.Exit(code)


@app.command(epilog="Example: d1lab fleet remove shops.csv --dry-run")
def remove(
    source: Annotated[str, typer.Argument(help="The source, as it was added.")],
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a source: its databases are no longer run.

    Nothing of them is deleted. `d1lab fleet prune --gone` does that.

    Exit codes: 0 removed, 2 there is no such source.
    """
    from d1lab.fleet.registry import open_registry

    done = open_registry(load_settings()).remove_source(source, dry_run=dry_run)
    print_synced(done, "remove", dry_run=dry_run, as_json=as_json)


def _sync(
    settings: Settings, sources: Mapping[str, FleetDefaults], *, dry_run: bool
) -> tuple[list[SyncedDatabase], int]:
    """List all sources, and bring the registry up to date; return the exit code, too."""
    from d1lab.fleet.registry import open_registry
    from d1lab.fleet.sources import list_source

    registry, code = open_registry(settings), 0
    done: list[SyncedDatabase] = []
    for source, given in sources.items():
        try:
            found = list_source(settings, source, given)
        except D1labError as error:
            echo_err(f"error: {str(error).removesuffix('.')}. Its databases stay as they are.")
            code = max(code, error.exit_code)
        else:
            done += registry.sync(source, given, found, dry_run=dry_run)
    return done, code
