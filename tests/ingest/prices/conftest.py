"""A competitor's site on loopback, and a clock that waits for nobody."""

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
    """A request that came in."""

    path: str
    agent: str
    at: float  # by the clock of the test


class FakeClock:
    """Stands still unless somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


class Site:
    """Pages by path; what is not there answers 404. A reply may also write to the socket itself."""

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
        """Put a page up; its address."""
        body = html.encode() if isinstance(html, str) else html
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies[path] = (status, {"content-type": "text/html; charset=utf-8", **named}, body)
        return self.url(path)

    def product(self, path: str, price: object = "12.50", **offer: object) -> str:
        """Put up a product page with JSON-LD; its address."""
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
                """Quiet."""

        return Handler


def json_ld(*documents: object) -> str:
    """A page with these JSON-LD documents; texts stand as they are."""
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
    """Waits a second for an answer, for the tests in which none comes."""
    made = Visitor(clock=clock.clock(), contact="mail@shop.example", answer_seconds=1.0)
    yield made
    made.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of these lines, the first being its header, and gives its path."""

    def write(*lines: str, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
