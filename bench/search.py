"""How long a search takes over a million things to find, and how long their index takes.

    python -m bench.search [ENTRIES]     prints a table; nothing is kept

The warehouse is generated: nine in ten entries are customers under hashed names, the others are
articles with titles of four words, discounts and codes. Each query runs on its own, with the
index file opened anew, as `d1lab search` does after the interpreter has started.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import duckdb

from d1lab import catalog
from d1lab.search import FILE_NAME, build_index, open_index
from d1lab.warehouse import create_views, next_warehouse, open_warehouse

ENTRIES = 1_000_000
REPEATS = 15

QUERIES = {
    "two words": "winter sock",
    "an article's number": "SKU-004711",
    "a code": "SPRING42",
    "part of a word": "eathe",
    "one typing error": "wintre sock",
    "two typing errors": "autmn raincot",
    "a customer": "{customer}",
    "a customer, one error": "{customer_with_error}",
    "nothing like it": "qqqqzzzz",
    "one letter": "s",
}

_EVENTS = """
INSERT INTO raw.order_events BY NAME
SELECT
    i AS seq, 'harbor' AS shop, 'e' || i AS event_id, 'order' AS type, 'o' || i AS order_id,
    left(sha256(i::VARCHAR), 32) AS customer_id,
    'SKU-' || lpad((i % $skus)::VARCHAR, 6, '0') AS sku,
    concat_ws(' ',
        ['winter', 'summer', 'spring', 'autumn'][1 + s % 4],
        ['wool', 'cotton', 'linen', 'silk', 'denim', 'fleece', 'leather'][1 + s % 7],
        ['sock', 'cap', 'scarf', 'glove', 'coat', 'raincoat', 'shirt', 'shoe', 'belt'][1 + s % 9],
        'no ' || s
    ) AS product_title,
    CASE WHEN i % 4 = 0 THEN 'discount-' || i % $codes END AS discount_id,
    CASE WHEN i % 4 = 0 THEN 'SPRING' || i % $codes END AS discount_code,
    1 AS quantity, 10 AS list_price, 0 AS discount_amount, 10 AS revenue,
    TIMESTAMP '2026-01-01' + to_seconds(i) AS occurred_at
FROM (SELECT i, (hash(i % $skus) % 1000000)::BIGINT AS s FROM range($customers) AS t (i))
"""


@contextmanager
def generated(entries: int) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A warehouse with about so many things to find, and its folder."""
    sizes = {"customers": entries * 9 // 10, "skus": entries * 9 // 100, "codes": entries // 50}
    with TemporaryDirectory(prefix="d1lab-search-") as name:
        folder = Path(name)
        with next_warehouse(folder) as con:
            for table in catalog.TABLES.values():
                columns = ", ".join(
                    f"{c.name} {catalog.DUCKDB_TYPES[c.type]}" for c in table.columns
                )
                con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
            create_views(con)
            con.execute(_EVENTS, sizes)
        with open_warehouse(folder) as con:
            yield con, folder


def times(
    con: duckdb.DuckDBPyConnection, folder: Path, query: str
) -> tuple[float, float, float, str]:
    """Median, 95th percentile and processor time in milliseconds; and what came first."""
    taken = []
    started = process_time()
    for _ in range(REPEATS):
        start = perf_counter()
        index = open_index(con, folder)
        hits = index.search(query)
        index.close()
        taken.append((perf_counter() - start) * 1000)
    busy = (process_time() - started) * 1000 / REPEATS
    cuts = quantiles(taken, n=20)
    first = f"{hits[0].match}: {hits[0].key} {hits[0].title or ''}" if hits else "nothing"
    return cuts[9], cuts[18], busy, first


def main(entries: int = ENTRIES) -> None:
    """Measure and print."""
    with generated(entries) as (con, folder):
        start = perf_counter()
        build_index(con, folder)
        seconds = perf_counter() - start
        size = (folder / FILE_NAME).stat().st_size / 1e6
        print(f"index of about {entries:,} entries: {seconds:.1f} s, {size:.0f} MB")
        row = con.sql("SELECT max(customer_id) FROM order_lines").fetchall()[0][0]
        names = {"customer": row, "customer_with_error": row[:3] + "x" + row[4:]}
        print(f"{'query':24} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>8}  first")
        for label, query in QUERIES.items():
            middle, high, busy, first = times(con, folder, query.format(**names))
            print(f"{label:24} {middle:8.1f} {high:8.1f} {busy:8.1f}  {first}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else ENTRIES)
