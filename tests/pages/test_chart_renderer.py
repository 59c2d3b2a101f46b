"""The rendering process: order, speed, and recovery after a crash."""

from __future__ import annotations

import json
import os
import signal

import pytest

from d1lab.pages import chart_renderer as drawing
from d1lab.pages import svg as vega
from d1lab.pages.chart_renderer import ChartRenderer
from d1lab.pages.page import render_page
from tests.support.sample_run import code, turnover_cells, write_run

BARS = json.dumps({"data": {"values": [{"a": 1}]}, "mark": "bar"})


@pytest.fixture
def renderer():
    """A separate renderer."""
    made = ChartRenderer(os.environ)
    yield made
    made.close()


def test_drawings_are_queued(renderer):
    """Several charts can be queued; each gets its own result or error."""
    drawn, refused, again = [renderer.draw(spec) for spec in (BARS, '{"mark": "bat"}', BARS)]
    assert drawn.result().startswith("<svg")
    with pytest.raises(ValueError, match="conversion failed"):
        refused.result()
    assert again.result() == drawn.result()


def test_a_dead_renderer_is_replaced(renderer):
    """The next chart after a crash is rendered."""
    renderer.draw(BARS).result()
    renderer._process.kill()
    renderer._process.wait()
    assert renderer.draw(BARS).result().startswith("<svg")


def test_what_never_ends_is_ended(renderer, monkeypatch):
    """One chart fails with a reason; the next one is rendered."""
    renderer.draw(BARS).result()
    monkeypatch.setattr(drawing, "LONGEST_SECONDS", 0.2)
    os.kill(renderer._process.pid, signal.SIGSTOP)
    with pytest.raises(ValueError, match="the renderer stopped or took longer than"):
        renderer.draw(BARS).result()
    monkeypatch.undo()
    assert renderer.draw(BARS).result().startswith("<svg")


def test_charts_seen_before_are_not_drawn_again(tmp_path, monkeypatch):
    """An analyst's charts are rendered during the run; those of `lab.charts` need no Vega."""
    own = [code("alt.Chart(...)", {f"{vega.MIME}.v6+json": json.loads(BARS)})]
    cells = turnover_cells() + own
    asked = []

    class Counting(ChartRenderer):
        def draw(self, spec):
            asked.append(spec)
            return super().draw(spec)

    counting = Counting(os.environ)
    monkeypatch.setattr(vega, "_renderer", lambda: counting)
    vega._picture.cache_clear()
    for cell in cells:
        vega.prerender(cell.get("outputs", ()))
    assert len(asked) == 1
    render_page(write_run(tmp_path, cells), static=True, cache_dir=tmp_path / "cache")
    assert len(asked) == 1
    vega._picture.cache_clear()
    counting.close()
