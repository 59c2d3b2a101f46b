"""Every shell line and Python block of the README and of docs/ runs, or says why it does not."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest

import d1lab
from tests.support import small_shop
from tests.support.blocks import ROOT, Block, all_blocks, blocks, pages
from tests.support.command_line import Ended, caller

PAGES = [page for page in pages() if any(b.language in ("console", "python") for b in blocks(page))]

ORDERS = """\
Name,Id,Email,Financial Status,Currency,Subtotal,Shipping,Total,Discount Code,Discount Amount,\
Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Lineitem discount,\
Cancelled at,Refunded Amount
#1,1,ann@shop.example,paid,USD,20.00,0.00,20.00,,0.00,2018-01-01 09:00:00 +0000,2,Sock,10.00,SOCK,\
0.00,,0.00
"""
FILES = {
    "orders_export.csv": ORDERS,
    "invoices.csv": "InvoiceNo,StockCode,Description,Quantity,UnitPrice,InvoiceDate,CustomerID,"
    "status\n"
    "536365,71053,Lantern,6,3.39,12/01/2017 08:26,17850,completed\n",
    "products_export.csv": "Handle,Title,Vendor,Type,Variant SKU,Variant Price,Cost per item\n"
    "sock,Sock,Mill,Socks,SOCK,10.00,4.00\n",
    "inventory_export.csv": "Handle,Title,SKU,Location,On hand\nsock,Sock,SOCK,Main,5\n",
    "costs.csv": "shop,sku,unit_cost,valid_from\nharbor,1082185,0.5,2018-01-01\n",
    "prices.csv": "shop,sku,competitor,price,currency,observed_at\n"
    "harbor,1082185,Example,1.29,USD,2018-01-01T09:00:00Z\n",
}


@pytest.fixture
def project(demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo project to work in, with the files that examples load."""
    folder = tmp_path / "project"
    shutil.copytree(demo_project, folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    small_shop.write_events(folder / "events.jsonl")
    monkeypatch.setenv("D1LAB_ROOT", str(folder))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., Ended]:
    """`call("pull", "--json")`: the command line in this process."""
    return caller(monkeypatch, capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_run(page: Path, project: Path, call: Callable[..., Ended]):
    """The blocks of a page run in order, as a reader would follow them."""
    names: dict[str, Any] = {"d1lab": d1lab}
    for block in blocks(page):
        if block.title:
            _write(block, project / block.title)
        elif block.language == "console" and not block.not_tested:
            for line in block.shell_lines():
                _run_line(line, block, project, call)
        elif block.language == "python" and not block.not_tested:
            exec(compile(block.text, block.place, "exec", dont_inherit=True), names)


def _run_line(line: str, block: Block, project: Path, call: Callable[..., Ended]) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "d1lab", f"{block.place}: mark `{line}`, or make it a d1lab command"
    arguments = [_latest_run(project) if argument == "RUN" else argument for argument in arguments]
    ended = call(*arguments)
    assert ended.code == 0, f"{block.place}: {line}\n{ended.err}"


def _latest_run(project: Path) -> str:
    """The latest run with results to push."""
    return max(path.parent.name for path in project.glob("data/demo/runs/*/outbox"))


def _write(block: Block, path: Path) -> None:
    """A block with a title is that file; a notebook's cells begin with `# %%`."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix != ".ipynb":
        path.write_text(block.text)
        return
    notebook = nbformat.v4.new_notebook()
    for cell in re.split(r"^# %%", block.text, flags=re.MULTILINE)[1:]:
        head, _, source = cell.partition("\n")
        tags = {"tags": ["parameters"]} if "parameters" in head else {}
        notebook.cells.append(nbformat.v4.new_code_cell(source.strip(), metadata=tags))
    nbformat.write(notebook, path)


def test_data_blocks_parse():
    """Settings and events in the docs are valid TOML and JSON."""
    for block in all_blocks():
        if block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)


def test_commands_are_in_console_blocks():
    """A command outside a `console` block would run in no test."""
    for page in pages():
        prose = re.sub(r"^( *)```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert not re.findall(r"^(?: {4,}|\$ )d1lab .*", prose, re.MULTILINE), page
    for block in all_blocks():
        if block.language == "console":
            assert block.shell_lines(), f"{block.place}: no line begins with `$ `"
        else:
            assert not re.search(r"^(\$ )?d1lab \w", block.text, re.MULTILINE), block.place


def test_marked_lines_name_what_exists():
    """A marked `make X` names a target, and a marked `python -m X` a module."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for block in all_blocks():
        for line in block.shell_lines() if block.language == "console" else []:
            words = shlex.split(line, comments=True)
            if words[0] == "make":
                assert words[1] in targets, f"{block.place}: {line}"
            if words[:2] == ["python", "-m"] and words[2] not in ("pip", "venv"):
                assert find_spec(words[2]), f"{block.place}: {line}"


def test_most_examples_run(capsys: pytest.CaptureFixture[str]):
    """Prints how many shell lines and Python blocks run, and how many are marked, with reasons."""
    counts = {True: 0, False: 0}
    reasons: dict[str, int] = {}
    for block in all_blocks():
        size = len(block.shell_lines()) if block.language == "console" else 1
        if block.language in ("console", "python"):
            counts[not block.not_tested] += size
            if block.not_tested:
                reasons[block.not_tested] = reasons.get(block.not_tested, 0) + size
    with capsys.disabled():
        print(f"\ndocs: {counts[True]} shell lines and Python blocks run, {counts[False]} marked")
        for reason, number in sorted(reasons.items()):
            print(f"  {number}  {reason}")
    assert counts[True] > counts[False]
