"""Polite page fetching: robots.txt, per-host delay, redirect limits.

Only http and https URLs are fetched. At most five redirects are followed, each subject to the
target site's rules, and never from the public Internet into a private network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from d1lab.errors import InputError
from d1lab.ingest.prices.http import Address, Answer, Exchange, NotPublic, Unreachable, is_public
from d1lab.ingest.prices.observations import url_of
from d1lab.version import __version__

if TYPE_CHECKING:
    from protego import Protego


NAME = "d1lab"  # the product token for rules in robots.txt
MOST_BYTES = 512_000  # of a robots.txt; the rest is ignored (RFC 9309, 2.5)


class Rules(NamedTuple):
    """The rules of one site."""

    parser: Protego | None = None  # None: no rules
    forbidden: str | None = None  # why no page can be fetched
    delay_seconds: float = 0.0  # requested by the site between two pages

    def require(self, url: str) -> None:
        """Raise InputError if a page must not be fetched."""
        if self.forbidden:
            raise InputError(self.forbidden)
        if self.parser and not self.parser.can_fetch(url, NAME):
            raise InputError("blocked by robots.txt")


def rules(status: int, body: bytes) -> Rules:
    """Parse the response to /robots.txt.

    Args:
        status: The HTTP status, after redirects.
        body: The content, read as UTF-8.

    A site without the file (400 to 499) allows everything; with a server error (500 and above, and
    429) it allows nothing. Crawl-delay and Request-rate are not in the RFC, but obeyed.
    """
    if 200 <= status < 300:
        return _parsed(body[:MOST_BYTES].decode("utf-8-sig", "replace"))
    if 400 <= status < 500 and status != 429:
        return Rules()
    return unreachable(f"returned HTTP {status}")


def unreachable(why: str) -> Rules:
    """Return the rules of a site whose robots.txt could not be read: nothing is allowed."""
    return Rules(forbidden=f"robots.txt {why}, so no page of this site is fetched")


def _parsed(text: str) -> Rules:
    from protego import Protego

    parser = Protego.parse(text)
    rate = parser.request_rate(NAME)
    paces = (parser.crawl_delay(NAME) or 0.0, rate.seconds / rate.requests if rate else 0.0)
    return Rules(parser, delay_seconds=max(paces))


DELAY_SECONDS = 2.0
MAX_REDIRECTS = 5
PAGE_BYTES = 5_000_000
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 120.0  # longer pauses are not waited for
BUSY_SECONDS = 30.0  # the wait if a busy server gives no time

_PAGES = ("text/html", "application/xhtml+xml", "")


class Busy(InputError):
    """The site is busy; try again after this many seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Clock(NamedTuple):
    """Time and sleep; tests pass one that does not sleep."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


class Page(NamedTuple):
    """A page as received."""

    html: bytes
    charset: str | None  # from the Content-Type header


class Visitor:
    """Fetches pages, with a pause between requests to the same host.

    Args:
        delay_seconds: The pause; a longer one in robots.txt takes precedence.
        contact: A contact address for site owners, for the User-Agent; can be empty.
        answer_seconds: The time limit per response.
        clock: Time and sleep.
        is_public: Whether an address is public.

    Raises:
        InputError: The contact is not valid in a header.
    """

    def __init__(
        self,
        *,
        delay_seconds: float = DELAY_SECONDS,
        contact: str = "",
        answer_seconds: float = ANSWER_SECONDS,
        clock: Clock | None = None,
        is_public: Callable[[Address], bool] = is_public,
    ) -> None:
        self._exchange = Exchange(user_agent(contact), answer_seconds, is_public)
        self._clock, self._delay = clock or Clock(), delay_seconds
        self._rules: dict[httpx2.URL, Rules] = {}
        self._delays: dict[str, float] = {}
        self._ready: dict[str, float] = {}

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def ready_in(self, host: str) -> float:
        """Return the seconds until a host can be requested again; 0 for now."""
        return max(0.0, self._ready.get(host, 0.0) - self._clock.now())

    def postpone(self, host: str, seconds: float) -> None:
        """Send no requests to a host for a while."""
        self._ready[host] = max(self._ready.get(host, 0.0), self._clock.now() + seconds)

    def visit(self, address: str) -> Page:
        """Fetch a page, after its host's pause.

        Raises:
            Busy: The site is busy and asks for a later retry.
            Unreachable: The site did not respond, or had a server error.
            InputError: robots.txt or d1lab's limits forbid it, or it is not a page.
        """
        url, only_public = httpx2.URL(url_of(address)).copy_with(fragment=None), False
        for _ in range(MAX_REDIRECTS + 1):
            self._rules_of(url, only_public).require(str(url))
            answer = self._ask(url, PAGE_BYTES, only_public)
            if not _leads_on(answer):
                return _page(answer)
            url, only_public = _next(url, answer), only_public or answer.public
        raise InputError(f"more than {MAX_REDIRECTS} redirects")

    def _ask(
        self, url: httpx2.URL, most_bytes: int, only_public: bool, *, is_rules: bool = False
    ) -> Answer:
        """Send one request after the pause, and start the host's next pause."""
        pause = self.ready_in(url.host)
        if pause > PATIENCE_SECONDS:
            raise Busy(
                (
                    f"the site requires a pause of {pause:,.0f} s. Skipped; run the command "
                    "again later."
                ),
                pause,
            )
        self._clock.sleep(pause)
        try:
            return self._exchange.get(url, most_bytes, cut=is_rules, only_public=only_public)
        finally:
            pause = self._delay if is_rules else self._delays.get(url.host, self._delay)
            self.postpone(url.host, pause)

    def _rules_of(self, url: httpx2.URL, only_public: bool) -> Rules:
        """Return a site's rules, fetched once."""
        site = httpx2.URL(scheme=url.scheme, host=url.host, port=url.port, path="/robots.txt")
        if site not in self._rules:
            self._rules[site] = found = self._read_rules(site, only_public)
            known = self._delays.get(url.host, self._delay)
            self._delays[url.host] = max(known, found.delay_seconds)
        return self._rules[site]

    def _read_rules(self, site: httpx2.URL, only_public: bool) -> Rules:
        url = site
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._ask(url, MOST_BYTES, only_public, is_rules=True)
                if not _leads_on(answer):
                    return rules(answer.status, answer.body)
                url, only_public = _next(url, answer), only_public or answer.public
        except (NotPublic, Busy):  # not about the site's rules
            raise
        except InputError as error:
            return unreachable(f"cannot be read ({error})")
        return unreachable(f"has more than {MAX_REDIRECTS} redirects")


