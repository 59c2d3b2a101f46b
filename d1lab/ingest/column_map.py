"""The meaning of an orders file's columns: from a built-in map if one matches, or a map file.

A map is a small TOML file, or `--map order_id=InvoiceNo` for each column. The built-in maps are
in `maps/`; they have the same format, plus `known_by`, the columns that identify the export.

    timezone = "Europe/London"        # of times without an offset; default: the shop's
    time_format = "%m/%d/%Y %H:%M"    # for times in an unsupported format
    dates = "day-first"               # 3/1/2026: January 3; or "month-first"
    decimal = ","                     # 1.234: one thousand; or "."
    country = "DE"                    # of phone numbers without a country
    discount_skus = ["D"]             # lines that are a refund of money, not a product
    whole_orders = false              # false: the file has single lines, which are added to orders

    [columns]
    order_id = "InvoiceNo"
    sku = ["StockCode", "Description"]  # the first that is not empty

    [filter]
    status = ["completed"]            # lines with any other status are excluded

    [values]
    quantity = "1"                    # if no column has it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast
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
"""The fields that a column map can contain."""

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
    """Fields and the columns that contain them."""

    layout: str  # 'shopify' or 'plain': <layout>_orders.sql reads it
    fields: tuple[str, ...]  # all fields of the layout
    columns: Columns  # the file's columns by field; the first non-empty one counts
    title: str | None = None  # of a built-in map
    timezone: str | None = None  # of times without an offset; None for the shop's
    time_format: str | None = None
    dates: str | None = None  # 'day-first' or 'month-first'; None to infer it from the file
    decimal: str | None = None  # '.' or ','; None to infer it from the file
    country: str | None = None  # of phone numbers without one
    discount_skus: tuple[str, ...] = ()
    whole_orders: bool = True
    unpack: str | None = None  # the column with all products of an order
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
    """Return how to read a file with this header.

    Args:
        header: The file's columns.
        path: A map file in TOML, if any.
        pairs: "field=column" each, or the name of a built-in map; they override the map file.
        settled: Options that override those of the map, such as dates; None for unset ones.

    Raises:
        UnknownName: A field, option or column does not exist.
        InputError: No map matches this header, a required field is missing, or a column is unclear.
    """
    names, own = _split(pairs)
    given = {name: value for name, value in (settled or {}).items() if value is not None}
    if path:
        found, base = {}, read_map(path)
    else:
        base = shipped_maps()[names[-1]] if names else find_map(header)
        if base and own and base.get("layout") == "shopify":
            base = {}  # a user's map reads Shopify's lines as plain lines
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
    """Split the pairs into names of maps, and columns by field."""
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
    hint = ""
    if len(missing) < len(needed) - 1:
        hint = f" For a Shopify order export, columns are missing: {', '.join(missing)}."
    titles = ", ".join(one["title"] for one in shipped_maps().values())
    return (
        f"The file's columns match no supported export ({titles}).{hint} For other "
        f"files, map the columns, for example --map order_id={header[0]}, or run: d1lab ingest map"
    )


def _present(header: Sequence[str], columns: Columns) -> dict[str, tuple[str, ...]]:
    """Return the map's columns that the file has, in the file's spelling."""
    named = {same_name(name): name for name in reversed(header)}
    there = {
        field: tuple(named[same_name(name)] for name in names if same_name(name) in named)
        for field, names in columns.items()
    }
    return {field: names for field, names in there.items() if names}


def _required(
    header: Sequence[str], columns: Mapping[str, Any], layout: str
) -> dict[str, tuple[str, ...]]:
    """Return the columns named by the user; each has to exist."""
    made: dict[str, tuple[str, ...]] = {}
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
    """Add the status column to a map without one, to exclude orders that are not sales."""
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
        raise InputError(f"[filter] {missing[0]}: column missing. Add {missing[0]} to [columns].")
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
    skus: list[Any] = options.get("discount_skus", [])
    if type(skus) is not list or not all(isinstance(sku, str) for sku in skus):
        raise InputError('invalid discount_skus. Use a list of texts, such as ["D"].')
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
        raise InputError(f"invalid timezone {zone!r}. Use a name like 'Europe/London'.") from None
    if not isinstance(options.get("time_format"), str | None):
        raise InputError("invalid time_format. Use a text such as '%m/%d/%Y %H:%M'.")
    if options.get("dates") not in (None, *_ORDERS):
        raise InputError(f"invalid dates {options['dates']!r}. Use 'day-first' or 'month-first'.")
    if options.get("decimal") not in (None, ".", ","):
        raise InputError(f"invalid decimal {options['decimal']!r}. Use '.' or ','.")
    if not isinstance(options.get("whole_orders", True), bool):
        raise InputError("invalid whole_orders. Use true or false.")


def _table(options: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Any = options.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"invalid [{name}]. Use lines of the form field = value.")
    return cast("dict[str, Any]", found)


def _texts(value: object) -> tuple[str, ...]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return tuple(str(one).strip().lower() for one in values)
