"""Earlier scores of all customers in one scan are those of each day alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.customers import snapshots
from d1lab.analyses.customers.labels import MODES, fixed_days, label
from d1lab.analyses.customers.snapshots import EarlierScores
from d1lab.metrics import evaluate, shipped_metric
from tests.support.drawn_shop import UNTIL, draw, opened


class DrawnLab:
    """A lab of a drawn shop, which notes the days that are scored alone."""

    def __init__(self, con: Any) -> None:
        self._con = con
        self.alone: list[date] = []

    def metric(self, name: str, **given: Any) -> pd.DataFrame:
        shipped = shipped_metric(name)
        if name == "customer_scores":
            self.alone.append(given["until"])
        known = {"shop": "s", **given}
        return evaluate(self._con, shipped, {p: known[p] for p in shipped.parameters}).df()


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    """Ninety customers with some orders each, returned later or in part; one of them is a till."""
    lines = [
        line._replace(customer_id=line.customer_id and f"c{int(line.order_id[1:]) % 90}")
        for line in draw(5, 900)
    ]
    orders = [line for line in lines if line.type == "order"][::9]
    back = [
        line._replace(
            type="refund", units=-line.units, revenue=-line.revenue, event_id=f"back{number}",
            day=min(line.day + timedelta(number % 70), UNTIL),
        )
        for number, line in enumerate(orders)
    ]  # fmt: skip
    with opened([*lines, *back]) as con:
        con.execute("CREATE TABLE customers AS SELECT 's' AS shop, 'nobody' AS customer_id")
        con.execute("UPDATE order_lines SET units = 0 WHERE event_id LIKE '%51'")
        yield con


@pytest.mark.parametrize("mode", MODES)
def test_several_days_are_those_of_each_day_alone(con, mode):
    """Also on days with too few customers for quintiles, and before anybody bought."""
    lab = DrawnLab(con)
    customers = lab.metric("customer_scores", until=UNTIL, mode=mode)["customer_id"]
    days = [UNTIL - timedelta(ago) for ago in (200, 189, 170, 120, 60, 28, 1)]
    read = EarlierScores(lab, customers, days[::-1], mode)
    few = 0
    for day in days:
        alone = lab.metric("customer_scores", until=day, mode=mode)
        bought = alone[alone["purchases"] > 0]
        few += len(bought) < snapshots.FIXED_RULES_BELOW
        found = read.on(day)
        assert found["customer_id"].to_list() == customers.to_list()
        kept = found[found["purchases"] > 0]
        for name in ("customer_id", "purchases", "last_day", "rfm_group"):
            assert kept[name].astype(object).to_list() == bought[name].astype(object).to_list()
        assert found.loc[~found.index.isin(kept.index), "rfm_group"].isna().all()
    assert 0 < few < len(days) - 2


def test_labels_are_those_of_snapshots_one_at_a_time(con, monkeypatch):
    """All frames of the report; the second time, each day is scored alone."""
    lab = DrawnLab(con)
    found = label(lab, UNTIL)
    once = len(lab.alone)
    monkeypatch.setattr(snapshots, "FIXED_RULES_BELOW", 10**9)
    alone = label(lab, UNTIL)
    assert len(lab.alone) > once + len(fixed_days(UNTIL)) > 2 * once
    for one, other in zip(found[:3], alone[:3], strict=True):
        pd.testing.assert_frame_equal(one, other[one.columns], check_exact=True)


def test_no_day_needs_no_scan():
    """Of a shop that has just begun, nothing is read."""
    assert EarlierScores(None, pd.Series([], dtype=str), [], "quintile")
