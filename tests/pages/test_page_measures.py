"""Limits of all pages, measured in Chromium: height, words before an action, size, policy."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.edge_shops import LARGE, SHOPS, make_warehouse, write_report
from tests.support.outside import chromium
from tests.support.report_cells import REPORTS

CHROMIUM = chromium()
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parents[1] / "browser" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (320, 390, 640, 768, 1280, 1920)  # 640 is 1280 at a zoom of 200%
MOST_HIGH, MOST_HIGH_PHONE, MOST_TOP, MOST_WORDS = 4_000, 6_000, 480, 150
MOST_BYTES, USUAL_BYTES = 550_000, 150_000

JARGON = (
    "lift", "p-value", "alpha", "confidence", "elasticity", "RFM", "association", "horizon",
    "interval", "conversion", "significant",
)  # fmt: skip
"""Words that no page uses before a fold, unless a tap explains them."""

JARGON_SHOWN = """(words) => {
  const jargon = new RegExp(`\\\\b(${words.join("|")})`, "i");
  const folded = "details:not([open]) > :not(summary), .sr, [popover], .evidence, .bar";
  const named = "script, style, .tests b, a[href$='.csv']"; // words of merchants, and files
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  for (let n; (n = walk.nextNode()); ) {
    const e = n.parentElement;
    if (e.closest(`${named}, ${folded}, .term, .ask`) || !e.checkVisibility()) continue;
    const near = e.closest("th, dt, h2, figcaption");
    if (near && near.querySelector(".term, .ask")) continue;
    if (jargon.test(n.textContent)) found.add(n.textContent.trim().slice(0, 80));
  }
  return [...found];
}"""

BEFORE_ACTION = """() => {
  const first = document.querySelector(".tests tbody tr, .actions li, .shops tbody tr");
  if (!first) return null;
  const folded = "details:not([open]) > :not(summary), .sr, [popover]";
  const seen = (e) => !e.closest(folded) && e.checkVisibility();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let n; (n = walk.nextNode()); ) {
    if (first.contains(n)) break;
    const e = n.parentElement;
    if (e.closest("script, style") || !seen(e)) continue;
    texts.push(n.textContent);
  }
  return [first.getBoundingClientRect().top + scrollY, texts.join(" ")];
}"""

OVERLAPPING = """() => {
  const box = (e) => {
    const range = document.createRange();
    range.selectNode(e.firstChild); // without what only a screen reader reads
    return [e, range.getBoundingClientRect()];
  };
  const wrong = [];
  for (const row of document.querySelectorAll(".actions li")) {
    const texts = [...row.querySelectorAll("p, h3, a, b, summary")];
    const boxes = texts.filter((e) => e.firstChild?.data?.trim()).map(box);
    for (const [one, a] of boxes)
      for (const [other, b] of boxes)
        if (one !== other && !one.contains(other) && !other.contains(one))
          if (a.left < b.right - 1 && b.left < a.right - 1)
            if (a.top < b.bottom - 4 && b.top < a.bottom - 4)
              wrong.push(`${one.textContent} on ${other.textContent}`);
  }
  return wrong;
}"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    """One offline tab for all pages; `tab.said` has its requests, messages, and errors."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.said = []
        page.on("request", lambda request: page.said.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        yield page
        browser.close()


def check(tab: Any, path: Path, most_bytes: int = USUAL_BYTES) -> list[str]:
    """Return what a page does not keep, each with its figure."""
    html = path.read_text(encoding="utf-8")
    wrong = [] if len(html.encode()) <= most_bytes else [f"{len(html.encode()):,} bytes"]
    wrong += policy_faults(html)
    tab.said.clear()
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(path.as_uri())
    if tab.said != [path.as_uri()]:
        wrong.append(f"requests or messages: {tab.said}")
    found = tab.evaluate(BEFORE_ACTION)
    if found is not None:
        words = len([word for word in found[1].split() if re.search(r"\w", word)])
        wrong += [f"first action at {found[0]:.0f} px"] if found[0] > MOST_TOP else []
        wrong += [f"{words} words before the first action"] if words > MOST_WORDS else []
    told = tab.evaluate(JARGON_SHOWN, JARGON)
    wrong += [f"jargon: {told}"] if told else []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 800})
        size = tab.evaluate("[document.documentElement.scrollWidth, document.body.scrollHeight]")
        wrong += [f"{size[0]} px wide at {width}"] if size[0] > width else []
        most = {1280: MOST_HIGH, 390: MOST_HIGH_PHONE}.get(width, size[1])
        wrong += [f"{size[1]} px high at {width}"] if size[1] > most else []
        wrong += [f"{found} at {width}" for found in tab.evaluate(OVERLAPPING)]
    return wrong


