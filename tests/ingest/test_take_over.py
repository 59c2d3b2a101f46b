"""A counter has one writer: the app's counters are not changed until they are handed over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, UnknownName
from d1lab.ingest import aggregate as aggregate_module
from d1lab.ingest.aggregate import aggregate
from d1lab.ingest.events import track
from d1lab.ingest.take_over import TakeOver, propose, take_over
from d1lab.ops.doctor import doctor
from d1lab.pull import pull
from d1lab.push import rollback
from d1lab.push.ownership import COUNTERS, Part
from tests.support.command_line import caller

TOTALS = "SELECT shop, discount_id, sku, times_used, discount_amount FROM discount_analytics"
COUNT_CAP = (
    "INSERT INTO product_performance (shop, sku, units_sold_with_discount) VALUES"
    " ('harbor', 'CAP', 7)"
)
OWNED = "SELECT table_name, part, how FROM d1lab_owned ORDER BY 1, 2"


@pytest.fixture
def app(db: SqliteDatabase, event: Callable[..., dict[str, Any]]) -> SqliteDatabase:
    """An app that has counted 81 uses of one discount, and two tracked events of it."""
    db.execute(
        "INSERT INTO discount_analytics (shop, discount_id, sku, times_used, discount_amount,"
        " last_used_at) VALUES ('harbor', 'spring', 'SOCK', 81, 1030.78, '2026-04-30 09:00:00')"
    )
    db.execute("INSERT INTO daily_discount_stats VALUES ('harbor', '2026-05-01', 1812, 20000, 9)")
    track(db, [event(1), event(2, sku="HAT")])
    return db


def held(db: SqliteDatabase, table: str = "discount_analytics") -> list[tuple[Any, ...]]:
    return db.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3").rows


def test_aggregate_never_overwrites_what_the_app_counts(app: SqliteDatabase, tmp_path: Path):
    """With one event, 81 uses stay 81; empty tables are filled and belong to d1lab."""
    before = held(app), held(app, "daily_discount_stats")
    result = aggregate(app, tmp_path, database="x")
    assert (held(app), held(app, "daily_discount_stats")) == before
    assert result.kept == ("daily_discount_stats", "discount_analytics")
    assert result.changed == {"customer_insights": 1, "product_performance": 2}
    assert app.query(OWNED).rows == [
        ("customer_insights", "counters", "empty"),
        ("product_performance", "counters", "empty"),
    ]


def test_what_the_app_counts_right_after_the_claim_is_kept(
    app: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first count of a queue can come at any moment: d1lab must not set it to zero."""
    claim = aggregate_module.claim

    def claim_then_count(db: Any, wanted: Any) -> Any:
        ours = claim(db, wanted)
        app.execute(COUNT_CAP)
        return ours

    monkeypatch.setattr(aggregate_module, "claim", claim_then_count)
    aggregate(app, tmp_path, database="x")
    monkeypatch.undo()
    counted = "SELECT units_sold_with_discount FROM product_performance WHERE sku = 'CAP'"
    assert app.query(counted).rows == [(7,)]
    assert aggregate(app, tmp_path, database="x").left == {"product_performance": 1}
    assert app.query(counted).rows == [(7,)]


def test_what_the_app_counts_before_the_first_aggregation_is_kept(
    app: SqliteDatabase, tmp_path: Path
):
    """A push has claimed the empty table, or an aggregation was killed right after its claim."""
    aggregate_module.claim(app, [Part("product_performance", COUNTERS)])
    app.execute(COUNT_CAP)
    before = held(app, "product_performance")
    assert aggregate(app, tmp_path, database="x").left == {"product_performance": 1}
    assert held(app, "product_performance") == before


def test_an_app_without_events_is_compared(app: SqliteDatabase, tmp_path: Path):
    """There is no order line, and the app has a table with the name of a d1lab view."""
    app.execute("DELETE FROM order_events")
    app.execute("CREATE TABLE order_lines (id INTEGER PRIMARY KEY, day TEXT)")
    app.execute("INSERT INTO order_lines VALUES (1, 'Monday')")
    pull(app, tmp_path, database="x")
    before = held(app)
    result = aggregate(app, tmp_path, database="x")
    assert result.events.covered == "There are no events"
    assert "discount_analytics" in result.kept
    assert held(app) == before


