"""Pull: copy D1 into the warehouse exactly, with as few billed rows as possible.

    session        one pull: nothing to do, or an update
    configured     a pull of a database of d1lab.toml
    update         one update of the warehouse: what to read, the new file, the swap
    recency        whether the warehouse is recent enough, so that nothing has to be read
    plan           which rows to read of each table: all, the tail, or only new ones
    bounds         the lowest and highest rowid of each table when the pull begins
    fields         the columns of a table as the warehouse stores them
    http_source    packed batches over HTTP, several ranges in parallel     (d1lab.d1.keyset)
    sqlite_source  a SQLite file, read through ADBC
    convert        D1 values as typed columns
    batch          a batch of rows with typed columns; other values go to quarantine
    spool          batches kept on disk, so that an interrupted pull can resume
    load           batches into the next warehouse file                 (d1lab.warehouse)
    result         what a pull returns

docs/guide/pull.md describes which changes a pull detects, and what it costs.
"""

from __future__ import annotations

from d1lab.pull.configured import pull_database
from d1lab.pull.result import PullResult, TablePull
from d1lab.pull.session import pull

__all__ = ["PullResult", "TablePull", "pull", "pull_database"]
