"""%%d1: SQL in a cell. `%%d1 sales` also keeps the result as `sales`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from d1lab.errors import InputError
from d1lab.metrics import check_select

if TYPE_CHECKING:
    import pandas as pd

    from d1lab.lab.lab import Lab


def register(lab: Lab) -> bool:
    """Offer `%%d1` on this lab, if IPython is running; the lab opened last answers.

    `$name` in the cell takes the value of the notebook's variable `name`.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return False

    def d1(line: str, cell: str) -> pd.DataFrame:
        """Run one SELECT on the warehouse; `%%d1 name` keeps the frame as `name`."""
        frame = lab.sql(cell, **_variables(cell, shell.user_ns)).df()
        if target := line.strip():
            if not target.isidentifier():
                raise InputError(f"%%d1 {target}: give one name for the result, or none")
            shell.user_ns[target] = frame
        return frame

    shell.register_magic_function(d1, "cell", "d1")
    return True


def _variables(sql: str, namespace: dict[str, Any]) -> dict[str, Any]:
    return {name: namespace[name] for name in check_select(sql) if name in namespace}
