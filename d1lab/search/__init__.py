"""Search: discounts, codes, products, customers, and tests by name."""

from d1lab.search.index import (
    FILE_NAME,
    KINDS,
    MAX_WORDS,
    MEMORY,
    Hit,
    SearchIndex,
    build_index,
    open_index,
)

__all__ = [
    "FILE_NAME",
    "KINDS",
    "MAX_WORDS",
    "MEMORY",
    "Hit",
    "SearchIndex",
    "build_index",
    "open_index",
]