A4 = 703  # pixels of a sheet within its margins

UNSTRUCTURED = """() => {
  const wrong = [];
  let last = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    if (+h.tagName[1] > last + 1) wrong.push(`h${last} before ${h.outerHTML.slice(0, 80)}`);
    last = +h.tagName[1];
  }
  for (const table of document.querySelectorAll("table")) {
    const name = table.ariaLabel || document.getElementById(table.getAttribute("aria-labelledby"));
    if (!name) wrong.push("a table without a name");
    const rows = [...table.tBodies[0].rows];
    if (!rows.every((row) => row.cells[0].tagName === "TH")) wrong.push(`rows of ${table.id}`);
  }
  for (const svg of document.querySelectorAll("svg:not([aria-hidden] svg, [aria-hidden])"))
    if (!(svg.closest("[role=img]") || {}).ariaLabel) wrong.push(svg.outerHTML.slice(0, 80));
  for (const search of document.querySelectorAll("[data-find]"))
    if (!document.querySelector(`[data-found="${search.dataset.find}"][role=status]`))
      wrong.push(`nothing tells what a search finds in ${search.dataset.find}`);
  for (const table of document.querySelectorAll("table"))
    for (const [, place] of table.className.matchAll(/(?:^| )s([0-9]+)/g))
      for (const cell of table.querySelectorAll(`:scope > tbody > tr > :nth-child(${place})`))
        if (getComputedStyle(cell).whiteSpace !== "nowrap") wrong.push(cell.textContent);
  return wrong;
}"""
"""What a screen reader misses: headings, names, headers of rows, findings; and broken words."""

CUT_IN_PRINT = """() => {
  const wrong = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > 1.1 * innerWidth) wrong.push(`${wide} px wide`); // printed smaller by as much
  for (const frame of document.querySelectorAll(".scroll, .pan"))
    if (getComputedStyle(frame).overflowX !== "visible") wrong.push("a frame that scrolls");
  for (const th of document.querySelectorAll("thead th")) {
    if (th.closest(".abt") || !th.textContent.trim()) continue;
    if (!th.innerText.trim()) wrong.push(`header: ${th.textContent}`);
    if (getComputedStyle(th).position === "sticky") wrong.push("a header that sticks");
  }
  for (const part of document.querySelectorAll(".actions .how, .actions .go, .actions .amount"))
    if (part.getBoundingClientRect().width < 60) wrong.push(`narrow: ${part.className}`);
  for (const text of document.querySelectorAll("svg text:not([transform])"))
    if (text.getBoundingClientRect().height > 20) wrong.push(`large: ${text.textContent}`);
  for (const part of document.querySelectorAll(".figures"))
    if (!part.closest(".drawer") && !part.checkVisibility()) wrong.push("figures are missing");
  for (const row of document.querySelectorAll("tr.more, .actions .rest"))
    if (!row.closest("details:not(.ev)") && !row.checkVisibility()) wrong.push("a row is missing");
  const paper = getComputedStyle(document.body).backgroundColor;
  if (paper !== "rgb(255, 255, 255)") wrong.push(`paper ${paper}`);
  return [...new Set(wrong)];
}"""

ON_ITS_OWN_COLOR = """() => {
  const paper = getComputedStyle(document.body).backgroundColor;
  return [...document.querySelectorAll("label, .pill, a, b, summary")]
    .filter((e) => e.checkVisibility() && getComputedStyle(e).color === paper)
    .filter((e) => getComputedStyle(e).forcedColorAdjust !== "none")
    .map((e) => e.textContent);
}"""
"""Text in the page's color: in forced colors the system draws a box of that color behind it."""


def media_faults(tab: Any, path: Path) -> list[str]:
    """Return what a page does not keep for a screen reader, in print, and in high contrast."""
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(path.as_uri())
    wrong = tab.evaluate(UNSTRUCTURED)
    tab.emulate_media(forced_colors="active")
    wrong += tab.evaluate(ON_ITS_OWN_COLOR)
    tab.emulate_media(forced_colors="none", contrast="more")
    colors = "s => getComputedStyle(document.querySelector(s)).color"
    wrong += ["gray"] if tab.evaluate(colors, ".when") != tab.evaluate(colors, "h1") else []
    tab.emulate_media(contrast="no-preference", media="print", color_scheme="dark")
    tab.set_viewport_size({"width": A4, "height": 1000})
    wrong += tab.evaluate(CUT_IN_PRINT)
    tab.emulate_media(media="screen", color_scheme="light")
    return wrong


