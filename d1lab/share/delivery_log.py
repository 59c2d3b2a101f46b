"""Delivery log (`data/sent.sqlite`) that prevents duplicate notifications."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from d1lab.config import Settings
from d1lab.errors import D1labError, LockedError
from d1lab.files import make_private

FILE_NAME = "sent.sqlite"
WAIT_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
  database TEXT NOT NULL,
  subject TEXT NOT NULL,  -- the ledger's series, or 'data'
  address TEXT NOT NULL,  -- its name, such as 'errors'; never the URL
  state TEXT NOT NULL,    -- JSON object: the last state sent
  known_at TEXT NOT NULL,
  PRIMARY KEY (database, subject, address)
)
"""

State = dict[str, Any]


class Topic(NamedTuple):
    """The subject of messages to one address."""

    database: str
    subject: str
    address: str


class DeliveryLog:
    """The log at `path`. Safe between processes: one of them sends, and the others wait."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self, topic: Topic) -> State | None:
        """Return the last state sent about the topic; None if nothing was sent."""
        if not self.path.is_file():
            return None
        with self._open() as con:
            con.execute(_SCHEMA)
            return _read(con, topic)

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """A connection to the log.

        Raises:
            D1labError: The file cannot be used.
        """
        try:
            with closing(
                sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
            ) as con:
                yield con
        except sqlite3.Error as error:
            raise D1labError(
                f"cannot use the log of messages {self.path}: {error}. If it is damaged, move it "
                "away; everything that is news then is sent again."
            ) from error

    @contextmanager
    def turn(self, topic: Topic) -> Generator[Turn]:
        """Lock a topic while its message is sent; the new state is written if the block succeeds.

        Raises:
            LockedError: Another process has been sending for a minute.
        """
        make_private(self.path.parent)
        with self._open() as con:
            try:
                con.execute(_SCHEMA)
                con.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                raise LockedError(
                    "another process is sending notifications (waited "
                    f"{WAIT_SECONDS:.0f} s). Try again when it finishes."
                ) from None
            turn = Turn(_read(con, topic))
            yield turn
            if turn.kept is not None:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                row = (*topic, json.dumps(turn.kept), now)
                con.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", row)
            con.execute("COMMIT")


class Turn:
    """A topic while its message is sent: the last state sent, and the new one."""

    def __init__(self, state: State | None) -> None:
        self.state = state
        self.kept: State | None = None

    def keep(self, state: State) -> None:
        """Record this state as sent."""
        self.kept = state


def open_delivery_log(settings: Settings) -> DeliveryLog:
    """Open the project's log."""
    return DeliveryLog(settings.data_dir / FILE_NAME)


def _read(con: sqlite3.Connection, topic: Topic) -> State | None:
    row = con.execute(
        "SELECT state FROM sent WHERE database = ? AND subject = ? AND address = ?", topic
    ).fetchone()
    try:
        state: Any = json.loads(row[0]) if row else None
    except (ValueError, TypeError):
        return None  # damaged: the message is sent again
    return cast("State", state) if isinstance(state, dict) else None
