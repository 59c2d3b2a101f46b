"""The page: self-contained, small, escaped, and complete."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import pandas as pd
import pytest

from d1lab import charts
from d1lab.display import DataTable, Figure, Figures, Note, Verdict
from d1lab.errors import InputError
from d1lab.pages.index import write_index
from d1lab.pages.page import render_page, write_page
from d1lab.pages.storage import place, remove_page
from d1lab.pages.svg import csp_hash
from d1lab.runs.record import RunRecord
from tests.support.sample_run import (
    HOSTILE,
    PULLED,
    STARTED,
    code,
    hostile_cells,
    live_cell,
    markdown,
    run_record,
    turnover_cells,
    write_run,
)

NOW = PULLED + timedelta(hours=3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed Vega, built once for this module."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def page(tmp_path: Path, cache: Path):
    """Render a run built from cells."""

    def render(cells=(), static=False, files="", now=NOW, **fields) -> str:
        run_dir = write_run(tmp_path, cells, **fields)
        return render_page(run_dir, static=static, now=now, cache_dir=cache, files=files)

    return render


class Outline(HTMLParser):
    """Content of a page for a browser: tags, attributes, scripts, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_data(self, data):
        if self.tags and self.cdata_elem == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif self.cdata_elem is None:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_page_of_four_charts_keeps_its_size(page):
    """150 kB with static charts, 550 kB where one brings Vega along."""
    sizes = {150_000: page(turnover_cells()), 550_000: page([*turnover_cells(), live_cell()])}
    for limit, html in sizes.items():
        assert html.count("<figure") == html.count('<div class="still"><') >= 4
        assert len(html.encode()) <= limit


def test_page_refers_to_nothing_outside(page):
    """No element loads anything; links lead only to the index and to files of the page."""
    outline = Outline(page(turnover_cells(), files="2026-05-31"))
    assert not {"iframe", "object", "embed", "form", "base", "audio", "video"} & set(outline.tags)
    loads = [v for n, v in outline.attributes if n in ("src", "srcset", "data", "action", "poster")]
    assert loads == []
    links = {v for n, v in outline.attributes if n == "href" and not v.startswith("#part-")}
    beside = {"2026-05-31/chart-10-1.csv"}  # a chart's ninety numbers
    assert links == {"#story", "../../../index.html", "data:,"} | beside


def test_policy_admits_our_scripts_and_no_other(page):
    """Script and style are allowed by their hashes, and nothing else."""
    html = page(turnover_cells())
    outline = Outline(html)
    [(kind, own)] = outline.scripts
    assert kind is None
    style = html.partition("<style>")[2].partition("</style>")[0]
    policy = next(v for n, v in outline.attributes if n == "content" and v and "default-src" in v)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert set(re.findall(r"'sha256-[^']+'", policy)) == {csp_hash(own), csp_hash(style)}
    assert "style" not in {name for name, _ in outline.attributes}


def test_interactive_chart_brings_vega(page):
    """Only then: Vega's hash is in the policy, and styles that Vega sets are allowed."""
    outline = Outline(page([*turnover_cells(), live_cell()]))
    policy = next(v for n, v in outline.attributes if n == "content" and v and "default-src" in v)
    assert "style-src 'unsafe-inline'" in policy
    assert len(re.findall(r"'sha256-[^']+'", policy)) == 2
    assert {kind for kind, _ in outline.scripts} == {None, "application/gzip"}
    assert [v for n, v in outline.attributes if n == "class" and v == "live"] == ["live"]


def test_static_page_has_no_script(page):
    """A static page for mail and archives."""
    outline = Outline(page(turnover_cells(), static=True))
    assert "script" not in outline.tags
    assert any(v and "script-src 'none'" in v for n, v in outline.attributes if n == "content")


