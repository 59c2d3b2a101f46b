"""The plan of a pull: the range of rows to read of each table, fixed before the first batch.

D1 has no snapshot across batches. So the highest rowid is read first, and a sweep ends
there: rows inserted meanwhile are left for the next pull.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import Budget, Database, Statement, TableInfo, quote
from d1lab.d1.schema import foreign, schema_statements
from d1lab.errors import BudgetError, DroppedTablesError, UnknownName
from d1lab.pull.batch import Layout
from d1lab.pull.bounds import Bounds, ends_of, ends_of_log, last_changes, read_bounds
from d1lab.pull.convert import convert
from d1lab.pull.fields import ROWID, fields_of, signature
from d1lab.pull.own_changes import OwnChanges
from d1lab.pull.restored import went_back
from d1lab.pull.rhythm import Rhythm
from d1lab.pull.tail import before_tail, is_cut_off
from d1lab.pull.touched import touched_since
from d1lab.warehouse import APPS, TableRecord

BOOKKEEPING = (
    catalog.CHANGES,
    catalog.PUSHES,
    catalog.RESULTS,
    catalog.ORDERS,
    catalog.CAMPAIGNS,
    catalog.COUNTED,
    *catalog.OF_WORKERS,
    catalog.FORGOTTEN,
)
"""d1lab's own tables in D1, which are not pulled."""


CHANGE_COSTS_ROWS = 3  # read in the log, looked up, and found; a full sweep costs one per row


class Draft(NamedTuple):
    """The plan for a table before its bounds are read from D1."""

    name: str  # in the warehouse
    table: TableInfo | None  # None: D1 does not have this declared table
    layout: Layout
    kept_upto: int | None  # rows up to here are kept; None: read the whole table
    is_new_only: bool = False  # updates and deletions are left for another pull
    touched_index: str | None = None  # this index covers the rows updated


class Sweep(NamedTuple):
    """What to read of one table."""

    name: str  # in the warehouse
    table: TableInfo | None  # None: D1 does not have this declared table
    layout: Layout
    whole: bool  # rebuild the warehouse table; otherwise keep its rows up to `after`
    after: int  # rowids from here (exclusive) ...
    bounds: Bounds  # ... to the highest; both unused for a table without rowids
    expected_rows: int
    changes_seen: int | None  # read the change log from here ...
    changes_upto: int | None  # ... to here; None: the table has no log
    is_new_only: bool = False  # updates and deletions are left for another pull
    touched_index: str | None = None  # this index covers the rows updated ...
    touched_since: str = ""  # ... since then, as D1 writes it

    @property
    def columns(self) -> str:
        """The columns as a text; a table whose columns change is reread."""
        return signature(self.layout.fields)


class PullPlan(NamedTuple):
    """What a pull reads, and which tables it drops."""

    sweeps: list[Sweep]
    gone: list[str]  # warehouse tables that D1 no longer has
    log: TableInfo | None  # the change log
    apps: dict[str, TableInfo]  # the app's own tables, by their names in the warehouse
    found: list[TableInfo]  # all tables of D1


