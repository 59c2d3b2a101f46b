"""Commands to set up and check a database: init, demo, migrate, track, doctor, optimize."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from d1lab.cli import completion
from d1lab.cli.ingest_summary import with_rejected
from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
    progress_bars,
)
from d1lab.config import DEMO_TIMEZONE, DEMO_URL, FILE_NAME, Settings, load_settings
from d1lab.counting import counted
from d1lab.errors import InputError

app = typer.Typer()


_TOML = """\
# d1lab settings. Do not put tokens here; set them in the environment
# (D1LAB_READ_TOKEN, D1LAB_WRITE_TOKEN).
database = "{name}"  # default database

[databases.{name}]
url = "{url}"
plan = "{plan}"  # Cloudflare plan, "free" or "paid": sets prices and daily limits
currency = "{currency}"  # such as "EUR", or per shop: {{harbor = "EUR"}}
timezone = "{timezone}"  # of the shop's days, such as "Europe/Berlin", or per shop. Empty: UTC
"""


@app.command(epilog="Example: d1lab init --url d1://ACCOUNT_ID/DATABASE_ID")
def init(
    folder: Annotated[Path, typer.Argument(help="Project folder.")] = Path("."),
    url: Annotated[str, typer.Option(help="Database URL.")] = DEMO_URL,
    name: Annotated[str, typer.Option(help="Database name in d1lab.toml.")] = "demo",
    plan: Annotated[str, typer.Option(help="Cloudflare plan: free or paid.")] = "paid",
    currency: Annotated[
        str | None, typer.Option(help="Currency of all amounts, such as EUR.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Time zone of the shop's days, such as Europe/Berlin. Default: UTC.")
    ] = "",
) -> None:
    """Create a project: d1lab.toml and the report notebooks."""
    from d1lab.files import write
    from d1lab.runs.report import copy_notebooks

    target = folder / FILE_NAME
    if target.exists():
        raise InputError(f"{target} already exists. Edit it or choose another folder.")
    if url == DEMO_URL:
        currency, timezone = currency or "USD", timezone or DEMO_TIMEZONE
    text = _toml(name, url, plan, currency or "", timezone)
    folder.mkdir(parents=True, exist_ok=True)
    copied = copy_notebooks(folder / "notebooks")
    write(target, text)
    first = "demo" if url == DEMO_URL else "doctor"
    notebooks = counted(len(copied), "notebook")
    echo_err(f"Created {target} and {notebooks}. Next: d1lab {first}, then d1lab run")
    if any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents)):
        echo_err("To keep outputs of notebooks out of git: d1lab strip --install")


@app.command(epilog="Example: d1lab new report weekly --metric weekly_demand")
def new(
    kind: Annotated[str, typer.Argument(help="What to create: metric or report.")],
    name: Annotated[str, typer.Argument(help="Its name, such as weekly_revenue.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metric that the report shows. Repeatable.", autocompletion=completion.metrics
        ),
    ] = None,
) -> None:
    """Create a metric or a report to start from, with a test."""
    from d1lab.errors import UnknownName
    from d1lab.runs.new_files import new_metric, new_report

    settings = load_settings()
    if kind not in ("metric", "report"):
        raise UnknownName("kind", kind, ("metric", "report"))
    if kind == "metric":
        if metric:
            raise InputError("--metric is for reports: d1lab new report NAME --metric METRIC")
        paths = new_metric(settings.root, name)
    else:
        paths = new_report(settings.root, settings.notebooks_dir, name, metric or [])
    for path in paths:
        typer.echo(path)
    first = f"d1lab run {name}" if kind == "report" else f"d1lab metrics {name}"
    echo_err(f"new: {counted(len(paths), 'file')}. Next: {first}")


@app.command(epilog="Example: d1lab strip --install")
def strip(
    set_up: Annotated[
        bool,
        typer.Option("--install", help="Let git store notebooks of this folder without outputs."),
    ] = False,
) -> None:
    """Remove outputs from a notebook, from standard input to standard output."""
    from d1lab.runs.stored_outputs import install, without_outputs

    if set_up:
        path = install(Path("."))
        echo_err(f"strip: git stores notebooks without outputs ({path}). Each clone needs this.")
        return
    text = sys.stdin.buffer.read().decode("utf-8")
    sys.stdout.buffer.write(without_outputs(text).encode("utf-8"))


def _toml(name: str, url: str, plan: str, currency: str, timezone: str) -> str:
    """Return the text of d1lab.toml, validated before it is written."""
    from d1lab.d1.connect import require_url

    for value in (name, url, plan, currency, timezone):
        if not value.isprintable() or any(c in value for c in '"\\'):
            raise InputError(
                f"{value!r} contains a quote, backslash, or control character. Remove it."
            )
    chosen = {"url": url, "plan": plan, "currency": currency, "timezone": timezone}
    load_settings(databases={name: chosen}).resolve(name)
    require_url(url)
    return _TOML.format(name=name, **chosen)


@app.command(epilog="Example: d1lab demo --if-missing")
def demo(
    full: Annotated[
        bool, typer.Option(help="Load the full data set (1.4 million order lines).")
    ] = False,
    if_missing: Annotated[
        bool, typer.Option(help="Do nothing if the demo already exists.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build three demo shops in a local D1 database."""
    from d1lab.demo.build import build_demo, demo_exists

    settings = load_settings()
    if if_missing and demo_exists(settings, full=full):
        echo_err("demo: already built")
        return
    with progress_bars() as progress:
        result = build_demo(settings, full=full, progress=progress)
    if as_json:
        print_json(result)
        return
    echo_err(
        f"demo: {result.events:,} order lines, plus simulated data: "
        f"{result.inventory_days:,} inventory days, {result.ab_tests} A/B tests, "
        f"{result.competitor_prices:,} competitor prices, {result.unit_costs:,} unit "
        f"costs. {result.seconds:.1f} s"
    )
    print_rows(("shop", "customers", "order_lines"), result.shops)