def test_mail_has_the_figures_of_every_period(page):
    """A page has a switch between them."""
    trend = {"values": (1.0, 2.0), "low": None, "high": None}
    week, longer = (
        Figure.of("sold", 1, label=name, dimension=period, trend=trend | {"period": period})
        for name, period in (("Sold in a week", "Week"), ("Sold in 4 weeks", "4 weeks"))
    )
    cells = [code("", Figures.of(week, longer))]
    html = page(cells, static=True)
    assert html.index("Sold in a week") < html.index("Sold in 4 weeks")
    assert page(cells).count('name="span"') == 2


def test_hostile_text_is_inert_everywhere(page):
    """Hostile text in every place: only d1lab's tags, and no handlers."""
    fields = {
        "shop": HOSTILE,
        "title": HOSTILE,
        "reason": HOSTILE,
        "database": HOSTILE,
        "parameters": {HOSTILE: HOSTILE},
        "simulated": [HOSTILE],
        "quarantined": [{"table": HOSTILE, "column": HOSTILE, "reason": HOSTILE, "rows": 1}],
        "staged": {HOSTILE: 1},
        "versions": {HOSTILE: HOSTILE},
        "status": "failed",
        "error": {"cell_index": 1, "ename": HOSTILE, "message": HOSTILE, "traceback": HOSTILE},
    }
    html = page(hostile_cells(), files=HOSTILE, **fields)
    outline = Outline(html)
    assert len([kind for kind, _ in outline.scripts if kind is None]) == 1
    assert "img" not in outline.tags
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert not [v for n, v in outline.attributes if n == "href" and v and "javascript:" in v]
    assert "{{7*7}}" in outline.text
    assert len(html) < 800_000


def test_giant_texts_cost_little(page):
    """A megabyte in a cell, a title, an output, and a code cell is cut."""
    giant = "x" * 1_000_000
    cells = [
        markdown("# T"),
        code(giant, printed=giant),
        code("", DataTable.from_frame(pd.DataFrame({"t": [giant] * 50}), title=giant)),
    ]
    assert len(page(cells, static=True, title=giant, shop="s")) < 150_000


def test_lone_surrogates_and_controls_do_not_break_the_page(page, tmp_path: Path):
    """Characters that cannot be encoded are replaced."""
    broken = {"message": "a\ud800b", "traceback": "\udfff"}
    cells = [code("x = '\ud800'", {"text/plain": "a\ud800b\x00c"})]
    html = page(cells, title="\ud800", status="failed", error=broken)
    assert "a?b" in html
    html.encode()


def test_first_screen_has_its_parts(page):
    """Title, shop, verdict, three figures with changes, freshness, and warnings, in order."""
    old = {"run_id": "before", "as_of": "2026-05-30", "started_at": STARTED - timedelta(days=1)}
    page(turnover_cells(-1), **old)
    text = Outline(
        page(
            turnover_cells(),
            previous_run_id="before",
            simulated=["inventory_days"],
            quarantined=[{"table": "t", "column": "c", "reason": "not a number", "rows": 12}],
        )
    ).text
    parts = [
        "harbor / Stock: turnover and cover / May 31, 2026 Fresh",
        "Needs attention 23 of 212 products",
        "Period: Mar 3",
        "Data through May 31, 2026, days in Europe/Berlin.",
        "Changes since May 30, 2026",
        "Simulated data: stock levels.",
        "12 values excluded. 12 in t.c (not a number)",
        "Products that run out within 14 days 23 19 to 28 (95%) −6 (−20.7%) not significant",
        "Median cover 41.3 days 39.8 to 43.1 days (95%)",
        "Dead stock $18,340 −10% on the 30 days before, within the swing",
        "+$900 (+5.2%) significance unknown (no interval)",
        "What runs out first",
        "What changed Since May 30, 2026",
        "Code and log",
        "Parameters shop harbor as_of 2026-05-31",
        "d1lab run inventory --shop harbor --as-of 2026-05-31",
    ]
    text = text.partition("Skip to the report")[2]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)


def test_comparison_with_another_kind_of_run_says_so(page):
    """Different parameters or a changed notebook are noted next to the changes."""
    page(turnover_cells(), run_id="before", parameters={"days": 30}, notebook_hash="old")
    html = page(turnover_cells(), previous_run_id="before", parameters={"days": 90})
    assert "that run had other parameters (days) and the notebook has changed since" in html


