"""A limit on the rows that one piece of work may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from d1lab.d1.database import Meter
from d1lab.errors import BudgetError


class Budget:
    """The rows that may still be read. They are taken before a page, so it is never passed.

    Args:
        meter: Counts what is read, from now on.
        rows: How many may be read; None for any number.
    """

    def __init__(self, meter: Meter, rows: int | None = None) -> None:
        self.rows = rows
        self._meter, self._before = meter, meter.total.rows_read
        self._reserved, self._lock = 0, Lock()

    @property
    def spent(self) -> int:
        """Rows read so far, by whomever."""
        return self._meter.total.rows_read - self._before

    @contextmanager
    def take(self, wanted: int, *, least: int = 1, table: str = "") -> Iterator[int]:
        """Reserve up to `wanted` rows for one statement, and at least `least`.

        Raises:
            BudgetError: Fewer than `least` are left.
        """
        with self._lock:
            left = wanted if self.rows is None else self.rows - self.spent - self._reserved
            granted = min(wanted, left)
            if granted < least:
                raise BudgetError(
                    f"{f'table {table!r}' if table else 'the pull'} needs more rows than "
                    f"--max-rows-read allows: {self.spent:,} of {self.rows:,} were read. "
                    "Allow more, or pull again: pages that D1 has sent are kept and go first."
                )
            self._reserved += granted
        try:
            yield granted
        finally:
            with self._lock:
                self._reserved -= granted
