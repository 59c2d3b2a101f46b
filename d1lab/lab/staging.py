"""Staging methods of a lab, and its notes of what a run reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from d1lab import outbox
from d1lab.config_sections import PushTable
from d1lab.display.labels import selected
from d1lab.lab.push_tables import push_table


class StagingMixin:
    """Staging methods of a Lab; files are in the folder of the run."""

    folder: Path
    _con: duckdb.DuckDBPyConnection
    _given_run_dir: Path | None
    _push_tables: Mapping[str, PushTable]
    _days: Mapping[str, tuple[date, date]]

    @cached_property
    def run_dir(self) -> Path:
        """Folder of the run; an interactive lab creates one at the first use."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        return self._given_run_dir or self.folder / "runs" / f"{stamp}-interactive"

    def stage(self, frame: Any, *, table: str, columns: str | Sequence[str] | None = None) -> int:
        """Stage results for a D1 table in the run's outbox; nothing is written to D1.

        In a run, rows staged twice for the same key must be equal. Interactively, the later row
        replaces the earlier one, so that a cell can be run again.

        Args:
            frame: Key columns of the table and d1lab-owned columns.
            table: Name of the D1 table: one of d1lab's, or one in `[push.tables]`.
            columns: Names of the columns to stage, as a list or separated by spaces; None for all.

        Returns:
            Number of rows staged.

        Raises:
            UnknownName: The table or a column does not exist, or is not one to write to.
            InputError: A key or a value is missing or invalid.
        """
        interactive = self._given_run_dir is None
        chosen = selected(frame, columns)
        declared = push_table(self._con, table, self._push_tables)
        return outbox.stage(chosen, declared, self.run_dir, replace=interactive)

    def keep(self, records: object, name: str) -> Path:
        """Save records with the run as <name>.json, such as the inputs of a decision.

        After the run, `d1lab.outbox.read_kept` reads them, compressed or not.

        Raises:
            InputError: The name is not a valid file name for a run.
        """
        return outbox.keep(records, name, self.run_dir)

    def _note(self, metric: str | None, reads: Any, params: Mapping[str, object]) -> None:
        """Record the data read by a run, for the data sources on its page."""
        if self._given_run_dir is None:
            return
        record: dict[str, Any] = {"metric": metric, "reads": sorted(reads), "params": dict(params)}
        if {"until", *outbox.SEVERAL_DAYS} & {*params} and (
            shop := str(params.get("shop", ""))
        ) in self._days:
            record["since"] = self._days[shop][0]
        outbox.note_read(self._given_run_dir, record)