@pytest.mark.parametrize("kind", get_args(RunRecord.model_fields["url_kind"].annotation))
def test_every_kind_of_database_has_a_name(page, kind):
    """A run over REST, by the gateway, on a file, or on a fleet's marts: the page says which."""
    name = {"d1": "Cloudflare D1", "fleet": "marts of all databases"}.get(kind, "D1, ")
    assert name in page(url_kind=kind)


def test_names_lead_to_other_pages_where_there_are_some(page):
    """Not in mail, which has no pages beside it."""
    table = DataTable.from_frame(pd.DataFrame({"shop": ["<a>", "b"]}), title="Shops")
    cells = [code("table", table._replace(links=("../a/x.html#y", "")))]
    link = '<a href="../a/x.html#y">&lt;a&gt;</a>'
    assert link in page(cells, files="2026-05-31")
    assert link not in page(cells)


def test_gone_previous_run_is_no_error(page):
    """A pruned previous run gives no comparison and no error."""
    assert "Changes since" not in page(turnover_cells(), previous_run_id="pruned")


@pytest.mark.parametrize(
    ("hours", "last_day", "state"),
    [(3, "2026-05-31", "Fresh"), (40, "2026-05-31", "Stale"), (3, "2026-05-01", "No recent data")],
)
def test_freshness_is_named(page, hours, last_day, state):
    """Fresh, stale because of its pull, or without recent data."""
    data = {"pulled_at": PULLED.isoformat(), "data_as_of": last_day}
    text = Outline(page(now=PULLED + timedelta(hours=hours), data=data)).text
    assert f"May 31, 2026 {state} pulled {hours} hours before this page was created" in text


def test_failed_run_says_what_happened_and_what_to_do(page):
    """Failed cell, results before it, log, and next steps; no key figures in the header."""
    html = page(
        [*turnover_cells()[:7], code("lab.metric('turnover', untl=1)")],
        status="failed",
        code_cells=9,
        cells_done=5,
        staged={"inventory_impact": 212},
        error={
            "cell_index": 7,
            "ename": "UnknownName",
            "message": "There is no parameter 'untl'. Did you mean 'until'?",
            "traceback": "Traceback (most recent call last): ...",
        },
    )
    text = Outline(html).text
    for part in (
        "Failed Stock: turnover and cover Cell 8 failed. There is no parameter 'untl'.",
        "Cell 8 of the notebook raised UnknownName : lab.metric('turnover', untl=1)",
        "5 of 9 code cells completed",
        "212 rows staged for inventory_impact, not written to D1.",
        "d1lab run inventory --shop harbor --as-of 2026-05-31",
        "Traceback (most recent call last)",
        "Results before the failure",
        "cell 1: ok",
    ):
        assert part in text, part
    assert 'class="figures"' not in html


@pytest.mark.parametrize("kind", ["kernel", "timeout", "other"])
def test_run_without_a_notebook_still_has_a_page(page, tmp_path: Path, cache: Path, kind):
    """If the kernel never started, the record is enough for a page."""
    status = "timeout" if kind == "timeout" else "failed"
    run_dir = write_run(tmp_path, [], status=status, error={"kind": kind, "message": "it died"})
    (run_dir / "notebook.ipynb").unlink()
    text = Outline(render_page(run_dir, now=NOW, cache_dir=cache)).text
    assert "This run did not finish. It died" in text


def test_words_between_backticks_are_code(page):
    """Commands in verdicts, notes, and errors are shown as code; data stays text."""
    verdict = Verdict.of("No costs.", "bad", "`d1lab ingest costs` reads <b>them</b>.")
    html = page([code("", verdict, Note.of("Or `d1lab pull`."))])
    assert "<code>d1lab ingest costs</code> reads &lt;b&gt;them&lt;/b&gt;." in html
    assert "Or <code>d1lab pull</code>." in html


