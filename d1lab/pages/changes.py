"""What changed since the last run, and whether that is significant."""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, isclose
from statistics import NormalDist
from typing import Literal, NamedTuple

from d1lab.display import Figure, show
from d1lab.display.values import digits_for

Finding = Literal["changed", "noise", "same", "unsure", "new", "gone", "unknown"]

FINDINGS: dict[Finding, str] = {
    "changed": "more than noise",
    "noise": "not significant",
    "same": "unchanged",
    "unsure": "significance unknown (no interval)",
    "new": "new",
    "gone": "no longer reported",
    "unknown": "missing in one of the runs",
}


class FigureChange(NamedTuple):
    """One key figure now and in the run before.

    `difference`, `low` and `high` are None where the finding does not rest on them.
    """

    figure: Figure
    previous: Figure | None
    finding: Finding
    difference: float | None = None
    low: float | None = None  # 95 % interval of the difference
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """The difference as a share of the value before; None where that is 0 or unknown."""
        before = self.previous.value if self.previous else None
        return self.difference / abs(before) if self.difference is not None and before else None

    @property
    def good(self) -> bool | None:
        """Whether a real change is for the better; None where it is not real or not declared."""
        if self.finding != "changed" or self.figure.better is None or self.difference is None:
            return None
        return (self.difference > 0) == (self.figure.better == "higher")

    def shown(self) -> str:
        """The difference as a reader sees it, with its sign; empty where there is none."""
        if not self.difference:
            return ""
        sign = "+" if self.difference > 0 else ""
        if self.figure.kind == "percent":  # a share changes by points, not by a share of itself
            points = 100 * self.difference
            return f"{sign}{show(points, digits=_telling(points, 1))} pp"
        figure = self.figure
        digits = _telling(self.difference, digits_for([figure.value], figure.kind, figure.unit))
        by = f" ({sign}{show(self.ratio, 'percent')})" if self.ratio is not None else ""
        return f"{sign}{show(self.difference, figure.kind, figure.unit, digits)}{by}"

    def words(self) -> str:
        """The finding in words."""
        return FINDINGS[self.finding]


def compare(figure: Figure, previous: Figure | None, level: float = 0.95) -> FigureChange:
    """One figure against its own past.

    A difference is more than noise when the interval of the difference excludes 0. That interval
    is recovered from the two figures' own intervals, which may be lopsided and of other levels
    (Zou & Donner 2008, doi:10.1002/sim.3095); for symmetric normal intervals it is
    d -+ 1.96 sqrt(se1^2 + se2^2). It takes the runs as independent. Where their periods overlap,
    they are not, and the true noise is smaller: 'within noise' may then hide a small change.
    """
    if previous is None:
        return FigureChange(figure, None, "new")
    units = {figure.unit, previous.unit} - {""}
    if figure.value is None or previous.value is None or len(units) > 1:
        return FigureChange(figure, previous, "unknown")
    difference = figure.value - previous.value
    if isclose(figure.value, previous.value, rel_tol=1e-9):  # sums of floats, in another order
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
    """Each key figure against the run before, in order; then those that are no longer reported."""
    before = {figure.key: figure for figure in previous}
    changes = [compare(figure, before.pop(figure.key, None)) for figure in figures]
    return changes + [FigureChange(figure, figure, "gone") for figure in before.values()]


def _telling(difference: float, digits: int) -> int:
    """The decimals that leave something of a difference: a change is not told as 0.00."""
    while digits < 4 and not round(difference, digits):
        digits += 1
    return digits


def _arms(figure: Figure, level: float) -> tuple[float, float] | None:
    """How far the interval reaches below and above its value, stretched to `level`."""
    if figure.low is None or figure.high is None or figure.value is None:
        return None
    stretch = _quantile(level) / _quantile(figure.level)
    return (figure.value - figure.low) * stretch, (figure.high - figure.value) * stretch


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
