"""The index: built from existing pages, newest first, with changes."""

from __future__ import annotations

import re
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from d1lab.display import Figure, Figures
from d1lab.display.actions import Action, save_actions
from d1lab.pages import index as index_module
from d1lab.pages.index import index_entries, index_shops, write_index
from d1lab.pages.page import write_page
from tests.support.sample_run import HOSTILE, PULLED, STARTED, code, write_run

NOW = PULLED + timedelta(hours=2)


@pytest.fixture
def shelf(tmp_path: Path):
    """Writes a run's page with one key figure; `shelf.reports` is where."""

    class Shelf:
        reports = tmp_path / "reports"

        def add(self, day: str, value: float | None = None, half: float = 1, **fields) -> Path:
            figure = {} if value is None else {"low": value - half, "high": value + half}
            cells = [code("", Figures.of(Figure.of("orders", value, better="higher", **figure)))]
            started = datetime.fromisoformat(f"{day}T06:00:00").replace(tzinfo=UTC)
            before = f"r{date.fromisoformat(day) - timedelta(1)}"
            fields = {"run_id": f"r{day}", "as_of": day, "started_at": started, **fields}
            fields = {"previous_run_id": before, **fields}
            run_dir = write_run(tmp_path, cells, **fields)
            return write_page(run_dir, self.reports, cache_dir=tmp_path / "cache")

        def entries(self):
            return index_entries(self.reports, NOW)

        def html(self) -> str:
            return write_index(self.reports, now=NOW).read_text()

    return Shelf()


def test_empty_folder_has_an_index(shelf):
    """Before the first run, it shows how to run one."""
    assert "d1lab run" in shelf.html()


def test_two_processes_that_write_the_index_lose_no_page(shelf, tmp_path):
    """Whoever writes last has seen the pages of the other."""
    shelf.add("2026-05-29", 10.0)
    database = shelf.reports / "demo"
    database.rename(tmp_path / "aside")
    reading, other_wrote = threading.Event(), threading.Event()
    really = index_module.listings

    def slow(reports: Path):
        pages = list(really(reports))
        if not reading.is_set():
            reading.set()
            other_wrote.wait(0.3)  # it must not: it waits for this one
        return pages

    index_module.listings = slow
    try:
        first = threading.Thread(target=shelf.html)
        first.start()
        reading.wait()
        (tmp_path / "aside").rename(database)
        shelf.html()
        other_wrote.set()
        first.join()
    finally:
        index_module.listings = really
    assert "inventory/latest.html" in (shelf.reports / "index.html").read_text()


def test_entry_leads_to_the_latest_and_lists_the_others(shelf):
    """The newest day comes first, regardless of the order of runs; older ones are linked."""
    for day in ("2026-05-29", "2026-05-31", "2026-05-30"):
        shelf.add(day, 10.0)
    (entry,) = shelf.entries()
    assert entry.link == "demo/harbor/inventory/latest.html"
    assert entry.good.run.as_of.isoformat() == "2026-05-31"
    assert [page.title for page in entry.earlier] == ["May 30, 2026", "May 29, 2026"]
    html = shelf.html()
    for link in re.findall(r'href="(demo[^"]+)"', html):
        assert (shelf.reports / link).is_file(), link


def test_entry_names_what_is_simulated(shelf):
    """Simulated data is marked, as on the page."""
    shelf.add("2026-05-31", 10.0, simulated=["inventory_days", "product_costs"])
    assert "<span>simulated: stock levels, unit costs</span>" in shelf.html()


def test_entry_tells_changes_and_trend(shelf):
    """The change of the first key figure is vs. the previous run; its trend covers all runs."""
    for day, value in (("2026-05-29", 10.0), ("2026-05-30", 11.0), ("2026-05-31", 20.0)):
        shelf.add(day, value)
    (entry,) = shelf.entries()
    (change,) = entry.changes
    assert (change.difference, change.finding, change.good) == (9, "changed", True)
    assert entry.trend.words == "Orders over 3 runs: from 10.0 to 20.0"
    assert entry.trend.points == "4.0,28.0 60.0,25.6 116.0,4.0"
    html = shelf.html()
    assert "+9.0 (+81.8%)" in html
    assert 'aria-label="Orders over 3 runs: from 10.0 to 20.0"' in html


