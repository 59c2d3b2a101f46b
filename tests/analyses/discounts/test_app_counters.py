"""Reports of a shop with only the app's tables of the guide."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import pytest

from d1lab.analyses.discounts import app_counters as counters
from d1lab.analyses.discounts import products
from d1lab.config import Settings
from d1lab.d1 import open_database
from d1lab.display import DataTable, Verdict
from d1lab.lab import Lab
from d1lab.packed_files import read_packed
from d1lab.pages.page import write_page
from d1lab.pull import pull
from d1lab.runs.record import RunRecord, load_results
from d1lab.runs.report import load_report
from d1lab.runs.run import open_lab, prepare, run
from d1lab.stats.periods import days_before
from tests.support.guide_shop import DAYS, LAST, SHOP, uses_on, write_guide_shop

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
USES = [uses_on(day) for day in range(DAYS)]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory) -> Path:
    """The warehouse of an app without d1lab's own tables."""
    folder = tmp_path_factory.mktemp("guide")
    with closing(open_database(f"sqlite:{write_guide_shop(folder / 'app.sqlite')}")) as db:
        pull(db, folder, database="demo")
    return folder / "warehouse.duckdb"


@pytest.fixture
def settings(pulled: Path, tmp_path: Path) -> Settings:
    (tmp_path / "data" / "demo").mkdir(parents=True)
    shutil.copyfile(pulled, tmp_path / "data" / "demo" / "warehouse.duckdb")
    return Settings(root=tmp_path, notebooks_dir=NOTEBOOKS)


