"""Advice on indexes: what the app's statements scan, which index would end that, and its price.

Plans are made in an empty copy of the schema, so they cost nothing. An index is proposed as a
migration file, and nothing is changed until `d1lab migrate --folder` applies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.d1 import Database, TableInfo, quote
from d1lab.d1.analytics import INSIGHT_DAYS, QueryUsage
from d1lab.d1.database import Usage
from d1lab.d1.limits import bill, cost
from d1lab.d1.query_plans import QueryPlans
from d1lab.d1.sql_tokens import statements
from d1lab.errors import InputError
from d1lab.files import write
from d1lab.ops.optimize import most_rows

FOLDER = "advice"
"""The folder of the proposed migrations, in the database's folder."""

SCANNED_ROWS = 1_000
"""A table with fewer rows needs no index: reading all of it is cheap."""

MONTH_DAYS = 30
_GUIDE = Path(__file__).parent / "guide_statements.sql"
_SHOWN = 72  # characters of a statement

Source = Literal["guide", "file", "cloudflare"]
Plan = Literal["free", "paid"]


class PlannedStatement(NamedTuple):
    """A statement of an app, and how D1 runs it."""

    source: Source
    statement: str  # shortened
    scanned: tuple[str, ...]  # tables that it reads from end to end
    rows: int | None  # in those tables, at most; None if a count is unknown
    plan: str  # SQLite's, or why there is none
    runs_a_month: int | None  # by Cloudflare; None if unknown


class ProposedIndex(NamedTuple):
    """An index that ends scans, and its price."""

    table: str
    columns: tuple[str, ...]
    file: str  # the migration
    rows_read_once: int
    rows_written_once: int
    dollars_once: float  # beyond the included rows of the paid plan
    written_per_new_row: int
    saved_rows_a_run: int  # at most: the rows that match are still read
    saved_dollars_a_month: float | None  # at most; None if nobody knows how often it runs
    saved_rows_a_month: int | None  # at most
    statements: tuple[str, ...]


class DuplicateIndex(NamedTuple):
    """An index whose columns another one begins with: each new row writes it for nothing."""

    table: str
    name: str
    same_as: str
    file: str  # the migration that drops it


class Advice(NamedTuple):
    """What could be cheaper."""

    statements: tuple[PlannedStatement, ...]
    indexes: tuple[ProposedIndex, ...]
    duplicates: tuple[DuplicateIndex, ...]
    folder: str  # of the migrations
    plan: Plan = "paid"


def advise(
    db: Database,
    folder: Path,
    *,
    queries: str = "",
    busiest: Sequence[QueryUsage] = (),
    plan: Plan = "paid",
) -> Advice:
    """Plan the app's statements, and propose indexes as migration files.

    Reads the schema, the statistics, and two rows of each scanned table.

    Args:
        db: The database; it is not changed.
        folder: The database's folder; earlier proposals there are replaced.
        queries: More statements, separated by semicolons.
        busiest: Statements from Cloudflare's query insights.
        plan: The Cloudflare plan, which sets what an index saves.
    """
    with closing(QueryPlans(db)) as plans:
        work = _Advice(db, plans, db.tables())
        for source, sql, runs in _all(queries, busiest):
            work.add(source, sql, runs)
        found = Advice(
            tuple(work.statements), tuple(work.indexes()), tuple(_duplicates(plans)),
            str(folder / FOLDER), plan,
        )  # fmt: skip
    _write(folder / FOLDER, found)
    return found


def _all(queries: str, busiest: Sequence[QueryUsage]) -> Iterator[tuple[Source, str, int | None]]:
    for sql in statements(_GUIDE.read_text(encoding="utf-8")):
        yield "guide", sql, None
    for sql in statements(queries):
        yield "file", sql, None
    for each in busiest:
        yield "cloudflare", each.sql, each.runs * MONTH_DAYS // INSIGHT_DAYS


