"""Record the Time Travel bookmark before a change that cannot be rolled back row by row.

`<folder>/restore_points.jsonl` has one line per restore point: time, operation, and bookmark.
`wrangler d1 time-travel restore NAME --bookmark=BOOKMARK` undoes everything since.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from d1lab.d1.database import Database

FILE_NAME = "restore_points.jsonl"


def note_restore_point(db: Database, folder: Path, before: str) -> str | None:
    """Record the current bookmark of the database.

    Args:
        db: The database.
        folder: The database's folder.
        before: The operation that follows, such as 'migrate'.

    Returns:
        The bookmark; None if the database has none, and nothing is recorded.
    """
    bookmark = db.bookmark()
    if bookmark is None:
        return None
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": at, "before": before, "url": db.url, "bookmark": bookmark})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE_NAME).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    return bookmark
