"""Pages in a real Chromium without network: requests, charts, escaping, and accessibility."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from d1lab.charts.theme import PALETTE
from d1lab.display import DataTable, Figure
from d1lab.display.ab_test_list import AbTestList, AbTestRow
from d1lab.display.details import Details
from d1lab.pages.export import export_pdf
from d1lab.pages.index import write_index
from d1lab.pages.page import render_page, write_page
from tests.support.outside import chromium
from tests.support.sample_run import (
    HOSTILE,
    STARTED,
    code,
    hostile_cells,
    live_cell,
    turnover_cells,
    write_run,
)

CHROMIUM = chromium()
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parents[1] / "browser" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1180, "height": 900}
ERROR = {"cell_index": 4, "ename": "InputError", "message": HOSTILE, "traceback": HOSTILE}


class Pages(NamedTuple):
    """The pages under test, by feature."""

    report: Path
    live: Path
    static: Path
    failed: Path
    hostile: Path
    index: Path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Pages of test runs, one of each kind, and their index."""
    folder = tmp_path_factory.mktemp("pages")
    reports = folder / "reports"
    yesterday = STARTED - timedelta(days=1)
    old = write_run(
        folder, turnover_cells(-1), run_id="r0", as_of="2026-05-30", started_at=yesterday
    )
    new = write_run(
        folder, turnover_cells(), run_id="r1", previous_run_id="r0", simulated=["inventory_days"]
    )
    live = write_run(folder, [*turnover_cells(), live_cell()], run_id="r4", shop="kiosk")
    failed = write_run(
        folder, turnover_cells()[:5], run_id="r2", shop="village", status="failed", error=ERROR
    )
    names = {
        "shop": HOSTILE,
        "title": HOSTILE,
        "parameters": {HOSTILE: HOSTILE},
        "given": [HOSTILE],
    }
    hostile = write_run(folder, hostile_cells(), run_id="r3", **names)
    write_page(old, reports)
    static = folder / "static.html"
    static.write_text(render_page(new, static=True))
    paths = [write_page(run, reports) for run in (new, live, failed, hostile)]
    return Pages(paths[0], paths[1], static, paths[2], paths[3], write_index(reports))


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """The installed Chromium, started once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """An opened page, with its requests and console errors."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.messages: list[str] = []
        page.on("request", lambda r: self.requests.append(r.url))
        page.on("console", lambda m: self.messages.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: self.messages.append(f"error: {e}"))
        page.on("dialog", lambda d: (self.messages.append("dialog"), d.dismiss()))

    def __getattr__(self, name):
        return getattr(self.page, name)


@pytest.fixture
def visit(browser):
    """Open a page offline and wait until its charts, if any, are interactive."""

    @contextmanager
    def open_page(path: Path, viewport=DESK, scheme="light", scripts=True, start=""):
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, offline=True, java_script_enabled=scripts
        )
        try:
            page = context.new_page()
            if start:
                page.add_init_script(start)
            visited = Visit(page)
            page.goto(path.as_uri())
            if scripts and 'id="specs"' in path.read_text():
                page.wait_for_function("document.documentElement.dataset.charts === 'live'")
            yield visited
        finally:
            context.close()

    return open_page


@pytest.mark.parametrize("name", Pages._fields)
@pytest.mark.parametrize("width", [390, 1180])
def test_page_is_quiet_and_fits(pages: Pages, visit, name, width):
    """No requests, no console errors, and no horizontal overflow."""
    path = getattr(pages, name)
    with visit(path, {"width": width, "height": 844}) as page:
        assert page.requests == [path.as_uri()]
        assert page.messages == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("window.hacked") is None


def test_interactive_chart_is_drawn_live(pages: Pages, visit):
    """Vega draws it at full width in place of the static one; the others stay static."""
    with visit(pages.live, PHONE) as page:
        box = page.locator(".chart .live svg").bounding_box()
        assert 300 < box["width"] <= 358
        assert box["height"] > 100
        assert page.locator(".still:visible").count() == 4


