"""D1's limits and prices, and checks of a statement against them before it is sent.

Sources, read 2026-11-23:
    limits   developers.cloudflare.com/d1/platform/limits
    prices   developers.cloudflare.com/d1/platform/pricing
    engine   measured on workerd 1.20261117 (`wrangler dev`)
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Literal, NamedTuple

from d1lab.d1.database import Usage, Value
from d1lab.d1.error_mapping import shorten
from d1lab.d1.sql_tokens import is_single, tokens, verb
from d1lab.errors import D1LimitError, D1QueryError, D1TooBigError, InputError

PARAMETERS = 100  # limits: bound parameters per query
SQL_BYTES = 100_000  # limits: length of a statement
VALUE_BYTES = 2_000_000  # limits: a string, a BLOB, or a row. The local engine allows more
COLUMNS = 100  # limits: per table; engine: also per result
FUNCTION_ARGUMENTS = 32  # limits. The local engine allows 127
PATTERN_BYTES = 50  # limits: LIKE and GLOB
COMPOUND_TERMS = 5  # engine: SELECTs joined by UNION, ...; rows of VALUES are not counted
QUERY_SECONDS = 30  # limits: the longest run time of a query
REQUESTS_PER_5_MINUTES = 1_200  # for Cloudflare's whole API, per user; then 429


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SQLITE_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: SQL_BYTES,
    sqlite3.SQLITE_LIMIT_COLUMN: COLUMNS,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: COMPOUND_TERMS,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: FUNCTION_ARGUMENTS,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: PATTERN_BYTES,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: PARAMETERS,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
"""The same limits as SQLite's own, for an embedded database."""

# measured on the engine, which returns `not authorized`
FORBIDDEN_VERBS = _words("ATTACH DETACH VACUUM BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE")
FORBIDDEN_FUNCTIONS = _words(
    "sqlite_version sqlite_source_id sqlite_compileoption_get sqlite_compileoption_used"
    " load_extension sqlite_log sqlite_offset fts3_tokenizer median percentile percentile_cont"
    " percentile_disc stddev regexp generate_series if"
)
_VARIADIC = _words(
    "char coalesce concat concat_ws format json_array json_extract json_insert json_object"
    " json_remove json_replace json_set max min printf"
)
READ_PRAGMAS = _words(
    "table_list table_info table_xinfo index_list index_info index_xinfo foreign_key_list"
    " foreign_key_check quick_check"
)
PRAGMAS = READ_PRAGMAS | {"optimize", "foreign_keys", "defer_foreign_keys"}
_READING_VERBS = frozenset(("SELECT", "VALUES", "EXPLAIN"))


class BillingPlan(NamedTuple):
    """The billing of a Cloudflare plan.

    On the free plan, the included rows are a hard limit per day (UTC). On the paid plan, they are
    included per month for the whole account, and further rows are charged.
    """

    period: Literal["day", "month"]
    rows_read: int
    rows_written: int
    dollars_per_million_read: float
    dollars_per_million_written: float
    database_bytes: int


# prices, limits: the row of each plan
PLANS = {
    "free": BillingPlan("day", 5_000_000, 100_000, 0.0, 0.0, 500_000_000),
    "paid": BillingPlan("month", 25_000_000_000, 50_000_000, 0.001, 1.0, 10_000_000_000),
}


TIME_TRAVEL_DAYS = {"free": 7, "paid": 30}  # limits: how far back a database can be restored


def cost(usage: Usage, plan: Literal["free", "paid"] = "paid") -> float:
    """Return the price of `usage` in US dollars beyond the included rows; 0 on the free plan.

    Included rows are free of charge: see `share_of_included`.

    >>> cost(Usage(rows_read=1_000_000, rows_written=1_000))
    0.002
    """
    prices = PLANS[plan]
    dollars = usage.rows_read * prices.dollars_per_million_read
    dollars += usage.rows_written * prices.dollars_per_million_written
    return dollars / 1_000_000


def share_of_included(usage: Usage, plan: Literal["free", "paid"] = "paid") -> float:
    """Return the larger share of the plan's included rows per day or month; 1 is all of them.

    >>> share_of_included(Usage(rows_read=50_000, rows_written=25_000), "free")
    0.25
    """
    included = PLANS[plan]
    return max(usage.rows_read / included.rows_read, usage.rows_written / included.rows_written)


def bill(usage: Usage, plan: Literal["free", "paid"] = "paid", *, places: int | None = None) -> str:
    """Return what `usage` means on a plan: a share of a daily limit, or dollars.

    All messages and pages take it from here, so that the free plan has no prices anywhere.

    >>> bill(Usage(rows_read=50_000, rows_written=25_000), "free")
    "25% of the free plan's rows written a day"
    >>> bill(Usage(rows_read=1_000_000, rows_written=1_000))
    '$0.002 beyond the included quota'
    """
    short = price(usage, plan, places=places)
    return f"{short} beyond the included quota" if PLANS[plan].period == "month" else short


