"""Growth of cost, disk space, and time per step, beyond the growth of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from validation.soak.step import StepRow

MARGINS = {"rows_read": 1.3, "rows_written": 1.5, "runs_kb": 1.3, "data_mb": 1.5, "pace": 1.3}
"""Maximum ratio of the last quarter of the steps to the second one. By then, scores of
recommendations, reruns, and the warehouse file have settled. A year doubles the orders, so the
warehouse grows, and reading all orders takes longer."""

LEAST_STEPS = 16


def creep(rows: Sequence[StepRow]) -> Iterator[str]:
    """Yield the quantities that grew by more than their limit; none for fewer than 16 steps.

    Compares medians, because single steps can coincide with a busy machine or a busy day.
    """
    if len(rows) < LEAST_STEPS:
        return
    quarter = len(rows) // 4
    for name, margin in MARGINS.items():
        values = [float(getattr(row, name)) for row in rows]
        before, after = median(values[quarter : 2 * quarter]), median(values[-quarter:])
        if after > margin * before:
            yield f"{name}: {before:,.1f} a step grew to {after:,.1f}"
