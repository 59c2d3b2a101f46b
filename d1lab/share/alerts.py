"""Alerts: conditions on key figures, from d1lab.toml: `alert = "days_of_supply_min < 7"`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from d1lab.display import Figure
from d1lab.errors import InputError, UnknownName

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_ALERT = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_]*)\s*(?P<sign><=|>=|==|!=|<|>)\s*"
    r"(?P<number>[-+]?[0-9]+(\.[0-9]+)?)\s*(?P<percent>%?)\s*"
)


class Alert(NamedTuple):
    """A condition on one key figure."""

    metric: str  # a key figure's name
    comparison: str  # one of COMPARISONS
    number: float  # a percent as a ratio
    text: str  # as people read it

    def matching(self, figures: Iterable[Figure]) -> tuple[Figure, ...]:
        """Return the figures of this name that meet the condition, of all dimensions."""
        compare = COMPARISONS[self.comparison]
        return tuple(f for f in self.known(figures) if compare(f.value, self.number))

    def known(self, figures: Iterable[Figure]) -> tuple[Figure, ...]:
        """Return the figures of this name that have a value; some are not available."""
        return tuple(f for f in figures if f.metric == self.metric and f.value is not None)


def parse_alert(text: str) -> Alert:
    """Parse a condition: a key figure, a comparison, and a number. Nothing is evaluated.

    >>> parse_alert("days_of_supply_min<7").text
    'days_of_supply_min < 7'
    >>> parse_alert("repeat_rate <= 25%").number
    0.25

    Raises:
        InputError: The text is not such a condition.
    """
    match = _ALERT.fullmatch(text)
    if match is None:
        signs = ", ".join(COMPARISONS)
        raise InputError(
            f"invalid alert {text!r}. Use a key figure, one of {signs}, and a number, "
            "such as 'products_short > 20' or 'repeat_rate < 25%'."
        )
    metric, sign, percent = match["metric"], match["sign"], match["percent"]
    number = float(match["number"]) / (100 if percent else 1)
    words = f"{metric} {sign} {match['number']}{'%' if percent else ''}"
    return Alert(metric, sign, number, words)


def check_names(alerts: Iterable[Alert], metrics: Iterable[str]) -> None:
    """Reject an alert on a figure that no report has.

    Args:
        alerts: The conditions.
        metrics: The names of the key figures of all latest runs; empty before the first run.

    Raises:
        UnknownName: There is no such figure; the message suggests the nearest.
    """
    known = set(metrics)
    for alert in alerts:
        if known and alert.metric not in known:
            raise UnknownName("key figure", alert.metric, known, f"alert {alert.text!r}")
