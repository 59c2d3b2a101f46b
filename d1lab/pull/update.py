"""One update of the warehouse: plan what to read, build the new file, and swap it in."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from d1lab import catalog, warehouse
from d1lab.d1.ahead import Ahead
from d1lab.d1.database import Budget, Database, TableInfo
from d1lab.d1.declarations import read_declarations
from d1lab.d1.gateway import GatewayDatabase
from d1lab.d1.rest import RestDatabase
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import UnpagedTableError
from d1lab.pull.ahead import Noting, recall, remember
from d1lab.pull.content import note_history
from d1lab.pull.fields import app_columns
from d1lab.pull.gone import keep_gone, let_go, told_missing
from d1lab.pull.http_source import RemoteSource, changed_rowids, changed_rows
from d1lab.pull.load import LoadedRows, LoadedState, Loader, create_missing
from d1lab.pull.old_warehouse import OldWarehouse
from d1lab.pull.own_changes import OwnChanges
from d1lab.pull.plan import Planner, PullPlan, Sweep
from d1lab.pull.restored import NOTE
from d1lab.pull.result import Progress, PullResult, TablePull
from d1lab.pull.rhythm import Rhythm
from d1lab.pull.served import record_served
from d1lab.pull.sqlite_source import FileSource
from d1lab.pull.touched import Proof, index_on, touched_rowids
from d1lab.warehouse import PullRecord, Records, TableRecord, Zones, own_writes, utc_now


class Update:
    """One update of a warehouse: `plan`, then `build`.

    Args:
        db: The database to read.
        folder: The folder of the warehouse.
        database: The name of the database, for the record.
        now: When the pull began, UTC.
        bookmark: The database's state before any row was read; None if unknown.
        rhythm: When to reread rows that may have been updated.
        full: Whether to read every table in full.
        budget: The limit on rows read.
        progress: As for `pull`.
    """

    def __init__(
        self,
        db: Database,
        folder: Path,
        database: str,
        *,
        now: datetime,
        bookmark: str | None,
        rhythm: Rhythm,
        full: bool,
        budget: Budget,
        progress: Progress | None,
    ) -> None:
        self._db, self._folder, self._database = db, folder, database
        self._now, self._bookmark, self._rhythm = now, bookmark, rhythm
        self._full, self._budget, self._progress = full, budget, progress
        self._reader: Database = db
        if isinstance(db, RestDatabase) and budget.rows is None:  # a budget is spent as it is asked
            self._reader = Ahead(db)
        if isinstance(db, SqliteDatabase):
            self._source = FileSource(db, bookmark, budget)
        else:
            self._source = RemoteSource(self._reader, folder, bookmark, budget)
        self._pulled: dict[str, TablePull] = {}
        self._marks: list[str | None] = []
        self._note = ""
        self._notes: list[str] = []
        self._distrusted: set[str] = set()  # tables whose index missed a change

    def plan(
        self, old: OldWarehouse, only: Sequence[str] | None, *, accept_dropped: bool
    ) -> PullPlan:
        """Plan what to read, from the warehouse as it is and from D1's schema and bounds."""
        self._known, self._is_new = old.known, old.con is None
        self._own = OwnChanges(own_writes(self._folder, self._db.url), old.known.tables)
        planner = Planner(
            self._reader,
            old.con,
            old.known.tables,
            bookmark=self._bookmark,
            full=self._full,
            budget=self._budget,
            rhythm=self._rhythm,
            written=self._own,
            accept_dropped=accept_dropped,
        )
        if isinstance(self._reader, Ahead) and old.con:
            self._reader.foresee(planner.foresee(only, recall(old.con)))
        plan = planner.plan(only)
        self._foresee_rows(plan)
        self._note = NOTE if planner.went_back else old.note
        return plan

    def build(
        self, plan: PullPlan, zones: Zones | None, *, is_complete: bool, compact: bool
    ) -> PullResult:
        """Read the rows, and replace the warehouse.

        Args:
            plan: What `plan` has returned.
            zones: The shops' time zones; None for those of the last pull.
            is_complete: Whether the plan is for all tables.
            compact: As for `pull`.
        """
        archive = warehouse.archive_of(self._folder)
        compact = compact or bool(archive.deleting)
        sweeps = {sweep.name: sweep for sweep in plan.sweeps}
        with warehouse.next_warehouse(self._folder, fresh=self._is_new, compact=compact) as con:
            con.begin()  # one commit, not one per statement
            warehouse.prepare_days(con, zones, self._now)
            self._own.note_created(con)
            self._bring_up(con, plan, self._known)
            self._own.apply(con, sweeps, self._bookmark)
            create_missing(con)
            archive = keep_gone(con, self._folder, archive, self._known.tables, self._notes)
            missing = warehouse.list_archive(con, self._folder, archive)
            to_come = warehouse.set_aside(con, self._now)
            con.commit()
            let_go(con)
            remember(con, plan.found)
            warehouse.create_views(con)
            note_history(con, archive)
            self._show_apps(con, plan.apps)
            if is_complete or self._known.pull is None:
                self._record(con, is_complete=is_complete)
        self._notes += map(told_missing, missing)
        self._source.forget()
        self._own.forget({name for name, sweep in sweeps.items() if not sweep.is_new_only})
        return self._result(to_come)

    def _foresee_rows(self, plan: PullPlan) -> None:
        """Ask for the new rows of all tables, and for the app's declarations, in one batch."""
        if isinstance(self._reader, Ahead) and isinstance(self._source, RemoteSource):
            noting = Noting(self._reader)
            self._source.foresee(noting, plan)
            noting.note(lambda: read_declarations(noting, {t.name for t in plan.apps.values()}))
            self._reader.foresee(noting.noted)

    def _show_apps(self, con: duckdb.DuckDBPyConnection, apps: dict[str, TableInfo]) -> None:
        """Create views of the app's tables and views under their own names."""
        said = read_declarations(self._reader, {table.name for table in apps.values()})
        failed = warehouse.show_app_tables(con, app_columns(apps, said), said.views, said.collated)
        self._notes += [
            f"view {name!r} of the app is not in the warehouse: {why}"
            for name, why in failed.items()
        ]

    def _bring_up(self, con: duckdb.DuckDBPyConnection, plan: PullPlan, known: Records) -> None:
        for name in plan.gone:
            warehouse.drop_table(con, name)
        records = []
        for sweep in plan.sweeps:
            spent = self._rows_read(sweep, plan)
            loader = Loader(con, sweep, self._now, self._progress)
            known_table = known.tables.get(sweep.name)
            proof = _proof(con, sweep, known_table)
            try:
                loaded, state = self._load(loader, sweep, plan)
            except UnpagedTableError as error:
                self._notes.append(str(error))
                warehouse.drop_table(con, sweep.name)
                continue
            read = self._rows_read(sweep, plan) - spent
            index = self._index(sweep, known_table, proof)
            record = loader.record(known_table, rows_read=read, state=state, touched_index=index)
            records.append(record)
            self._marks.append(state.bookmark)
            self._pulled[sweep.name] = TablePull(loaded.rows, read, loaded.quarantined, sweep.whole)
        warehouse.record_tables(con, records)

    def _load(self, loader: Loader, sweep: Sweep, plan: PullPlan) -> tuple[LoadedRows, LoadedState]:
        """Return the counts of rows loaded, and the state of the database that they reflect."""
        if sweep.table is None:
            loader.prepare()
            return LoadedRows(), LoadedState(self._bookmark)
        read = self._source.read(sweep.table, sweep)
        loader.prepare()
        loaded = loader.load(read.batches)
        if plan.log and sweep.changes_upto is not None and read.changes_seen is not None:
            packed, budget = self._source.packed, self._budget
            rowids = changed_rowids(
                self._reader, plan.log, sweep, read.changes_seen, packed=packed, budget=budget
            )
            if not read.is_resumed:  # rows above it were read after the log's end
                rowids = [rowid for rowid in rowids if rowid <= sweep.after]
            if rowids:
                rows = changed_rows(self._reader, sweep, rowids, packed=packed, budget=budget)
                loaded += loader.replace(rowids, rows)
        if sweep.touched_index:
            loaded += self._load_touched(loader, sweep, sweep.table)
        if not sweep.whole or read.is_resumed or read.is_unbounded:
            loader.drop_gone(keeps_keys=sweep.whole and not read.is_resumed)
        return loaded, LoadedState(read.bookmark, read.is_mixed)

    def _load_touched(self, loader: Loader, sweep: Sweep, table: TableInfo) -> LoadedRows:
        """Return the rowids that changed according to the app's own index."""
        column, index = str(catalog.TABLES[sweep.name].touched), str(sweep.touched_index)
        since, budget = sweep.touched_since, self._budget
        rowids = touched_rowids(self._reader, table, column, index, since, budget)
        if rowids is None:
            self._distrusted.add(sweep.name)
            return LoadedRows()
        kept = [rowid for rowid in rowids if rowid <= sweep.after]
        packed, budget = self._source.packed, self._budget
        rows = changed_rows(self._reader, sweep, kept, packed=packed, budget=budget)
        return loader.replace(kept, rows) if kept else LoadedRows()

    def _index(self, sweep: Sweep, known: TableRecord | None, proof: Proof | None) -> str | None:
        """Return the index to read changes by from now on, if it proved complete."""
        if not sweep.whole:
            return None if sweep.name in self._distrusted else sweep.touched_index
        declared = catalog.TABLES.get(sweep.name)
        if proof is None or known is None or sweep.table is None or declared is None:
            return None
        column, since = str(declared.touched), str(known.touched_since)
        if not proof.is_complete(column, since, sweep.bounds.low):
            return None
        return index_on(self._db, sweep.table, column)

    def _rows_read(self, sweep: Sweep, plan: PullPlan) -> int:
        """Rows read so far of a table and of the change log."""
        usage = self._db.meter.by_table
        names = {table.name for table in (sweep.table, plan.log) if table}
        return sum(usage[name].rows_read for name in names if name in usage)

    def _record(self, con: duckdb.DuckDBPyConnection, *, is_complete: bool) -> None:
        marks = {*self._marks, self._bookmark}
        record = PullRecord(
            database=self._database,
            url=self._db.url,
            bookmark=self._bookmark if is_complete and len(marks) == 1 else None,
            started_at=self._now,
            finished_at=utc_now(),
            rows_pulled=sum(table.rows_pulled for table in self._pulled.values()),
            rows_read=self._budget.spent,
            shape=warehouse.shape(),
        )
        warehouse.record_pull(con, record)
        if isinstance(self._db, GatewayDatabase):
            record_served(con, self._db)

    def _result(self, to_come: int) -> PullResult:
        return PullResult(
            rows_pulled=sum(table.rows_pulled for table in self._pulled.values()),
            rows_read=self._budget.spent,
            quarantined=sum(table.quarantined for table in self._pulled.values()),
            by_table=self._pulled,
            note=self._note,
            notes=tuple(self._notes),
            to_come=to_come,
        )


def _proof(con: duckdb.DuckDBPyConnection, sweep: Sweep, known: TableRecord | None) -> Proof | None:
    """Save a table before a full reread, if an index might cover its updates."""
    declared = catalog.TABLES.get(sweep.name)
    if not (sweep.whole and declared and declared.touched and known and known.touched_since):
        return None
    analysis = declared.owned("analysis")
    fields = [field.name for field in sweep.layout.fields if field.name not in analysis]
    return Proof(con, sweep.name, fields) if known.columns == sweep.columns else None
