"""The generated pages of the documentation: the reference, the changelog, and the benchmarks.

Each is made from the program itself when the site is built: commands from the Typer application,
metrics and views from their `.sql` files, settings from the pydantic model, tables from the
catalog, and the public names from `__all__`. `undocumented()` lists what has no description.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import duckdb
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import d1lab
from d1lab import catalog
from d1lab.cli.main import app
from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.metrics import Metric, load_metrics
from d1lab.types import TYPES
from d1lab.warehouse import VIEWS, create_views

ROOT = Path(__file__).parents[1]

INCLUDED = {"changelog.md": "CHANGELOG.md", "validation/benchmarks.md": "bench/RESULTS.md"}
"""Pages that are files of the repository outside docs/."""


@cache
def pages() -> dict[str, str]:
    """Every generated page as Markdown, by its path below docs/."""
    reference: dict[str, Callable[[], Iterable[str]]] = {
        "commands": commands_page,
        "settings": settings_page,
        "metrics": metrics_page,
        "views": views_page,
        "tables": tables_page,
        "api": api_page,
    }
    included = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in INCLUDED.items()}
    return included | {
        f"reference/{name}.md": "\n".join(page()) + "\n" for name, page in reference.items()
    }


def undocumented() -> list[str]:
    """Commands, options, settings, metrics, views, names, and packages without a description."""
    return sorted(
        [
            *(f"command {name}: help" for name, command in commands() if not command.help),
            *(f"command {name}: example" for name, command in commands() if not example(command)),
            *(
                f"command {name}: {parameter.opts[0]}"
                for name, command in commands()
                for parameter in parameters(command)
                if not parameter.help
            ),
            *(f"setting {name}" for name, field in settings() if not field.description),
            *(f"metric {name}" for name, metric in metrics() if not metric.sentence),
            *(f"view {path.stem}" for path in views() if not header(path)),
            *(f"name {path}" for path, value in public_names() if not is_documented(value)),
            *(f"package {path}" for path in packages() if len(_package_text(path).split()) < 4),
        ]
    )


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups opened, such as `ingest orders`."""
    yield from _commands(typer.main.get_command(app), "")


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def parameters(command: Any) -> list[Any]:
    """A command's arguments and options, without `--help`."""
    return [parameter for parameter in command.params if "--help" not in parameter.opts]


def example(command: Any) -> str:
    """The command line that a command gives as its example; empty without one."""
    return (command.epilog or "").removeprefix("Example: ")


def commands_page() -> Iterator[str]:
    """The command line: exit codes, then each command with arguments, options, and example."""
    yield "# Commands\n"
    yield "`d1lab COMMAND --help` shows the same text. Data goes to standard output, messages go to"
    yield "standard error. Tables are tab-separated in a pipe; `--json` prints every field.\n"
    yield "An error is one line on standard error. With `--json`, standard output then has one"
    yield 'object: `{"error": "...", "kind": "UnknownName", "exit_code": 2}`.'
    yield "`D1LAB_TRACEBACK=1` shows where an unexpected error was raised.\n"
    yield "## Exit codes\n"
    yield from table(("Code", "Meaning"), sorted(exit_codes().items()))
    for name, command in commands():
        yield f"\n## d1lab {name}\n"
        yield f"{inspect.cleandoc(command.help or '')}\n"
        yield "```console"
        yield f"$ {example(command)}"
        yield "```\n"
        rows = [_parameter_row(parameter) for parameter in parameters(command)]
        if rows:
            yield from table(("Argument or option", "Value", "Default", "Description"), rows)


def exit_codes() -> dict[int, str]:
    """Exit codes with the errors that end with them, from the classes of `d1lab.errors`."""
    codes: dict[int, list[str]] = {0: ["success"], 130: ["interrupted by Ctrl-C"]}
    for error in (D1labError, *_subclasses(D1labError)):
        if error.exit_code:
            summary = _summary(error).rstrip(".")
            codes.setdefault(error.exit_code, []).append(f"`{error.__name__}`: {summary}")
    return {code: "<br>".join(texts) for code, texts in codes.items()}


