"""The header of a metric: assertions and values of a check, beside notes and labels."""

from __future__ import annotations

import pytest

from d1lab.errors import InputError
from d1lab.metric_header import parse_header

SQL = """\
-- sold: units sold
-- unit: units      grain: sku      reads: order_lines
-- $kind: type of the lines
-- units: Units, integer
-- assert: units >= 0
-- assert: unique sku
-- check: kind=order since=2026-01-01
--
-- assert: a remark
SELECT 1
"""


def test_header_has_assertions_and_values_of_a_check():
    """An empty comment line ends the header, also for them."""
    header = parse_header(SQL)
    assert header.assertions == ["units >= 0", "unique sku"]
    assert header.checked_with == {"kind": "order", "since": "2026-01-01"}
    assert header.labels == {"units": "Units, integer"}
    assert header.notes == {"kind": "type of the lines"}


def test_a_check_line_without_values_is_rejected():
    """`check: order` would silently check nothing."""
    with pytest.raises(InputError, match=r"'order' is invalid\. Use"):
        parse_header(SQL.replace("kind=order", "order"))
