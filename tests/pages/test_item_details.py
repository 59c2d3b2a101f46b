"""Drawers: one for each item that a table of the page names, and none for others."""

from __future__ import annotations

from typing import Any

import pandas as pd

from d1lab.display import DataTable
from d1lab.display.details import Details
from d1lab.pages import item_details as drawers
from d1lab.pages.item_details import item_details
from tests.support.sample_run import HOSTILE, code, write_run

KINDS: dict[str, Any] = {"weeks": "trend"} | dict.fromkeys(
    ("lift", "lift_low", "lift_high"), "percent"
)


def details(products: list[str], **columns: Any) -> DataTable:
    frame = pd.DataFrame({"product": products, **columns})
    kinds = {name: kind for name, kind in KINDS.items() if name in columns}
    return DataTable.from_frame(frame, title="Products", kinds=kinds)


def listed(*products: str, name: str = "list") -> DataTable:
    frame = pd.DataFrame({"product": list(products), "units": 1})
    return DataTable.from_frame(frame, title=name.capitalize(), name=name)


def test_only_items_of_the_page_have_a_drawer():
    """Each has one, however many tables name it, and it leads to all of them."""
    known = details(["Mug (7)", "Tea (8)", "Pot (9)"], units=[5, 6, 7])
    tables = [listed("Tea (8)", "Cup (1)"), listed("Tea (8)", "Mug (7)", name="second")]
    mug, tea = item_details([known, known], tables)
    assert (mug.anchor, mug.row, mug.name, mug.key) == (
        "about-product-7",
        "product-7",
        "Mug",
        "7",
    )
    assert [place.anchor for place in tea.lists] == ["list-list", "list-second"]


def test_numbers_series_and_texts_have_their_places():
    """Four numbers at the top, series as bars, the rest as a list; unknown values are left out."""
    known = details(
        ["Mug (7)", "Tea (8)"],
        a=[1, 2],
        lift=[0.5, None],
        lift_low=[0.1, None],
        lift_high=[0.9, None],
        c=[3, 4],
        d=[5, 6],
        e=[7, 8],
        why=["sold out", ""],
        weeks=[[0, 2, None, 4], None],
    )
    mug, tea = item_details([known], [listed("Mug (7)", "Tea (8)")])
    assert [label for label, _ in mug.figures] == ["A", "Lift <span>range</span>", "C", "D"]
    assert mug.figures[1][1] == "50.0% <span>10.0% to 90.0%</span>"
    assert [label for label, _ in mug.facts] == ["E", "Why"]
    assert [label for label, _ in tea.figures] == ["A", "C", "D", "E"]
    [weeks] = mug.trends
    assert weeks.told == "last 4, most 4"
    assert weeks.svg.count("v-") == 2  # 0 and the unknown week have no bar
    assert tea.trends == tea.facts == ()


def test_drawers_end_where_the_page_would_grow_too_large(monkeypatch):
    """The most important items come first; the page stays below its size."""
    names = [f"Product {n} ({n})" for n in range(500)]
    known = DataTable.from_frame(
        pd.DataFrame({"product": names, "units": range(500)}), title="T", limit=500
    )
    table = DataTable.from_frame(pd.DataFrame({"product": names}), title="T", limit=500)
    monkeypatch.setattr(drawers, "MOST_BYTES", 4_000)
    found = item_details([known], [table])
    assert 5 < len(found) < 100
    assert [one.key for one in found[:3]] == ["0", "1", "2"]


def test_page_opens_drawers_by_links_and_escapes_them(tmp_path):
    """The name is a link; mail, which cannot open drawers, has neither."""
    from d1lab.pages.page import render_page

    name = f"{HOSTILE} (7)"
    cells = [
        code("t", listed(name, "Tea (8)")),
        code("d", Details(details([name], note=[HOSTILE]))),
    ]
    run = write_run(tmp_path, cells)
    page, mail = render_page(run), render_page(run, static=True)
    assert page.count('<div class="drawer"') == 1
    assert '<a href="#about-product-7">' in page
    assert 'id="about-product-7"' in page
    assert "<script>window" not in page
    assert "about-product" not in mail
