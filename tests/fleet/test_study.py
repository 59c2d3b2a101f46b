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
from d1lab.fleet.study import FleetStudy, stale_since, study
from d1lab.fleet.study_files import keep_study, simulated_views
from tests.support.fleet import done, run_inline, synced

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


def action(key: str, amount: float | None, day: date = LAST, **fields: object) -> dict:
    keys = {"database": "a", "shop": "x", "report": "r", "as_of": day, "action": key}
    return keys | {"sentence": key, "amount": amount, "currency": "EUR"} | fields


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
            action("less", 4.0, meaning="at risk", of="sales", at_most=True, basis="estimate"),
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
    assert "database" in [column.name for column in report.tables(found)["ranking"].columns]
    assert rows[0]["change"] == pytest.approx(sum(steady(900)[-4:]) / sum(steady(900)[-8:-4]) - 1)
    assert [row["orders"] for row in rows] == [4, 4, 4]


def test_outliers_are_judged_by_the_shops_own_weeks(found):
    """Not by other shops: the largest shop is usual, a small one is not."""
    assert [(week.shop, week.usual.position) for week in found.outliers] == [("y", "high")]
    assert found.judged == 3


def test_currencies_are_ranked_one_after_the_other(settings, registry, tmp_path):
    """And outliers by how far they are outside their own range, not by money."""
    store = DiskStore(tmp_path / "marts")
    add_rows(store, "days", "a", days("a", "few", [*steady(50)[1:], 60.0]))
    yen = [row | {"currency": "JPY"} for row in days("b", "yen", [*steady(5_000)[1:], 5_300.0])]
    add_rows(store, "days", "b", yen)
    add_rows(store, "days", "c", days("c", "more", [*steady(90)[1:], 104.0]))
    found = study(keep_study(settings, store, registry.entries()))
    assert found.ranking["shop"].tolist() == ["more", "few", "yen"]
    assert [week.shop for week in found.outliers] == ["yen", "more", "few"]


def test_a_shop_is_stale_after_more_than_three_days():
    """A long weekend is not stale."""
    assert stale_since(LAST, LAST + timedelta(days=3)) is None
    assert stale_since(LAST, LAST + timedelta(days=4)) == 4


def test_actions_are_the_latest_by_money(found):
    """One of an earlier day is gone; one without an amount comes last.

    Amounts of two currencies are not compared: the largest of each come first.
    """
    assert found.actions["sentence"].tolist() == ["most", "yen", "less", "fewer yen", "none"]
    table = report.tables(found)["actions"]
    assert [row[:6] for row in table.rows][1:3] == [
        ("yen", "x", 400.0, "JPY", "more a month", "Counted"),
        ("less", "x", 4.0, "EUR", "of sales at risk a month", "Estimate, at most"),
    ]


def test_an_action_that_is_not_advised_any_more_is_gone(settings, registry, tmp_path):
    """The last run of its report advises nothing, but has key figures."""
    store = DiskStore(tmp_path / "marts")
    add_rows(store, "actions", "a", [action("old", 9.0, LAST - timedelta(days=1))])
    figure = {"database": "a", "shop": "x", "report": "r", "metric": "m", "dimension": ""}
    add_rows(store, "figures", "a", [figure | {"as_of": LAST, "value": 1.0}])
    assert len(study(keep_study(settings, store, registry.entries())).actions) == 0


def test_names_lead_to_pages_that_exist(settings, registry, tmp_path):
    """An action to its place on the shop's page, a shop to its overview or index.

    Without pages on this machine, and for a page that was deleted, there is no link.
    """
    store = DiskStore(tmp_path / "marts")
    add_rows(store, "days", "a", days("a", "x", steady(9)))
    add_rows(store, "days", "b", days("b", "b", steady(8)))
    add_rows(store, "actions", "a", [action("act", 9.0), action("away", 8.0, report="gone")])
    pages = settings.reports_dir / "fleet.d"
    for place in ("a/a/x/r/2026-05-31.html", "a/a/x/overview/latest.html", "b/index.html"):
        (pages / place).parent.mkdir(parents=True, exist_ok=True)
        (pages / place).touch()
    found = study(keep_study(settings, store, registry.entries()))
    tables = report.tables(found, LAST + timedelta(days=9))
    start = "../../../fleet.d"
    assert tables["actions"].links == (f"{start}/a/a/x/r/2026-05-31.html#action-act", "")
    shops = (f"{start}/a/a/x/overview/latest.html", f"{start}/b/index.html")
    assert tables["ranking"].links == tables["stale"].links == shops
    found = study(keep_study(settings, store, registry.entries(), has_pages=False))
    assert set(report.tables(found)["ranking"].links) == {""}


