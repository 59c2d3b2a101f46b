"""From pages to rows in D1: every page gives a price, or a rejected line with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.ingest.prices.collect import collect_prices

HEADER = "shop,sku,competitor,url,competitor_sku,currency"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def stored(db):
    return db.query(
        "SELECT sku, competitor, price, currency, in_stock, observed_at, source "
        "FROM competitor_prices ORDER BY observed_at, sku, competitor"
    ).rows


@pytest.fixture
def collect(db, csv_file, visitor):
    """Fetch the pages of these lines, a number of `hours` after noon."""

    def run(*lines: str, hours: float = 0, dry_run: bool = False, header: str = HEADER, **options):
        return collect_prices(
            None if dry_run else db,
            csv_file(header, *lines),
            visitor,
            now=lambda: NOW + timedelta(hours=hours),
            **options,
        )

    return run


def test_collect_writes_the_prices_of_pages(db, site, collect):
    """A price, one in another currency, and a sold-out product have their time and source."""
    lines = [
        f"harbor,SOCK,acme,{site.product('/a', '12.50')},,",
        f"harbor,SOCK,bolt,{site.product('/b', '9', priceCurrency='USD')},,",
        f"harbor,HAT,acme,{site.product('/c', '5', availability='OutOfStock')},,",
    ]
    result = collect(*lines)
    assert (result.received, result.written, result.known, result.rejected) == (3, 3, 0, ())
    moment = "2026-05-01 12:00:00"
    assert stored(db) == [
        ("HAT", "acme", 5, "EUR", 0, moment, "page"),
        ("SOCK", "acme", 12.5, "EUR", 1, moment, "page"),
        ("SOCK", "bolt", 9, "USD", 1, moment, "page"),
    ]
    assert [str(row.price) for row in result.seen] == ["12.50", "9", "5"]


def test_collect_fetches_again_only_later(db, site, collect):
    """A page is fetched again after 12 hours, which adds a second row."""
    line = f"harbor,SOCK,acme,{site.product('/a')},,"
    assert collect(line).written == 1
    again = collect(line, hours=11)
    assert (again.written, again.known, again.seen) == (0, 1, ())
    site.product("/a", "11")
    assert collect(line, hours=13).written == 1
    assert [row[2] for row in stored(db)] == [12.5, 11]
    assert site.paths.count("/a") == 2
    assert collect(line, hours=13, again_after_hours=0).written == 0  # the same second: one row
    assert site.paths.count("/a") == 3


def test_collect_rejects_each_line_without_a_price(db, site, collect):
    """The reasons are in the file's order: robots.txt, no product, no price, an invalid line."""
    site.robots("User-agent: *\nDisallow: /forbidden\n")
    site.page("/blog", "<p>Hello")
    good = f"harbor,SOCK,acme,{site.product('/a')},,"
    result = collect(
        f"harbor,HAT,acme,{site.product('/forbidden')},,",
        f"harbor,HAT,bolt,{site.url('/blog')},,",
        f"harbor,HAT,corp,{site.product('/b', '1,234')},,",
        f"harbor,HAT,dash,{site.url('/gone')},,",
        "harbor,HAT,echo,file:///etc/passwd,,",
        good,
        good,
        f"harbor,HAT,fox,{site.product('/f')},S-42,",
        f"harbor,HAT,golf,{site.product('/g')},,GBP",
        "harbor,HAT,hush",
    )
    assert (result.received, result.written) == (10, 1)
    assert [(refused.line, refused.reason) for refused in result.rejected] == [
        (2, "blocked by robots.txt"),
        (3, "no schema.org product on the page"),
        (4, "ambiguous price '1,234': could be 1234 or 1.234"),
        (5, "HTTP 404: page not found"),
        (6, "url 'file:///etc/passwd' is not an http or https address"),
        (8, "acme is listed for SOCK in an earlier line"),
        (9, "the page has no product 'S-42'. Products: none."),
        (10, "the offers are in EUR, not in GBP as requested"),
        (11, "3 cells, but the header has 6"),
    ]
    assert "/forbidden" not in site.paths


