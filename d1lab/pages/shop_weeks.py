"""The last week of shops on the index, from their overviews, and its sums per currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from d1lab.counting import counted
from d1lab.display import Figure, money
from d1lab.display.values import UNKNOWN, show
from d1lab.pages.storage import PageMeta
from d1lab.pages.wording import day

MINUS = "\N{MINUS SIGN}"
MOST_SUMS = 3  # currencies whose revenue is at the top of the index


class ShopWeek(NamedTuple):
    """The last week of a shop, as in its overview."""

    revenue: Figure
    margin: Figure | None
    given: Figure | None
    last_day: date | None

    @classmethod
    def of(cls, page: PageMeta | None) -> ShopWeek | None:
        """Return the figures of an overview's page; None where it did not run, or found no week."""
        known = {figure.metric: figure for figure in page.figures} if page else {}
        if page is None or "revenue" not in known or known["revenue"].value is None:
            return None
        rest = known.get("gross_margin_rate"), known.get("given_share")
        return cls(known["revenue"], *rest, page.run.as_of)

    @property
    def before(self) -> float | None:
        """Revenue of the week before; None if it is not known."""
        return self.revenue.trend.before if self.revenue.trend else None

    @property
    def change(self) -> float | None:
        """The relative change of revenue from the week before; None if it is not known."""
        now, before = self.revenue.value, self.before
        return now / before - 1 if now is not None and before and before > 0 else None

    @property
    def change_text(self) -> str:
        """The relative change with its sign; a dash if it is not known."""
        if self.change is None:
            return UNKNOWN
        return f"{'+' if self.change > 0 else ''}{show(self.change, 'percent', digits=0)}"

    @property
    def revenue_text(self) -> str:
        """Revenue without decimals, unless it is small."""
        return money(self.revenue.value, self.revenue.unit)

    @property
    def is_low(self) -> bool:
        """Whether revenue is unusually low."""
        return bool(self.revenue.trend and self.revenue.trend.position == "low")

    @property
    def judged(self) -> str:
        """The judgment on revenue, if it is not usual."""
        position = self.revenue.trend.position if self.revenue.trend else None
        return {"low": "Unusually low", "high": "Unusually high"}.get(position or "", "")


class Total(NamedTuple):
    """A figure of all shops."""

    label: str
    value: str
    note: str


def totals(weeks: Sequence[ShopWeek], statuses: Sequence[str]) -> list[Total]:
    """Return the figures at the top of the index; no amounts of two currencies are added.

    Args:
        weeks: Of all shops whose overview ran.
        statuses: Of all reports.
    """
    failed = sum(status in ("failed", "timeout") for status in statuses)
    runs = Total("Reports that failed", f"{failed:,}", f"of {len(statuses):,}")
    if not weeks:
        return [runs]
    by_currency: dict[str, list[ShopWeek]] = {}
    for week in weeks:
        by_currency.setdefault(week.revenue.unit, []).append(week)
    largest = sorted(by_currency.items(), key=lambda item: (-len(item[1]), item[0]))
    sums = [_sum(unit, of, len(largest) > 1) for unit, of in largest[:MOST_SUMS]]
    low = sum(week.is_low for week in weeks)
    judged = Total("Shops unusually low", f"{low:,} of {len(weeks):,}", "revenue of the week")
    return [*sums, judged, runs]


def _sum(unit: str, weeks: Sequence[ShopWeek], is_one_of_many: bool) -> Total:
    now = sum(week.revenue.value or 0.0 for week in weeks)
    known = [week.before for week in weeks if week.before is not None]
    before = sum(known) if len(known) == len(weeks) else 0.0
    size = f"{now / before - 1:+.0%}".replace("-", MINUS) if before > 0 else ""
    change = f"{size} vs. {money(before, unit)}, " if size else ""
    shops = f" in {unit or 'no set currency'}" if is_one_of_many else ""
    label = f"Revenue, {counted(len(weeks), 'shop')}{shops}"
    return Total(label, money(now, unit), f"{change}{_ends(weeks)}")


def _ends(weeks: Iterable[ShopWeek]) -> str:
    days = sorted({week.last_day for week in weeks if week.last_day})
    if len(days) > 1:
        return f"weeks to {day(days[0])} or later, at most {day(days[-1])}"
    return f"week to {day(days[0])}" if days else "last week"
