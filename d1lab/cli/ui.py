"""The command ui: DuckDB's own user interface on the warehouse."""

from __future__ import annotations

import signal
from contextlib import closing, suppress
from typing import Annotated

import typer

from d1lab.cli.output import DatabaseOption, echo_err
from d1lab.config import load_settings
from d1lab.errors import D1labError

app = typer.Typer()

_MISSING = (
    "DuckDB's extension 'ui' is not installed. Install it once, on a machine with access to "
    "extensions.duckdb.org: python -c \"import duckdb; duckdb.execute('INSTALL ui')\""
)


@app.command(epilog="Example: d1lab ui --no-browser")
def ui(
    database: DatabaseOption = None,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open DuckDB's own interface on the warehouse, read-only, until Ctrl-C.

    Needs DuckDB's extension 'ui'; nothing is downloaded.
    """
    import duckdb

    from d1lab.warehouse import open_warehouse

    with closing(open_warehouse(load_settings().folder(database))) as con:
        con.execute("SET autoinstall_known_extensions = false")
        try:
            con.execute("LOAD ui")
        except duckdb.Error:
            raise D1labError(_MISSING) from None
        try:
            con.execute("CALL start_ui()" if browser else "CALL start_ui_server()")
        except duckdb.Error as error:
            reason = " ".join(str(error).split())
            raise D1labError(f"DuckDB's interface did not start: {reason}") from None
        echo_err("DuckDB's interface is at http://localhost:4213/ (press Ctrl-C to stop)")
        with suppress(KeyboardInterrupt):
            _wait()


def _wait() -> None:
    """Wait until the program is interrupted; Windows has no `pause`."""
    from threading import Event

    if hasattr(signal, "pause"):
        signal.pause()
    else:
        while not Event().wait(1):
            pass
