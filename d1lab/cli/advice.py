"""The part of `d1lab doctor` that advises on indexes."""

from __future__ import annotations

from collections.abc import Sequence
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
    from d1lab.ops.advise_database import Fact


def advice_on(
    settings: Settings, db: Database, database: str | None, queries: Path | None
) -> tuple[Advice, list[Fact]]:
    """Return the advice on a database, and facts about it, both with what Cloudflare tells.

    Raises:
        InputError: The file of statements cannot be read.
    """
    from d1lab.ops.advise import advise
    from d1lab.ops.advise_database import database_facts

    folder, plan = settings.folder(database), settings.resolve(database)[1].plan
    try:
        text = queries.read_text(encoding="utf-8") if queries else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--queries {queries}: {error}") from None
    busiest = _busiest(settings, db)
    found = advise(db, folder, queries=text, busiest=busiest, plan=plan)
    return found, database_facts(db, folder, plan, datetime.now(UTC))


def _busiest(settings: Settings, db: Database) -> list[QueryUsage]:
    from d1lab.d1.analytics import busiest_queries

    if settings.read_token is None or not db.url.startswith("d1:"):
        return []
    try:
        return busiest_queries(db.url, settings.read_token, datetime.now(UTC))
    except (D1Error, InputError) as error:
        echo_err(f"doctor: without Cloudflare's query insights: {error}")
        return []


def print_advice(advice: Advice, facts: Sequence[Fact]) -> None:
    """Print the statements and the facts as tables, and what could be cheaper."""
    from d1lab.ops.advise import lines

    columns = ("source", "statement", "scanned", "rows", "plan", "runs_a_month")
    rows = [each._replace(scanned=", ".join(each.scanned)) for each in advice.statements]  # type: ignore[arg-type]
    print_rows(columns, rows)
    print_rows(("about", "found", "todo"), facts)
    for line in lines(advice):
        echo_err(f"doctor: {line}")
    if advice.indexes or advice.duplicates:
        echo_err(
            f"doctor: the migrations are in {advice.folder}. Delete those that you do not want, "
            f"then run d1lab migrate --folder {advice.folder}"
        )
