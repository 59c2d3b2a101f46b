"""Stage a run's actions for `d1lab_actions`, where they are asked for."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

from d1lab import outbox
from d1lab.display.actions import load_actions
from d1lab.runs.record import RunRecord

ACTIONS_TABLE = "d1lab_actions"


def stage_actions(run_dir: Path, record: RunRecord) -> RunRecord:
    """Stage the actions of a successful run, and return its record with their number.

    Actions that a summary quotes belong to the runs of their reports. A run without a shop or a day
    has none to stage.

    Raises:
        InputError: The run's actions or its outbox cannot be read.
    """
    import pyarrow as pa

    own = [action for action in load_actions(run_dir) if not action.report]
    if not own or record.status != "done" or not (record.shop and record.as_of):
        return record
    rows = [
        {
            "shop": record.shop,
            "report": record.report,
            "action": action.key,
            "made_on": record.as_of,
            "verb": action.verb,
            "sentence": action.sentence,
            "reason": action.reason,
            "amount": _float(action.amount),
            "amount_low": _float(action.low),
            "amount_high": _float(action.high),
            "at_most": int(action.at_most),
            "meaning": action.meaning,
            "period": action.per,
            "currency": action.currency,
            "basis": action.basis,
            "items": len(action.items),
            "link": action.anchor,
        }
        for action in own
    ]
    outbox.stage(pa.Table.from_pylist(rows), ACTIONS_TABLE, run_dir, replace=True)
    staged = record.model_copy(update={"staged": outbox.staged_rows(run_dir)})
    staged.save(run_dir)
    return staged


def _float(amount: float | None) -> float | None:
    return None if amount is None else float(amount)


def unstage_actions(run_dir: Path, record: RunRecord) -> None:
    """Take the staged actions back, as after a dry run; `record` is the one before they were."""
    (run_dir / outbox.OUTBOX / f"{ACTIONS_TABLE}.parquet").unlink(missing_ok=True)
    record.save(run_dir)
