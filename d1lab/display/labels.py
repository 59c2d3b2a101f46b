"""Labels: the name, unit, and kind of a column or a key figure on pages.

A metric's header declares those of its columns, and `labels.toml` all others, in the same form:

    revenue: Revenue, money
    velocity: Sales velocity [units per in-stock day]
    lost_units: Estimated lost sales [units], lower is better

A name without a label is shown in words ("net_units" as "Net units"). Labels in a notebook override
these.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from d1lab.display.figures import Better, Figure
from d1lab.display.values import KINDS, Kind
from d1lab.errors import InputError, UnknownName

FILE = Path(__file__).with_name("labels.toml")

_ENDS = re.compile(r"(?:, (higher|lower) is better)?$")
_UNIT = re.compile(r"(.+) \[([^\[\]]+)\]")


class Label(NamedTuple):
    """Label of a column or a key figure; fields as in `d1lab.display.Figure`."""

    label: str
    unit: str = ""
    kind: Kind | None = None  # None: derived from the values
    better: Better | None = None  # direction of an improvement, if there is one


Labels = Mapping[str, Label]


def parse_label(name: str, text: str) -> Label:
    """Parse a label: 'Label [unit], kind, lower is better'.

    Args:
        name: Column or figure, for error messages.
        text: Text after the name; everything except the label is optional.

    Raises:
        UnknownName: The last word after a comma is not a kind.
        InputError: There is no text.

    >>> parse_label("lost", "Lost sales, estimated [units], integer, lower is better")
    Label(label='Lost sales, estimated', unit='units', kind='integer', better='lower')
    """
    better = _ENDS.search(text)
    words, comma, kind = text[: better.start() if better else None].rpartition(", ")
    if not comma or kind not in KINDS:
        if comma and re.fullmatch("[a-z]+", kind):
            raise UnknownName("kind", kind, KINDS, f"label {name!r}")
        words, kind = words + comma + kind, None
    unit = _UNIT.fullmatch(words)
    words = unit[1] if unit else words
    if not words.strip():
        raise InputError(f"label {name!r} is empty. Write '{name}: Label [unit], kind'.")
    return Label(words, unit[2] if unit else "", kind, better[1] if better else None)  # pyright: ignore[reportArgumentType] - one of KINDS


@lru_cache
def common_labels() -> dict[str, Label]:
    """Return the labels of `labels.toml`, for columns and figures that are not in a metric."""
    sections = tomllib.loads(FILE.read_text(encoding="utf-8")).values()
    return {name: parse_label(name, text) for words in sections for name, text in words.items()}


def column_meanings(
    names: Iterable[str], given: Mapping[str, Any], labels: Labels, currency: str = ""
) -> dict[str, Any]:
    """Return `labels`, `units`, and `kinds` of these columns; given ones take precedence.

    Amounts without a unit are in `currency`.
    """
    known = {name: labels[name] for name in names if name in labels}
    found = {
        "labels": {name: label.label for name, label in known.items()},
        "units": {name: label.unit for name, label in known.items() if label.unit},
        "kinds": {name: label.kind for name, label in known.items() if label.kind},
    }
    meaning = {key: {**words, **given.get(key, {})} for key, words in found.items()}
    money = (name for name, kind in meaning["kinds"].items() if kind == "money" and currency)
    meaning["units"] = {**dict.fromkeys(money, currency), **meaning["units"]}
    return {**given, **meaning}


def labeled_figures(
    items: Iterable[object], values: Mapping[str, object], labels: Labels, currency: str = ""
) -> Iterator[object]:
    """Yield key figures with their labels, from figures, mappings, frames, or values by name.

    Amounts without a unit are in `currency`.
    """
    for item in items:
        if isinstance(item, Mapping):
            yield _labeled(cast("Mapping[str, Any]", item), labels, currency)
        elif isinstance(item, Figure):
            yield item if item.kind != "money" or item.unit else item._replace(unit=currency)
        elif hasattr(item, "to_dict"):
            for row in cast("Any", item).to_dict("records"):
                yield _labeled(row, labels, currency)
        else:
            yield item
    for metric, value in values.items():
        yield _labeled({"metric": metric, "value": value}, labels, currency)


def _labeled(fields: Mapping[str, Any], labels: Labels, currency: str) -> dict[str, Any]:
    label = labels.get(fields.get("metric", ""))
    made = {**(label._asdict() if label else {}), **fields}
    unit = made.get("unit")
    has_unit = isinstance(unit, str) and unit != ""  # missing values in a frame are NaN
    return made if made.get("kind") != "money" or has_unit else {**made, "unit": currency}


def selected(frame: Any, columns: str | Sequence[str] | None) -> Any:
    """Select columns of a frame by name, in this order; None for all. A string is split at spaces.

    Raises:
        UnknownName: A column does not exist.
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
    """Return the column names of a pandas, polars, or Arrow frame or a DuckDB relation."""
    names = getattr(frame, "column_names", None) or getattr(frame, "columns", ())
    return [str(name) for name in names]
