"""Output of commands: tables on a terminal, tab-separated text in a pipe, or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
import typer

from d1lab.cli import completion
from d1lab.counting import counted

if TYPE_CHECKING:
    from d1lab.pull import PullResult

JsonOption = Annotated[
    bool, typer.Option("--json", help=("Print JSON with all fields and full precision."))
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        "-d",
        help=("Database name from d1lab.toml. Default: the project's default database."),
        autocompletion=completion.databases,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change without writing anything.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Set a parameter, as name=value. Repeatable.")
]
MaxAgeOption = Annotated[
    float | None,
    typer.Option(
        help="Skip the pull, and ask D1 nothing, if the data is no older than this many seconds, "
        "such as 300. 0: always pull. Default: [pull] max_age of d1lab.toml.",
        min=0,
    ),
]
MaxRowsOption = Annotated[
    int | None, typer.Option(help="Stop before reading more than this many billed rows.", min=0)
]
AcceptDroppedOption = Annotated[
    bool,
    typer.Option(
        "--accept-dropped", help="Accept that D1 no longer has tables that had rows: remove them."
    ),
]

MetricsFileOption = Annotated[
    Path | None,
    typer.Option("--metrics-file", help="Also write the state of all reports as Prometheus text."),
]

Progress = Callable[[str, int, int], None]


def _plain(value: Any) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    return str(value)


def _fields(value: Any) -> object:
    """Convert NamedTuples to mappings recursively, so that JSON has field names."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))  # orjson itself supports only 64 bits
    if isinstance(value, tuple) and hasattr(cast("object", value), "_asdict"):
        return {k: _fields(v) for k, v in cast("Any", value)._asdict().items()}
    if isinstance(value, Mapping):
        return {str(k): _fields(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set):
        return [_fields(v) for v in cast("Iterable[Any]", value)]
    return value


def print_json(value: object) -> None:
    """Print a result as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.write(orjson.dumps(_fields(value), default=_plain, option=options).decode() + "\n")


def _cell(value: object) -> str:
    """Format a value for a pipe, floats with fifteen significant digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _shown(value: object) -> str:
    """Format a value for a terminal, with few digits."""
    is_short = isinstance(value, float) and math.isfinite(value) and abs(value) < 1e15
    return f"{value:,.6g}" if is_short else _cell(value)


def _one_line(text: str) -> str:
    """Remove control characters, including tabs and line ends."""
    return "".join(c if c.isprintable() else " " for c in text)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Make column names unique: the second `a` becomes `a_2`, so that no value is lost."""
    names: list[str] = []
    for name in columns:
        free, number = name, 1
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    return names


def print_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool = False
) -> None:
    """Print rows as a table on a terminal, tab-separated in a pipe, or as JSON objects."""
    if as_json:
        names = _distinct(columns)
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():
        _print_table(columns, [list(row) for row in rows])
    else:
        for row in ([*columns], *rows):
            sys.stdout.write("\t".join(_one_line(_cell(value)) for value in row) + "\n")


def _print_table(columns: Sequence[str], rows: list[list[Any]]) -> None:
    from d1lab.cli.terminal import print_table

    kinds = int | float | Decimal
    numbers = {i for row in rows for i, value in enumerate(row) if isinstance(value, kinds)}
    texts = [[_one_line(_shown(value)) for value in row] for row in rows]
    print_table([_one_line(name) for name in columns], texts, numbers)


def shown_path(path: Path | None, root: Path) -> str:
    """Return a path as a person reads it: relative to the project if it is inside; '' for None."""
    if path is None:
        return ""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def echo_err(text: str) -> None:
    """Print a message to standard error; standard output is for data only."""
    sys.stderr.write(text + "\n")


def echo_pull_notes(pulled: PullResult) -> None:
    """Print notes on a pull: the reason for a rebuild, and the number of quarantined values."""
    if pulled.age_seconds is not None:
        echo_err(f"pull: skipped. The data is {_age(pulled.age_seconds)} old; D1 was not asked")
    if pulled.note:
        echo_err(f"pull: {pulled.note}")
    for note in pulled.notes:
        echo_err(f"pull: {note}")
    if pulled.quarantined:
        echo_err(
            f"pull: {counted(pulled.quarantined, 'value')} quarantined. To list them: d1lab sql "
            "'FROM d1lab.quarantine'"
        )
    if pulled.to_come:
        echo_err(
            f"pull: {counted(pulled.to_come, 'row')} dated in the future, left out of views and "
            "reports until that day. To list them: d1lab sql 'FROM d1lab.quarantine'"
        )


def _age(seconds: float) -> str:
    """Return an age in seconds, from two minutes on in minutes, and from two hours on in hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bars() -> Generator[Progress | None]:
    """Yield a `progress(name, done, expected)` that draws bars on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def progress(name: str, done: int, expected: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=expected)
            bars.update(tasks[name], completed=done, total=expected)

        yield progress
