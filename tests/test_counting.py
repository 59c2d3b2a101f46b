"""Counts agree with their nouns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import d1lab
from d1lab.counting import counted

COMMANDS = Path(d1lab.__file__).parent / "cli"


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (1, ("price",), "1 price"),
        (0, ("price",), "0 prices"),
        (2_000, ("new unit cost",), "2,000 new unit costs"),
        (1, ("query", "queries"), "1 query"),
        (3, ("query", "queries"), "3 queries"),
        (1.0, ("unit",), "1 unit"),
        (1234.4, ("unit",), "1,234 units"),
    ],
)
def test_counted(number, words, expected):
    """One is singular, everything else is plural, thousands have commas."""
    assert counted(number, *words) == expected


def test_commands_leave_the_plural_to_counted():
    """No command writes "{n:,} prices": for one, that is wrong."""
    plural = re.compile(r"\{(?:len\([^{}]*\)|[^{}]*:,)\} [a-z]+s\b")
    found = {p.name: plural.findall(p.read_text(encoding="utf-8")) for p in COMMANDS.glob("*.py")}
    assert len(found) > 10
    assert {name: places for name, places in found.items() if places} == {}
