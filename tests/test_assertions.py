"""Assertions: what breaks them is told with a count and the first row."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.assertions import broken_by, parse_assertion
from d1lab.errors import InputError

ROWS = pd.DataFrame(
    {
        "sku": ["a", "b", "a", "c"],
        "day": pd.to_datetime(["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"]),
        "revenue": [1.0, -2.0, 3.0, None],
    }
)


def said(text: str, **params: object) -> str:
    [*found] = broken_by(ROWS, [parse_assertion(text)], params, ("sku",))
    return "".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "revenue >= -2",  # a missing value passes, as in a CHECK of SQL
        "unique sku, day",
        "UNIQUE day",
        "day BETWEEN DATE '2026-05-01' AND $until::DATE",
        "sum(revenue) OVER () = 2",
        "revenue > -9 -- a remark",
    ],
)
def test_an_assertion_that_holds(text):
    """Conditions, ranges, keys, parameters, and sums over all rows."""
    params = {"until": "2026-05-04"} if "$until" in text else {}
    assert said(text, **params) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("revenue >= 0", "is false for 1 of 4 rows, first for sku=b, revenue=-2.0"),
        ("unique sku", "is false for 2 of 4 rows, first for sku=a"),
        ("day < $until::DATE", "for 1 of 4 rows, first for sku=c, day=2026-05-04"),
        ("sum(revenue) OVER () > 2", "is false for 4 of 4 rows"),
        ("revenu >= 0", 'cannot be evaluated: Binder Error: Referenced column "revenu" not found'),
    ],
)
def test_an_assertion_that_breaks_names_the_first_row(text, told):
    """The sentence has the assertion, how many rows break it, and where to look."""
    params = {"until": "2026-05-04"} if "$until" in text else {}
    found = said(text, **params)
    assert found.startswith(f"the assertion {text!r} ")
    assert told in found
    assert "\n" not in found


@pytest.mark.parametrize("text", ["", "revenue >", "1) FROM x; --", "DROP TABLE x", "unique"])
def test_text_that_is_no_condition_is_rejected(text):
    """It is found when the metric is loaded, not when it is checked."""
    with pytest.raises(InputError, match="assertion"):
        parse_assertion(text)
