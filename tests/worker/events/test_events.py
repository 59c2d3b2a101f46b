"""The events Worker on the real engine: whatever a queue does, each event counts once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.ingest.aggregate import aggregate
from d1lab.push.rollback import rollback
from tests.support.worker_database import WorkerDatabase

ZONES = {"harbor": "America/New_York", "": "Asia/Tokyo"}
TABLES = ("customer_insights", "daily_discount_stats", "discount_analytics", "product_performance")


class Shop:
    """A database whose counters the Worker folds."""

    def __init__(self, worker: WorkerDatabase, db: Database, folder: Path) -> None:
        self.worker, self.db = worker, db
        self.aggregate = partial(aggregate, db, folder, database="shop", zones=ZONES)
        self.folder = folder

    def deliver(self, *bodies: Any) -> dict[str, Any]:
        return self.worker.ask("deliver", messages=bodies)

    def one(self, sql: str) -> Any:
        return self.db.query(sql).rows[0][0]


@pytest.fixture
def shop(engine, tmp_path: Path) -> Iterator[Shop]:
    worker = WorkerDatabase(engine)
    with closing(open_database(worker.url)) as db:
        migrate(db)
        yield Shop(worker, db, tmp_path)


def drawn(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """Order lines and refunds of two shops, in no order of time."""
    rnd = random.Random(seed)
    return [_drawn(rnd, number) for number in range(count)]


def _drawn(rnd: random.Random, number: int) -> dict[str, Any]:
    at = (rnd.randrange(2, 11), rnd.randrange(1, 29), rnd.randrange(24), rnd.randrange(3600))
    month, day, hour, second = at
    discount = rnd.choice(["spring", "welcome", None])
    return {
        "shop": rnd.choice(["harbor", "kiosk"]),
        "event_id": f"e{number}",
        "type": rnd.choice(["order", "order", "order", "refund"]),
        "order_id": f"o{rnd.randrange(150)}",
        "customer_id": rnd.choice([None, *(f"c{one}" for one in range(20))]),
        "sku": rnd.choice(["SOCK", "HAT", "SCARF"]),
        "product_title": f"Title of month {month:02}",
        "quantity": rnd.randrange(1, 4),
        "list_price": 9.99,
        "discount_id": discount,
        "discount_code": discount and f"CODE{month:02}",
        "discount_type": discount and rnd.choice(["percentage", "fixed"]),
        "discount_amount": rnd.randrange(500) / 100 if discount else 0,
        "revenue": rnd.randrange(5000) / 100,
        "occurred_at": f"2026-{month:02}-{day:02}T{hour:02}:{second // 60:02}:{second % 60:02}Z",
    }


def test_every_event_counts_once(shop: Shop):
    """Redelivered, reordered, overlapping, by two consumers, with a recount in between."""
    shop.aggregate(fold=True)
    events, rnd = drawn(300), random.Random(3)
    deliveries = [rnd.sample(events, 60) for _ in range(12)] + [events]
    with ThreadPoolExecutor(2) as consumers:
        told = list(consumers.map(lambda some: shop.deliver(*some), deliveries[:6]))
        assert shop.aggregate().audited == dict.fromkeys(TABLES, 0)
        told += consumers.map(lambda some: shop.deliver(*some), deliveries[6:])
    assert [len(each["acked"]) for each in told] == [*[60] * 12, 300]
    assert shop.one("SELECT count(*) FROM order_events") == 300
    result = shop.aggregate(dry_run=True)
    assert (result.audited, result.unexplained) == (dict.fromkeys(TABLES, 0), ())
    uses = sum(e["type"] == "order" and e["discount_id"] is not None for e in events)
    assert shop.one("SELECT sum(times_used) FROM discount_analytics") == uses


def test_an_event_costs_two_written_rows_without_counters(shop: Shop):
    """A row and its key; a second delivery writes nothing but the sequence."""
    assert shop.deliver(*drawn(200))["written"] <= 2.1 * 200
    again = shop.deliver(*drawn(200))
    assert (again["acked"], again["written"]) == (list(range(200)), 1)
    assert shop.one("SELECT count(*) FROM order_events") == 200
    assert shop.one("SELECT count(*) FROM d1lab_folds") == 0
    assert shop.one("SELECT count(*) FROM discount_analytics") == 0


def test_what_came_another_way_is_folded_by_the_cron(shop: Shop, event):
    """Events that `d1lab track` wrote are above the mark, too."""
    from d1lab.ingest.events import track

    shop.aggregate(fold=True)
    track(shop.db, [event(number) for number in range(5)])
    assert shop.one("SELECT count(*) FROM discount_analytics") == 0
    shop.worker.ask("tidy")
    assert shop.one("SELECT times_used FROM discount_analytics") == 5
    assert shop.one("SELECT version FROM d1lab_workers WHERE name = 'events'") == "1"


@pytest.mark.long
def test_a_refund_before_its_order_and_a_correction(shop: Shop, event):
    """A refund counts when it comes; a corrected event stops the fold until the next recount."""
    shop.aggregate(fold=True)
    shop.deliver(event(1, type="refund", order_id="o9", quantity=1, revenue=9, discount_amount=1))
    assert shop.one("SELECT revenue_after_discount FROM discount_analytics") == -9
    shop.deliver(event(2, order_id="o9"))
    assert shop.one("SELECT revenue_after_discount FROM discount_analytics") == 9
    shop.db.execute("UPDATE order_events SET revenue = 20 WHERE event_id = 'e2'")
    shop.deliver(event(3))
    assert shop.one("SELECT DISTINCT state FROM d1lab_folds") == "stopped"
    assert shop.one("SELECT times_used FROM discount_analytics") == 1
    result = shop.aggregate()
    assert result.unexplained == ()
    assert shop.one("SELECT revenue_after_discount FROM discount_analytics") == -9 + 20 + 18
    shop.deliver(event(4))
    assert shop.one("SELECT times_used FROM discount_analytics") == 3
    assert shop.aggregate().audited == dict.fromkeys(TABLES, 0)


def test_audit_reports_and_repairs_with_a_before_image(shop: Shop, event):
    """Counters that somebody else wrote are named, repaired on request, and rolled back."""
    shop.aggregate(fold=True)
    shop.deliver(event(1), event(2))
    shop.db.execute("UPDATE discount_analytics SET times_used = 70")
    found = shop.aggregate()
    assert found.audited == dict.fromkeys(TABLES, 0) | {"discount_analytics": 1}
    assert (found.unexplained, found.repaired) == (("discount_analytics",), None)
    assert shop.one("SELECT times_used FROM discount_analytics") == 70
    repaired = shop.aggregate(repair=True).repaired
    assert repaired is not None
    assert shop.one("SELECT times_used FROM discount_analytics") == 2
    shop.deliver(event(3, sku="HAT"))
    assert shop.aggregate().audited == dict.fromkeys(TABLES, 0)
    rollback(shop.db, shop.folder / "runs" / repaired)
    assert shop.one("SELECT times_used FROM discount_analytics WHERE sku = 'SOCK'") == 70


def test_audit_corrects_what_the_fold_leaves_to_a_recount(shop: Shop, event):
    """A late title or code, and fractions of units; a title that no event has is reported."""
    shop.aggregate(fold=True)
    may, june = "2026-05-01 10:00:00", "2026-06-01 10:00:00"
    hat = {"sku": "HAT", "discount_id": None, "discount_code": None, "discount_amount": 0}
    shop.deliver(event(1, product_title="Old", discount_code="OLD", occurred_at="2026-04-01"))
    shop.deliver(event(2, product_title=None, discount_code=None, occurred_at=june))
    shop.deliver(event(3, product_title="Late", discount_code="LATE", occurred_at=may))
    for number in (4, 5, 6):
        shop.deliver(event(number, quantity=0.4, **hat))
    title = "SELECT product_title FROM product_performance WHERE sku = 'SOCK'"
    code = "SELECT discount_code FROM discount_analytics"
    units = "SELECT units_sold_without_discount FROM product_performance WHERE sku = 'HAT'"
    assert [shop.one(sql) for sql in (title, code, units)] == ["Old", "OLD", 0]
    result = shop.aggregate()
    assert (result.audited["product_performance"], result.audited["discount_analytics"]) == (2, 1)
    assert (result.unexplained, result.repaired) == ((), None)
    assert [shop.one(sql) for sql in (title, code, units)] == ["Late", "LATE", 1]
    shop.db.execute("UPDATE product_performance SET product_title = 'Mine' WHERE sku = 'SOCK'")
    assert shop.aggregate().unexplained == ("product_performance",)
    assert shop.one(title) == "Mine"


@pytest.mark.long
def test_folding_ends_on_request(shop: Shop, event):
    """Without a mark, the Worker writes events only; the index goes."""
    shop.aggregate(fold=True)
    shop.deliver(event(1))
    assert shop.aggregate(fold=False).left == {}
    shop.deliver(event(2, sku="HAT"))
    assert shop.one("SELECT count(*) FROM discount_analytics") == 1
    index = "SELECT count(*) FROM sqlite_schema WHERE name = 'order_events_customer'"
    assert shop.one(index) == 0
    assert shop.aggregate().changed["discount_analytics"] == 1


def test_an_invalid_event_is_kept_with_its_reason(shop: Shop, event):
    """It is acknowledged, and the others count."""
    told = shop.deliver(event(1), event(2, revenue=-1), "no event", [event(3), event(4, type="x")])
    assert (told["acked"], told["retried"]) == ([0, 1, 2, 3], [])
    rows = shop.db.query("SELECT reason FROM d1lab_rejected_events ORDER BY id").rows
    assert rows == [
        ("revenue '-1' is not an amount of 0 or more",),
        ("not an object of fields: 'no event'",),
        ("type 'x' is not 'order', 'refund', 'view' or 'cart'",),
    ]
    assert shop.one("SELECT count(*) FROM order_events") == 2


def test_a_poison_message_alone_is_retried(shop: Shop, event):
    """What D1 itself rejects does not hold up the rest of its batch."""
    shop.db.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON order_events WHEN NEW.sku = 'POISON' "
        "BEGIN SELECT raise(ABORT, 'poison'); END"
    )
    messages = [event(number) for number in range(8)]
    messages[5] = event(5, sku="POISON")
    told = shop.deliver(*messages)
    assert (sorted(told["acked"]), told["retried"]) == ([0, 1, 2, 3, 4, 6, 7], [5])
    assert shop.one("SELECT count(*) FROM order_events") == 7


def test_a_batch_of_several_megabytes_is_split(shop: Shop, event):
    """D1 takes 2 MB in a parameter; each part takes effect whole."""
    wide = {"product_title": "T" * 1000, "discount_code": "C" * 1000, "discount_type": "D" * 1000}
    told = shop.deliver([event(number, **wide) for number in range(1200)])
    assert told["acked"] == [0]
    assert shop.one("SELECT count(*) FROM order_events") == 1200


def test_track_sends_messages_that_a_queue_takes(shop: Shop, event):
    """With a queue nothing is written; a view gets its id before the first delivery."""
    view = {"type": "view", "shop": "harbor", "sku": "SOCK"}
    told = shop.worker.ask("queue", events=[event(1), view, event(2, quantity=0)])
    assert told["accepted"] == 2
    assert [each["reason"] for each in told["rejected"]] == ["quantity '0' is not a number above 0"]
    [[sent, small]] = told["sent"]
    assert (sent["event_id"], len(small["event_id"])) == ("e1", 36)
    assert shop.one("SELECT count(*) FROM order_events") == 0
    wide = [event(number, product_title="T" * 1000) for number in range(300)]
    assert len(shop.worker.ask("queue", events=wide)["sent"]) > 3  # at most 128 KB each


def test_views_and_carts_become_rates_where_handed_over(shop: Shop, event):
    """Counted once by day and SKU; more order lines than views give no rate."""
    shop.aggregate(fold=True)
    shop.worker.ask("track", events=[event(1, occurred_at=_yesterday())])
    views = [_small("view", "SOCK", number) for number in range(8)]
    carts = [_small("cart", "SOCK", number) for number in range(8, 10)]
    shop.deliver(*views[:5], *carts)
    shop.deliver(*views, *carts, _small("cart", "HAT", 10))
    counts = "SELECT sku, sum(views), sum(carts), sum(order_lines) FROM d1lab_sku_days GROUP BY 1"
    assert shop.db.query(counts).rows == [("HAT", 0, 1, 0), ("SOCK", 8, 2, 1)]
    rates = "SELECT view_to_purchase_rate, cart_abandonment_rate FROM product_performance"
    shop.worker.ask("tidy")
    assert shop.db.query(rates).rows == [(12.5, 50)]
    shop.worker.ask("track", events=[event(n, occurred_at=_yesterday()) for n in (2, 3)])
    shop.worker.ask("tidy")
    assert shop.db.query(rates).rows == [(37.5, None)]
    shop.db.execute("UPDATE d1lab_owned SET how = 'left' WHERE part = 'view_to_purchase_rate'")
    shop.db.execute("UPDATE product_performance SET view_to_purchase_rate = 1")
    shop.worker.ask("tidy")
    assert shop.db.query(rates).rows == [(1, None)]


def _yesterday() -> str:
    """An hour that is on one day in all of ZONES."""
    return f"{datetime.now(UTC).date() - timedelta(days=1)}T12:00:00Z"


def _small(kind: str, sku: str, number: int) -> dict[str, Any]:
    return {
        "type": kind,
        "shop": "harbor",
        "sku": sku,
        "event_id": f"v{number}",
        "occurred_at": _yesterday(),
    }
