"""Page tables: time of a search and of a sort of 1,000 rows, in Chromium.

    python -m bench page_tables

The page has one table of 1,000 products. What is measured begins with the input and ends with the
frame after the one that shows its result, so that script, style, layout, and paint are included.
The target is for the time that the page's thread computes, which others on the machine do not
change; what a user waits is about one frame more on a machine without other work.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from bench.comparison import Comparison, Target
from d1lab.display import DataTable
from d1lab.pages.export import require_chromium
from d1lab.pages.page import write_page
from tests.support.sample_run import code, write_run

ROWS, REPEATS, LIMIT = 1_000, 9, 100

_ACT = """async (act) => {
  window.count ??= 0;
  const search = document.querySelector("input[type=search]");
  const find = (text) => {
    search.value = text;
    search.dispatchEvent(new Event("input"));
  };
  const acts = {
    find: () => find("product 77"),
    clear: () => find(""),
    sort: () => document.querySelectorAll("thead th.n button")[count++ % 2].click(),
    all: () => document.querySelector("button[data-all]").click(),
  };
  const began = performance.now();
  acts[act]();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""


class Taken(NamedTuple):
    """Milliseconds of one input: of the page's thread, and until the result is painted."""

    thread: float
    painted: float


class Tab:
    """A page whose thread's time is measured."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def act(self, name: str) -> Taken:
        """Do something once."""
        before = self._thread_ms()
        painted = self._page.evaluate(_ACT, name)
        return Taken(self._thread_ms() - before, painted)

    def median(self, name: str, before: str = "") -> Taken:
        """Do something repeatedly, after a warm-up, each time after something else."""
        taken: list[Taken] = []
        for _ in range(REPEATS + 1):
            if before:
                self.act(before)
            taken.append(self.act(name))
        return Taken(*(median(each) for each in zip(*taken[1:], strict=True)))

    def _thread_ms(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def run() -> list[Comparison]:
    """Measure and compare with the target."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = write_page(_run(Path(name)), Path(name) / "reports")
        start = {"executable_path": require_chromium(), "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**start)
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 800}).new_page()
        tab = Tab(page)
        page.goto(path.as_uri())
        found = {
            "search": tab.median("find", "clear"),
            "search cleared": tab.median("clear", "find"),
            "sort, ten rows shown": tab.median("sort"),
        }
        found["all rows shown"] = tab.act("all")
        found["sort, all rows shown"] = tab.median("sort")
        browser.close()
    rows = [(label, *taken) for label, taken in found.items()]
    slowest = max(taken.thread for taken in found.values())
    target = Target("milliseconds of the page's thread", slowest, LIMIT)
    how = f"One table of {ROWS:,} rows and 6 columns; median of {REPEATS}."
    columns = ("what", "ms of the page's thread", "ms until painted")
    return [Comparison("Tables of a page", how, columns, rows, [target])]


def _run(folder: Path) -> Path:
    names = [f"Product {n} ({n * 7919 % ROWS:03})" for n in range(ROWS)]
    numbers = {f"units_{k}": [n * k % 991 for n in range(ROWS)] for k in (1, 3, 7, 11, 13)}
    frame = pd.DataFrame({"product": names, **numbers})
    return write_run(folder, [code("t", DataTable.from_frame(frame, title="T", limit=ROWS))])
