"""Every report on shops at the edge: a sensible, small page, and no error."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.support.contradictions import contradictions
from tests.support.edge_shops import LARGE, SHOPS, make_warehouse, write_report
from tests.support.report_cells import REPORTS

FEW = {("refunded", "discounts"), ("refunded", "products"), ("closed", "overview")}
"""Cases of the plain suite, beside every report on the shop of hard titles."""
CASES = [
    pytest.param(
        shop,
        report,
        marks=[] if shop == "titles" or (shop, report) in FEW else [pytest.mark.long],
    )
    for shop in SHOPS
    for report in REPORTS
]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with all small edge shops."""
    return make_warehouse(tmp_path_factory.mktemp("edges"))


def text_of(page: str) -> str:
    """The words of a page, without its style and scripts."""
    main = page[page.index("<main") : page.index("</main>")]
    told = re.sub(r"<pre.*?</pre>", "", main, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", told)).split())


@pytest.mark.parametrize(("shop", "report"), CASES)
def test_report_gives_a_sensible_page(shops: Path, shop: str, report: str):
    """No missing number, no share above its whole, names are cut, and no contradiction."""
    path, reason = write_report(shops, shop, report)
    page = path.read_text(encoding="utf-8")
    text = text_of(page)
    assert len(page.encode()) < 150_000
    assert reason[1:50] in text
    assert not re.search(r"\b(nan|inf|NaT|0 of 0)\b", text)
    shares = [
        float(share)
        for name in ("% of units discounted", "Discount depth", "% of customers")
        for share in re.findall(rf"{re.escape(name)} (\d[\d.,]*)%", text)
    ]
    assert all(share <= 100 for share in shares)
    headline = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert headline
    assert len(text_of(f"<main>{headline[1]}</main>")) <= 240
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert contradictions(shops / "data" / "demo" / "runs" / f"{shop}-{report}", path) == []


def test_refunds_leave_no_share_above_its_whole(shops: Path):
    """Net of refunds, a part can exceed the whole: then there is no share."""
    path, _ = write_report(shops, "refunded", "products")
    text = text_of(path.read_text(encoding="utf-8"))
    assert text.startswith("Refunds exceed sales with or without a discount in 90 days.")
    assert not [p for p in re.findall(r"(\d[\d,.]*)%", text) if float(p.replace(",", "")) > 100]
    overview = text_of(write_report(shops, "refunded", "overview")[0].read_text(encoding="utf-8"))
    assert "−$22.00 −$25 before." in overview  # no change in percent, but there is a week before
    assert "no sale is left after refunds" in overview
    customers = text_of(write_report(shops, "refunded", "customers")[0].read_text(encoding="utf-8"))
    assert "Groups No rows." in customers  # prospects alone are not 100% of the customers


@pytest.mark.long
@pytest.mark.parametrize("report", ["ab_tests", "discounts", "inventory", "products"])
def test_report_of_a_large_shop_stays_small(tmp_path: Path, report: str):
    """500 tests, 20,000 codes, 26,000 products: the page says how many, and the CSV has all."""
    folder = make_warehouse(tmp_path, LARGE)
    path, reason = write_report(folder, "large", report)
    page = path.read_text(encoding="utf-8")
    assert reason == ""
    assert len(page.encode()) < 550_000
    shown = re.findall(r"Showing ([\d,]+) of ([\d,]+) rows", page)
    totals = {int(total.replace(",", "")) for _, total in shown}
    assert totals & {500, 1_000, 20_000, 26_000}
    files = path.with_suffix("").glob("*.csv")
    longest = max(file.read_text(encoding="utf-8").count("\n") for file in files)
    assert longest >= max(totals)
