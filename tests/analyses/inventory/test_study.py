"""Tables, sentences, and details of the inventory report, on small shops."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab import catalog
from d1lab.analyses.discount_effect.pooling import estimate
from d1lab.analyses.inventory import report as words
from d1lab.analyses.inventory import study as study_module
from d1lab.analyses.inventory import tables as evidence
from d1lab.analyses.inventory import tables as lists
from d1lab.analyses.inventory.demand import forecast
from d1lab.analyses.inventory.study import Assumptions, study
from d1lab.lab import Lab
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse

UNTIL = date(2026, 5, 31)
DAYS = 210
PRODUCTS = 30


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Thirty products over thirty weeks with three units per day, six in discounted weeks.

    P00 runs out; P01 has no sale for 120 days; P02 does not sell more at a discount; P03's stock
    is not tracked; P04's ledger loses a unit per day; costs are known for P00 and P05.
    """
    folder = tmp_path_factory.mktemp("stock")
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        _fill(con)
    with open_warehouse(folder) as con:
        yield Lab(con, database="demo", folder=folder, shop="s")


def _fill(con: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(3)
    stock, orders = [], []
    for product in range(PRODUCTS):
        left = 100_000
        for back in range(DAYS - 1, -1, -1):
            cut = (back // 7 + product) % 3 == 0
            units = int(rng.poisson(6 if cut and product != 2 else 3))
            if product == 1 and back < 120:
                units = 0
            end = left - units - (product == 4)
            if product == 0 and back == 0:
                end = 20
            day, sku = UNTIL - timedelta(back), f"P{product:02}"
            known = (left, end) if product != 3 else (0, 0)
            stock.append((sku, day, known[0], cut * units, (not cut) * units, known[1]))
            if units:
                amount = 2.5 * units if cut else 0
                orders.append((sku, day, units, amount, 10 * units - amount))
            left = end
    con.register("i", pd.DataFrame(stock, columns=["sku", "day", "s", "c", "r", "e"]))
    con.register("o", pd.DataFrame(orders, columns=["sku", "day", "u", "a", "v"]))
    con.execute(
        """
        INSERT INTO raw.inventory_impact BY NAME SELECT 's' AS shop, sku, day AS date,
            s AS starting_inventory, c AS units_sold_with_discount, r AS units_sold_regular_price,
            e AS ending_inventory, row_number() OVER () AS _rowid,
            CASE WHEN sku = 'P05' AND day = DATE '2026-05-31' THEN 77 END AS days_of_supply
        FROM i;
        INSERT INTO raw.order_events BY NAME SELECT 's' AS shop, row_number() OVER () AS _rowid,
            'e' || row_number() OVER () AS event_id, 'order' AS type,
            'o' || row_number() OVER () AS order_id, sku,
            u AS quantity, 10 AS list_price, a AS discount_amount, v AS revenue,
            CASE WHEN a > 0 THEN 'd' END AS discount_id, day::TIMESTAMP AS occurred_at
        FROM o;
        INSERT INTO raw.product_performance BY NAME SELECT 's' AS shop, sku, 'Item ' || sku
            AS product_title, sum(u)::BIGINT AS units_sold_with_discount,
            0 AS units_sold_without_discount, sum(v) AS revenue_with_discount,
            0 AS revenue_without_discount, 0 AS _rowid FROM o GROUP BY sku;
        INSERT INTO raw.product_costs (shop, sku, unit_cost, valid_from, _rowid) VALUES
            ('s', 'P00', 9, '2025-01-01', 1), ('s', 'P00', 4, '2026-05-01', 2),
            ('s', 'P00', 99, '2026-06-01', 3), ('s', 'P05', 6, '2026-01-01', 4);
        """
    )
    con.unregister("i")
    con.unregister("o")


@pytest.fixture(scope="module")
def found(lab):
    return _study(lab, UNTIL, 90)


def _study(lab, until, days):
    stock = lab.metric("turnover", until=until, days=days)
    weeks = lab.metric("demand_history", until=until, weeks=104)
    discounts = estimate(lab.metric("discount_weeks", until=until, days=364))
    plan = Assumptions(lead_days=14, order_days=28)
    return study(stock, weeks, discounts, until=until, plan=plan)


def test_short_names_what_runs_out_and_how_much_to_order(found):
    """20 units at 4 per day are 5 days of supply; the order covers 14 and 28 days."""
    [row] = lists.short(found).to_dict("records")
    assert row["sku"] == "P00"
    assert 4 < row["days_of_supply"] < 6
    expected = row["forecast_units"] / 28 * 42
    assert expected - 20 < row["order_units"] < 1.6 * expected
    assert row["reorder_point"] > 20
    others = found.products[found.products["sku"] != "P00"]
    assert (others["order_units"].dropna() == 0).all()
    stock = found.products.set_index("sku")
    assert np.isnan(stock.loc["P03", "order_units"])  # what is on hand is not known


def test_dead_counts_the_money_at_price(found):
    """Only products without a sale for 90 days; their value is stock times average price."""
    [row] = lists.dead(found).to_dict("records")
    assert (row["sku"], row["idle_days"]) == ("P01", 90)
    assert row["tied_up"] == pytest.approx(row["ending_units"] * row["unit_price"])


def test_moved_says_what_to_do(found):
    """Twice the sales at a discount: keep; about the same: test; running out: pause."""
    table = lists.moved(found).set_index("sku")
    assert table.loc["P00", "todo"] == "pause: running out of stock"
    assert table.loc["P05", "todo"].startswith("sold more")
    ratio = table["velocity_discounted"] / table["velocity_regular"]
    assert ratio["P05"] == pytest.approx(2, rel=0.15)
    assert ratio["P02"] == pytest.approx(1, rel=0.25)
    assert not table.loc["P02", "todo"].startswith("sold more")
    assert "P01" not in table.index  # nothing of it was sold at a discount in the period
    assert table.index[0] == "P00"  # to question, before all that is to hold or to test
    assert table[~table["questioned"]]["discount_given"].is_monotonic_decreasing


def test_effect_is_the_lift_that_was_built_in(found):
    """Sales double at 25% off for all products except one."""
    assert found.effect.depth == pytest.approx(0.25)
    assert found.effect.low < 1 < found.effect.high + 0.1
    text = words.discount(found)
    assert "association" in text
    assert "clustered by product" in text


def test_first_screen_holds_the_three_lists(found):
    """A verdict with a number for each list; then key figures with the first products."""
    told = words.verdict(found)
    assert told["status"] == "bad"
    assert told["text"].startswith(
        "1 of 28 products is out of stock or runs out within 14 days. 1 is dead stock. "
        "Weeks with a discount on offer (25% off"
    )
    idle = found.products.assign(idle_days=0)
    assert "dead stock" not in words.verdict(found._replace(products=idle))["text"]
    short, dead, questioned, lift, *_ = words.figures(found)
    assert (short["metric"], short["value"], short["note"]) == ("products_short", 1, "Item P00")
    assert (dead["metric"], dead["note"]) == ("dead_stock", "Item P01")
    assert questioned["metric"] == "discounts_questioned"
    assert questioned["note"].startswith("Item P00")
    assert lift["metric"] == "discount_lift"


def test_dead_stock_without_a_price_is_no_zero(found):
    """The products are listed; their value is not available."""
    priceless = found._replace(products=found.products.assign(tied_up=np.nan))
    figure = words._dead_figure(priceless, lists.dead(priceless))
    assert np.isnan(figure["value"])
    assert figure["note"] == "Item P01"
    nobody = found._replace(products=found.products.assign(idle_days=0))
    assert words._dead_figure(nobody, lists.dead(nobody))["value"] == 0


def test_first_products_fit_a_phone(found):
    """One name of thirty letters, and the number of others; the SKU without a name."""
    many = found.products.assign(product_title="A name that is longer than any line of a phone")
    many.loc[many.index[0], "product_title"] = None
    assert words._firsts(many) == "P00 and 29 more"
    assert words._firsts(many[1:]) == "A name that is longer than an… and 28 more"
    assert words._firsts(many[:1]) == "P00"
    assert words._firsts(many[:0]) == ""


def test_cover_gives_every_product_a_figure_or_a_reason(found):
    """Every missing figure has a reason: P03 is not tracked, P01 has no sales."""
    table = evidence.cover(found).set_index("sku")
    assert len(table) == PRODUCTS
    assert (table["days_of_supply"].isna() == (table["why"] != "")).all()
    assert table.loc["P03", "why"].startswith("stock not tracked: units sold")
    assert table.loc["P01", "why"].startswith("no sales in the period")
    assert table.index[0] == "P00"
    assert set(evidence.known(table).index) == set(table.index) - {"P01", "P03"}


def test_intervals_of_supply_are_stock_by_the_ends_of_the_velocity(found):
    """Without a velocity, none; idle days, at most those of the period."""
    table = found.products.set_index("sku")
    known = table["days_of_supply"].notna()
    ends = {"days_of_supply_low": "velocity_high", "days_of_supply_high": "velocity_low"}
    for end, velocity in ends.items():
        wanted = (table["ending_units"] / table[velocity])[known & (table[velocity] > 0)]
        assert table[end].dropna().to_dict() == pytest.approx(wanted.to_dict())
    assert (table["velocity_low"] < table["velocity"])[known].all()
    idle = (pd.Timestamp(UNTIL) - table["last_sale_day"]).dt.days
    assert table["idle_days"].to_dict() == idle.fillna(90).to_dict()
    assert table["stored_differs"].sum() == 1
    assert table.loc["P03", ["cost_turnover", "gmroi"]].isna().all()


@pytest.mark.parametrize(
    ("rate", "supply", "differs"),
    [
        (2.024, 40, False),
        (2.026, 40, True),
        (2, 40.9, False),
        (2, 40.91, True),
        (None, None, False),
    ],
)
def test_stored_figures_may_differ_by_a_hundredth_and_their_rounding(rate, supply, differs):
    """A turnover of 2 is stored to the cent, 40 days of supply to the day."""
    row = {"turnover": 2.0, "days_of_supply": 40.0, "last_sale_day": pd.Timestamp(UNTIL)}
    row |= {"stored_turnover_rate": rate, "stored_days_of_supply": supply}
    marked = study_module._marked(pd.DataFrame([row]), UNTIL, 90)
    assert marked["stored_differs"].tolist() == [differs]


def test_order_has_no_safety_stock_where_too_few_windows_make_an_interval(lab):
    """Two products are too few for quantiles: an order of the expected demand, and a reason."""
    stock = lab.metric("turnover", until=UNTIL, days=90).head(2)
    weeks = lab.metric("demand_history", until=UNTIL, weeks=104)
    discounts = estimate(lab.metric("discount_weeks", until=UNTIL, days=364))
    found = study(stock, weeks[weeks["sku"].isin(stock["sku"])], discounts, until=UNTIL)
    first = found.products.iloc[0]
    assert first["forecast_units"] > 0
    assert np.isnan(first["service_units"])
    assert first["reorder_point"] == pytest.approx(first["forecast_units"] / 28 * 14)
    order = np.ceil(first["forecast_units"] / 28 * 42 - first["ending_units"])
    assert first["order_units"] == order  # 28 days after the delivery
    assert first["forecast_reason"] == "uncalibrated"
    assert "no safety stock (too little history" in words.assumptions(found)
    table = evidence.refused(found).set_index("figure")
    assert table.loc["Forecast and reorder quantity", "reason"].startswith(
        "fewer than 100 backtest windows"
    )


def test_forecasts_know_categories_and_the_service_level(lab, monkeypatch):
    seen = {}

    def kept(weeks, **given):
        seen.update(given, weeks=weeks)
        return forecast(weeks, **given)

    monkeypatch.setattr(study_module, "forecast", kept)
    stock = lab.metric("turnover", until=UNTIL, days=90).head(3).assign(category=["a", "b", None])
    weeks = lab.metric("demand_history", until=UNTIL, weeks=30)
    plan = Assumptions(service_level=0.9)
    found = study(stock, weeks, SimpleNamespace(shop=None), until=UNTIL, plan=plan)
    assert seen["categories"].fillna("").tolist() == ["a", "b", ""]
    assert seen["service_level"] == 0.9
    assert seen["weeks"].shape == (3, 30)
    assert (found.days, found.plan) == (90, plan)
    staged = words.to_stage(found, UNTIL)
    assert staged["sku"].tolist() == ["P00", "P01", "P02"]
    assert staged["turnover_rate"].tolist() == found.products["turnover"].tolist()
    assert set(staged["date"]) == {UNTIL}
    assert words.to_stage(found, UNTIL - timedelta(1)).empty


def test_profit_abstains_without_costs(found):
    """The cost valid on the last day is used; without one, there is a reason and no margin."""
    table = found.products.set_index("sku")
    assert table.loc["P00", "unit_cost"] == 4
    row = table.loc["P05"]
    margin = row["revenue"] - 6 * row["units_sold"]
    assert row["gmroi"] == pytest.approx(margin / (6 * row["average_units"]))
    assert row["cost_turnover"] == pytest.approx(row["turnover"])
    assert sorted(evidence.profit(found)["sku"]) == ["P00", "P05"]
    told = evidence.refused(found).set_index("reason")["products"]
    assert told[next(text for text in told.index if text.startswith("unit cost missing"))] == 28


def test_refused_counts_every_reason(found):
    """A product without tracked stock has no days of supply, with a reason."""
    table = evidence.refused(found)
    cover = table[table["figure"] == "Turnover and days of supply"]
    assert cover["products"].sum() == 2  # untracked P03, unsold P01
    assert any("stock was never above zero" in reason for reason in cover["reason"])


def test_ledger_shows_what_vanished(found):
    """One missing unit per day is shrinkage; a jump on the last day is not a sale."""
    table = evidence.ledger(found).set_index("sku")
    assert table.loc["P04", "shrunk_units"] == 90
    assert table.index[0] == "P00"
    assert set(table.index) == {"P00", "P04"}


def test_stored_figures_that_differ_are_flagged(found):
    """D1 has 77 days of supply, but the ledger gives thousands."""
    assert evidence.stored(found)["sku"].tolist() == ["P05"]
    assert words.stored(found).startswith(
        "1 product: turnover or days of supply stored in D1 differs"
    )


def test_evidence_backtest_and_classes(found):
    """The chosen method comes first, with Shopify's rule; classes add up to all products."""
    table = evidence.backtest(found)
    assert table["rival"].tolist()[:2] == ["chosen per SKU", "4-week mean"]
    assert table["chosen_for"].sum() == found.products["forecast_reason"].isna().sum()
    assert evidence.classes(found)["products"].sum() == PRODUCTS
    assert "Shopify's rule" in words.forecasts(found)


def test_words_of_a_shop_that_tells_little(tiny_lab):
    """Two weeks of stock without orders: no forecast, and each note says so."""
    found = _study(tiny_lab, date(2026, 5, 8), 8)
    assert found.effect.lift is None
    assert words.discount(found).startswith("Effect of discounts not available: ")
    assert "The effect of discounts is not available" in words.verdict(found)["text"]
    reasons = found.products["forecast_reason"].tolist()
    assert reasons == found.forecast.demand.reason.tolist()
    assert set(reasons) <= {"no_demand", "short_history"}
    assert {figure["metric"]: figure["value"] for figure in words.figures(found)}[
        "discount_lift"
    ] is None


def test_methods_without_an_error_are_compared():
    """A product that sells the same every week: no ratio of two zeros."""
    found = SimpleNamespace(forecast=forecast(np.full((1, 40), 21.0)))
    assert "had the same loss as the 4-week mean" in words.forecasts(found)


def test_days_of_supply_without_intervals_are_bars():
    """A shop with too little history for an interval still has its chart."""
    columns = ["product", "sku", "days_of_supply", "days_of_supply_low", "days_of_supply_high"]
    rows = [["Mug", "m", 3.0, np.nan, np.nan], ["Cup", "c", 9.0, np.nan, np.nan]]
    products = pd.DataFrame(rows, columns=columns).assign(reason=None)
    found: Any = SimpleNamespace(products=products, plan=Assumptions())
    assert (words.cover_chart(found).form, words.cover_chart(found).options) == ("bar", {})
    known = products.assign(days_of_supply_low=[2.0, np.nan], days_of_supply_high=[4.0, np.nan])
    found = SimpleNamespace(products=known, plan=Assumptions())
    assert words.cover_chart(found).form == "interval"
