"""Push: write a run's staged results to D1, and restore the previous values.

outbox.py   reads what a run staged, and checks it against the catalog
plan.py     what a push would do (`plan`, the dry run), and whether D1 has what it needs
image.py    the before-image and the marks in the run's folder
moves.py    moves rows forward or back, only while they are still what was seen last
audit.py    one row in D1 for each table of a run
write.py    `push`
restore.py  `rollback`
"""

from __future__ import annotations

from d1lab.push.plan import PushPlan, RowChange, TablePlan, plan
from d1lab.push.push import PushResult, TablePush, push
from d1lab.push.rollback import RollbackResult, TableRollback, rollback

__all__ = [
    "PushPlan",
    "PushResult",
    "RollbackResult",
    "RowChange",
    "TablePlan",
    "TablePush",
    "TableRollback",
    "plan",
    "push",
    "rollback",
]
