"""The Time Travel bookmark, noted before something that cannot be taken back row by row.

`<folder>/restore_points.jsonl` has one line for each: when, before what, which bookmark. Go back
with `wrangler d1 time-travel restore NAME --bookmark=BOOKMARK`, which undoes everything since.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from d1lab.d1.database import Database

FILE_NAME = "restore_points.jsonl"


def note_restore_point(db: Database, folder: Path, before: str) -> str | None:
    """Note where the database stands.

    Args:
        db: The database.
        folder: Its folder.
        before: What is about to happen, such as 'migrate'.

    Returns:
        The bookmark; None where the database offers none, and nothing is noted.
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