@pytest.mark.parametrize(("name", "scripts"), [("report", False), ("static", True)])
def test_charts_stand_without_scripts(pages: Pages, visit, name, scripts):
    """Every chart is visible without scripts and on the static page."""
    with visit(getattr(pages, name), scripts=scripts) as page:
        charts = page.locator(".still")
        assert charts.count() == 4
        for chart in charts.all():
            box = chart.bounding_box()
            assert box["width"] > 500
            assert box["height"] > 100
        assert page.locator("button:not(.term, .ask):visible").count() == 0
        assert page.locator("tr.more:visible").count() > 0


def test_tooltip_shows_text(pages: Pages, visit):
    """The tooltip of a bar shows hostile data as text."""
    with visit(pages.hostile) as page:
        page.locator(".live .mark-rect path").first.hover()
        tip = page.locator("#vg-tooltip-element.visible")
        tip.wait_for()
        assert "</script>" in tip.inner_text()
        assert page.evaluate("window.hacked") is None


def test_tip_follows_pointer_and_arrow_keys(pages: Pages, visit):
    """The nearest point has its tip, which a screen reader hears when a key moved to it."""
    with visit(pages.report, PHONE) as page:
        tip, told = page.locator("#tip"), page.locator("p.sr[role=status]")
        line = page.locator(".still:has([data-tips])").first
        area = line.locator("[data-tips]").bounding_box()
        page.mouse.wheel(0, area["y"] - 300)
        area = line.locator("[data-tips]").bounding_box()
        page.mouse.move(area["x"] + 1, area["y"] + 20)
        first = tip.inner_text()
        assert first.startswith("Mar 3, 2026: Units on hand ")
        page.mouse.move(area["x"] + area["width"] - 1, area["y"] + 190)
        assert tip.inner_text().startswith("May 31, 2026: ")
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.mouse.move(1, 1)
        assert tip.is_hidden()
        pan = page.locator(".pan:has([data-tips])").first
        pan.focus()
        assert told.inner_text() == ""
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert told.inner_text() == tip.inner_text()
        page.keyboard.press("ArrowLeft")
        assert told.inner_text().startswith("May 31, 2026: ")
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        bars = page.locator(".pan:has(.rows)").first
        bars.focus()
        page.keyboard.press("ArrowDown")
        assert told.inner_text().startswith("Sea salt, 500 g: Days of supply ")


def test_chart_text_is_readable_on_every_screen(pages: Pages, visit):
    """Labels are as large as declared, at any width, and lie within the page."""
    for width in (320, 390, 1180):
        with visit(pages.report, {"width": width, "height": 800}) as page:
            sizes = page.evaluate(
                "[...document.querySelectorAll('.still text')].map(e => e.getBoundingClientRect())"
                ".filter(b => b.width).map(b => [b.height, b.left, b.right])"
            )
            assert len(sizes) > 20
            assert min(height for height, _, _ in sizes) >= 12
            assert min(left for _, left, _ in sizes) >= 0
            assert max(right for _, _, right in sizes) <= width


def test_policy_stops_what_would_get_through(pages: Pages, visit, tmp_path: Path):
    """Scripts injected into a page would not run."""
    attack = (
        "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
        "<svg onload='window.hacked=1'></svg>"
        "<iframe srcdoc='<script>top.hacked=1</script>'></iframe>"
        "<script src='https://example.org/x.js'></script><form action='https://example.org'></form>"
    )
    page_file = tmp_path / "attacked.html"
    page_file.write_text(pages.report.read_text().replace("</main>", attack + "</main>"))
    with visit(page_file) as page:
        assert page.evaluate("window.hacked") is None
        assert any("Content Security Policy" in message for message in page.messages)


