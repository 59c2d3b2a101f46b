"""Altair's own charts in a notebook: in d1lab's theme, whenever Altair is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import altair as alt
import pytest
from IPython.core.formatters import DisplayFormatter

from d1lab.charts import theme

CHART = alt.Chart(alt.Data(values=[{"day": 1}]), title="Days").mark_bar().encode(x="day:Q")


@pytest.fixture
def as_imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Altair as it is before d1lab sets its theme, in a run."""
    before = alt.theme.active, alt.renderers.active
    monkeypatch.setenv("D1LAB_RUN_DIR", "run")
    alt.renderers.register("d1lab", None)
    theme.enable.cache_clear()
    alt.theme.enable("default")
    alt.renderers.enable("default")
    yield
    alt.theme.enable(before[0])
    alt.renderers.register("d1lab", theme.render_for_notebook)
    alt.renderers.enable(before[1])


def shown(formatter: DisplayFormatter) -> dict:
    """The MIME bundle that a notebook gets for a chart."""
    return formatter.format(CHART)[0]


@pytest.mark.parametrize("is_early", [True, False])
def test_a_chart_has_the_theme_whenever_altair_is_imported(as_imported, monkeypatch, is_early):
    """Before the extension, as in a forked kernel, or after it; Altair is not imported for it."""
    formatter = DisplayFormatter()
    with monkeypatch.context() as patch:
        if not is_early:
            patch.delitem(sys.modules, "altair")
        theme.load_ipython_extension(SimpleNamespace(display_formatter=formatter))
        assert ("altair" in sys.modules) is is_early
    assert shown(formatter)[theme.MIME]["config"]["title"] == theme.chart_config()["title"]
    alt.renderers.enable("default")  # the notebook's choice, from here on
    assert theme.MIME not in shown(formatter)


def test_what_a_notebook_has_chosen_stays(as_imported):
    """The first chart of d1lab changes neither theme nor renderer."""
    alt.theme.enable("dark")
    alt.renderers.enable("mimetype")
    theme.enable()
    assert (alt.theme.active, alt.renderers.active) == ("dark", "mimetype")