def test_aggregate_reports_how_far_the_app_is_off(app: SqliteDatabase, tmp_path: Path):
    """The report has rows, differences, the days covered by events, and gaps."""
    result = aggregate(app, tmp_path, database="x")
    assert result.events.covered == "Events in D1: 2, 2026-05-01 to 2026-05-01"
    (totals,) = (table for table in result.tables if table.table == "discount_analytics")
    assert (totals.stored, totals.differ, totals.rows_short) == (1, 2, 1)
    uses = {one.column: one for one in totals.sums}["times_used"]
    assert (uses.stored, uses.events, uses.rows_short) == (81, 2, 1)
    first, second = totals.sample
    assert first.key == {"shop": "harbor", "discount_id": "spring", "sku": "SOCK"}
    assert first.stored is not None
    assert (first.stored["times_used"], first.events["times_used"]) == (81, 1)
    assert (second.key["sku"], second.stored) == ("HAT", None)


COUNT = "UPDATE product_performance SET units_sold_with_discount = 7 WHERE sku = 'HAT'"


@pytest.mark.parametrize("machine", [pytest.param("this", marks=pytest.mark.long), "another"])
def test_aggregate_leaves_a_table_in_which_the_app_starts_to_count(
    app: SqliteDatabase, tmp_path: Path, event: Callable[..., dict[str, Any]], machine: str
):
    """Values that d1lab did not write are kept and reported, and the table becomes the app's.

    The last result is in D1, so that a machine without d1lab's files detects them as well.
    """
    aggregate(app, tmp_path / "this", database="x")
    assert aggregate(app, tmp_path / "another", database="x").rows_written == 0
    shutil.rmtree(tmp_path / "another" / "aggregated", ignore_errors=True)
    tmp_path /= machine
    app.execute(COUNT)
    app.execute("DELETE FROM product_performance WHERE sku = 'SOCK'")
    track(app, [event(3, sku="HAT")])
    before = held(app, "product_performance")
    foretold = aggregate(app, tmp_path, database="x", dry_run=True)
    assert (foretold.left, owned_by_d1lab(app)) == (
        {"product_performance": 1},
        ["customer_insights", "product_performance"],
    )
    result = aggregate(app, tmp_path, database="x")
    assert result.left == {"product_performance": 1}
    assert result.changed == {"customer_insights": 1}
    assert "product_performance" in result.kept
    assert held(app, "product_performance") == before
    assert owned_by_d1lab(app) == ["customer_insights"]
    (finding,) = [c for c in doctor(app) if c.subject == "counters of product_performance"]
    assert finding.level == "note"
    assert finding.todo.endswith("d1lab aggregate --take-over product_performance")
    assert aggregate(app, tmp_path, database="x").left == {}


def test_deleted_rows_are_counted_again_on_another_machine(app: SqliteDatabase, tmp_path: Path):
    """The app's retention deletes rows and changes none: that is no counting."""
    aggregate(app, tmp_path / "this", database="x")
    before = held(app, "product_performance")
    app.execute("DELETE FROM product_performance")
    result = aggregate(app, tmp_path / "another", database="x")
    assert (result.left, held(app, "product_performance")) == ({}, before)


def owned_by_d1lab(app: SqliteDatabase) -> list[Any]:
    sql = "SELECT table_name FROM d1lab_owned WHERE how <> 'left' ORDER BY 1"
    return [row[0] for row in app.query(sql).rows]


