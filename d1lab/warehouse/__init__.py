"""The DuckDB file of one database, and the views for analysts and metrics.

database_file builds a new file, swaps it in, and opens it; views creates one view per `.sql` file;
shop_days computes local days;
own_writes records d1lab's own writes to D1 until the warehouse has them.
"""

from d1lab.warehouse.app_views import APPS, AppColumn, own_name, show_app_tables
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
from d1lab.warehouse.views import (
    APPS_FIRST,
    OWN,
    OWN_FIRST,
    VIEWS,
    create_views,
    looking_in,
    shape,
)

__all__ = [
    "APPS",
    "APPS_FIRST",
    "DAY",
    "FILE_NAME",
    "FORMAT",
    "MEMORY",
    "OWN",
    "OWN_FIRST",
    "TO_COME",
    "VIEWS",
    "AppColumn",
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
    "looking_in",
    "next_warehouse",
    "noted",
    "open_warehouse",
    "own_name",
    "own_writes",
    "prepare_days",
    "record_pull",
    "record_table",
    "records",
    "scratch",
    "set_aside",
    "shape",
    "show_app_tables",
    "utc_now",
    "zones_of",
]
