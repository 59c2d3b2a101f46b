"""The Worker accepts, rejects, and stores what `d1lab track` does."""

from __future__ import annotations

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from d1lab.ingest.files import FIELDS
from tests.support.worker_database import WorkerDatabase

CASES = [
    {},
    *({name: None} for name in FIELDS),
    *({name: ""} for name in FIELDS),
    *({name: " x \n"} for name in ("shop", "event_id", "order_id", "sku", "customer_id")),
    *({"quantity": value} for value in (0, -1, "2", "2.5", 2.5, "1e3", 10**9, "x", "1.")),
    {"quantity": 0, "type": "refund"},
    *({"revenue": value} for value in (0, -0.01, "12.50", "1e2", "1,5", 1e12, 10**12 - 1)),
    {"revenue": 0.1234567},
    *({"list_price": value} for value in (0, "-1", "9.999999", "abc")),
    {"discount_id": None, "discount_amount": 1},
    {"discount_id": None, "discount_amount": 0},
    *(
        {"occurred_at": value}
        for value in (
            "2026-05-01", "2026-05-01T10:15", "2026-05-01T10:15:00.999Z", "2026-05-01 10:15:00 UTC",
            "2026-05-01T10:15:00+0200", "2026-05-01T10:15:00 +02:00", "2026-05-01T10:15:00-05",
            "1969-12-31", "2999-01-01", "2026-02-30", "2026-13-01", "2026-05-01T25:00", "tomorrow",
            "1970-01-01T00:00:00Z", "20260501",
        )
    ),
    *({"type": value} for value in ("sale", "ORDER", "refund")),
    {"product_title": "T" * 1000},
    {"product_title": "T" * 1001},
    {"product_title": "\U0001f9e6" * 1000},
    {"sku": "a\x00b"},
    {"sku": "Ünï'\"; DROP TABLE"},
    {"colour": "red"},
    {"sku": True},
    {"sku": ["S"]},
]  # fmt: skip


@pytest.mark.engine
def test_worker_and_command_line_agree(engine, event, tmp_path):
    """The same events pass, with the same stored values."""
    events = [event(number, **fields) for number, fields in enumerate(CASES)]
    told = WorkerDatabase(engine).ask("checked", events=events)
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    rejected = {each.position - 1: each.reason for each in track(db, events).rejected}
    found = {place: each["reason"] for place, each in enumerate(told) if "reason" in each}
    assert {place: CASES[place] for place in found} == {place: CASES[place] for place in rejected}
    rows = db.query(f"SELECT {', '.join(FIELDS)} FROM order_events ORDER BY seq").rows
    stored = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    assert [each["event"] for each in told if "event" in each] == stored
    assert len(rejected) > 30
    assert len(stored) > 30
    db.close()
