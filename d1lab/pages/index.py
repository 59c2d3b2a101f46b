"""reports/index.html: the reports of all shops, with status, age, key figures, trend, and history.

It is built only from files in the same folder, so that the folder can be copied anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from d1lab.charts.theme import palette_css
from d1lab.counting import counted
from d1lab.display import Figure
from d1lab.display.actions import Action, ranked
from d1lab.files import write
from d1lab.pages.changes import FigureChange, what_changed
from d1lab.pages.listing import EarlierPage, Listing, listings
from d1lab.pages.page import asset, environment, own_script
from d1lab.pages.storage import LATEST, PageMeta, locked
from d1lab.pages.svg import csp_hash
from d1lab.pages.wording import STATUSES, ReportFreshness, freshness

INDEX = "index.html"
SHOWN = 3  # key figures per report
OVERVIEW = "overview"  # the report that is listed first, and that the shop's name leads to


class IndexEntry(NamedTuple):
    """One report of one shop of one database."""

    newest: PageMeta  # page of the last run, successful or not
    good: PageMeta | None  # page of the last successful run, as in `latest.html`
    changes: tuple[FigureChange, ...]  # changes of its first key figures, as on its page
    freshness: ReportFreshness
    trend: Trend | None
    earlier: tuple[EarlierPage, ...]  # newest first

    @property
    def status(self) -> str:
        """Status of the last run; of its verdict, if the run was successful."""
        run = self.newest.run
        if run.status != "done":
            return run.status
        return run.verdict.status if run.verdict else "neutral"

    @property
    def link(self) -> str:
        """Target of the link of the title."""
        folder = Path(self.newest.path).parent.as_posix()
        has_latest = self.good is not None and self.good.run.is_standard
        return quote(f"{folder}/{LATEST}" if has_latest else self.newest.path)


class IndexShop(NamedTuple):
    """The reports of one shop of one database, the overview first."""

    shop: str
    database: str
    entries: tuple[IndexEntry, ...]

    @property
    def overview(self) -> IndexEntry | None:
        """Its overview; None without one."""
        return next((e for e in self.entries if e.newest.run.report == OVERVIEW), None)

    @property
    def first(self) -> Action | None:
        """The action with the largest amount in any of its reports; None without one."""
        known = (a for e in self.entries if e.good for a in e.good.actions)
        return next((a for a in ranked(known) if a.amount is not None), None)


class Trend(NamedTuple):
    """Key figure over the runs, as a sparkline."""

    figure: Figure
    points: str  # points of an SVG polyline in a box of 120 x 32
    end: tuple[float, float]
    words: str


def write_index(reports_dir: Path, *, now: datetime | None = None) -> Path:
    """Write reports/index.html from the existing pages.

    Args:
        reports_dir: Folder of all pages; can be empty.
        now: Reference time for ages; None for the current time.
    """
    with locked(reports_dir):
        return _write_index(reports_dir, now or datetime.now(UTC))


def _write_index(reports_dir: Path, now: datetime) -> Path:
    entries = index_entries(reports_dir, now)
    script = own_script("index.js")
    style = palette_css() + asset("style.css") + asset("index.css")
    page = (
        environment()
        .get_template("index.html")
        .render(
            shops=index_shops(entries),
            summary=_summary(entries),
            filters=_filters(entries),
            trends=any(entry.trend for entry in entries),
            style=Markup(style),
            style_policy=csp_hash(style),
            script=Markup(script),
            policy=csp_hash(script),
            made_at=now,
        )
    )
    path = reports_dir / INDEX
    write(path, page.encode("utf-8", "replace").decode())
    return path


def index_entries(reports_dir: Path, now: datetime) -> list[IndexEntry]:
    """Build the entries of all reports, sorted by shop, database, and title."""
    entries = [_entry(listing, now) for listing in listings(reports_dir)]
    return sorted(entries, key=lambda entry: (*_shop(entry), entry.newest.run.title))


def index_shops(entries: Sequence[IndexEntry]) -> list[IndexShop]:
    """Group entries by shop: the shop with the most money to act on first, then by name.

    Args:
        entries: Result of `index_entries`.
    """
    shops = [
        IndexShop(*place, tuple(sorted(of, key=lambda e: e.newest.run.report != OVERVIEW)))
        for place, of in groupby(entries, _shop)
    ]
    return sorted(shops, key=lambda shop: -((shop.first.amount or 0.0) if shop.first else 0.0))


def _shop(entry: IndexEntry) -> tuple[str, str]:
    return entry.newest.run.shop, entry.newest.run.database


_SUMMED = {
    "failed": ("failed", "failed"),
    "timeout": ("timed out", "timed out"),
    "bad": ("needs attention", "need attention"),
}


def _summary(entries: Sequence[IndexEntry]) -> str:
    """Return a summary such as '18 reports: 4 need attention'."""
    found = Counter(entry.status for entry in entries)
    parts = [f"{found[s]:,} {words[found[s] > 1]}" for s, words in _SUMMED.items() if found[s]]
    return counted(len(entries), "report") + (f": {', '.join(parts)}" if parts else "")


def _filters(entries: Sequence[IndexEntry]) -> dict[str, list[tuple[str, str]]]:
    """Return the filters of the list by name, each with its values and labels."""
    runs = [entry.newest.run for entry in entries]
    choices = {
        "database": {(run.database, run.database) for run in runs},
        "shop": {(run.shop, run.shop) for run in runs if run.shop},
        "report": {(run.report, run.title) for run in runs},
        "status": {(entry.status, STATUSES[entry.status]) for entry in entries},
    }
    always = ("shop", "report")
    return {n: sorted(of) for n, of in choices.items() if n in always or len(of) > 1}


def _entry(listing: Listing, now: datetime) -> IndexEntry:
    last = listing.good
    figures = last.figures if last else ()
    changes = what_changed(figures, last.before if last else ())
    return IndexEntry(
        newest=listing.newest,
        good=last,
        changes=tuple(c for c in changes if c.finding != "gone")[:SHOWN],
        freshness=freshness((last or listing.newest).run, now),
        trend=_trend(figures[0], listing.values) if figures else None,
        earlier=listing.earlier,
    )


def _trend(figure: Figure, known: Sequence[float]) -> Trend | None:
    """Return the trend of a figure over its runs; None for fewer than two values."""
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    step, span = 112 / (len(known) - 1), (high - low) or 1
    points = [(4 + i * step, 28 - 24 * (v - low) / span) for i, v in enumerate(known)]
    first, last = (figure._replace(value=v).shown() for v in (known[0], known[-1]))
    words = f"{figure.label} over {len(known)} runs: from {first} to {last}"
    return Trend(figure, " ".join(f"{x:.1f},{y:.1f}" for x, y in points), points[-1], words)
