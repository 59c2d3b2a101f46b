"""Products: sums by hand, margins only if every cost is known, and the report."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.exposure import WeeklySales
from d1lab.analyses.discount_effect.pooling import OF_SHOP, OWN
from d1lab.analyses.discounts import products
from d1lab.config import Settings
from d1lab.lab import Lab
from d1lab.runs.record import load_results
from d1lab.runs.report import load_report
from d1lab.runs.run import open_lab, prepare, run

UNTIL = "2026-05-08"
NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


@pytest.fixture
def costed(tiny_warehouse, tmp_path):
    """The tiny shop with costs: 'plain' at 4, then at 6 from 1 May; 'dead' only from 1 May."""
    path = tmp_path / "warehouse.duckdb"
    shutil.copyfile(tiny_warehouse, path)
    with duckdb.connect(str(path)) as con:
        con.execute(
            "INSERT INTO raw.product_costs (_rowid, shop, sku, unit_cost, valid_from) VALUES "
            "(1, 'harbor', 'plain', 4, '2026-01-01'), (2, 'harbor', 'plain', 6, '2026-05-01'), "
            "(3, 'harbor', 'dead', 5, '2026-05-01')"
        )
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor")


def _history() -> Any:
    """Two products over three weeks; b was out of stock in the second, a never discounted."""
    sales = WeeklySales(
        units=np.array([[1.0, 2, 3], [4, np.nan, 6]]),
        listed=np.array([[10.0, 20, 30], [40, 0, 60]]),
        given=np.array([[0.0, 0, 0], [10, 0, 30]]),
    )
    history = SimpleNamespace(sales=sales, skus=np.array(["a", "b"]))
    return SimpleNamespace(history=history)


def test_weekly_sales_have_gaps_where_nothing_could_be_sold():
    """The last weeks, in the order of the rows; a product without a history has none."""
    sold = pd.DataFrame({"sku": ["b", "a", "c"]})
    shown = products.with_weeks(sold, _history(), 2)
    assert shown["weekly_units"].tolist() == [[None, 6], [2, 3], None]
    assert shown["weekly_discount"].tolist() == [[0, 50], None, None]


def test_products_add_up_line_by_line(tiny_lab):
    """Units, revenue, and discounts given, with and without a discount, counted in Python."""
    lines = tiny_lab.sql(
        "SELECT units, discount_id, revenue, discount_amount FROM order_lines "
        "WHERE shop = 'harbor' AND sku = 'worked' AND day BETWEEN '2026-04-09' AND '2026-05-08'"
    ).fetchall()
    row = tiny_lab.metric("products", until=UNTIL, days=30).set_index("sku").loc["worked"]
    assert row.units_with == sum(units for units, discount, *_ in lines if discount)
    assert row.units_without == sum(units for units, discount, *_ in lines if not discount)
    assert row.revenue == sum(line[2] for line in lines)
    assert row.savings == sum(line[3] for line in lines)


def test_margin_takes_the_cost_of_the_day(costed):
    """A cost is valid from its day on; a line without a cost makes the margin NULL."""
    sold = costed.metric("products", until=UNTIL, days=30).set_index("sku")
    lines = costed.sql(
        "SELECT day, units, revenue FROM order_lines "
        "WHERE shop = 'harbor' AND sku = 'plain' AND day BETWEEN '2026-04-09' AND '2026-05-08'"
    ).fetchall()
    may = date(2026, 5, 1)
    margin = sum((r - n * (6 if day >= may else 4) for day, n, r in lines), Decimal())
    assert sold.loc["plain", "margin"] == float(margin)
    assert pd.isna(sold.loc["dead", "margin"])  # its first lines have no cost
    assert pd.isna(sold.loc["evil", "margin"])
    assert products.columns(sold.reset_index()).endswith("margin_without")
    assert "Margins" not in products.missing(sold)


def test_products_abstain_from_margins_without_costs(tiny_lab):
    """No empty columns, and a note on how to load costs."""
    sold = tiny_lab.metric("products", until=UNTIL, days=30)
    assert products.columns(sold) == products.COLUMNS
    assert "d1lab ingest costs" in products.missing(sold)


def test_categories_add_up_the_products(costed):
    """In all and by category; a margin only if that of every product is known."""
    costed._con.execute(
        "INSERT INTO raw.d1lab_products (_rowid, shop, sku, category) VALUES "
        "(1, 'harbor', 'plain', 'Basics'), (2, 'harbor', 'evil', 'Odd'), (3, 'kiosk', 'dead', 'X')"
    )
    sold = costed.metric("products", until=UNTIL, days=30)
    found = products.by_category(sold).set_index("category")
    assert set(found.index) == {"Basics", "Odd", "No category"}
    by_sku = sold.set_index("sku")
    assert found.loc["Basics", "margin"] == by_sku.loc["plain", "margin"]
    assert pd.isna(found.loc["No category", "margin"])
    for name in ("units", "units_with", "revenue", "savings"):
        assert found[name].sum() == pytest.approx(float(sold[name].sum()))
    assert found.loc["No category", "product_count"] == len(sold) - 2
    assert found["share_of_revenue"].sum() == pytest.approx(1)
    assert found["revenue"].is_monotonic_decreasing


def test_categories_need_one_that_is_known(tiny_lab):
    """Without `d1lab ingest products` there is no table."""
    assert products.by_category(tiny_lab.metric("products", until=UNTIL, days=30)).empty


def test_weeks_are_whole_units_and_percent_of_what_was_listed():
    """All weeks, in the order of the rows; a product without any discount has no trend of it."""
    found = _history()
    found.history.sales.given[0, 0] = 2.6
    shown = products.with_weeks(pd.DataFrame({"sku": ["c", "a", "b"]}), found, 3)
    assert shown["weekly_units"].tolist() == [None, [1, 2, 3], [4, None, 6]]
    assert shown["weekly_discount"].tolist() == [None, [26, 0, 0], [25, 0, 50]]


def _category(sku: str, category: Any, **row: Any) -> dict[str, Any]:
    plain = {"units": 10, "units_with": 4, "revenue": 90.0, "revenue_with": 30.0, "savings": 10.0}
    return {"sku": sku, "category": category, "margin": 9.0, **plain, **row}


def test_a_category_has_shares_and_depths_of_its_own():
    """Of sums, not means of products; nothing listed has no depth, nothing earned no rate."""
    nothing = {"revenue": 0.0, "revenue_with": 0.0, "savings": 0.0}
    sold = pd.DataFrame(
        [
            _category("a", "tea"), _category("b", "tea", units_with=0, savings=0, revenue_with=0),
            _category("c", "ale", margin=None), _category("d", "ale"),
            _category("e", "zen", **nothing),
            _category("f", None),
        ]
    )  # fmt: skip
    table = products.by_category(sold)
    assert table["category"].tolist() == ["ale", "tea", "No category", "zen"]
    assert table["product_count"].tolist() == [2, 2, 1, 1]
    assert table["share_of_units"].tolist() == [0.4, 0.2, 0.4, 0.4]
    assert table["share_of_revenue"].tolist() == pytest.approx([0.4, 0.4, 0.2, 0])
    assert table["depth"].tolist() == pytest.approx([0.25, 0.25, 0.25, np.nan], nan_ok=True)
    assert table["margin"].tolist() == pytest.approx([np.nan, 18, 9, 9], nan_ok=True)
    rates = [np.nan, 0.1, 0.1, np.nan]
    assert table["margin_rate"].tolist() == pytest.approx(rates, nan_ok=True)


def _sold(*rows: tuple[float, float, float], revenue: float = 1.0) -> pd.DataFrame:
    """Products by units, share of them with a discount, and savings."""
    frame = pd.DataFrame(rows, columns=["units", "share_of_units", "savings"])
    frame["sku"] = [f"s{n}" for n in range(len(rows))]
    frame["units_with"] = frame["units"] * frame["share_of_units"]
    return frame.assign(revenue=revenue, revenue_with=revenue / 4)


def test_mostly_is_80_percent_of_ten_units_or_more():
    """At both limits; equal savings in the order of SKUs."""
    rows = [(10, 0.2, 1), (10, 0.21, 1), (9, 0.0, 1), (10, 0.8, 1), (10, 0.79, 9), (10, 0.9, 1)]
    sold = _sold(*rows, (9, 1.0, 9), (12, 1.0, 2))
    assert products.alone(sold)["sku"].tolist() == ["s0"]
    assert products.dependent(sold)["sku"].tolist() == ["s7", "s3", "s5"]
    assert products.dependent(sold[::-1])["sku"].tolist() == ["s7", "s3", "s5"]
    assert products.among(sold) == "of 6 that sold at least 10 units"
    assert products.verdict(sold, "in 90 days") == (
        "25% of revenue was discounted in 90 days. 1 of 6 products that sold at least 10 units "
        "sold mostly at full price."
    )
    assert products.verdict(sold[2:3], "in 90 days").endswith("No product sold at least 10 units.")


@pytest.mark.parametrize(
    ("revenue", "units_with", "told"),
    [
        (0.0, [5, 5], "50% of units were discounted"),
        (-1.0, [5, 5], "50% of units were discounted"),
        (0.0, [0, 0], "0% of units were discounted"),
        (0.0, [10, 10], "100% of units were discounted"),
        (0.0, [11, 10], "Refunds exceed sales with or without a discount"),
        (0.0, [-1, 0], "Refunds exceed sales with or without a discount"),
    ],
)
def test_without_revenue_units_tell_what_was_discounted(revenue, units_with, told):
    sold = _sold((10, 0, 0), (10, 0, 0), revenue=revenue).assign(units_with=units_with)
    assert products.verdict(sold, "in 9 days").startswith(f"{told} in 9 days. ")
    nothing = sold.assign(units=0, units_with=0)
    assert products.verdict(nothing, "now").startswith("Refunds exceed sales")


def test_elasticity_is_told_with_its_interval_or_its_reason():
    shop: Any = SimpleNamespace(
        slope=-2.0, slope_low=-3.0, slope_high=-1.0, reason=None, depth=0.2, skus=12, weeks=90
    )
    figure = products.figure(shop)
    assert (figure["value"], figure["low"], figure["high"]) == (-2.0, -3.0, -1.0)
    assert figure["note"].startswith("A 10% discount goes with 23% more units; no proof")
    shop.slope = 0.0
    assert "goes with 0% more units" in products.figure(shop)["note"]
    shop.slope = 1.0
    assert "goes with 10% fewer units" in products.figure(shop)["note"]
    assert products.detail(shop) == (
        "A 1% lower price goes with -1.0% more units (no proof of cause)."
    )
    shop.slope, shop.reason = None, "few_skus"
    assert products.figure(shop)["value"] is None
    assert products.detail(shop).endswith("is not available: fewer than 10 products were for sale "
        "both with and without the discount.")  # fmt: skip


def test_named_are_products_with_weeks_of_their_own():
    slopes = pd.DataFrame({"sku": ["a", "b", "c"], "basis": [OWN, OF_SHOP, OWN], "slope": -1.0})
    found: Any = SimpleNamespace(products=SimpleNamespace(skus=slopes))
    sold = pd.DataFrame({"sku": ["b", "c", "d"], "units": [1, 2, 3]})
    shown = products.named(found, sold)
    assert shown[["sku", "units", "slope"]].to_numpy().tolist() == [["c", 2, -1.0]]


def test_columns_and_notes_follow_what_is_known():
    sold = _sold((10, 0.5, 1)).assign(margin=None, view_to_purchase_rate=0.5)
    assert products.columns(sold) == f"{products.COLUMNS} view_to_purchase_rate"
    assert products.missing(sold) == products.ABSTAINED["margin"]
    assert products.missing(sold.assign(margin=1.0)) == ""


def test_alone_and_dependent_need_ten_units():
    """A product with one sale is not in a list."""
    sold = pd.DataFrame(
        {
            "sku": list("abcd"),
            "units": [100, 100, 1, 1],
            "share_of_units": [0.1, 0.9, 0.0, 1.0],
            "savings": [1, 2, 3, 4],
        }
    )
    assert products.alone(sold).sku.tolist() == ["a"]
    assert products.dependent(sold).sku.tolist() == ["b"]


def test_lifted_is_the_constant_elasticity_curve():
    """At an elasticity of -2, 20% off sells 1 / 0.8^2 - 1 = 56.25% more."""
    assert np.isclose(products.lifted(-2.0, 0.2), 0.5625)


def test_report_runs_and_abstains_from_elasticity(tiny_warehouse, tmp_path):
    """Without a discount that was ever off, no elasticity; the page says so and shows the rest."""
    (tmp_path / "data" / "demo").mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, tmp_path / "data" / "demo" / "warehouse.duckdb")
    settings = Settings(root=tmp_path, notebooks_dir=NOTEBOOKS)
    with open_lab(settings) as lab:
        task = prepare(lab, load_report(settings, "products"), values={})
    record, run_dir = run(settings, task)
    assert record.status == "done", record.error
    figures = {figure.metric: figure for figure in load_results(run_dir)}
    assert figures["elasticity"].value is None
    assert figures["elasticity"].note == "never off: no comparison."
    assert figures["products_alone"].value == 0
