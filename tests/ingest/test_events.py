"""Events are checked and written once each, from every source."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, UnknownName
from d1lab.ingest.events import BATCH_EVENTS, RejectedEvent, TrackResult, track, track_table
from d1lab.ingest.files import FIELDS
from tests.support.examples import examples


def stored(db, columns="*"):
    return db.query(f"SELECT {columns} FROM order_events ORDER BY seq").rows


def test_track_writes_every_field(db, event):
    """What was sent is stored, with the time in UTC."""
    given_time = datetime(2026, 5, 1, 12, 30, 15, 999_999, timezone(timedelta(hours=2)))
    sent = event(occurred_at=given_time, revenue=Decimal("17.995"), customer_id=907)
    assert track(db, [sent]) == TrackResult(1, 1, 0, ())
    row = dict(zip(FIELDS, stored(db, ", ".join(FIELDS))[0], strict=True))
    assert row == {
        **sent,
        "customer_id": "907",
        "product_title": None,
        "revenue": 17.995,
        "occurred_at": "2026-05-01 10:30:15",
    }


def test_track_twice_writes_once(db, event):
    """A known event ID writes nothing, even with other content or in the same batch."""
    assert track(db, [event(1), event(2)]).written == 2
    result = track(db, [event(2, quantity=9), event(3), event(3, quantity=9)])
    assert result == TrackResult(3, 1, 2, ())
    assert stored(db, "event_id, quantity") == [("e1", 2), ("e2", 2), ("e3", 2)]


def test_track_distinguishes_shops(db, event):
    """Two shops can use the same event ID."""
    assert track(db, [event(1), event(1, shop="village")]).written == 2


def test_refund_can_have_no_units(db, event):
    """A refund can have 0 units, but an order cannot; an offset needs no colon."""
    refund = event(1, type="refund", quantity=0, occurred_at="2026-05-01 09:30:00 +0200")
    result = track(db, [refund, event(2, quantity=0)])
    assert [event.position for event in result.rejected] == [2]
    assert stored(db, "quantity, occurred_at") == [(0, "2026-05-01 07:30:00")]


def test_track_correct_writes_what_differs(db, event):
    """A correction overwrites an event that differs, and the next pull reads it."""
    track(db, [event(1), event(2)])
    before = db.meter.by_table["order_events"].rows_written
    assert track(db, [event(1), event(2, revenue=17)], correct=True) == TrackResult(2, 1, 1, ())
    assert stored(db, "event_id, revenue") == [("e1", 18), ("e2", 17)]
    assert db.query("SELECT table_name, row_id FROM d1lab_changes").rows == [("order_events", 2)]
    written = db.meter.by_table["order_events"].rows_written - before
    assert 2 <= written <= 4  # the event and the note, with the note's sequence; not both events


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shop": " "}, "shop is missing"),
        ({"event_id": None}, "event_id is missing"),
        ({"type": "return"}, "type 'return' is not 'order' or 'refund'"),
        ({"quantity": 0}, "quantity '0' is not a number above 0"),
        ({"quantity": -1}, "quantity '-1' is not a number above 0"),
        ({"quantity": "half"}, "quantity 'half' is not a number above 0"),
        ({"quantity": True}, "quantity is of type bool"),
        ({"revenue": float("nan")}, "revenue 'nan' is not an amount of 0 or more"),
        ({"revenue": float("inf")}, "revenue 'inf' is not an amount of 0 or more"),
        ({"revenue": "-0.01"}, "revenue '-0.01' is not an amount of 0 or more"),
        ({"revenue": "12,50"}, "revenue '12,50' is not an amount of 0 or more"),
        ({"revenue": 10**12}, "revenue '1000000000000' is not an amount of 0 or more"),
        ({"revenue": ""}, "revenue is missing"),
        ({"list_price": "free"}, "list_price 'free' is not an amount of 0 or more"),
        ({"discount_id": None}, "discount_amount without a discount_id"),
        ({"customer_id": 17850.0}, "customer_id is of type float"),
        ({"sku": ["SOCK"]}, "sku is of type list"),
        ({"sku": "a\x00b"}, "a text contains a NUL character"),
        ({"sku": "\ud800"}, "sku contains half of a surrogate pair"),
        ({"product_title": "x" * 1001}, "a text is longer than 1,000 characters"),
        ({"occurred_at": "2026-02-30"}, "occurred_at '2026-02-30' is not an ISO 8601 time"),
        ({"occurred_at": 1777629600}, "occurred_at is of type int"),
        ({"occurred_at": "2026-05-01 10:00 CET"}, "is not an ISO 8601 time"),
        ({"occurred_at": "0026-05-01"}, "is before 1970"),
        ({"occurred_at": "2199-05-01"}, "is in the future"),
        ({"revenu": 1}, "Did you mean 'revenue'?"),
    ],
)
def test_track_rejects_with_a_reason(db, event, fields, reason):
    """A rejected event is named by its position, and the others are written."""
    result = track(db, [event(1), event(2, **fields), event(3)])
    assert result[:3] == (3, 2, 0)
    assert [event.position for event in result.rejected] == [2]
    assert reason in result.rejected[0].reason
    assert stored(db, "event_id") == [("e1",), ("e3",)]


def test_track_names_every_problem(db):
    """The reason lists everything that is invalid in an event."""
    (event,) = track(db, [{"shop": "harbor", "quantity": "x"}]).rejected
    for field in ("event_id", "type", "order_id", "sku", "revenue", "occurred_at"):
        assert f"{field} is missing" in event.reason
    assert "quantity 'x'" in event.reason


@pytest.mark.parametrize(
    ("given_time", "utc"),
    [
        ("2026-05-01", "2026-05-01 00:00:00"),
        ("2026-05-01T10:20", "2026-05-01 10:20:00"),
        ("2026-05-01T10:20:30.999Z", "2026-05-01 10:20:30"),
        ("2026-05-01 10:20:30+05:30", "2026-05-01 04:50:30"),
        ("2026-05-01T23:20:30-0800", "2026-05-02 07:20:30"),
        (date(2026, 5, 1), "2026-05-01 00:00:00"),
        (datetime(2026, 5, 1, 10, tzinfo=UTC), "2026-05-01 10:00:00"),
    ],
)
def test_track_stores_utc(db, event, given_time, utc):
    """Offsets are applied, and a time without one is UTC."""
    track(db, [event(occurred_at=given_time)])
    assert stored(db, "occurred_at") == [(utc,)]


def test_track_counts_positions_over_batches(db, event):
    """Positions count all received events, and progress is reported after each batch."""
    calls = []
    bad = BATCH_EVENTS + 2
    events = (event(n, quantity=0 if n == bad else 1) for n in range(1, BATCH_EVENTS + 11))
    result = track(db, events, progress=lambda *call: calls.append(call))
    assert result.rejected == (RejectedEvent(bad, "quantity '0' is not a number above 0"),)
    assert result.written == BATCH_EVENTS + 9
    assert [received for _, received, _ in calls] == [BATCH_EVENTS, BATCH_EVENTS + 10]


def test_track_holds_one_batch_at_a_time(db, event):
    """If a write fails, the stream was read no further than the current batch."""
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield event(len(taken))

    db.execute("DROP TABLE order_events")
    with pytest.raises(Exception, match="order_events"):
        track(db, endless())
    assert len(taken) == BATCH_EVENTS


def test_track_table_rejects_invalid_columns(db):
    """An unknown column, or one of the wrong type, is an error before any write."""
    with pytest.raises(UnknownName, match="Did you mean 'sku'"):
        track_table(db, pa.table({"skus": ["a"]}))
    with pytest.raises(InputError, match="'customer_id' has type double"):
        track_table(db, pa.table({"customer_id": [1.0]}))
    with pytest.raises(InputError, match="'quantity' has type bool"):
        track_table(db, pa.table({"quantity": [True]}))


def test_track_table_accepts_a_relation(db, event):
    """A DuckDB relation is loaded with its own types, and missing columns are empty."""
    relation = duckdb.sql(
        """SELECT 'harbor' AS shop, 'e' || i AS event_id, 'order' AS type, i AS order_id,
                  'SOCK' AS sku, i::UTINYINT AS quantity, (i / 4)::DECIMAL(9, 2) AS revenue,
                  TIMESTAMP '2026-05-01 10:00:00.5' AS occurred_at
           FROM range(4) AS r(i)"""
    )
    result = track_table(db, relation)
    assert result[:3] == (4, 3, 0)
    assert result.rejected == (RejectedEvent(1, "quantity '0' is not a number above 0"),)
    rows = stored(db, "order_id, customer_id, quantity, discount_amount, revenue, occurred_at")
    assert rows[0] == ("1", None, 1, 0, 0.25, "2026-05-01 10:00:00")


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
AMOUNT = st.none() | st.sampled_from(
    ["0", "1.5", "-2", "1e3", "x", "", " 3 ", "1_0", "nan", "9" * 13]
)
EVENT = st.fixed_dictionaries(
    {
        **dict.fromkeys(FIELDS, TEXT),
        "event_id": st.sampled_from(["1", "2", "3", ""]),
        "type": st.sampled_from(["order", "refund", "gift", None]),
        "quantity": AMOUNT,
        "list_price": AMOUNT,
        "discount_amount": AMOUNT,
        "revenue": AMOUNT,
        "occurred_at": st.sampled_from(["2026-05-01", "2026-05-01T10:00Z", "never", None]),
    }
)


@settings(max_examples=examples(30))
@given(st.lists(EVENT, min_size=1, max_size=12))
@pytest.mark.long
def test_track_table_equals_track(tmp_path_factory, events):
    """Both functions apply the same rules and give the same rows and rejected events."""
    folder = tmp_path_factory.mktemp("two")
    results = []
    for name, way in (("mappings", track), ("table", track_table)):
        database = SqliteDatabase.create(folder / name)
        migrate(database)
        source = pa.Table.from_pylist(events, pa.schema([(f, pa.string()) for f in FIELDS]))
        result = way(database, events if way is track else source)
        results.append((result, stored(database)))
        database.close()
    assert results[0] == results[1]
    received, written, known, refused = results[0][0]
    assert received == written + known + len(refused)
