"""The part of `d1lab doctor` that advises on indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from d1lab.cli.output import echo_err, print_rows
from d1lab.config import Settings
from d1lab.errors import D1Error, InputError

if TYPE_CHECKING:
    from d1lab.d1.analytics import QueryUsage
    from d1lab.d1.database import Database
    from d1lab.ops.advise import Advice


def advice_on(
    settings: Settings, db: Database, database: str | None, queries: Path | None
) -> Advice:
    """Return the advice on a database, with Cloudflare's query insights where a token allows it.

    Raises:
        InputError: The file of statements cannot be read.
    """
    from d1lab.ops.advise import advise

    try:
        text = queries.read_text(encoding="utf-8") if queries else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--queries {queries}: {error}") from None
    return advise(db, settings.folder(database), queries=text, busiest=_busiest(settings, db))


def _busiest(settings: Settings, db: Database) -> list[QueryUsage]:
    from d1lab.d1.analytics import busiest_queries

    if settings.read_token is None or not db.url.startswith("d1:"):
        return []
    try:
        return busiest_queries(db.url, settings.read_token, datetime.now(UTC))
    except (D1Error, InputError) as error:
        echo_err(f"doctor: without Cloudflare's query insights: {error}")
        return []


def print_advice(advice: Advice) -> None:
    """Print the statements as a table, and what could be cheaper."""
    from d1lab.ops.advise import lines

    columns = ("source", "statement", "scanned", "rows", "plan", "runs_a_month")
    rows = [each._replace(scanned=", ".join(each.scanned)) for each in advice.statements]  # type: ignore[arg-type]
    print_rows(columns, rows)
    for line in lines(advice):
        echo_err(f"doctor: {line}")
    if advice.indexes or advice.duplicates:
        echo_err(
            f"doctor: the migrations are in {advice.folder}. Delete those that you do not want, "
            f"then run d1lab migrate --folder {advice.folder}"
        )
