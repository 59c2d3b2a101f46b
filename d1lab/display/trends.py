"""The course of a key figure over periods, with the range in which its last value is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from d1lab.display.values import plain
from d1lab.errors import InputError, UnknownName

Position = Literal["low", "usual", "high"]

_SLACK = 1e-9  # of rounding; a series that never moved has a range without a width


class FigureTrend(NamedTuple):
    """A key figure by period of equal length, oldest first; the last one is the figure's own."""

    values: tuple[float | None, ...]
    low: float | None = None  # ends of the usual range, both or neither
    high: float | None = None
    period: str = ""  # length of a period, such as 'Week'; figures of other lengths are a choice
    dates: str = ""  # first and last day of the last period, and of the one before

    @classmethod
    def of(cls, given: object) -> FigureTrend:
        """Build from a mapping of the fields, or from the fields in order, as in JSON.

        Raises:
            InputError: A value is not a number, there is no value, or the range has one end.
            UnknownName: A field does not exist.
        """
        if isinstance(given, Mapping):
            fields = dict(cast("Mapping[str, Any]", given))
        elif isinstance(given, Sequence) and not isinstance(given, str):
            fields = dict(zip(cls._fields, cast("Sequence[Any]", given), strict=False))
        else:
            raise InputError(f"a trend must be a mapping of its fields, not {type(given).__name__}")
        for name in fields:
            if name not in cls._fields:
                raise UnknownName("field", name, cls._fields, "a trend")
        values = tuple(map(_number, fields.get("values") or ()))
        low, high = (_number(fields.get(name)) for name in ("low", "high"))
        if not values or (low is None) != (high is None):
            raise InputError("a trend needs values, and both ends of its usual range or neither")
        known: dict[str, Any] = {**fields, "values": values, "low": low, "high": high}
        return cls(**known)

    @property
    def before(self) -> float | None:
        """The value of the period before; None without one."""
        return self.values[-2] if len(self.values) > 1 else None

    @property
    def position(self) -> Position | None:
        """Where the last value is; None if it or the usual range is not known."""
        now = self.values[-1]
        if now is None or self.low is None or self.high is None:
            return None
        slack = _SLACK * max(abs(self.low), abs(self.high), abs(now))
        return "low" if now < self.low - slack else "high" if now > self.high + slack else "usual"


def _number(value: object) -> float | None:
    number = plain(value)
    if number is None or (isinstance(number, int | float) and not isinstance(number, bool)):
        return number
    raise InputError(f"a trend's value {value!r} is not a finite number. Use None if unknown.")
