"""A part of an order at the end of a file: whole with the other file, and told without it."""

from __future__ import annotations

import pytest

from tests.support.exports import FIRST, MORE, load, sums, write_export

PAIRS = ["order_id=o", "sku=s", "quantity=q", "list_price=p", "occurred_at=t"]
WHOLE = FIRST | {"Subtotal": "20.00"}
OTHER = FIRST | {"Name": "#2", "Id": "502"}


@pytest.fixture
def parts(tmp_path):
    """Two files of one export, apart and with names that say nothing; #1 is in both."""
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    return (
        write_export(tmp_path / "x" / "monday.csv", OTHER, WHOLE),
        write_export(tmp_path / "y" / "again.csv", MORE, FIRST | {"Name": "#3", "Id": "503"}),
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_parts_that_are_passed_together_are_whole(db, parts, order):
    """Whatever their names, and whichever comes first."""
    result = load(db, [parts[place] for place in order])
    assert (result.orders, result.rejected, result.shortened) == (3, (), {})
    assert sums(db) == (3, 4, 40)


def test_lone_part_of_shopify_is_rejected_with_the_cause(db, parts):
    """The first half is less than its Subtotal; the second has no field of the order."""
    (first,), (second,) = (load(db, part).rejected for part in parts)
    assert first.reason.endswith("goes on in another file, pass the export's files in one command")
    assert second.reason.startswith("the order begins in another file of the export")
    assert sums(db) == (2, 2, 20)


def test_lines_beyond_the_subtotal_are_not_missing_elsewhere(db, tmp_path):
    """Too much is no part; neither is an order in the middle of the file."""
    much = FIRST | {"Subtotal": "5.00"}
    (line,) = load(db, write_export(tmp_path / "a.csv", OTHER, much)).rejected
    assert line.reason.endswith("this is not the Subtotal, 5.00")
    (line,) = load(db, write_export(tmp_path / "b.csv", WHOLE, OTHER)).rejected
    assert line.reason.endswith("this is not the Subtotal, 20.00")


def test_order_at_an_end_that_lost_lines_is_told(db, tmp_path):
    """Other exports show no part: in the middle of a file it was edited, at its end who knows."""
    at = "2026-05-01 10:00:00"
    first, second = tmp_path / "m.csv", tmp_path / "a.csv"
    first.write_text(f"o,s,q,p,t\n0,A,1,5,{at}\n1,A,1,5,{at}\n2,B,1,5,{at}\n")
    second.write_text(f"o,s,q,p,t\n2,C,1,5,{at}\n3,B,1,5,{at}\n")
    assert load(db, [first, second], PAIRS).shortened == {}
    assert load(db, first, PAIRS).shortened == {"2": 1}
    first.write_text(f"o,s,q,p,t\n0,A,1,5,{at}\n1,A,1,5,{at}\n1,B,1,5,{at}\n2,B,1,5,{at}\n")
    load(db, first, PAIRS)
    first.write_text(f"o,s,q,p,t\n0,A,1,5,{at}\n1,A,1,5,{at}\n2,B,1,5,{at}\n")
    result = load(db, first, PAIRS)
    assert (result.removed, result.shortened) == (1, {})
