"""Search: time of a search over a million entries, and of building their index.

    python -m bench search

The warehouse is generated: nine in ten entries are customers with hashed names, the others are
products with titles of five words, discounts, and codes. Forty queries of each kind are drawn. Each
one reopens the index file, as `d1lab search` does after the start of the interpreter. `found` is
the share of queries whose first result is a correct one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import duckdb

from bench.comparison import Comparison, Target
from d1lab import catalog
from d1lab.search import FILE_NAME, Hit, build_index, open_index
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse

ENTRIES = 1_000_000
QUERIES = 40
LIMIT_MS = 100
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Query(NamedTuple):
    """A query, and the words required in the first result; None if nothing must be found."""

    text: str
    meant: tuple[str, ...] | None


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
    """Generate a warehouse with about `entries` searchable entries; yield it and its folder."""
    sizes = {"customers": entries * 9 // 10, "skus": entries * 9 // 100, "codes": entries // 50}
    with TemporaryDirectory(prefix="d1lab-search-") as name:
        folder = Path(name)
        with next_warehouse(folder) as con:
            for table in catalog.TABLES.values():
                columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
                con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
            create_views(con)
            con.execute(_EVENTS, sizes)
        with open_warehouse(folder) as con:
            yield con, folder


def queries(con: duckdb.DuckDBPyConnection) -> dict[str, list[Query]]:
    """Draw forty queries of each kind, for existing entries except in the last kind."""
    random = Random(5)
    titles = con.sql(
        "SELECT DISTINCT sku, lower(product_title) FROM order_lines ORDER BY hash(sku) LIMIT 4000"
    ).fetchall()
    people = con.sql("SELECT customer_id FROM order_lines ORDER BY hash(customer_id) LIMIT 4000")
    names = [name for (name,) in people.fetchall()]

    def words() -> list[str]:
        return random.sample(random.choice(titles)[1].split()[:3], 2)

    def with_errors(count: int) -> Query:
        asked, at = words(), random.sample(range(2), count)
        typed = [misspelt(random, word) if n in at else word for n, word in enumerate(asked)]
        return Query(" ".join(typed), tuple(asked))

    def number() -> Query:
        sku = random.choice(titles)[0].lower()
        return Query(sku, (sku,))

    def beginning() -> Query:
        asked = [word[: random.randint(3, len(word))] for word in words()]
        return Query(" ".join(asked), tuple(asked))

    def part() -> Query:
        word = random.choice([word for word in words() if len(word) >= 5] or ["leather"])
        inside = word[random.randint(1, 2) :]
        return Query(inside, (inside,))

    def customer(errors: int) -> Query:
        name = random.choice(names)
        return Query(misspelt(random, name) if errors else name, (name,))

    kinds: dict[str, Callable[[], Query]] = {
        "two words": lambda: Query(" ".join(asked := words()), tuple(asked)),
        "prefixes of two words": beginning,
        "a product's number": number,
        "part of a word": part,
        "two words, one with a typo": lambda: with_errors(1),
        "two words, each with a typo": lambda: with_errors(2),
        "a customer": lambda: customer(0),
        "a customer, one typo": lambda: customer(1),
        "one letter": lambda: Query(letter := random.choice("acdflsw"), (letter,)),
        "no match": lambda: Query("".join(random.choices("qxz", k=9)), None),
    }
    return {kind: [draw() for _ in range(QUERIES)] for kind, draw in kinds.items()}


def misspelt(random: Random, word: str) -> str:
    """Return a word with one letter deleted, added, replaced, or swapped; not the first."""
    if len(word) < 4:  # typos in shorter words are not corrected
        return word
    place = random.randint(1, len(word) - 2)
    before, after, letter = word[:place], word[place + 1 :], random.choice(LETTERS)
    return random.choice(
        [
            before + after,
            before + letter + word[place:],
            before + letter + after,
            before + after[0] + word[place] + after[1:],
        ]
    )


def answered(con: duckdb.DuckDBPyConnection, folder: Path, query: Query) -> tuple[float, bool]:
    """Return milliseconds, and whether the first result is correct."""
    start = perf_counter()
    index = open_index(con, folder)
    hits = index.search(query.text)
    index.close()
    return (perf_counter() - start) * 1000, is_meant(query, hits)


def is_meant(query: Query, hits: list[Hit]) -> bool:
    """Return whether the first result has the required words, or nothing was found if None."""
    if query.meant is None or not hits:
        return query.meant is None and not hits
    said = f"{hits[0].key} {hits[0].title or ''}".lower()
    return all(word in said for word in query.meant)


def run() -> list[Comparison]:
    """Measure every kind of query."""
    rows, every = [], []
    with generated(ENTRIES) as (con, folder):
        start = perf_counter()
        build_index(con, folder)
        seconds = perf_counter() - start
        size = (folder / FILE_NAME).stat().st_size / 1e6
        for kind, asked in queries(con).items():
            taken, meant = zip(*(answered(con, folder, query) for query in asked), strict=True)
            cuts = quantiles(taken, n=20)
            rows.append((kind, cuts[9], cuts[18], max(taken), f"{sum(meant) / len(meant):.0%}"))
            every += taken
    how = (
        f"About {ENTRIES:,} customers, products, discounts, and codes; {QUERIES} queries of each "
        "kind, each with a newly opened index file. found: share with a correct first result. "
        f"Building the index took {seconds:.1f} s and {size:.0f} MB, once per change of the data."
    )
    columns = ("query", "median ms", "p95 ms", "worst ms", "found")
    targets = [
        Target("median of the slowest kind, ms", max(row[1] for row in rows), LIMIT_MS),
        Target("95th percentile of all queries, ms", quantiles(every, n=20)[18], LIMIT_MS),
    ]
    return [Comparison("A million searchable entries", how, columns, rows, targets)]