def test_skipped_run_says_why(page):
    """A run that stopped because of missing data is not a failure."""
    text = Outline(page(status="skipped", reason="no stock is recorded for kiosk")).text
    assert "No data Stock: turnover and cover No stock is recorded for kiosk" in text
    named = Outline(page(status="skipped", reason="kiosk has no stock", shop="kiosk")).text
    assert "Stock: turnover and cover kiosk has no stock" in named  # a name keeps its letters


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_story_ends_where_the_run_ended(page, status):
    """Headings without results are not on the page."""
    untouched = {**code("lab.table(...)"), "execution_count": None}
    cells = [markdown("# T"), code("x"), markdown("## Before\n\nWords."), code("y")]
    cells += [markdown("## After")]
    error = {"cell_index": 3, "message": "no"} if status == "failed" else None
    text = Outline(page([*cells, untouched], status=status, error=error)).text
    assert "Before" in text
    assert "After" not in text
    assert "After" in Outline(page([*cells, untouched])).text


def test_folder_without_a_run_is_refused(tmp_path: Path):
    """The error has the folder."""
    with pytest.raises(InputError, match=r"run\.json is missing"):
        render_page(tmp_path)


def test_hidden_cells_and_parameters_stay_out(page):
    """Tags hide cells; parameters have their own section."""
    html = page(
        [
            code("secret = 1", {"text/plain": "hidden output"}, tags=["hide"]),
            code("shop = 'x'  # cell", tags=["parameters"]),
            code("visible = 2", {"text/plain": "shown output"}, tags=["setup"]),
        ]
    )
    assert "secret" not in html
    assert "hidden output" not in html
    assert "# cell" not in html
    assert "visible = 2" in html
    assert "shown output" in html


def test_html_outputs_are_never_taken(page):
    """The HTML of a frame is ignored; its text is shown."""
    html = page([code("df", {"text/html": "<table id=theirs>", "text/plain": "a b\n1 2"})])
    assert "theirs" not in html
    assert "a b\n1 2" in html


def test_undrawable_chart_says_why(page):
    """A chart that Vega rejects, and one without rows, show title and reason."""
    broken = {"application/vnd.vegalite.v6+json": {"title": "Broken", "mark": "nonsense"}}
    empty = charts.line(
        pd.DataFrame({"x": [], "y": []}), "x", "y", title="Empty", description="None."
    )
    text = Outline(page([code("", broken, empty)])).text
    assert "Broken This chart could not be drawn:" in text
    assert "Empty The chart has no rows" in text


def test_charts_show_their_numbers(page):
    """The numbers of a chart are also shown as a table."""
    frame = pd.DataFrame({"code": ["A", "B"], "share": [0.25, 0.125]})
    chart = charts.bar(
        frame, "code", "share", title="T", description="D.", kinds={"share": "percent"}
    )
    html = page([code("", chart)])
    assert re.search(r"<th>A</th>\s*<td data-v=\"0.25\">25.0%</td>", html)
    assert 'aria-label="D."' in html


def test_long_chart_links_to_all_its_numbers(tmp_path: Path, cache: Path):
    """A file has the rows cut on the page, with the labels of the columns."""
    days = pd.date_range("2026-01-01", periods=120)
    frame = pd.DataFrame({"day": days, "share": [n / 1000 for n in range(120)]})
    chart = charts.line(
        frame, "day", "share", title="T", description="D.", kinds={"share": "percent"}
    )
    run_dir = write_run(tmp_path, [code("", chart)])
    for _ in range(2):
        path = write_page(run_dir, tmp_path / "reports", cache_dir=cache)
    assert "Showing 80 of 120 rows" in path.read_text()
    [link] = re.findall(r'href="(2026-05-31/[^"]+)" download', path.read_text())
    lines = (path.parent / link).read_text("utf-8-sig").splitlines()
    assert lines[0] == "Day,Share"
    assert lines[120] == "2026-04-30,0.119"
    assert len(lines) == 121