def test_failed_run_is_named_and_the_good_page_stays(shelf):
    """Status from the newest run; figures and link from the last successful one."""
    shelf.add("2026-05-30", 10.0)
    failed = shelf.add("2026-05-31", status="failed", error={"message": "no"})
    (entry,) = shelf.entries()
    assert entry.newest.run.status == "failed"
    assert entry.link.endswith("latest.html")
    assert entry.changes[0].figure.value == 10.0
    assert entry.earlier == ()
    html = shelf.html()
    assert "Failed" in html
    assert failed.relative_to(shelf.reports).as_posix() in html


def test_report_that_never_was_good_leads_to_its_failure(shelf):
    """Without a successful run, the link leads to the failed one."""
    failed = shelf.add("2026-05-31", status="failed", error={"message": "no"})
    (entry,) = shelf.entries()
    assert entry.good is None
    assert (shelf.reports / entry.link) == failed


def test_unknown_values_leave_gaps_not_zeros(shelf):
    """A run without the figure is not a point of the trend."""
    for day, value in (("2026-05-28", 5.0), ("2026-05-29", None), ("2026-05-30", 7.0)):
        shelf.add(day, value)
    (entry,) = shelf.entries()
    assert entry.trend.points.count(",") == 2


def test_shops_and_reports_are_sorted(shelf):
    """Sorted by shop, then by title."""
    shelf.add("2026-05-31", 1.0, run_id="a", shop="village", report="b", title="Beta")
    shelf.add("2026-05-31", 1.0, run_id="b", shop="harbor", report="c", title="Zeta")
    shelf.add("2026-05-31", 1.0, run_id="c", shop="harbor", report="z", title="Alpha")
    order = [(e.newest.run.shop, e.newest.run.title) for e in shelf.entries()]
    assert order == [("harbor", "Alpha"), ("harbor", "Zeta"), ("village", "Beta")]


def test_shops_of_one_name_in_two_databases_stay_apart(shelf):
    """Each database has its own pages and stable link, and the index shows the database."""
    shelf.add("2026-05-31", 1.0, run_id="a")
    shelf.add("2026-05-31", 2.0, run_id="b", database="live")
    links = {entry.link: entry.changes[0].figure.value for entry in shelf.entries()}
    assert links == {
        "demo/harbor/inventory/latest.html": 1.0,
        "live/harbor/inventory/latest.html": 2.0,
    }
    html = shelf.html()
    assert "harbor <span>demo</span>" in html
    assert "harbor <span>live</span>" in html
    assert '<select name="database">' in html


def test_verdicts_are_summed_up(shelf):
    """The top of the index has the number of reports that need attention."""
    for name, status in (("a", "bad"), ("b", "good"), ("c", "bad"), ("d", "neutral")):
        verdict = {"text": f"Verdict of {name}.", "status": status}
        shelf.add("2026-05-31", 1.0, run_id=name, report=name, title=name, verdict=verdict)
    shelf.add("2026-05-31", run_id="e", report="e", status="failed", error={"message": "no"})
    html = shelf.html()
    assert "5 reports: 1 failed, 2 need attention" in html
    assert [entry.status for entry in shelf.entries()] == [
        "failed",
        "bad",
        "good",
        "bad",
        "neutral",
    ]
    assert "Verdict of a." in html


def test_variant_does_not_take_the_place_of_the_report(shelf):
    """A run with custom parameters is listed with them, and is not used elsewhere."""
    own = shelf.add("2026-05-30", 10.0)
    parameters = {"parameters": {"days": 60}, "given": ["shop", "days"]}
    variant = shelf.add("2026-05-31", 99.0, **parameters)
    (entry,) = shelf.entries()
    assert entry.good.run.run_id == "r2026-05-30"
    assert entry.changes[0].figure.value == 10.0
    assert [shelf.reports / card.path for card in entry.earlier] == [variant]
    assert (own.parent / "latest.html").read_text() == own.read_text()
    assert "days=60" in shelf.html()


def test_card_without_its_page_counts_for_nothing(shelf):
    """A page that was deleted by hand is not listed."""
    shelf.add("2026-05-31", 1.0).unlink()
    assert shelf.entries() == []


def test_stale_data_is_marked(shelf):
    """Stale data is highlighted."""
    data = {"pulled_at": (NOW - timedelta(days=3)).isoformat(), "data_as_of": "2026-05-31"}
    shelf.add("2026-05-31", 1.0, data=data, started_at=STARTED)
    assert 'class="state stale"' in shelf.html()


