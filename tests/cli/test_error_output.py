"""How commands end: every error is one sentence and an exit code, and JSON if it was requested."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
from pathlib import Path

import duckdb
import pytest

from d1lab import files
from d1lab.cli.error_output import output_of
from d1lab.errors import InputError, StaleDataError
from tests.support.command_line import PROGRAM, assert_refused


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("a is wrong. Use b."), 2, "a is wrong. Use b."),
        (StaleDataError("old"), 3, "old"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "Free some space"),
        (OSError(errno.EROFS, "Read-only file system", "data/x"), 1, "data/x: Read-only file"),
        (PermissionError(errno.EACCES, "Permission denied", "data/x"), 1, "Check the permissions"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "ulimit -n"),
        (MemoryError(), 1, "not enough memory"),
        (duckdb.OutOfMemoryException("Out of Memory Error: 1\nmore"), 1, "more memory"),
        (duckdb.IOException("IO Error: No space left on device"), 1, "Free some space"),
        (duckdb.IOException("IO Error: Corrupt block"), 1, "delete data/DATABASE/warehouse.duckdb"),
        (sqlite3.OperationalError("database or disk is full"), 1, "Free some space"),
        (ZeroDivisionError("x\ny"), 1, "unexpected ZeroDivisionError: x. Please report it."),
        (KeyError(), 1, "unexpected KeyError."),
    ],
)
def test_any_error_is_one_line(error: Exception, code: int, said: str):
    """A library's error about the disk or the memory has exit code 1: the input was not invalid."""
    fault = output_of(error)
    assert (fault.exit_code, fault.kind) == (code, type(error).__name__)
    assert said in fault.error
    assert "\n" not in fault.error
    assert "  " not in fault.error


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("run", "nothing"), "UnknownName"),
        (("search",), "MissingParameter"),
        (("pull", "--bogus"), "NoSuchOption"),
    ],
)
def test_errors_are_json_with_the_option_json(project, run, arguments, kind):
    """Standard output has one object, and standard error has the sentence as usual."""
    ended = run(*arguments, "--json")
    assert (ended.code, ended.json["exit_code"], ended.json["kind"]) == (2, 2, kind)
    assert ended.err == f"error: {ended.json['error']}\n"


def test_times_with_a_zone_are_shown_in_utc(pulled, run):
    """This includes times in lists and maps, for which DuckDB alone would need another package."""
    ended = run("sql", "SELECT '2026-01-01 12:00:00+02'::TIMESTAMPTZ AS a, [a] AS b, 1 AS c")
    assert ended.code == 0
    assert ended.out.splitlines()[1].startswith("2026-01-01 10:00:00\t")
    assert run("sql", "SELECT now(), map([now()], [1])").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prune", "--keep", "1000000d"), "up to 36500"),
        (("prune", "--keep", "9" * 400), "up to 36500"),
        (("run", "inventory", "--no-pull", "--set", "days=-5"), "'days' is -5. Use 1 to 36,500."),
        (("run", "inventory", "--set", "days=0"), "'days' is 0. Use 1 to 36,500."),
        (("run", "inventory", "--set", "lead_time_days=-1"), "Use 0 to 36,500."),
        (("run", "discounts", "--set", "days=99999999"), "Use 1 to 36,500."),
        (("sql", "SELECT 'x'::INTEGER"), "SQL: Conversion Error"),
        (("sql", "SELECT * FROM range(3) SELECT"), "SQL"),
    ],
)
@pytest.mark.usefixtures("pulled")
def test_senseless_values_are_rejected(run, arguments, said):
    """The exit code is 2, before anything is done."""
    assert_refused(run(*arguments), said, code=2)


def test_a_metric_takes_no_negative_days(pulled, run):
    """The error names the parameter, as it does for a report."""
    wanted = ("--set", "shop=corner", "--set", "until=2026-05-01", "--set", "days=-5")
    assert_refused(run("metrics", "turnover", *wanted), "'days' is -5. Use 1 to 36,500.", code=2)


def test_a_damaged_warehouse_is_one_sentence(pulled, run):
    """The damage can be in the header or in blocks that only a query reads."""
    path = pulled / "data" / "mine" / "warehouse.duckdb"
    whole = path.read_bytes()
    for start, length in ((0, 64), (4_096, 4_096), (12_288, len(whole)), (300_000, 200_000)):
        damaged = bytearray(whole)
        damaged[start : start + length] = b"\xab" * len(damaged[start : start + length])
        path.write_bytes(damaged)
        done = subprocess.run([PROGRAM, "tables"], capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 3), done.stderr
        assert done.returncode == 0 or done.stderr.startswith("error: ")


def test_output_that_cannot_be_written_is_an_error(project):
    """A full disk behind `>` is an error; output that is closed or partly read is not."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "metrics"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left") or "standard output" in done.stderr
    assert done.stderr.count("\n") == 1
    closed = subprocess.run(
        ["/bin/sh", "-c", '"$0" metrics >&-', PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert (closed.returncode, closed.stderr) == (0, "")
    read = subprocess.run(
        ["/bin/sh", "-c", '"$0" metrics --json | head -1', PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (read.stdout, read.stderr) == ("[\n", "")


def test_a_full_disk_leaves_the_old_warehouse(pulled, run):
    """With a limit on file sizes, there is one sentence, exit code 1, and no partial file."""
    folder = pulled / "data" / "mine"
    before = (folder / "warehouse.duckdb").read_bytes()
    for most in (50_000, 600_000, len(before) - 1):
        done = subprocess.run(
            [PROGRAM, "pull", "--full"],
            capture_output=True,
            text=True,
            timeout=120,
            preexec_fn=lambda most=most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert (folder / "warehouse.duckdb").read_bytes() == before
        assert list(folder.glob("*.next*")) == []


def test_too_few_file_handles_are_one_sentence(pulled, run):
    """However few are left, the warehouse is intact and the exit code is 1."""
    assert run("pull", "--full").code == 0  # all modules are loaded by now
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir("/proc/self/fd")))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] < used:  # no number below is free
        held.append(os.open(os.devnull, os.O_RDONLY))
    codes = []
    for spare in range(1, 9):
        resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + spare, hard))
        try:
            ended = run("pull", "--full")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        codes.append(ended.code)
        assert ended.code == 0 or ended.err.startswith("error: "), ended.err
        assert "Traceback" not in ended.err
        assert run("sql", "SELECT count(*) FROM order_lines").out == "count_star()\n180\n"
    for handle in held:
        os.close(handle)
    assert codes[0] == 1, codes
    assert set(codes) <= {0, 1}, codes


def test_a_read_only_folder_is_one_sentence(pulled, run, monkeypatch):
    """The system's error is simulated, because root can write to any folder."""

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(files, "_aside", refuse)
    ended = run("run", "inventory", "--no-pull", "--no-push", "--json")
    assert ended.code == 1
    told = ended.err + ended.out
    assert "Read-only file system" in told
    assert "Traceback" not in told
