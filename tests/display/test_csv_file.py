"""CSV files of large tables: what is written of each cell, and in parts."""

from __future__ import annotations

import csv
import math
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from d1lab.display import csv_file
from d1lab.display.csv_file import csv_content, write_csv
from d1lab.display.table import read_frame
from d1lab.display.values import plain

COLUMNS = {
    "text": (["a", "=1+1", "", "é"], ["a", "'=1+1", "", "é"]),
    "some": (["-x", None, math.nan, "b"], ["'-x", "", "", "b"]),
    "whole": ([1, -2, 0, 3], ["1", "-2", "0", "3"]),
    "real": ([0.1, math.nan, math.inf, -1e-7], ["0.1", "", "inf", "-1e-07"]),
    "flag": ([True, False, None, True], ["True", "False", "", "True"]),
    "mixed": ([1, "+1", Decimal("2.50"), [1, None]], ["1", "'+1", "2.5", "1 None"]),
    "time": ([datetime(2026, 1, 2), pd.NaT, None, pd.NA], ["2026-01-02 00:00:00", "", "", ""]),
}


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_cells_do_not_depend_on_the_parts(monkeypatch, rows):
    """Each column by its types in each part; formulas are escaped, and missing cells empty."""
    monkeypatch.setattr(csv_file, "CHUNK_ROWS", rows)
    cells = zip(*(given for given, _ in COLUMNS.values()), strict=True)
    content = csv_content([*COLUMNS, "=x"][: len(COLUMNS)], cells).decode("utf-8-sig")
    [names, *found] = csv.reader(content.splitlines())
    assert names == [*COLUMNS]
    assert [list(column) for column in zip(*found, strict=True)] == [
        wanted for _, wanted in COLUMNS.values()
    ]


def test_rows_of_a_frame_are_those_of_itertuples():
    """Over several parts, with every kind of column that a metric has."""
    count = csv_file.CHUNK_ROWS + 3
    numbers = np.arange(count)
    frame = pd.DataFrame(
        {
            "id": pd.Series(numbers).map("c{}".format).where(numbers % 7 > 0),
            "n": pd.array(numbers, dtype="Int64"),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(numbers, "h"),
            "group": pd.Categorical.from_codes(numbers % 3 - 1, ["Loyal", "New"]),
            "x": numbers / 3,
        }
    )
    _, total, rows = read_frame(frame)
    wanted = [*frame.itertuples(index=False, name=None)]
    assert total == count
    for row, other in zip(rows, wanted, strict=True):
        assert [*map(plain, row)] == [*map(plain, other)]


def test_a_failed_write_leaves_nothing(tmp_path):
    """Rows can come from anywhere."""

    def rows():
        yield (1,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_csv(tmp_path, "t", ["x"], rows())
    assert list(tmp_path.iterdir()) == []
