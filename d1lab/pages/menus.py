"""Menus of shop, report, and date in the bar of a page: links to other files of the same folder.

A page is written before later reports and days have theirs. Its menus are therefore set when the
index is written, between two marks in the page; `.menus.json` says what they were set for.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from d1lab.files import write
from d1lab.pages.listing import Listing
from d1lab.pages.storage import LATEST, link_latest
from d1lab.pages.wording import clip, day

_log = logging.getLogger(__name__)

FILE = ".menus.json"
START, END = "<!--menus-->", "<!--/menus-->"
MOST_SHOPS = 25  # in a menu; with more, it leads to the index, so that pages stay small
OVERVIEW = "overview"  # the report that is listed first, and that a shop leads to

_TOP = "../../.."  # reports/, from a page
_Mark = tuple[int, int]  # what the menus of a page were made of, as a checksum; time of its file


class _Link(NamedTuple):
    """One entry of a menu."""

    href: str
    text: str
    note: str = ""


class _Bar(NamedTuple):
    """The menus of all pages of a report, each with its own entry."""

    one: Listing
    shops: tuple[_Link, ...]
    reports: tuple[_Link, ...]
    checksum: int

    def of(self, name: str, shown: date | None = None) -> Markup:
        """Return the menus of the page with this file name, and day if the name is not one."""
        shop, report, dates = _shop_name(self.one), _title(self.one), _dates(self.one)
        menus = (
            _menu("Shop", Markup("<b>{}</b>").format(shop), self.shops, shop),
            _menu("Report", escape(report), self.reports, report),
            _menu(
                "Date",
                Markup('<span class="nw">{}</span>').format(day(shown) if shown else _day_of(name)),
                dates,
                name,
            ),
        )
        return Markup('<span class="sep" aria-hidden="true">/</span>').join(menus)


def set_menus(reports_dir: Path, found: Iterable[Listing]) -> None:
    """Set the menus of the newest pages, and those of older pages that have none.

    A page is written only if its menus are not those that it has.

    Args:
        reports_dir: Folder of all pages.
        found: The listing of each report.
    """
    known, kept = _known(reports_dir), dict[str, _Mark]()
    for bar in _bars(_by_shop(found)):
        one, folder = bar.one, _folder(bar.one)
        newest = {page.path: page for page in (one.newest, one.good) if page}
        for path, page in newest.items():
            kept[path] = _set(reports_dir / path, bar, page.run.as_of, known.get(path))
        for name in one.days:
            path = f"{folder}/{name}"
            if path not in newest:
                kept[path] = known.get(path) or _set(reports_dir / path, bar)
    if kept != known:
        with suppress(OSError):
            write(reports_dir / FILE, json.dumps(kept))


def _known(reports_dir: Path) -> dict[str, _Mark]:
    with suppress(OSError, ValueError, AttributeError, TypeError, IndexError):
        kept = json.loads((reports_dir / FILE).read_bytes())
        return {path: (mark[0], mark[1]) for path, mark in kept.items()}
    return {}


def _by_shop(found: Iterable[Listing]) -> list[list[Listing]]:
    """Return the reports of each shop, the overview first; shops by name, all data last."""
    shops = [list(of) for _, of in groupby(sorted(found, key=_shop_of), _shop_of)]
    for of in shops:
        of.sort(key=lambda one: (one.newest.run.report != OVERVIEW, one.newest.run.title))
    return shops


def _shop_of(one: Listing) -> tuple[bool, str, str]:
    run = one.newest.run
    return not run.shop, run.shop, run.database


def _bars(shops: Sequence[Sequence[Listing]]) -> Iterator[_Bar]:
    """Yield the menus of each report."""
    several = len({of[0].newest.run.database for of in shops}) > 1
    all_shops = (_Link(f"{_TOP}/index.html", "All shops"),)
    if len(shops) <= MOST_SHOPS:
        all_shops = tuple(_shop_link(of[0], several) for of in shops)
    for of in shops:
        reports = tuple(_Link(f"{_TOP}/{_newest(one)}", _title(one)) for one in of)
        shared = zlib.crc32(repr((all_shops, reports)).encode("utf-8", "replace"))
        for one in of:
            own = (one.newest.path, one.good and one.good.path, one.newest.run.title, one.days)
            yield _Bar(
                one, all_shops, reports, zlib.crc32(repr(own).encode("utf-8", "replace"), shared)
            )


def _shop_link(first: Listing, several: bool) -> _Link:
    run = first.newest.run
    note = clip(run.database, 40) if several and run.shop else ""
    return _Link(f"{_TOP}/{_newest(first)}", _shop_name(first), note)


def _dates(one: Listing) -> tuple[_Link, ...]:
    if one.good is None:
        return ()
    names = (one.good.path.rpartition("/")[2], *one.days)
    days = tuple(_Link(name, _day_of(name)) for name in dict.fromkeys(names))
    return (_Link(LATEST, "Latest"), *days) if one.good.run.is_standard else days


def _title(one: Listing) -> str:
    return clip(one.newest.run.title, 60)


def _shop_name(one: Listing) -> str:
    return clip(one.newest.run.shop or one.newest.run.database, 60)


def _folder(one: Listing) -> str:
    return one.newest.path.rpartition("/")[0]


def _newest(one: Listing) -> str:
    """Return the path of the page that a link to a report leads to."""
    has_latest = one.good is not None and one.good.run.is_standard
    return f"{_folder(one)}/{LATEST}" if has_latest else one.newest.path


def _day_of(name: str) -> str:
    """Return the day of a page by its file's name."""
    with suppress(ValueError):
        return day(date.fromisoformat(name[:10]))
    return name.removesuffix(".html")


def _menu(label: str, shown: Markup, links: Iterable[_Link], own: str) -> Markup:
    """Return a menu; its own entry is the one with that text, or to that file."""
    return Markup(
        '<details class="menu" name="menu"><summary><span class="sr">{}: </span>{}</summary>'
        "<ul>{}</ul></details>"
    ).format(
        label, shown, Markup("").join(_entry(one, own in (one.text, one.href)) for one in links)
    )


def _entry(one: _Link, is_own: bool) -> Markup:
    current = Markup(' aria-current="page"') if is_own else ""
    note = Markup(" <span>{}</span>").format(one.note) if one.note else ""
    return Markup('<li><a href="{}"{}>{}{}</a></li>').format(
        quote(one.href), current, one.text, note
    )


def _set(path: Path, bar: _Bar, shown: date | None = None, mark: _Mark | None = None) -> _Mark:
    """Write the menus into a page unless it has them; return their mark."""
    try:
        if mark != (bar.checksum, path.stat().st_mtime_ns):
            _write(path, str(bar.of(path.name, shown)))
        return bar.checksum, path.stat().st_mtime_ns
    except OSError as error:
        _log.debug("the menus of %s cannot be set: %s", path, error)
        return 0, 0


def _write(path: Path, menus: str) -> None:
    page = path.read_text(encoding="utf-8")
    start, end = page.find(START) + len(START), page.find(END)
    changed = page[:start] + menus + page[end:]
    if len(START) <= start <= end and changed != page:
        latest = path.with_name(LATEST)
        is_latest = latest.is_file() and latest.read_bytes() == path.read_bytes()
        write(path, changed)
        if is_latest:
            link_latest(path)
