"""The generated reference is complete: whatever the program has is on a page, described."""

from __future__ import annotations

import ast
import re
import shlex

import pytest
import typer
from pydantic import BaseModel, Field

from d1lab.config import Settings
from d1lab.metrics import load_metrics
from docs import generate


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The generated pages by path."""
    return generate.pages()


def test_everything_is_documented():
    """A command, option, setting, metric, view, public name, or package without a text fails."""
    assert generate.undocumented() == []


def test_undocumented_names_what_a_command_is_missing(monkeypatch):
    """A command without help, example, and option help is found, also in a group."""
    group = typer.Typer()

    @group.command()
    def bare(path: str = "") -> None: ...

    application = typer.Typer()
    application.add_typer(group, name="group")
    application.command(epilog="Example: d1lab other")(test_everything_is_documented)
    monkeypatch.setattr(generate, "app", application)
    found = [line for line in generate.undocumented() if "group bare" in line]
    assert found == [
        "command group bare: --path",
        "command group bare: example",
        "command group bare: help",
    ]


def test_settings_opens_models_and_keeps_descriptions():
    """A nested model's settings get their place in d1lab.toml; a missing description shows."""

    class Inner(BaseModel):
        url: str = Field(description="Where.")
        plan: str = "paid"

    class Outer(BaseModel):
        inner: Inner
        named: dict[str, Inner] = {}

    found = {name: field.description for name, field in generate.settings(Outer)}
    assert found == {
        "inner.url": "Where.",
        "inner.plan": None,
        "named.NAME.url": "Where.",
        "named.NAME.plan": None,
    }


@pytest.mark.parametrize(
    ("value", "expected"), [(len, True), (typer.Typer, True), ("text", True), (lambda: 0, False)]
)
def test_is_documented(value, expected):
    """Functions and classes need a docstring; values have none of their own."""
    assert generate.is_documented(value) is expected


def test_commands_page_has_every_command_and_option(reference):
    """Each command has a section with its example and all names of its options."""
    page = reference["reference/commands.md"]
    sections = {part.splitlines()[0]: part for part in page.split("\n## ")[1:]}
    names = [name for name, _ in generate.commands()]
    assert "ingest orders" in names
    for name, command in generate.commands():
        section = sections[f"d1lab {name}"]
        assert f"$ {generate.example(command)}" in section
        for parameter in generate.parameters(command):
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{option if option.startswith('-') else option.upper()}`" in section


def test_examples_of_commands_parse():
    """Each example is a call of its own command, with options and values that it takes."""
    for name, command in generate.commands():
        words = shlex.split(generate.example(command))
        if ">" in words:  # the shell takes the rest
            words = words[: words.index(">")]
        size = 1 + len(name.split())
        assert words[:size] == ["d1lab", *name.split()], name
        command.make_context(name, words[size:])


def test_examples_of_commands_name_what_exists():
    """The report and the metric in an example are there."""
    examples = {name: shlex.split(generate.example(c)) for name, c in generate.commands()}
    assert (generate.ROOT / "notebooks" / f"{examples['run'][2]}.ipynb").is_file()
    assert examples["metrics"][2] in load_metrics()


def test_commands_page_has_the_exit_codes_of_the_errors():
    """0, 1, 2, 3, 4, 75, and Ctrl-C."""
    codes = generate.exit_codes()
    assert sorted(codes) == [0, 1, 2, 3, 4, 75, 130]
    assert "`StaleDataError`" in codes[3]


def test_settings_page_has_every_setting_and_shows_no_secret_as_a_setting(reference):
    """Each setting has a row; a secret has its environment variable only."""
    page = reference["reference/settings.md"]
    for name in Settings.model_fields:
        assert f"| `{name}" in page or f"`D1LAB_{name.upper()}`" in page
    assert "|  | `D1LAB_READ_TOKEN`, `CLOUDFLARE_API_TOKEN` |" in page
    assert "`databases.NAME.url`" in page


def test_metrics_page_has_every_metric_with_its_sql(reference):
    """Name, parameters, and SQL are those of the file."""
    page = reference["reference/metrics.md"]
    for name, metric in load_metrics().items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(f"`{parameter}`" in section for parameter in metric.parameters)
        assert metric.sql.strip().splitlines()[-1].strip() in section


def test_views_page_has_the_columns_that_duckdb_sees(reference):
    """`day` of order_lines is computed by the view, and it is a date."""
    page = reference["reference/views.md"]
    section = page.split("\n## order_lines\n")[1].split("\n## ")[0]
    assert "| `day` | DATE |" in section
    assert all(f"\n## {path.stem}\n" in page for path in generate.views())


def test_tables_page_names_the_writer_of_each_column(reference):
    """`turnover_rate` is an analysis column of the app's table."""
    section = reference["reference/tables.md"].split("\n## inventory_impact\n")[1]
    assert "| `turnover_rate` | real | analysis |" in section.split("\n## ")[0]


def test_api_page_has_every_public_name(reference):
    """mkdocstrings gets each name of every `__all__`."""
    lines = reference["reference/api.md"].splitlines()
    names = [path for path, _ in generate.public_names()]
    assert "d1lab.open" in names
    assert all(f"::: {path}" in lines for path in names)


def test_api_page_misses_no_name_of_any_folder(reference):
    """Looked up in the files themselves: a folder that the generator does not find fails."""
    lines = reference["reference/api.md"].splitlines()
    commands = {"d1lab.cli.app", "d1lab.cli.main"}  # the command line has a page of its own
    for path in (generate.ROOT / "d1lab").rglob("__init__.py"):
        module = ".".join(path.parent.relative_to(generate.ROOT).parts)
        listed = re.search(r"^__all__ = (\[.*?\])", path.read_text(encoding="utf-8"), re.M | re.S)
        for name in ast.literal_eval(listed[1]) if listed else ():
            full = f"{module}.{name}"
            assert full in commands or name == "__version__" or f"::: {full}" in lines, full


def test_table_keeps_cells_in_their_columns():
    """A pipe and a line break in a value stay in the cell."""
    assert list(generate.table(("a",), [("x|y\nz",)])) == ["| a |", "|---|", "| x\\|y z |"]
