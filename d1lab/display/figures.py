"""Key figures: the main numbers of a run, with their intervals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Literal, NamedTuple, cast, get_args

from d1lab.display.currency import sign_of
from d1lab.display.notebook_style import framed
from d1lab.display.trends import FigureTrend
from d1lab.display.values import (
    KINDS,
    Kind,
    as_text,
    digits_for,
    plain,
    sentence_case,
    show,
)
from d1lab.errors import InputError, UnknownName

Better = Literal["higher", "lower"]


class Figure(NamedTuple):
    """One key figure.

    `metric` and `dimension` identify it across runs. `value` is None if it is not available, with
    the reason in `note`. A percent is a ratio: 0.25 means 25%.
    """

    metric: str
    value: float | int | None
    label: str
    unit: str = ""
    kind: Kind = "number"
    dimension: str = ""  # item that the metric describes, such as a SKU; empty for the shop
    low: float | None = None  # ends of the interval, both or neither
    high: float | None = None
    level: float = 0.95  # level of the interval
    better: Better | None = None  # direction of an improvement, if there is one
    note: str = ""
    trend: FigureTrend | None = None  # its course over periods

    @classmethod
    def of(cls, metric: str, value: object, **fields: Any) -> Figure:
        """Build and validate a figure; other fields as in the class, all optional.

        Args:
            metric: Name of lowercase letters, digits, and underscores.
            value: Number of any type; NaN counts as missing.

        Raises:
            InputError: A field is invalid, such as a value outside its interval.
            UnknownName: A field does not exist.
        """
        known = {**cls._field_defaults, "label": ""}
        for name in fields:
            if name not in known:
                raise UnknownName("field", name, known, f"figure {metric!r}")
        fields = {name: value for name, value in fields.items() if not _missing(value)}
        number, low, high = (
            _number(metric, v) for v in (value, fields.get("low"), fields.get("high"))
        )
        default: Kind = "integer" if isinstance(number, int) else "number"
        made: dict[str, Any] = {"label": sentence_case(metric), "kind": default, **fields}
        made |= {"low": low, "high": high}
        if "trend" in made:
            made["trend"] = FigureTrend.of(made["trend"])
        figure = cls(metric=metric, value=number, **made)
        _check(figure)
        return figure

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Figure:
        """Build a figure from its JSON record; unknown fields of later versions are dropped."""
        return cls.of(**{name: record[name] for name in cls._fields if name in record})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON record that `from_json` reads."""
        trend = self.trend._asdict() if self.trend else None
        return {**self._asdict(), "trend": trend}

    @property
    def key(self) -> tuple[str, str]:
        """Key that identifies this figure across runs."""
        return self.metric, self.dimension

    def shown(self) -> str:
        """Return the formatted value."""
        return show(self.value, self.kind, self.unit)

    def interval(self) -> str:
        """Return the formatted interval with its level; empty without an interval."""
        if self.low is None:
            return ""
        known = self.value if self.value is not None else self.low
        digits = digits_for([known], self.kind, self.unit)
        signed = self.unit if sign_of(self.unit) else ""
        low = show(self.low, self.kind, signed, digits)
        high = show(self.high, self.kind, self.unit, digits)
        return f"{low} to {high} ({100 * self.level:g}%)"


class Figures(NamedTuple):
    """Key figures in order of importance. The page header shows the first three."""

    figures: tuple[Figure, ...]

    MIME = "application/vnd.d1lab.figures.v1+json"

    @classmethod
    def of(cls, *items: object) -> Figures:
        """Build from `Figure`s, mappings of its fields, or frames with such columns.

        Raises:
            InputError: An item has another type, or a figure is invalid.
        """
        return cls(tuple(figure for item in items for figure in _figures_in(item)))

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> Figures:
        """Build figures from their JSON bundle."""
        return cls(tuple(Figure.from_json(record) for record in bundle.get("figures", ())))

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        lines = [(f.label, f.shown(), f.interval()) for f in self.figures]
        rows = "".join(
            f'<tr><td>{escape(label)}</td><td class="n"><strong>{escape(value)}</strong></td>'
            f'<td class="muted">{escape(interval)}</td></tr>'
            for label, value, interval in lines
        )
        return {
            self.MIME: {"figures": [figure.to_json() for figure in self.figures]},
            "text/plain": "\n".join(f"{a}: {b}  {c}".rstrip() for a, b, c in lines),
            "text/html": framed(f"<table><tbody>{rows}</tbody></table>"),
        }


def _figures_in(item: object) -> Iterable[Figure]:
    if isinstance(item, Figure):
        return [item]
    if isinstance(item, Mapping):
        return [Figure.of(**cast("Mapping[str, Any]", item))]
    if hasattr(item, "to_dict"):
        return [Figure.of(**row) for row in item.to_dict("records")]  # pyright: ignore
    raise InputError(
        f"a key figure must be a Figure, a dict, or a DataFrame, not {type(item).__name__}"
    )


def _missing(value: object) -> bool:
    """Return whether a field is missing: None, or NaN in a frame."""
    return value is None or (isinstance(value, float) and value != value)


def _number(metric: str, value: object) -> int | float | None:
    number = plain(value)
    if number is None or (isinstance(number, int | float) and not isinstance(number, bool)):
        return number
    raise InputError(
        f"key figure {metric!r}: {value!r} is not a finite number. Use None and a note."
    )


def _check(figure: Figure) -> None:
    """Raise InputError if a figure is inconsistent."""
    name = f"key figure {figure.metric!r}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", figure.metric):
        raise InputError(f"{name}: use only lowercase letters, digits, and underscores in the name")
    if figure.kind not in KINDS:
        raise UnknownName("kind", figure.kind, KINDS, name)
    if figure.better is not None and figure.better not in get_args(Better):
        raise UnknownName("direction", figure.better, get_args(Better), name)
    if (figure.low is None) != (figure.high is None):
        raise InputError(f"{name}: set both low and high; low={figure.low}, high={figure.high}")
    ends = sorted(end for end in (figure.low, figure.value, figure.high) if end is not None)
    if figure.low is not None and (ends[0], ends[-1]) != (figure.low, figure.high):
        raise InputError(
            f"{name}: value {figure.value} is outside its interval [{figure.low}, {figure.high}]"
        )
    if not 0 < figure.level < 1:
        raise InputError(f"{name}: level {figure.level} must be between 0 and 1")
