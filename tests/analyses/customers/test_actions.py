"""The action of the customer report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.customers.actions import declared


def periods(margin: float | None) -> pd.DataFrame:
    return pd.DataFrame({"length_days": [91], "gross_margin_rate": [margin]})


def study(paces: list[float]) -> Any:
    names = [f"c{place}" for place, _ in enumerate(paces)]
    columns = {"customer_id": names, "rfm_group": "Loyal", "silent_days": 80, "usual_gap_days": 9}
    return SimpleNamespace(overdue=pd.DataFrame(columns).assign(pace=paces))


@pytest.mark.parametrize(("margin", "amount", "of"), [(0.25, 75.0, ""), (None, 300.0, "sales")])
def test_win_back_is_at_most_their_usual_pace_by_the_shops_margin(margin, amount, of):
    [one] = declared(study([3_000.0, 650.0]), periods(margin))
    assert (one["amount"], one["of"], one["at_most"]) == (pytest.approx(amount), of, True)
    assert len(one["items"]) == 2
    assert one["items"]["amount"].sum() == pytest.approx(amount)


def test_no_overdue_customer_is_no_action():
    assert list(declared(study([]), periods(0.3))) == []


def test_a_shop_that_sells_at_a_loss_has_nothing_at_risk():
    [one] = declared(study([3_650.0]), periods(-0.1))
    assert one["amount"] == 0.0
