"""The action of the customer report."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.customers.actions import declared
from d1lab.display.actions import Action
from tests.analyses.customers.test_voucher_outcome import outcome, row


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


def ended(*values: list[float], **fields: Any) -> Any:
    sent, held_out = values
    return outcome([row(1, True, sent, **fields), row(1, False, held_out)])


def test_a_voucher_that_pays_is_sent_to_the_overdue():
    """Profit of one voucher to each of two customers, of 60 days: half of it in 30 days."""
    test = ended([5.0, 7.0] * 20, [1.0, 2.0] * 20)
    [one] = declared(study([3_000.0, 650.0]), periods(0.3), [test])
    assert (one["verb"], one["basis"], one["amount"]) == ("Send", "tested", pytest.approx(4.5))
    assert (one["key"], one["meaning"]) == ("send-voucher", "gained")
    assert "profit per customer was higher than" in one["reason"]
    assert one["low"] == pytest.approx(test.low)
    assert one["items"]["amount"].tolist() == pytest.approx([2.25, 2.25])
    assert Action.of_fields(**shown(one)).sentence == (
        "Send voucher BACK10 to 2 customers who are going quiet"
    )


def test_a_voucher_of_a_short_window_counts_once():
    """Thirty days or fewer have its whole profit; the newest test that decided counts."""
    test = ended([5.0, 7.0] * 20, [1.0, 2.0] * 20)
    for days, scale in ((20, 1.0), (30, 1.0), (40, 0.75)):
        short = test._replace(sent_on=test.last_day - timedelta(days - 1))
        [one] = declared(study([9.0]), periods(0.3), [short])
        ends = (one["amount"], one["low"], one["high"])
        wanted = (scale * test.difference, scale * test.low, scale * test.high)
        assert ends == pytest.approx(wanted)
    open_one = ended([5.0, 7.0] * 20, [5.0, 7.0] * 20)
    stop = ended([1.0, 2.0] * 20, [5.0, 7.0] * 20)
    [one] = declared(study([9.0]), periods(0.3), [stop, test, open_one])
    assert one["verb"] == "Send"


def test_a_voucher_that_loses_money_is_stopped():
    [one] = declared(study([9.0]), periods(0.3), [ended([1.0, 2.0] * 20, [5.0, 7.0] * 20)])
    assert (one["verb"], one["meaning"], one["amount"]) == ("Stop", "lost", pytest.approx(2.25))
    assert one["key"] == "stop-voucher"
    assert "profit per customer was lower than" in one["reason"]
    assert 0 < one["low"] < one["amount"] < one["high"]
    test = ended([1.0, 2.0] * 20, [5.0, 7.0] * 20)
    assert (one["low"], one["high"]) == pytest.approx((-test.high / 2, -test.low / 2))
    assert one["items"]["amount"].tolist() == pytest.approx([2.25])
    assert Action.of_fields(**shown(one)).sentence.startswith("Stop sending voucher BACK10 to 1")


def test_customers_of_a_running_test_get_no_other_offer():
    """Neither half; an inconclusive test advises nothing of its own."""
    test = ended([5.0, 7.0] * 20, [5.0, 7.0] * 20)
    [one] = declared(study([9.0, 8.0]), periods(0.3), [test], {"c0"})
    assert (one["verb"], one["items"]["customer_id"].tolist()) == ("Win back", ["c1"])
    assert list(declared(study([9.0]), periods(0.3), [test], {"c0"})) == []


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an action as the lab passes them."""
    return one | {"items": tuple(one["items"]["customer_id"])}