def test_a_database_that_is_gone_is_left_out(settings, registry, found, tmp_path):
    """Its rows stay in the marts, until it is pruned."""
    (settings.root / "shops" / "b.sqlite").unlink()
    synced(settings, registry)
    folder = keep_study(settings, DiskStore(tmp_path / "marts"), registry.entries())
    left = study(folder)
    assert set(left.ranking["database"]) == {"a"}
    assert report.verdict(left).text == "5 actions for 2 shops; 5 databases without a failure."


def test_simulated_data_is_named(settings, registry, tmp_path):
    """At the action, and for the top of the page."""
    store = DiskStore(tmp_path / "marts")
    rows = [action("real", 9.0, simulated=""), action("not", 8.0, simulated="inventory_days")]
    add_rows(store, "actions", "a", rows)
    folder = keep_study(settings, store, registry.entries())
    assert simulated_views(folder) == ("inventory_days",)
    [column] = [
        [row[place] for row in table.rows]
        for table in [report.tables(study(folder))["actions"]]
        for place, each in enumerate(table.columns)
        if each.name == "simulated"
    ]
    assert column == ["", "stock levels"]


def test_tables_figures_and_verdict(found):
    """Failures and stale shops are named; chance is, too."""
    today = LAST + timedelta(days=2)
    tables = report.tables(found, today)
    [failure] = tables["failures"].rows
    assert failure[:3] == ("b", "access", "expired")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", failure[4])
    assert failure[-1] == "next run"
    [stale] = tables["stale"].rows
    assert (stale[0], repr(stale[1])) == ("z", "11")
    assert [row[:3] for row in tables["outliers"].rows] == [("y", "Unusually high", 400.0)]
    prices = {row[0]: row[2] for row in tables["cost"].rows}
    assert prices == dict.fromkeys("acdef", pytest.approx(1e-8)) | {"b": 0.0}
    assert [row[1] for row in tables["pooling"].rows] == ["Each shop its own"] * 2
    values = {each.metric: each.value for each in report.figures(found, today).figures}
    assert values == {"databases": 6, "failed": 1, "stale": 1, "shops": 3, "rows_read": 50}
    verdict = report.verdict(found)
    assert verdict.text == "5 actions for 3 shops; 1 of 6 databases failed."
    assert "unusually high in 1 shop, of 3" in verdict.detail
    assert "about 0.2 would be" in verdict.detail


def test_figures_are_pooled_only_where_the_holdout_says_so(settings, registry, tmp_path):
    """Shops that are alike, estimated 28 days apart with large errors: drawing predicts better."""
    store = DiskStore(tmp_path / "marts")
    for number in range(40):
        name = f"d{number}"
        (settings.root / "shops" / f"{name}.sqlite").touch()
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
    synced(settings, registry)
    found = study(keep_study(settings, store, registry.entries()))
    judged = found.pooling["observed_lift"]
    assert (judged.verdict.is_better, judged.verdict.shops) == (True, 40), judged
    tests = found.pooling["lift_of_conversions"]
    assert (tests.verdict.is_better, tests.mean, len(tests.estimates)) == (False, None, 0)
    tables = report.tables(found)
    assert tables["pooling"].rows[0][1] == "Drawn toward all shops"
    own = [row["value"] for row in judged.estimates.to_dict("records")]
    assert judged.mean == pytest.approx(sum(own) / 40)  # all errors are equal
    assert judged.spread == 0
    assert [row[0] for row in tables["pooled"].rows] == ["Lift of discounts"] * 40
    drawn = [row[3] for row in tables["pooled"].rows]
    assert drawn == pytest.approx([judged.mean] * 40), "shops that are alike have one lift"


def test_a_fleet_that_never_ran_has_a_report(settings, registry, tmp_path):
    """No marts yet: every table is empty, and nothing fails."""
    found = study(keep_study(settings, DiskStore(tmp_path / "marts"), registry.entries()))
    assert len(found.ranking) == 0
    assert all(
        not table.rows or name in ("cost", "pooling")
        for name, table in report.tables(found).items()
    )
    assert report.verdict(found).text == "No figures yet of 6 databases."
    report.figures(found)
    report.notes(found)


def test_no_report_yet_says_which_command(tmp_path):
    """Where the notebook is opened first, or after a version that kept less."""
    (tmp_path / "databases.parquet").touch()
    with pytest.raises(StaleDataError, match="d1lab fleet report"):
        study(tmp_path)
