"""Columns: what aligns, what is wrapped."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from d1lab.display import DataTable
from d1lab.pages.wording import layout, period
from d1lab.runs.record import RunRecord

SAMPLE = RunRecord(
    run_id="r", report="a", title="A", shop="s", status="done", started_at=datetime.now(UTC)
)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2], "n"),
        (["916122", "1044078"], "s"),  # SKUs are names, not numbers
        (["< 0.0001", "0.6570", None], "n"),
        (["99.98%", "34.29%"], "n"),
        (["$1,204.50", "−$3.00"], "n"),
        (["2017-12-31", "2018-01-01"], "s"),
        (["A", None], "s"),
        ([None, None], "s"),
        (["Sea salt, 500 grams"], ""),
        (["the stock runs out before a delivery could come"], "l"),
    ],
)
def test_column_is_laid_out_by_what_it_shows(cells, expected):
    """Numbers, also with signs, are right-aligned; short texts never wrap; long ones are wide."""
    table = DataTable.from_frame(pd.DataFrame({"a": cells}), title="T")
    assert layout(table) == [expected]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"days": 30}, "2 Dec to 31 Dec 2017 (30 days)"),
        ({"days": 364}, "2 Jan to 31 Dec 2017 (364 days)"),
        ({"days": 1}, "31 Dec 2017 (1 day)"),
        ({"weeks": 13}, ""),
    ],
)
def test_the_dates_of_a_period_are_named(parameters, told):
    """Its first and last day, both included; a report without a period has none."""
    run = SAMPLE.model_copy(update={"as_of": date(2017, 12, 31), "parameters": parameters})
    assert period(run) == told
