"""Commands that make reports and write results back: run, push, rollback, lab."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    print_json,
    print_rows,
    progress_bars,
    say,
)
from d1lab.config import TOKEN_VARIABLES, load_settings
from d1lab.errors import InputError


def assignments(pairs: list[str]) -> dict[str, str]:
    """`name=value` pairs as a mapping.

    Raises:
        InputError: One has no '='.
    """
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set {pair!r}: expected name=value")
        given[name] = value
    return given
