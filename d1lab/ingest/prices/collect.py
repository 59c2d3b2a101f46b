"""Collect prices from a list of pages: fetch hosts in turn, parse, and write as they arrive.

Every page results in a price or in a rejected line with its reason. One request runs at a time;
during one host's pause, other hosts are requested. Prices are written every few pages, and a
recently fetched page is not fetched again, so an interrupted round can be repeated.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import httpx2
import orjson

from d1lab.d1.database import Database
from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.ingest.events import Progress
from d1lab.ingest.prices.fetch import PATIENCE_SECONDS, Busy, Visitor
from d1lab.ingest.prices.http import Unreachable
from d1lab.ingest.prices.markup import markups
from d1lab.ingest.prices.observations import (
    Line,
    Observation,
    PricesResult,
    currency_of,
    read_lines,
    rejected_line,
    text,
    url_of,
    write,
)
from d1lab.ingest.prices.offers import Wanted, find_offer
from d1lab.ingest.rejected import RejectedLine

NEEDED = ("shop", "sku", "competitor", "url")
FIELDS = (*NEEDED, "competitor_sku", "currency")


class Watch(NamedTuple):
    """One page to fetch."""

    line: int
    shop: str
    sku: str
    competitor: str
    url: str
    competitor_sku: str | None = None  # its SKU, GTIN, or MPN there, for multi-product pages
    currency: str | None = None  # for pages with several


def read_watchlist(path: Path) -> tuple[list[Watch], list[RejectedLine]]:
    """Read the pages of a list, and the rejected lines.

    Args:
        path: A .csv or .parquet file with the columns of `NEEDED`, and optionally of `FIELDS`.

    Raises:
        InputError: The file does not exist or cannot be read, or a column is missing.
        UnknownName: A column is not in `FIELDS`.
    """
    watches: dict[tuple[str, str, str], Watch] = {}
    rejected: list[RejectedLine] = []
    for line in read_lines(path, FIELDS, NEEDED):
        try:
            watch = _checked(line)
            if watch[1:4] in watches:
                raise InputError(f"{watch.competitor} is listed for {watch.sku} in an earlier line")
        except InputError as error:
            number, _, cells = line
            rejected.append(rejected_line(number, cells["sku"], cells["competitor"], str(error)))
        else:
            watches[watch[1:4]] = watch
    return list(watches.values()), rejected


def _checked(line: Line) -> Watch:
    number, problem, cells = line
    if problem:
        raise InputError(problem)
    shop, sku, competitor = (text(name, cells[name]) for name in ("shop", "sku", "competitor"))
    if not cells["url"]:
        raise InputError("url is missing")
    currency = currency_of(cells["currency"]) if cells["currency"] else None
    return Watch(
        number, shop, sku, competitor, url_of(cells["url"]), cells["competitor_sku"], currency
    )


AGAIN_AFTER_HOURS = 12.0
MAX_FAILURES = 3  # in a row; then the host's other pages are skipped
WRITE_PAGES = 25

_LATELY = """
SELECT listed.key FROM json_each(?1) AS listed
WHERE EXISTS (
    SELECT 1 FROM competitor_prices
    WHERE shop = json_extract(listed.value, '$[0]') AND sku = json_extract(listed.value, '$[1]')
        AND competitor = json_extract(listed.value, '$[2]')
        AND observed_at > ?2 AND source = 'page'
)
"""
_ASKED_AT_ONCE = 2_000

Now = Callable[[], datetime]


def collect_prices(
    db: Database | None,
    path: Path,
    visitor: Visitor,
    *,
    again_after_hours: float = AGAIN_AFTER_HOURS,
    now: Now = lambda: datetime.now(UTC),
    progress: Progress | None = None,
) -> PricesResult:
    """Fetch the pages of a list and write their prices.

    Args:
        db: A database with the table `competitor_prices`; None for a dry run, which fetches the
            pages and writes nothing.
        path: The list, in the format of `watchlist`.
        visitor: The page fetcher.
        again_after_hours: Skip pages that were fetched within this time.
        now: The current time.
        progress: Called after each page.

    Raises:
        InputError: The list is invalid, or the packages for product pages are not installed.
        UnknownName: A column of the list is unknown.
    """
    start = monotonic()
    require("prices", "Reading product pages")
    watches, rejected = read_watchlist(path)
    due = _due(db, watches, now() - timedelta(hours=again_after_hours)) if db else watches
    tour = Round(db, due, visitor, now)
    try:
        while tour.left:
            tour.step()
            if progress:
                progress("pages", len(due) - tour.left, len(due))
    finally:
        tour.write()
    rejected = tuple(sorted([*rejected, *tour.rejected]))
    received, known = len(watches) + len(rejected) - len(tour.rejected), len(watches) - len(due)
    seen = tuple(tour.seen)
    return PricesResult(received, tour.written, known, rejected, monotonic() - start, seen)


def _due(db: Database, watches: Sequence[Watch], since: datetime) -> list[Watch]:
    """Return the pages that were not fetched since a time."""
    due: list[Watch] = []
    moment = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    for start in range(0, len(watches), _ASKED_AT_ONCE):
        some = watches[start : start + _ASKED_AT_ONCE]
        keys = orjson.dumps([watch[1:4] for watch in some]).decode()
        rows = db.query(_LATELY, (keys, moment), table="competitor_prices").rows
        known = {place for (place,) in rows}
        due += [watch for place, watch in enumerate(some) if place not in known]
    return due


class Round:
    """The remaining pages, by host, and the results of the others."""

    def __init__(
        self, db: Database | None, watches: Sequence[Watch], visitor: Visitor, now: Now
    ) -> None:
        self._db, self._visitor, self._now = db, visitor, now
        self._hosts: dict[str, deque[Watch]] = {}
        for watch in watches:
            self._hosts.setdefault(httpx2.URL(watch.url).host, deque()).append(watch)
        self._put_off: set[Watch] = set()
        self._failures: Counter[str] = Counter()
        self._unwritten: list[Observation] = []
        self.seen: list[Observation] = []
        self.rejected: list[RejectedLine] = []
        self.written = 0

    @property
    def left(self) -> int:
        """The number of pages to fetch."""
        return sum(map(len, self._hosts.values()))

    def step(self) -> None:
        """Fetch a page of the host that is ready first, or skip the host's pages."""
        host = min(self._hosts, key=self._visitor.ready_in)
        pause = self._visitor.ready_in(host)
        if pause > PATIENCE_SECONDS:
            self._leave(
                host,
                f"the site requires a pause of {pause:,.0f} s. Skipped; "
                "run the command again later.",
            )
        else:
            self._look(host, self._hosts[host].popleft())
        if not self._hosts[host]:
            del self._hosts[host]
        if len(self._unwritten) >= WRITE_PAGES:
            self.write()

    def write(self) -> None:
        """Write the prices found since the last write."""
        some, self._unwritten = self._unwritten, []
        if self._db and some:
            self.written += write(self._db, some)

    def _look(self, host: str, watch: Watch) -> None:
        try:
            found = self._observed(watch)
        except Busy as error:
            self._put_off_or_reject(host, watch, error)
        except Unreachable as error:
            self._reject(watch, str(error))
            self._failures[host] += 1
            if self._failures[host] == MAX_FAILURES:
                self._leave(host, f"{host} failed {MAX_FAILURES} times in a row. Skipped.")
        except InputError as error:
            self._reject(watch, str(error))
            self._failures[host] = 0
        else:
            self._failures[host] = 0
            self.seen.append(found)
            self._unwritten.append(found)

    def _observed(self, watch: Watch) -> Observation:
        page = self._visitor.visit(watch.url)
        moment = self._now().astimezone(UTC).replace(tzinfo=None, microsecond=0)
        wanted = Wanted(watch.competitor_sku, watch.sku, watch.currency)
        offer = find_offer(markups(page.html, page.charset), wanted, moment.date())
        named = (watch.shop, watch.sku, watch.competitor)
        return Observation(*named, *offer, watch.url, moment, "page")

    def _put_off_or_reject(self, host: str, watch: Watch, error: Busy) -> None:
        """Retry a busy site once, after the delay that it requests if that is short."""
        self._visitor.postpone(host, error.seconds)
        if watch in self._put_off:
            self._reject(watch, str(error))
        else:
            self._put_off.add(watch)
            self._hosts[host].appendleft(watch)

    def _leave(self, host: str, reason: str) -> None:
        for watch in self._hosts[host]:
            self._reject(watch, reason)
        self._hosts[host].clear()

    def _reject(self, watch: Watch, reason: str) -> None:
        self.rejected.append(rejected_line(watch.line, watch.sku, watch.competitor, reason))
