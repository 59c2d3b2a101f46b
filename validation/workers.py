"""The Workers' guarantees in large; writes docs/validation/workers.md.

    python -m validation.workers [--quick]

100,000 events go through the events Worker on the real engine: redelivered, reordered, overlapping,
with consumers that die after their work, two at a time; then every counter is compared with a
recount. 10,000 interleavings of writes, copies, and reads go through the gateway, whose database
has a replica that lags. `--quick` takes a hundredth.
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
from tests.support import workerd
from tests.support.lagging import ROUNDS, LaggingGateway, Sessions, interleave, lost_rows
from tests.support.worker_database import WorkerDatabase

PAGE = Path(__file__).parents[1] / "docs" / "validation" / "workers.md"
EVENTS, INTERLEAVINGS, PULLS = 100_000, 10_000, 100
STEPS = 6  # of an interleaving
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
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY) as folder,
        workerd.running(Path(folder)) as engine,
        closing(LaggingGateway(engine)) as beside,
    ):
        interleaved = run_interleavings(beside, INTERLEAVINGS // part, PULLS // part)
    print(interleaved)
    if part == 1:
        PAGE.write_text(page(events, interleaved), encoding="utf-8")


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


class Interleaved(NamedTuple):
    """What became of the interleavings."""

    interleavings: int
    found: Sessions
    pulls: int
    lost: int  # rows committed before a pull, and not in its warehouse


def run_interleavings(beside: LaggingGateway, count: int, pulls: int) -> Interleaved:
    """Read beside a replica that lags, and count reads that were stale and rows that were lost."""
    rnd = random.Random(5)
    found = sum((interleave(beside, rnd, STEPS) for _ in range(count)), Sessions())
    lost = 0
    for _ in range(pulls):
        with tempfile.TemporaryDirectory() as folder:
            lost += lost_rows(beside, rnd, Path(folder))
    return Interleaved(count, found, pulls * ROUNDS, lost)


def page(events: Events, interleaved: Interleaved) -> str:
    """Return the page of the results."""
    differing, found = sum(rows or 0 for rows in events.differing.values()), interleaved.found
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

| Gateway, whose database has a replica that lags | |
|---|---|
| interleavings of writes, copies, and reads of two connections | {interleaved.interleavings:,} |
| reads | {found.reads:,} |
| statements that the replica answered | {found.by_replica:,} |
| reads of a state before one that the connection had seen | {found.stale} |
| reads without a row below the highest | {found.torn} |
| pulls, with writes before and during each | {interleaved.pulls:,} |
| rows that a pull lost | {interleaved.lost} |

The gateway's own code runs on the engine; its binding is a model of D1's sessions over two
databases (`tests/engine/lagging.js`): a session never reads a state before its bookmark, and the
replica answers whenever it may. Replica lag, regions, and the throughput of queues exist in
production only: see [Not tested here](../guide/workers.md#not-tested-here).
"""


if __name__ == "__main__":
    main()
