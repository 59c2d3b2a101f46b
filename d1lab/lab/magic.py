"""The cell magic %%d1 for SQL.

    %%d1                          show the first thousand rows
    %%d1 sales                    also assign all rows to `sales`, as a pandas frame
    %%d1 sales --lazy             assign the query itself, for later cells to build on
    %%d1 sales --limit 1000       at most 1,000 rows
    %%d1 --save weekly_sales      also write the SQL as a metric
    %%d1 sales from other         ask the lab in the variable `other`
    %%d1 -h                       show these lines

`$name` is the value of the notebook's variable `name`. Frames and relations of earlier cells are
tables. A cell is one SELECT, or PIVOT.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab.display.words import Note
from d1lab.errors import InputError, UnknownName
from d1lab.lab.metric_file import save_metric
from d1lab.select_statements import check_select

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab


class CellOptions(NamedTuple):
    """What the first line of a cell asks for."""

    target: str = ""  # variable for the result; '' for none
    lab: str = ""  # variable of the lab; '' for the only one
    limit: int | None = None  # rows at most
    save: str = ""  # name of the metric to write; '' for none
    is_lazy: bool = False  # assign the relation
    is_help: bool = False


def register(lab: Lab, shell: Any) -> None:
    """Register `%%d1` in a running IPython.

    The query runs on the only lab of the notebook, or on the variable `lab` if there are several;
    `%%d1 from other` selects another one.
    """

    def d1(line: str, cell: str) -> Any:
        return run_cell(options(line), cell, shell.user_ns, lab)

    d1.__doc__ = __doc__
    shell.register_magic_function(d1, "cell", "d1")


def run_cell(asked: CellOptions, sql: str, namespace: dict[str, Any], opened: Lab) -> Any:
    """Run the SQL of a cell, and return what the cell shows.

    Args:
        asked: The options of its first line.
        sql: The rest of the cell.
        namespace: The notebook's variables; the result is added to them.
        opened: The lab that was opened last.
    """
    if asked.is_help:
        return Note.of(__doc__ or "")
    lab = _lab(asked.lab, namespace, opened)
    variables = {name: namespace[name] for name in check_select(sql) if name in namespace}
    relation = lab.query(sql, variables, namespace)
    if asked.limit is not None:
        relation = relation.limit(asked.limit)
    if asked.save:
        save_metric(lab, asked.save, sql, namespace)
    if not asked.target:
        return relation
    result = relation if asked.is_lazy else relation.df()
    namespace[asked.target] = result
    return result


def options(line: str) -> CellOptions:
    """Parse the first line of a cell.

    Raises:
        InputError: A word or a number is not one of the options.

    >>> options("sales from other --limit 10").limit
    10
    """
    found: dict[str, Any] = {}
    words = iter(line.split())
    for word in words:
        if word in ("-h", "--help", "?"):
            found["is_help"] = True
        elif word == "--lazy":
            found["is_lazy"] = True
        elif word in ("from", "--limit", "--save"):
            value = next(words, "")
            found["lab" if word == "from" else word.lstrip("-")] = _value(word, value, line)
        elif word.isidentifier() and "target" not in found:
            found["target"] = word
        else:
            raise _invalid(line)
    return CellOptions(**found)


def _value(word: str, value: str, line: str) -> str | int:
    if word == "--limit":
        if not re.fullmatch(r"[0-9]+", value):
            raise InputError(f"%%d1 --limit {value}: a number of rows is expected, such as 1000.")
        return int(value)
    if not value.isidentifier():
        raise _invalid(line)
    return value


def _invalid(line: str) -> InputError:
    return InputError(
        f"invalid magic %%d1 {line.strip()}. Use %%d1 [RESULT] [from LAB] [--limit ROWS] [--lazy] "
        "[--save METRIC]; %%d1 -h explains them."
    )


def _lab(name: str, namespace: dict[str, Any], opened: Lab) -> Lab:
    """Return the lab of a cell: the named one, the only one, or the variable `lab`."""
    named = (pair for pair in namespace.items() if pair[0][0] != "_")  # without IPython's history
    labs = {name: each for name, each in named if isinstance(each, type(opened))}
    if name:
        if name not in labs:
            raise UnknownName("lab", name, labs, "%%d1")
        return labs[name]
    several = {id(each) for each in labs.values()}
    if len(several) > 1 and "lab" not in labs:
        raise InputError(f"%%d1: several labs. Write %%d1 from {' or from '.join(sorted(labs))}.")
    return labs.get("lab") or next(iter(labs.values()), opened)