def test_cut_table_links_to_all_of_it(tmp_path: Path, cache: Path):
    """The page shows the number of rows, and the file has all of them."""
    run_dir = tmp_path / "data" / "demo" / "runs" / run_record().run_id
    run_dir.mkdir(parents=True)
    frame = pd.DataFrame({"sku": range(12_345)})
    table = DataTable.from_frame(frame, title="All SKUs", run_dir=run_dir)
    write_run(tmp_path, [code("", table)])
    path = write_page(run_dir, tmp_path / "reports", cache_dir=cache)
    html = path.read_text()
    assert "Showing 50 of 12,345 rows. Download all rows:" in html
    assert 'href="2026-05-31/all-skus.csv"' in html
    assert (path.parent / "2026-05-31" / "all-skus.csv").read_text().count("\n") == 12_346
    assert html.count("<tr>") < 60


def test_many_figures_are_counted_not_listed(page):
    """Of ten thousand figures by SKU, sixty are listed."""
    many = Figures.of(*(Figure.of("n", i, dimension=f"S{i}") for i in range(10_000)))
    html = page([code("", many)])
    assert "Showing 60 of 10,000 figures." in html


def test_pushed_results_are_told(page):
    """Pushed and staged results."""
    waiting = Outline(page(staged={"inventory_impact": 3_000})).text
    assert "pending: 3,000 rows staged for inventory_impact" in waiting
    tables = [{"table": "inventory_impact", "staged": 3_000, "changed": 210}]
    done = Outline(page(pushed={"at": STARTED.isoformat(), "tables": tables})).text
    assert "210 rows of 3,000 changed in inventory_impact" in done


def test_pages_have_their_places(tmp_path: Path):
    """Names of shops cannot leave the folder; different runs do not overwrite each other."""

    def at(**fields) -> str:
        return place(tmp_path, run_record(**fields)).relative_to(tmp_path).as_posix()

    assert at() == "demo/harbor/inventory/2026-05-31.html"
    assert at(status="failed") == "demo/harbor/inventory/2026-05-31-failed.html"
    assert at(as_of=None, status="failed") == "demo/harbor/inventory/2026-06-01-failed.html"
    assert at(shop="my-shop.example.com").startswith("demo/my-shop.example.com/")
    thirty, sixty = (
        at(parameters={"days": days}, given=["days", "as_of", "shop"]) for days in (30, 60)
    )
    assert thirty != sixty
    for shop in ("../../etc", "..", "a/b", "", "x" * 300, "émile"):
        parts = Path(at(shop=shop)).parts
        assert len(parts) == 4
        assert not parts[1].startswith(".")
    assert at(shop="a/b") != at(shop="a-b")
    assert at(database="live") == "live/harbor/inventory/2026-05-31.html"


def test_latest_is_the_last_good_page(tmp_path: Path, cache: Path):
    """Failed runs and older days do not change it; removing a page restores the previous one."""
    reports = tmp_path / "reports"

    def write(**fields) -> Path:
        return write_page(write_run(tmp_path, [], **fields), reports, cache_dir=cache)

    first = write(run_id="r1", as_of="2026-05-30")
    latest = first.parent / "latest.html"
    second = write(run_id="r2", as_of="2026-05-31", started_at=STARTED + timedelta(days=1))
    write(run_id="r0", as_of="2026-05-29", started_at=STARTED + timedelta(days=2))
    write(run_id="r3", as_of="2026-06-01", status="failed", error={"message": "no"})
    assert latest.read_text() == second.read_text()
    remove_page(reports, second.relative_to(reports).as_posix())
    assert not second.exists()
    assert latest.read_text() == first.read_text()


def test_latest_leads_to_the_page_where_there_are_no_links(tmp_path: Path, cache, monkeypatch):
    """It is no second copy: a page has 40 to 400 kB. What the link points to is kept."""
    monkeypatch.setattr("d1lab.files.os.link", Mock(side_effect=OSError))
    page = write_page(write_run(tmp_path, []), tmp_path / "reports", cache_dir=cache)
    latest = page.with_name("latest.html")
    assert latest.stat().st_size < 500
    text = latest.read_text()
    assert f'<a href="{page.name}">' in text
    assert f'content="0; url={page.name}"' in text
    assert f'location.replace("{page.name}" + location.hash)' in text
    write_index(tmp_path / "reports")  # sets the menus of the page, not of this one
    assert latest.read_text() == text