def test_hostile_names_stay_text(shelf):
    """Shops and titles come from the data, so they are escaped."""
    shelf.add("2026-05-31", 1.0, shop=HOSTILE, title=HOSTILE)
    html = shelf.html()
    assert html.count("<script") == 1
    assert "<img" not in html


def test_index_compares_with_the_day_that_the_page_compares_with(shelf):
    """The change equals that on the page, even if the earlier day was run again."""
    shelf.add("2026-05-30", 10.0)
    page = shelf.add("2026-05-31", 20.0)
    shelf.add("2026-05-30", 15.0, run_id="again", previous_run_id=None)
    (entry,) = shelf.entries()
    assert entry.changes[0].previous.value == 10.0
    assert entry.changes[0].shown() in page.read_text()
    assert entry.changes[0].shown() in shelf.html()


def test_index_compares_with_nothing_where_the_page_does_not(shelf):
    """A page with other parameters is not an earlier run of the report."""
    shelf.add("2026-05-30", 10.0)
    page = shelf.add("2026-05-31", 20.0, previous_run_id=None)
    (entry,) = shelf.entries()
    assert entry.changes[0].finding == "new"
    assert "Changes since" not in page.read_text()


def _advise(
    shelf, shop: str, *amounts: float | None, currency: str = "", day: str = "2026-05-31", **fields
) -> None:
    """A report of a shop with an action per amount, which needs its page written again."""
    run_id = f"r-{shop}-{day}-{fields.get('report', 'inventory')}"
    page = shelf.add(day, 3, shop=shop, run_id=run_id, **fields)
    run_dir = page.parents[4] / "data" / "demo" / "runs" / run_id
    actions = [
        Action.of_fields(
            key=f"order-{place}" if place else "order", verb="Order", what="{items}",
            basis="counted", amount=amount, items=("a", "b"), currency=currency,
        )
        for place, amount in enumerate(amounts)
    ]  # fmt: skip
    save_actions(run_dir, actions)
    write_page(run_dir, shelf.reports)


def test_shops_are_listed_by_money_to_act_on_and_lead_to_their_overview(shelf):
    _advise(shelf, "rich", 900.0)
    _advise(shelf, "poor", 5.0)
    _advise(shelf, "poor", 7.0, report="overview", title="Overview")
    _advise(shelf, "unknown", None)
    _advise(shelf, "", None, report="operations", title="D1 usage")
    shops = index_shops(shelf.entries())
    assert [shop.shop for shop in shops] == ["rich", "poor", "unknown", ""]
    assert [entry.newest.run.report for entry in shops[1].entries] == ["overview", "inventory"]
    assert shops[1].first.amount == 7.0
    assert shops[2].first is None
    html = shelf.html()
    assert '<a href="demo/poor/overview/latest.html">poor</a>' in html
    order = '<a href="demo/rich/inventory/latest.html#action-order">Order 2 items</a>'
    assert f"<b>900</b> <span>more a month</span></td><td>{order}</td>" in html
    assert "<h1>3 shops. Start with rich: 900 more a month</h1>" in html
    assert html.index("demo/rich/") < html.index("demo/poor/") < html.index("demo/unknown/")
    assert '<a href="demo/poor/inventory/latest.html">' not in html.partition('id="reports"')[0]


def test_the_largest_actions_of_all_shops_are_ranked(shelf):
    """At most three of a shop, as its overview has them; older than another report, it is left."""
    run = {"report": "overview", "title": "Overview", "day": "2026-05-30"}
    _advise(shelf, "large", 50.0, 40.0, 30.0, 20.0, **run)
    _advise(shelf, "large", 60.0, day="2026-05-30")
    _advise(shelf, "small", 45.0)
    html = shelf.html()
    listed = html.partition('id="list-actions"')[2].partition("</table>")[0]
    assert re.findall(r"<b>(\d+)</b>", listed) == ["50", "45", "40", "30"]
    overview = "demo/large/overview/latest.html"
    assert (
        f'<a href="{overview}#action-order-1">Order 2 items</a><br><span>Counted</span>' in listed
    )
    assert f'<span><a href="{overview}#actions">3 more</a></span>' in html
    _advise(shelf, "large", 60.0)
    listed = shelf.html().partition('id="list-actions"')[2]
    assert listed == ""  # each shop has one action, which is in its row
    assert "Start with large: 60 more a month" in shelf.html()


