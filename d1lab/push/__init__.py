"""Push: write a run's staged results to D1, and restore the previous values.

staged        reads what a run staged, and checks it against the catalog
ownership     which parts of the app's tables are d1lab's to write
plan          what a push would do (`plan`, the dry run), and whether D1 has what it needs
before_image  the before-image and the marks in the run's folder
apply         writes or restores rows, only while they are still what was seen last
audit         one row in D1 for each table of a run
push          `push`
rollback      `rollback`
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
