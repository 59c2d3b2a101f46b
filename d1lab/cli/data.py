"""Commands to pull and query data: pull, tables, sql, metrics, search."""

# pyright: standard

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    AcceptDroppedOption,
    DatabaseOption,
    JsonOption,
    MaxAgeOption,
    MaxRowsOption,
    SetOption,
    echo_err,
    echo_pull_notes,
    print_json,
    print_rows,
    progress_bars,
)
from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


app = typer.Typer()


@app.command(epilog="Example: d1lab pull --max-rows-read 100000")
def pull(
    table: Annotated[
        list[str] | None,
        typer.Argument(help="Tables to pull. Default: all.", autocompletion=completion.d1_tables),
    ] = None,
    database: DatabaseOption = None,
    full: Annotated[
        bool, typer.Option(help="Reread every table in full to catch all changes.")
    ] = False,
    max_rows_read: MaxRowsOption = None,
    max_age: MaxAgeOption = None,
    accept_dropped: AcceptDroppedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pull new and changed D1 rows into the warehouse."""
    from d1lab.catalog import TABLES
    from d1lab.d1.database import Usage
    from d1lab.d1.limits import bill
    from d1lab.pull import pull_database

    settings = load_settings()
    with progress_bars() as progress:
        result = pull_database(
            settings,
            database,
            tables=table or None,
            full=full,
            max_age_seconds=max_age,
            max_rows_read=max_rows_read,
            accept_dropped=accept_dropped,
            progress=progress,
        )
    if as_json:
        print_json(result)
        return
    if result.skipped:
        if result.age_seconds is None:
            echo_err("pull: up to date, 0 rows read")
        echo_pull_notes(result)
        return
    columns = ("table", "rows_pulled", "rows_read", "read_whole")
    rows = [
        (name, t.rows_pulled, t.rows_read, t.whole)
        for name, t in result.by_table.items()
        if t.rows_pulled or t.rows_read or name not in TABLES  # d1lab's tables only if in D1
    ]
    print_rows(columns, rows)
    usage, plan = Usage(rows_read=result.rows_read), settings.resolve(database)[1].plan
    echo_err(
        f"pull: {counted(result.rows_pulled, 'row')} in {result.seconds:.1f} s. Billed rows "
        f"read: {usage.rows_read:,} ({bill(usage, plan)})"
    )
    echo_pull_notes(result)


def _short(frame: pd.DataFrame) -> pd.DataFrame:
    """Reduce the list of tables to an overview, without columns."""
    from d1lab.catalog import TABLES

    shown = {f"raw.{name}" for name in {*TABLES, *frame["d1_table"][~_is_raw(frame)]}}
    seen = [i for i, name in enumerate(frame["table"]) if name in shown]  # shown as views instead
    frame = _without_empty(frame.drop(index=seen, columns="null_shares"))
    frame["age_hours"] = frame["age_hours"].round(2)
    frame["columns"] = [names.count(",") + 1 for names in frame["columns"]]
    return frame


def _is_raw(frame: pd.DataFrame) -> pd.Series:
    return frame["table"].str.startswith("raw.")


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop columns that only apply to the app's own tables if there are none."""
    names = ("comment", "declared", "stored_as", "key", "refers_to")
    empty = [name for name in names if name in frame and (frame[name] == "").all()]
    return frame.drop(columns=empty)


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Return a frame's rows, with None for missing values and days without a time of day."""
    columns = []
    for _, column in frame.items():
        is_there = column.notna()
        if column.dtype.kind == "M" and (column == column.dt.normalize())[is_there].all():
            column = column.dt.date
        columns.append(column.astype(object).where(is_there, None))
    return zip(*columns, strict=True)


@app.command(epilog="Example: d1lab tables --json")
def tables(
    table: Annotated[
        str | None,
        typer.Argument(help="Show the columns of this table.", autocompletion=completion.tables),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List warehouse tables, or the columns of one table."""
    from d1lab.lab import open as open_lab

    frame = open_lab(database).describe(table)
    if not as_json:
        frame = _short(frame) if table is None else _without_empty(frame)
    print_rows(list(frame.columns), _rows(frame), as_json=as_json)


@app.command(epilog="Example: d1lab sql 'SELECT shop, sum(revenue) FROM order_lines GROUP BY shop'")
def sql(
    statement: Annotated[
        str | None, typer.Argument(help="A single SELECT statement, or - for standard input.")
    ] = None,
    database: DatabaseOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the statement from this file.")
    ] = None,
    set_: SetOption = None,
    d1: Annotated[
        bool, typer.Option("--d1", help="Query D1 directly and report billed rows.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with full precision.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run SQL on the warehouse (DuckDB) or, with --d1, on D1.

    The parameters of --set are the statement's `$name`.
    """
    from d1lab.cli.reports import assignments
    from d1lab.select_statements import message_of

    text = _statement(statement, file)
    values = assignments(set_ or [])
    if d1:
        from d1lab.d1.connect import connect

        if values:
            raise InputError("--set works on the warehouse only, not with --d1.")
        with closing(connect(load_settings(), database)) as db:
            result = db.query(text)
        _print_found(result.columns, result.rows, as_csv=as_csv, as_json=as_json)
        echo_err(f"Billed rows read: {result.usage.rows_read:,}")
        return
    import duckdb

    from d1lab.lab import open as open_lab

    relation = open_lab(database).query(text, values, {})
    try:
        rows = relation.fetchall()
    except duckdb.Error as error:  # computed lazily: a cast can fail at any row
        raise InputError(f"SQL: {message_of(error)}") from None
    _print_found(relation.columns, rows, as_csv=as_csv, as_json=as_json)


def _statement(given: str | None, file: Path | None) -> str:
    """Return the statement of the argument, the file, or standard input."""
    if (given is None) == (file is None):
        raise InputError("pass one statement: as the argument, with --file, or - for input.")
    if given is not None:
        return sys.stdin.read() if given == "-" else given
    try:
        return Path(file or "").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from None


def _print_found(columns: Any, rows: Any, *, as_csv: bool, as_json: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        print_rows(columns, rows, as_json=as_json)


@app.command(
    epilog="Example: d1lab metrics turnover --set shop=harbor --set until=2017-12-31 --set days=90"
)
def metrics(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Metric to compute. Default: list all metrics.",
            autocompletion=completion.metrics,
        ),
    ] = None,
    set_: SetOption = None,
    graph: Annotated[
        bool,
        typer.Option(
            "--graph", help="Show lineage: tables, metrics, reports, and columns pushed to D1."
        ),
    ] = False,
    form: Annotated[
        Literal["text", "mermaid", "dot"], typer.Option("--format", help="Format of --graph.")
    ] = "text",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List metrics, compute one, or show what depends on them."""
    if graph:
        _print_graph(name, form, database, as_json=as_json)
        return
    if form != "text":
        raise InputError("--format is for --graph: d1lab metrics --graph --format mermaid")
    if name is None:
        from d1lab.metrics import broken_metrics, load_metrics

        folder = load_settings().root / "metrics"
        rows = [
            (m.name, m.sentence, m.unit, ", ".join(m.grain), " ".join(m.parameters))
            for m in load_metrics(folder).values()
        ]
        print_rows(("metric", "what", "unit", "grain", "parameters"), rows, as_json=as_json)
        for problem in (broken := broken_metrics(folder)).values():
            echo_err(f"metrics: {problem}")
        raise typer.Exit(1 if broken else 0)
    from d1lab.cli.reports import assignments
    from d1lab.lab import open as open_lab

    lab = open_lab(database)
    frame = lab.metric(name, **lab.parameters_from_text(name, assignments(set_ or [])))
    print_rows(list(frame.columns), _rows(frame), as_json=as_json)


def _print_graph(name: str | None, form: str, database: str | None, *, as_json: bool) -> None:
    from d1lab.jobs.lineage_graph import as_dot, as_mermaid, lineage_graph

    graph = lineage_graph(load_settings(), database, metric=name)
    if as_json:
        print_json(graph)
    elif form != "text":
        typer.echo(as_mermaid(graph) if form == "mermaid" else as_dot(graph), nl=False)
    else:
        print_rows(("tables", "metric", "reports", "pushed_columns"), graph.rows())
    if graph.from_source:
        echo_err(
            f"metrics: {', '.join(graph.from_source)}: no run of the notebook as it is now, so "
            "only what it names itself is shown. Run `d1lab run` for the rest."
        )


@app.command(epilog="Example: d1lab search 'winter sock' --kind sku")
def search(
    text: Annotated[str, typer.Argument(help="Search text. Prefixes and typos are allowed.")],
    database: DatabaseOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Limit to discount, code, sku, customer, or test. Repeatable."),
    ] = None,
    shop: Annotated[
        str | None, typer.Option(help="Limit to one shop.", autocompletion=completion.shops)
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of results.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Search discounts, codes, products, customers, and A/B tests."""
    from d1lab.search import Hit, open_index
    from d1lab.warehouse import open_warehouse

    folder = load_settings().folder(database)
    with open_warehouse(folder) as con, closing(open_index(con, folder)) as index:
        hits = index.search(text, kinds=kind, shop=shop, limit=limit)
    print_rows(Hit._fields, hits, as_json=as_json)
    if not hits and not as_json:
        echo_err(f"search: no results for {text!r:.80}")
