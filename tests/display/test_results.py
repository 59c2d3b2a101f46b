"""Results of a cell that are not its last line."""

from __future__ import annotations

import ast

from d1lab.display.results import _EveryLine


def rewritten(source: str) -> list[str]:
    tree = _EveryLine().visit(ast.parse(source))
    compile(tree, "<cell>", "exec")
    return [ast.unparse(node) for node in tree.body]


def test_only_calls_before_the_last_line_are_watched():
    """Assignments, names, and the last line are as they were."""
    assert rewritten("a = f(1)\nf(2)\na\nf(3)") == ["a = f(1)", "__d1lab_show__(f(2))", "a", "f(3)"]
    assert rewritten("") == []
    assert rewritten("f(1)") == ["f(1)"]


def test_position_of_an_error_is_kept():
    """A traceback still points to the line."""
    tree = _EveryLine().visit(ast.parse("x = 1\nf(2)\nx"))
    assert tree.body[1].lineno == tree.body[1].value.args[0].lineno == 2