def _subclasses(base: type) -> Iterator[type]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


def _parameter_row(parameter: Any) -> tuple[str, str, str, str]:
    is_option = parameter.opts[0].startswith("-")
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.name.upper()]
    is_flag = getattr(parameter, "is_flag", False)
    kind = "" if is_flag else type_name(parameter.type_descriptor.annotation)
    default = parameter.default
    shown = "" if callable(default) or default in (None, False, [], ()) else f"`{default}`"
    if parameter.required:
        shown = "required"
    elif default is True:
        shown = f"`{parameter.opts[0]}`"
    return ", ".join(f"`{name}`" for name in names), kind, shown, parameter.help or ""


def settings(
    model: type[BaseModel] = Settings, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its place in d1lab.toml, such as `databases.NAME.url`."""
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is None:
            yield prefix + name, field
        else:
            is_named = get_origin(field.annotation) is dict
            yield from settings(inner, f"{prefix}{name}.{'NAME.' if is_named else ''}")


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return kind
    return None


def settings_page() -> Iterator[str]:
    """Settings: where they come from, and one row for each."""
    yield "# Settings\n"
    yield "Settings come from the environment, then from `d1lab.toml` in the project's folder; the"
    yield "first one that is set wins. An unknown setting is an error. Secrets are read from the"
    yield "environment only.\n"
    rows = []
    for name, field in settings():
        is_secret = "SecretStr" in str(field.annotation)
        place = "" if is_secret else f"`{name}`"
        variables = ", ".join(f"`{variable}`" for variable in environment_names(name, field))
        rows.append((place, variables, type_name(field.annotation), _default(field), field))
    columns = ("In d1lab.toml", "Environment variable", "Value", "Default", "Description")
    yield from table(columns, [(*row, field.description or "") for *row, field in rows])


def environment_names(name: str, field: FieldInfo) -> list[str]:
    """The environment variables of a setting; none for a part of a larger one."""
    if "." in name:
        return []
    alias = field.validation_alias
    return [str(c) for c in getattr(alias, "choices", ())] or [f"D1LAB_{name.upper()}"]


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return ""
    default = field.default
    if default is PydanticUndefined:
        return "required"
    return "" if default in (None, "", (), {}) else f"`{_toml(default)}`"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def metrics() -> Iterator[tuple[str, Metric]]:
    """d1lab's metrics by name."""
    yield from load_metrics().items()


def metrics_page() -> Iterator[str]:
    """Metrics: the header of each `.sql` file, and the SQL itself."""
    yield "# Metrics\n"
    yield "A metric is one `.sql` file: one definition that all reports share. `d1lab metrics NAME`"
    yield 'and `lab.metric("NAME", ...)` compute it.\n'
    yield from table(
        ("Metric", "Description"), [(f"[{n}](#{n})", m.sentence) for n, m in metrics()]
    )
    for name, metric in metrics():
        yield f"\n## {name}\n"
        yield f"{_sentence(metric.sentence)}\n"
        views_read = ", ".join(f"[{v}](views.md#{v})" for v in metric.reads)
        rows = [("Unit", metric.unit), ("Grain", ", ".join(metric.grain)), ("Reads", views_read)]
        yield from table(("", ""), rows)
        if metric.parameters:
            yield ""
            rows = [(f"`{p.name}`", p.type or "any", p.note) for p in metric.parameters.values()]
            yield from table(("Parameter", "Type", "Description"), rows)
        if metric.labels:
            yield ""
            labels = [(f"`{column}`", found.label) for column, found in metric.labels.items()]
            yield from table(("Column", "Label"), labels)
        if metric.assertions:
            yield ""
            yield from table(("Assertion",), [(f"`{each.text}`",) for each in metric.assertions])
        yield from _folded_sql(metric.sql)


def _folded_sql(sql: str) -> Iterator[str]:
    yield '\n??? quote "SQL"\n'
    yield "    ```sql"
    yield from (f"    {line}".rstrip() for line in sql.strip().splitlines())
    yield "    ```"


def views() -> list[Path]:
    """The `.sql` files of the warehouse's views."""
    return sorted(VIEWS.glob("*.sql"))


def header(path: Path) -> str:
    """The comment that an `.sql` file begins with, as one text."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.lstrip("- "))
    return " ".join(lines)


def views_page() -> Iterator[str]:
    """Views: the header of each `.sql` file, and the columns as DuckDB describes them."""
    yield "# Views\n"
    yield "The warehouse has one view per D1 table, with readable names. Notebooks, metrics, and"
    yield "`d1lab sql` read these. `raw.TABLE` has D1's own columns.\n"
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA raw")
        for declared in catalog.TABLES.values():
            columns = ", ".join(
                f"{column.name} {TYPES[column.type].duckdb}" for column in declared.columns
            )
            con.execute(f"CREATE TABLE raw.{declared.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        for path in views():
            yield f"\n## {path.stem}\n"
            yield f"{_sentence(header(path))}\n"
            described = con.execute(f"DESCRIBE main.{path.stem}").fetchall()
            yield from table(("Column", "Type"), [(f"`{c}`", t) for c, t, *_ in described])


def tables_page() -> Iterator[str]:
    """D1's tables as the catalog declares them."""
    yield "# D1 tables\n"
    yield "The tables that d1lab knows in D1. `d1lab migrate` creates the missing ones and changes"
    yield "none that the app has."
    yield "*Written by* names the only command that writes a column; the app writes all others.\n"
    for name, declared in catalog.TABLES.items():
        yield f"\n## {name}\n"
        yield f"Key: {', '.join(f'`{column}`' for column in declared.key)}\n"
        rows = [(f"`{c.name}`", c.type, c.owner) for c in declared.columns]
        yield from table(("Column", "Type", "Written by"), rows)


def public_names() -> Iterator[tuple[str, Any]]:
    """Every public name with its value: `__all__` of the package and of its folders."""
    for module in public_modules():
        for name in module.__all__:
            if not name.startswith("__") and module.__name__ != "d1lab.cli":
                yield f"{module.__name__}.{name}", getattr(module, name)


def public_modules() -> Iterator[Any]:
    """The package and those of its folders that declare `__all__`."""
    for name in packages():
        module = import_module(name)
        if hasattr(module, "__all__"):
            yield module


def packages() -> list[str]:
    """The package and its folders, by dotted name."""
    found = pkgutil.walk_packages(d1lab.__path__, "d1lab.")
    return ["d1lab", *(module.name for module in found if module.ispkg)]


def _package_text(name: str) -> str:
    return _summary(import_module(name))


def is_documented(value: Any) -> bool:
    """Whether a public name has a docstring; a plain value and a type alias have none."""
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return True
    return bool((value.__doc__ or "").strip())


def api_page() -> Iterator[str]:
    """The public names, rendered by mkdocstrings from their docstrings."""
    yield "# Python API\n"
    yield "The names in `__all__` are public. Everything else can change in any release.\n"
    for module in public_modules():
        names = [path for path, _ in public_names() if path.rpartition(".")[0] == module.__name__]
        if not names:
            continue
        yield f"\n## {module.__name__}\n"
        yield f"{_summary(module)}\n"
        yield from (f"::: {path}" for path in names)


def _summary(value: Any) -> str:
    """The first paragraph of a docstring, as one line."""
    return " ".join(inspect.cleandoc(value.__doc__ or "").split("\n\n")[0].split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def type_name(annotation: Any) -> str:
    """What a value may be, in words: `str | None` is text."""
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (Union, UnionType):
        return " or ".join(type_name(part) for part in parts if part is not type(None))
    if origin in (list, tuple):
        return f"{type_name(parts[0])}, repeatable"
    if origin is dict:
        return f"table of {type_name(parts[1])}"
    if origin is not None:  # Annotated
        return type_name(parts[0])
    return names.get(annotation, "text")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A Markdown table."""
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in rows:
        cells = (re.sub(r"\s+", " ", str(cell)).replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
