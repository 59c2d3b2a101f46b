"""What a site's robots.txt allows us, by RFC 9309."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d1lab.errors import InputError

if TYPE_CHECKING:
    from protego import Protego

NAME = "d1lab"  # the product token that rules may be addressed to
MOST_BYTES = 512_000  # of a robots.txt; what stands behind is not read (RFC 9309, 2.5)


class Rules(NamedTuple):
    """The rules of one site."""

    parser: Protego | None = None  # None: no rule
    forbidden: str | None = None  # why nothing may be fetched at all
    delay_seconds: float = 0.0  # that the site asks for between two pages

    def require(self, url: str) -> None:
        """Raise InputError where a page may not be fetched."""
        if self.forbidden:
            raise InputError(self.forbidden)
        if self.parser and not self.parser.can_fetch(url, NAME):
            raise InputError("robots.txt does not allow this page")


def rules(status: int, body: bytes) -> Rules:
    """The rules that an answer to /robots.txt makes.

    Args:
        status: Of the answer, after redirects.
        body: What it says; read as UTF-8.

    A site without the file (400 to 499) allows everything; one that cannot say (500 and more, and
    429) allows nothing. Crawl-delay and Request-rate are no part of the RFC, and kept.
    """
    if 200 <= status < 300:
        return _parsed(body[:MOST_BYTES].decode("utf-8-sig", "replace"))
    if 400 <= status < 500 and status != 429:
        return Rules()
    return unreachable(f"answered {status}")


def unreachable(why: str) -> Rules:
    """The rules of a site whose robots.txt could not be read: nothing is allowed."""
    return Rules(forbidden=f"robots.txt {why}: without it no page of this site is fetched")


def _parsed(text: str) -> Rules:
    from protego import Protego

    parser = Protego.parse(text)
    rate = parser.request_rate(NAME)
    paces = (parser.crawl_delay(NAME) or 0.0, rate.seconds / rate.requests if rate else 0.0)
    return Rules(parser, delay_seconds=max(paces))
