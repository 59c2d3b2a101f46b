"""The figures of all shops: ranking, outliers, stale shops, actions, and pooling."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from d1lab.errors import StaleDataError
from d1lab.fleet import report
from d1lab.fleet.marts import add_rows
from d1lab.fleet.order import Outcome
from d1lab.fleet.store import DiskStore
from d1lab.fleet.study import FleetStudy, keep_study, study
from tests.support.fleet import done, run_inline

LAST = date(2026, 5, 31)
WEEKS = 30


def days(database: str, shop: str, weekly: list[float], last: date = LAST) -> list[dict]:
    """One order a week, the last on `last`, with these revenues; oldest first."""
    return [
        {
            "database": database,
            "shop": shop,
            "day": last - timedelta(weeks=len(weekly) - 1 - week),
            "orders": 1,
            "revenue": revenue,
            "savings": 1.0,
            "currency": "EUR",
        }
        for week, revenue in enumerate(weekly)
    ]


def action(key: str, amount: float | None, day: date = LAST, currency: str = "EUR") -> dict:
    keys = {"database": "a", "shop": "x", "report": "r", "as_of": day, "action": key}
    return keys | {"sentence": key, "amount": amount, "currency": currency}


def steady(level: float) -> list[float]:
    """A series that moves a little, always in the same way."""
    return [level + (week * 7 % 5) for week in range(WEEKS)]


@pytest.fixture
def found(settings, registry, tmp_path: Path) -> FleetStudy:
    """Three shops of two databases; one database failed, one shop is far outside its range."""

    def do(order):
        return Outcome("b", "failed", "access", "expired") if order.name == "b" else done(order)

    run_inline(settings, registry, do)
    store = DiskStore(tmp_path / "marts")
    add_rows(
        store, "days", "a", days("a", "x", steady(100)) + days("a", "y", [*steady(50)[1:], 400.0])
    )
    add_rows(store, "days", "b", days("b", "z", steady(900), LAST - timedelta(days=9)))
    add_rows(
        store,
        "actions",
        "a",
        [
            action("old", 99.0, LAST - timedelta(days=1)),
            action("none", None),
            action("less", 4.0),
            action("most", 5.0),
            action("yen", 400.0, currency="JPY"),
            action("fewer yen", 300.0, currency="JPY"),
        ],
    )
    return study(keep_study(settings, store, registry.entries()))


def test_shops_are_ranked_by_28_days(found):
    """With the change to the 28 days before."""
    rows = found.ranking.to_dict("records")
    assert [(row["database"], row["shop"]) for row in rows] == [("b", "z"), ("a", "y"), ("a", "x")]
    assert rows[0]["revenue"] == sum(steady(900)[-4:])
    assert rows[0]["change"] == pytest.approx(sum(steady(900)[-4:]) / sum(steady(900)[-8:-4]) - 1)
    assert [row["orders"] for row in rows] == [4, 4, 4]


def test_outliers_are_judged_by_the_shops_own_weeks(found):
    """Not by other shops: the largest shop is usual, a small one is not."""
    assert [(week.shop, week.usual.position) for week in found.outliers] == [("y", "high")]
    assert found.judged == 3


def test_actions_are_the_latest_by_money(found):
    """One of an earlier day is gone; one without an amount comes last.

    Amounts of two currencies are not compared: the largest of each come first.
    """
    assert found.actions["sentence"].tolist() == ["most", "yen", "less", "fewer yen", "none"]


def test_tables_figures_and_verdict(found):
    """Failures and stale shops are named; chance is, too."""
    today = LAST + timedelta(days=2)
    tables = report.tables(found, today)
    [failure] = tables["failures"].rows
    assert failure[:3] == ("b", "access", "expired")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", failure[4])
    [stale] = tables["stale"].rows
    assert (stale[1], repr(stale[-1])) == ("z", "11")
    assert [row[1] for row in tables["pooling"].rows] == ["Each shop its own"] * 2
    values = {each.metric: each.value for each in report.figures(found, today).figures}
    assert values == {"databases": 6, "failed": 1, "stale": 1, "shops": 3, "rows_read": 50}
    verdict = report.verdict(found)
    assert verdict.text == "6 databases with 3 shops: 1 failed last time."
    assert "unusually high in 1 shop, of 3" in verdict.detail
    assert "about 0 would be" in verdict.detail


def test_figures_are_pooled_only_where_the_holdout_says_so(settings, registry, tmp_path):
    """Shops that are alike, estimated 28 days apart with large errors: drawing predicts better."""
    store = DiskStore(tmp_path / "marts")
    for number in range(40):
        name = f"d{number}"
        noise = ((number * 37) % 11 - 5) / 10
        rows = [
            {
                **{"database": name, "shop": "s", "report": "discounts", "dimension": ""},
                **{"metric": "observed_lift", "as_of": day, "value": value},
                **{"low": value - 0.6, "high": value + 0.6},
            }
            for day, value in ((LAST - timedelta(days=28), 0.2 + noise), (LAST, 0.2 - noise / 3))
        ]
        add_rows(store, "figures", name, rows)
    found = study(keep_study(settings, store, registry.entries()))
    judged = found.pooling["observed_lift"]
    assert (judged.is_better, judged.shops) == (True, 40), judged
    assert not found.pooling["lift_of_conversions"].is_better
    assert report.tables(found)["pooling"].rows[0][1] == "Drawn toward all shops"


def test_a_fleet_that_never_ran_has_a_report(settings, registry, tmp_path):
    """No marts yet: every table is empty, and nothing fails."""
    found = study(keep_study(settings, DiskStore(tmp_path / "marts"), registry.entries()))
    assert len(found.ranking) == 0
    assert all(
        not table.rows or name in ("cost", "pooling")
        for name, table in report.tables(found).items()
    )
    assert report.verdict(found).text == "6 databases with 0 shops: 0 failed last time."
    report.figures(found)
    report.notes(found)


def test_no_report_yet_says_which_command(tmp_path):
    """Where the notebook is opened first."""
    with pytest.raises(StaleDataError, match="d1lab fleet report"):
        study(tmp_path)
