"""Result of a benchmark: a table, and targets that are met or missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """A target and the measured value."""

    promise: str
    measured: float
    limit: float
    at_most: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


class Comparison(NamedTuple):
    """Results of contenders in the same task."""

    title: str
    how: str  # description of the task, in one or two sentences
    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    targets: Sequence[Target] = ()

    def markdown(self) -> str:
        """Return the comparison as a Markdown section."""
        parts = [f"### {self.title}", self.how, _table(self.columns, self.rows)]
        if self.targets:
            rows = [
                (
                    target.promise,
                    f"{'at most' if target.at_most else 'at least'} {_number(target.limit)}",
                    _number(target.measured),
                    "yes" if target.is_met else "**no**",
                )
                for target in self.targets
            ]
            parts.append(_table(("target", "limit", "measured", "met"), rows))
        return "\n\n".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_number(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
