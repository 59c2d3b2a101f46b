"""Growth of cost, disk space, and time per step, beyond the growth of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from statistics import median

from d1lab.analyses.discounts.track_record import SETTLING_DAYS
from validation.soak.step import StepRow

MARGINS = {"rows_read": 1.1, "rows_written": 1.3, "runs_kb": 1.2, "data_mb": 1.3, "pace": 1.3}
"""Maximum ratio of the second half of the settled steps to the first half. A year doubles the
orders, so the warehouse grows, and reading all orders takes longer."""

SETTLED_DAYS = 28 + SETTLING_DAYS
"""Days of growing work: each day makes recommendations, which are scored 28 days later."""

LEAST_STEPS = 16


def creep(rows: Sequence[StepRow]) -> Iterator[str]:
    """Yield the quantities that grew by more than their limit; none for fewer than 16 steps.

    Compares medians, because single steps can coincide with a busy machine or a busy day.
    """
    settled = [row for row in rows if _days(rows[0], row) > SETTLED_DAYS]
    if len(settled) < LEAST_STEPS:
        return
    half = len(settled) // 2
    for name, margin in MARGINS.items():
        values = [float(getattr(row, name)) for row in settled]
        before, after = median(values[:half]), median(values[-half:])
        if after > margin * before:
            yield f"{name}: {before:,.1f} a step grew to {after:,.1f}"


def _days(first: StepRow, row: StepRow) -> int:
    return (date.fromisoformat(row.day) - date.fromisoformat(first.day)).days
