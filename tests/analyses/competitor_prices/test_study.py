"""From metrics to tables, sentences, and a page: a few products by hand, and a whole report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from d1lab.analyses.competitor_prices import report as words
from d1lab.analyses.competitor_prices import study as study_module
from d1lab.analyses.competitor_prices import tables as lists
from d1lab.analyses.competitor_prices.position import REASONS, PricingRule
from d1lab.analyses.competitor_prices.study import PriceStudy, study
from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.display import DataTable, Note, Verdict
from d1lab.lab import Lab
from d1lab.packed_files import read_packed
from d1lab.pages.page import render_page
from d1lab.runs.record import RunRecord, load_results
from d1lab.runs.report import load_report
from d1lab.runs.run import open_lab, prepare, run

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
UNTIL = date(2026, 5, 8)
HOSTILE = "</script><script>alert('theirs')</script>"

# The tiny shop lists every product at 10. 'worked' has 20 in stock and sells out in days, 'plain'
# gains a unit a day, 'dead' has 40, 'evil' runs low.
LOOKS = f"""
INSERT INTO raw.competitor_prices
    (_rowid, shop, sku, competitor, price, currency, in_stock, url, observed_at, source)
VALUES
    (1, 'harbor', 'plain', 'acme', 8, 'USD', 1, NULL, '2026-05-06 09:00', 'page'),
    (2, 'harbor', 'plain', 'acme', 9, 'USD', 1, NULL, '2026-05-01 09:00', 'page'),
    (3, 'harbor', 'plain', 'bolt', 12, 'USD', NULL, NULL, '2026-05-07 09:00', 'page'),
    (4, 'harbor', 'plain', 'corp', 7, 'CAD', 1, NULL, '2026-05-07 09:00', 'page'),
    (5, 'harbor', 'worked', 'acme', 6, 'USD', 1, NULL, '2026-05-07 09:00', 'page'),
    (6, 'harbor', 'worked', 'bolt', 5, 'USD', 1, NULL, '2026-03-07 09:00', 'page'),
    (7, 'harbor', 'dead', 'acme', 13, 'USD', 1, NULL, '2026-05-07 09:00', 'page'),
    (8, 'harbor', 'evil', 'acme', 2, 'USD', 0, NULL, '2026-05-07 09:00', 'page'),
    (9, 'harbor', 'evil', '{HOSTILE.replace("'", "''")}', 1, 'USD', 1, NULL,
        '2026-05-07 09:00', 'page'),
    (10, 'harbor', 'unsold', 'acme', 3, 'USD', 1, NULL, '2026-05-07 09:00', 'page'),
    (11, 'harbor', 'plain', 'dash', 1, 'USD', 1, NULL, '2026-05-09 00:00', 'page')
