"""The command line: each command parses its options, calls one function, and prints the result.

    setup.py    init, demo, migrate, doctor, track
    aggregate.py aggregate, with its take-over
    data.py     pull, tables, sql, metrics, search
    ingest.py   the group `ingest`: ingest_orders.py, ingest_products.py, ingest_prices.py,
                and what they share in ingest_summary.py
    reports.py  run, prune, lab
    push.py     push, rollback
    ab.py       ab, the calculator
    share.py    serve, publish, send, schedule
    ending.py   errors as one sentence and an exit code
    output.py   JSON, pipes and progress; terminal.py: tables for people

Exit codes: 0 done, 1 failed, 2 invalid input; `run` adds 3 stale or missing data, 4 timeout,
75 locked by another process.
"""

from __future__ import annotations

import d1lab.secrets

d1lab.secrets.hide_secrets()  # restarts the program, so before any large import

from d1lab.cli.main import app, main  # noqa: E402

__all__ = ["app", "main"]
