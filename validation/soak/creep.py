"""Whether the bill, the disk, and the time of a day grow, beyond what the data grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from validation.soak.step import StepRow

MARGINS = {"rows_read": 1.3, "rows_written": 1.5, "runs_kb": 1.3, "data_mb": 1.5, "pace": 1.3}
"""How much more the last quarter of the steps may take than the second one. By then scores of
recommendations, reruns and the file of the warehouse have settled. A year doubles the orders: what
reads all of them takes longer, and the warehouse holds them."""

LEAST_STEPS = 16


def creep(rows: Sequence[StepRow]) -> Iterator[str]:
    """What grew by more than its margin; nothing of fewer than 16 steps.

    Medians, for one step may meet a busy machine or a busy day.
    """
    if len(rows) < LEAST_STEPS:
        return
    quarter = len(rows) // 4
    for name, margin in MARGINS.items():
        values = [float(getattr(row, name)) for row in rows]
        before, after = median(values[quarter : 2 * quarter]), median(values[-quarter:])
        if after > margin * before:
            yield f"{name}: {before:,.1f} a step grew to {after:,.1f}"
