"""Serving pages: which files are served, and the reload script that is not in the files."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.errors import InputError
from d1lab.pages.index import write_index
from d1lab.pages.page import render_page, write_page
from d1lab.pages.svg import csp_hash
from d1lab.share.serve import PagesServer, find_page, reload_script, serve, with_reload
from tests.support.outside import chromium
from tests.support.sample_run import code, figures, markdown, write_run


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A page, its CSV file, and the index; and files that are not served."""
    cells = [markdown("# Stock"), code("lab.figures(...)", figures())]
    run_dir = write_run(tmp_path, cells)
    (run_dir / "cover.csv").write_text("sku\ngrüner Tee\n")
    folder = tmp_path / "reports"
    write_page(run_dir, folder)
    write_index(folder)
    (folder / ".env").write_text("secret")
    (folder / "demo" / "harbor" / "inventory" / "new.html.part").write_text("half")
    (tmp_path / "outside.html").write_text("outside")
    (tmp_path / "reports-2").mkdir()
    (tmp_path / "reports-2" / "index.html").write_text("outside")
    return folder


@pytest.fixture
def server(reports: Path) -> Iterator[PagesServer]:
    with PagesServer(reports, 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _ask(
    server: PagesServer, path: str, method: str = "GET", host: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


PAGE = "/demo/harbor/inventory/2026-05-31.html"


def test_server_listens_on_loopback_only(server: PagesServer):
    """Other machines on the network cannot see the reports."""
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?shop=harbor", "text/html; charset=utf-8"),
        ("/demo/harbor/inventory/latest.html", "text/html; charset=utf-8"),
        ("/demo/harbor/inventory/2026-05-31.json", "application/json"),
        ("/demo/harbor/inventory/2026-05-31/cover.csv", "text/csv; charset=utf-8"),
    ],
)
def test_pages_and_their_files_are_served(server: PagesServer, path: str, content_type: str):
    """Index, pages, metadata, and CSV files have their types and are not cached or sniffed."""
    answer, body = _ask(server, path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert int(answer.headers["Content-Length"]) == len(body) > 0
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.html",
        "/%2e%2e/outside.html",
        "/..%2foutside.html",
        "/..%5coutside.html",
        "/demo/harbor/../../../outside.html",
        "//etc/passwd",
        "/../reports-2/index.html",
        "/link.html",
        "/.env",
        "/.d1lab/index.html",
        "/harbor",
        "/demo/harbor/",
        "/demo/harbor/inventory/new.html.part",
        "/demo/harbor/inventory/%00.html",
        "/" + "x" * 5_000 + ".html",
    ],
)
def test_nothing_else_is_served(server: PagesServer, reports: Path, path: str):
    """There are no paths out of the folder, dotfiles, listings, or partial files."""
    os.symlink(reports.parent / "outside.html", reports / "link.html")
    answer, body = _ask(server, path)
    assert answer.status == 404
    assert b"outside" not in body.replace(b"outside.html", b"")
    assert b"secret" not in body


def test_a_missing_page_is_named_without_its_markup(server: PagesServer):
    """The address is shown as text."""
    _, body = _ask(server, "/%3Cscript%3Ealert(1)%3C/script%3E.html")
    assert b"<script>alert" not in body
    assert b"&lt;script&gt;" in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_a_rebound_name_gets_nothing(server: PagesServer, host: str):
    """A website whose name resolves to this machine learns nothing."""
    answer, body = _ask(server, "/", host=host)
    assert answer.status == 421
    assert b"Reports" not in body


def test_localhost_is_accepted(server: PagesServer):
    """People type this name."""
    assert _ask(server, "/", host=f"localhost:{server.server_port}")[0].status == 200


def test_nothing_can_be_written(server: PagesServer):
    """The server accepts only GET and HEAD."""
    for method in ("POST", "PUT", "DELETE"):
        assert _ask(server, "/index.html", method)[0].status == 501


def test_head_returns_a_tag_that_changes_with_the_file(server: PagesServer, reports: Path):
    """The reload script uses it; HEAD sends no body."""
    first, body = _ask(server, PAGE, "HEAD")
    same, _ = _ask(server, PAGE, "HEAD")
    assert body == b""
    assert first.headers["ETag"] == same.headers["ETag"]
    page = reports / PAGE[1:]
    page.write_text(page.read_text() + "\n")
    changed, _ = _ask(server, PAGE, "HEAD")
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_the_reload_script_is_served_and_not_stored(server: PagesServer, reports: Path):
    """The file is unchanged; the served page allows the script and its own address."""
    stored = (reports / PAGE[1:]).read_text()
    served = _ask(server, PAGE)[1].decode()
    assert "location.reload" not in stored
    assert "location.reload" in served
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', served)
    assert policy
    assert csp_hash(reload_script()) in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert (reports / PAGE[1:]).read_text() == stored


def test_without_reload_a_page_is_served_byte_for_byte(reports: Path):
    """`--no-reload` changes nothing."""
    with PagesServer(reports, 0, reload=False) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        assert _ask(running, PAGE)[1] == (reports / PAGE[1:]).read_bytes()
        running.shutdown()
        thread.join()


def test_static_pages_lose_their_none(tmp_path: Path):
    """'none' next to a hash is invalid, so it is removed; pages of others are unchanged."""
    static = render_page(write_run(tmp_path, [markdown("# Stock")]), static=True)
    assert "script-src 'none'" in static
    assert "script-src 'none'" not in with_reload(static)
    assert with_reload("<p>no policy</p></body>") == "<p>no policy</p></body>"


def test_find_page_follows_no_link_out(reports: Path):
    """A link to a file in the folder is served, and one that leads out is not."""
    os.symlink(reports / "index.html", reports / "start.html")
    os.symlink(reports.parent / "reports-2", reports / "other")
    assert find_page(reports, "/start.html") == reports / "index.html"
    assert find_page(reports, "/other/index.html") is None


def test_a_port_in_use_is_invalid_input(server: PagesServer, reports: Path):
    """The error names the port and says what to do."""
    with pytest.raises(InputError, match=f":{server.server_port}: .* Choose another --port"):
        serve(reports, server.server_port)


def _wait_for_a_look(page: Any) -> None:
    """Wait until the script has checked the page twice."""
    for _ in range(2):
        page.wait_for_event("response", lambda response: response.request.method == "HEAD")


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.long
def test_an_open_page_reloads_when_its_file_changes(server: PagesServer, reports: Path):
    """In a real browser, it reloads within seconds of a change, or when an index appears."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    index = reports / "index.html"
    aside = index.rename(reports / "aside.txt")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.url)
        assert page.locator("text=There are no reports yet").count() == 1
        _wait_for_a_look(page)
        page.on("console", lambda message: said.append(message.text))
        aside.rename(index)
        page.wait_for_selector("h1:has-text('1 shop')", timeout=60_000)
        page.goto(server.url + PAGE[1:])
        _wait_for_a_look(page)
        (reports / PAGE[1:]).write_text((reports / PAGE[1:]).read_text().replace("Stock", "Shelf"))
        page.wait_for_selector("h1:has-text('Shelf')", timeout=60_000)
        browser.close()
    assert [line for line in said if "404" not in line] == []


def test_health_is_served_as_json(server):
    """It is for monitors, with the same headers as pages."""
    answer, body = _ask(server, "/health")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/json")
    found = json.loads(body)
    assert (found["reports"], found["failed"]) == (1, 0)
    assert found["status"] in ("ok", "stale")
    assert _ask(server, "/health", host="evil.example")[0].status == 421