@pytest.mark.parametrize("name", ["report", "failed"])
def test_first_screen_of_a_phone_tells_the_essentials(pages: Pages, visit, name):
    """Title, shop, verdict, figures, freshness, and warnings fit on 390 x 844."""
    with visit(getattr(pages, name), PHONE) as page:
        wanted = [".bar", "h1", ".when"]
        wanted += [".figures > div:nth-child(3)", ".warnings"] if name == "report" else []
        for selector in wanted:
            box = page.locator(selector).first.bounding_box()
            assert box["y"] + box["height"] <= 844, selector
        for label in page.locator(".figures dt").all():
            assert label.bounding_box()["width"] > 120, label.text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme(pages: Pages, visit, scheme):
    """Background, text, and marks use the palette, in interactive and static charts."""
    position = ("light", "dark").index(scheme)

    def rgb(name: str) -> str:
        text = PALETTE[name][position]
        return f"rgb({', '.join(str(int(text[i : i + 2], 16)) for i in (1, 3, 5))})"

    with visit(pages.live, scheme=scheme) as page:
        style = "s => getComputedStyle(document.querySelector(s))"
        assert page.evaluate(f"({style})('body').backgroundColor") == rgb("paper")
        assert page.evaluate(f"({style})('h1').color") == rgb("ink")
        for place in (".live", ".still"):
            fills = page.evaluate(
                "place => [...document.querySelectorAll(place + ' [fill^=\"#\"]')]"
                ".map(e => getComputedStyle(e).fill)",
                place,
            )
            assert fills
            assert set(fills) <= set(map(rgb, ("accent", "muted", "ink", "paper", "grey")))