@pytest.mark.long
def test_a_table_that_was_left_can_be_handed_over_again(
    app: SqliteDatabase, tmp_path: Path, event: Callable[..., dict[str, Any]]
):
    """It then belongs to d1lab again; an emptied table does so by itself."""
    aggregate(app, tmp_path, database="x")
    app.execute(COUNT)
    aggregate(app, tmp_path, database="x")
    proposal = propose(app, tmp_path, "product_performance", database="x")
    take_over(app, tmp_path, proposal, accept_shortfall=True)
    track(app, [event(3, sku="HAT")])
    assert aggregate(app, tmp_path, database="x").changed["product_performance"] == 1
    app.execute("UPDATE customer_insights SET total_savings = 99")
    assert aggregate(app, tmp_path, database="x").left == {"customer_insights": 1}
    app.execute("DELETE FROM customer_insights")
    assert aggregate(app, tmp_path, database="x").changed["customer_insights"] == 1


def test_what_d1lab_and_its_pushes_wrote_is_nobody_elses(
    app: SqliteDatabase, tmp_path: Path, event: Callable[..., dict[str, Any]]
):
    """New events, corrections, inserted rows, and deleted rows do not count as the app's writes."""
    aggregate(app, tmp_path, database="x")
    track(app, [event(1, discount_amount=3), event(4, customer_id="bob")], correct=True)
    assert aggregate(app, tmp_path, database="x").left == {}
    app.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('harbor', 'new')")
    app.execute("DELETE FROM product_performance WHERE sku = 'SOCK'")
    result = aggregate(app, tmp_path, database="x")
    assert (result.left, result.changed["product_performance"]) == ({}, 1)


def test_another_machine_is_nobody_else(app: SqliteDatabase, tmp_path: Path):
    """This machine does not know the last writes of another one, so it assumes no conflict."""
    aggregate(app, tmp_path / "here", database="x")
    app.execute("DELETE FROM order_events WHERE sku = 'HAT'")
    aggregate(app, tmp_path / "there", database="x")
    assert aggregate(app, tmp_path / "here", database="x").left == {}


def test_take_over_refuses_where_the_events_cover_less(app: SqliteDatabase, tmp_path: Path):
    """The error lists the figures, and nothing is written."""
    before = held(app), app.query(OWNED).rows
    proposal = propose(app, tmp_path, "discount_analytics", database="x")
    with pytest.raises(InputError, match=r"times_used 81.00 in D1, 2.00 from events.*--yes"):
        take_over(app, tmp_path, proposal)
    assert (held(app), app.query(OWNED).rows) == before
    assert app.query("SELECT count(*) FROM d1lab_pushes").rows == [(0,)]


@pytest.fixture
def taken(app: SqliteDatabase, tmp_path: Path) -> TakeOver:
    """Hand over the counters of discount_analytics in spite of the difference."""
    proposal = propose(app, tmp_path, "discount_analytics", database="x")
    return take_over(app, tmp_path, proposal, accept_shortfall=True)


def test_take_over_writes_what_the_events_say(app: SqliteDatabase, taken: TakeOver, tmp_path: Path):
    """Counters are computed from events, recorded, and kept by every later aggregation."""
    assert (taken.changed, taken.left) == (2, 0)
    assert app.query(f"{TOTALS} ORDER BY sku").rows == [
        ("harbor", "spring", "HAT", 1, 2),
        ("harbor", "spring", "SOCK", 1, 2),
    ]
    assert app.query(OWNED).rows == [("discount_analytics", "counters", "take-over")]
    audit = "SELECT run_id, table_name, action, status, rows_changed FROM d1lab_pushes"
    assert app.query(audit).rows == [(taken.run_id, "discount_analytics", "push", "done", 2)]
    app.execute("DELETE FROM order_events WHERE sku = 'HAT'")
    aggregate(app, tmp_path, database="x")
    assert app.query(f"{TOTALS} WHERE sku = 'HAT'").rows == [("harbor", "spring", "HAT", 0, 0)]
    with pytest.raises(InputError, match="d1lab already owns discount_analytics"):
        propose(app, tmp_path, "discount_analytics", database="x")


