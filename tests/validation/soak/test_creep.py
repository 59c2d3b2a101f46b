"""Growth from step to step."""

from __future__ import annotations

from validation.soak.creep import creep
from validation.soak.step import StepRow


def _row(**fields) -> StepRow:
    basics = dict.fromkeys(StepRow._fields, 1)
    return StepRow(**basics | {"day": "2018-01-01", "faults": ()} | fields)


def test_creep_names_what_grows():
    """Constant cost and one expensive day are accepted; growth is not."""
    steady = [_row(rows_read=1000 if n != 15 else 9000) for n in range(16)]
    assert list(creep(steady)) == []
    growing = [_row(rows_read=1000 + 100 * n) for n in range(16)]
    assert [found.partition(":")[0] for found in creep(growing)] == ["rows_read"]
    assert list(creep(growing[:15])) == []
