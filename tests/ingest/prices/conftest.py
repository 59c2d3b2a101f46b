"""A competitor's site on loopback, and a clock that does not wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from d1lab.ingest.prices.fetch import Clock, Visitor

Reply = tuple[int, dict[str, str], bytes]


class Asked(NamedTuple):
    """A request that the site received."""

    path: str
    agent: str
    at: float  # by the clock of the test


class FakeClock:
    """A clock that advances only when a test sleeps."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


class Site:
    """Pages by path; any other path is a 404. A reply can also write to the socket directly."""

    def __init__(self, clock: FakeClock) -> None:
        self.replies: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[Asked] = []
        self._clock = clock
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def page(self, path: str, html: str | bytes, status: int = 200, **headers: str) -> str:
        """Add a page, and return its address."""
        body = html.encode() if isinstance(html, str) else html
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies[path] = (status, {"content-type": "text/html; charset=utf-8", **named}, body)
        return self.url(path)

    def product(self, path: str, price: object = "12.50", **offer: object) -> str:
        """Add a product page with JSON-LD, and return its address."""
        data = {
            "@context": "https://schema.org",
            "@type": "Product",
            "name": "Winter sock",
            "offers": {
                "@type": "Offer",
                "price": price,
                "priceCurrency": "EUR",
                "availability": "https://schema.org/InStock",
                **offer,
            },
        }
        return self.page(path, json_ld(data))

    def robots(self, text: str, status: int = 200) -> None:
        self.replies["/robots.txt"] = (status, {"content-type": "text/plain"}, text.encode())

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent = self.headers.get("user-agent", "")
                site.asked.append(Asked(self.path, agent, site._clock.time))
                reply = site.replies.get(self.path, (404, {}, b""))
                if callable(reply):
                    reply(self)
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        return Handler


def json_ld(*documents: object) -> str:
    """Return a page with these JSON-LD documents; texts are used unchanged."""
    texts = (d if isinstance(d, str) else json.dumps(d) for d in documents)
    scripts = "".join(f'<script type="application/ld+json">{text}</script>' for text in texts)
    return f"<!doctype html><html><head>{scripts}</head><body>Hello</body></html>"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def site(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = Site(clock)
    yield served
    served.close()


@pytest.fixture
def other(clock: FakeClock, site: Site) -> Iterator[Site]:
    """A second site, on another port of the same host."""
    served = Site(clock)
    yield served
    served.close()


@pytest.fixture
def visitor(clock: FakeClock) -> Iterator[Visitor]:
    made = Visitor(clock=clock.clock(), contact="mail@shop.example", answer_seconds=60.0)
    yield made
    made.close()


@pytest.fixture
def hasty_visitor(clock: FakeClock) -> Iterator[Visitor]:
    """A visitor that waits one second for a response, for tests in which none comes."""
    made = Visitor(clock=clock.clock(), contact="mail@shop.example", answer_seconds=1.0)
    yield made
    made.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of these lines, with the header first, and return its path."""

    def write(*lines: str, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