class _Advice:
    """The statements so far, and what each table's scans cost."""

    def __init__(self, db: Database, plans: QueryPlans, tables: dict[str, TableInfo]) -> None:
        self._db, self._plans, self._tables = db, plans, tables
        self._counts: dict[str, int | None] = {}
        self._wanted: dict[tuple[str, tuple[str, ...]], list[tuple[str, int | None]]] = {}
        self.statements: list[PlannedStatement] = []

    def add(self, source: Source, sql: str, runs: int | None) -> None:
        """Plan a statement, and look for an index for each large table that it scans."""
        code = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
        text = " ".join(" ".join(code).split())
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        try:
            plan = self._plans.plan(sql)
        except InputError as error:
            said = str(error).partition(", in:")[0]
            if source != "guide":  # an app need not have the guide's tables
                self.statements.append(PlannedStatement(source, shown, (), None, said, runs))
            return
        counts = [self._rows(table) for table in plan.scanned]
        rows = None if None in counts else sum(count or 0 for count in counts)
        steps = "; ".join(plan.steps)
        self.statements.append(PlannedStatement(source, shown, plan.scanned, rows, steps, runs))
        for table, count in zip(plan.scanned, counts, strict=True):
            if (count or 0) > SCANNED_ROWS and (better := self._plans.better(sql, table)):
                self._wanted.setdefault((table, better.columns), []).append((shown, runs))

    def indexes(self) -> Iterator[ProposedIndex]:
        """Yield the indexes that end scans, those that save the most rows a run first."""
        wanted = sorted(self._wanted.items(), key=lambda item: -(self._rows(item[0][0]) or 0))
        for (table, columns), uses in wanted:
            rows = self._rows(table) or 0
            known = [runs for _, runs in uses if runs is not None]
            saved_rows = rows * sum(known) if known else None
            saved = None if saved_rows is None else cost(Usage(0, saved_rows))
            once = Usage(0, 2 * rows, rows + 1)
            yield ProposedIndex(
                table, columns, f"0001_index_{_name(table, *columns)}.sql", once.rows_read,
                once.rows_written, cost(once), 1, rows, saved, saved_rows,
                tuple(shown for shown, _ in uses),
            )  # fmt: skip

    def _rows(self, table: str) -> int | None:
        if table not in self._counts:
            info = self._tables.get(table)
            known = info is not None and info.has_rowid
            self._counts[table] = most_rows(self._db, info) if info and known else None
        return self._counts[table]


def _duplicates(plans: QueryPlans) -> Iterator[DuplicateIndex]:
    for table in plans.tables():
        indexes = plans.indexes(table)
        for name, columns in indexes.items():
            if name.startswith("sqlite_") or plans.is_unique(table, name):
                continue
            others = (o for o in indexes if o != name and indexes[o][: len(columns)] == columns)
            longer = (
                o for o in others if indexes[o] != columns or _goes_first(plans, table, name, o)
            )
            if other := next(longer, None):
                yield DuplicateIndex(table, name, other, f"0001_drop_{_name(name)}.sql")


def _goes_first(plans: QueryPlans, table: str, name: str, other: str) -> bool:
    """Of two indexes on the same columns, a key's stays, then the one whose name comes first."""
    return plans.is_unique(table, other) or other < name


def _write(folder: Path, found: Advice) -> None:
    """Write the migrations, and remove those of earlier advice."""
    texts = {each.file: _create(each, found.plan) for each in found.indexes}
    texts |= {each.file: _drop(each) for each in found.duplicates}
    for path in folder.glob("*.sql"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        write(folder / name, text)


def _create(index: ProposedIndex, plan: Plan) -> str:
    used = "".join(f"--   {each}\n" for each in index.statements)
    name = quote(f"idx_{_name(index.table, *index.columns)}")
    columns = ", ".join(map(quote, index.columns))
    return (
        f"-- For statements that scan {index.table}:\n{used}"
        f"-- Price: {index.rows_read_once:,} rows read and {index.rows_written_once:,} written "
        f"once, and 1 written for each new row.\n"
        f"-- Saves: {_saved(index, plan)}.\n"
        f"CREATE INDEX IF NOT EXISTS {name} ON {quote(index.table)} ({columns});\n"
    )


def _saved(index: ProposedIndex, plan: Plan) -> str:
    """What an index saves: rows a run, and what they cost a month, or of a day's limit."""
    saved = f"up to {index.saved_rows_a_run:,} rows read a run"
    if index.saved_rows_a_month is None:
        return saved
    if plan == "free":
        return f"{saved}, {bill(Usage(0, index.saved_rows_a_month // MONTH_DAYS), plan)}"
    return f"{saved}, {bill(Usage(0, index.saved_rows_a_month), plan)} a month"


def _drop(index: DuplicateIndex) -> str:
    return (
        f"-- {index.same_as} begins with the same columns. This saves 1 row written for each new "
        f"row of {index.table}.\nDROP INDEX IF EXISTS {quote(index.name)};\n"
    )


def _name(*parts: str) -> str:
    return re.sub(r"\W+", "_", "_".join(parts)).lower()


def lines(found: Advice) -> Iterable[str]:
    """Return the advice as sentences."""
    for each in found.indexes:
        yield (
            f"index on {each.table} ({', '.join(each.columns)}): saves {_saved(each, found.plan)}. "
            f"It costs "
            f"{each.rows_read_once:,} rows read and {each.rows_written_once:,} written once, and 1 "
            f"written per new row: {each.file}"
        )
    for each in found.duplicates:
        yield (
            f"index {each.name} of {each.table}: {each.same_as} begins with the same columns. "
            f"Dropping it saves 1 written row per new row: {each.file}"
        )
