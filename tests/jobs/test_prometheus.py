"""The state of all reports as Prometheus text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from d1lab.d1.database import Usage
from d1lab.jobs.prometheus import metrics_text, write_metrics
from d1lab.jobs.status import DatabaseStatus, ReportStatus

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SAMPLE = re.compile(r'd1lab_[a-z0-9_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+')


def _status(shop: str = "harbor") -> DatabaseStatus:
    reports = (
        ReportStatus("inventory", shop, "failed", "", None, "r1", None, 2.5),
        ReportStatus("customers", shop, "fresh", "", None, "r2", NOW, None),
    )
    return DatabaseStatus("demo", NOW, False, "", reports, Usage(1, 7, 8), Usage(2, 70, 80), 1, 2)


def test_metrics_say_what_the_status_says():
    """Counts by state, failures, times, durations, rows, and cost, each with its labels."""
    lines = metrics_text([_status()], NOW).splitlines()
    labels = 'database="demo",shop="harbor",report='
    for line in (
        'd1lab_reports{database="demo",state="failed"} 1.0',
        f'd1lab_report_failed{{{labels}"inventory"}} 1.0',
        f'd1lab_report_failed{{{labels}"customers"}} 0.0',
        f'd1lab_report_duration_seconds{{{labels}"inventory"}} 2.5',
        f'd1lab_report_success_timestamp_seconds{{{labels}"customers"}} {NOW.timestamp()}',
        'd1lab_d1_rows_read{database="demo",period="day"} 7.0',
        'd1lab_d1_rows_written{database="demo",period="month"} 80.0',
        'd1lab_d1_cost_dollars{database="demo",period="month"} 2',
    ):
        assert line in lines, line
    assert not any("d1lab_d1_daily_limit_share{" in line for line in lines)


def test_the_free_plan_has_a_share_of_its_daily_limit():
    """8 of 100,000 rows written are more than 7 of 5,000,000 read."""
    lines = metrics_text([_status()._replace(plan="free")], NOW).splitlines()
    assert 'd1lab_d1_daily_limit_share{database="demo"} 8e-05' in lines


def test_every_line_is_prometheus_text():
    """This includes shop names with quotes, backslashes, and line breaks."""
    lines = metrics_text([_status('a "b" \\ c\nd')], NOW).splitlines()
    samples = [line for line in lines if not line.startswith("# ")]
    assert len(samples) > 10
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {re.split(r"[{ ]", line)[0] for line in samples} <= named


def test_metrics_file_is_written_whole(settings, tmp_path):
    """It replaces the old file, and no temporary file is left."""
    path = tmp_path / "out" / "d1lab.prom"
    for _ in range(2):
        assert write_metrics(settings, path).read_text().startswith("# HELP d1lab_")
    assert [each.name for each in path.parent.iterdir()] == ["d1lab.prom"]
