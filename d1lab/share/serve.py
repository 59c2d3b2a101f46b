"""Serve the folder of reports on loopback, for browsers on this machine only.

A page is served as stored, plus a script that reloads it when its file changes. The page's policy
allows no other scripts, so the served policy additionally allows that script, by its hash, and
requests to the page itself. The files are not changed.

With `WhatIfs`, there is also a form per report, which runs it with other parameters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import lru_cache
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import orjson

from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.pages.svg import csp_hash
from d1lab.share import what_if_pages
from d1lab.share.health import health
from d1lab.share.what_if import WhatIfs

LOOPBACK = "127.0.0.1"
HEALTH = "/health"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".pdf": "application/pdf",
}
"""What is served; a file of any other kind, such as one still being written, is not there."""

_INDEX = "index.html"
_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")([^"]*)(">)')
_HEAD = 4_000  # characters that contain a page's policy
_MOST_FORM = 100_000  # bytes
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageResponse(NamedTuple):
    """A response to the browser."""

    status: HTTPStatus
    content_type: str
    body: bytes
    tag: str = ""  # changes with the file
    location: str = ""  # of a redirect


class PagesServer(ThreadingHTTPServer):
    """Serves one folder on loopback.

    Args:
        reports_dir: The folder of all pages.
        port: The port; 0 for any free one.
        reload: Whether pages reload when they change.
        what_ifs: Runs reports from a form; None for pages only.
    """

    daemon_threads = True

    def __init__(
        self, reports_dir: Path, port: int, *, reload: bool = True, what_ifs: WhatIfs | None = None
    ) -> None:
        self.folder, self.reload, self.what_ifs = reports_dir.resolve(), reload, what_ifs
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """The address of the index."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that disconnect early."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(
    reports_dir: Path,
    port: int = 8000,
    *,
    reload: bool = True,
    what_ifs: WhatIfs | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the folder of reports on 127.0.0.1 until interrupted.

    Args:
        reports_dir: The folder of all pages; it can be empty.
        port: The port; 0 for any free one.
        reload: Whether pages reload when they change.
        what_ifs: Runs reports from a form; None for pages only.
        ready: Called with the address once the server listens.

    Raises:
        InputError: The port is in use.
    """
    try:
        server = PagesServer(reports_dir, port, reload=reload, what_ifs=what_ifs)
    except OSError as error:
        raise InputError(
            f"cannot listen on {LOOPBACK}:{port}: {error.strerror}. Choose another "
            "--port, or 0 for any free port."
        ) from None
    with server:
        ready(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
        finally:
            if what_ifs:
                what_ifs.close()


def find_page(folder: Path, url: str) -> Path | None:
    """Return the file for a request; None if there is none.

    Args:
        folder: The folder of all pages, resolved.
        url: The request's target, such as '/harbor/inventory/latest.html?x=1'.
    """
    path = unquote(urlsplit(url).path)
    names = [name for name in path.split("/") if name] or [_INDEX]
    if any(name.startswith(".") or re.search(r"[\\:\x00-\x1f]", name) for name in names):
        return None
    found = folder.joinpath(*names).resolve()
    inside = found.is_relative_to(folder)  # a link may lead out
    return found if inside and found.suffix in TYPES and found.is_file() else None


@lru_cache(maxsize=1)
def reload_script() -> str:
    """Return the script that reloads a page when its file has changed."""
    return Path(__file__).with_name("reload.js").read_text(encoding="utf-8")


def with_reload(page: str) -> str:
    """Return a page with the reload script, which the page's policy then allows.

    A page without a policy or a body was not created by d1lab and is returned unchanged.
    """
    head, rest = page[:_HEAD], page[_HEAD:]
    widened, found = _POLICY.subn(lambda m: m[1] + _widened(m[2]) + m[3], head, count=1)
    before, body, after = (widened + rest).rpartition("</body>")
    if not (found and body):
        return page
    return f"{before}<script>{reload_script()}</script>\n{body}{after}"


def with_link(index: str) -> str:
    """Return the index with a link to the forms of what-if runs."""
    before, body, after = index.rpartition("</body>")
    link = f'<p><a href="{what_if_pages.PREFIX}">Run a report with other parameters</a></p>'
    return f"{before}{link}\n{body}{after}" if body else index


def _html(page: str, status: HTTPStatus = HTTPStatus.OK) -> PageResponse:
    return PageResponse(status, TYPES[".html"], page.encode())


def _redirect(location: str) -> PageResponse:
    return PageResponse(HTTPStatus.SEE_OTHER, "text/plain", b"", location=location)


def _widened(policy: str) -> str:
    """Return a page's policy that also allows the reload script and its requests."""
    parts = [part.split() for part in policy.split(";") if part.strip()]
    directives = {name: values for name, *values in parts}
    scripts = [v for v in directives.get("script-src", []) if v != "'none'"]
    directives["script-src"] = [*scripts, csp_hash(reload_script())]
    directives["connect-src"] = ["'self'"]
    return "; ".join(" ".join([name, *values]) for name, values in directives.items())


class _Handler(BaseHTTPRequestHandler):
    """Responds to GET, HEAD, and forms; the base class rejects everything else."""

    server: PagesServer  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version = "d1lab", ""

    def do_GET(self) -> None:
        """Send a page."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Send a page's headers, which the reload script requests."""
        self._send(self._answer(), with_body=False)

    def do_POST(self) -> None:
        """Start a what-if run from its form."""
        self._send(self._answer_form() if self._is_ours() else self._misdirected())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing, because the reload script sends a request every second."""

    def _answer(self) -> PageResponse:
        if not self._is_ours():
            return self._misdirected()
        asked = urlsplit(self.path).path
        try:
            if asked == HEALTH:
                return self._health()
            if self.server.what_ifs and f"{asked}/".startswith(f"{what_if_pages.PREFIX}/"):
                return self._what_if(self.server.what_ifs, asked)
            path = find_page(self.server.folder, self.path)
            return self._missing() if path is None else self._page(path)
        except OSError:  # pruned since, or a name that no file can have
            return self._missing()

    def _misdirected(self) -> PageResponse:
        text = f"This server answers to {LOOPBACK} and localhost only.\n"
        return PageResponse(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", text.encode())

    def _what_if(self, what_ifs: WhatIfs, asked: str) -> PageResponse:
        """Return the list of reports, a form, or how far a run is."""
        if asked.startswith(what_if_pages.RUNS):
            state = what_ifs.state(asked.removeprefix(what_if_pages.RUNS))
            if state is None:
                return self._missing()
            if state.page:
                page = state.page.resolve().relative_to(self.server.folder)
                return _redirect(f"/{quote(page.as_posix())}")
            return _html(what_if_pages.progress_page(state))
        name = asked.removeprefix(what_if_pages.PREFIX).strip("/")
        try:
            found = what_ifs.report(name) if name else None
        except InputError:
            return self._missing()
        if found is None:
            return _html(what_if_pages.list_page(what_ifs))
        return _html(what_if_pages.form_page(what_ifs, found))

    def _answer_form(self) -> PageResponse:
        """Start the run of a form that this server made; return to the form if it is invalid."""
        what_ifs, asked = self.server.what_ifs, urlsplit(self.path).path
        size = self.headers.get("Content-Length", "")
        if not what_ifs or not asked.startswith(f"{what_if_pages.PREFIX}/"):
            return PageResponse(HTTPStatus.NOT_IMPLEMENTED, "text/plain", b"")
        if not size.isdecimal() or int(size) > _MOST_FORM:
            return PageResponse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", b"")
        fields = dict(parse_qsl(self.rfile.read(int(size)).decode("utf-8", "replace")))
        if not what_ifs.is_token(fields.pop(what_if_pages.TOKEN, "")) or self._is_foreign():
            text = "This form is not of this server. Open it again.\n"
            return PageResponse(HTTPStatus.FORBIDDEN, "text/plain", text.encode())
        name = asked.removeprefix(f"{what_if_pages.PREFIX}/")
        try:
            return _redirect(f"{what_if_pages.RUNS}{what_ifs.start(name, fields)}")
        except UnknownName as error:
            if error.kind == "report":
                return self._missing()
            return self._rejected(what_ifs, name, fields, error)
        except D1labError as error:
            return self._rejected(what_ifs, name, fields, error)

    def _rejected(
        self, what_ifs: WhatIfs, name: str, fields: dict[str, str], error: D1labError
    ) -> PageResponse:
        page = what_if_pages.form_page(what_ifs, what_ifs.report(name), fields, str(error))
        return _html(page, HTTPStatus.BAD_REQUEST)

    def _is_foreign(self) -> bool:
        """Whether the browser says that another site sent the form."""
        origin = self.headers.get("Origin", "")
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        return site not in ("same-origin", "none") or (
            origin not in ("", "null") and urlsplit(origin).netloc != self.headers.get("Host")
        )

    def _is_ours(self) -> bool:
        """Whether the request names this server, and not a name rebound to this address."""
        port = self.server.server_port
        return self.headers.get("Host", "") in (f"{LOOPBACK}:{port}", f"localhost:{port}")

    def _health(self) -> PageResponse:
        body = orjson.dumps(health(self.server.folder)._asdict(), option=orjson.OPT_APPEND_NEWLINE)
        return PageResponse(HTTPStatus.OK, TYPES[".json"], body)

    def _page(self, path: Path) -> PageResponse:
        stat, body = path.stat(), path.read_bytes()
        if self.server.what_ifs and path == self.server.folder / _INDEX:
            body = with_link(body.decode("utf-8")).encode()
        if path.suffix == ".html" and self.server.reload:
            body = with_reload(body.decode("utf-8")).encode()
        tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        return PageResponse(HTTPStatus.OK, TYPES[path.suffix], body, tag)

    def _missing(self) -> PageResponse:
        """Return a page that says that there is none yet, and that reloads until there is."""
        at_index = urlsplit(self.path).path in ("/", f"/{_INDEX}")
        todo = "There are no reports yet: <code>d1lab run</code> makes them." if at_index else ""
        text = todo or f"There is no page {escape(unquote(self.path)[:200])}."
        policy = "default-src 'none'; script-src 'none'"
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>d1lab</title>'
            f'<body><p>{text}</p><p><a href="/">All reports</a></p></body></html>\n'
        )
        body = with_reload(page) if self.server.reload else page
        return PageResponse(HTTPStatus.NOT_FOUND, TYPES[".html"], body.encode())

    def _send(self, answer: PageResponse, *, with_body: bool = True) -> None:
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.tag:
            self.send_header("ETag", answer.tag)
        if answer.location:
            self.send_header("Location", answer.location)
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
