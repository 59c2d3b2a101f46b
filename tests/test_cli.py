"""The command line: help and example for each command, errors in one line, output for pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from d1lab.cli import app

BIN = Path(sys.executable).parent / "d1lab"
COMMANDS = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
EXPECTED = (
    "init demo migrate pull tables sql metrics run push rollback track aggregate doctor lab"
    " prune ab serve publish send schedule search ingest"
)


def _run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN, *arguments],
        cwd=cwd,
        env={"PATH": str(BIN.parent), "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_commands_are_all_there():
    """Nothing is missing, and nothing is there that no test knows."""
    assert set(EXPECTED.split()) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_a_sentence_and_an_example(name: str):
    """Help says what a command does and shows one that can be copied."""
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
        (["pull"], "run `d1lab demo` to build it"),
        (["track", "missing.jsonl"], "there is no file"),
        (["sql", "SELECT 1"], "d1lab pull"),
        (["run", "--no-pull"], "d1lab pull"),
        (["push", "nothing"], "unknown run 'nothing'"),
        (["publish", "site"], "d1lab run"),
        (["send"], "D1LAB_NOTIFY_URL"),
        (["send", "--dry-run", "--alert", "cover ~ 7"], "expected a key figure"),
        (["schedule", "crom"], "Did you mean 'cron'"),
        (["schedule", "cron", "-d", "nowhere"], "There is no database 'nowhere'"),
        (["prune", "--keep", "soon"], "expected a number of days"),
        (["metrics", "turnovr"], "d1lab pull"),
    ],
)
def test_bad_input_is_one_line_and_no_traceback(tmp_path: Path, arguments, expected):
    """What was asked, what was found, what to do; nothing on standard output."""
    ended = _run(*arguments, cwd=tmp_path)
    assert ended.returncode in (2, 3), ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert expected in ended.stderr
    assert ended.stdout == ""


def test_bad_settings_do_not_repeat_their_value(tmp_path: Path):
    """A secret put into the wrong setting is not printed."""
    ended = _run("tables", cwd=tmp_path, D1LAB_DATABASES="s3cret-token")
    assert ended.returncode == 2
    assert "s3cret-token" not in ended.stderr + ended.stdout


def test_init_makes_a_project_and_keeps_one(tmp_path: Path):
    """A new folder gets settings and notebooks; an existing one is not overwritten."""
    made = _run("init", "--url", "d1://acc/db", "--name", "live", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert 'url = "d1://acc/db"' in (tmp_path / "d1lab.toml").read_text()
    assert (tmp_path / "notebooks" / "inventory.ipynb").is_file()
    again = _run("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_remote_database_without_a_token_says_which_variable(tmp_path: Path):
    """The error names the environment variable, and exits with 2."""
    _run("init", "--url", "d1://acc/db", "--name", "live", cwd=tmp_path)
    ended = _run("pull", cwd=tmp_path)
    assert ended.returncode == 2
    assert "D1LAB_READ_TOKEN" in ended.stderr


def test_metrics_print_as_text_and_as_json(tmp_path: Path):
    """In a pipe: tab-separated lines under a header, or JSON with the same rows."""
    text = _run("metrics", cwd=tmp_path).stdout.splitlines()
    rows = json.loads(_run("metrics", "--json", cwd=tmp_path).stdout)
    assert text[0].split("\t") == list(rows[0])
    assert len(text) == len(rows) + 1
    assert {"turnover", "last_day"} <= {row["metric"] for row in rows}
    assert all("\x1b" not in line for line in text)


def test_help_does_not_load_the_heavy_libraries():
    """The command line answers at once: no pandas, DuckDB, Altair or papermill for --help."""
    script = "import sys, d1lab.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "duckdb", "altair", "papermill", "scipy", "pyarrow"} & set(loaded)


def test_ab_prints_every_field_as_json(tmp_path: Path):
    """500 of 10,000 against 560 of 10,000, by the published methods."""
    result = json.loads(_run("ab", "500/10000", "560/10000", "--json", cwd=tmp_path).stdout)
    assert result["p_value"] == pytest.approx(0.0582578060, abs=1e-9)
    assert result["difference_low"] == pytest.approx(-0.00021025, abs=1e-6)
    assert result["ratio_high"] == pytest.approx(1.25940660, abs=1e-6)
    assert result["chance_b_better"] == pytest.approx(0.97083766, abs=1e-6)
    assert (result["winner"], result["confidence_level"]) == ("none", 94.17)


def test_ab_counts_alone_need_the_declared_share(tmp_path: Path):
    """Without visitors the split must have been declared; with it, the exact binomial decides."""
    refused = json.loads(_run("ab", "122", "189", "--json", cwd=tmp_path).stdout)
    assert (refused["status"], refused["p_value"]) == ("not_declared", None)
    decided = _run("ab", "122", "189", "--share-b", ".5", "--json", cwd=tmp_path)
    assert json.loads(decided.stdout)["p_value"] == pytest.approx(0.000172805, abs=1e-9)


AB_FIELDS = (
    "status reason method p_value confidence_level winner rate_a rate_b difference difference_low"
    " difference_high ratio ratio_low ratio_high chance_b_better expected_loss_b sample_ratio_p"
)


@pytest.mark.parametrize("arms", [["500/10000", "560/10000"], ["122", "189"], ["0/9", "0/9"]])
def test_ab_json_names_every_field_whatever_the_answer(tmp_path: Path, arms):
    """The promised fields in their order, first; what is not known is null, never left out."""
    ended = _run("ab", *arms, "--json", cwd=tmp_path)
    assert list(json.loads(ended.stdout))[:17] == AB_FIELDS.split()
    assert ended.returncode == 0  # a refusal is an answer


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["500/10000", "700/10000"], "Take B: it converts 40 % more than A"),
        (["500/10000", "560/10000"], "No winner: B converts 12 % more than A (−0.4 % to"),
        (["122", "189"], "No answer: visitors were not counted"),
        (["122", "189", "--share-b", ".5"], "Take B: it brought 55 % more orders"),
    ],
)
def test_ab_answers_in_words_first(tmp_path: Path, arguments, sentence):
    """One sentence that needs no statistics, then the figures."""
    first, header, *_ = _run("ab", *arguments, cwd=tmp_path).stdout.splitlines()
    assert first.startswith(sentence)
    assert header == "field\tvalue"


def test_ab_size_gives_the_visitors(tmp_path: Path):
    """5 % to 5.5 % at 80 % power takes 31,233.4 visitors an arm: 31,234 of whole ones."""
    ask = ("ab", "size", "--base", "5%", "--to", "5.5%")
    size = json.loads(_run(*ask, "--json", cwd=tmp_path).stdout)
    assert size["exact_a"] == pytest.approx(31233.438, abs=1e-3)
    assert _run(*ask, cwd=tmp_path).stdout.splitlines()[1].startswith("a\t31234\t31233.43")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ab", "5"],
        ["ab", "x", "y"],
        ["ab", "size"],
        ["ab", "9/8", "1/2", "--alpha", "2"],
        ["ab", "12", "18", "--share-b", "1.5"],
        ["ab", "5/80", "6/80", "--looks", "5", "--look", "7"],
        ["ab", "5/80", "6/80", "--look", "2"],
    ],
)
def test_ab_refuses_bad_input_in_one_line(tmp_path: Path, arguments):
    """A missing arm, words for numbers, no rates, an impossible alpha."""
    ended = _run(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


def test_ingest_commands_have_a_sentence_and_an_example():
    """As every other command."""
    for name, command in COMMANDS["ingest"].commands.items():
        assert command.help.splitlines()[0].endswith(".")
        assert command.epilog.startswith(f"Example: d1lab ingest {name} ")
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, f"{name}: {parameter.name}"


def test_orders_come_in_and_are_found(tmp_path: Path):
    """From a file to the search: what is refused is named, and the exit code says so."""
    (tmp_path / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:d1.sqlite"\n')
    made = "import sys; from pathlib import Path; from d1lab.d1.sqlite import SqliteDatabase as S"
    subprocess.run([sys.executable, "-c", f"{made}; S.create(Path('d1.sqlite'))"], cwd=tmp_path)
    assert _run("migrate", cwd=tmp_path).returncode == 0
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
    dry = _run(*load, "--dry-run", cwd=tmp_path)
    assert (dry.returncode, "nothing written" in dry.stderr) == (1, True), dry.stderr
    assert dry.stdout.splitlines()[1] == "3\t2\tA\toccurred_at '?' is not an ISO 8601 time"
    done = _run(*load, "--json", "--refused", "refused.csv", cwd=tmp_path)
    assert json.loads(done.stdout)["written"] == 1, done.stderr
    assert (tmp_path / "refused.csv").read_text().count("\n") == 2
    salt = tmp_path / "data" / "salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    _run("pull", cwd=tmp_path)
    (hit,) = json.loads(_run("search", "wintr sok", "--json", cwd=tmp_path).stdout)
    assert (hit["match"], hit["kind"], hit["key"]) == ("some", "sku", "SOCK-M")
    (hit,) = json.loads(_run("search", "wintre sock", "--json", cwd=tmp_path).stdout)
    assert (hit["match"], hit["title"]) == ("typo", "Winter sock")
    assert "ada@x.org" not in (tmp_path / "d1.sqlite").read_bytes().decode("latin-1").lower()
    missing = _run("ingest", "orders", "none.csv", "--shop", "harbor", cwd=tmp_path)
    assert (missing.returncode, "there is no file" in missing.stderr) == (2, True)
