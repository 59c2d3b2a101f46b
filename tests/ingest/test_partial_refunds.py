"""The part of a refund that was for goods."""

from __future__ import annotations

import pytest

from d1lab.ingest.partial_refunds import Charges, due


@pytest.mark.parametrize(
    ("charges", "lines", "goods"),
    [
        # one of three units with 8% on top
        (Charges(1080, 3000, 3000, 3240, 240, 0, 0), [(3000, 3)], 1000),
        # prices hold their tax
        (Charges(1000, 3000, 3000, 3500, 479, 500, 0), [(3000, 3)], 1000),
        # tax on the shipping, too
        (Charges(1080, 2000, 2000, 2700, 200, 500, 0), [(1000, 1), (1000, 1)], 1000),
        # a part of what was charged: goods, tax and duties
        (Charges(5000, 10000, 10000, 12000, 1000, 0, 1000), [(10000, 1)], 4167),
        # a tip of 20 in the total
        (Charges(600, 10000, 10000, 12000, 0, 0, 0), [(10000, 1)], 500),
        # more than the goods
        (Charges(2500, 1000, 1000, 3000, 0, 2000, 0), [(1000, 1)], 833),
        # the export says no total
        (Charges(400, 1000, None, None, 0, 0, 0), [(1000, 1)], 400),
        # meters are not counted
        (Charges(300, 1000, 1000, 1000, 0, 0, 0), [(1000, 2.5)], 300),
    ],
)
def test_goods_of_a_refund(charges, lines, goods):
    """It is that of some units with their tax, or else the goods' share of the total."""
    assert due(charges, lines) == goods


def test_many_lines_use_the_share():
    """Of a hundred lines, some add up to any amount, so the share is used."""
    lines = [(1000 + line, 5) for line in range(100)]
    total = sum(net for net, _ in lines)
    assert due(Charges(777, total, total, 2 * total, 0, total, 0), lines) == 388
