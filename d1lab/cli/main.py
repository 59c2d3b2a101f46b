"""The application: its commands in order, and the mapping of errors to exit codes."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Annotated, Any

import typer

from d1lab.cli import (
    ab,
    aggregate,
    archive,
    check,
    data,
    fleet,
    ingest,
    monitor,
    prune,
    push,
    reports,
    setup,
    share,
    ui,
    voucher,
    worker,
)
from d1lab.cli.error_output import fail
from d1lab.cli.logs import LogFormat, set_up
from d1lab.cli.memory import require_memory
from d1lab.cli.output import echo_err
from d1lab.errors import InputError
from d1lab.version import __version__

_INTERRUPTED = 130
_DUCKDB_INTERRUPTED = "Query interrupted"  # the error of some calls on Ctrl-C

_ABOUT: dict[str, Any] = {
    "name": "d1lab",
    "help": "Analytics for Cloudflare D1: pull tables, run reports, write results back.",
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(**_ABOUT)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"d1lab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help=("Show the version and exit.")
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Log each pull and run with its cost."),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(help="Log as text, or as JSON with all events, one per line.")
    ] = "text",
) -> None:
    """Analytics workbench for Cloudflare D1."""
    set_up(verbose=verbose, log_format=log_format)


_MODULES = (
    setup,
    data,
    reports,
    check,
    prune,
    push,
    monitor,
    aggregate,
    archive,
    ab,
    share,
    ui,
)
for _module in _MODULES:
    app.add_typer(_module.app)

app.add_typer(
    ingest.app, name="ingest", epilog="Example: d1lab ingest orders orders.csv --shop harbor"
)

app.add_typer(fleet.app, name="fleet", epilog="Example: d1lab fleet run --workers 4")
app.add_typer(
    voucher.app, name="voucher", epilog="Example: d1lab voucher plan --shop harbor --lift 50%"
)
app.add_typer(worker.drain_app)
app.add_typer(worker.app, name="worker", epilog="Example: d1lab worker init events")


def main() -> None:
    """Run the command line. Errors are one line and an exit code, never a traceback."""
    _open_missing()
    code = _run(as_json="--json" in sys.argv)
    sys.exit(_flushed(code))


def _run(*, as_json: bool) -> str | int | None:
    """Run the command that the arguments name; the exit code."""
    try:
        _require_utf8(sys.argv)
        require_memory(sys.argv)
        with _heeding_ctrl_c():
            code = _needed(sys.argv)(standalone_mode=not as_json)  # then errors of syntax come here
        return code if isinstance(code, int) else 0
    except (SystemExit, KeyboardInterrupt) as ended:
        return _ended(ended)
    except BrokenPipeError:
        return 0  # the reader, such as `head`, has enough
    except Exception as error:  # noqa: BLE001  no traceback reaches a user
        if isinstance(error, RuntimeError) and str(error) == _DUCKDB_INTERRUPTED:
            return _ended(KeyboardInterrupt())
        return fail(error, as_json=as_json)


def _needed(arguments: Sequence[str]) -> typer.Typer:
    """Return an application with the named command only: Typer prepares each one that it has."""
    name = arguments[1] if len(arguments) > 1 else ""
    known = [command for module in _MODULES for command in module.app.registered_commands]
    for command in known:
        if command.callback and (command.name or command.callback.__name__) == name:
            only = typer.Typer(**_ABOUT)
            only.callback()(_root)
            only.registered_commands.append(command)
            return only
    return app


def _require_utf8(arguments: Sequence[str]) -> None:
    """Reject bytes that are not UTF-8; no database or file accepts them.

    Raises:
        InputError: Names the argument.
    """
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            shown = argument.encode(errors="backslashreplace").decode()
            raise InputError(f"argument {shown!r} is not valid UTF-8")


def _open_missing() -> None:
    """Give output that was closed (`>&-`) somewhere to go."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _flushed(code: str | int | None) -> str | int | None:
    """Write what is still buffered; the exit code, which is 1 where that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # the reader has enough
    except OSError as error:
        _discard_output()
        echo_err(f"error: standard output: {error.strerror or error}")
        return code or 1
    return code


def _discard_output() -> None:
    """Let the interpreter flush into nothing at its end: it would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _heeding_ctrl_c() -> Generator[None]:
    """Let Ctrl-C cancel DuckDB queries; Python's own handler would wait until they return."""
    reading, writing = socket.socketpair()  # on Windows, signals wake only sockets
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    listener = Thread(target=_pass_on, args=(reading,), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writing.close()
        listener.join()


def _pass_on(signals: socket.socket) -> None:
    """Interrupt DuckDB on each SIGINT until the peer is closed."""
    with signals:
        while number := signals.recv(1):
            warehouse = sys.modules.get("d1lab.warehouse")  # only if loaded
            if number[0] == signal.SIGINT and warehouse:
                warehouse.interrupt()


def _ended(ended: SystemExit | KeyboardInterrupt) -> str | int | None:
    """Return the exit code; Typer has already converted Ctrl-C and a closed pipe to its codes."""
    if isinstance(ended.__context__, BrokenPipeError):
        return 0  # the reader, such as `head`, closed the pipe
    if isinstance(ended, SystemExit) and ended.code != _INTERRUPTED:
        return ended.code
    echo_err("interrupted. Completed work is kept. Run the same command to continue.")
    return _INTERRUPTED
