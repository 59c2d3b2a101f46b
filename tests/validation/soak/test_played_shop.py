"""Simulated days: orders as an app sends them."""

from __future__ import annotations

from collections import Counter
from datetime import date

from validation.soak.played_shop import YEAR, arrivals_of


def _event(number: int) -> dict:
    return {
        "event_id": f"e{number}",
        "order_id": f"o{number}",
        "quantity": 2,
        "list_price": 1.5,
        "revenue": 3.0,
        "occurred_at": "2017-03-06 18:30:00",
    }


def test_orders_arrive_on_time_late_corrected_and_refunded():
    """Every order is repeated a year later on the same weekday; some late or corrected."""
    day = date(2017, 3, 6) + YEAR
    kinds: Counter[str] = Counter()
    for number in range(400):
        first, *more = arrivals_of(_event(number))
        assert first.event["occurred_at"] == "2018-03-05 18:30:00"
        late = first.day > day
        corrected = [each for each in more if each.corrects]
        returned = [each for each in more if each.event.get("type") == "refund"]
        kinds["late"] += late
        kinds["corrected"] += bool(corrected)
        kinds["refunded"] += bool(returned)
        for each in corrected:
            assert (each.event["quantity"], first.event["quantity"]) == (2, 3)
            assert each.event["event_id"] == first.event["event_id"]
        for each in returned:
            assert each.event["event_id"] != first.event["event_id"]
            assert each.event["order_id"] == first.event["order_id"]
    assert all(0 < kinds[kind] < 50 for kind in ("late", "corrected", "refunded")), kinds
