"""Labels: the words, unit, and kind by which a reader meets a column or a key figure.

A metric's header declares those of what it gives, `labels.toml` the rest, in one form:

    revenue: Revenue, money
    velocity: Sales velocity [units per in-stock day]
    lost_units: Estimated lost sales [units], lower is better

A name without a label is shown as it stands ("net_units" as "Net units"); what a notebook says
itself comes first.
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
    """How a reader meets a column or a key figure; fields as in `d1lab.display.Figure`."""

    label: str
    unit: str = ""
    kind: Kind | None = None  # None: the values tell
    better: Better | None = None  # which way is good, where that is plain


Labels = Mapping[str, Label]


def parse_label(name: str, text: str) -> Label:
    """The label that a header or `labels.toml` declares: 'Label [unit], kind, lower is better'.

    Args:
        name: The column or figure, for messages.
        text: What stands behind the name; all but the label's words is optional.

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
    """The labels of `labels.toml`: of columns and figures that no metric gives."""
    sections = tomllib.loads(FILE.read_text(encoding="utf-8")).values()
    return {name: parse_label(name, text) for words in sections for name, text in words.items()}


def column_meanings(
    names: Iterable[str], given: Mapping[str, Any], labels: Labels, currency: str = ""
) -> dict[str, Any]:
    """`labels`, `units` and `kinds` for a table of these columns; what is given comes first.

    Money without a unit is in the currency.
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
    """Key figures with their labels: ready ones, mappings or frames of fields, values by name.

    Money without a unit is in the currency.
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
    has_unit = isinstance(unit, str) and unit != ""  # in a frame a missing one is NaN
    return made if made.get("kind") != "money" or has_unit else {**made, "unit": currency}


def selected(frame: Any, columns: str | Sequence[str] | None) -> Any:
    """A frame's columns by name, in this order; all for None. A text is split at its spaces.

    Raises:
        UnknownName: The frame has no such column.
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
