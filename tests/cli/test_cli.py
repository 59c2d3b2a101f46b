"""The command line: help and an example for each command, errors in one line, output for pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from d1lab.cli import app
from tests.support.command_line import d1lab

COMMANDS = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
EXPECTED = (
    "init demo migrate pull tables sql metrics run push rollback track aggregate doctor lab"
    " prune ab serve publish send schedule search ingest"
)


def test_commands_that_scripts_call_stay():
    """New commands may be added, but none is removed or renamed."""
    assert set(EXPECTED.split()) <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_a_sentence_and_an_example(name: str):
    """The help says what the command does and shows an example that can be copied."""
    command = COMMANDS[name]
    assert command.help
    assert command.help.splitlines()[0].endswith(".")
    assert command.epilog.startswith(f"Example: d1lab {name}")
    for parameter in command.params:
        if parameter.name not in ("help", "run_id"):
            assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pull", "-d", "nowhere"], "There is no database 'nowhere'"),
        (["pull"], "Run `d1lab demo` to build it"),
        (["track", "missing.jsonl"], "does not exist"),
        (["sql", "SELECT 1"], "d1lab pull"),
        (["run", "--no-pull"], "d1lab pull"),
        (["push", "nothing"], "There is no run 'nothing'"),
        (["publish", "site"], "d1lab run"),
        (["send"], "D1LAB_NOTIFY_URL"),
        (["send", "--dry-run", "--alert", "cover ~ 7"], "invalid alert"),
        (["schedule", "crom"], "Did you mean 'cron'"),
        (["schedule", "cron", "-d", "nowhere"], "There is no database 'nowhere'"),
        (["prune", "--keep", "soon"], "invalid --keep 'soon'"),
        (["metrics", "turnovr"], "d1lab pull"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_invalid_input_is_one_line_and_no_traceback(run, arguments, expected):
    """The error says what was asked, what was found, and what to do; standard output is empty."""
    ended = run(*arguments)
    assert ended.code in (2, 3), ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert expected in ended.err
    assert ended.out == ""


def test_invalid_settings_do_not_show_their_value(tmp_path: Path):
    """A secret in the wrong setting is not printed."""
    ended = d1lab("tables", cwd=tmp_path, D1LAB_DATABASES="s3cret-token")
    assert ended.returncode == 2
    assert "s3cret-token" not in ended.stderr + ended.stdout


def test_init_creates_a_project_and_keeps_an_existing_one(folder: Path, run):
    """A new folder gets settings and notebooks; an existing one is not overwritten."""
    made = run("init", "--url", "d1://acc/db", "--name", "live")
    assert made.code == 0, made.err
    assert 'url = "d1://acc/db"' in (folder / "d1lab.toml").read_text()
    assert (folder / "notebooks" / "inventory.ipynb").is_file()
    again = run("init")
    assert again.code == 2
    assert "already exists" in again.err


@pytest.mark.usefixtures("folder")
def test_a_remote_database_without_a_token_says_which_variable(run):
    """The error names the environment variable, and the exit code is 2."""
    run("init", "--url", "d1://acc/db", "--name", "live")
    ended = run("pull")
    assert ended.code == 2
    assert "D1LAB_READ_TOKEN" in ended.err


def test_metrics_print_as_text_and_as_json(tmp_path: Path):
    """In a pipe, rows are tab-separated under a header; JSON has the same rows."""
    text = d1lab("metrics", cwd=tmp_path).stdout.splitlines()
    rows = json.loads(d1lab("metrics", "--json", cwd=tmp_path).stdout)
    assert text[0].split("\t") == list(rows[0])
    assert len(text) == len(rows) + 1
    assert {"turnover", "last_day"} <= {row["metric"] for row in rows}
    assert all("\x1b" not in line for line in text)


def test_help_does_not_load_the_heavy_libraries():
    """pandas, DuckDB, Altair, and papermill are not imported for --help."""
    script = "import sys, d1lab.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "duckdb", "altair", "papermill", "scipy", "pyarrow"} & set(loaded)


def test_ingest_commands_have_a_sentence_and_an_example():
    """The commands of the group have help as well."""
    for name, command in COMMANDS["ingest"].commands.items():
        assert command.help.splitlines()[0].endswith(".")
        assert command.epilog.startswith(f"Example: d1lab ingest {name} ")
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, f"{name}: {parameter.name}"


@pytest.mark.long
def test_loaded_orders_are_found(tmp_path: Path):
    """From the file to the search: rejected lines are listed, and the exit code shows them."""
    (tmp_path / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:d1.sqlite"\n')
    made = "import sys; from pathlib import Path; from d1lab.d1.sqlite import SqliteDatabase as S"
    subprocess.run([sys.executable, "-c", f"{made}; S.create(Path('d1.sqlite'))"], cwd=tmp_path)
    assert d1lab("migrate", cwd=tmp_path).returncode == 0
    (tmp_path / "sales.csv").write_text(
        "no,art,name,n,at,each,who\n1,SOCK-M,Winter sock,2,2026-05-01,2.50,Ada@x.org\n2,A,,1,?,1,\n"
    )
    fields = {
        "order_id": "no",
        "sku": "art",
        "product_title": "name",
        "quantity": "n",
        "occurred_at": "at",
        "list_price": "each",
        "email": "who",
    }
    load = ["ingest", "orders", "sales.csv", "--shop", "harbor"]
    load += [f"--map={field}={column}" for field, column in fields.items()]
    dry = d1lab(*load, "--dry-run", cwd=tmp_path)
    assert (dry.returncode, "nothing written" in dry.stderr) == (1, True), dry.stderr
    assert "3\t2\tA\toccurred_at '?' is not an ISO 8601 time" in dry.stdout.splitlines()
    done = d1lab(*load, "--json", "--refused", "refused.csv", cwd=tmp_path)
    assert json.loads(done.stdout)["written"] == 1, done.stderr
    assert (tmp_path / "refused.csv").read_text().count("\n") == 2
    salt = tmp_path / "data" / "salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    d1lab("pull", cwd=tmp_path)
    (hit,) = json.loads(d1lab("search", "wintr sok", "--json", cwd=tmp_path).stdout)
    assert (hit["match"], hit["kind"], hit["key"]) == ("some", "sku", "SOCK-M")
    (hit,) = json.loads(d1lab("search", "wintre sock", "--json", cwd=tmp_path).stdout)
    assert (hit["match"], hit["title"]) == ("typo", "Winter sock")
    assert "ada@x.org" not in (tmp_path / "d1.sqlite").read_bytes().decode("latin-1").lower()
    missing = d1lab("ingest", "orders", "none.csv", "--shop", "harbor", cwd=tmp_path)
    assert (missing.returncode, "does not exist" in missing.stderr) == (2, True)