@app.command(epilog="Example: d1lab migrate --dry-run")
def migrate(
    folder: Annotated[
        Path | None, typer.Option(help="Folder of other migrations, such as `doctor --advise`'s.")
    ] = None,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Apply pending migrations (compatible with `wrangler d1 migrations apply`)."""
    from d1lab.d1.connect import connect
    from d1lab.d1.migrate import migrate as apply
    from d1lab.d1.migrate import pending
    from d1lab.d1.restore_point import note_restore_point

    settings = load_settings()
    with closing(connect(settings, database, write=not dry_run)) as db:
        names = pending(db, folder)
        if names and not dry_run:
            note_restore_point(db, settings.folder(database), "migrate")
            names = apply(db, folder)
    print_rows(("migration",), [(name,) for name in names], as_json=as_json)
    echo_err(f"migrate: {len(names)} {'pending' if dry_run else 'applied'}")


@app.command(epilog="Example: d1lab track orders.jsonl")
def track(
    file: Annotated[Path, typer.Argument(help="Event file: .jsonl, .csv, or .parquet.")],
    database: DatabaseOption = None,
    correct: Annotated[bool, typer.Option(help="Overwrite existing events that differ.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load order events into D1. Existing events are skipped.

    --dry-run validates the file without connecting to D1.

    Exit codes: 0 all events loaded, 1 some events rejected, 2 invalid file.
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
        print_json(with_rejected(result, result.rejected))
    else:
        done = f"{result.written:,} written, {result.known:,} already in D1"
        echo_err(
            f"track: {counted(result.received, 'event')}, {'dry run' if dry_run else done}, "
            f"{len(result.rejected):,} rejected"
        )
        if result.rejected:
            print_rows(("event", "reason"), result.rejected)
    if result.rejected:
        raise typer.Exit(1)


@app.command(epilog="Example: d1lab optimize --dry-run")
def optimize(
    database: DatabaseOption = None, dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Update outdated D1 statistics that cause table scans.

    Runs ANALYZE on each affected table, which reads two rows per row.
    """
    from d1lab.d1.connect import connect
    from d1lab.ops.optimize import Misled
    from d1lab.ops.optimize import optimize as correct

    with closing(connect(load_settings(), database, write=not dry_run)) as db:
        found = correct(db, dry_run=dry_run)
    print_rows(Misled._fields, found, as_json=as_json)
    if not as_json:
        read = sum(table.rows_read for table in found)
        verb = "would read" if dry_run else "read"
        tables = counted(len(found), "table")
        echo_err(f"optimize: {tables} with outdated statistics; {verb} {counted(read, 'row')}")


@app.command(epilog="Example: d1lab doctor --advise --queries app.sql")
def doctor(
    advise: Annotated[
        bool,
        typer.Option("--advise", help="Also plan the app's statements, and propose indexes."),
    ] = False,
    queries: Annotated[
        Path | None, typer.Option(help="With --advise: a file of more statements (.sql).")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the database for problems and show how to fix them.

    --advise writes proposed indexes as migrations; D1 is changed only by `d1lab migrate --folder`.

    Exit codes: 0 no problem (including a read-only setup), 1 problems found.
    """
    from d1lab.cli.advice import advice_on, print_advice
    from d1lab.d1.connect import connect
    from d1lab.ops.doctor import Check
    from d1lab.ops.doctor import doctor as examine

    settings = load_settings()
    _, chosen = settings.resolve(database)
    with closing(connect(settings, database)) as db:
        writes = _can_write(settings, chosen.url)
        folder, zones = settings.folder(database), chosen.zones
        checks = examine(db, folder, plan=chosen.plan, writes=writes, zones=zones)
        advice = advice_on(settings, db, database, queries) if advise else None
    if advice and as_json:
        print_json({"checks": checks, **advice[0]._asdict(), "facts": advice[1]})
        raise typer.Exit(1 if any(each.level == "problem" for each in checks) else 0)
    if advice:
        print_advice(*advice)
    rows = checks if as_json else [check[:4] for check in checks]
    print_rows(Check._fields[: len(rows[0])], rows, as_json=as_json)
    if any(finding.level == "problem" for finding in checks):
        raise typer.Exit(1)


def _can_write(settings: Settings, url: str) -> bool:
    """Whether there is a token, or a secret, for writing."""
    if url.startswith("gateway+"):
        return settings.gateway_writer is not None
    return settings.write_token is not None or not url.startswith("d1:")
