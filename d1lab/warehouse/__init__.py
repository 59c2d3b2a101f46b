"""The DuckDB file of one database, and the views that analysts and metrics read.

database_file builds it aside, swaps it in and opens it; views makes one view per `.sql` file;
shop_days computes the shop's days from D1's UTC;
own_writes keeps what d1lab itself wrote to D1 until the warehouse has it.
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
    record_table,
    records,
    scratch,
    utc_now,
)
from d1lab.warehouse.own_writes import OwnWrite, WrittenRows, followed, noted, own_writes
from d1lab.warehouse.shop_days import (
    DAY,
    TO_COME,
    Zones,
    has_days_since,
    kept_day,
    prepare_days,
    set_aside,
    zones_of,
)
from d1lab.warehouse.views import VIEWS, create_views, shape

__all__ = [
    "DAY",
    "FILE_NAME",
    "FORMAT",
    "MEMORY",
    "TO_COME",
    "VIEWS",
    "OwnWrite",
    "PullRecord",
    "Records",
    "TableRecord",
    "WrittenRows",
    "Zones",
    "attach",
    "create_views",
    "digest",
    "drop_table",
    "followed",
    "format_of",
    "has_days_since",
    "interrupt",
    "kept_day",
    "next_warehouse",
    "noted",
    "open_warehouse",
    "own_writes",
    "prepare_days",
    "record_pull",
    "record_table",
    "records",
    "scratch",
    "set_aside",
    "shape",
    "utc_now",
    "zones_of",
]
