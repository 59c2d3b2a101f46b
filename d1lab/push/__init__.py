"""Push: write a run's staged results to D1, and restore the previous values.

staged        reads a run's staged results, and checks them against the catalog
ownership     which parts of the app's tables d1lab owns and can write
plan          the changes of a push (`plan`, the dry run), and the schema check before it
before_image  the before-image and the completion marks in the run's folder
apply         writes or restores rows that have not changed since they were last read
audit         one row in D1 per table of a run
holders       which run's results D1 currently has, per table, shop, and report
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
