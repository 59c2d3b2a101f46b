"""What a campaign counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Rows = Mapping[str, Counter[tuple[object, ...]]]
"""The rows of each table, and how often each is there."""


class Outcome(NamedTuple):
    """The result of one attempt."""

    case: str  # what was tried, enough to try it again
    wrong: bool = False  # it reported success, and the state is another one
    lost: int = 0  # rows missing at the end
    doubled: int = 0  # rows that are there more often than they should be
    traceback: str = ""  # the last line of an error that d1lab did not raise on purpose

    @property
    def is_fault(self) -> bool:
        """Whether something went wrong that must not."""
        return bool(self.wrong or self.lost or self.doubled or self.traceback)


def unforeseen(said: str) -> str:
    """The error in a command's output that d1lab did not foresee; '' for none."""
    lines = said.strip().splitlines()
    if "Traceback (most recent call last)" in said:
        return lines[-1]
    return next((line for line in lines if line.startswith("error: unexpected")), "")


class Tally(NamedTuple):
    """The sum of the outcomes of one part of the campaign."""

    part: str
    tried: int
    wrong: int
    lost: int
    doubled: int
    tracebacks: int
    faults: tuple[Outcome, ...]


def tally(part: str, outcomes: Iterable[Outcome]) -> Tally:
    """Add up outcomes."""
    every = list(outcomes)
    return Tally(
        part,
        tried=len(every),
        wrong=sum(one.wrong for one in every),
        lost=sum(one.lost for one in every),
        doubled=sum(one.doubled for one in every),
        tracebacks=sum(bool(one.traceback) for one in every),
        faults=tuple(one for one in every if one.is_fault),
    )


def compared(case: str, expected: Rows, found: Rows, *, claimed: bool = True) -> Outcome:
    """The outcome of an attempt whose end state should be `expected`.

    Args:
        case: What was tried.
        expected: The rows of an undisturbed run.
        found: The rows of this one.
        claimed: Whether it reported success.
    """
    lost = doubled = 0
    differs = set(expected) != set(found)
    for table in expected.keys() & found.keys():
        missing = expected[table] - found[table]
        extra = found[table] - expected[table]
        lost += max(0, missing.total() - extra.total())
        doubled += max(0, extra.total() - missing.total())
        differs = differs or bool(missing or extra)
    return Outcome(case, wrong=differs and claimed, lost=lost, doubled=doubled)
