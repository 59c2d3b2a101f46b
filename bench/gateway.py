"""Gateway: a first pull through the Worker, compared with the local engine's REST API.

The same million order events as in `pull`, from one database of the real engine. Rounds alternate;
the median counts.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.comparison import Comparison, Target
from bench.pull import ROWS, fill
from d1lab.d1 import open_database
from d1lab.pull import pull
from tests.support import workerd
from tests.support.worker_database import READER, WorkerDatabase

ROUNDS = 3


def run() -> list[Comparison]:
    """Measure both, alternately."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "engine").mkdir()
        with workerd.running(home / "engine") as engine:
            worker = WorkerDatabase(engine)
            with closing(open_database(worker.url)) as db:
                fill(db, ROWS)
            rest, gateway = compared(worker, home, ROUNDS)
    return [
        Comparison(
            "A first pull through the gateway",
            f"{ROWS:,} rows from the real D1 engine. REST: the API of `wrangler dev`. Gateway: the "
            "Worker, with signatures and sessions, on the same engine. There are no replicas here.",
            ("contender", "time / REST", "rows per second"),
            [
                ("REST", "1.00", f"{ROWS / rest:,.0f}"),
                ("gateway", f"{gateway / rest:.2f}", f"{ROWS / gateway:,.0f}"),
            ],
            [Target("time of the gateway vs. REST", gateway / rest, 1.0)],
        )
    ]


def compared(worker: WorkerDatabase, home: Path, rounds: int) -> tuple[float, float]:
    """Return the median seconds of first pulls: over REST, and through the gateway."""
    took: dict[str, list[float]] = {worker.url: [], worker.gateway: []}
    for number in range(rounds):
        for url, seconds in took.items():
            folder = home / f"{number}-{len(url)}"
            with closing(open_database(url, read_token=READER)) as db:
                start = perf_counter()
                pull(db, folder, database="bench")
                seconds.append(perf_counter() - start)
    rest, gateway = (median(seconds) for seconds in took.values())
    return rest, gateway
