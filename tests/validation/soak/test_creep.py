"""Growth from step to step."""

from __future__ import annotations

from datetime import date, timedelta

from validation.soak.creep import SETTLED_DAYS, creep
from validation.soak.step import StepRow


def _rows(*rows_read: int) -> list[StepRow]:
    """Daily steps that differ by their rows read."""
    basics = dict.fromkeys(StepRow._fields, 1) | {"faults": ()}
    days = (str(date(2018, 1, 1) + timedelta(n)) for n in range(len(rows_read)))
    return [
        StepRow(**basics | {"day": day, "rows_read": read})
        for day, read in zip(days, rows_read, strict=True)
    ]


def test_creep_names_what_grows():
    """Constant cost and one expensive day are accepted; growth is not, unless it ends early.

    A table that grows by 165 rows a day and is read whole is found in 60 days.
    """
    steady = [1000] * 60
    assert list(creep(_rows(*steady[:50], 9000, *steady))) == []
    early = [100 * min(n, SETTLED_DAYS) for n in range(61)]
    assert list(creep(_rows(*early))) == []
    growing = [9000 + 165 * n for n in range(61)]
    assert [found.partition(":")[0] for found in creep(_rows(*growing))] == ["rows_read"]
    assert list(creep(_rows(*growing[:50]))) == []