@pytest.fixture
def lab(pulled: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab on a copy, which a test can change."""
    path = tmp_path / "copy.duckdb"
    shutil.copyfile(pulled, path)
    with duckdb.connect(str(path)) as con:
        yield Lab(con, database="demo", folder=tmp_path, shop=SHOP)


def _run(settings: Settings, report: str, **values: object) -> tuple[RunRecord, Path]:
    with open_lab(settings) as lab:
        task = prepare(lab, load_report(settings, report), values={"shop": SHOP, **values})
    return run(settings, task)


def _tables(run_dir: Path) -> dict[str, dict[str, Any]]:
    cells = orjson.loads(read_packed(run_dir / "notebook.ipynb"))["cells"]
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    tables = (data[DataTable.MIME] for data in outputs if DataTable.MIME in data)
    return {table["title"]: table for table in tables}


def test_as_of_is_the_last_day_of_the_counters(lab):
    """Uses, stock, and customers have dates; the last change of a counter is not a sale."""
    lab._con.execute("UPDATE raw.product_performance SET updated_at = TIMESTAMP '2026-06-30'")
    assert lab.as_of() == LAST


@pytest.mark.parametrize(
    ("kept", "last"),
    [
        ("daily_discount_stats", LAST),
        ("discount_analytics", date(2026, 5, 7)),
        ("product_performance", LAST),
    ],
)
def test_one_table_alone_makes_a_shop(lab, kept, last):
    """With any of the counters, the shop and its last day are known."""
    _keep(lab, kept)
    assert lab.shops == [SHOP]
    assert lab.as_of() == last


def _keep(lab: Lab, *kept: str) -> None:
    names = "daily_discount_stats discount_analytics product_performance customer_insights "
    for name in {*(names + "ab_test_results inventory_impact").split()} - {*kept}:
        lab._con.execute(f"DELETE FROM raw.{name}")
    lab.__dict__.pop("_days", None)


def test_dashboard_counts_by_day_as_python_does(lab):
    """Uses and revenue impact of 30 days and the previous 30; bounds of the customers."""
    found = lab.metric("counted_dashboard", until=LAST, days=30).set_index("measure")
    now, before = USES[-30:], USES[-60:-30]
    assert found.loc["uses", "value"] == sum(now)
    assert found.loc["uses", "before"] == sum(before)
    assert found.loc["uses", "squares"] == sum(uses**2 for uses in now)
    assert found.loc["revenue_impact", "value"] == 20 * sum(now)
    of_days = [uses - 1 for uses in now if uses]
    assert found.loc["customers", "customers_low"] == max(of_days)
    assert found.loc["customers", "customers_high"] == sum(of_days)
    assert found.loc["customers", ["value"]].isna().all()  # single days do not add up
    trend = lab.metric("counted_days", until=LAST, days=30)
    assert trend["times_used"].tolist() == now


def test_dashboard_knows_no_before_without_its_days(lab):
    """If the counters start within the previous period, there is no comparison."""
    found = lab.metric("counted_dashboard", until=LAST, days=60).set_index("measure")
    assert found.loc["uses", "value"] == sum(USES[-60:])
    assert found["before"].isna().all()


def test_discounts_in_use_are_told_by_their_last_use(lab):
    """Two of three were last used in the period; for an earlier day, this is unknown."""
    found = lab.metric("counted_dashboard", until=LAST, days=30).set_index("measure")
    assert found.loc[["discounts", "skus"], "value"].tolist() == [2, 3]
    earlier = lab.metric("counted_dashboard", until=LAST - timedelta(10), days=30)
    assert earlier.set_index("measure").loc[["discounts", "skus"], "value"].isna().all()


def test_totals_are_summed_and_customers_are_not(lab):
    """Uses and amounts add up over SKUs; customers can overlap."""
    used = lab.metric("counted_discounts", until=LAST).set_index("discount_id")
    assert used.loc["spring", "times_used"] == 40 + 35 + 30
    assert used.loc["spring", "savings"] == pytest.approx((40 + 35 + 30) * 25 * 0.1)
    assert used.loc["spring", "customers_at_least"] == 36
    assert used.loc["auto", "discount"] == "no code recorded: auto"
    skus = lab.metric("counted_skus", until=LAST).set_index("sku")
    assert skus.loc["SOCK", "times_used"] == 40 + 32 + 24
    assert skus.loc["HAT", "product"] == "Hat (HAT)"
    assert lab.metric("counted_skus", until="2026-01-01")["sku"].tolist() == ["SOCK"]


def test_products_are_compared_by_their_totals(lab):
    """The columns of the product report, from the app's own counters."""
    sold = lab.metric("counted_products").set_index("sku")
    assert sold.loc["SOCK", "share_of_units"] == pytest.approx(100 / 120)
    assert sold.loc["SOCK", "depth"] == pytest.approx(250 / 2500)
    assert sold.loc["SOCK", "price_with"] == 22.5
    assert products.alone(sold).index.tolist() == ["EVIL"]
    assert products.dependent(sold).index.tolist() == ["SOCK"]
    missing = products.missing(sold)
    assert "Cart abandonment rate not available" in missing
    assert "View-to-purchase" not in missing  # two products have them
    assert "margin" not in products.columns(sold)


def test_totals_alone_tell_no_period(lab):
    """Without the daily table, figures are for all time, with a note on the missing days."""
    _keep(lab, "discount_analytics")
    reason, *shown = counters.discounts(lab, LAST, 30)
    assert "d1lab ingest orders FILE" in reason
    [verdict] = [item for item in shown if isinstance(item, Verdict)]
    assert verdict.text == "The app counted 243 discount uses in all."
    assert "No daily uses" in verdict.detail


def test_days_alone_tell_no_discount(lab):
    """Without the totals, uses are shown, without a breakdown by discount."""
    _keep(lab, "daily_discount_stats")
    _, *shown = counters.discounts(lab, LAST, 30)
    texts = " ".join(str(item) for item in shown)
    assert "discount_analytics is empty" in texts
    assert "Discounts since their first use" not in texts


@pytest.mark.parametrize(
    ("sources", "leads"),
    [
        ({}, True),  # no discounted line in the events
        ({"event_uses": 5, "daily_uses": 10}, False),  # half of them
        ({"event_uses": 4, "daily_uses": 9}, True),
        ({"event_uses": 9, "daily_uses": 9, "daily_first_day": 3, "event_first_day": 4}, True),
        ({"event_uses": 9, "daily_uses": 9, "daily_first_day": 4, "event_first_day": 4}, False),
        ({"event_uses": 1}, False),  # nothing else is counted
        ({"event_uses": 1, "total_uses": 9, "total_first_day": LAST}, True),
        ({"event_uses": 1, "total_uses": 9, "total_first_day": LAST - timedelta(29)}, True),
        ({"event_uses": 1, "total_uses": 9, "total_first_day": LAST - timedelta(30)}, False),
        ({"event_uses": 1, "daily_uses": 2, "total_uses": 9, "total_first_day": LAST}, False),
    ],
)
def test_the_source_that_covers_the_period_leads(monkeypatch, sources, leads):
    """Counters by day, or the totals if all of their uses lie in the period."""
    names = (
        "event_uses daily_uses daily_first_day event_first_day total_uses total_first_day "
        "event_units product_units daily_uses_in_all"
    )
    monkeypatch.setattr(
        counters, "_sources", lambda *_: dict.fromkeys(names.split()) | {"event_uses": 0} | sources
    )
    nothing: Any = None
    assert counters.lead(nothing, LAST, 30) == leads


@pytest.mark.parametrize(
    ("events", "counted", "leads"),
    [(5, 10, False), (4, 9, True), (0, None, False), (0, 1, True), (0, 0, False)],
)
def test_products_lead_by_half_of_the_discounted_units(monkeypatch, events, counted, leads):
    sources = {"event_units": events, "product_units": counted}
    monkeypatch.setattr(counters, "_sources", lambda *_: sources)
    nothing: Any = None
    assert counters.lead_products(nothing, LAST, 30) is leads


@pytest.mark.parametrize(
    ("events", "daily", "in_all", "totals", "places"),
    [
        (3, 4, 9, 9, ["in the 30 days"]),
        (4, 4, 9, 9, []),
        (0, 4, 9, 9, []),
        (3, None, None, 9, []),
        (3, 4, 10, 9, ["in the 30 days", "over all days"]),
        (4, 4, 8, 9, []),
        (4, 4, 8, None, []),
    ],
)
def test_sources_disagree_on_the_same_uses(monkeypatch, events, daily, in_all, totals, places):
    """In the period, events and days; in all, more days than totals, which may be older."""
    names = ("event_uses", "daily_uses", "daily_uses_in_all", "total_uses")
    sources = dict(zip(names, (events, daily, in_all, totals), strict=True))
    monkeypatch.setattr(counters, "_sources", lambda *_: sources)
    nothing: Any = None
    told = counters.disagreement(nothing, LAST, 30)
    assert told.count("Sources disagree") == len(places)
    assert all(place in told for place in places)


def test_missing_cells_are_none_and_days_are_dates():
    values = [float("nan"), pd.NaT, None, 3.0, pd.Timestamp("2026-05-08"), "x"]
    assert [counters._known(value) for value in values] == [None, None, None, 3, LAST, "x"]


def test_nothing_recorded_is_not_nothing_used(lab):
    """Neither events nor counters: the reason says so and how to load them."""
    _keep(lab, "customer_insights")
    for [reason] in (counters.discounts(lab, LAST, 30), counters.products(lab, LAST, 90)):
        assert reason.startswith("No data for guide")
        assert "d1lab ingest orders FILE" in reason


def _sell(lab: Lab, day: str, *, event: str = "e", units: int = 1, discount: float = 0) -> None:
    """Insert one order line, by default without a discount."""
    lab._con.execute(
        "INSERT INTO raw.order_events (shop, event_id, type, order_id, sku, quantity, revenue, "
        "list_price, discount_id, discount_amount, occurred_at) VALUES ('guide', $event, 'order', "
        "'o', 'SOCK', $units, 10, 10, CASE WHEN $discount > 0 THEN 'd' END, $discount, "
        "$day::TIMESTAMP)",
        {"day": day, "event": event, "units": units, "discount": discount},
    )


def test_orders_without_a_discount_are_named_beside_the_counters(lab):
    """One order without a discount does not replace the 222 uses counted by the app."""
    _sell(lab, "2026-05-01")
    reason, *shown = counters.discounts(lab, LAST, 30)
    assert f"0 discount uses, and the app counted {sum(USES[-30:])}" in reason
    assert len(shown) > 1


def test_quiet_days_of_a_shop_with_orders_are_quiet(lab):
    """A shop with only earlier orders had no discount in the period."""
    _sell(lab, "2026-03-01", units=200, discount=10)
    assert len(counters.discounts(lab, LAST, 30)) > 1  # its counters go on, so they speak
    later = LAST + timedelta(60)
    assert counters.discounts(lab, later, 30) == (
        "guide had no discounted order in the 30 days to 2026-07-07",
    )
    assert counters.products(lab, later, 30) == ("guide had no sale in the 30 days to 2026-07-07",)


def test_one_tracked_order_does_not_turn_the_page(lab):
    """The source that covers the period is used; the other one is listed with its number."""
    _sell(lab, "2026-05-08", discount=2)
    assert counters.lead(lab, LAST, 30)
    reason, verdict, *_ = counters.discounts(lab, LAST, 30)
    assert f"1 discount uses, and the app counted {sum(USES[-30:])}" in reason
    assert verdict.text == f"The app counted {sum(USES[-30:])} discount uses in 30 days."
    assert days_before(LAST, 30) in verdict.detail
    assert f"1 uses in order events, {sum(USES[-30:])} in daily_discount_stats" in (
        counters.disagreement(lab, LAST, 30)
    )
    assert counters.lead_products(lab, LAST, 90)


def test_events_lead_where_they_cover_the_period(lab):
    """Events with as many uses as the counters, starting before their first day, are used."""
    for number in range(sum(USES[-30:])):
        _sell(lab, "2026-04-09", event=f"e{number}", discount=2)
    assert not counters.lead(lab, LAST, 30)
    assert "order events" not in counters.disagreement(lab, LAST, 30)


def test_events_lead_over_counters_that_d1lab_keeps(lab):
    """Counters computed from the events contain no additional information."""
    lab._con.execute(
        "INSERT INTO raw.d1lab_owned (table_name, part) SELECT unnest(['daily_discount_stats',"
        " 'discount_analytics', 'product_performance']), 'counters'"
    )
    _sell(lab, "2026-05-08", discount=2)
    assert not counters.lead(lab, LAST, 30)
    assert not counters.lead_products(lab, LAST, 90)


def test_sources_that_disagree_are_named(lab):
    """The daily uses exceed the totals: the sources disagree, and the page says so."""
    lab._con.execute("UPDATE raw.daily_discount_stats SET total_discounts_used = 7")
    by_day = 7 * sum(uses > 0 for uses in USES)
    told = counters.disagreement(lab, LAST, 30)
    held = "243 uses in discount_analytics"
    assert told == f"Sources disagree over all days: {held}, {by_day} in daily_discount_stats."
    assert told in " ".join(str(item) for item in counters.discounts(lab, LAST, 30))


def _count(lab: Lab, **columns: Any) -> None:
    """Insert a row as the guide's upsert does: no uses, no time of use, no revenue."""
    row = {"shop": "new", "discount_id": "d", "sku": "S", "times_used": 0, "discount_amount": 5}
    row |= {"created_at": "2026-05-01 10:00:00"} | columns
    names, marks = ", ".join(row), ", ".join(f"${name}" for name in row)
    lab._con.execute(f"INSERT INTO raw.discount_analytics ({names}) VALUES ({marks})", row)
    lab.__dict__.pop("_days", None)


def _of_new(lab: Lab, metric: str) -> dict[str, Any]:
    [row] = lab.metric(metric, shop="new", until=LAST).to_dict("records")
    return row


def test_first_uses_are_counted_though_the_upsert_begins_at_zero(lab):
    """A pair with discounts given and 0 uses shows that each row has one more use."""
    _count(lab, sku="S", times_used=0, id=901)
    _count(lab, sku="T", times_used=3, discount_amount=20, id=902)
    row = _of_new(lab, "counted_discounts")
    assert (row["times_used"], row["savings"]) == (1 + 4, 25)
    lab._own_first.execute("SET VARIABLE uses_start = 1")
    row = _of_new(lab, "counted_discounts")
    assert (row["times_used"], row["savings"]) == (3, 25)  # savings are never dropped
    lab._own_first.execute("SET VARIABLE uses_start = 0")
    _keep(lab, "discount_analytics")
    lab._con.execute("UPDATE raw.discount_analytics SET times_used = 3")
    assert _of_new(lab, "counted_discounts")["times_used"] == 8


def test_counters_of_d1lab_begin_at_one(lab):
    """Counters computed by d1lab have no uncounted use, regardless of the row."""
    lab._con.execute(
        "INSERT INTO raw.d1lab_owned (table_name, part) VALUES ('discount_analytics', 'counters')"
    )
    _count(lab, sku="S", times_used=0)
    _count(lab, sku="T", times_used=3, last_used_at="2026-05-01 10:00:00")
    assert _of_new(lab, "counted_discounts")["times_used"] == 3


def test_an_app_whose_pairs_were_all_used_once_has_a_shop_and_a_report(lab):
    """If no row has a time of use, the row was created at its first use."""
    _count(lab, sku="S")
    _keep(lab, "discount_analytics")
    assert "new" in lab.shops
    row = _of_new(lab, "counted_discounts")
    assert row["last_used_on"].date() == date(2026, 5, 1)
    assert (row["discount"], row["times_used"]) == ("no code recorded: d", 1)
    _, verdict, *_ = counters.discounts(
        Lab(lab._con, database="demo", folder=lab.folder, shop="new"), LAST, 30
    )
    assert verdict.text == "The app counted 1 discount uses in all."


def test_revenue_that_is_not_recorded_is_unknown(lab):
    """No depth of 100% and no price of 0: NULL stays NULL."""
    _count(lab, sku="S")
    row = _of_new(lab, "counted_discounts")
    assert [row[name] for name in ("revenue_before", "revenue_after", "depth")] == [
        pytest.approx(float("nan"), nan_ok=True)
    ] * 3
    lab._con.execute(
        "INSERT INTO raw.product_performance (shop, sku, units_sold_with_discount,"
        " units_sold_without_discount, total_discount_given) VALUES ('new', 'S', 12, 0, 5)"
    )
    [sold] = lab.metric("counted_products", shop="new").to_dict("records")
    for name in ("depth", "price_with", "units_without", "share_of_units", "revenue"):
        assert pd.isna(sold[name]), name
    assert products.dependent(lab.metric("counted_products", shop="new")).empty


def test_products_of_an_app_that_counts_discounted_sales_alone(lab):
    """The verdict says that other sales are not recorded; no product is called dependent."""
    lab._con.execute(
        "UPDATE raw.product_performance SET units_sold_without_discount = 0,"
        " revenue_with_discount = NULL, revenue_without_discount = NULL"
    )
    _, verdict, figures, *_ = counters.products(lab, LAST, 90)
    assert verdict.text == "The app counted 165 discounted units. It does not record other sales."
    values = {figure.metric: figure.value for figure in figures.figures}
    assert (values["products_alone"], values["products_dependent"]) == (None, None)


def test_totals_do_not_fall_when_the_app_archives(lab):
    """Archived rows stay in the sums; a row in both tables counts once."""
    names = (
        "id, shop, discount_id, discount_code, sku, times_used, revenue_before_discount,"
        " discount_amount, revenue_after_discount, unique_customers, repeat_usage_count,"
        " first_used_at, last_used_at, created_at"
    )
    before = lab.metric("counted_discounts", until=LAST)
    lab._con.execute(
        f"INSERT INTO raw.analytics_archive ({names}) SELECT {names} FROM raw.discount_analytics"
    )
    pd.testing.assert_frame_equal(lab.metric("counted_discounts", until=LAST), before)
    lab._con.execute("DELETE FROM raw.discount_analytics WHERE sku <> 'HAT'")
    pd.testing.assert_frame_equal(lab.metric("counted_discounts", until=LAST), before)
    lab._con.execute(  # the retention of the next night, after a delete that had failed
        f"INSERT INTO raw.analytics_archive ({names}) SELECT {names} FROM raw.discount_analytics"
    )
    pd.testing.assert_frame_equal(lab.metric("counted_discounts", until=LAST), before)


def test_days_before_the_app_are_not_drawn(lab):
    """The chart starts with the first counted day."""
    trend = lab.metric("counted_days", until=LAST, days=200)
    first = next(day for day, uses in enumerate(USES) if uses)
    assert len(trend) == DAYS - first
    assert trend["times_used"].tolist() == USES[first:]


def test_discounts_tell_the_dashboard_from_counters(settings):
    """The run is done, with verdict, figures, tables, and the list of missing results."""
    record, run_dir = _run(settings, "discounts")
    assert record.status == "done", record.error
    assert record.verdict.text == f"The app counted {sum(USES[-30:])} discount uses in 30 days."
    assert "guide has no order events" in record.reason
    values = {figure.metric: figure.value for figure in load_results(run_dir)}
    assert values == {
        "uses": sum(USES[-30:]),
        "revenue_impact": 20 * sum(USES[-30:]),
        "savings_in_all": 1095,
        "discounts": 2,
        "skus": 3,
        "customers": None,
    }
    tables = _tables(run_dir)
    dashboard, *_, untold = tables.values()
    assert dashboard["rows"][-1][2].startswith("between 10 (busiest day) and ")
    assert untold["title"] == "Not available without order events"
    assert len(untold["rows"]) == 8
    page = write_page(run_dir, settings.reports_dir).read_text()
    assert "Missing:" in page
    assert "ingest orders FILE" in page
    assert "<script>alert(1)" not in page
    assert "What each gave" not in page  # a heading of a part that did not run


def test_products_tell_the_comparison_from_counters(settings):
    """Sales with and without a discount over all time; no elasticity is made up."""
    record, run_dir = _run(settings, "products")
    assert record.status == "done", record.error
    assert record.verdict.text.startswith("45% of revenue was discounted in all that the app")
    values = {figure.metric: figure.value for figure in load_results(run_dir)}
    assert values["elasticity"] is None
    assert (values["products_alone"], values["products_dependent"]) == (1, 1)
    assert len(_tables(run_dir)["Products by revenue, with and without a discount"]["rows"]) == 3


@pytest.mark.parametrize(
    ("report", "status"),
    [
        pytest.param("ab_tests", "done", marks=pytest.mark.long),
        ("customers", "skipped"),
        pytest.param("recommendations", "skipped", marks=pytest.mark.long),
        ("inventory", "done"),
    ],
)
def test_no_report_fails_on_the_guides_tables(settings, report, status):
    """Every report ends without an error; without data, it names the command that loads it."""
    record, _ = _run(settings, report)
    assert record.status == status, record.error
    if status == "skipped":
        assert "d1lab ingest orders" in record.reason
        assert "nothing was sold" not in record.reason


def test_turnover_does_not_deny_discounted_units(settings):
    """The stock ledger has units sold at a discount, but not the discount amounts."""
    _, run_dir = _run(settings, "inventory")
    figures = {figure.metric: figure for figure in load_results(run_dir)}
    assert figures["discounts_questioned"].value is None
    assert "units were sold at a discount" in figures["discounts_questioned"].note
    assert "load order events" in figures["discount_lift"].note


def test_tests_of_a_past_day_are_not_told_from_later_totals(settings):
    """Totals of a running test include later days, also if no order shows the last day."""
    with open_lab(settings) as lab:
        tests = lab.metric("ab_tests", shop=SHOP, until=LAST - timedelta(5)).set_index("test_id")
        assert tests["sums_are_later"].to_dict() == {"t1": False, "t2": True}
        assert not lab.metric("ab_tests", shop=SHOP, until=LAST)["sums_are_later"].any()
