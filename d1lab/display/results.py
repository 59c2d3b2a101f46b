"""Show every result of a cell: IPython shows only the value of its last line.

A line that calls a function and gives one of d1lab's display objects, or a chart, is shown where it
stands. All other values are left alone, so a cell shows no more than it did before. As an IPython
extension (`--ext d1lab.display.results`), it works from the first cell on.
"""

from __future__ import annotations

import ast
from typing import Any

from d1lab.display.ab_test_list import AbTestList
from d1lab.display.actions import Actions
from d1lab.display.figures import Figures
from d1lab.display.table import DataTable
from d1lab.display.words import Note, Verdict

_NAME = "__d1lab_show__"
_RESULTS = (AbTestList, Actions, DataTable, Figures, Note, Verdict)


class _EveryLine(ast.NodeTransformer):
    """Passes the value of each line but the last to `_show`."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Change the statements of a cell."""
        node.body = [*map(_shown, node.body[:-1]), *node.body[-1:]]
        return node


def _shown(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = ast.Call(ast.Name(_NAME, ast.Load()), [statement.value], [])
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), statement))
    return statement


def _show(value: object) -> None:
    """Display a result of d1lab, or a chart."""
    if isinstance(value, _RESULTS) or type(value).__module__.startswith("altair."):
        from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

        display(value)


def load_ipython_extension(shell: Any) -> None:
    """Show every result of this shell's cells; a second call changes nothing."""
    if _NAME in shell.user_ns_hidden:
        return
    shell.user_ns[_NAME] = shell.user_ns_hidden[_NAME] = _show
    shell.ast_transformers.append(_EveryLine())