"""
COSTS = """
INSERT INTO raw.product_costs (_rowid, shop, sku, unit_cost, valid_from)
VALUES (1, 'harbor', 'plain', 6, '2026-01-01')
"""


@pytest.fixture
def warehouse(tiny_warehouse: Path, tmp_path: Path) -> Path:
    """The tiny warehouse with competitor prices, in the folder of a project."""
    path = tmp_path / "data" / "demo" / "warehouse.duckdb"
    path.parent.mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, path)
    with duckdb.connect(path) as con:
        con.execute(LOOKS)
    return path


@pytest.fixture
def lab(warehouse: Path) -> Iterator[Lab]:
    with duckdb.connect(warehouse) as con:
        con.execute("SET TimeZone = 'UTC'")
        yield Lab(con, database="demo", folder=warehouse.parent, shop="harbor")


def studied(lab: Lab, rule: PricingRule | None = None, currency: str = "USD") -> PriceStudy:
    looks = lab.metric(
        "competitor_prices", until=UNTIL, currency=currency, max_age_days=14, own_days=90
    )
    stock = lab.metric("turnover", until=UNTIL, days=8)
    return study(looks, stock, currency=currency, until=UNTIL, rule=rule or PricingRule())


def add_costs(lab: Lab) -> Lab:
    lab._con.execute(COSTS)
    return lab


def test_study_tells_each_product(lab):
    """Position and action by hand; the cost of 'plain' is not known yet."""
    products = studied(lab).products.set_index("sku")
    assert list(products.index) == ["dead", "evil", "plain", "worked"]
    plain = products.loc["plain"]
    assert plain[["competitors", "rank", "cheapest", "middle"]].tolist() == [2, 2, 8, 10]
    paid = 331 / 34  # 34 units, of which some with a code
    assert plain[["own_price", "paid_price"]].tolist() == pytest.approx([10, paid])
    assert plain[["price_index", "gap"]].tolist() == pytest.approx([paid / 10, 1 - 8 / paid])
    assert (plain["cheapest_at"], plain["answer_reason"]) == ("acme", "no_cost")
    assert plain["answer_highest_cost"] == pytest.approx(6.4)
    assert products.loc["worked", "answer_reason"] == "short_cover"
    assert products.loc["dead", ["answer_action", "answer_reason"]].tolist() == ["raise", "room"]
    assert products.loc["evil", "competitors"] == 0


def test_study_alerts_where_the_cost_leaves_the_floor(lab):
    """A price of 8 and a cost of 6 give a margin of 25%: enough for 20%, not for 30%."""
    add_costs(lab)
    found = studied(lab)
    [alert] = lists.alerts(found).to_dict("records")
    assert (alert["sku"], alert["cheapest"], alert["margin_left"]) == ("plain", 8, 0.25)
    assert lists.left(found)["sku"].tolist() == ["worked"]
    strict = studied(lab, PricingRule(margin_floor=0.3))
    assert lists.alerts(strict).empty
    assert lists.left(strict).set_index("sku").loc["plain", "answer_reason"] == "below_floor"
    assert words.verdict(found)["status"] == "bad"
    assert "1 can be matched at a margin of 20% or more" in words.verdict(found)["detail"]
    assert words.verdict(strict)["status"] == "neutral"


def test_a_discounted_product_is_compared_at_the_price_paid(lab):
    """Listed at 10 and sold at half of it, "plain" is cheaper than the competitor at 8."""
    add_costs(lab)
    lab._con.execute("UPDATE raw.order_events SET revenue = revenue / 2 WHERE sku = 'plain'")
    found = studied(lab)
    plain = found.products.set_index("sku").loc["plain"]
    assert plain[["own_price", "paid_price"]].tolist() == pytest.approx([10, 331 / 68])
    assert (plain["rank"], plain["answer_action"], plain["answer_reason"]) == (1, "raise", "room")
    place = lists.compared(found).set_index("sku").loc["plain", "place"]
    assert place == f"1 of {plain['competitors'] + 1:.0f}"
    assert words.verdict(found)["text"].startswith("The shop has the lowest price on 2 of 3 comp")
    assert lists.alerts(found).empty
    assert "paid_price own_price" in lists.ALERTS


def test_a_product_without_a_sale_in_four_weeks_is_not_compared(lab):
    """It still has a list price, of a sale 29 days ago, and says why nothing is compared."""
    lab._con.execute(
        "UPDATE raw.order_events SET occurred_at = '2026-04-10 12:00:00', _day = '2026-04-10' "
        "WHERE sku = 'plain'"
    )
    found = studied(lab)
    looks = found.looks[found.looks["sku"] == "plain"]
    assert set(looks["reason"]) == {"no_own_price"}
    assert set(looks["own_price"]) == {10}
    assert "plain" not in set(found.products["sku"])


def test_uncompared_looks_have_a_reason(lab):
    """Every price not compared is listed; later observations are ignored."""
    found = studied(lab)
    reasons = lists.uncompared(found).set_index(["sku", "competitor"])["reason"].to_dict()
    assert reasons == {
        ("plain", "corp"): "other_currency",
        ("worked", "bolt"): "too_old",
        ("evil", "acme"): "sold_out",
        ("evil", HOSTILE): "implausible",
        ("unsold", "acme"): "no_own_price",
    }
    assert set(reasons.values()) <= set(lists.UNCOMPARED)
    assert lists.reasons(found)["looks"].sum() == 5
    who = lists.competitors(found).set_index("competitor")
    assert who.loc["acme", ["products", "compared"]].tolist() == [5, 3]
    assert who.loc["acme", "in_stock_share"] == pytest.approx(4 / 5)


def test_study_in_a_currency_that_nobody_asks(lab):
    """No price is comparable: the report says so and has no figures."""
    found = studied(lab, currency="GBP")
    verdict = words.verdict(found)
    assert verdict["status"] == "unknown"
    assert "different currency" in verdict["detail"]
    figures = {figure["metric"]: figure for figure in words.figures(found)}
    assert figures["price_index"]["value"] is None
    assert figures["to_match"]["value"] is None
    assert figures["compared_share"]["value"] == 0


def test_words_of_stock_that_is_not_told(lab):
    """One price has no availability, and the shop has no stock data; the notes say so."""
    found = studied(lab)
    assert "1 price without availability" in words.limits(found, simulated=())
    assert words.limits(found, simulated=("competitor_prices", "product_costs")).startswith(
        "Competitor prices and unit costs are simulated. "
    )
    assert "lead time" in words.rules(found)


def test_foremost_is_what_calls_for_an_answer(lab):
    """The chart shows the first alert, or else the most undercut product."""
    assert lists.foremost(studied(lab)) == "worked"
    add_costs(lab)
    assert lists.foremost(studied(lab)) == "plain"
    assert lists.foremost(studied(lab, currency="GBP")) == "dead"


def looked(*rows: tuple[Any, ...]) -> Any:
    """Rows of `competitor_prices`: SKU, competitor, price, price paid, reason."""
    names = ["sku", "competitor", "price", "paid_price", "reason"]
    frame = pd.DataFrame(rows, columns=names)
    revenue = {"a": 10.0, "b": 30.0, "c": 10.0}
    return frame.assign(
        product="The " + frame["sku"], own_price=10.0, own_price_day=pd.Timestamp(UNTIL),
        revenue=frame["sku"].map(revenue).fillna(0.0), unit_cost=5.0, currency="USD",
        in_stock=[True, False, None, True][: len(frame)] + [True] * (len(frame) - 4),
        observed_at=pd.Timestamp("2026-05-07 09:30"), age_days=1,
    )  # fmt: skip


NO_STOCK = pd.DataFrame({"sku": []})


def of_rows(*rows: tuple[Any, ...], rule: PricingRule | None = None) -> PriceStudy:
    return study(looked(*rows), NO_STOCK, currency="USD", until=UNTIL, rule=rule or PricingRule())


def test_study_names_all_of_the_cheapest_and_leaves_out_what_was_given_away():
    """Without a stock ledger, stock and days of supply are not known."""
    found = of_rows(
        ("a", "acme", 8.0, 10.0, None), ("a", "bolt", 8.0, 10.0, None),
        ("a", "corp", 9.0, 10.0, None), ("b", "acme", 9.0, 10.0, "sold_out"),
        ("free", "acme", 9.0, 0.0, "no_own_price"), ("c", "acme", 9.0, 10.0, "too_old"),
    )  # fmt: skip
    products = found.products.set_index("sku")
    assert list(products.index) == ["a", "b", "c"]
    assert products["cheapest_at"].fillna("").tolist() == ["acme, bolt", "", ""]
    assert products["answer_reason"].tolist() == ["undercut", "alone", "not_compared"]
    assert products["why"].tolist() == [REASONS[one] for one in products["answer_reason"]]
    assert products[["ending_units", "days_of_supply"]].isna().all(axis=None)
    assert (found.currency, found.until) == ("USD", UNTIL)


def test_lists_are_in_the_order_of_their_titles():
    """Largest gap, highest revenue, highest index, most prices first; ties by SKU and name."""
    cut = of_rows(
        ("b", "acme", 8.0, 10.0, None), ("a", "acme", 8.0, 10.0, None),
        ("c", "bolt", 7.0, 10.0, None), ("d", "bolt", 9.6, 10.0, None),
        ("e", "corp", None, 10.0, "no_price"), ("f", "acme", 5.0, 10.0, "too_old"),
    )  # fmt: skip
    assert lists.alerts(cut)["sku"].tolist() == ["c", "a", "b"]
    assert lists.undercut(cut)["sku"].tolist() == ["c", "a", "b"]
    assert lists.left(cut).empty
    place = lists.compared(cut)
    assert place["sku"].tolist() == ["c", "a", "b", "d"]
    assert set(place["place"]) == {"2 of 2"}
    who = lists.competitors(cut)
    assert who["competitor"].tolist() == ["acme", "bolt", "corp"]
    assert who["compared"].tolist() == [2, 2, 0]
    assert who["price_index"].tolist()[:2] == pytest.approx([1.25, (10 / 7 + 10 / 9.6) / 2])
    assert who["in_stock_share"].tolist() == [2 / 3, 1, 1]  # one is not known
    assert set(who["last_look"]) == {pd.Timestamp("2026-05-07")}
    seen = lists.uncompared(cut)
    assert seen["asked"].tolist() == ["–", "5.00 USD"]
    assert seen["why"].tolist() == [lists.UNCOMPARED["no_price"], lists.UNCOMPARED["too_old"]]
    assert lists.reasons(cut)["why"].tolist() == sorted(seen["why"])
    dear = of_rows(
        ("c", "acme", 11.0, 10.0, None), ("a", "acme", 11.0, 10.0, None),
        ("b", "bolt", 12.0, 10.0, None), ("d", "bolt", 9.0, 10.0, "too_old"),
        ("d", "acme", 9.0, 10.0, "too_old"), ("b", "acme", 9.0, 10.0, "sold_out"),
    )  # fmt: skip
    assert lists.room(dear)["sku"].tolist() == ["b", "a", "c"]
    assert set(lists.compared(dear)["place"]) == {"1 of 2"}
    assert lists.competitors(dear)["competitor"].tolist() == ["acme", "bolt"]
    shown = lists.uncompared(dear)[["reason", "sku", "competitor"]].to_numpy().tolist()
    assert shown == [
        ["sold_out", "b", "acme"], ["too_old", "d", "acme"], ["too_old", "d", "bolt"],
    ]  # fmt: skip
    assert lists.reasons(dear)["looks"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("rows", "sku"),
    [
        ([("a", "x", 9.0, 10.0, None), ("b", "x", 8.0, 10.0, None)], "b"),  # the largest gap
        ([("a", "x", 11.0, 10.0, None), ("b", "x", 9.7, 10.0, None)], "b"),  # the highest index
        ([("b", "x", 9.0, 10.0, "too_old"), ("a", "x", 9.0, 10.0, "too_old")], "b"),
        ([], ""),
    ],
)
def test_foremost_falls_back(rows, sku):
    assert lists.foremost(of_rows(*rows)) == sku


@pytest.mark.parametrize(
    ("price", "threshold", "is_cut"),
    [(9.5, 0.05, True), (9.51, 0.05, False), (10.0, 0.0, False), (9.99, 0.0, True)],
)
def test_undercut_is_by_the_threshold_or_more(price, threshold, is_cut):
    """The list, the action, and the figure agree at the edge."""
    found = of_rows(("a", "x", price, 10.0, None), rule=PricingRule(threshold=threshold))
    assert len(lists.undercut(found)) == is_cut
    assert (found.products["answer_action"] == "match").tolist() == [is_cut]
    shown = {figure["metric"]: figure["value"] for figure in words.figures(found)}
    assert (shown["undercut_products"], shown["to_match"], shown["room_products"]) == (
        is_cut,
        is_cut,
        0,
    )
    assert (shown["price_index"], shown["compared_share"]) == (pytest.approx(10 / price), 1)
    assert words.verdict(found)["status"] == ("bad" if is_cut else "good")


def test_figures_that_are_not_known_have_a_reason():
    """Without a comparable price, none; without a unit cost, no number of prices to match."""
    silent = of_rows(("a", "x", 9.0, 10.0, "too_old"))
    assert silent.products[["gap", "rank", "answer_price"]].dtypes.eq(float).all()
    none = {one["metric"]: one for one in words.figures(silent)}
    names = ("price_index", "undercut_products", "to_match", "room_products")
    assert [none[name]["value"] for name in names] == [None] * 4
    assert {none[name]["note"] for name in names[:3]} == {"no comparable competitor price"}
    found = of_rows(("a", "x", 8.0, 10.0, None), ("b", "x", 8.0, 10.0, None))
    products = found.products.copy()
    products.loc[0, ["answer_action", "answer_reason"]] = [None, "no_cost"]
    figure = words._alerts(found._replace(products=products), products, None)
    assert (figure["value"], figure["note"]) == (1, "unit cost missing for 1 more")
    figure = words._alerts(found._replace(products=products[:1]), products[:1], None)
    assert (figure["value"], figure["note"]) == (None, "unit cost missing for 1 undercut products")
    assert words._alerts(found, found.products, None)["note"] == ""


# The report


def ran(warehouse: Path, *, currency: str = "USD", **values: object) -> tuple[RunRecord, Path]:
    demo = DatabaseSettings(url="sqlite:data/demo/d1.sqlite", currency=currency)
    root = warehouse.parents[2]
    settings = Settings(root=root, notebooks_dir=NOTEBOOKS, databases={"demo": demo})
    with open_lab(settings) as lab:
        task = prepare(lab, load_report(settings, "competitor_prices"), values=values)
    return run(settings, task)


def shown(run_dir: Path, mime: str) -> list[Any]:
    cells = json.loads(read_packed(run_dir / "notebook.ipynb"))["cells"]
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    return [data[mime] for data in outputs if mime in data]


def test_report_leads_with_a_verdict_and_three_figures(warehouse):
    """Verdict, index, undercut, to match; all tables; two charts; hostile names are escaped."""
    record, run_dir = ran(warehouse)
    assert record.status == "done", record.error
    [verdict] = shown(run_dir, Verdict.MIME)
    assert verdict["text"].startswith("The shop has the lowest price on 1 of 3 comparable products")
    figures = load_results(run_dir)
    assert [figure.metric for figure in figures][:3] == [
        "price_index",
        "undercut_products",
        "to_match",
    ]
    tables = {table["title"]: table for table in shown(run_dir, DataTable.MIME)}
    assert tables["Undercut products without action"]["rows"][0][0].endswith("(worked)")
    assert len(tables["Prices not compared"]["rows"]) == 5
    assert len(shown(run_dir, "application/vnd.vegalite.v6+json")) == 2
    last = shown(run_dir, Note.MIME)[-1]["text"]
    assert last.startswith("Stock levels are simulated. What is compared is the average price paid")
    assert record.simulated == ("inventory_days",)
    page = render_page(run_dir)
    text = page if isinstance(page, str) else page.decode()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_report_alerts_with_a_cost(warehouse):
    """With a known cost, there is one price to match, and the figure has a value."""
    with duckdb.connect(warehouse) as con:
        con.execute(COSTS)
    record, run_dir = ran(warehouse)
    assert record.status == "done", record.error
    figures = {figure.metric: figure for figure in load_results(run_dir)}
    assert figures["to_match"].value == 1
    tables = {table["title"]: table for table in shown(run_dir, DataTable.MIME)}
    assert len(tables["Prices to match"]["rows"]) == 1


def test_report_in_another_currency_abstains(warehouse):
    """A shop in pounds: no price is comparable; the page still has the reasons."""
    record, run_dir = ran(warehouse, currency="GBP")
    assert record.status == "done", record.error
    [verdict] = shown(run_dir, Verdict.MIME)
    assert verdict["status"] == "unknown"
    asked = [
        table
        for table in shown(run_dir, DataTable.MIME)
        if table["title"].startswith("Prices not compared")
    ]
    assert "7.00 CAD" in str(asked)


def test_report_stops_where_the_currency_is_unknown(warehouse):
    """The currency of the shop is not guessed."""
    record, _ = ran(warehouse, currency="")
    assert record.status == "skipped"
    assert "The currency of harbor is not set" in record.reason


def test_report_stops_where_no_price_was_seen(warehouse):
    """A shop without competitor prices ends without an error and shows how to load them."""
    record, _ = ran(warehouse, shop="kiosk")
    assert record.status == "skipped"
    assert "No competitor prices for kiosk on or before 2026-05-08" in record.reason
    assert "d1lab ingest prices" in record.reason


def test_report_names_simulated_unit_costs(warehouse):
    """The margin of an alert uses them: record, page, and note say so."""
    with duckdb.connect(warehouse) as con:
        con.execute(COSTS)
        con.execute("UPDATE raw.product_costs SET source = 'simulated'")
    record, run_dir = ran(warehouse)
    assert record.simulated == ("inventory_days", "product_costs")
    assert "<b>Simulated data:</b> stock levels, unit costs." in str(render_page(run_dir))
    last = shown(run_dir, Note.MIME)[-1]["text"]
    assert last.startswith("Stock levels and unit costs are simulated. ")


def test_simulated_names_a_view_once(warehouse):
    """The underlying table has the same name and also a column source."""
    with duckdb.connect(warehouse) as con:
        con.execute("UPDATE raw.competitor_prices SET source = 'simulated'")
        lab = Lab(con, database="demo", folder=warehouse.parent, shop="harbor")
        assert lab.simulated().count("competitor_prices") == 1


@pytest.mark.parametrize(("sold_out", "told"), [(["acme"], "alone"), ([], "not_compared")])
def test_a_product_without_a_price_is_alone_where_the_others_sold_out(sold_out, told):
    """The number of competitors out of stock decides; without any, nothing is known."""
    product = {"paid_price": 10.0, "unit_cost": 5.0, "ending_units": 40, "days_of_supply": None}
    asked = study_module._ListedPrices([], [], sold_out)
    assert told in study_module._row(product, asked, PricingRule())
