"""reports/index.html: the shops by the money to act on, and the reports of the first ones.

It is built only from files in the same folder, so that the folder can be copied anywhere. More than
1,000 shops are spread over several files: index-2.html, and so on; shops.html has all names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from d1lab.charts.theme import palette_css
from d1lab.counting import counted
from d1lab.display import Figure
from d1lab.display.actions import Action
from d1lab.files import write
from d1lab.pages.changes import FigureChange, what_changed
from d1lab.pages.listing import EarlierPage, Listing, listings
from d1lab.pages.menus import set_menus
from d1lab.pages.page import asset, environment, own_script
from d1lab.pages.shop_actions import ShopAction, ShopAdvice, advice, largest
from d1lab.pages.shop_rows import headline, notable, shop_rows
from d1lab.pages.shop_weeks import ShopWeek, totals
from d1lab.pages.storage import LATEST, PageMeta, locked
from d1lab.pages.svg import csp_hash
from d1lab.pages.wording import STATUSES, ReportFreshness, freshness

INDEX = "index.html"
ALL = "shops.html"  # the names of all shops, where there are several files
SHOPS = 1_000  # shops per file
DETAILED = 25  # shops whose reports are listed
SHOWN = 3  # key figures per report
OVERVIEW = "overview"  # the report that is listed first, and that the shop's name leads to


class IndexEntry(NamedTuple):
    """One report of one shop of one database."""

    newest: PageMeta  # page of the last run, successful or not
    good: PageMeta | None  # page of the last successful run, as in `latest.html`
    changes: tuple[FigureChange, ...]  # changes of its first key figures, as on its page
    freshness: ReportFreshness
    values: tuple[float, ...]  # its first key figure over the runs, oldest first
    earlier: tuple[EarlierPage, ...]  # newest first

    @property
    def status(self) -> str:
        """Status of the last run; of its verdict, if the run was successful."""
        run = self.newest.run
        if run.status != "done":
            return run.status
        return run.verdict.status if run.verdict else "neutral"

    @property
    def earlier_runs(self) -> Markup:
        """The links to earlier pages as list items; loops in a template would cost more."""
        items = (
            f'<li><a href="{quote(page.path)}">{escape(page.title)}</a> {escape(page.remark)}</li>'
            for page in self.earlier
        )
        return Markup("\n".join(items))

    @property
    def trend(self) -> Trend | None:
        """The trend of its first key figure; None for fewer than two values."""
        figures = self.good.figures if self.good else ()
        return _trend(figures[0], self.values) if figures else None

    @property
    def link(self) -> str:
        """Target of the link of the title."""
        folder = Path(self.newest.path).parent.as_posix()
        has_latest = self.good is not None and self.good.run.is_standard
        return quote(f"{folder}/{LATEST}" if has_latest else self.newest.path)


@dataclass(frozen=True)
class IndexShop:
    """The reports of one shop of one database, the overview first."""

    shop: str
    database: str
    entries: tuple[IndexEntry, ...]

    @property
    def overview(self) -> IndexEntry | None:
        """Its overview; None without one."""
        return next((e for e in self.entries if e.newest.run.report == OVERVIEW), None)

    @cached_property
    def advice(self) -> ShopAdvice:
        """What it is advised to do, by money."""
        return advice(self.entries, self.overview)

    @property
    def first(self) -> Action | None:
        """The action with the largest amount; None without one."""
        return self._first.action if self._first else None

    @property
    def first_link(self) -> str:
        """Target of the link to that action, in the report that has it; '' without one."""
        return self._first.href if self._first else ""

    @property
    def _first(self) -> ShopAction | None:
        return next((one for one in self.advice.first if one.action.amount is not None), None)

    @property
    def link(self) -> str:
        """Target of the link of the shop's name: its overview, or else its first report."""
        return (self.overview or self.entries[0]).link

    @property
    def week(self) -> ShopWeek | None:
        """The last week of its overview; None without one."""
        return ShopWeek.of(self.overview.good if self.overview else None)

    @property
    def currency(self) -> str | None:
        """The currency of its amounts, '' if it is not set; None without an amount."""
        if self.first:
            return self.first.currency
        return self.week.revenue.unit if self.week else None

    @property
    def most(self) -> float:
        """The amount of that action; 0 without one."""
        return (self.first.amount if self.first else None) or 0.0


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
    found = list(listings(reports_dir))
    set_menus(reports_dir, found)
    entries = _entries(found, now)
    shops = index_shops(entries)
    rows = shop_rows(shops)
    places = currency_places(row.currency for row in rows)
    parts = [rows[start : start + SHOPS] for start in range(0, len(rows), SHOPS)] or [[]]
    files = [INDEX, *(f"index-{number}.html" for number in range(2, len(parts) + 1))]
    shown = {
        "files": files if len(files) > 1 else (),
        "total": len(rows),
        "headline": headline(rows, sum(bool(shop.shop) for shop in shops)),
        "summary": summary(entries),
        "totals": totals([row.week for row in rows if row.week], [e.status for e in entries]),
        "places": places,
        "actions": largest(s for s in shops if not places or places.get(s.currency) == 0),
        "has_databases": len({row.database for row in rows}) > 1,
        "every": ALL,
        "made_at": now,
    }
    detailed = shops[:DETAILED]
    for name, part in zip(files, parts, strict=True):
        reports = detailed if name == INDEX else []
        page = {"name": name, "rows": part, "shops": reports, **_reports(reports)}
        _write(reports_dir / name, "index.html", "index.js", {**shown, **page})
    if len(files) > 1:
        ordered = sorted(rows, key=lambda row: (row.name, row.database))
        _write(reports_dir / ALL, "shops.html", "shops.js", {**shown, "rows": ordered})
    _remove_others(reports_dir, files)
    return reports_dir / INDEX