def test_shops_of_two_currencies_are_not_compared(shelf):
    """Those of one currency stay together, the most common one first, without any sum of two."""
    for shop, amount, currency in (
        ("small", 5.0, "USD"),
        ("yen", 99_000.0, "JPY"),
        ("large", 900.0, "USD"),
        ("unknown", None, ""),
    ):
        _advise(shelf, shop, amount, currency=currency)
        overview = [code("", Figures.of(_week(currency or "EUR")))]
        run_id = f"w-{shop}"
        fields = {"report": "overview", "as_of": "2026-05-31", "run_id": run_id, "shop": shop}
        write_page(write_run(shelf.reports.parent, overview, **fields), shelf.reports)
    shops = index_shops(shelf.entries())
    assert [shop.shop for shop in shops] == ["large", "small", "unknown", "yen"]
    html = shelf.html()
    assert "amounts of different currencies are not compared" in html
    assert re.findall(r'data-g="(\d)"', html) == ["0", "0", "1", "2"]
    assert re.findall(r"<dt>(Revenue[^<]+)</dt><dd class=\"value\">([^<]+)", html) == [
        ("Revenue, 2 shops in USD", "$160"),
        ("Revenue, 1 shop in EUR", "€80"),
        ("Revenue, 1 shop in JPY", "¥80"),
    ]
    first = "Revenue fell in 4 of 4 shops last week. Start with"
    assert f"{first} large: $900 more a month, or with yen: ¥99,000 more a month" in html


def _week(currency: str) -> Figure:
    trend = {"values": (90.0, 100.0, 80.0), "low": 85.0, "high": 120.0, "period": "Week"}
    money = {"kind": "money", "unit": currency, "better": "higher"}
    return Figure.of("revenue", 80.0, trend=trend, **money)


def test_the_row_of_a_shop_has_the_week_of_its_overview(shelf):
    """Revenue, its change, trend, and judgment; nothing where the overview did not run."""
    run = {"report": "overview", "run_id": "w", "as_of": "2026-05-31"}
    write_page(
        write_run(shelf.reports.parent, [code("", Figures.of(_week("USD")))], **run), shelf.reports
    )
    shelf.add("2026-05-31", 3, shop="other", run_id="o")
    html = shelf.html()
    assert 'Shops unusually low</dt><dd class="value">1 of 1</dd>' in html
    row, other = (
        re.search(rf'<tr id="shop-demo-{name}".*', html)[0] for name in ("harbor", "other")
    )
    assert '<td data-v="80.0">$80</td><td data-v="-0.2">−20%</td>' in row
    assert re.search(r'<svg class="spark bad".*<b class="worse">Unusually low</b>', row)
    assert "<td>–</td><td>–</td><td></td>" in other
    assert "svg" not in other


def test_shops_beyond_a_file_are_in_others_and_found_by_name(shelf, monkeypatch):
    """Each shop has one row in one of the files; the list of names has all of them."""
    monkeypatch.setattr(index_module, "SHOPS", 2)
    for number in range(5):
        _advise(shelf, f"shop-{number}", 10.0 * number)
    first = shelf.html()
    rows = [
        re.findall(r'<tr id="shop-demo-(shop-\d)"', (shelf.reports / name).read_text())
        for name in ("index.html", "index-2.html", "index-3.html")
    ]
    assert rows == [["shop-4", "shop-3"], ["shop-2", "shop-1"], ["shop-0"]]
    assert "Find one of 5 shops" in first
    names = (shelf.reports / "shops.html").read_text()
    assert re.findall(r">(shop-\d)</a>", names) == [f"shop-{number}" for number in range(5)]
    monkeypatch.setattr(index_module, "SHOPS", 1_000)
    assert "shops.html" not in shelf.html()
    assert sorted(path.name for path in shelf.reports.glob("*.html")) == ["index.html"]


def test_only_the_first_shops_list_their_reports(shelf, monkeypatch):
    """The row of a shop without an overview leads to each of its reports."""
    monkeypatch.setattr(index_module, "DETAILED", 1)
    _advise(shelf, "rich", 900.0)
    _advise(shelf, "poor", 5.0, report="stock", title="Stock")
    rows, _, reports = shelf.html().partition('id="reports"')
    assert '<a href="demo/poor/stock/latest.html">Stock</a>' in rows
    assert "Reports of the first 1 shop" in reports
    assert "demo/poor/" not in reports