class Planner:
    """Plans what to read.

    Args:
        db: The database.
        con: The current warehouse; None if there is none.
        known: Its records of its tables.
        bookmark: The database's state; None if unknown.
        full: Whether to read every table in full.
        budget: The limit on rows read.
        rhythm: When to reread rows that may have been updated.
        written: d1lab's own writes since the last pull.
        accept_dropped: Whether tables that had rows may be missing from D1.
    """

    def __init__(
        self,
        db: Database,
        con: duckdb.DuckDBPyConnection | None,
        known: Mapping[str, TableRecord],
        *,
        bookmark: str | None,
        full: bool,
        budget: Budget,
        rhythm: Rhythm,
        written: OwnChanges,
        accept_dropped: bool = False,
    ) -> None:
        self._db, self._con, self._known = db, con, known
        self._accept_dropped = accept_dropped
        self._bookmark, self._budget = bookmark, budget
        self._rhythm, self._written = rhythm, written
        self.went_back = went_back((record.bookmark for record in known.values()), bookmark)
        """Whether D1 was restored to an earlier state: then every table is read in full."""
        self._full = full or self.went_back
        self._is_replaced = False  # D1 was restored to another time, or is another database

    def plan(self, only: Sequence[str] | None = None) -> PullPlan:
        """Plan what to read of the tables in `only`, or of all tables.

        Raises:
            UnknownName: There is no such table.
            DroppedTablesError: A table that had rows is missing from D1.
            BudgetError: The tables to reread in full have more rows than the budget allows.
        """
        found = self._db.tables()
        log = found.get(catalog.CHANGES)
        tables = _by_warehouse_name(found)
        self._require_kept(tables, only)
        gone = [] if only is not None else [name for name in self._known if name not in tables]
        drafts = self._drafts(tables, only)
        bounds = read_bounds(self._db, self._budget, _ends(drafts, log))
        logged = bounds.get(catalog.CHANGES)
        sweeps = [self._sweep(draft, bounds.get(draft.name, Bounds()), logged) for draft in drafts]
        if self._is_replaced and not self._rhythm.is_forced:
            self._rhythm = self._rhythm._replace(is_forced=True)
            return self.plan(only)  # of all tables: others may have changed, too
        self._require_affordable(sweeps)
        apps = {n: table for n, table in tables.items() if table and n not in catalog.TABLES}
        return PullPlan(sweeps, gone, log, apps, list(found.values()))

    def foresee(
        self, only: Sequence[str] | None, found: Mapping[str, TableInfo]
    ) -> list[Statement]:
        """Return what `plan` asks first if D1 has these tables."""
        drafts = self._drafts(_by_warehouse_name(found), only)
        ends = _ends(drafts, found.get(catalog.CHANGES))
        touched = [
            touched_since(draft.table, str(catalog.TABLES[draft.name].touched), draft.touched_index,
                          self._known[draft.name].touched_since or "")
            for draft in drafts
            if draft.touched_index and draft.table
        ]  # fmt: skip
        return [*schema_statements(found), *ends.values(), *touched, *self._logged(drafts, found)]

    def _logged(
        self, drafts: Sequence[Draft], found: Mapping[str, TableInfo]
    ) -> Iterator[Statement]:
        """Yield what asks for the changes since the last pull, if they are few."""
        log = found.get(catalog.CHANGES)
        for draft in drafts:
            if log and _is_logged(draft) and draft.kept_upto is not None:
                yield last_changes(log, self._known[draft.name].changes_seq or 0)

    def _drafts(
        self, tables: Mapping[str, TableInfo | None], only: Sequence[str] | None
    ) -> list[Draft]:
        stale = {n: tables[n] for n in _choose(tables, only) if not self._is_current(n, tables[n])}
        asked = [self._draft(name, table) for name, table in stale.items()]
        return [draft for draft in asked if draft is not None]

    def _require_kept(
        self, tables: Mapping[str, TableInfo | None], only: Sequence[str] | None
    ) -> None:
        """Reject a list without tables that had rows: it can be from another database."""
        asked = self._known if only is None else [name for name in only if name in self._known]
        missing = {name: self._known[name].rows for name in asked if tables.get(name) is None}
        held = {name: rows for name, rows in missing.items() if rows}
        if held and not self._accept_dropped:
            raise DroppedTablesError(held)

    def _is_current(self, name: str, table: TableInfo | None) -> bool:
        known = self._known.get(name)
        if self._full or known is None or self._bookmark is None:
            return False
        if name in self._written.unknown or name in self._written.created:
            return False
        fields = fields_of(table, catalog.TABLES.get(name))
        proven = self._written.followed(known.bookmark, alone=True)
        return proven == self._bookmark and known.columns == signature(fields)

    def _draft(self, name: str, table: TableInfo | None) -> Draft | None:
        """Return what to read of a table; None for nothing in this pull."""
        declared, known = catalog.TABLES.get(name), self._known.get(name)
        layout = Layout(fields_of(table, declared), _key(table, declared))
        if known is None or self._full or known.columns != signature(layout.fields):
            return Draft(name, table, layout, None)
        can_go_on = table is not None and table.has_rowid
        is_created = name in self._written.created
        is_unknown = name in self._written.unknown
        if can_go_on and not is_unknown and self._rhythm.trusts_index(known):
            return Draft(name, table, layout, known.high_rowid, True, known.touched_index)
        if self._is_due(declared, known) or (is_created and not can_go_on):
            kept = self._kept_upto(declared, known) if declared and can_go_on else None
            return Draft(name, table, layout, kept)
        if can_go_on and (is_created or (declared and declared.reread_days)):
            return Draft(name, table, layout, known.high_rowid, is_new_only=True)
        return None

    def _is_due(self, declared: catalog.Table | None, known: TableRecord) -> bool:
        """Whether this pull checks for updates and deletions."""
        if declared is not None and declared.reread_days == 0:
            return True  # the change log has them
        if known.table_name in self._written.unknown or not known.rows:
            return True
        explained = self._written.followed(known.explained, alone=False)
        return self._rhythm.is_due(known, explained, self._bookmark)

    def _kept_upto(self, declared: catalog.Table, known: TableRecord) -> int | None:
        """Return the rowid up to which rows are kept; None: read the whole table."""
        if declared.reread_days == 0:
            return known.high_rowid
        is_ours = declared.added_on or declared.owned("analysis")
        if is_ours and known.table_name in self._written.unknown:
            return None  # a rollback, for example, can be of results of any day
        days = self._rhythm.tail_days(known) if declared.added_on else declared.reread_days
        assert self._con is not None  # the table is in there
        return None if days is None else before_tail(self._con, declared, days)

    def _sweep(self, draft: Draft, bounds: Bounds, log: Bounds | None) -> Sweep:
        name, table, layout, kept, is_new_only, index = draft
        known = self._known.get(name)
        if not _is_logged(draft):
            log = None
        seen = (known.changes_seq or 0) if known else 0
        if kept is not None and known is not None:
            is_changed = log is not None and _must_reread(log, seen, known.rows)
            is_same = self._is_same(draft, bounds) and not (log and log.high < seen)
            # rows are missing at the end, and no deletion is in the log: it was restored, too
            is_cut = bool(log and log.high == seen and bounds.high < (known.high_rowid or 0))
            self._is_replaced = self._is_replaced or is_cut
            self._is_replaced = self._is_replaced or not is_same
            kept = kept if is_same and not is_changed and not is_cut_off(known, bounds) else None
        rows = bounds.high - (bounds.low - 1 if kept is None else kept)
        return Sweep(
            name=name,
            table=table,
            layout=layout,
            whole=kept is None,
            after=bounds.low - 1 if kept is None else kept,
            bounds=bounds,
            expected_rows=min(rows, known.rows or rows) if known and kept is None else max(rows, 0),
            changes_seen=(log.high if kept is None else seen) if log else None,
            changes_upto=log.high if log else None,
            is_new_only=is_new_only and kept is not None,
            touched_index=index if kept is not None else None,
            touched_since=(known.touched_since or "") if known else "",
        )

    def _is_same(self, draft: Draft, bounds: Bounds) -> bool:
        """Whether the last kept row is unchanged: D1 may have been restored or replaced.

        A missing row proves nothing.
        """
        if not bounds.kept_key:
            return True
        assert self._con is not None  # kept rows come from there
        kinds = {field.source: field for field in draft.layout.read}
        fields = [kinds[column] for column in draft.layout.key]
        names = ", ".join(quote(field.name) for field in fields)
        known = self._con.execute(
            f"SELECT {names} FROM raw.{quote(draft.name)} WHERE {ROWID} = ?",
            [draft.kept_upto],
        ).fetchall()
        values = zip(bounds.kept_key, fields, strict=True)
        found = tuple(convert([value], field.kind).array[0].as_py() for value, field in values)
        return not known or known[0] == found

    def _require_affordable(self, sweeps: Sequence[Sweep]) -> None:
        """Fail early if the tables to reread, whose sizes are known, exceed the budget."""
        rows = sum(s.expected_rows for s in sweeps if s.whole and s.name in self._known)
        if self._budget.rows is not None and self._budget.spent + rows > self._budget.rows:
            raise BudgetError(
                f"this pull has to reread about {rows:,} rows, more than "
                f"--max-rows-read allows ({self._budget.rows:,}). Raise the limit or "
                "pull fewer tables."
            )


