"""Commands that make and check a database: init, demo, migrate, track, aggregate, doctor."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    print_json,
    print_rows,
    progress_bars,
    say,
)
from d1lab.config import DEMO_URL, FILE_NAME, load_settings
from d1lab.errors import InputError

_TOML = """\
# d1lab's settings. Tokens never stand here: they come from the environment
# (D1LAB_READ_TOKEN, D1LAB_WRITE_TOKEN).
database = "{name}"  # the default of every command

[databases.{name}]
url = "{url}"
plan = "{plan}"  # "free" or "paid": whose prices and daily limits apply
currency = "{currency}"  # of money, such as "EUR"; or by shop: {{harbor = "EUR"}}
"""


def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path("."),
    url: Annotated[str, typer.Option(help="Where the database is.")] = DEMO_URL,
    name: Annotated[str, typer.Option(help="What to call it.")] = "demo",
    plan: Annotated[str, typer.Option(help="Cloudflare's plan: free or paid.")] = "paid",
    currency: Annotated[
        str | None, typer.Option(help="What money is counted in, such as EUR.")
    ] = None,
) -> None:
    """Start a project: d1lab.toml, the reports' notebooks, and folders for data and reports."""
    from d1lab.runs.report import copy_notebooks

    target = folder / FILE_NAME
    if target.exists():
        raise InputError(f"{target} exists already; edit it, or choose another folder")
    text = _toml(name, url, plan, currency or ("USD" if url == DEMO_URL else ""))
    folder.mkdir(parents=True, exist_ok=True)
    copied = copy_notebooks(folder / "notebooks")
    target.write_text(text, encoding="utf-8")
    first = "demo" if url == DEMO_URL else "doctor"
    say(f"wrote {target} and {len(copied)} notebooks; next: d1lab {first}, then d1lab run")


def _toml(name: str, url: str, plan: str, currency: str) -> str:
    """The text of d1lab.toml, tried out before anything is written."""
    from d1lab.d1.connect import require_url

    for value in (name, url, plan, currency):
        if not value.isprintable() or any(c in value for c in '"\\'):
            raise InputError(f"{value!r} holds a quote, a backslash or a control character")
    chosen = {"url": url, "plan": plan, "currency": currency}
    load_settings(databases={name: chosen}).resolve(name)
    require_url(url)
    return _TOML.format(name=name, **chosen)


def demo(
    full: Annotated[bool, typer.Option(help="Load every line of the data set.")] = False,
    if_missing: Annotated[bool, typer.Option(help="Keep a demo that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the demo shops in an embedded D1: real transactions, the rest simulated."""
    from d1lab.demo.build import build_demo, demo_exists

    settings = load_settings()
    if if_missing and demo_exists(settings, full=full):
        say("demo: there already")
        return
    with progress_bars() as progress:
        result = build_demo(settings, full=full, progress=progress)
    if as_json:
        print_json(result)
        return
    say(
        f"demo: {result.events:,} order lines; {result.inventory_days:,} inventory days, "
        f"{result.ab_tests} A/B tests, {result.competitor_prices:,} competitors' prices and "
        f"{result.unit_costs:,} unit costs (simulated) in {result.seconds:.1f} s"
    )
    print_rows(("shop", "customers", "order_lines"), result.shops)


def migrate(
    database: DatabaseOption = None, dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Apply the migrations that the database lacks, as `wrangler d1 migrations apply` would."""
    from d1lab.d1.connect import connect
    from d1lab.d1.migrate import migrate as apply
    from d1lab.d1.migrate import pending

    with closing(connect(load_settings(), database, write=not dry_run)) as db:
        names = pending(db) if dry_run else apply(db)
    print_rows(("migration",), [(name,) for name in names], as_json=as_json)
    say(f"{len(names)} migrations {'pending' if dry_run else 'applied'}")


def track(
    file: Annotated[Path, typer.Argument(help="Events: .jsonl, .csv or .parquet.")],
    database: DatabaseOption = None,
    correct: Annotated[bool, typer.Option(help="Overwrite events whose content differs.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write order events into D1; an event that is there already is not written twice.

    A dry run checks every event, and asks no database. Ends with 1 if some events were refused.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.events import check_file, track_file

    if dry_run:
        result = check_file(file)
    else:
        opened = closing(connect(load_settings(), database, write=True))
        with opened as db, progress_bars() as progress:
            result = track_file(db, file, correct=correct, progress=progress)
    if as_json:
        print_json(result)
    else:
        done = f"{result.written:,} written, {result.known:,} known already"
        say(
            f"track: {result.received:,} events, {'dry run' if dry_run else done}, "
            f"{len(result.refused):,} refused"
        )
        print_rows(("event", "reason"), result.refused) if result.refused else None
    if result.refused:
        raise typer.Exit(1)


def aggregate(
    database: DatabaseOption = None, dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Make the app's counters of the order events; each event counts once."""
    from d1lab.d1.connect import connect
    from d1lab.ingest.aggregate import aggregate as compute

    settings = load_settings()
    name, _ = settings.resolve(database)
    with closing(connect(settings, database, write=not dry_run)) as db:
        result = compute(db, settings.folder(database), database=name, dry_run=dry_run)
    if as_json:
        print_json(result)
        return
    print_rows(("table", "rows_changed"), result.changed.items())
    say(f"aggregate: {result.seconds:.1f} s{' (dry run)' if dry_run else ''}")


def doctor(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Say what the database lacks, and which migration or command mends it."""
    from d1lab.d1.connect import connect
    from d1lab.ops.doctor import doctor as examine

    settings = load_settings()
    _, chosen = settings.resolve(database)
    with closing(connect(settings, database)) as db:
        findings = examine(db, settings.folder(database), plan=chosen.plan)
    print_rows(("level", "subject", "found", "todo"), findings, as_json=as_json)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)
