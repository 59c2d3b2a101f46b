"""Tables of a page: ranges behind their numbers, bars, trends, and anchors."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.display import DataTable
from d1lab.display.table import TableColumn
from d1lab.errors import UnknownName
from d1lab.pages.table_layout import Anchors, layout


def table(**columns):
    kinds = {name: "percent" for name in columns if name.startswith("lift")}
    return DataTable.from_frame(pd.DataFrame(columns), title="T", kinds=kinds)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2], "n"),
        (["916122", "1044078"], "s"),  # SKUs are names, not numbers
        (["< 0.0001", "0.6570", None], "n"),
        (["99.98%", "34.29%"], "n"),
        (["$1,204.50", "−$3.00"], "n"),
        (["2017-12-31", "2018-01-01"], "s"),
        (["A", None], "s"),
        ([None, None], "s"),
        (["Sea salt, 500 grams"], ""),
        (["the stock runs out before a delivery could come"], "l"),
    ],
)
def test_column_is_laid_out_by_what_it_shows(cells, expected):
    """Numbers, also with signs, are right-aligned; short texts never wrap; long ones are wide."""
    table = DataTable.from_frame(pd.DataFrame({"a": cells}), title="T")
    (column,) = layout(table)
    assert column.css == expected


def test_range_stands_behind_its_number():
    """Three columns become one; what is copied still has all three numbers."""
    shown = table(
        test=["A", "B", "C"],
        lift=[0.1234, 0.5, 0.7],
        lift_low=[0.0234, None, None],
        lift_high=[0.3, 0.9, None],
    )
    name, lift = layout(shown)
    assert [lift.cell(row) for row in shown.rows] == [
        "12.3% <span>2.3% to 30.0%</span>",
        "50.0% <span>up to 90.0%</span>",
        "70.0%",
    ]
    assert lift.raw(shown.rows[0]) == ' data-v="0.1234" data-r="0.0234|0.3"'
    assert lift.end_headers == ("Lift low", "Lift high")
    assert name.ends is None


def test_level_of_the_range_is_in_the_header():
    """It is read from the label of an end; values of another kind have no range."""
    labels = {"lift_low": "Low (95%)", "lift_high": "High (95%)"}
    frame = pd.DataFrame({"lift": [1.5], "lift_low": [1.0], "lift_high": [2.0]})
    _, *rest = layout(DataTable.from_frame(frame.assign(n=3), title="T", labels=labels))
    assert rest[-1].column.name == "n"
    (lift, _) = layout(DataTable.from_frame(frame.assign(n=3), title="T", labels=labels))
    assert lift.header == "Lift <span>95% range</span>"
    alone = pd.DataFrame({"name": ["a"], "low": [1.0], "high": [2.0]})
    assert len(layout(DataTable.from_frame(alone, title="T"))) == 3


def test_columns_without_values_are_left_out():
    """But never the first, which names the rows; and an empty table keeps its columns."""
    shown = table(product=[None, None], n=[1, 2], why=["", None])
    assert [each.column.name for each in layout(shown)] == ["product", "n"]


def test_bars_share_one_scale():
    """The largest value has the longest bar; a loss is marked; unknown names are rejected."""
    frame = pd.DataFrame({"name": ["a", "b", "c"], "n": [100.0, -50.0, None]})
    shown = DataTable.from_frame(frame, title="T", bars="n")
    assert DataTable.from_json(shown._repr_mimebundle_()[DataTable.MIME]) == shown
    _, bars = layout(shown)
    whole, half, none = [str(bars.cell(row)) for row in shown.rows]
    assert 'class="bar"' in whole
    assert 'width="48"' in whole
    assert 'class="bar loss"' in half
    assert 'width="24"' in half
    assert "svg" not in none
    with pytest.raises(UnknownName, match="Did you mean 'n'"):
        DataTable.from_frame(frame, title="T", bars="nn")


def test_trend_is_a_line_with_its_numbers():
    """A list per cell is drawn, gaps are left out, and the numbers are copied."""
    frame = pd.DataFrame({"name": ["a", "b"], "weeks": [[1, None, 3], None]})
    shown = DataTable.from_frame(frame, title="T", kinds={"weeks": "trend"})
    assert shown.rows[0][1] == [1, None, 3]
    (_, weeks) = layout(shown)
    assert 'd="M0 11l64-11"' in weeks.cell(shown.rows[0])
    assert 'aria-label="from 1 to 3"' in weeks.cell(shown.rows[0])
    assert weeks.raw(shown.rows[0]) == ' data-v="1 None 3"'
    assert weeks.cell(shown.rows[1]) == "–"
    assert "1 to 3" in shown._text()


def test_hostile_cells_stay_text():
    """Names with markup are escaped in cells and never part of an anchor."""
    text = '<script>"x"</script> (a"b)'
    shown = table(product=[text], n=[1])
    name, _ = layout(shown)
    assert "<script" not in name.cell(shown.rows[0])
    assert Anchors().of(shown.columns[0], text) == "product-a-b"


def test_anchors_name_rows_once():
    """By the key in parentheses; in any script; and not for columns that name no thing."""
    anchors, product = Anchors(), TableColumn("product", "Product")
    assert anchors.of(product, "Hat, blue (HAT-1)") == "product-hat-1"
    assert anchors.of(product, "Other (HAT-1)") == ""
    assert anchors.of(TableColumn("test", "Test"), "Free delivery from $40") == (
        "test-free-delivery-from-40"
    )
    hebrew = anchors.of(product, "כובע")
    assert len(hebrew) == len("product-") + 8
    assert anchors.of(TableColumn("metric", "Metric"), "profit") == ""
