"""Pages: time from the end of a run to its page with four charts.

A chart is drawn when its cell has finished, so that only the last one is left at the end of the
run. For comparison: a page with all four charts still to draw, a page written again, and the HTML
by nbconvert of the same notebook with a warm exporter, which draws no charts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.comparison import Comparison, Target
from d1lab.pages import svg as vega
from d1lab.pages.page import render_page
from d1lab.runs.record import NOTEBOOK_FILE
from tests.support.sample_run import turnover_cells, write_run

REPEATS = 9


def run() -> list[Comparison]:
    """Measure and compare with the target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = turnover_cells()
        run_dir = write_run(folder, cells)
        outputs = [cell.get("outputs", ()) for cell in cells]
        charts = [shown for shown in outputs if any(map(_is_chart, shown))]
        assert len(charts) == 4

        def page() -> None:
            render_page(run_dir, cache_dir=folder / "cache")

        def forget() -> None:
            vega._picture.cache_clear()

        def run_to_its_end() -> None:
            forget()
            for shown in charts[:-1]:
                vega.prerender(shown)
            vega.draw({"data": {"values": [{}]}, "mark": "point"}, "")  # queued after the charts

        page()
        seconds = {
            "page after a run, with its last chart to draw": _median(page, run_to_its_end),
            "page with four charts to draw": _median(page, forget),
            "page written again": _median(page, lambda: None),
            "nbconvert, without charts": _median(_nbconvert(run_dir / NOTEBOOK_FILE)),
        }
    ours = next(iter(seconds.values()))
    how = "One page with four charts and a table, interactive and static; median of nine."
    rows = [(label, taken, taken / ours) for label, taken in seconds.items()]
    target = Target("seconds from the end of a run to its page, warm", ours, 0.1)
    return [Comparison("A page", how, ("page", "seconds", "times d1lab"), rows, [target])]


def _is_chart(output: dict) -> bool:
    return any(mime.startswith(vega.MIME) for mime in output.get("data", ()))


def _median(work: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    """Return the median of several repetitions in seconds, after a warm-up."""
    seconds = []
    for _ in range(REPEATS + 1):
        before()
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])


def _nbconvert(notebook: Path) -> Callable[[], None]:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter()

    def page() -> None:
        exporter.from_filename(str(notebook))

    return page
