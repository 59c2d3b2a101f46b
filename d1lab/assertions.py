"""Assertions of metrics: what must be true of every row of the result.

A metric declares them in its header, and `d1lab check` runs them:

    -- assert: revenue >= 0                        a condition, in SQL; NULL passes
    -- assert: share BETWEEN 0 AND 1
    -- assert: day <= $until::DATE                 with a parameter of the metric
    -- assert: abs(sum(share) OVER () - 1) < 0.01  over all rows
    -- assert: unique shop, sku                    no two rows have the same values
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from d1lab.counting import counted
from d1lab.errors import InputError
from d1lab.select_statements import check_select, message_of
from d1lab.warehouse import scratch

if TYPE_CHECKING:
    import pandas as pd

_UNIQUE = re.compile(r"unique\s+(\w+(?:\s*,\s*\w+)*)", re.IGNORECASE)


class Assertion(NamedTuple):
    """One assertion."""

    text: str  # as in the header
    condition: str  # in SQL; NULL counts as true
    parameters: frozenset[str]  # of the metric, which the condition uses


def parse_assertion(text: str) -> Assertion:
    """Parse the text behind `assert:`.

    Raises:
        InputError: It is neither `unique` with columns nor a condition.

    >>> parse_assertion("unique shop, sku").condition
    'count(*) OVER (PARTITION BY shop, sku) = 1'
    """
    key = _UNIQUE.fullmatch(text)
    condition = f"count(*) OVER (PARTITION BY {key[1]}) = 1" if key else text
    if not text:
        raise InputError(
            "an assertion of the header is empty. Write a condition, or unique COLUMN."
        )
    try:
        names = check_select(_rows_where(condition))
    except InputError as error:
        raise InputError(f"the assertion {text!r} is not a condition: {error}") from None
    return Assertion(text, condition, frozenset(names))


def broken_by(
    frame: pd.DataFrame,
    assertions: Sequence[Assertion],
    params: Mapping[str, object],
    grain: Sequence[str] = (),
) -> list[str]:
    """Return how the rows of a metric break its assertions, each as a sentence.

    Args:
        frame: The rows.
        assertions: The assertions.
        params: The parameters of the metric that made the rows.
        grain: The columns that name a row.
    """
    if not assertions:
        return []
    with scratch() as con:
        con.register("frame", frame)
        con.execute("CREATE TABLE metric_rows AS FROM frame")
        found = [_broken(con, assertion, params, grain) for assertion in assertions]
    return [sentence for sentence in found if sentence]


def _broken(
    con: duckdb.DuckDBPyConnection,
    assertion: Assertion,
    params: Mapping[str, object],
    grain: Sequence[str],
) -> str:
    """Return how the table breaks an assertion; '' if it does not."""
    used = {name: params[name] for name in assertion.parameters}
    try:
        rows = con.execute(_rows_where(assertion.condition), used).fetchmany(1)
    except duckdb.Error as error:
        why = " ".join(message_of(error).split())
        return f"the assertion {assertion.text!r} cannot be evaluated: {why}"
    if not rows:
        return ""
    first = dict(zip([name for name, *_ in con.description or ()], rows[0], strict=True))
    count = f"{first['rows_that_break']:,} of {counted(first['rows_in_all'], 'row')}"
    return f"the assertion {assertion.text!r} is false for {count}{_where(first, assertion, grain)}"


def _rows_where(condition: str) -> str:
    """Return a SELECT of the rows for which a condition is false, each with their number."""
    return (
        "SELECT * EXCLUDE (is_kept), count(*) OVER () AS rows_that_break FROM "  # noqa: S608
        f"(SELECT *, ({condition}\n) AS is_kept, count(*) OVER () AS rows_in_all FROM metric_rows) "
        "WHERE NOT is_kept"
    )


def _where(row: Mapping[str, Any], assertion: Assertion, grain: Sequence[str]) -> str:
    """Return the first such row: what names it, and the columns that the condition uses."""
    words = {*re.findall(r"\w+", assertion.text), *grain}
    shown = {name: str(value).removesuffix(" 00:00:00") for name, value in row.items()}
    values = [f"{name}={value}" for name, value in shown.items() if name in words]
    return f", first for {', '.join(values)}" if values else ""