def test_print_shows_pictures_on_white(pages: Pages, visit):
    """In print: the light scheme, static charts, all rows, and no buttons."""
    with visit(pages.live, scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator(".still:visible").count() == 5
        rest = page.locator("main > section > .table tr.more")
        assert rest.count() > 0
        assert all(row.is_visible() for row in rest.all())
        assert page.locator(".live svg:visible").count() == 0
        assert page.locator("button:not(.term, th > button):visible").count() == 0
        ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert ink == "rgb(26, 29, 32)"


def test_pdf_is_tagged(pages: Pages, browser):
    """The PDF is next to its page, tagged for screen readers, and has no path of this machine."""
    assert 'href="2026-05-31/' in pages.report.read_text()
    exported = export_pdf(pages.report)
    assert exported.path == pages.report.with_suffix(".pdf")
    content = exported.path.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/StructTreeRoot" in content
    assert b"file:" not in content
    assert len(content) > 20_000


@pytest.mark.parametrize(
    "name",  # the static page is the report without scripts; the hostile one has other texts
    [
        pytest.param(n, marks=[pytest.mark.long] * (n in ("static", "hostile")))
        for n in Pages._fields
    ],
)
@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(DESK, "light"), pytest.param(PHONE, "dark", marks=pytest.mark.long)],
)
def test_axe_finds_nothing(pages: Pages, visit, name, viewport, scheme):
    """axe-core finds no violations."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in tests/browser")
    with visit(getattr(pages, name), viewport, scheme) as page:
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run()")["violations"]
        told = [(v["impact"], v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found]
        assert told == []


def test_copying_gives_exact_values(pages: Pages, visit):
    """The clipboard gets exact numbers instead of rounded ones, and no formulas."""
    start = "navigator.clipboard.writeText = async (text) => { window.copied = text; };"
    with visit(pages.report, start=start) as page:
        page.locator("main > section > .table button[data-copy]").first.click()
        lines = page.evaluate("window.copied").split("\r\n")
        assert lines[0].startswith("Product,Ending units,Days of supply (days)")
        assert lines[1].startswith('"Sea salt, 500 g",')
        assert len(lines[1].split(",")[3].partition(".")[2]) > 6
        assert page.locator("button", has_text="Copied").count() == 1
        page.locator("#provenance").click()
        page.locator("button[data-copy=command]").click()
        assert page.evaluate("window.copied").startswith("d1lab run inventory --shop harbor")
    with visit(pages.hostile, start=start) as page:
        page.locator("main > section > .table button[data-copy]").first.click()
        assert not [
            cell
            for line in page.evaluate("window.copied").split("\r\n")
            for cell in line.split(",")
            if cell.startswith(("=", "+", "@"))
        ]


def test_keyboard_reaches_what_there_is(pages: Pages, visit):
    """The first tab stop skips to the report; focus is always visible."""
    with visit(pages.report) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["width"] > 50
        reached = set()
        while True:
            page.keyboard.press("Tab")
            tag = page.evaluate("document.activeElement.tagName")
            if tag == "BODY":
                break
            reached.add(tag)
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
        assert {"A", "BUTTON", "SUMMARY", "DIV"} <= reached


def test_age_is_told_for_the_moment_of_reading(pages: Pages, visit):
    """A page opened days later shows the current age of its data."""
    fresh = pages.report.read_text().replace(">Stale<", ">Fresh<")
    moment = datetime.now(UTC) - timedelta(days=3)
    old = pages.report.with_name("old.html")
    old.write_text(fresh.replace("2026-06-01T05:58:00+00:00", moment.isoformat()))
    with visit(old) as page:
        assert page.locator(".age").inner_text() == "3 days ago"
        assert page.locator(".state").inner_text() == "Stale"
    old.unlink()


def test_tables_sort_search_and_open(pages: Pages, visit):
    """Ten rows at first, all on request; a header sorts all rows, and a search finds any."""
    with visit(pages.report) as page:
        table = page.locator("main > section > .table table:has(tr.more)").first
        rows, names = table.locator("tbody tr:visible"), table.locator("tbody tr > :first-child")
        total = names.count()
        assert rows.count() == 10 < total
        header = table.locator("thead th.n").first
        header.locator("button").click()
        place = header.evaluate("th => th.cellIndex + 1")
        cells = table.locator(f"tbody tr > :nth-child({place})")
        shown = [float(text.replace(",", "")) for text in cells.all_inner_texts() if text != "–"]
        assert shown == sorted(shown, reverse=True)
        assert header.get_attribute("aria-sort") == "descending"
        assert rows.count() == 10
        last = names.nth(total - 1).text_content()
        search = page.locator("main > section > .table input[type=search]").first
        search.fill(last)
        assert rows.count() == 1
        search.fill("")
        page.locator("main > section > .table button[data-all]").first.click()
        assert rows.count() == total


def test_large_table_does_no_needless_work(browser, tmp_path: Path):
    """Of 1,000 rows, a search changes only those that it hides or shows; a sort moves them once."""
    names = [f"Product {n} ({n * 7919 % 1_000:03})" for n in range(1_000)]
    frame = pd.DataFrame({"product": names, "units": range(1_000), "revenue": range(1_000)})
    run = write_run(tmp_path, [code("t", DataTable.from_frame(frame, title="T", limit=1_000))])
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(write_page(run, tmp_path / "reports").as_uri())
    page.evaluate(
        """() => {
          window.seen = [];
          const watch = new MutationObserver((records) => seen.push(...records));
          const all = { subtree: true, childList: true, attributes: true };
          document.querySelectorAll("table.data, tbody").forEach((e) => watch.observe(e, all));
        }"""
    )

    def changes(act) -> tuple[int, int]:
        page.evaluate("seen.length = 0")
        act()
        kinds = page.evaluate(
            "new Promise(r => requestAnimationFrame(() => r(seen.map(s => s.type))))"
        )
        return kinds.count("attributes"), kinds.count("childList")

    search, rows = page.locator("input[type=search]"), page.locator("table.data tbody tr:visible")
    found = [name for name in names if "77" in name]
    attributes, moves = changes(lambda: search.fill("product 77"))
    assert 1_000 - len(found) <= attributes <= 1_000
    assert moves == 0
    assert rows.count() == len(found) > 10
    assert changes(lambda: search.fill(found[0])) == (len(found) - 1, 0)
    assert changes(lambda: search.fill(f" {found[0]}  ")) == (0, 0)
    search.fill("")
    assert rows.count() == 10
    attributes, moves = changes(lambda: page.locator("thead th.n button").first.click())
    assert moves <= 1_003
    assert attributes <= 240
    assert rows.first.inner_text().startswith("Product 999")
    page.locator("button[data-all]").click()
    assert rows.count() == 100
    rows.last.scroll_into_view_if_needed()
    rows.nth(150).wait_for()
    assert rows.count() == 200
    box = page.locator(".scroll.tall").bounding_box()
    head = page.locator("thead th").first
    page.evaluate("location.hash = 'product-919'")
    page.locator("#product-919").wait_for()
    assert page.locator("#product-919").is_visible()
    assert box["height"] <= 0.86 * page.viewport_size["height"]
    inside = page.locator(".scroll.tall").bounding_box()
    assert abs(head.bounding_box()["y"] - inside["y"]) <= 1
    context.close()


def test_downloaded_table_has_exact_and_harmless_cells(browser, tmp_path: Path):
    """The file has raw numbers, also of ranges, and no cell that a spreadsheet would run."""
    frame = pd.DataFrame(
        {
            "name": ["=1+1", "+2", "-3", "@x", 'a,"b"', "-"],
            "lift": [0.123456789, -0.5, None, 1.0, 2.0, 3.0],
            "lift_low": [0.1, -0.6, None, 0.9, 1.0, 2.0],
            "lift_high": [0.2, -0.4, None, 1.1, 3.0, 4.0],
        }
    )
    kinds = dict.fromkeys(("lift", "lift_low", "lift_high"), "percent")
    table = DataTable.from_frame(frame, title="T", kinds=kinds, name="lifts")
    run = write_run(tmp_path, [code("t", table)])
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(write_page(run, tmp_path / "reports").as_uri())
    with page.expect_download() as download:
        page.locator("button[data-save]").click()
    assert download.value.suggested_filename == "lifts.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["Name", "Lift", "Lift low", "Lift high"],
        ["'=1+1", "0.123456789", "0.1", "0.2"],
        ["'+2", "-0.5", "-0.6", "-0.4"],
        ["'-3", "", "", ""],
        ["'@x", "1", "0.9", "1.1"],
        ['a,"b"', "2", "1", "3"],
        ["'-", "3", "2", "4"],
    ]
    context.close()


def test_link_to_a_row_unfolds_it(pages: Pages, visit):
    """A row that is folded, beyond those shown, or left out by a search is visible by a link."""
    with visit(pages.report) as page:
        row = page.locator("tr.more[id]").first
        assert row.is_hidden()
        table = row.locator("xpath=ancestor::table").get_attribute("id")
        page.locator(f"[data-find={table}]").evaluate(
            "s => { s.value = 'no such row'; s.dispatchEvent(new Event('input')) }"
        )
        page.evaluate("id => location.hash = id", row.get_attribute("id"))
        row.wait_for()
        assert row.is_visible()
        assert page.locator(f"[data-find={table}]").input_value() == ""


@pytest.mark.parametrize("width", [320, 1180])
def test_menus_of_the_bar_open_by_keys_and_lead_to_other_files(pages: Pages, visit, width):
    """One at a time, within the window; Escape returns to the menu, a click elsewhere closes it."""
    with visit(pages.report, {"width": width, "height": 700}) as page:
        shop, _, date = (page.locator(".menu summary").nth(n) for n in range(3))
        shop.click()
        date.focus()
        page.keyboard.press("Enter")
        assert page.locator(".menu[open]").count() == 1
        entries = page.locator(".menu[open] ul")
        box = entries.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.keyboard.press("Escape")
        assert entries.count() == 0
        assert page.evaluate("document.activeElement.innerText.startsWith('Date')")
        date.click()
        page.mouse.click(width - 2, 690)
        assert entries.count() == 0
        date.click()
        page.emulate_media(media="print")
        assert page.locator("header.bar").inner_text().split()[:2] == ["Shop:", "harbor"]
        page.emulate_media(media="screen")
        page.locator(".menu[open] a", has_text="May 30, 2026").click()
        page.wait_for_url("**/2026-05-30.html")
        assert page.messages == []


def test_link_into_a_test_shows_it_whatever_is_chosen(tmp_path: Path, visit):
    """An action's place is inside the row of its test, which can be beyond the first ten."""
    rows = [
        AbTestRow(
            f"test-{n}", f"Test {n}", "ended" if n else "running", "", "", 1, "orders", None, None,
            (), "Stop", "It loses.", action=f"action-stop-{n}",
        )
        for n in range(12)
    ]  # fmt: skip
    run = write_run(tmp_path, [code("t", AbTestList(tuple(rows), len(rows)))])
    with visit(write_page(run, tmp_path / "reports")) as page:
        place = page.locator("#action-stop-11")
        assert place.is_hidden()
        page.locator("[value=running]").check(force=True)
        page.evaluate("location.hash = 'action-stop-11'")
        place.wait_for()
        assert place.is_visible()


