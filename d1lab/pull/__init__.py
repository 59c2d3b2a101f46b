"""Pull: D1 into the warehouse, exactly, with as few billed rows as possible.

    session   one pull, from the look at the old warehouse to the new one in its place
    plan      what to read of each table: all of it, its tail, or what comes after
    remote    packed pages over HTTP, several ranges at once     (d1lab.d1.keyset)
    file      a SQLite file through ADBC
    batch     a page as typed columns; what does not fit goes to quarantine
    spool     pages kept until they are in the warehouse, so that a pull that died goes on
    changes   rows that D1's change log names
    load      batches into the next warehouse file               (d1lab.warehouse)

docs/guide/pull.md says what is noticed when, and what it costs.
"""

from __future__ import annotations

from d1lab.pull.session import PullResult, TablePull, pull

__all__ = ["PullResult", "TablePull", "pull"]
