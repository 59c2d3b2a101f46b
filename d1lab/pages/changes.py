"""Changes of key figures since the previous run, with their significance."""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, isclose
from statistics import NormalDist
from typing import Literal, NamedTuple

from d1lab.display import Figure, show
from d1lab.display.values import digits_for

Finding = Literal["changed", "noise", "same", "unsure", "new", "gone", "unknown"]

FINDINGS: dict[Finding, str] = {
    "changed": "significant",
    "noise": "not significant",
    "same": "unchanged",
    "unsure": "significance unknown (no interval)",
    "new": "new",
    "gone": "no longer reported",
    "unknown": "missing in one of the runs",
}


class FigureChange(NamedTuple):
    """One key figure in this and in the previous run.

    `difference`, `low`, and `high` are None if the finding does not use them.
    """

    figure: Figure
    previous: Figure | None
    finding: Finding
    difference: float | None = None
    low: float | None = None  # 95% interval of the difference
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """Difference as a share of the previous value; None if that is 0 or unknown."""
        before = self.previous.value if self.previous else None
        return self.difference / abs(before) if self.difference is not None and before else None

    @property
    def good(self) -> bool | None:
        """Whether a significant change is an improvement; None if not significant or undeclared."""
        if self.finding != "changed" or self.figure.better is None or self.difference is None:
            return None
        return (self.difference > 0) == (self.figure.better == "higher")

    def shown(self) -> str:
        """Return the formatted difference with its sign; empty without one."""
        if not self.difference:
            return ""
        sign = "+" if self.difference > 0 else ""
        if self.figure.kind == "percent":  # the difference of two shares is in percentage points
            points = 100 * self.difference
            return f"{sign}{show(points, digits=_telling(points, 1))} pp"
        figure = self.figure
        digits = _telling(self.difference, digits_for([figure.value], figure.kind, figure.unit))
        by = f" ({sign}{show(self.ratio, 'percent')})" if self.ratio is not None else ""
        return f"{sign}{show(self.difference, figure.kind, figure.unit, digits)}{by}"

    def words(self) -> str:
        """Return the finding in words."""
        return FINDINGS[self.finding]


def compare(figure: Figure, previous: Figure | None, level: float = 0.95) -> FigureChange:
    """Compare a figure with its value in the previous run.

    A difference is significant if its interval excludes 0. The interval is recovered from those of
    the two figures, which can be asymmetric and of different levels (Zou & Donner 2008,
    doi:10.1002/sim.3095); for symmetric normal intervals it is d -+ 1.96 sqrt(se1^2 + se2^2). It
    assumes that the runs are independent. If their periods overlap, it is too wide, so that small
    changes can be reported as not significant.
    """
    if previous is None:
        return FigureChange(figure, None, "new")
    units = {figure.unit, previous.unit} - {""}
    if figure.value is None or previous.value is None or len(units) > 1:
        return FigureChange(figure, previous, "unknown")
    difference = figure.value - previous.value
    if isclose(figure.value, previous.value, rel_tol=1e-9):  # rounding of sums in another order
        return FigureChange(figure, previous, "same", 0)
    now, before = _arms(figure, level), _arms(previous, level)
    if now is None or before is None:
        return FigureChange(figure, previous, "unsure", difference)
    low = difference - hypot(now[0], before[1])
    high = difference + hypot(now[1], before[0])
    return FigureChange(
        figure, previous, "noise" if low <= 0 <= high else "changed", difference, low, high
    )


def what_changed(figures: Iterable[Figure], previous: Iterable[Figure]) -> list[FigureChange]:
    """Compare all key figures with the previous run, then list those no longer reported."""
    before = {figure.key: figure for figure in previous}
    changes = [compare(figure, before.pop(figure.key, None)) for figure in figures]
    return changes + [FigureChange(figure, figure, "gone") for figure in before.values()]


def _telling(difference: float, digits: int) -> int:
    """Return enough decimals for a difference not to be shown as 0.00."""
    while digits < 4 and not round(difference, digits):
        digits += 1
    return digits


def _arms(figure: Figure, level: float) -> tuple[float, float] | None:
    """Return the distances of the interval's ends from its value, rescaled to `level`."""
    if figure.low is None or figure.high is None or figure.value is None:
        return None
    stretch = _quantile(level) / _quantile(figure.level)
    return (figure.value - figure.low) * stretch, (figure.high - figure.value) * stretch


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
