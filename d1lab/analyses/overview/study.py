"""Figures of a shop by week, 4 weeks, and 13 weeks, and one list of the actions of all reports."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Any, Literal, NamedTuple

from d1lab.analyses.overview.advice import Advice, one_each
from d1lab.stats.usual import Usual, usual

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

LENGTHS = {7: "week", 28: "4 weeks", 91: "13 weeks"}
"""Lengths of the periods in days, each with its name."""

DRAWN = 13
"""Periods of a trend."""

MEASURES: dict[str, Literal["money", "integer", "percent"]] = {
    "revenue": "money",
    "orders": "integer",
    "order_value": "money",
    "gross_margin_rate": "percent",
    "given_share": "percent",
    "customers": "integer",
}
"""The figures of a period, most important first, each with its kind."""

ADVICE_OF: dict[str, Advice] = {
    "order": "order",
    "cap": "cap",
    "clear": "clear",
    "test-lower-price": "price",
    "test-higher-price": "price",
    "discount": "discount",
    "test-discount": "test",
    "test-always": "test",
    "pause": "pause",
    "keep": "keep",
    "test-without": "without",
}
"""The advice to a product that an action of a report is, by the action's key."""


class PeriodFigure(NamedTuple):
    """One figure of the last period of a length."""

    measure: str  # one of `MEASURES`
    length_days: int
    first_day: date
    last_day: date
    value: float | None
    before: float | None  # in the period before; None without one
    usual: Usual  # of the periods before
    values: tuple[float | None, ...] = ()  # of this and the periods before, oldest first

    @property
    def change(self) -> float | None:
        """The relative change from the period before; of a share, the difference."""
        if self.value is None or self.before is None:
            return None
        if MEASURES[self.measure] == "percent":
            return self.value - self.before
        return self.value / self.before - 1 if self.before > 0 else None


def period_figures(periods: Frame) -> list[PeriodFigure]:
    """Return the figures of the last period of each length, in the order of `MEASURES`.

    Args:
        periods: Rows of the metric `shop_periods`; a length without a whole period has none.
    """
    found: list[PeriodFigure] = []
    for length in LENGTHS:
        rows = periods[periods["length_days"] == length]
        if len(rows):
            first, last = (rows[name].iloc[-1].date() for name in ("first_day", "last_day"))
            for measure in MEASURES:
                values = [_known(value) for value in rows[measure]]
                before = values[-2] if len(values) > 1 else None
                judged = usual(values) if values[-1] is not None else _unknown(measure)
                one = PeriodFigure(measure, length, first, last, values[-1], before, judged)
                found.append(one._replace(values=tuple(values[-DRAWN:])))
    return found


def recent_margin(periods: Frame) -> float | None:
    """Return the gross margin of the last 13 weeks, as a share of revenue; of 4 or 1 if shorter.

    Args:
        periods: Rows of the metric `shop_periods`, or the one of `shop_margin`.

    Returns:
        None without a whole week, or without a known unit cost.
    """
    if periods.empty:
        return None
    longest = periods[periods["length_days"] == periods["length_days"].max()]
    return _known(longest["gross_margin_rate"].iloc[-1])


def _unknown(measure: str) -> Usual:
    no_costs = measure == "gross_margin_rate"
    missing = "no unit cost is known" if no_costs else "no sale is left after refunds"
    return Usual(None, None, 0, None, missing)


def _known(value: Any) -> float | None:
    number = math.nan if value is None else float(value)
    return None if math.isnan(number) else number


def all_actions(reports: Iterable[Any]) -> list[Any]:
    """Return the actions of all reports with one advice per product, by money.

    A product stays in the action whose advice comes first; an action without products left is left
    out.

    Args:
        reports: Items with `report`, `title`, and `actions`, as from `lab.other_reports()`.
    """
    named = [
        action._replace(
            key=f"{report.report.replace('_', '-').lower()}-{action.key}",
            link=action.link or action.anchor,
            report=report.report,
            report_title=report.title,
        )
        for report in reports
        for action in report.actions
    ]
    products = [a for a in named if a.item == "product"]
    kept = one_each([(a, advice_of(a), a.items) for a in products])
    others = [a for a in named if a.item != "product"]
    settled = [a.keeping(kept[place]) for place, a in enumerate(products)]
    return sorted(
        [*others, *(a for a in settled if a is not None)],
        key=lambda a: (a.amount is None, -(a.amount or 0.0), a.key),
    )


def advice_of(action: Any) -> Advice | None:
    """Return the advice to its products that an action is; None for one that no rule knows.

    Args:
        action: An action as in the overview, whose key begins with its report.
    """
    report = action.report.replace("_", "-").lower()
    return ADVICE_OF.get(action.key.removeprefix(f"{report}-"))