def user_agent(contact: str) -> str:
    """Return the User-Agent header.

    Raises:
        InputError: The contact is not valid in a header.
    """
    if not contact.isascii() or not contact.isprintable() or len(contact) > 200:
        raise InputError("invalid --contact. Use an email address or URL in ASCII.")
    return f"{NAME}/{__version__} (competitor prices{f'; {contact}' if contact else ''})"


def _leads_on(answer: Answer) -> bool:
    return answer.status in (301, 302, 303, 307, 308)


def _next(url: httpx2.URL, answer: Answer) -> httpx2.URL:
    """Return the target of a redirect."""
    try:
        found = url.join(answer.headers.get("location", ""))
    except httpx2.InvalidURL as error:
        raise InputError(f"the page redirects to an invalid URL: {error}") from None
    url_of(str(found))
    return found.copy_with(fragment=None)


def _page(answer: Answer) -> Page:
    if answer.status in (429, 503):
        wait = _retry_after(answer)
        raise Busy(f"HTTP {answer.status}: the server asks to retry after {wait:,.0f} s", wait)
    if answer.status >= 500:
        raise Unreachable(f"HTTP {answer.status}")
    if answer.status != 200:
        gone = ": page not found" if answer.status in (404, 410) else ""
        raise InputError(f"HTTP {answer.status}{gone}")
    header = Message()
    header["content-type"] = answer.headers.get("content-type", "")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _PAGES:
        raise InputError(f"not an HTML page (content type {kind[:40]!r})")
    return Page(answer.body, header.get_content_charset())


def _retry_after(answer: Answer) -> float:
    """Parse Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    given = answer.headers.get("retry-after", "")
    try:
        if given.strip().isdigit():
            return float(given)
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # missing, not a date, or a date without a zone
        return BUSY_SECONDS
