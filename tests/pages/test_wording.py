"""Text of pages: periods."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from d1lab.pages.wording import period
from d1lab.runs.record import RunRecord

SAMPLE = RunRecord(
    run_id="r", report="a", title="A", shop="s", status="done", started_at=datetime.now(UTC)
)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"days": 30}, "Dec 2 to Dec 31, 2017 (30 days)"),
        ({"days": 364}, "Jan 2 to Dec 31, 2017 (364 days)"),
        ({"days": 1}, "Dec 31, 2017 (1 day)"),
        ({"weeks": 13}, ""),
    ],
)
def test_the_dates_of_a_period_are_named(parameters, told):
    """Its first and last day, both included; a report without a period has none."""
    run = SAMPLE.model_copy(update={"as_of": date(2017, 12, 31), "parameters": parameters})
    assert period(run) == told
