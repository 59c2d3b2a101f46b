"""Which values match which type, independent of the values around them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.pull.convert import Unconverted, convert
from tests.support.examples import examples

CASES = {
    "integer": {
        0: 0,
        -(2**63): -(2**63),
        2**63 - 1: 2**63 - 1,
        3.0: 3,
        "42": 42,
        "-7": -7,
        1.5: None,
        9.3e18: None,
        float("inf"): None,
        "9" * 19: None,
        "1.0": None,
        "": None,
        "x": None,
        b"1": None,
    },
    "real": {
        1: 1.0,
        0.1 + 0.2: 0.1 + 0.2,
        float("-inf"): float("-inf"),
        2**53 + 1: float(2**53),
        "1e3": 1000.0,
        ".5": 0.5,
        "abc": None,
        "nan": None,
        "1_0": None,
        b"": None,
    },
    "money": {
        1: 1.0,
        12.34: 12.34,
        "12.340": 12.34,
        999_999_999_999: 999_999_999_999.0,
        -(10**12): None,
        1e12: None,
        float("inf"): None,
        "123456789012.123456": None,
        "1e400": None,
        "12,34": None,
        b"1": None,
    },
    "text": {
        "": "",
        "naïve 価格 🛒\x00": "naïve 価格 🛒\x00",
        2**53 + 1: "9007199254740993",
        2.5: "2.5",
        b"x": None,
        "\ud800": None,
    },
    "json": {"{broken": "{broken", 5: "5", b"{}": None},
    "blob": {b"\x00": b"\x00", "é": b"\xc3\xa9", 1: None, 0.5: None},
    "timestamp": {
        "2026-01-02": datetime(2026, 1, 2),
        "2026-01-02 03:04:05": datetime(2026, 1, 2, 3, 4, 5),
        "2026-01-02T03:04": datetime(2026, 1, 2, 3, 4),
        "2026-01-02T03:04:05.678901Z": datetime(2026, 1, 2, 3, 4, 5, 678901),
        "2026-01-02T00:30:00+01:00": datetime(2026, 1, 1, 23, 30),
        "2026-01-01T23:30:00-0100": datetime(2026, 1, 2, 0, 30),
        "2024-02-29": datetime(2024, 2, 29),
        "2026-02-29": None,
        "2026-13-01": None,
        "0000-00-00": None,
        "0000-01-01": None,
        "2026-01-02 24:00:00": None,
        "02/01/2026": None,
        "20260102": None,
        "yesterday": None,
        "": None,
        1_700_000_000: None,
        2460000.5: None,
        b"2026-01-02": None,
    },
    "date": {
        "2026-01-02": date(2026, 1, 2),
        "2026-01-02 23:59:59": date(2026, 1, 2),
        "2026-01-02T00:30:00+01:00": date(2026, 1, 1),
        "1969-12-31 23:59:59": date(1969, 12, 31),
        "2026-02-30": None,
        20260102: None,
        b"2026-01-02": None,
    },
}


@pytest.mark.parametrize("kind", CASES)
def test_each_value_alone(kind):
    """A value is converted exactly, or becomes NULL and is reported with a reason."""
    for value, wanted in CASES[kind].items():
        array, unconverted = convert([value], kind)
        assert array.to_pylist() == [wanted], value
        assert [(m.row, m.value) for m in unconverted] == ([(0, value)] if wanted is None else [])
        assert all(m.reason for m in unconverted)


@pytest.mark.parametrize("kind", CASES)
def test_all_values_together(kind):
    """The conversion of a value does not depend on the values around it."""
    values = [None, *CASES[kind], None]
    wanted = [None, *CASES[kind].values(), None]
    array, unconverted = convert(values, kind)
    assert array.to_pylist() == wanted
    assert sorted(m.row for m in unconverted) == [
        row for row, value in enumerate(values) if value is not None and wanted[row] is None
    ]


@pytest.mark.parametrize("kind", CASES)
def test_no_rows_and_null(kind):
    """An empty batch and rows of NULL have the type of the column."""
    none, _ = convert([], kind)
    nulls, unconverted = convert([None, None], kind)
    assert none.type == nulls.type == convert(list(CASES[kind]), kind).array.type
    assert (nulls.null_count, unconverted) == (2, [])


_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.text(max_size=6),
    st.sampled_from([value for cases in CASES.values() for value in cases]),
    st.datetimes().map(str),
    st.dates().map(str),
)


@settings(max_examples=examples(300))
@given(values=st.lists(_VALUES, max_size=12), kind=st.sampled_from(sorted(CASES)))
def test_a_batch_is_converted_value_by_value(values, kind):
    """Converting a batch gives the same as converting its values one by one."""
    array, unconverted = convert(values, kind)
    alone = [convert([value], kind) for value in values]
    assert array.to_pylist() == [single.array[0].as_py() for single in alone]
    assert sorted(unconverted, key=lambda value: value.row) == [
        Unconverted(row, *single.unconverted[0][1:])
        for row, single in enumerate(alone)
        if single.unconverted
    ]