def test_rollback_gives_a_table_back(app: SqliteDatabase, taken: TakeOver, tmp_path: Path):
    """The app's row is restored, the inserted row is deleted, and so is the record."""
    assert rollback(app, tmp_path / "runs" / taken.run_id).restored == 2
    sock, hat = app.query(f"{TOTALS} ORDER BY times_used DESC").rows
    assert sock == ("harbor", "spring", "SOCK", 81, 1030.78)
    assert hat == ("harbor", "spring", "HAT", None, None)  # created_at hides if it was touched
    assert app.query(OWNED).rows == []
    assert "discount_analytics" in aggregate(app, tmp_path, database="x").kept


def test_take_over_notes_where_time_travel_can_go_back_to(taken: TakeOver, tmp_path: Path):
    """The bookmark from before is written to the database's folder."""
    (line,) = (tmp_path / "restore_points.jsonl").read_text().splitlines()
    noted = json.loads(line)
    assert (noted["before"], noted["bookmark"]) == (
        "take-over of discount_analytics", taken.bookmark,
    )  # fmt: skip


def test_take_over_leaves_what_the_app_wrote_meanwhile(app: SqliteDatabase, tmp_path: Path):
    """A use counted between the read and the write is kept and reported."""
    proposal = propose(app, tmp_path, "daily_discount_stats", database="x")
    assert proposal.counters is not None
    app.execute("UPDATE daily_discount_stats SET total_discounts_used = 1813")
    result = take_over(app, tmp_path, proposal, accept_shortfall=True)
    rollback(app, tmp_path / "runs" / result.run_id)
    kept = "SELECT total_discounts_used FROM daily_discount_stats"
    assert app.query(kept).rows == [(1813,)]


def test_take_over_of_results_writes_nothing_yet(app: SqliteDatabase, tmp_path: Path):
    """The next push does; a single column can be handed over."""
    app.execute(
        "INSERT INTO customer_insights (shop, customer_id, customer_segment, lifetime_value)"
        " VALUES ('harbor', 'ada', 'vip', 3)"
    )
    before = held(app, "customer_insights")
    proposal = propose(app, tmp_path, "customer_insights.customer_segment", database="x")
    assert (proposal.parts, proposal.values) == (("customer_segment",), {"customer_segment": 1})
    result = take_over(app, tmp_path, proposal)
    assert held(app, "customer_insights") == before
    assert app.query(OWNED).rows == [("customer_insights", "customer_segment", "take-over")]
    rollback(app, tmp_path / "runs" / result.run_id)
    assert app.query(OWNED).rows == []


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("discount_analitics", UnknownName, "discount_analytics"),
        ("order_events", UnknownName, "the app's tables"),
        ("analytics_archive", InputError, "never writes to"),
        ("customer_insights.segment", UnknownName, "customer_segment"),
    ],
)
def test_take_over_of_what_is_not_the_apps(
    app: SqliteDatabase, tmp_path: Path, name: str, error: type[Exception], words: str
):
    """Unknown names suggest the nearest; tables that d1lab never writes are rejected."""
    with pytest.raises(error, match=words):
        propose(app, tmp_path, name, database="x")


def test_take_over_by_command(
    app: SqliteDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """It prints the difference and exits with 2; with --yes it writes, and can be rolled back."""
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    run = caller(monkeypatch, capsys)
    (tmp_path / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:d1.sqlite"\n')
    compared = run("aggregate", "--dry-run")
    assert compared.code == 0
    assert "times_used\t81\t2\t1" in compared.out
    assert "--take-over discount_analytics" in compared.err
    refused = run("aggregate", "--take-over", "discount_analytics")
    assert refused.code == 2
    assert "times_used\t81\t2\t1" in refused.out
    assert "fall short of the figures in 1 of 1 row (" in refused.err
    done = run("aggregate", "--take-over", "discount_analytics", "--yes", "--json")
    assert (done.code, done.json["changed"]) == (0, 2)
    assert run("rollback", done.json["run_id"]).code == 0
    assert app.query(f"{TOTALS} WHERE sku = 'SOCK'").rows[0][3:] == (81, 1030.78)
    assert run("aggregate").code == 0
    app.execute(COUNT)
    left = run("aggregate")
    found = "product_performance has values that d1lab did not write, in at least 1 of 2 rows."
    assert found in left.err
    assert "--take-over product_performance" in left.err
