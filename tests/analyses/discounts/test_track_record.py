"""Recommendations of a shop, staged, and scored 28 days later with actual sales."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discounts import track_record as record
from d1lab.config import Settings
from d1lab.lab import Lab
from d1lab.outbox import read_outbox, stage
from d1lab.packed_files import read_packed
from d1lab.runs.report import load_report
from d1lab.runs.run import open_lab, prepare, run
from tests.support.drawn_shop import UNTIL, draw, earned, given, odd, opened, rows_of, same

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
MADE = """
INSERT INTO raw.discount_recommendations BY NAME
SELECT 1 AS _rowid, 'harbor' AS shop, 'plain' AS sku, DATE '2026-04-10' AS made_on,
    'discount' AS decision, 'gain' AS reason, 28 AS horizon_days, .1 AS depth, -2.0 AS slope,
    10 AS unit_price, 4 AS unit_cost, 60.0 AS regular_units
UNION ALL BY NAME
SELECT 2 AS _rowid, 'harbor' AS shop, 'dead' AS sku, DATE '2026-04-20' AS made_on,
    'hold' AS decision, 'no_gain' AS reason, 28 AS horizon_days
"""


@pytest.fixture
def settings(tiny_warehouse, tmp_path):
    """The tiny shop with one recommendation after its horizon, and one within it."""
    (tmp_path / "data" / "demo").mkdir(parents=True)
    path = tmp_path / "data" / "demo" / "warehouse.duckdb"
    shutil.copyfile(tiny_warehouse, path)
    with duckdb.connect(str(path)) as con:
        con.execute(MADE)
    return Settings(root=tmp_path, notebooks_dir=NOTEBOOKS)


def test_outcomes_are_of_the_days_after(settings, tmp_path):
    """Only recommendations after their horizon are scored, by the lines of its 28 days."""
    with duckdb.connect(str(tmp_path / "data" / "demo" / "warehouse.duckdb")) as con:
        lab = Lab(con, database="demo", folder=tmp_path, shop="harbor")
        [(units, revenue, savings)] = lab.sql(
            "SELECT sum(units), sum(revenue)::DOUBLE, sum(discount_amount)::DOUBLE "
            "FROM order_lines WHERE shop = 'harbor' AND sku = 'plain' AND type = 'order' "
            "AND day BETWEEN '2026-04-11' AND '2026-05-08'"
        ).fetchall()
        outcomes = lab.metric("recommendation_outcomes", until="2026-05-08")
    scored = record.score(outcomes)
    assert scored.sku.tolist() == ["plain"]
    row = scored.iloc[0]
    depth = savings / (savings + revenue)
    assert row.observed_units == units
    assert row.observed_depth == pytest.approx(depth)
    assert row.observed_profit == pytest.approx(revenue - 4 * units)
    assert row.forecast_units == pytest.approx(60 * (1 - depth) ** -2)
    assert record.gained(scored).iloc[0] == pytest.approx(revenue - 4 * units - 360)
    assert row.scored_on == date(2026, 5, 8)


def test_followed_needs_the_depth_within_five_points():
    """A hold is followed without a discount, a discount near its depth; a test never is."""
    scored = pd.DataFrame(
        {
            "decision": ["discount", "discount", "hold", "hold", "test"],
            "depth": [0.2, 0.2, None, None, 0.2],
            "observed_depth": [0.22, 0.1, 0.0, 0.2, 0.2],
        }
    )
    assert record.followed(scored).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("decision", "depth", "seen", "is_followed"),
    [
        ("discount", 0.25, 0.2, True), ("discount", 0.25, 0.3, True),
        ("discount", 0.25, 0.19, False), ("discount", 0.25, 0.31, False),
        ("discount", 0.04, None, True), ("hold", 0.3, 0.05, True), ("hold", None, 0.06, False),
        ("test", None, 0.0, False), (None, None, 0.0, False),
    ],
)  # fmt: skip
def test_followed_at_its_edges(decision, depth, seen, is_followed):
    """Five points on both sides; what was not sold was not discounted."""
    row = {"decision": decision, "depth": depth, "observed_depth": seen}
    assert record.followed(pd.DataFrame([row])).tolist() == [is_followed]


def _scored(*rows: tuple[object, ...]) -> pd.DataFrame:
    names = ["decision", "depth", "observed_depth", "observed_profit", "unit_cost"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(
        sku="a", unit_price=10.0, regular_units=4.0, observed_units=6, forecast_units=[
            8.0 if decision == "discount" else None for decision in frame["decision"]
        ],
    )  # fmt: skip


def test_the_record_adds_up_by_decision():
    """Units only where a forecast is known; profit only where a cost is; no decision, no row."""
    scored = _scored(
        ("discount", 0.2, 0.2, 30.0, 4.0), ("discount", 0.2, 0.2, 20.0, 4.0),
        ("discount", 0.2, 0.5, 99.0, None), ("hold", None, 0.0, None, None),
        (None, None, 0.0, 5.0, 4.0),
    )  # fmt: skip
    assert record.gained(scored).tolist() == pytest.approx(
        [6, -4, np.nan, np.nan, -19], nan_ok=True
    )
    table = record.track(scored).set_index("decision")
    names = ["recommendations", "followed", "units_forecast", "units_observed", "gained"]
    assert table.loc["discount", names].tolist() == [3, 2, 24, 18, 2]
    assert table.loc["discount", "forecast_error"] == pytest.approx(-0.25)
    assert table.loc["hold", ["recommendations", "followed"]].tolist() == [1, 1]
    assert table.loc["hold", ["gained", "forecast_error"]].isna().all()
    assert record.in_words(scored, 28) == (
        "4 past recommendations scored. 1 of 2 followed discounts increased profit vs. the "
        "forecast at regular price."
    )
    assert record.in_words(scored[2:], 28) == (
        "2 past recommendations scored. No followed discount has a known unit cost."
    )
    even = scored[:1].assign(observed_profit=24.0)
    assert "0 of 1 followed discounts" in record.in_words(even, 28)
    assert record.in_words(scored[4:], 28).startswith("No track record yet. Recommendations are "
        "scored 28 days")  # fmt: skip


@pytest.mark.parametrize(("depth", "units"), [(0.5, 4 * 4.0), (None, 4.0), (1.0, 4 * 100**2)])
def test_a_forecast_is_that_at_the_depth_that_was_seen(depth, units):
    """At most 99%; without a discounted sale, at the regular price."""
    rows = _outcomes(("a", "2026-04-10", None)).assign(
        observed_depth=depth, regular_units=4.0, slope=-2.0
    )
    assert record.score(rows)["forecast_units"].tolist() == pytest.approx([units])
    assert record.score(rows)["is_written"].tolist() == [False]


def test_outcomes_of_a_drawn_shop():
    """Orders of the days after, up to the horizon; one that ends tomorrow is not there."""
    lines = draw(7, 400) + odd(8, 30)
    skus = [*(f"sku{n}" for n in range(9)), *(f"odd{n:02}" for n in range(30)), "unsold"]
    made = [
        {"shop": "s", "sku": sku, "made_on": UNTIL - timedelta(ago), "horizon_days": days,
         "unit_cost": 3.0 if number % 4 else None}
        for number, sku in enumerate(skus)
        for ago, days in ((28, 28), (30, 28), (7, 7), (27, 28), (60, 14))
    ]  # fmt: skip
    made.append(made[0] | {"shop": "other"})
    wanted = []
    for one in made:
        end = one["made_on"] + timedelta(one["horizon_days"])
        if one["shop"] == "other" or end > UNTIL:
            continue
        sold = [
            line
            for line in lines
            if line.sku == one["sku"] and line.type == "order" and one["made_on"] < line.day <= end
        ]
        units, paid = sum(line.units for line in sold), float(earned(sold))
        savings = float(given(sold))
        cost = one["unit_cost"]
        wanted.append(
            {
                "made_on": one["made_on"],
                "sku": one["sku"],
                "observed_units": units,
                "observed_depth": savings / (savings + paid) if savings + paid else None,
                "observed_profit": None if cost is None else paid - units * cost,
            }
        )
    wanted.sort(key=lambda row: (row["made_on"], row["sku"]))
    with opened(lines) as con:
        frame = pd.DataFrame(made)
        con.register("made", frame)
        con.execute(
            "CREATE TABLE discount_recommendations AS SELECT * REPLACE (made_on::DATE AS made_on),"
            " 0 AS observed_depth, 0 AS observed_units, 0 AS observed_profit FROM made"
        )
        same(rows_of(con, "recommendation_outcomes"), wanted)


def test_report_opens_with_its_record_and_stages_the_score(settings):
    """The track record is in the verdict; the scored row is staged with its old values."""
    with open_lab(settings) as lab:
        task = prepare(lab, load_report(settings, "recommendations"), values={})
    done, run_dir = run(settings, task)
    assert done.status == "done", done.error
    text = read_packed(run_dir / "notebook.ipynb").decode()
    assert "1 past recommendations scored" in text
    rows = {row["sku"]: row for row in read_outbox(run_dir)["discount_recommendations"].to_pylist()}
    assert rows["plain"]["made_on"] == date(2026, 4, 10)
    assert rows["plain"]["decision"] == "discount"
    assert rows["plain"]["scored_on"] == date(2026, 5, 8)
    assert rows["plain"]["observed_units"] > 0


OUTCOMES = {
    "shop": "harbor",
    "decision": "hold",
    "horizon_days": 28,
    "observed_depth": 0.0,
    "observed_units": 5,
    "observed_profit": 1.0,
    "regular_units": 5.0,
    "slope": -1.0,
}
COLUMNS = "shop sku made_on decision scored_on observed_units"


def _outcomes(*rows):
    """Outcomes as DuckDB gives them, with timestamps for days: SKU, made on, scored on."""
    columns = ["sku", "made_on", "scored_on"]
    frame = pd.DataFrame(rows, columns=columns).assign(**OUTCOMES)
    return frame.astype({"made_on": "datetime64[us]", "scored_on": "datetime64[us]"})


def test_new_and_scored_recommendations_are_staged_together(tmp_path):
    """From day 29 on, both are staged: days of one are timestamps, of the other dates."""
    scored = record.score(_outcomes(("sock", "2026-04-10", None)))
    today = date(2026, 5, 8)
    advised = pd.DataFrame({"sku": ["hat"], "made_on": [today]}).assign(
        shop="harbor", decision="test", scored_on=None, observed_units=None
    )
    frame = record.to_stage(scored, advised, COLUMNS, today)
    stage(frame, "discount_recommendations", tmp_path)
    rows = read_outbox(tmp_path)["discount_recommendations"].to_pylist()
    assert {row["sku"]: (row["made_on"], row["scored_on"]) for row in rows} == {
        "sock": (date(2026, 4, 10), date(2026, 5, 8)),
        "hat": (today, None),
    }


def test_score_is_dated_by_its_horizon_however_late_the_report_runs():
    """The earlier day of scoring in D1 does not matter."""
    scored = record.score(
        _outcomes(("sock", "2026-04-10", None), ("hat", "2026-04-10", "2026-07-01"))
    )
    assert scored["scored_on"].tolist() == [date(2026, 5, 8)] * 2


def test_settled_scores_are_not_staged_again():
    """Scores of the last week are, because late orders change them, and those missing in D1."""
    scored = record.score(
        _outcomes(
            ("settled", "2026-03-01", "2026-03-29"),
            ("missed", "2026-03-01", None),
            ("late", "2026-04-04", "2026-05-02"),
            ("week", "2026-04-03", "2026-05-01"),
        )
    )
    staged = record.to_stage(scored, scored[:0], COLUMNS, date(2026, 5, 8))
    assert staged["sku"].tolist() == ["missed", "late"]


def test_nothing_is_staged_of_a_shop_without_recommendations():
    """An empty record is a frame with the columns, not an error."""
    none = record.score(_outcomes())
    assert list(record.to_stage(none, none, COLUMNS, date(2026, 5, 8))) == COLUMNS.split()