def test_pdf_goes_with_its_page(tmp_path: Path, cache: Path):
    """Rewriting or removing a page deletes its PDF."""
    reports, run_dir = tmp_path / "reports", write_run(tmp_path, [])
    page = write_page(run_dir, reports, cache_dir=cache)
    pdf = page.with_suffix(".pdf")
    pdf.write_bytes(b"%PDF")
    write_page(run_dir, reports, cache_dir=cache)
    assert not pdf.exists()
    pdf.write_bytes(b"%PDF")
    remove_page(reports, page.relative_to(reports).as_posix())
    assert not pdf.exists()


def test_card_beside_the_page_is_small(tmp_path: Path, cache: Path):
    """The metadata for the index has no parameters, tables, or versions."""
    run_dir = write_run(tmp_path, turnover_cells(), parameters={"days": "x" * 10_000})
    path = write_page(run_dir, tmp_path / "reports", cache_dir=cache)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["run"]["parameters"] == {}
    assert [f["metric"] for f in card["figures"]][:2] == ["products_short", "median_cover"]
    assert path.with_suffix(".json").stat().st_size < 5_000


def test_page_and_index_say_what_the_run_cost(tmp_path):
    """The data's pull and the push together, at the list price of what is past the plan's rows."""
    pushed = {"at": STARTED, "rows_read": 1_000, "rows_written": 100}
    run_dir = write_run(tmp_path, [code("1")], data_rows_read=9_000, pushed=pushed)
    page = write_page(run_dir, tmp_path / "reports", cache_dir=tmp_path / "cache").read_text()
    assert "10,000 rows read, 100 rows written <span>$0.00011 beyond the included quota" in page
    index = write_index(tmp_path / "reports").read_text()
    assert "D1: 10,000 rows read, 100 rows written ($0.00011)" in index


def test_the_free_plan_has_shares_of_a_day_instead_of_prices(tmp_path):
    """25,000 of 100,000 rows written are a quarter of the day's limit."""
    pushed = {"at": STARTED, "rows_read": 1_000, "rows_written": 25_000}
    run_dir = write_run(tmp_path, [code("1")], pushed=pushed, plan="free")
    page = write_page(run_dir, tmp_path / "reports", cache_dir=tmp_path / "cache").read_text()
    assert "<span>25% of the free plan&#39;s rows written a day</span>" in page
    index = write_index(tmp_path / "reports").read_text()
    assert "25,000 rows written (25% of the free plan&#39;s rows written a day)" in index
    assert "$" not in page[page.index("<dt>D1 cost</dt>") :][:200]


def test_explanation_of_a_section_waits_for_a_reader(page):
    """What begins with 'How to read: ' is shown on request; in a folded section, with the rest."""
    cells = [
        code("v", Verdict.of("Done.")),
        markdown("## Lifts\n\nHow to read: A *lift* is a change.\n\nIts range is at 95%."),
        code("n", Note.of("One")),
        markdown("## Details: more\n\nHow to read: Only evidence."),
        code("n", Note.of("Two")),
    ]
    html = page(cells)
    (about,) = re.findall(r'<details class="about">(.*?)</details>', html, re.DOTALL)
    assert "<p>A <em>lift</em> is a change.</p>" in about
    assert "Its range is at 95%." in about
    assert "Only evidence." in html
    assert "How to read: " not in html


def test_introduction_waits_below_a_headline(page):
    """Text before the first heading comes after the lists if the page has a headline."""
    cells = [markdown("# T\n\nWhat it is."), code("n", Verdict.of("Done.")), markdown("## A\n\nB.")]
    html = page(cells)
    assert html.index("<h2>A</h2>") < html.index("What it is.")
    without = page([cells[0], cells[2]])
    assert without.index("What it is.") < without.index("<h2>A</h2>")
    assert without.count("What it is.") == 1
