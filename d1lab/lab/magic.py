"""The cell magic %%d1 for SQL. `%%d1 sales` also assigns the result to `sales`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from d1lab.errors import InputError, UnknownName
from d1lab.select_statements import check_select

if TYPE_CHECKING:
    import pandas as pd

    from d1lab.lab.lab import Lab


def register(lab: Lab, shell: Any) -> None:
    """Register `%%d1` in a running IPython.

    The query runs on the only lab of the notebook, or on the variable `lab` if there are several;
    `%%d1 from other` selects another one. `$name` is the value of the notebook's variable `name`.
    """

    def d1(line: str, cell: str) -> pd.DataFrame:
        """Run one SELECT: `%%d1`, `%%d1 RESULT`, `%%d1 from LAB`, or `%%d1 RESULT from LAB`."""
        target, asked = _target(line), _asked(line, shell.user_ns, lab)
        frame = asked.sql(cell, **_variables(cell, shell.user_ns)).df()
        if target:
            shell.user_ns[target] = frame
        return frame

    shell.register_magic_function(d1, "cell", "d1")


_LINE = re.compile(r"\s*(?P<target>(?!from\b)[^\W\d]\w*)?\s*(?:\bfrom\s+(?P<lab>[^\W\d]\w*))?\s*")


def _target(line: str) -> str | None:
    """Return the variable name for the result, if any."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise InputError(
            f"invalid magic %%d1 {line.strip()}. Use %%d1, %%d1 RESULT, or %%d1 RESULT from LAB."
        )
    return match["target"]


def _asked(line: str, namespace: dict[str, Any], opened: Lab) -> Lab:
    """Return the lab of a cell: the named one, the only one, or the variable `lab`."""
    named = (pair for pair in namespace.items() if pair[0][0] != "_")  # without IPython's history
    labs = {name: each for name, each in named if isinstance(each, type(opened))}
    match = _LINE.fullmatch(line)
    if match and match["lab"]:
        if match["lab"] not in labs:
            raise UnknownName("lab", match["lab"], labs, "%%d1")
        return labs[match["lab"]]
    several = {id(each) for each in labs.values()}
    if len(several) > 1 and "lab" not in labs:
        raise InputError(f"%%d1: several labs. Write %%d1 from {' or from '.join(sorted(labs))}.")
    return labs.get("lab") or next(iter(labs.values()), opened)


def _variables(sql: str, namespace: dict[str, Any]) -> dict[str, Any]:
    return {name: namespace[name] for name in check_select(sql) if name in namespace}