@pytest.fixture
def drawers(tmp_path: Path) -> Path:
    """A page with a list of 30 products and details of two of them, one hostile."""
    names = [f"Product {n} ({n})" for n in range(29)] + [f"{HOSTILE} (29)"]
    table = DataTable.from_frame(pd.DataFrame({"product": names, "units": range(30)}), title="All")
    known = pd.DataFrame(
        {"product": names[28:], "units": [28, 29], "weeks": [[1, 2, 3]] * 2, "why": HOSTILE}
    )
    details = Details(DataTable.from_frame(known, title="Products", kinds={"weeks": "trend"}))
    return write_page(
        write_run(tmp_path, [code("t", table), code("d", details)]), tmp_path / "reports"
    )


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_drawer_opens_by_a_key_and_returns(drawers: Path, visit, viewport):
    """Enter on a name opens its details, Escape closes them; place and focus stay."""
    with visit(drawers, viewport) as page:
        page.locator("button[data-all]").click()
        link = page.locator("#product-28 a")
        link.focus()
        page.keyboard.press("Enter")
        drawer = page.locator("#about-product-28")
        drawer.wait_for()
        place = page.evaluate("scrollY")
        assert page.evaluate("document.activeElement.id") == "about-product-28"
        assert drawer.locator("svg").bounding_box()["width"] > 250
        if AXE.is_file():
            page.evaluate(AXE.read_text())
            assert page.evaluate("axe.run()")["violations"] == []
        page.keyboard.press("Escape")
        assert drawer.is_hidden()
        assert page.evaluate("document.activeElement === document.querySelector('#product-28 a')")
        assert page.evaluate("scrollY") == place
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert page.messages == []