def _ends(drafts: Sequence[Draft], log: TableInfo | None) -> dict[str, Statement]:
    """Return the questions for the ends of tables with rowids, and of the log if it is read."""
    asked = {
        draft.name: ends_of(draft.table, draft.layout.key, draft.kept_upto)
        for draft in drafts
        if draft.table and draft.table.has_rowid
    }
    if log and any(map(_is_logged, drafts)):
        asked[log.name] = ends_of_log(log)
    return asked


def _is_logged(draft: Draft) -> bool:
    """Whether a table uses the change log: others are reread often enough without it."""
    declared = catalog.TABLES.get(draft.name)
    return draft.table is not None and declared is not None and declared.reread_days == 0


def _must_reread(log: Bounds, seen: int, rows: int) -> bool:
    """Whether the change log is incomplete, or costs more to read than a full sweep."""
    is_cut = log.low > seen + 1 or log.high < seen
    return is_cut or (log.high - seen) * CHANGE_COSTS_ROWS > rows


def _by_warehouse_name(found: Mapping[str, TableInfo]) -> dict[str, TableInfo | None]:
    """Return D1's tables, and the declared ones that are missing in D1."""
    named = catalog.by_declared_name(found)
    others = foreign(named)
    theirs = {
        f"{APPS}{name}" if name in others else name: table
        for name, table in named.items()
        if name not in BOOKKEEPING
    }
    return dict.fromkeys(catalog.TABLES) | theirs


def _choose(tables: Mapping[str, TableInfo | None], only: Sequence[str] | None) -> Sequence[str]:
    if only is None:
        return list(tables)
    for name in only:
        if name not in tables:
            raise UnknownName("table", name, tables, "pull")
    return list(dict.fromkeys(only))


def _key(table: TableInfo | None, declared: catalog.Table | None) -> tuple[str, ...]:
    """Return the columns that identify a row, by their D1 names; empty for the rowid."""
    names = {column.name.lower(): column.name for column in table.columns} if table else {}
    if declared and all(column in names for column in declared.key):
        return tuple(names[column] for column in declared.key)
    return table.primary_key if table else ()
