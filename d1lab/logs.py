"""The log of d1lab: one event per line, for `-v` and `--log-format json`.

Every module logs under its own name, so that programs that use d1lab can filter.
"""

from __future__ import annotations

import logging


def log_event(logger: logging.Logger, event: str, **fields: object) -> None:
    """Log that something happened, at level INFO.

    Args:
        logger: The module's own.
        event: The event, such as 'run ended'.
        fields: The event's fields; the text shows those that are not None.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    known = {name: value for name, value in fields.items() if value is not None}
    text = " ".join([event, *(f"{name}={value}" for name, value in known.items())])
    logger.info("%s", text, extra={"event": event, "fields": known})
