"""Normalize the cells of `source` before parsing: amounts, times, and identifiers.

Only cells that are not in plain format are processed, so a machine-written file takes almost no
time. Cells that cannot be parsed are not changed, so that the layout's rules reject the original.
"""
# ruff: noqa: S608  (identifiers are quoted, values are bound)

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import pyarrow as pa

from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.ingest import amounts, times
from d1lab.ingest.column_map import ColumnMap

NUMBERS = (
    *("quantity", "price", "compare_at_price", "line_discount", "list_price", "line_price"),
    *("discount_amount", "revenue", "refunded_amount", "subtotal", "shipping", "taxes", "duties"),
    "total",
)
TIMES = ("created_at", "cancelled_at", "updated_at", "occurred_at")
ORDER_IDS = ("order_number", "order_id", "order_name", "event_id", "customer_id")
IDS = (*ORDER_IDS, "sku")
UNNEEDED = ("customer_id",)  # an order is valid without it

_WITH_OFFSET = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    " ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)"
)
_EATEN = "[0-9]([.,][0-9]+)?[eE][+][0-9]{2,}"


def make_plain(
    con: duckdb.DuckDBPyConnection,
    columns: ColumnMap,
    *,
    zone: str,
    delimiter: str | None,
    currency: str | None = None,
) -> None:
    """Rewrite the cells of `source` that are not in plain format.

    Args:
        con: The connection with `source`.
        columns: The meaning of its columns, and the formats that are set.
        zone: The IANA time zone of times without an offset.
        delimiter: The file's delimiter; if it is not a comma, commas can be decimal separators.
        currency: The shop's, if it is set; a currency without cents has no decimals.

    Raises:
        InputError: An amount or a day is ambiguous; the message shows both readings, and the
            option that decides.
    """
    _join_times(con, columns)
    is_pointed = delimiter in (None, ",")
    numbers = [field for field in NUMBERS if field in columns.fields]
    texts = _texts(con, numbers)
    if texts and not (is_pointed and all(map(amounts.is_plain, texts))):
        sign = _sign(con, texts, columns, currency, is_pointed=is_pointed)
        _rewrite(con, numbers, amounts.plain_amounts(texts, sign))
    moments = [field for field in TIMES if field in columns.fields]
    if odd := _texts(con, moments, f"NOT regexp_full_match(text, '{_WITH_OFFSET}')"):
        _rewrite(con, moments, _moments(con, odd, columns, zone))
    _restore_ids(con, [field for field in IDS if field in columns.fields])


def _join_times(con: duckdb.DuckDBPyConnection, columns: ColumnMap) -> None:
    """Append a time of day from its own column to the day."""
    if "time_of_day" in columns.columns:
        con.execute("UPDATE source SET occurred_at = occurred_at || ' ' || given(time_of_day)")


def _texts(con: duckdb.DuckDBPyConnection, fields: Sequence[str], where: str = "true") -> list[str]:
    """Return the distinct texts of some columns."""
    every = " UNION ".join(f"SELECT given({quote(name)}) AS text FROM source" for name in fields)
    found = (
        con.sql(f"SELECT text FROM ({every}) WHERE text IS NOT NULL AND {where}")
        if fields
        else None
    )
    return [text for (text,) in found.fetchall()] if found else []


def _sign(
    con: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    columns: ColumnMap,
    currency: str | None,
    *,
    is_pointed: bool,
) -> str:
    """Return the decimal separator: the given one, one shown by an amount, or the currency's."""
    sign = columns.decimal or amounts.decimal_sign(texts)
    either = None if sign else amounts.unsettled(texts)
    if sign or either is None:
        return sign or "."
    is_comma = "," in either
    if _has_no_cents(con, columns, currency):
        return "." if is_comma else ","
    if is_pointed and not is_comma:
        return "."
    whole, parts = either.replace(",", "").replace(".", ""), either.replace(",", ".")
    raise InputError(
        f"ambiguous amount {either!r}: could be {whole} or {parts}, and no other amount in the "
        "file decides. Pass --decimal . or --decimal , to set the decimal separator."
    )


def _has_no_cents(con: duckdb.DuckDBPyConnection, columns: ColumnMap, currency: str | None) -> bool:
    """Whether the file's currency, or else the shop's, has no decimals."""
    if "currency" not in columns.columns:
        [(digits,)] = con.execute(
            "SELECT digits(upper($code))", {"code": currency or ""}
        ).fetchall()
        return bool(currency) and digits == 0
    found = con.sql(
        "SELECT count(*), bool_and(digits(upper(given(currency))) = 0) FROM source "
        "WHERE given(currency) IS NOT NULL"
    ).fetchall()[0]
    return bool(found[0] and found[1])


def _moments(
    _con: duckdb.DuckDBPyConnection, texts: Sequence[str], columns: ColumnMap, zone: str
) -> Mapping[str, str]:
    if columns.time_format:
        return _formatted(_con, texts, columns.time_format, zone)
    order = columns.dates or times.order_of_days(texts)
    either = None if order else times.unsettled(texts)
    if either:
        first, second = times.both_readings(either)
        raise InputError(
            f"ambiguous day {either!r}: could be {first} (--dates day-first) or {second} "
            "(--dates month-first), and no other day in the file decides. Pass one of them."
        )
    return times.utc_texts(texts, zone, order)


def _formatted(
    con: duckdb.DuckDBPyConnection, texts: Sequence[str], form: str, zone: str
) -> Mapping[str, str]:
    con.register("formatted", pa.table({"text": pa.array(texts, pa.string())}))
    con.execute("SET VARIABLE time_format = $form", {"form": form})
    rows = con.execute(
        "SELECT text, strftime(timezone('UTC', timezone($zone, "
        f"try_strptime(text, getvariable('time_format')))), '{times.SHAPE}') FROM formatted",
        {"zone": zone},
    ).fetchall()
    return {text: moment for text, moment in rows if moment}


def _rewrite(
    con: duckdb.DuckDBPyConnection, fields: Iterable[str], plain: Mapping[str, str]
) -> None:
    if not plain:
        return
    con.register("plain", pa.table({"text": list(plain), "meant": list(plain.values())}))
    for field in fields:
        column = quote(field)
        con.execute(
            f"UPDATE source SET {column} = plain.meant FROM plain "
            f"WHERE given({column}) = plain.text"
        )


def _restore_ids(con: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> None:
    """Repair identifiers stored as numbers: 5123.0 becomes 5123; 5.123E+12 is rejected."""
    for field in fields:
        column = quote(field)
        if field != "sku" or _is_float(con, column):
            con.execute(
                f"UPDATE source SET {column} = regexp_replace(given({column}), '[.]0+$', '') "
                f"WHERE regexp_full_match(given({column}), '[0-9]+[.]0+')"
            )
        is_eaten = f"regexp_full_match(given({column}), '{_EATEN}')"
        if field in UNNEEDED:
            con.execute(f"UPDATE source SET {column} = NULL WHERE {is_eaten}")
        what = f"'{field} ''' || given({column}) || ''': a spreadsheet cut its digits off. '"
        con.execute(
            f"UPDATE source SET problem = concat_ws('; ', problem, {what} "
            "|| 'Export the file again and load it before a spreadsheet opens it') "
            f"WHERE {is_eaten}"
        )


def _is_float(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether the whole column was written as floats: then '.0' is not part of a SKU."""
    ((found,),) = con.sql(
        f"SELECT bool_and(regexp_full_match(given({column}), '[0-9]+[.]0')) FROM source"
    ).fetchall()
    return bool(found)
