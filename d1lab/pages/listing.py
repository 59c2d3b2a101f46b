"""What the index shows of one report, kept beside its pages.

A report has a page for each day, but the index shows one entry for it. The entry's content is
computed from the metadata of all its pages once, and kept in `.listing.json` until a page comes,
changes, or goes. The cost of the index then depends on the number of reports, not of days.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.display import Figure
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.pages.storage import PageMeta, meta_from_json, meta_to_json, read_folder, report_folders
from d1lab.pages.wording import STATUSES, day, moment, settings_of

_log = logging.getLogger(__name__)

FILE = ".listing.json"
EARLIER = 6  # maximum number of earlier runs listed; the folder has them all
DAYS = 12  # earlier pages in the menu of dates
TREND = 60  # maximum number of runs in a trend
SAME = "newest"  # the last successful page, where it is the newest
TICK_NS = 20_000_000  # at most between two times that a file system tells apart


class EarlierPage(NamedTuple):
    """A page that is only linked."""

    path: str  # relative to reports/
    title: str  # its day, or the time of its run
    remark: str  # custom parameters, status, and first key figure


class Listing(NamedTuple):
    """One report of one shop of one database."""

    newest: PageMeta  # page of the last run, successful or not
    good: PageMeta | None  # page of the last successful run, as in `latest.html`
    values: tuple[float, ...]  # its first key figure over the runs, oldest first
    earlier: tuple[EarlierPage, ...]  # newest first
    days: tuple[str, ...] = ()  # files of successful pages before `good`, newest first


def listings(reports_dir: Path) -> Iterator[Listing]:
    """Yield the listing of each report under `reports_dir`."""
    for folder in report_folders(reports_dir):
        found = _unchanged(folder) or _examined(folder)
        if found is not None:
            yield found


def summarize(pages: Sequence[PageMeta]) -> Listing | None:
    """Summarize the pages of one report; None without any."""
    if not pages:
        return None
    own = [page for page in pages if page.run.is_standard] or pages  # variants are only listed
    newest = max(own, key=lambda page: page.run.started_at)
    good = sorted((page for page in own if page.run.status == "done"), key=_day)
    last = good[-1] if good else None
    first = last.figures[0] if last and last.figures else None
    listed = sorted((page for page in pages if page not in (last, newest)), key=_day, reverse=True)
    return Listing(
        newest=newest,
        good=last,
        values=tuple(_values(first, good[-TREND:])) if first else (),
        earlier=tuple(_earlier(page) for page in listed[:EARLIER]),
        days=tuple(Path(page.path).name for page in good[-2 : -2 - DAYS : -1]),
    )


def _values(figure: Figure, pages: Iterable[PageMeta]) -> Iterator[float]:
    for shown in (each for page in pages for each in page.figures):
        if shown.key == figure.key and shown.value is not None:
            yield float(shown.value)


def _earlier(page: PageMeta) -> EarlierPage:
    run = page.run
    remarks = (
        settings_of(run)[:60],
        "" if run.status == "done" else STATUSES[run.status].lower(),
        page.figures[0].shown()[:30] if page.figures else "",
    )
    title = day(run.as_of) if run.as_of else moment(run.started_at)
    return EarlierPage(page.path, title, " ".join(filter(None, remarks)))


def _day(page: PageMeta) -> tuple[str, datetime]:
    return page.run.as_of.isoformat() if page.run.as_of else "", page.run.started_at


def _unchanged(folder: Path) -> Listing | None:
    """Return the kept listing if the folder was last changed before its pages were read for it.

    Two times of the same file system tell that, however many pages there are.
    """
    with suppress(OSError):
        if folder.stat().st_mtime_ns < (folder / FILE).stat().st_mtime_ns - TICK_NS:
            return _kept(folder)
    return None


def _examined(folder: Path) -> Listing | None:
    """Return the listing; if the pages are not those that it was kept for, of the pages now."""
    read_at = _touched(folder / FILE)
    state = _state(folder)
    found = _kept(folder, state) or summarize(list(read_folder(folder)))
    if found is not None:
        _keep(folder, state, found, read_at)
    return found


def _touched(path: Path) -> int | None:
    """Return the time of the file system, which can differ from that of this machine."""
    try:
        path.touch()
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _state(folder: Path) -> str:
    """Return a digest of the pages' names, and of the sizes and times of their metadata."""
    with os.scandir(folder) as entries:
        files = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    pages = sorted(name for name in files if name.endswith(".html"))
    stats = ((name, files[name].stat()) for name in sorted(files) if name.endswith(".json"))
    return digest(json.dumps([pages, [(n, s.st_size, s.st_mtime_ns) for n, s in stats]]))


def _kept(folder: Path, state: str | None = None) -> Listing | None:
    """Return the kept listing; None if it is not that of the given state."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, InputError):
        kept = json.loads((folder / FILE).read_bytes())
        if state in (None, kept["state"]):
            newest, good = meta_from_json(kept["newest"]), kept["good"]
            return Listing(
                newest,
                newest if good == SAME else meta_from_json(good) if good else None,
                tuple(kept["values"]),
                tuple(EarlierPage(*page) for page in kept["earlier"]),
                tuple(kept["days"]),
            )
    return None


def _keep(folder: Path, state: str, found: Listing, read_at: int | None) -> None:
    """Keep a listing for the next index; a folder that cannot be written is no error.

    The file is overwritten in place: to rename another one would change the folder's time. A torn
    write is read as damaged, and computed again.
    """
    path, good = folder / FILE, found.good
    same = good is not None and good == found.newest
    kept: dict[str, Any] = {
        "state": state,
        "newest": meta_to_json(found.newest),
        "good": SAME if same else meta_to_json(good) if good else None,
        "values": found.values,
        "earlier": found.earlier,
        "days": found.days,
    }
    try:
        path.write_text(json.dumps(kept), encoding="utf-8")
        if read_at is not None:
            os.utime(path, ns=(read_at, read_at))
    except (OSError, ValueError) as error:
        _log.debug("%s cannot be kept: %s", path, error)
