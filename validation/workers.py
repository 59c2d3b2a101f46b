"""The Workers' guarantees in large; writes docs/validation/workers.md.

    python -m validation.workers [--quick]

100,000 events go through the events Worker on the real engine: redelivered, reordered, overlapping,
with consumers that die after their work, two at a time; then every counter is compared with a
recount. 10,000 interleavings of writes, copies, and reads go through the gateway's client with a
replica that lags. `--quick` takes a hundredth.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.d1 import open_database
from d1lab.d1.migrate import migrate
from d1lab.ingest.aggregate import aggregate
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support import workerd
from tests.support.lagging import LaggingD1
from tests.support.worker_database import WorkerDatabase

PAGE = Path(__file__).parents[1] / "docs" / "validation" / "workers.md"
EVENTS, INTERLEAVINGS, PULLS = 100_000, 10_000, 100
BATCH, DYING, OVERLAPPING = 1_000, 0.2, 0.1
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # without fsync
ZONES = {"harbor": "America/New_York", "": "Asia/Tokyo"}


class Events(NamedTuple):
    """What became of the events."""

    events: int
    delivered: int
    stored: int
    differing: dict[str, int | None]
    seconds: float
    written_each: float  # rows written an event, before counters
    per_second: float  # one consumer, without a counter
    per_second_folded: float


def main() -> None:
    """Run both, and write the page."""
    part = 100 if "--quick" in sys.argv else 1
    with tempfile.TemporaryDirectory() as folder, workerd.running(Path(folder)) as engine:
        events = run_events(engine, Path(folder) / "data", EVENTS // part)
    print(events)
    sessions = run_interleavings(INTERLEAVINGS // part, PULLS // part)
    print(sessions)
    if part == 1:
        PAGE.write_text(page(events, sessions), encoding="utf-8")


def run_events(engine: workerd.Engine, folder: Path, count: int) -> Events:
    """Deliver the events to two consumers, and compare the counters with a recount."""
    events, rnd = list(drawn(count)), random.Random(1)
    written, plain = _plain(engine, events[: min(count, 20_000)])
    worker = WorkerDatabase(engine)
    with closing(open_database(worker.url)) as db:
        migrate(db)
        aggregate(db, folder, database="shop", zones=ZONES, fold=True)
        deliveries = list(_deliveries(events, rnd))
        start = time.perf_counter()
        with ThreadPoolExecutor(2) as consumers:
            list(consumers.map(lambda some: worker.ask("deliver", messages=[some]), deliveries))
        seconds = time.perf_counter() - start
        result = aggregate(db, folder, database="shop", zones=ZONES, dry_run=True)
        [(stored,)] = db.query("SELECT count(*) FROM order_events").rows
    delivered = sum(map(len, deliveries))
    return Events(
        count, delivered, int(str(stored)), result.audited, seconds, written, plain,
        delivered / seconds,
    )  # fmt: skip


def _plain(engine: workerd.Engine, events: list[dict[str, Any]]) -> tuple[float, float]:
    """Return rows written an event, and events a second, without counters and with one consumer."""
    worker = WorkerDatabase(engine)
    with closing(open_database(worker.url)) as db:
        migrate(db)
    start, written = time.perf_counter(), 0
    for place in range(0, len(events), BATCH):
        written += worker.ask("deliver", messages=[events[place : place + BATCH]])["written"]
    return written / len(events), len(events) / (time.perf_counter() - start)


def _deliveries(events: list[dict[str, Any]], rnd: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Yield batches in random order: some again, because a consumer died, some that overlap."""
    shuffled = rnd.sample(events, len(events))
    batches = [shuffled[place : place + BATCH] for place in range(0, len(events), BATCH)]
    again = rnd.sample(batches, int(len(batches) * DYING))
    overlapping = [rnd.sample(events, BATCH // 2) for _ in range(int(len(batches) * OVERLAPPING))]
    several = [*batches, *again, *overlapping]
    yield from rnd.sample(several, len(several))


def drawn(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield order lines and refunds of two shops, of eight months, in no order of time."""
    rnd = random.Random(seed)
    for number in range(count):
        month, discount = rnd.randrange(2, 10), rnd.choice(["spring", "welcome", "loyal", None])
        at = f"2026-{month:02}-{rnd.randrange(1, 29):02}T{rnd.randrange(24):02}"
        yield {
            "shop": rnd.choice(["harbor", "kiosk"]),
            "event_id": f"e{number}",
            "type": rnd.choice(["order"] * 9 + ["refund"]),
            "order_id": f"o{rnd.randrange(count // 2)}",
            "customer_id": rnd.choice([None, f"c{rnd.randrange(count // 10)}"]),
            "sku": f"SKU-{int(rnd.paretovariate(0.7)) % 500}",
            "product_title": f"Title of month {month:02}",
            "quantity": rnd.randrange(1, 4),
            "list_price": 9.99,
            "discount_id": discount,
            "discount_code": discount and f"CODE{month:02}",
            "discount_type": discount and rnd.choice(["percentage", "fixed"]),
            "discount_amount": rnd.randrange(500) / 100 if discount else 0,
            "revenue": rnd.randrange(5000) / 100,
            "occurred_at": f"{at}:{rnd.randrange(60):02}:{rnd.randrange(60):02}Z",
        }


class Sessions(NamedTuple):
    """What became of the interleavings."""

    interleavings: int
    reads: int
    by_replica: int
    stale: int  # reads before the session's bookmark
    pulls: int
    lost: int  # rows committed before a pull, and not in its warehouse


def run_interleavings(count: int, pulls: int) -> Sessions:
    """Read beside a replica that lags, and count reads that were stale and rows that were lost."""
    rnd, reads, by_replica, stale = random.Random(5), 0, 0, 0
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder, closing(LaggingD1(Path(folder))) as d1:
        for _ in range(count):
            d1.reset()
            db, seen = d1.open(), 0
            for _ in range(12):
                step = rnd.random()
                if step < 0.4:
                    d1.write()
                elif step < 0.6:
                    d1.copy(rnd.randrange(1, 4))
                else:
                    [(rows,)] = db.query("SELECT count(*) FROM log").rows
                    stale += int(str(rows)) < seen
                    reads, seen = reads + 1, int(str(rows))
            by_replica += sum(n for where, n in db.served.items() if not where.is_primary)
            db.close()
    return Sessions(count, reads, by_replica, stale, pulls, sum(_lost(rnd) for _ in range(pulls)))


def _lost(rnd: random.Random) -> int:
    """Pull twice beside a replica that lags; return the rows that the warehouse is missing."""
    with tempfile.TemporaryDirectory() as folder, closing(LaggingD1(Path(folder))) as d1:
        for _ in range(2):
            for _ in range(rnd.randrange(4)):
                d1.write()
            d1.copy(rnd.randrange(3))
            with closing(d1.open()) as db:
                pull(db, Path(folder), database="shop", counters="always")
        with open_warehouse(Path(folder)) as con:
            [(held,)] = con.sql("SELECT count(*) FROM log").fetchall()
        return d1.version - held


def page(events: Events, sessions: Sessions) -> str:
    """Return the page of the results."""
    differing = sum(rows or 0 for rows in events.differing.values())
    return f"""# Workers

`python -m validation.workers` wrote this page: the [Workers](../guide/workers.md) on the real
engine (workerd, under `wrangler dev`), on a machine with two shared cores.

| Events Worker | |
|---|---|
| events | {events.events:,} |
| events delivered, by two consumers, in batches of {BATCH:,} | {events.delivered:,} |
| of the batches, delivered again because the consumer died after its work | {DYING:.0%} |
| batches of events that others have, too | {OVERLAPPING:.0%} |
| events in D1 afterwards | {events.stored:,} |
| rows of the four counter tables that differ from a recount | {differing} |
| rows written for an event, before counters | {events.written_each:.3f} |
| events a second, one consumer, without counters | {events.per_second:,.0f} |
| events a second, two consumers, with all counters | {events.per_second_folded:,.0f} |

| Gateway, with a replica that lags | |
|---|---|
| interleavings of writes, copies, and reads | {sessions.interleavings:,} |
| reads; by the replica | {sessions.reads:,}; {sessions.by_replica:,} |
| reads of a state before the session's bookmark | {sessions.stale} |
| pairs of pulls | {sessions.pulls:,} |
| rows that a pull lost | {sessions.lost} |

The replica is a model of what D1 promises: a session never reads a state before its bookmark.
Replica lag, regions, and the throughput of queues exist in production only: see
[Not tested here](../guide/workers.md#not-tested-here).
"""


if __name__ == "__main__":
    main()
