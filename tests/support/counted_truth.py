"""Uses of discounts with a truth of their own, and what pages tell of them.

The test counts some; `make coexistence` counts 3,000 on the real engine and runs every report.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d1lab.analyses.discounts import app_counters
from d1lab.config import load_settings
from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.ingest.aggregate import aggregate
from d1lab.jobs.run import run_reports
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support.shop_app import ShopApp, Use

AT_ONCE = 250  # uses in one request to the app


def truth(count: int) -> list[Use]:
    """Uses of the day, by three discounts on four SKUs; one more pair is used once."""
    day = datetime.now(UTC).strftime("%Y-%m-%dT10:00:00Z")
    uses = [
        Use("harbor", f"d{number % 3}", f"S{number % 4}", 1 + number % 5 / 4, day)
        for number in range(count)
    ]
    return [*uses, Use("harbor", "once", "S9", 3.5, day)]


def require_truth(db: Database, folder: Path, uses: list[Use]) -> None:
    """Raise an AssertionError unless uses, savings, and units are those that were tracked."""
    pull(db, folder, database="app", counters="always")
    with open_warehouse(folder) as con:
        lab = Lab(con, database="app", folder=folder, shop="harbor")
        until = lab.as_of()
        used = lab.metric("counted_discounts", until=until).set_index("discount_id")
        assert used["times_used"].to_dict() == Counter(use.discount_id for use in uses)
        assert used["savings"].sum() == pytest.approx(sum(use.amount for use in uses))
        assert used["revenue_before"].isna().all()
        sold = lab.metric("counted_products").set_index("sku")
        assert sold["units_with"].to_dict() == Counter(use.sku for use in uses)
        assert app_counters.lead(lab, until, 30)
        _, verdict, *_ = app_counters.discounts(lab, until, 30)
        assert verdict.text == f"The app counted {len(uses):,} discount uses in 30 days."
        assert app_counters.disagreement(lab, until, 30) == ""


def count_and_report(app: ShopApp, root: Path, count: int) -> list[str]:
    """Track uses, and run every report on them, before the app's retention and after.

    Args:
        app: An app with empty tables.
        root: The folder of d1lab's project.
        count: Number of uses.

    Returns:
        The reports that ran, with their status.
    """
    uses = truth(count)
    for start in range(0, len(uses), AT_ONCE):
        app.track(*uses[start : start + AT_ONCE])
    app.settle()
    settings = load_settings(root=root, databases={"app": {"url": app.url}})
    with closing(open_database(app.url)) as db:
        migrate(db)
        aggregate(db, settings.folder("app"), database="app")
        told = []
        for _ in range(2):
            require_truth(db, settings.folder("app"), uses)
            done = run_reports(settings, database="app", force=True)
            assert all(each.exit_code == 0 for each in done), done
            told += [f"{each.job.task}: {each.status}" for each in done]
            page = settings.reports_dir / "app" / "harbor" / "discounts" / "latest.html"
            assert f"The app counted {len(uses):,} discount uses" in page.read_text()
            app.archive(before="2999-01-01")
    return told
