"""Orders of which a file has only a part, because its export was split and the rest is not there.

Only the ends of a file can be such parts. Shopify's export shows them: the first lines of a file
have no order fields, or the last order's lines are less than its Subtotal. Other exports do not,
but an order at an end that has lost stored lines is suspicious.
"""

from __future__ import annotations

import duckdb

from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.cut_orders import OWN_FIELDS

TOGETHER = "pass the export's files in one command"
BEGINS_ELSEWHERE = f"the order begins in another file of the export: {TOGETHER}"
GOES_ON_ELSEWHERE = f". If the order goes on in another file, {TOGETHER}"

_FIRST = """
UPDATE rejected SET reason = $reason WHERE line IN (
    SELECT line FROM source
    WHERE order_name = (SELECT order_name FROM source ORDER BY line LIMIT 1)
        AND (SELECT count(*) FROM source AS own WHERE own.order_name = source.order_name
             AND nullif(trim(concat({fields})), '') IS NOT NULL) = 0
)
"""
_LAST = """
UPDATE rejected SET reason = reason || $reason
WHERE reason LIKE 'the lines total %' AND try_cast(
        regexp_extract(reason, 'total ([0-9.]+)', 1) AS DOUBLE
    ) < try_cast(regexp_extract(reason, 'Subtotal, ([0-9.]+)', 1) AS DOUBLE)
    AND line IN (
    SELECT line FROM source
    WHERE order_name = (SELECT order_name FROM source ORDER BY line DESC LIMIT 1)
)
"""
_SHORTENED = """
WITH ends AS (
    (SELECT order_id FROM sent ORDER BY position LIMIT 1)
    UNION
    (SELECT order_id FROM sent ORDER BY position DESC LIMIT 1)
)
SELECT order_id, count(*) FROM stale JOIN ends USING (order_id)
WHERE order_id IN (SELECT order_id FROM checked GROUP BY order_id HAVING count(reason) = 0)
GROUP BY order_id ORDER BY order_id
"""


def explain_parts(con: duckdb.DuckDBPyConnection, columns: ColumnMap) -> None:
    """Say in `rejected` that the rest of an order at the start or end can be in another file.

    Args:
        con: The workspace with `source` and `rejected`.
        columns: The map of the file; only Shopify's layout shows parts.
    """
    fields = [f"own.{name}" for name in OWN_FIELDS if name in columns.fields]
    if columns.layout != "shopify" or not fields:
        return
    con.execute(_FIRST.format(fields=", ".join(fields)), {"reason": BEGINS_ELSEWHERE})
    con.execute(_LAST, {"reason": GOES_ON_ELSEWHERE})


def shortened_orders(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the orders at the ends of the file that lost stored lines, with their number."""
    return {str(order): int(lines) for order, lines in con.sql(_SHORTENED).fetchall()}