def _reports(shops: Sequence[IndexShop]) -> dict[str, Any]:
    """Return what the list of reports needs beside the shops."""
    entries = [entry for shop in shops for entry in shop.entries]
    named = [shop for shop in shops if shop.shop]
    return {
        "filters": _filters(entries),
        "trends": any(len(entry.values) > 1 for entry in entries),
        "is_open": len(named) <= 1 or not any(shop.overview for shop in shops),
    }


def _write(path: Path, template: str, script_name: str, shown: Mapping[str, Any]) -> None:
    script = own_script(script_name)
    style = palette_css() + asset("style.css") + asset("index.css")
    page = (
        environment()
        .get_template(template)
        .render(
            **shown,
            style=Markup(style),
            style_policy=csp_hash(style),
            script=Markup(script),
            policy=csp_hash(script),
        )
    )
    write(path, page.encode("utf-8", "replace").decode())


def _remove_others(reports_dir: Path, files: Sequence[str]) -> None:
    """Remove the files of an index of more shops."""
    for path in (*reports_dir.glob("index-*.html"), reports_dir / ALL):
        if path.name not in files and (path.name != ALL or len(files) == 1):
            path.unlink(missing_ok=True)


def index_entries(reports_dir: Path, now: datetime) -> list[IndexEntry]:
    """Build the entries of all reports, sorted by shop, database, and title."""
    return _entries(listings(reports_dir), now)


def _entries(found: Iterable[Listing], now: datetime) -> list[IndexEntry]:
    entries = [_entry(listing, now) for listing in found]
    return sorted(entries, key=lambda entry: (*_shop(entry), entry.newest.run.title))


def index_shops(entries: Sequence[IndexEntry]) -> list[IndexShop]:
    """Group entries by shop: the shop with the most money to act on first, then by name.

    Shops of one currency stay together, because amounts of two are not compared: those of the most
    shops first. Reports on all shops come last.

    Args:
        entries: Result of `index_entries`.
    """
    shops = [
        IndexShop(*place, tuple(sorted(of, key=lambda e: e.newest.run.report != OVERVIEW)))
        for place, of in groupby(entries, _shop)
    ]
    places = currency_places(shop.currency for shop in shops if shop.shop)
    last = len(places)
    return sorted(
        shops, key=lambda shop: (not shop.shop, places.get(shop.currency, last), -shop.most)
    )


def currency_places(currencies: Iterable[str | None]) -> dict[str | None, int]:
    """Return the place of each currency, that of the most shops first; none for a single one."""
    counts = Counter(currency for currency in currencies if currency is not None)
    ordered = sorted(counts, key=lambda currency: (-counts[currency], currency))
    return {currency: place for place, currency in enumerate(ordered)} if len(ordered) > 1 else {}


def _shop(entry: IndexEntry) -> tuple[str, str]:
    return entry.newest.run.shop, entry.newest.run.database


def summary(entries: Sequence[IndexEntry]) -> str:
    """Return a summary such as '18 reports: 4 need attention'."""
    told = notable(entry.status for entry in entries)
    return counted(len(entries), "report") + (f": {told}" if told else "")


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
        values=listing.values,
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
