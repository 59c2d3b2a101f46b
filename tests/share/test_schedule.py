"""Each snippet is valid for its scheduler and calls `d1lab run`."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from d1lab.errors import InputError, UnknownName
from d1lab.share.schedule import MINUTES, SNIPPETS, SchedulePaths, kinds, snippet

PLACE = SchedulePaths(Path("/srv/my shop's 5%"), Path("/opt/d1 lab/bin/d1lab"))
CODES = {"0", "1", "2", "3", "4", "75"}


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("kind", ["cron", "systemd", "github", "kubernetes"])
def test_snippet_explains_the_exit_codes_and_leaves_no_gap(kind: str):
    """Each code is in a comment, and every placeholder is filled."""
    text = snippet(kind, PLACE, every=30, database="live")
    comments = " ".join(line.partition("#")[2] for line in text.splitlines() if "#" in line)
    assert set(re.findall(r"\b(?:75|[0-4])\b(?= )", comments)) >= CODES
    assert not re.search(r"@(?!v\d)\w", text)
    assert "d1lab send --database live" in re.sub("[\"']", "", text)


def test_snippets_are_the_files():
    """A new file is a new scheduler; there is no second list."""
    assert kinds() == ["cron", "github", "kubernetes", "systemd"]
    assert all(path.suffix in (".txt", ".yml") for path in SNIPPETS.iterdir())


@pytest.mark.parametrize("every", MINUTES)
def test_cron_line_has_five_fields_and_a_command_that_a_shell_reads(every: int):
    """Paths are quoted, and %, which ends a line, is escaped."""
    [line] = _lines(snippet("cron", PLACE, every=every, database="live"))
    minute, *rest, command = line.split(" ", 5)
    assert re.fullmatch(r"\*/\d+|\d+", minute)
    assert rest == ["*"] * 4
    assert not re.search(r"(?<!\\)%", command)
    words = shlex.split(command.replace("\\%", "%"))
    assert words[:3] == ["cd", "/srv/my shop's 5%", "&&"]
    at = words.index("/opt/d1 lab/bin/d1lab")
    assert words[at:] == [words[at], "run", "--database", "live", ">>", "data/schedule.log", "2>&1"]


def test_cron_command_runs_in_a_shell(tmp_path: Path):
    """The environment's file is read, and the log is written to the project, as by cron."""
    folder, home = tmp_path / "my shop's 5%", tmp_path / "home"
    (folder / "data").mkdir(parents=True)
    (home / ".config").mkdir(parents=True)
    (home / ".config" / "d1lab.env").write_text("D1LAB_READ_TOKEN=t0ken\n")
    program = tmp_path / "d1 lab"
    program.write_text('#!/bin/sh\necho "$@ in $(basename "$PWD") with $D1LAB_READ_TOKEN"\n')
    program.chmod(0o700)
    [line] = _lines(snippet("cron", SchedulePaths(folder, program)))
    command = line.split(" ", 5)[5].replace("\\%", "%")
    subprocess.run(
        ["sh", "-c", command], env={"HOME": str(home), "PATH": "/bin:/usr/bin"}, check=True
    )
    log = (folder / "data" / "schedule.log").read_text()
    assert log == "run in my shop's 5% with t0ken\n"


def _units(text: str) -> dict[str, configparser.ConfigParser]:
    parts = re.split(r"^# -+ (\S+) -+$", text, flags=re.MULTILINE)[1:]
    units = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        units[name] = configparser.ConfigParser(interpolation=None)
        units[name].optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
        units[name].read_string(body)
    return units


def test_systemd_units_catch_up_and_accept_a_lock():
    """Exit code 75 of the oneshot service is a success, and the timer catches up on missed runs."""
    units = _units(snippet("systemd", PLACE, every=15))
    service, timer = units["d1lab.service"]["Service"], units["d1lab.timer"]["Timer"]
    assert service["Type"] == "oneshot"
    assert service["ExecStart"] == '"/opt/d1 lab/bin/d1lab" run'
    assert service["WorkingDirectory"] == "/srv/my shop's 5%%"
    assert service["SuccessExitStatus"] == "75"
    assert (timer["OnCalendar"], timer["Persistent"]) == ("*:0/15", "true")
    hourly = _units(snippet("systemd", PLACE, every=60))["d1lab.timer"]["Timer"]
    assert hourly["OnCalendar"] == "*:07"


def test_github_workflow_parses_and_keeps_the_ledger():
    """One run at a time gets tokens from secrets; data is restored before and saved after."""
    flow = yaml.safe_load(snippet("github", PLACE, every=60, database="live"))
    assert flow[True]["schedule"] == [{"cron": "7 * * * *"}]  # YAML reads the key `on` as true
    assert flow["concurrency"] == "d1lab"
    steps = flow["jobs"]["reports"]["steps"]
    uses = [step.get("uses", step.get("run", "")) for step in steps]
    run = uses.index("d1lab run --database live")
    assert uses.index("actions/cache/restore@v4") < run < uses.index("actions/cache/save@v4")
    assert steps[uses.index("actions/cache/save@v4")]["if"] == "always()"
    assert steps[run]["env"]["D1LAB_READ_TOKEN"] == "${{ secrets.D1LAB_READ_TOKEN }}"


def test_kubernetes_job_parses_and_does_not_retry_needlessly():
    """Two jobs never run at once, and errors that would recur end the job."""
    job = yaml.safe_load(snippet("kubernetes", PLACE, every=20))["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == ("*/20 * * * *", "Forbid")
    spec = job["jobTemplate"]["spec"]
    [rule] = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [1, 2, 75])
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # which a podFailurePolicy asks for
    assert pod["containers"][0]["command"] == ["sh", "-c", "d1lab run"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes


def test_unknown_schedulers_and_odd_minutes_are_invalid():
    """Errors suggest the nearest name, list the minutes, or name the invalid path."""
    with pytest.raises(UnknownName, match="Did you mean 'systemd'"):
        snippet("systmd", PLACE)
    with pytest.raises(InputError, match="5, 10, 15, 20, 30, 60"):
        snippet("cron", PLACE, every=45)
    with pytest.raises(InputError, match="control character"):
        snippet("cron", SchedulePaths(Path("/srv/a\n* * * * * rm"), Path("/bin/d1lab")))
