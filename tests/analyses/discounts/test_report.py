"""The headline of the discount report."""

from __future__ import annotations

import pandas as pd

from d1lab.analyses.discounts import report


def test_the_headline_has_amount_uses_and_days():
    shown = pd.DataFrame({"metric": ["uses", "savings"], "value": [1234.0, 567.0]})
    assert report.verdict(shown, 30, "USD")["text"] == (
        "Discounts totaled $567 on 1,234 order lines in the last 30 days."
    )
