"""What-if runs of the server: forms that other sites cannot send, and runs that write nothing."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from d1lab.config import Settings
from d1lab.errors import InputError, UnknownName
from d1lab.jobs.due import plan
from d1lab.jobs.ledger import open_ledger
from d1lab.share.serve import PagesServer
from d1lab.share.what_if import WhatIfs

CELLS = [
    'shop = "harbor"  # shop of the report\n'
    "as_of: str | None = None  # last day\n"
    "days = 30  # length of the period [1 to 90]\n"
    "strict = False  # whether to be strict",
    "import d1lab\nlab = d1lab.open(shop=shop)",
    'lab.verdict(f"{days} days of {lab.shop}")',
    'stock = lab.sql("SELECT shop, sku, day AS date FROM inventory_days LIMIT 1").df()\n'
    'lab.stage(stock.assign(turnover_rate=1.5), table="inventory_impact")',
]


@pytest.fixture
def settings(tmp_path: Path, tiny_warehouse: Path) -> Settings:
    """A project with a report that has parameters, and one that has none."""
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, folder / "warehouse.duckdb")
    (tmp_path / "notebooks").mkdir()
    for name, cells in {"stock": CELLS, "fixed": [CELLS[0].partition("\n")[0]]}.items():
        made = [
            {"cell_type": "code", "id": f"c{i}", "outputs": [], "execution_count": None}
            | {"source": cell, "metadata": {} if i else {"tags": ["parameters"]}}
            for i, cell in enumerate(cells)
        ]
        notebook = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(notebook))
    return Settings(root=tmp_path)


@pytest.fixture
def server(settings: Settings) -> Iterator[PagesServer]:
    what_ifs = WhatIfs(settings)
    with PagesServer(settings.reports_dir, 0, what_ifs=what_ifs) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    what_ifs.close()


def ask(
    server: PagesServer, path: str, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, str, str]:
    """The status, the body, and the address that a redirect names."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    method, body = ("GET", None) if form is None else ("POST", urlencode(form))
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.getheader("Location", "")


def token(server: PagesServer) -> str:
    _, page, _ = ask(server, "/what-if/stock")
    return re.findall('name="token" value="([^"]+)"', page)[0]


def test_a_form_runs_a_report_that_writes_nothing(server, settings):
    """Progress until the page is there; nothing is staged, and the standard report stays due."""
    form = {"token": token(server), "shop": "harbor", "as_of": "", "days": "60", "strict": "false"}
    status, _, address = ask(server, "/what-if/stock", form)
    assert status == 303
    page = ""
    while not page:
        status, body, page = ask(server, address)
        assert status == 303 or 'http-equiv="refresh"' in body, body
    status, body, _ = ask(server, page)
    assert status == 200
    assert "60 days of harbor" in body
    [run_dir] = (settings.data_dir / "demo" / "runs").glob("*-stock-harbor-*")
    record = json.loads((run_dir / "run.json").read_text())
    assert (record["status"], record["staged"]) == ("done", {})
    assert not (run_dir / "outbox").exists()
    [job] = plan(settings, open_ledger(settings), reports=["stock"], shops=["harbor"])
    assert (job.due, job.reason) == (True, "not run for this date yet")
    assert '<a href="/what-if">' in ask(server, "/")[1]


def test_another_site_cannot_start_a_run(server, settings):
    """Without the token of the server, or from another origin, a form is rejected."""
    form = {"shop": "harbor", "days": "60"}
    assert ask(server, "/what-if/stock", form)[0] == 403
    assert ask(server, "/what-if/stock", {**form, "token": "x" * 43})[0] == 403
    known = {**form, "token": token(server)}
    assert ask(server, "/what-if/stock", known, Origin="http://evil.example")[0] == 403
    crossed = {"Sec-Fetch-Site": "cross-site"}
    assert ask(server, "/what-if/stock", known, **crossed)[0] == 403
    assert ask(server, "/what-if/stock", known, Host="evil.example")[0] == 421
    assert not (settings.data_dir / "demo" / "runs").exists()


def test_a_form_keeps_what_was_rejected(server):
    """An invalid value returns the form with the sentence, what was entered, and no run."""
    form = {"token": token(server), "shop": "harbor", "days": "91", "strict": "true"}
    status, page, _ = ask(server, "/what-if/stock", form)
    assert status == 400
    assert "parameter &#x27;days&#x27; is 91. Use 1 to 90." in page
    assert 'name="days" type="number" value="91" step="1" min="1" max="90"' in page
    assert "<option selected>true</option>" in page
    assert "script" not in page
    assert ask(server, "/what-if/stock", form | {"token": token(server), "dys": "1"})[0] == 400


def test_only_reports_with_parameters_are_offered(server, settings):
    """A shop and a day make no what-if; unknown reports and runs are missing."""
    page = ask(server, "/what-if")[1]
    assert 'href="/what-if/stock"' in page
    assert "fixed" not in page
    for path in ("/what-if/fixed", "/what-if/nothing", "/what-if/run/x"):
        assert ask(server, path)[0] == 404
    assert ask(server, "/what-if/nothing", {"token": token(server)})[0] == 404
    with pytest.raises(InputError, match="no parameter to change"):
        WhatIfs(settings).start("fixed", {})
    with pytest.raises(UnknownName):
        WhatIfs(settings).start("nothing", {})


def test_a_server_without_what_ifs_takes_no_form(settings):
    """`--no-what-if`: neither pages nor forms."""
    with PagesServer(settings.reports_dir, 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        assert ask(running, "/what-if")[0] == 404
        assert ask(running, "/what-if/stock", {"days": "60"})[0] == 501
        running.shutdown()
        thread.join()
