"""What columns and key figures are called, in every report alike, with unit and kind.

A notebook names columns; a reader meets them by these words. A name that is not here is shown as
it stands ("net_units" as "Net units"), and what a notebook says itself comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from d1lab.display import Figure
from d1lab.display.figures import Better
from d1lab.display.values import Kind
from d1lab.errors import UnknownName


class Word(NamedTuple):
    """How a reader meets a column or a key figure; fields as in `d1lab.display`."""

    label: str
    unit: str = ""
    kind: Kind | None = None
    better: Better | None = None


WORDS = {
    "average_order_value": Word("Average order", kind="money"),
    "customers": Word("Customers", kind="integer"),
    "days_of_supply": Word("Cover", "days"),
    "days_of_supply_28": Word("Cover by Shopify's rule", "days"),
    "days_of_supply_high": Word("At most", "days"),
    "days_of_supply_low": Word("At least", "days"),
    "dead_stock": Word("Dead stock, at selling price", kind="money", better="lower"),
    "depth": Word("Depth", kind="percent"),
    "discounted_revenue": Word("Revenue with discount", kind="money"),
    "discounts": Word("Discounts in use", kind="integer"),
    "ending_units": Word("Stock", "units"),
    "lost_units_estimate": Word("Lost sales, estimated", "units"),
    "median_cover": Word("Median cover", "days"),
    "orders": Word("Orders", kind="integer"),
    "product_title": Word("Product"),
    "products_short": Word("Products that run out", kind="integer", better="lower"),
    "revenue": Word("Revenue", kind="money"),
    "savings": Word("Savings given", kind="money"),
    "share_of_units": Word("Share of its units", kind="percent"),
    "share_of_uses": Word("Share of uses", kind="percent"),
    "skus": Word("SKUs discounted", kind="integer"),
    "stockout_rate": Word("Days without stock", kind="percent"),
    "tied_up": Word("Tied up, at selling price", kind="money"),
    "turnover": Word("Turns in the period"),
    "unit_price": Word("Average price", kind="money"),
    "uses": Word("Discounted lines", kind="integer"),
    "velocity": Word("Sold a day in stock", "units"),
}


def meanings(names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """`labels`, `units` and `kinds` for a table of these columns; what is given comes first."""
    known = {name: WORDS[name] for name in names if name in WORDS}
    found = {
        "labels": {name: word.label for name, word in known.items()},
        "units": {name: word.unit for name, word in known.items() if word.unit},
        "kinds": {name: word.kind for name, word in known.items() if word.kind},
    }
    return {**given, **{key: {**words, **given.get(key, {})} for key, words in found.items()}}


def figures(items: Iterable[object], values: Mapping[str, object]) -> Iterator[object]:
    """Key figures with their words: ready ones, mappings or frames of fields, values by name."""
    for item in items:
        if isinstance(item, Mapping):
            yield _worded(item)
        elif not isinstance(item, Figure) and hasattr(item, "to_dict"):
            yield from map(_worded, item.to_dict("records"))  # pyright: ignore
        else:
            yield item
    for metric, value in values.items():
        yield _worded({"metric": metric, "value": value})


def _worded(fields: Mapping[str, Any]) -> dict[str, Any]:
    word = WORDS.get(fields.get("metric", ""))
    return {**(word._asdict() if word else {}), **fields}


def selected(frame: Any, columns: str | Sequence[str] | None) -> Any:
    """A frame's columns by name, in this order; all for None. A text is split at its spaces.

    Raises:
        UnknownName: The frame lacks one.
    """
    if columns is None:
        return frame
    wanted = columns.split() if isinstance(columns, str) else list(columns)
    if hasattr(frame, "fetchall"):
        frame = frame.df()  # a DuckDB relation
    known = column_names(frame)
    for name in wanted:
        if name not in known:
            raise UnknownName("column", name, known, "the frame")
    return frame.select(wanted) if hasattr(frame, "select") else frame[wanted]


def column_names(frame: Any) -> list[str]:
    """The names of a frame's columns: pandas, polars, Arrow or a DuckDB relation."""
    names = getattr(frame, "column_names", None) or getattr(frame, "columns", ())
    return [str(name) for name in names]