def price(
    usage: Usage, plan: Literal["free", "paid"] = "paid", *, places: int | None = None
) -> str:
    """Return `bill` in the fewest words: '$0.002' on the paid plan."""
    if PLANS[plan].period == "month":
        return dollars(cost(usage, plan), places)
    read = share_of_included(usage._replace(rows_written=0), plan)
    share = share_of_included(usage, plan)
    what = "written" if share > read else "read"
    return f"{_percent(share)} of the {plan} plan's rows {what} a day"


def dollars(amount: float, places: int | None = None) -> str:
    """Format an amount billed by D1, which is often far less than a cent.

    Args:
        amount: In US dollars.
        places: Decimals; None for as many as it needs.

    >>> dollars(0.000376), dollars(0), dollars(12.5), dollars(0.0091234, 4)
    ('$0.000376', '$0', '$12.50', '$0.0091')
    """
    if places is not None:
        return f"${amount:.{places}f}"
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.6f}".rstrip("0").rstrip(".")


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.1 else f"{share:,.0%}"


def is_read(sql: str) -> bool:
    """Whether the statement only reads.

    >>> is_read("PRAGMA table_list"), is_read("DELETE FROM t RETURNING a")
    (True, False)
    """
    kind = verb(sql)
    return kind in _READING_VERBS or (kind == "PRAGMA" and pragma(sql) in READ_PRAGMAS)


def pragma(sql: str) -> str:
    """Return the name of the PRAGMA in `sql`, in lower case; '' for other statements."""
    words = [token.text.lower() for _, token in zip(range(4), tokens(sql), strict=False)]
    if not words or words[0] != "pragma":
        return ""
    return words[3] if words[2:3] == ["."] and len(words) > 3 else "".join(words[1:2])


def require_read(sql: str) -> None:
    """Reject a statement that writes.

    Raises:
        InputError: The statement writes.
    """
    if not is_read(sql):
        raise InputError(
            f"query() cannot run a statement that writes: {shorten(sql)!r}. Use execute()."
        )


def check(sql: str, params: Sequence[Value]) -> None:
    """Reject a statement that D1 would reject, before it is sent.

    Raises:
        D1LimitError: The statement exceeds a limit, or uses a feature that D1 does not allow.
        D1TooBigError: A value exceeds D1's size limit.
        D1QueryError: The text has no statement, or more than one.
        InputError: A value has no D1 type, or is not finite.
    """
    size = len(sql.encode("utf-8", "surrogatepass"))
    if size > SQL_BYTES:
        raise D1LimitError(
            f"statement too long: {size:,} bytes, D1 allows {SQL_BYTES:,}. Bind the "
            "values or split the statement."
        )
    if len(params) > PARAMETERS:
        raise D1LimitError(
            f"too many parameters: {len(params)}, D1 allows {PARAMETERS}. Pass one "
            "JSON array and read it with json_each(?1)."
        )
    _check_verb(sql)
    _check_arguments(sql)
    for position, value in enumerate(params, 1):
        _check_value(position, value)


def _check_arguments(sql: str) -> None:
    """Check the argument count of variadic functions, because the local engine does not."""
    if sql.count(",") < FUNCTION_ARGUMENTS:
        return
    calls: list[tuple[str, int]] = []
    previous = ""
    for token in tokens(sql):
        if token.text == "(":
            calls.append((previous, 1))
        elif token.text == ")" and calls:
            calls.pop()
        elif token.text == "," and calls:
            name, arguments = calls.pop()
            calls.append((name, arguments + 1))
            if name in _VARIADIC and arguments == FUNCTION_ARGUMENTS:
                raise D1LimitError(
                    f"too many arguments on function {name}: D1 allows {FUNCTION_ARGUMENTS}"
                )
        previous = token.text.lower()


def _check_verb(sql: str) -> None:
    kind = verb(sql)
    if not kind:
        raise D1QueryError("the statement is empty")
    if not is_single(sql):
        raise D1QueryError(f"more than one statement: {shorten(sql)} Use batch().")
    if kind in FORBIDDEN_VERBS:
        raise D1LimitError(f"D1 does not allow {kind}. Use batch() for a transaction.")
    if kind == "PRAGMA" and pragma(sql) not in PRAGMAS:
        raise D1LimitError(f"D1 does not allow PRAGMA {pragma(sql)}.")


def _check_value(position: int, value: Value) -> None:
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InputError(f"parameter {position} exceeds 64 bits: {value}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"parameter {position} is {value}. D1 accepts finite numbers only.")
    elif isinstance(value, (str, bytes)):
        _check_text(position, value)
    elif value is not None:
        raise InputError(
            f"parameter {position} is a {type(value).__name__}: "
            "D1 accepts None, int, float, str, and bytes"
        )


def _check_text(position: int, value: str | bytes) -> None:
    try:
        size = len(value.encode() if isinstance(value, str) else value)
    except UnicodeEncodeError:
        raise InputError(f"parameter {position} is not valid Unicode: a lone surrogate") from None
    if size > VALUE_BYTES:
        raise D1TooBigError(
            f"parameter {position} is too large: {size:,} bytes, D1 allows {VALUE_BYTES:,}"
        )
