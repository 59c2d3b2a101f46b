"""`/health` of `d1lab serve`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from d1lab.pages.page import write_page
from d1lab.share.health import health
from tests.support.sample_run import PULLED, code, write_run

NOW = PULLED + timedelta(hours=2)


@pytest.fixture
def add(tmp_path):
    """Write a run's page."""

    def page(**fields: object) -> None:
        run_dir = write_run(tmp_path, [code("1")], **fields)
        write_page(run_dir, tmp_path / "reports", cache_dir=tmp_path / "cache")

    return page


def test_health_is_that_of_the_worst_report(tmp_path, add):
    """It is empty, ok, stale after 36 hours, or failing."""
    reports = tmp_path / "reports"
    assert health(reports, NOW).status == "empty"
    add(run_id="a")
    found = health(reports, NOW)
    assert (found.status, found.reports, found.failed, found.stale) == ("ok", 1, 0, 0)
    assert found.pulled_at == PULLED.isoformat()
    assert health(reports, PULLED + timedelta(hours=37)).status == "stale"
    add(run_id="b", report="broken", status="failed", error={"message": "no"})
    found = health(reports, PULLED + timedelta(hours=37))
    assert (found.status, found.reports, found.failed) == ("failing", 2, 1)
