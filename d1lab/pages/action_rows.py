"""Rows of a page's list of actions: rank, links, and the range drawn on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from d1lab.display.actions import Action
from d1lab.page_places import file_name

SHOWN = 6  # actions before "Show all"
WIDTH, DOT = 120.0, 3.5  # of the drawn range


class RangeBar(NamedTuple):
    """The range of an amount in a box of `WIDTH` x 12, on the axis of all actions of the page."""

    zero: float
    start: float  # equal to `end` without a range
    end: float
    dot: float | None  # None for an upper limit
    tone: str  # 'bad', 'sure', or ''


class ActionRow(NamedTuple):
    """One action of the list."""

    rank: int
    action: Action
    href: str  # of the evidence
    see: str  # text of that link
    csv_href: str  # of the file with the items; '' without one
    bar: RangeBar | None


def action_rows(actions: Sequence[Action], stem: str, files: str) -> list[ActionRow]:
    """Return the rows of a list of actions.

    Args:
        actions: In the order of the list.
        stem: File name of the page without '.html', which other reports' pages share.
        files: Relative folder of the page's CSV files; '' for a page without files.
    """
    bars = _bars(actions)
    return [
        ActionRow(place + 1, one, *_links(one, stem, files), bars[place])
        for place, one in enumerate(actions)
    ]


def _links(action: Action, stem: str, files: str) -> tuple[str, str, str]:
    """Return the link to the evidence, its text, and the link to the file with the items."""
    if not action.report:
        href = f"#{action.link}" if action.link else ""
        csv = f"{quote(files)}/{quote(action.csv)}" if action.csv and files else ""
        return href, "See the list", csv
    if not files:
        return "", "", ""
    folder = f"../{quote(file_name(action.report))}/{quote(stem)}"
    csv = f"{folder}/{quote(action.csv)}" if action.csv else ""
    return f"{folder}.html#{action.link or action.anchor}", f"See {action.report_title}", csv


def _bars(actions: Sequence[Action]) -> list[RangeBar | None]:
    """Return the drawn ranges; an amount that is due once is not on the axis of a month."""
    drawn = [one for one in actions if one.amount is not None and one.per == "month"]
    ends = [0.0, *(end for one in drawn for end in _ends(one))]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def at(amount: float) -> float:
        return round(DOT + (WIDTH - 2 * DOT) * (amount - low) / span, 1)

    def bar(one: Action) -> RangeBar | None:
        if one.amount is None or one.per != "month" or not any(ends):
            return None
        start, end = _ends(one)
        dot = None if one.at_most else at(one.amount)
        return RangeBar(at(0.0), at(start), at(end), dot, _tone(one))

    return [bar(one) for one in actions]


def _ends(action: Action) -> tuple[float, float]:
    amount = action.amount or 0.0
    if action.at_most:
        return 0.0, amount
    low = amount if action.low is None else action.low
    return low, amount if action.high is None else action.high


def _tone(action: Action) -> str:
    if action.is_loss:
        return "bad"
    return "sure" if action.low is not None and action.low > 0 else ""