def test_drawer_has_an_address_and_needs_no_script(drawers: Path, visit):
    """A link to it opens it, also without scripts; its lists are linked; Close leads to the row."""
    with visit(drawers, scripts=False) as page:
        page.goto(f"{drawers.as_uri()}#about-product-29")
        drawer = page.locator("#about-product-29")
        assert drawer.is_visible()
        assert drawer.locator("a[href='#list-all']").is_visible()
        drawer.locator(".close").click()
        assert drawer.is_hidden()
        assert page.locator("#product-29").is_visible()
    with visit(drawers) as page:
        page.evaluate("location.hash = 'about-product-29'")
        page.locator("#about-product-29").wait_for()
        page.locator("h1").click(position={"x": 1, "y": 1})
        assert page.locator(".drawer:visible").count() == 0
        assert page.evaluate("window.hacked") is None


def test_details_are_folded(pages: Pages, visit):
    """What supports a page stays closed until it is asked for, or printed."""
    with visit(pages.report) as page:
        assert page.locator("details.ev").count() >= 3
        assert page.locator("details.ev[open]").count() == 0
        page.locator("#parameters").click()
        assert page.locator("details.ev[open] dl.facts:visible").count() == 1


def test_index_filters_and_links(pages: Pages, visit):
    """Filters reduce the list and are in the URL; titles link to the latest page."""
    with visit(pages.index) as page:
        assert page.locator("article:visible").count() == 4
        page.locator("select").first.select_option("harbor")
        assert page.locator("article:visible").count() == 1
        assert page.url.endswith("#shop=harbor")
        page.locator("article:visible h4 a").click()
        assert page.url.endswith("demo/harbor/inventory/latest.html")
        page.locator(".home").click()
        assert page.url.endswith("index.html")
    with visit(pages.index, scripts=False) as page:
        assert page.locator("article:visible").count() == 4
        assert page.locator("select:visible").count() == 0


