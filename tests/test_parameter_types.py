"""Types of parameters: strict, also with what pandas and numpy hand over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from d1lab.parameter_types import TYPES, adapter, as_day, from_text


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("integer", np.int64(3), 3),
        ("integer", 2**70, 2**70),
        ("number", 2, 2.0),
        ("number", np.float32(1.5), 1.5),
        ("number", Decimal("0.10"), Decimal("0.10")),
        ("text", "007", "007"),
        ("bool", False, False),
        ("date", pd.Timestamp("2026-05-01"), date(2026, 5, 1)),
        ("date", date(2026, 5, 1), date(2026, 5, 1)),
    ],
)
def test_a_value_of_the_type_is_kept(kind, value, kept):
    """Numbers of numpy become Python's, a decimal keeps its digits, midnight is its day."""
    found = adapter(TYPES[kind]).validate_python(value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", True),
        ("integer", np.bool_(True)),
        ("integer", 3.0),
        ("number", "3"),
        ("number", True),
        ("text", 7),
        ("bool", 1),
        ("date", 86_400),
        ("date", "2026-05-01T00:00:00"),
        ("date", " 2026-05-01"),
        ("date", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("date", pd.NaT),
        ("date", None),
    ],
)
def test_a_value_of_another_type_is_an_error(kind, value):
    """Nothing is guessed: pydantic's own leniency, such as days from seconds, is shut out."""
    with pytest.raises(ValueError, match="validation error"):
        adapter(TYPES[kind]).validate_python(value)


def test_as_day_reads_what_a_lab_is_given():
    """A text, a day, or a moment at midnight."""
    assert {as_day(day) for day in ("2026-05-01", datetime(2026, 5, 1))} == {date(2026, 5, 1)}
    with pytest.raises(ValueError, match="2026-02-30"):
        as_day("2026-02-30")


def test_from_text_reads_numbers_and_leaves_the_rest():
    """What is no number stays a text, which the check then refuses by its type."""
    read = [from_text("integer", "+7"), from_text("number", ".5"), from_text("bool", "true")]
    assert read == [7, Decimal("0.5"), True]
    assert from_text("integer", "1_000") == "1_000"
    assert from_text(None, "7") == "7"