def test_collect_retries_a_busy_host_once(db, site, clock, collect):
    """It waits as long as the server asks, retries once, and then gives up."""
    site.page("/busy", "", 503, retry_after="60")
    began = clock.time
    result = collect(f"harbor,SOCK,acme,{site.url('/busy')},,")
    assert result.rejected[0].reason == "HTTP 503: the server asks to retry after 60 s"
    asked = [asked.at - began for asked in site.asked if asked.path == "/busy"]
    assert asked == [2, 62]

    site.page("/back", "", 429, retry_after="5")
    first = site.replies["/back"]

    def reply(handler) -> None:
        site.product("/back")
        handler.send_response(429)
        handler.send_header("retry-after", "5")
        handler.end_headers()

    assert first
    site.replies["/back"] = reply
    assert collect(f"harbor,SOCK,acme,{site.url('/back')},,").written == 1


def test_collect_skips_a_host_that_requires_too_long_a_delay(site, clock, collect):
    """With an hour between pages, one is read, and the others are left for another run."""
    site.robots("User-agent: *\nCrawl-delay: 3600\n")
    began = clock.time
    result = collect(*(f"harbor,S{i},acme,{site.product(f'/{i}')},," for i in range(3)))
    assert result.written == 1
    assert {refused.reason for refused in result.rejected} == {
        "the site requires a pause of 3,600 s. Skipped; run the command again later."
    }
    assert clock.time - began < 10


def test_collect_skips_a_host_that_redirects_to_such_a_host(site, other, clock, collect):
    """The long delay is that of the redirect's target, and it is not waited for either."""
    other.robots("User-agent: *\nCrawl-delay: 3600\n")
    for number in range(3):
        other.product(f"/{number}")
        target = f"http://localhost:{other.port}/{number}"
        site.page(f"/{number}", "", 301, location=target)
    began = clock.time
    result = collect(*(f"harbor,S{i},acme,{site.url(f'/{i}')},," for i in range(3)))
    assert result.written == 1
    reasons = [refused.reason for refused in result.rejected]
    assert len(reasons) == 2
    assert all(reason.endswith("Skipped; run the command again later.") for reason in reasons)
    assert clock.time - began < 20


def test_collect_stops_after_three_failures_of_a_host(site, collect):
    """After three failures in a row, the host's other pages are not requested."""
    for number in range(6):
        site.page(f"/{number}", "", 500)
    result = collect(*(f"harbor,S{i},acme,{site.url(f'/{i}')},," for i in range(6)))
    reasons = [refused.reason for refused in result.rejected]
    assert reasons[:3] == ["HTTP 500"] * 3
    assert reasons[3:] == ["127.0.0.1 failed 3 times in a row. Skipped."] * 3
    assert site.paths == ["/robots.txt", "/0", "/1", "/2"]


def test_collect_lets_hosts_take_turns(site, collect):
    """During the delay of one host, another one is requested: both take 8 s together, not 14 s."""
    lines = []
    for number in range(3):
        site.product(f"/{number}")
        lines += [
            f"harbor,S{number},{host},http://{host}:{site.port}/{number},,"
            for host in ("127.0.0.1", "localhost")
        ]
    result = collect(*lines)
    assert result.written == 6, result.rejected
    assert site.asked[-1].at - site.asked[0].at == 8


def test_collect_keeps_what_it_has_when_interrupted(db, site, collect):
    """After Ctrl-C, the prices found so far are written."""

    def stop(name: str, done: int, expected: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    lines = [f"harbor,S{i},acme,{site.product(f'/{i}')},," for i in range(4)]
    with pytest.raises(KeyboardInterrupt):
        collect(*lines, progress=stop)
    assert [row[0] for row in stored(db)] == ["S0", "S1"]
    assert collect(*lines, hours=1).known == 2


def test_collect_dry_run_fetches_and_writes_nothing(db, site, collect):
    """It reports what would be fetched."""
    result = collect(f"harbor,SOCK,acme,{site.product('/a')},,", dry_run=True)
    assert (result.written, str(result.seen[0].price)) == (0, "12.50")
    assert stored(db) == []


def test_collect_rejects_an_invalid_list(collect, monkeypatch):
    """A column is misspelled or missing, or the extractor is not installed."""
    with pytest.raises(UnknownName, match="Did you mean 'url'"):
        collect(header="shop,sku,competitor,uri")
    with pytest.raises(InputError, match="has no column url"):
        collect(header="shop,sku,competitor")
    monkeypatch.setattr("d1lab.extras.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'd1lab\[prices\]'"):
        collect(header="shop,sku,competitor,url")
