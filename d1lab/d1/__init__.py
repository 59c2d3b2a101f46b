"""D1 access: every statement to a D1 database goes through this package.

`open_database(url)` returns the same `Database` interface for each kind:

    d1://ACCOUNT_ID/DATABASE_ID              Cloudflare's REST API
    gateway+https://HOST/DATABASE            d1lab's gateway Worker, which reads replicas
    wrangler+http://127.0.0.1:PORT/DATABASE  the local engine's API (`wrangler dev`)
    sqlite:PATH                              a SQLite file with D1's limits
    dump:PATH                                a SQL dump of `wrangler d1 export`, read-only
"""

from __future__ import annotations

from d1lab.d1.connect import open_database
from d1lab.d1.database import (
    ColumnInfo,
    Database,
    Meter,
    Result,
    Statement,
    TableInfo,
    Usage,
    Value,
    quote,
)

__all__ = [
    "ColumnInfo",
    "Database",
    "Meter",
    "Result",
    "Statement",
    "TableInfo",
    "Usage",
    "Value",
    "open_database",
    "quote",
]