def policy_faults(html: str) -> list[str]:
    """Return scripts and styles that the policy does not name by hash, and ways around it."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    if policy is None:
        return ["no policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    wrong = ["unsafe-inline"] if "unsafe" in policy[1] else []
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL):
            name = f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
            wrong += [] if name in parts[kind] else [f"{tag} without its hash"]
    main = re.sub(r"<(script|style)[ >].*?</\1>", "", html, flags=re.DOTALL)
    return wrong + re.findall(r"<[a-z][^<>]* (?:style|on[a-z]+)=", main)


def test_pages_of_the_demo_keep_their_limits(tab: Any, demo_project: Path):
    """Every report and the index, offline: on any screen, read aloud, printed, in high contrast."""
    pages = sorted((demo_project / "reports").glob("demo/*/*/20*.html"))
    assert len(pages) == len(REPORTS)
    wrong = {page.parent.name: check(tab, page) + media_faults(tab, page) for page in pages}
    wrong["index"] = check(tab, demo_project / "reports" / "index.html")
    assert {name: faults for name, faults in wrong.items() if faults} == {}


def test_a_term_is_explained_by_a_tap_and_by_keys(tab: Any, demo_project: Path):
    """The browser's own popover: it opens without scripts, and Escape closes it."""
    page = next((demo_project / "reports").glob("demo/*/overview/20*.html"))
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto(page.as_uri())
    term = tab.locator("dt .term").first
    meaning = tab.locator(f"#{term.get_attribute('popovertarget')}")
    assert meaning.is_hidden()
    term.click()
    assert meaning.is_visible()
    box = meaning.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    tab.keyboard.press("Escape")
    assert meaning.is_hidden()
    term.focus()
    tab.keyboard.press("Enter")
    assert meaning.is_visible()
    tab.keyboard.press("Escape")


def test_a_sort_leaves_the_explanation_of_a_header_alone(tab: Any, demo_project: Path):
    """A header has two buttons: its text sorts, and the question mark explains."""
    for page in sorted((demo_project / "reports").glob("demo/*/*/20*.html")):
        tab.goto(page.as_uri())
        assert tab.locator("th button button").count() == 0
    inventory = next((demo_project / "reports").glob("demo/*/inventory/20*.html"))
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(inventory.as_uri())
    header = tab.locator("th:has(.ask):visible").first
    header.locator(".ask").click()
    assert header.get_attribute("aria-sort") is None
    assert tab.locator(".meaning:popover-open").count() == 1
    tab.keyboard.press("Escape")
    header.locator("button").first.click()
    assert header.get_attribute("aria-sort")
    assert tab.locator(".meaning:popover-open").count() == 0


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_the_pages_of_the_demo(
    tab: Any, demo_project: Path, scheme: str, width: int
):
    """Folded and unfolded."""
    pages = sorted((demo_project / "reports").glob("demo/*/*/20*.html"))
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 800})
    index = demo_project / "reports" / "index.html"
    assert [fault for page in [*pages, index] for fault in axe_faults(tab, page)] == []
    tab.emulate_media(color_scheme="light")


def axe_faults(tab: Any, path: Path) -> list[tuple[str, ...]]:
    """Return what axe-core finds on a page, folded and unfolded."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in tests/browser")
    tab.goto(path.as_uri())
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run()")["violations"]
    tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    found += tab.evaluate("axe.run()")["violations"]
    return [(path.parent.name, fault["id"], fault["nodes"][0]["html"][:160]) for fault in found]


@pytest.mark.long
@pytest.mark.parametrize("shop", SHOPS)
def test_pages_at_the_edge_keep_their_limits(
    tab: Any, tmp_path_factory: pytest.TempPathFactory, shop: str
):
    """One order, none, all refunded, other currencies, and long titles."""
    folder = make_warehouse(tmp_path_factory.mktemp(shop))
    wrong = {}
    for report in REPORTS:
        path = write_report(folder, shop, report)[0]
        wrong[report] = check(tab, path) + media_faults(tab, path)
        for width, scheme in ((1280, "light"), (390, "dark")):
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size({"width": width, "height": 800})
            wrong[report] += axe_faults(tab, path)
        tab.emulate_media(color_scheme="light")
    assert {name: faults for name, faults in wrong.items() if faults} == {}


@pytest.mark.long
@pytest.mark.parametrize("report", ["ab_tests", "discounts", "inventory", "products"])
def test_pages_of_a_large_shop_keep_their_limits(tab: Any, tmp_path: Path, report: str):
    """500 tests, 20,000 codes, 26,000 products."""
    folder = make_warehouse(tmp_path, LARGE)
    assert check(tab, write_report(folder, "large", report)[0], MOST_BYTES) == []
