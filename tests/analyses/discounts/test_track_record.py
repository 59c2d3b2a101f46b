"""Recommendations of a shop, staged, and scored 28 days later with actual sales."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from d1lab.analyses.discounts import track_record as record
from d1lab.config import Settings
from d1lab.lab import Lab
from d1lab.outbox import read_outbox, stage
from d1lab.packed_files import read_packed
from d1lab.runs.report import load_report
from d1lab.runs.run import open_lab, prepare, run

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
        )
    )
    staged = record.to_stage(scored, scored[:0], COLUMNS, date(2026, 5, 8))
    assert staged["sku"].tolist() == ["missed", "late"]


def test_nothing_is_staged_of_a_shop_without_recommendations():
    """An empty record is a frame with the columns, not an error."""
    none = record.score(_outcomes())
    assert list(record.to_stage(none, none, COLUMNS, date(2026, 5, 8))) == COLUMNS.split()
