"""The command line: each command parses its options, calls one function, and prints the result.

    setup         init, new, strip, demo, migrate, doctor, track, optimize
    aggregate     aggregate, with the take-over of a table
    data          pull, tables, sql, metrics, search
    ingest        the group `ingest`: ingest_orders, ingest_products, ingest_prices, and their
                  shared parts in ingest_summary
    reports       run, lab; the output of run: run_output
    check         check
    monitor       runs, status
    push          push, rollback
    ab            ab, the calculator
    share         serve, publish, export, send, schedule
    ui            ui
    fleet         the group `fleet`: many databases; their sources: fleet_sources; output:
                  fleet_output
    worker        the group `worker`, and drain
    completion    names for the shell
    error_output  errors as one sentence and an exit code
    output        JSON, pipes, and progress; terminal: tables on a terminal

Exit codes: 0 done, 1 failed, 2 invalid input; `run` adds 3 stale or missing data, 4 timeout,
75 locked by another process.
"""

from __future__ import annotations

import d1lab.secrets

d1lab.secrets.hide_secrets()  # restarts the program, so before any large import

from d1lab.cli.main import app, main  # noqa: E402

__all__ = ["app", "main"]
