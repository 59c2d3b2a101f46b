"""Pull: D1 into the warehouse, exactly, with as few billed rows as possible.

    session        one pull, from the old warehouse to the new one in its place
    plan           what to read of each table: all of it, its tail, or what comes after
    fields         the columns of a table as the warehouse stores them
    http_source    packed batches over HTTP, several ranges at once     (d1lab.d1.keyset)
    sqlite_source  a SQLite file through ADBC
    convert        values of D1 as typed columns
    batch          a batch of rows with typed columns; what does not fit goes to quarantine
    spool          batches kept until they are in the warehouse, so that an interrupted pull resumes
    load           batches into the next warehouse file                 (d1lab.warehouse)

docs/guide/pull.md says what is noticed when, and what it costs.
"""

from __future__ import annotations

from d1lab.pull.session import PullResult, TablePull, pull

__all__ = ["PullResult", "TablePull", "pull"]
