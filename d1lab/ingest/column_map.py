"""What the columns of an orders file mean: by its header where d1lab knows it, else by a map.

A map is a small TOML file, or `--map order_id=InvoiceNo` for each column. The ones that d1lab
brings lie in `maps/`; they have the same form, and `known_by`, the columns they are found by.

    timezone = "Europe/London"        # of times without an offset; the shop's without it
    time_format = "%m/%d/%Y %H:%M"    # where times are in a form that d1lab does not know
    dates = "day-first"               # 3/1/2026: January 3; or "month-first"
    decimal = ","                     # 1.234: one thousand; or "."
    country = "DE"                    # of phone numbers without a country
    discount_skus = ["D"]             # lines that are money given back, not an article
    whole_orders = false              # a file holds single lines: orders are added to

    [columns]
    order_id = "InvoiceNo"
    sku = ["StockCode", "Description"]  # the first that is not empty

    [filter]
    status = ["completed"]            # lines of any other status are left out

    [values]
    quantity = "1"                    # where no column says it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from d1lab.errors import InputError, UnknownName
from d1lab.ingest.map_files import Columns, find_map, read_map, shipped_maps
from d1lab.ingest.packed_cells import NAMES
from d1lab.ingest.table_file import same_name, twice

PLAIN = (
    "event_id",
    "order_id",
    "order_name",
    "customer_id",
    "email",
    "phone",
    "country",
    "sku",
    "product_title",
    "quantity",
    "list_price",
    "line_price",
    "discount_amount",
    "discount_id",
    "discount_code",
    "discount_type",
    "revenue",
    "refunded_amount",
    "currency",
    "occurred_at",
    "time_of_day",
    "updated_at",
    "status",
    "line_type",
    "payment_method",
    "is_gift_card",
)
"""The fields that a column map may name."""

_SHOPIFY = tuple(shipped_maps()["shopify"]["columns"])

FIELDS = {"plain": PLAIN, "shopify": _SHOPIFY}
_NEEDED = {
    "plain": ("order_id", "sku", "quantity", "occurred_at"),
    "shopify": ("order_name", "created_at", "quantity", "product_title", "price"),
}
_PRICES = ("list_price", "line_price", "revenue")
_STATUS = ("order status", "status", "financial status", "payment status")
_ORDERS = ("day-first", "month-first")


class ColumnMap(NamedTuple):
    """Fields and the columns that hold them."""

    layout: str  # 'shopify' or 'plain': <layout>_orders.sql reads it
    fields: tuple[str, ...]  # all that the layout knows
    columns: Columns  # the file's columns by field, the first that is not empty counts
    title: str | None = None  # of a map that d1lab brings
    timezone: str | None = None  # of times without an offset; None for the shop's
    time_format: str | None = None
    dates: str | None = None  # 'day-first' or 'month-first'; None where the file settles it
    decimal: str | None = None  # '.' or ','; None where the file settles it
    country: str | None = None  # of phone numbers without one
    discount_skus: tuple[str, ...] = ()
    whole_orders: bool = True
    unpack: str | None = None  # the column that holds all products of an order
    filter: Mapping[str, tuple[str, ...]] = {}
    values: Mapping[str, str] = {}

    @property
    def has_codes(self) -> bool:
        """Whether the file has discount codes."""
        return bool({"discount_codes", "discount_code"} & self.columns.keys())


def column_map(
    header: Sequence[str],
    path: Path | None = None,
    pairs: Iterable[str] = (),
    settled: Mapping[str, str | None] | None = None,
) -> ColumnMap:
    """How to read a file with this header.

    Args:
        header: The file's columns.
        path: A map in TOML, if any.
        pairs: "field=column" each, or the name of a map that d1lab brings; they win over the map.
        settled: Options that win over those of the map, such as dates; None for what is not told.

    Raises:
        UnknownName: A field, option or column does not exist.
        InputError: There is no map for this header; a needed field or a clear column is missing.
    """
    names, own = _split(pairs)
    given = {name: value for name, value in (settled or {}).items() if value is not None}
    if path:
        found, base = {}, read_map(path)
    else:
        base = shipped_maps()[names[-1]] if names else find_map(header)
        if base and own and base.get("layout") == "shopify":
            base = {}  # a map of the user's own reads Shopify's lines as they stand
        found, base = dict(base.pop("columns", {})) if base else {}, base or {}
    wanted = {**base.pop("columns", {}), **own}
    if not (found or wanted or base):
        raise InputError(_unknown_header(header))
    layout = str(base.pop("layout", "plain"))
    if base.get("unpack"):
        header = [*header, *(name for name in NAMES if name not in header)]
    base.pop("known_by", None)
    columns = {**_present(header, found), **_required(header, wanted, layout)}
    columns = _with_status(header, columns) if layout == "plain" else columns
    made = ColumnMap(layout, FIELDS[layout], columns, **_options({**base, **given}))
    _require_fields(header, made)
    return made


def _split(pairs: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Names of maps, and columns by field."""
    names: list[str] = []
    own: dict[str, str] = {}
    for text in pairs:
        field, sign, column = text.partition("=")
        if sign:
            own[field.strip()] = column.strip()
        elif text.strip().lower() in shipped_maps():
            names.append(text.strip().lower())
        else:
            raise InputError(
                f"--map {text} is invalid. Use field=column, such as order_id=InvoiceNo, or one "
                f"of {', '.join(shipped_maps())}."
            )
    return names, own


