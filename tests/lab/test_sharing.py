"""`lab.share`: a link to one thing on a page, with its sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from d1lab.display import DataTable
from d1lab.display.actions import Action, save_actions
from d1lab.display.details import Details
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.pages.page import write_page
from tests.support.sample_run import code, write_run

STOP = Action.of_fields(
    key="stop-banner", verb="Stop", what="the test “-5 % off”", basis="tested", amount=90,
    low=10, high=200, meaning="lost", currency="USD",
)  # fmt: skip


@pytest.fixture
def shared(tiny_lab: Lab, tmp_path: Path) -> Lab:
    """A lab whose project has two pages: an overview, and an inventory with details."""
    stock = pd.DataFrame(
        {
            "product": ["Dark roast (A1)", "Light <b> (B2)"],
            "units": [3, 2],
            "weeks": [[1, 2]] * 2,
            "why": [None, "x"],
            "price": [4.5, 5.0],
        }
    )
    listed = DataTable.from_frame(
        stock, title="To order", units={"price": "USD"}, kinds={"weeks": "trend"}
    )
    known = Details(DataTable.from_frame(stock[:1], title="Products", kinds={"weeks": "trend"}))
    folders = [
        write_run(tmp_path, [code("t", listed)], run_id="r1", report="overview", title="Overview"),
        write_run(tmp_path, [code("t", listed), code("d", known)], run_id="r2", title="Inventory"),
    ]
    save_actions(folders[1], [STOP])
    for folder in folders:
        write_page(folder, tmp_path / "reports")
    tiny_lab.folder, tiny_lab.reports_dir = tmp_path / "data" / "demo", tmp_path / "reports"
    return tiny_lab


def test_an_action_is_shared_in_the_words_of_its_page(shared: Lab):
    link = shared.share("stop-banner")
    assert link.text == "$90 lost a month: Stop the test “−5% off” (Tested, $10 to $200)"
    assert link.where == "Inventory · harbor · May 31, 2026"
    assert link.url == f"{link.path.as_uri()}#action-stop-banner"
    assert f'id="{link.anchor}"' in link.path.read_text()
    made = shared.action("Stop", "it", key="stop-banner", basis="tested")
    assert shared.share(made) == shared.share(made.actions[0]) == link
    assert str(link) == f"{link.text} ({link.where}) {link.url}"


def test_a_product_is_shared_with_its_details_by_its_sku_or_name(shared: Lab):
    link = shared.share("a1")
    assert (link.anchor, link.path.parent.name) == ("about-product-a1", "inventory")
    assert link.text == "To order: Dark roast (A1): units 3, price $4.50"
    assert shared.share("Dark roast (A1)") == link
    assert shared.share("A1", report="overview").anchor == "product-a1"
    assert shared.share("B2").anchor == "product-b2"
    html = shared.share("B2")._repr_mimebundle_()["text/html"]
    assert "Light &lt;b&gt; (B2)" in html


def test_without_a_thing_the_overview_is_shared_under_its_published_address(shared: Lab):
    shared.pages_url = "https://reports.example/"
    link = shared.share()
    assert link.url == "https://reports.example/demo/harbor/overview/2026-05-31.html"
    assert shared.share("B2", report="inventory").url.endswith("/2026-05-31.html#product-b2")


def test_what_no_page_shows_is_an_error_with_the_next_step(shared: Lab):
    with pytest.raises(UnknownName, match="Did you mean 'stop-banner'"):
        shared.share("stop-baner")
    with pytest.raises(UnknownName, match="no page of report 'stock' for shop 'harbor'"):
        shared.share("A1", report="stock")
    assert shared.reports_dir is not None
    shutil.rmtree(shared.reports_dir / "demo" / "harbor" / "overview")
    assert shared.share().path.parent.name == "inventory"
    shutil.rmtree(shared.reports_dir)
    with pytest.raises(InputError, match=r"no page yet.*`d1lab run --shop harbor`"):
        shared.share("A1")


def test_a_run_shares_nothing(shared: Lab, tmp_path: Path):
    """Its page does not exist, and its result must not depend on pages of earlier runs."""
    shared._given_run_dir = tmp_path
    with pytest.raises(InputError, match="in a notebook of your own"):
        shared.share()
