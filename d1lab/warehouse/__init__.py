"""The DuckDB file of one database, and the views that analysts and metrics read.

database_file builds it aside, swaps it in and opens it; views makes one view per `.sql` file.
"""

from d1lab.warehouse.database_file import (
    FILE_NAME,
    FORMAT,
    MEMORY,
    PullRecord,
    Records,
    TableRecord,
    attach,
    digest,
    drop_table,
    format_of,
    interrupt,
    next_warehouse,
    open_warehouse,
    record_pull,
    records,
    scratch,
    utc_now,
)
from d1lab.warehouse.views import VIEWS, create_views, shape

__all__ = [
    "FILE_NAME",
    "FORMAT",
    "MEMORY",
    "VIEWS",
    "PullRecord",
    "Records",
    "TableRecord",
    "attach",
    "create_views",
    "digest",
    "drop_table",
    "format_of",
    "interrupt",
    "next_warehouse",
    "open_warehouse",
    "record_pull",
    "records",
    "scratch",
    "shape",
    "utc_now",
]
