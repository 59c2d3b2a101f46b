"""The app goes on writing while d1lab pulls, aggregates, pushes and rolls back beside it.

The test plays it for some seconds; `make coexistence` (python -m tests.support.coexistence SECONDS
USES) for a minute, and then counts 3,000 uses in every report.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple

import pyarrow as pa

from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.ingest.aggregate import aggregate
from d1lab.outbox import stage
from d1lab.pull import pull
from d1lab.push import push, rollback
from tests.support import shop_app
from tests.support.counted_truth import count_and_report
from tests.support.shop_app import ShopApp, Use

CUSTOMERS = [f"c{number}" for number in range(30)]


class Played(NamedTuple):
    """What the app did, what D1 holds, and how often d1lab worked beside it."""

    uses: int  # tracked by the app
    savings: int
    visits: int  # rows of customers that the app has updated
    rounds: int  # of d1lab: pull, aggregate, push, and every other time rollback
    held_uses: int  # in discount_analytics: an upsert that begins at 0 misses one for each row
    held_savings: float
    counted_uses: int  # by the queue, per day
    counted_units: int  # by the queue, per product
    held_visits: int
    pushed: dict[str, str | None]  # the segment of each customer, from D1 ...
    expected: dict[str, str | None]  # ... and as pushes and rollbacks should have left it


def play(app: ShopApp, folder: Path, seconds: float) -> Played:
    """Let both work at once, then take stock.

    Args:
        app: An app with empty tables.
        folder: For d1lab's warehouse and runs.
        seconds: How long.
    """
    values = ", ".join(f"('harbor', '{name}', 0)" for name in CUSTOMERS)
    names = "shop, customer_id, total_discounts_used"
    app.sql(f"INSERT INTO customer_insights ({names}) VALUES {values}")
    over = Event()
    with closing(open_database(app.url)) as db, ThreadPoolExecutor(1) as pool:
        migrate(db)
        writing = pool.submit(_write, app, over)
        try:
            expected, rounds = _work(db, folder, seconds)
        finally:
            over.set()
        uses, savings = writing.result()
        app.settle()
        return _taken_stock(app, Played(uses, savings, uses, rounds, 0, 0, 0, 0, 0, {}, expected))


def _write(app: ShopApp, over: Event) -> tuple[int, int]:
    """Uses and visits, one after the other, until it is over."""
    uses = savings = 0
    while not over.is_set():
        number, amount = uses % 7, 1 + uses % 3
        day = f"2026-05-{1 + uses % 28:02}T10:00:00Z"
        app.track(Use("harbor", f"d{number}", f"S{uses % 5}", amount, day))
        app.sql(
            "UPDATE customer_insights SET total_discounts_used = total_discounts_used + 1"
            " WHERE customer_id = ?1",
            CUSTOMERS[uses % len(CUSTOMERS)],
        )
        uses, savings = uses + 1, savings + amount
    return uses, savings


def _work(db: Database, folder: Path, seconds: float) -> tuple[dict[str, str | None], int]:
    """Rounds of d1lab's work, and the segments that they should have left."""
    held: dict[str, str | None] = dict.fromkeys(CUSTOMERS)
    rounds, until = 0, time.monotonic() + seconds
    while time.monotonic() < until or rounds < 2:
        pull(db, folder, database="app")
        aggregate(db, folder, database="app")
        run_dir = folder / "runs" / f"round{rounds:05}"
        segments = [("vip", "regular", "new")[(rounds + i) % 3] for i in range(len(CUSTOMERS))]
        frame = pa.table(
            {
                "shop": ["harbor"] * len(CUSTOMERS),
                "customer_id": CUSTOMERS,
                "customer_segment": segments,
            }
        )
        stage(frame, "customer_insights", run_dir)
        push(db, run_dir)
        if rounds % 2:
            rollback(db, run_dir)
        else:
            held = dict(zip(CUSTOMERS, segments, strict=True))
        rounds += 1
    return held, rounds


def _taken_stock(app: ShopApp, played: Played) -> Played:
    [totals] = app.sql(
        "SELECT sum(times_used) + count(*) AS uses, sum(discount_amount) AS savings"
        " FROM discount_analytics"
    )
    [daily] = app.sql("SELECT sum(total_discounts_used) AS uses FROM daily_discount_stats")
    [sold] = app.sql("SELECT sum(units_sold_with_discount) AS units FROM product_performance")
    customers = app.sql("SELECT * FROM customer_insights")
    return played._replace(
        held_uses=totals["uses"],
        held_savings=totals["savings"],
        counted_uses=daily["uses"],
        counted_units=sold["units"],
        held_visits=sum(row["total_discounts_used"] for row in customers),
        pushed={row["customer_id"]: row["customer_segment"] for row in customers},
    )


def require_nothing_lost(played: Played) -> None:
    """Raise an AssertionError unless each use, each visit and each result is there once."""
    assert played.rounds >= 2, played
    assert played.held_uses == played.counted_uses == played.counted_units == played.uses, played
    assert (played.held_savings, played.held_visits) == (played.savings, played.visits), played
    assert played.pushed == played.expected


def main(seconds: float, uses: int) -> None:
    """Play it on an engine of its own, and say what came of it; then count and report uses."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "engine").mkdir()
        with shop_app.running(folder / "engine") as engine:
            played = play(ShopApp(engine), folder / "d1lab", seconds)
            reports = count_and_report(ShopApp(engine), folder / "project", uses)
    require_nothing_lost(played)
    sys.stdout.write(
        f"coexistence: {played.uses:,} uses and {played.visits:,} updates by the app beside "
        f"{played.rounds} rounds of d1lab in {seconds:.0f} s: none lost, doubled or changed\n"
        f"coexistence: {uses + 1:,} uses counted right, before retention and after; "
        f"{len(reports)} reports ran, none failed\n"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60.0, int(given[1]) if given[1:] else 3_000)
