"""Completion inside strings and cells."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from d1lab.lab.completion import offer, register

NAMES = {"sales": pd.DataFrame({"week": [1], "money": [2]}), "since": "2026-01-01"}


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ('lab.metric("turn', "", "turnover"),
        ('lab.metric("turnover", until=lab.as_of(), d', "", "days="),
        ('lab.describe("order_l', "", "order_lines"),
        ("lab.tables['raw.order_e", "", "raw.order_events"),
        ('d1lab.open("demo", shop="har', "", "harbor"),
        ('lab.sql("SELECT reven', ' FROM order_lines")', "revenue"),
        ('lab.sql("""SELECT 1 FROM sal', '"""', "sales"),
        ("%%d1 x\nSELECT l.discount_a", " FROM order_lines AS l", "l.discount_amount"),
        ("%%d1\nSELECT mon", " FROM sales", "money"),
        ("%%d1\nselect * fr", "", "from"),
        ("%%d1\nSELECT * FROM order_lines WHERE day > $s", "", "$since"),
        ("%%d1 --li", "", "--limit"),
        ('lab.explain("turn', "", "turnover"),
    ],
)
def test_first_offer_is_what_fits(tiny_lab, before, after, first):
    """Names of metrics, parameters, tables, columns, shops, and words of SQL."""
    found = offer(tiny_lab, before, before + after, NAMES)
    assert found is not None
    assert found.texts[0] == first


@pytest.mark.parametrize("before", ["x = lab", "print('turn", "lab.metric(name", "# %%d1\nSEL"])
def test_python_is_left_to_python(tiny_lab, before):
    """Elsewhere IPython completes alone."""
    assert offer(tiny_lab, before, before, NAMES) is None


def test_ipython_offers_nothing_else_inside_such_a_string(tiny_lab):
    """The first Tab gives the names of the warehouse, and no file names."""
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    trace = sys.gettrace(), sys.displayhook, sys.excepthook
    shell = InteractiveShell()
    try:
        register(tiny_lab, shell)
        register(tiny_lab, shell)
        with provisionalcompleter():  # as the kernel asks
            cells = ('lab.metric("turn', "%%d1\nSELECT sku FROM prod")
            offered = [[c.text for c in shell.Completer.completions(t, len(t))] for t in cells]
        assert len(shell.Completer.custom_matchers) == 1
    finally:
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
        _, sys.displayhook, sys.excepthook = trace
    assert offered[0] == ["turnover"]
    assert "products" in offered[1]
    assert all(name.startswith("prod") for name in offered[1])
