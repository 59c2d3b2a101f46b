"""Which run's results D1 has: for each table, shop, and report, the last run that wrote there.

A row of `d1lab_results` is written when a push begins and deleted when a rollback begins, each
together with the audit row. A table with a day in its key has one place per day; other
tables have one state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from d1lab import catalog
from d1lab.catalog import RESULTS
from d1lab.d1 import Database, Statement
from d1lab.files import digest
from d1lab.push.before_image import read_mark
from d1lab.push.staged import Origin, Staged

_TAKE = """
INSERT INTO d1lab_results (table_name, shop, report, day, run_id, as_of, digest)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE (SELECT started_at FROM d1lab_pushes
       WHERE run_id = ?5 AND table_name = ?1 AND action = 'push') = ?8
ON CONFLICT (table_name, shop, report, day)
DO UPDATE SET run_id = excluded.run_id, as_of = excluded.as_of, digest = excluded.digest
"""

_GIVE_UP = """
DELETE FROM d1lab_results
WHERE table_name = ?1 AND shop = ?2 AND report = ?3 AND day = ?4 AND run_id = ?5
"""

_HOLDERS = """
SELECT j.key, (
  SELECT json_array(held.run_id, held.as_of, held.digest) FROM d1lab_results AS held
  WHERE held.table_name = json_extract(j.value, '$[0]')
    AND held.shop = json_extract(j.value, '$[1]')
    AND held.report = json_extract(j.value, '$[2]')
    AND held.day = json_extract(j.value, '$[3]'))
FROM json_each(?1) AS j
"""


class Place(NamedTuple):
    """A place in D1 that has the results of one run at a time."""

    table: str
    shop: str
    report: str
    day: str  # YYYY-MM-DD; '' for a table with one state


class Holder(NamedTuple):
    """The run whose results are in a place."""

    run_id: str
    as_of: str | None  # YYYY-MM-DD
    digest: str  # of the staged results: equal digests mean equal results


def place_of(table: str, origin: Origin) -> Place:
    """Return the place of results with this origin in a table."""
    has_day = table in catalog.TABLES and catalog.TABLES[table].has_day
    day = (origin.as_of or "") if has_day else ""
    return Place(table, origin.shop or "", origin.report or "", day)


def take(place: Place, holder: Holder, started_at: str) -> Statement:
    """Build the statement that records the holder, only if its push began at `started_at`."""
    return Statement(_TAKE, (*place, *holder, started_at))


def give_up(place: Place, run_id: str) -> Statement:
    """Build the statement that deletes the holder if it is this run."""
    return Statement(_GIVE_UP, (*place, run_id))


def holders(db: Database, places: Iterable[Place]) -> dict[Place, Holder]:
    """Return the holders of these places, without empty places. Reads two rows per place."""
    asked = list(places)
    rows = db.query(_HOLDERS, (json.dumps(asked),), table=RESULTS).rows
    return {
        asked[int(str(key))]: Holder(*json.loads(str(found)))
        for key, found in rows
        if found is not None
    }


def digest_of(staged: Staged) -> str:
    """Return a digest that is equal for equal results."""
    rows = sorted((key, repr(values)) for key, values in staged.rows.items())
    return digest(json.dumps([staged.columns, rows]))[:16]


def pushed_digests(run_dir: Path) -> dict[str, str]:
    """Return the digests of a run's pushed results, by table, from its marks."""
    marks = {
        path.name.removesuffix(".done.json"): path for path in run_dir.glob("push/*.done.json")
    }
    return {table: str(read_mark(path).get("digest", "")) for table, path in marks.items()}
