"""Polite fetching over HTTP, from servers on loopback that behave well, badly, or maliciously."""

from __future__ import annotations

import gzip
import time
from contextlib import suppress
from threading import Event

import pytest

from d1lab.errors import InputError
from d1lab.ingest.prices.fetch import Busy, Visitor, user_agent
from d1lab.ingest.prices.http import Unreachable


def reason(visitor: Visitor, url: str) -> str:
    with pytest.raises(InputError) as caught:
        visitor.visit(url)
    return str(caught.value)


def test_visit_identifies_d1lab(site, visitor):
    """robots.txt and the page are requested with d1lab's name and the contact."""
    page = visitor.visit(site.product("/sock"))
    assert b"Winter sock" in page.html
    assert page.charset == "utf-8"
    assert site.paths == ["/robots.txt", "/sock"]
    assert {asked.agent for asked in site.asked} == {user_agent("mail@shop.example")}
    assert site.asked[0].agent.startswith("d1lab/")


@pytest.mark.parametrize("contact", ["a\r\nX-Evil: 1", "ü@shop.example", "x" * 201])
def test_visitor_rejects_a_contact_that_breaks_the_header(contact):
    """A contact cannot inject a second header."""
    with pytest.raises(InputError, match="--contact"):
        Visitor(contact=contact)


# robots.txt


def test_visit_obeys_robots(site, visitor):
    """Rules for d1lab precede those for all; anything else is allowed; robots.txt is read once."""
    site.robots("User-agent: *\nDisallow: /\n\nUser-agent: D1Lab\nDisallow: /private\nAllow: /\n")
    site.product("/private/sock")
    assert visitor.visit(site.product("/sock")).html
    assert reason(visitor, site.url("/private/sock")) == "blocked by robots.txt"
    assert reason(visitor, site.url("/priv%61te/sock")) == "blocked by robots.txt"
    assert site.paths == ["/robots.txt", "/sock"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_visit_without_robots_is_allowed(site, visitor, status):
    """RFC 9309, 2.3.1.3: without a robots.txt, everything is allowed."""
    site.robots("User-agent: *\nDisallow: /", status=status)
    assert visitor.visit(site.product("/sock")).html


@pytest.mark.parametrize("status", [429, 500, 503])
def test_visit_with_a_failing_robots_is_not_allowed(site, visitor, status):
    """RFC 9309, 2.3.1.4: if robots.txt cannot be read, nothing is allowed."""
    site.robots("", status=status)
    said = reason(visitor, site.product("/sock"))
    assert said.startswith(f"robots.txt returned HTTP {status}, so no page")
    assert site.paths == ["/robots.txt"]


def test_visit_with_an_unreachable_robots_is_not_allowed(site, visitor):
    """If the server does not respond, no page is requested."""
    url = site.url("/sock")
    site.close()
    assert reason(visitor, url).startswith("robots.txt cannot be read (no response:")


def test_visit_follows_robots_that_moved(site, other, visitor):
    """It follows up to five redirects, also to another site (RFC 9309, 2.3.1.2)."""
    site.page("/robots.txt", "", 301, location=other.url("/rules"))
    other.page("/rules", "User-agent: *\nDisallow: /sock")
    assert reason(visitor, site.product("/sock")) == "blocked by robots.txt"
    site.page("/robots.txt", "", 302, location="/robots.txt")


def test_visit_ignores_robots_in_a_redirect_loop(site, visitor):
    """Endless redirects count as a missing robots.txt."""
    site.page("/robots.txt", "", 302, location="/robots.txt")
    assert "has more than 5 redirects" in reason(visitor, site.product("/sock"))


def test_visit_reads_the_beginning_of_a_huge_robots(site, visitor):
    """500 kB are read, as the RFC requires, and hostile bytes do no harm."""
    site.robots("User-agent: *\nDisallow: /sock\n" + "# \x00\xff filler\n" * 100_000)
    assert reason(visitor, site.product("/sock")) == "blocked by robots.txt"


# Pauses


def test_visit_keeps_a_delay(site, visitor, clock):
    """There are two seconds between requests to a host, including robots.txt, and none before."""
    for name in ("/a", "/b"):
        visitor.visit(site.product(name))
    assert [asked.at - site.asked[0].at for asked in site.asked] == [0, 2, 4]


@pytest.mark.parametrize("line", ["Crawl-delay: 10", "Request-rate: 6/1m"])
def test_visit_keeps_a_longer_delay_of_robots(site, visitor, line):
    """There are ten seconds between pages; the delay after robots.txt itself is the default."""
    site.robots(f"User-agent: *\n{line}\n")
    for name in ("/a", "/b", "/c"):
        visitor.visit(site.product(name))
    assert [asked.at - site.asked[0].at for asked in site.asked] == [0, 2, 12, 22]


def test_visit_keeps_the_default_delay_if_robots_allows_less(site, visitor):
    """Crawl-delay: 0 does not shorten it."""
    site.robots("User-agent: *\nCrawl-delay: 0\n")
    for name in ("/a", "/b"):
        visitor.visit(site.product(name))
    assert [asked.at - site.asked[0].at for asked in site.asked] == [0, 2, 4]


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", 30), ("soon", 30), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
@pytest.mark.parametrize("status", [429, 503])
def test_visit_respects_retry_after(site, visitor, status, header, seconds):
    """It can be in seconds or a date; without it, a busy server is retried after 30 seconds."""
    site.page("/sock", "", status, retry_after=header)
    with pytest.raises(Busy, match=f"HTTP {status}") as caught:
        visitor.visit(site.url("/sock"))
    assert caught.value.seconds == seconds


# Redirects


def test_visit_follows_a_redirect_by_the_rules_of_its_target(site, other, visitor):
    """The second site's robots.txt applies to the second site."""
    other.robots("User-agent: *\nDisallow: /private\n")
    for name in ("/open", "/private"):
        site.page(f"/to{name}", "", 302, location=other.product(name))
    assert visitor.visit(site.url("/to/open")).html
    assert reason(visitor, site.url("/to/private")) == "blocked by robots.txt"
    assert other.paths == ["/robots.txt", "/open"]


def test_visit_follows_five_redirects(site, visitor):
    """A sixth is not followed; relative addresses are resolved."""
    for number in range(1, 7):
        site.page(f"/{number}", "", 301, location=f"{number - 1}")
    site.product("/0")
    assert visitor.visit(site.url("/5")).html
    assert reason(visitor, site.url("/6")) == "more than 5 redirects"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///etc/passwd", "is not an http or https address"),
        ("ftp://127.0.0.1/x", "is not an http or https address"),
        ("http://user:secret@127.0.0.1/", "url contains a user name or password"),
        ("http://127.0.0.1:abc/", "the page redirects to an invalid URL: Invalid port"),
    ],
)
def test_visit_follows_no_other_address(site, visitor, location, said):
    """Only http and https are followed, and passwords are not shown."""
    site.page("/sock", "", 302, location=location)
    told = reason(visitor, site.url("/sock"))
    assert said in told
    assert "secret" not in told