def test_index_remembers_its_filter(pages: Pages, browser):
    """A URL with a filter opens filtered; a filter without matches is ignored."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(f"{pages.index.as_uri()}#shop=village")
    assert page.locator("article:visible").count() == 1
    page.goto("about:blank")
    page.goto(f"{pages.index.as_uri()}#shop=nowhere")
    assert page.locator("article:visible").count() == 4
    context.close()


def test_index_of_a_thousand_shops_stays_usable(browser, tmp_path: Path):
    """One file of 550 kB at most: 25 rows at first, all on request, and a search that finds any.

    A sort by money keeps the shops of each currency together.
    """
    reports = tmp_path / "reports"
    action = {"key": "win-back", "verb": "Win back", "what": "56 customers who are going quiet"}
    action |= {"basis": "estimate", "meaning": "at risk"}
    trend = {"values": [8_000.5 + 90 * (n % 4) for n in range(13)], "low": 7e3, "high": 9e3}
    week = Figure.of("revenue", 8_000.5, kind="money", trend=trend)
    shares = [Figure.of(n, 0.26531, kind="percent") for n in ("gross_margin_rate", "given_share")]
    record = json.loads((write_run(tmp_path, [code("1")]) / "run.json").read_text())
    finding = {"text": "Revenue fell 26% to $8,254 last week, unusually low.", "status": "neutral"}
    for number in range(1_000):
        folder = reports / "demo" / f"shop-{number:03}" / "overview"
        folder.mkdir(parents=True)
        (folder / "2026-05-31.html").write_text("x")
        run = {**record, "shop": f"shop-{number:03}", "report": "overview", "verdict": finding}
        currency = "EUR" if number % 3 else "USD"
        figures = [each.to_json() for each in (week._replace(unit=currency), *shares)]
        advice = [{**action, "amount": 1.5 * number, "currency": currency}]
        one = {"figures": figures, "run": run, "actions": advice}
        (folder / "2026-05-31.json").write_text(json.dumps(one))
    context = browser.new_context(offline=True)
    page = context.new_page()
    index = write_index(reports)
    assert index.stat().st_size < 550_000
    page.goto(index.as_uri())
    rows = page.locator("#shops tbody tr:visible")
    assert rows.count() == 25
    assert rows.first.inner_text().startswith("shop-998")
    assert page.evaluate("document.documentElement.scrollHeight") < 4_000
    page.locator("input[type=search]").fill("shop-007")
    assert rows.count() == 1
    page.locator("input[type=search]").fill("")
    page.locator("th button", has_text="To act on").click()
    groups = page.locator("#shops tbody tr").evaluate_all("rows => rows.map(r => r.dataset.g)")
    assert groups == sorted(groups)
    assert rows.first.inner_text().startswith("shop-998")
    page.goto(f"{index.as_uri()}#shop-demo-shop-123")
    page.locator("#shop-demo-shop-123").wait_for()
    context.close()
