"""Tables of the inventory report, each from rows with ties and at its limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.pooling import OF_SHOP, OWN
from d1lab.analyses.inventory import report, tables
from d1lab.analyses.inventory.study import Assumptions

PLAIN = {
    "product_title": "P", "product": "P", "days_of_supply": 20.0, "idle_days": 0, "reason": None,
    "ending_units": 5, "tied_up": 10.0, "discount_given": 0.0, "units_sold": 10,
    "units_sold_with_discount": 5, "gap_units": 0, "shrunk_units": 0, "gap_days": 0,
    "repeated_days": 0, "gmroi": np.nan, "forecast_reason": None, "profit_reason": None,
    "stored_differs": False, "abc": "A", "xyz": "X", "revenue": 1.0, "stockout_rate": 0.0,
    "lost_units_estimate": 1.0, "order_units": 2.0,
}  # fmt: skip


def shop(rows: dict[str, dict[str, Any]], days: int = 120, **fields: Any) -> Any:
    """A study of products by SKU, each with what differs from a plain one."""
    frame = pd.DataFrame([{"sku": sku, **PLAIN, **row} for sku, row in rows.items()])
    return SimpleNamespace(products=frame, days=days, plan=Assumptions(), **fields)


def test_short_is_below_the_lead_time():
    found = shop(
        {
            "c": {"days_of_supply": 13.9, "forecast_reason": "no_demand"},
            "b": {"days_of_supply": 14.0},
            "d": {"days_of_supply": 0.0},
            "a": {"days_of_supply": 13.9},
            "e": {"days_of_supply": np.nan},
        }
    )
    short = tables.short(found)
    assert short["sku"].tolist() == ["d", "a", "c"]
    assert short["why"].tolist() == ["", "", "no sale in any week with known demand"]
    cover = tables.cover(found)
    assert cover["sku"].tolist() == ["d", "a", "c", "b", "e"]
    assert tables.known(cover)["sku"].tolist() == ["d", "a", "c", "b"]


@pytest.mark.parametrize(("days", "dead"), [(120, ["b", "a", "c", "d"]), (89, ["x", *"bacd"])])
def test_dead_is_90_days_or_the_period(days, dead):
    """Highest value first, then most units; not what is out of stock, or not seen."""
    idle = {"idle_days": 90}
    found = shop(
        {
            "c": idle | {"ending_units": 9},
            "d": idle,
            "b": idle | {"tied_up": 11.0},
            "a": idle | {"ending_units": 9},
            "x": {"idle_days": 89, "tied_up": 99.0},
            "out": idle | {"ending_units": 0},
            "unseen": idle | {"reason": "low_coverage"},
            "untracked": idle | {"reason": "untracked"},
        },
        days,
    )
    assert tables.dead(found)["sku"].tolist() == dead
    figure = report._dead_figure(found, tables.dead(found))
    assert figure["value"] == pytest.approx(41 + 99 * (days == 89))
    none = shop({"a": {"reason": "low_coverage"}, "b": {"reason": "untracked"}})
    assert report._dead_figure(none, tables.dead(none))["value"] is None
    one = shop({"a": {"reason": "low_coverage"}, "b": {}})
    assert report._dead_figure(one, tables.dead(one))["value"] == 0
    alone = shop({"a": idle, "b": {}})
    assert report._dead_figure(alone, tables.dead(alone))["value"] == 10


def _discounts(price: list[list[float]], units: list[list[float]], slopes: Any) -> Any:
    history = SimpleNamespace(
        sales=SimpleNamespace(units=np.array(units)), skus=np.array([f"s{n}" for n in range(7)])
    )
    return SimpleNamespace(
        history=history, price=np.array(price), products=SimpleNamespace(skus=slopes)
    )


@pytest.fixture
def moved():
    """Seven discounted products over four weeks, of which s5 was never off and s6 never on."""
    slopes = pd.DataFrame(
        [
            ("s0", OWN, -3.0, -0.1),
            ("s1", OWN, 0.1, 3.0),
            ("s2", OWN, -1.0, 0.0),
            ("s3", OF_SHOP, -3.0, -0.1),
            ("s4", OWN, -3.0, -0.1),
            ("s5", OWN, 0.1, 3.0),
        ],
        columns=["sku", "basis", "slope_low", "slope_high"],
    )
    price = [[-0.2, -0.1, 0.0, np.nan]] * 5 + [[-0.1] * 4, [0.0, 0, 0, np.nan]]
    units = [[14.0, 7.0, 7.0, 70.0]] * 4 + [[14.0, np.nan, 7, 70], [1.0] * 4, [1.0] * 4]
    given = {"s2": 9.0, "s3": 9.0, "s4": 1.0, "s1": 2.0, "s0": 30.0, "s5": 3.0, "s6": 3.0}
    rows = {sku: {"discount_given": value} for sku, value in given.items()} | {"none": {}}
    rows["s4"] |= {"days_of_supply": 13.0, "units_sold": 0}
    rows["s3"] |= {"days_of_supply": 14.0, "units_sold_with_discount": 2}
    return shop(rows, discounts=_discounts(price, units, slopes))


def test_moved_compares_weeks_on_and_off(moved):
    """Pause, or sold less: first, by what was given away. A tie is in the order of SKUs."""
    table = tables.moved(moved).set_index("sku")
    assert list(table.index) == ["s1", "s4", "s0", "s2", "s3", "s5", "s6"]
    assert tables.questioned(table)["todo"].to_dict() == {
        "s1": "sold less: stop or test",
        "s4": "pause: running out of stock",
    }
    assert table["todo"].to_dict() == tables.questioned(table)["todo"].to_dict() | {
        "s0": "sold more: keep or test the depth",
        "s2": "no clear difference: test",
        "s3": "no clear difference: test",  # what is known is the shop's slope, not its own
        "s5": "not enough weeks to compare",
        "s6": "not enough weeks to compare",
    }
    assert table.loc["s0", ["velocity_discounted", "velocity_regular"]].tolist() == [1.5, 1.0]
    assert table.loc["s4", ["velocity_discounted", "velocity_regular"]].tolist() == [1.0, 1.0]
    assert table["discounted_weeks"].to_dict() == dict.fromkeys(table.index, 2) | {"s5": 4, "s6": 0}
    assert table["regular_weeks"].to_dict() == dict.fromkeys(table.index, 1) | {"s5": 0, "s6": 3}
    assert table["share_of_units"].drop("s4").to_dict() == dict.fromkeys(
        ["s1", "s0", "s2", "s5", "s6"], 0.5
    ) | {"s3": 0.2}
    assert np.isnan(table.loc["s4", "share_of_units"])


def test_figures_count_the_lists(moved):
    effect = SimpleNamespace(lift=None, reason="few_skus")
    moved.effect = effect
    shown = {one["metric"]: one for one in report.figures(moved)}
    values = {name: one["value"] for name, one in shown.items()}
    assert values == {
        "products_short": 1,
        "dead_stock": 0,
        "discounts_questioned": 2,
        "discount_lift": None,
        "median_cover": 20,
        "lost_units": 8,
        "order_now": 16,
    }
    moved.products = moved.products.assign(lost_units_estimate=[1.0] + [np.nan] * 7)
    moved.products["order_units"] = [2.0] + [np.nan] * 7
    values = {one["metric"]: one["value"] for one in report.figures(moved)}
    assert (values["lost_units"], values["order_now"]) == (1, 2)
    unknown = moved.products.assign(
        days_of_supply=np.nan, lost_units_estimate=np.nan, order_units=np.nan, discount_given=0.0
    )
    moved.products = unknown
    values = {one["metric"]: one["value"] for one in report.figures(moved)}
    assert (values["products_short"], values["discounts_questioned"]) == (None, None)
    assert np.isnan([values["lost_units"], values["order_now"]]).all()


def test_evidence_is_sorted_with_ties_by_sku():
    rows: dict[str, dict[str, Any]] = {
        "b": {"gap_units": 2, "shrunk_units": 1, "gmroi": 2.0, "stored_differs": True},
        "a": {"gap_units": 3, "gmroi": 2.0, "abc": "B", "xyz": None, "stockout_rate": 0.5},
        "c": {"repeated_days": 1, "gmroi": -1.0, "stored_differs": True, "stockout_rate": 0.5},
        "d": {"shrunk_units": 4, "reason": "no_sales", "profit_reason": "no_unit_cost"},
        "e": {"forecast_reason": "no_demand", "reason": "no_sales"},
        "f": {"forecast_reason": "short_history", "reason": "untracked"},
    }
    found = shop(rows)
    assert tables.ledger(found)["sku"].tolist() == ["d", "a", "b", "c"]
    assert tables.ledger(found)["units"].tolist() == [4, 3, 3, 0]
    assert tables.profit(found)["sku"].tolist() == ["c", "a", "b"]
    assert tables.stored(found)["sku"].tolist() == ["b", "c"]
    classes = tables.classes(found).set_index(["abc", "xyz"])
    assert classes["products"].to_dict() == {("A", "X"): 5, ("B", "?"): 1}
    assert classes["revenue"].tolist() == [5, 1]
    assert classes["tied_up"].tolist() == [50, 10]
    assert classes["stockout_rate"].tolist() == [0.1, 0.5]
    refused = tables.refused(found).to_numpy().tolist()
    assert [(figure, count) for figure, _, count in refused] == [
        ("Turnover and days of supply", 2),
        ("Turnover and days of supply", 1),
        ("Forecast and reorder quantity", 1),
        ("Forecast and reorder quantity", 1),
        ("Margin and GMROI", 1),
    ]


def test_the_chart_has_the_twenty_that_run_out_first():
    """With intervals if one is known."""
    rows = {f"p{n:02}": {"days_of_supply": float(n), "days_of_supply_low": np.nan,
                         "days_of_supply_high": np.nan} for n in range(25)}  # fmt: skip
    rows["none"] = rows["p00"] | {"days_of_supply": np.nan}
    chart = report.cover_chart(shop(rows))
    assert chart.frame["sku"].tolist() == [f"p{n:02}" for n in range(20)]
    assert (chart.form, chart.columns, chart.options) == ("bar", "product days_of_supply", {})
    rows["p19"] |= {"days_of_supply_low": 3.0}
    chart = report.cover_chart(shop(rows))
    assert (chart.form, chart.options) == ("interval", {"reference": 14})
    assert chart.columns.split()[1:] == [
        "days_of_supply", "days_of_supply_low", "days_of_supply_high",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "short", "status"), [(0, 0, "unknown"), (2, 0, "good"), (2, 1, "bad")]
)
def test_the_status_is_that_of_what_runs_out(known, short, status):
    supply = [np.nan] * 2 if not known else [3.0 if short else 30.0, 40.0]
    month = {"first_day": pd.Timestamp("2026-05-01"), "last_day": pd.Timestamp("2026-05-31")}
    rows = {f"p{n}": {"days_of_supply": days, **month} for n, days in enumerate(supply)}
    effect = SimpleNamespace(lift=None, reason="few_skus")
    found = shop(rows, days=31, effect=effect)
    assert report.verdict(found)["status"] == status


def test_a_lift_is_a_figure_with_its_interval_or_a_reason():
    effect: Any = SimpleNamespace(lift=0.5, low=0.1, high=0.9, skus=1, reason=None)
    figure = report.lift_figure(effect)
    assert (figure["value"], figure["low"], figure["high"]) == (0.5, 0.1, 0.9)
    assert (figure["level"], figure["note"]) == (0.95, "1 product; no proof of cause")
    effect.lift, effect.reason = None, "no_discount"
    figure = report.lift_figure(effect)
    assert figure["value"] is None
    assert figure["note"].startswith("no discount was used in 10 or more orders")


def test_a_backtest_without_methods_has_its_columns():
    found: Any = SimpleNamespace(forecast=SimpleNamespace(rivals=()))
    assert list(tables.backtest(found)) == [
        "rival", "pinball", "rmsse", "bias", "windows", "chosen_for",
    ]  # fmt: skip
