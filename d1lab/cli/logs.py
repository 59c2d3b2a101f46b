"""The log on standard error: off by default, a line per event with `-v`, as text or as JSON."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal

import orjson

LogFormat = Literal["text", "json"]


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one JSON line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", record.getMessage()),
            **getattr(record, "fields", {}),
        }
        return orjson.dumps(line, default=str).decode()


def set_up(*, verbose: bool, log_format: LogFormat) -> None:
    """Send d1lab's log to standard error; without an option, Python shows warnings only.

    Args:
        verbose: Log every event, not only warnings.
        log_format: Text for people or JSON for programs; JSON logs every event.
    """
    logger = logging.getLogger("d1lab")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    if not verbose and log_format == "text":
        return
    handler, text = _StandardError(), logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonLines() if log_format == "json" else text)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