def _unknown_header(header: Sequence[str]) -> str:
    known = {same_name(name) for name in header}
    needed = shipped_maps()["shopify"]["known_by"]
    missing = [name for name in needed if same_name(name) not in known]
    told = ""
    if len(missing) < len(needed) - 1:
        told = f" For a Shopify order export, columns are missing: {', '.join(missing)}."
    titles = ", ".join(one["title"] for one in shipped_maps().values())
    return (
        f"d1lab does not know this file's columns. It knows exports of {titles}.{told} For other "
        f"files, map the columns, for example --map order_id={header[0]}, or run: d1lab ingest map"
    )


def _present(header: Sequence[str], columns: Columns) -> dict[str, tuple[str, ...]]:
    """Of a map's columns those that the file has, as the file writes them."""
    named = {same_name(name): name for name in reversed(header)}
    there = {
        field: tuple(named[same_name(name)] for name in names if same_name(name) in named)
        for field, names in columns.items()
    }
    return {field: names for field, names in there.items() if names}


def _required(
    header: Sequence[str], columns: Mapping[str, Any], layout: str
) -> dict[str, tuple[str, ...]]:
    """The columns that the user names: each must be there."""
    made = {}
    for field, names in columns.items():
        names = (names,) if isinstance(names, str) else tuple(map(str, names))
        if field not in FIELDS[layout]:
            raise UnknownName("field", field, FIELDS[layout], "the column map")
        for name in names:
            if name not in header:
                raise UnknownName("column", name, header, "the file")
        made[field] = names
    return made


def _with_status(
    header: Sequence[str], columns: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Orders that are no sale are left out of a map that forgot to say where that stands."""
    for wanted in _STATUS:
        for name in header:
            if same_name(name) == wanted and "status" not in columns:
                return {**columns, "status": (name,)}
    return columns


def _require_fields(header: Sequence[str], made: ColumnMap) -> None:
    there = {*made.columns, *made.values}
    if made.unpack:
        there |= set(FIELDS["plain"])
    if missing := [field for field in _NEEDED[made.layout] if field not in there]:
        raise InputError(f"column map incomplete: add {', '.join(missing)}")
    if made.layout == "plain" and not there & set(_PRICES):
        raise InputError("column map incomplete: add list_price or revenue")
    if missing := [field for field in made.filter if field not in made.columns and not made.title]:
        raise InputError(f"[filter] {missing[0]}: name its column in [columns]")
    used = {name for names in made.columns.values() for name in names}
    if doubled := sorted(twice(header) & used):
        raise InputError(
            f"column {doubled[0]!r} occurs twice in the header. Rename or remove one of them."
        )


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    allowed = ("columns", *ColumnMap._fields[4:])
    for name in options:
        if name not in ("title", *allowed):
            raise UnknownName("option", name, allowed, "the column map")
    skus = options.get("discount_skus", [])
    if not isinstance(skus, list) or not all(isinstance(sku, str) for sku in skus):
        raise InputError('discount_skus: give a list of texts, such as ["D"]')
    _require_choices(options)
    kept = {name: _texts(value) for name, value in _table(options, "filter").items()}
    values = {name: str(value) for name, value in _table(options, "values").items()}
    for field in (*kept, *values):
        if field not in PLAIN:
            raise UnknownName("field", field, PLAIN, "the column map")
    return {**options, "discount_skus": tuple(skus), "filter": kept, "values": values}


def _require_choices(options: Mapping[str, Any]) -> None:
    zone = options.get("timezone")
    try:
        ZoneInfo(str(zone or "UTC"))
    except (KeyError, ValueError, OSError):
        raise InputError(f"timezone {zone!r}: give a name such as 'Europe/London'") from None
    if not isinstance(options.get("time_format"), str | None):
        raise InputError("time_format: give a text such as '%m/%d/%Y %H:%M'")
    if options.get("dates") not in (None, *_ORDERS):
        raise InputError(f"dates {options['dates']!r}: give 'day-first' or 'month-first'")
    if options.get("decimal") not in (None, ".", ","):
        raise InputError(f"decimal {options['decimal']!r}: give '.' or ','")
    if not isinstance(options.get("whole_orders", True), bool):
        raise InputError("whole_orders: give true or false")


def _table(options: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = options.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"[{name}] holds field = value lines")
    return found


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(str(one).strip().lower() for one in values)