def test_visit_is_not_led_into_a_private_network(site, other, clock):
    """No redirect leads from a public address to a private one, not even for robots.txt."""
    public = {site.port}
    visitor = Visitor(clock=clock.clock(), is_public=lambda address: address[1] in public)
    site.page("/sock", "", 302, location=other.product("/secret"))
    try:
        assert "redirect to a private network blocked" in reason(visitor, site.url("/sock"))
        assert other.asked == []
        assert visitor.visit(other.url("/secret")).html  # the list itself may name such pages
    finally:
        visitor.close()


# Limits


def test_visit_rejects_a_response_that_is_too_large(site, visitor):
    """The limit of 5 MB applies after unpacking, because a small gzip can contain any amount."""
    site.page("/large", b"x" * 5_000_001)
    assert reason(visitor, site.url("/large")) == "the page is larger than 5 MB"
    site.page("/bomb", gzip.compress(bytes(200_000_000)), content_encoding="gzip")
    assert reason(visitor, site.url("/bomb")) == "the page is larger than 5 MB"
    site.page("/packed", gzip.compress(b"<p>small"), content_encoding="gzip")
    assert visitor.visit(site.url("/packed")).html == b"<p>small"


def test_visit_rejects_other_or_broken_compression(site, visitor):
    """The encoding was not requested, is broken, or ends early."""
    site.page("/br", b"x", content_encoding="br")
    assert "unsupported content encoding 'br'" in reason(visitor, site.url("/br"))
    site.page("/broken", b"no gzip at all", content_encoding="gzip")
    assert "cannot be decompressed" in reason(visitor, site.url("/broken"))
    site.page("/short", gzip.compress(b"x" * 1_000)[:-9], content_encoding="gzip")
    assert (
        reason(visitor, site.url("/short")) == "connection closed before the response was complete"
    )


def drip(handler, pieces: bytes) -> None:
    """Send a byte from time to time, so that no single wait is too long."""
    with suppress(OSError):
        for place in range(len(pieces)):
            handler.wfile.write(pieces[place : place + 1])
            handler.wfile.flush()
            time.sleep(0.1)


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n"]
)
def test_visit_bounds_the_whole_time(site, hasty_visitor, start):
    """A server that sends byte by byte is given up after a second, not after minutes."""

    def reply(handler) -> None:
        handler.wfile.write(start)
        drip(handler, b"x-slow: " + b"a" * 1_000)

    site.replies["/slow"] = reply
    with pytest.raises(Unreachable, match="no complete response within 1 s"):
        hasty_visitor.visit(site.url("/slow"))


def test_visit_bounds_a_silent_server(site, hasty_visitor):
    """The server accepts the connection and sends nothing."""
    left = Event()
    site.replies["/silent"] = lambda handler: left.wait(60)
    assert reason(hasty_visitor, site.url("/silent")) == "no complete response within 1 s"
    left.set()


@pytest.mark.parametrize(
    "bytes_", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"]
)
def test_visit_names_broken_responses(site, visitor, bytes_):
    """The response is not HTTP, or shorter than announced."""
    site.replies["/broken"] = lambda handler: handler.wfile.write(bytes_)
    with pytest.raises(Unreachable, match="no response: "):
        visitor.visit(site.url("/broken"))


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (404, "text/html", "HTTP 404: page not found"),
        (403, "text/html", "HTTP 403"),
        (500, "text/html", "HTTP 500"),
        (204, "text/html", "HTTP 204"),
        (200, "application/pdf", "not an HTML page (content type 'application/pdf')"),
        (200, "image/png", "not an HTML page (content type 'image/png')"),
    ],
)
def test_visit_accepts_only_pages(site, visitor, status, kind, said):
    """The error names the type that was received."""
    site.page("/x", b"", status, content_type=kind)
    site.replies["/x"] = (status, {"content-type": kind}, b"")
    assert reason(visitor, site.url("/x")) == said
