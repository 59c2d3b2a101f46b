"""Counts in words: "1 price", "2,000 prices"."""

from __future__ import annotations


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the singular for exactly one.

    Args:
        number: The count; shown without decimals, with a comma after each three digits.
        noun: The noun for one, such as "price" or "new unit cost".
        plural: The noun for several; default: `noun` with an "s".

    >>> counted(1, "price"), counted(0, "price"), counted(2_000, "query", "queries")
    ('1 price', '0 prices', '2,000 queries')
    """
    return f"{number:,.0f} {noun if number == 1 else plural or f'{noun}s'}"
