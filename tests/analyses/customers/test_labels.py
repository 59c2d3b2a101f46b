"""Labels over time: shown groups, snapshots, and changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from d1lab.analyses.customers.labels import (
    NEWCOMER,
    confirmed,
    fixed_days,
    group_changes,
    label,
    matrix,
    moves,
    since,
    snapshots,
    transitions,
    unprompted_share,
)
from d1lab.errors import UnknownName

DAY = date(2026, 6, 1)
WALK_INS = pd.DataFrame({"customer_id": ["till"], "orders": [90], "share_of_orders": [0.5]})


def _scores(day: date = DAY, **customers: tuple[str | None, int]) -> pd.DataFrame:
    """Return customers by ID, with their group and the days since the last purchase."""
    return pd.DataFrame(
        {
            "customer_id": list(customers),
            "rfm_group": [group for group, _ in customers.values()],
            "last_day": [pd.Timestamp(day) - pd.Timedelta(days=n) for _, n in customers.values()],
            "first_day": pd.Timestamp("2025-01-01"),
            "purchases": 2,
            "spend": [100.0 * n for n, _ in enumerate(customers)],
        }
    )


def _groups(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["customer_id"], frame["rfm_group"], strict=True))


def test_confirmed_shows_scores_as_they_are_on_a_first_run():
    """Without an earlier label, today's scores are used."""
    now = confirmed(_scores(a=("Loyal", 5), b=("Dormant", 200)), None, DAY)
    assert _groups(now) == {"a": "Loyal", "b": "Dormant"}
    assert now["pending_group"].isna().all()
    assert now["day"].eq(pd.Timestamp(DAY)).all()


def test_confirmed_follows_orders_and_waits_for_the_rest():
    """Four proposals: an order, a new customer, one 28 days old, and a new one."""
    first = confirmed(
        _scores(DAY - timedelta(56), a=("Loyal", 1), c=("Loyal", 1), d=("Loyal", 1)), None,
        DAY - timedelta(56),
    )  # fmt: skip
    second = confirmed(
        _scores(DAY - timedelta(28), a=("Loyal", 29), c=("At risk", 29), d=("Loyal", 29)), first,
        DAY - timedelta(28),
    )  # fmt: skip
    assert _groups(second) == {"a": "Loyal", "c": "Loyal", "d": "Loyal"}
    today = _scores(a=("Champions", 3), b=("New", 2), c=("At risk", 57), d=("At risk", 57))
    third = confirmed(today, second, DAY)
    assert _groups(third) == {"a": "Champions", "b": "New", "c": "At risk", "d": "Loyal"}
    assert third["pending_group"].dropna().to_dict() == {3: "At risk"}
    assert third["proposed_group"].tolist() == ["Champions", "New", "At risk", "At risk"]


class _Lab:
    """A lab with given scores by day."""

    def __init__(self, scores: Callable[[date], pd.DataFrame]) -> None:
        self._scores = scores
        self.read: list[date] = []

    def metric(
        self, name: str, *, until: date | None = None, mode: str | None = None, **days: date
    ) -> pd.DataFrame:
        if name == "walk_ins":
            assert (until, mode) == (None, None)
            return WALK_INS
        if name == "customer_snapshots":
            return self._snapshots(days)
        assert (name, mode) == ("customer_scores", "quintile")
        assert until is not None
        self.read.append(until)
        return self._scores(until)

    def _snapshots(self, days: dict[str, date]) -> pd.DataFrame:
        """Return the columns of each of the days."""
        of_day = [
            self._scores(day).set_index("customer_id")[["purchases", "last_day", "spend"]]
            for day in days.values()
        ]
        named = [f.add_suffix(f"_{number}") for number, f in enumerate(of_day, 1)]
        return pd.concat(named, axis=1).reset_index()


def _at_risk_from(day: date) -> Callable[[date], pd.DataFrame]:
    """Return scores of one customer, last purchase in January 2026, at risk from a day on."""
    bought = date(2026, 1, 3)
    return lambda until: _scores(
        until, a=("At risk" if until >= day else "Loyal", (until - bought).days)
    )


def test_fixed_days_are_the_same_for_every_today():
    """A later date continues the same calendar; each list covers more than 90 days."""
    days = {day for n in range(200) for day in fixed_days(DAY + timedelta(n))}
    assert {day.weekday() for day in days} == {0}
    ordered = sorted(days)
    assert {later - day for day, later in pairwise(ordered)} == {timedelta(28)}
    for today in (DAY + timedelta(n) for n in range(60)):
        chosen = fixed_days(today)
        assert chosen == [day for day in ordered if chosen[0] <= day < today]
        assert chosen[0] <= chosen[1] - timedelta(28) < chosen[1] < today - timedelta(90)


def test_label_waits_for_the_second_of_two_fixed_days():
    """A proposal is shown if it is repeated 28 days after its first fixed day."""
    first, second = fixed_days(DAY)[-1], fixed_days(DAY)[-1] + timedelta(28)
    shown = {
        day: _groups(label(_Lab(_at_risk_from(first)), day).now)["a"]
        for day in (first, first + timedelta(1), second - timedelta(1), second)
    }
    assert list(shown.values()) == ["Loyal", "Loyal", "Loyal", "At risk"]


def test_label_goes_back_to_the_groups_that_were_shown_90_days_ago():
    """`earlier` equals a report for that day, with its own fixed days."""
    changed = fixed_days(DAY)[1]
    now = label(_Lab(_at_risk_from(changed)), DAY)
    then = label(_Lab(_at_risk_from(changed)), DAY - timedelta(90))
    assert now.earlier["day"].iloc[0] == pd.Timestamp(DAY - timedelta(90))
    assert _groups(now.earlier) == _groups(then.now) == {"a": "Loyal"}
    assert _groups(now.now) == {"a": "At risk"}
    assert now.walk_ins is WALK_INS


def test_snapshots_begin_with_the_shop():
    """No snapshots before the first purchase, and none without any purchase."""
    lab, days = _Lab(_at_risk_from(DAY)), fixed_days(DAY)
    young = lambda day: lab._scores(day).assign(first_day=pd.Timestamp(days[2]))  # noqa: E731
    found = label(_Lab(young), DAY)
    assert found.last["day"].iloc[0].date() == days[-1]
    chain = snapshots(young, days[2:])
    assert [kept["day"].iloc[0].date() for kept in chain] == days[2:]
    assert snapshots(young, []) == []


def test_label_of_a_new_shop_has_nothing_to_compare_with():
    """Today's scores are shown as they are."""
    young = _scores(DAY, a=("New", 3)).assign(first_day=pd.Timestamp(DAY - timedelta(3)))
    found = label(_Lab(lambda _: young), DAY)
    assert (found.last, found.earlier) == (None, None)
    assert _groups(found.now) == {"a": "New"}


@pytest.fixture
def before() -> pd.DataFrame:
    day = DAY - timedelta(30)
    return confirmed(_scores(day, a=("Loyal", 1), b=("Loyal", 1), c=("New", 5)), None, day)


@pytest.fixture
def now(before: pd.DataFrame) -> pd.DataFrame:
    scores = _scores(a=("Loyal", 31), b=("Champions", 2), c=("Dormant", 35), d=("New", 1))
    return scores.assign(day=pd.Timestamp(DAY))


def test_moves_tell_orders_from_drift(before, now):
    """Changes with and without an order, unchanged customers, and new ones."""
    rows = moves(before, now)[["from_group", "to_group", "ordered", "changed"]]
    assert rows.to_numpy().tolist() == [
        ["Loyal", "Loyal", False, False],
        ["Loyal", "Champions", True, True],
        ["New", "Dormant", False, True],
        [NEWCOMER, "New", True, True],
    ]
    assert unprompted_share(moves(before, now)) == pytest.approx(1 / 3)
    assert group_changes(before, now)["customer_id"].tolist() == ["d", "c", "b"]
    counted = transitions(before, now)
    assert counted["customers"].tolist() == [1, 1, 1]
    assert counted.set_index("from_group")["without_order"].to_dict() == {
        "Loyal": 0, "New": 1, NEWCOMER: 0,
    }  # fmt: skip


def test_changes_are_sorted_by_their_number_and_spend():
    """Ties by group, or by customer; unchanged ones are left out."""
    day = DAY - timedelta(30)
    names = {name: ("New", 1) for name in "abc"} | {name: ("Loyal", 1) for name in "defg"}
    then = confirmed(_scores(day, **names), None, day)
    today = dict.fromkeys("ab", ("Dormant", 31)) | dict.fromkeys("cde", ("Active", 1))
    scores = _scores(**today, f=("Loyal", 31), g=("At risk", 31))
    scores = scores.assign(day=pd.Timestamp(DAY), spend=[5.0, 5.0, 9.0, 1.0, 2.0, 3.0, 4.0])
    counted = transitions(then, scores)
    columns = ["from_group", "to_group", "customers", "without_order", "spend"]
    assert counted[columns].to_numpy().tolist() == [
        ["Loyal", "Active", 2, 0, 3.0], ["New", "Dormant", 2, 2, 10.0],
        ["Loyal", "At risk", 1, 1, 4.0], ["New", "Active", 1, 0, 9.0],
    ]  # fmt: skip
    assert group_changes(then, scores)["customer_id"].tolist() == ["c", "a", "b", "g", "e", "d"]
    turned = group_changes(then.iloc[::-1], scores.iloc[::-1])
    assert turned["customer_id"].tolist() == ["c", "a", "b", "g", "e", "d"]
    cells = matrix(then, scores)
    assert cells[["from_group", "to_group", "customers"]].to_numpy().tolist() == [
        ["Loyal", "Loyal", 1], ["New", "New", 0], ["Loyal", "Active", 2], ["Loyal", "At risk", 1],
        ["New", "Active", 1], ["New", "Dormant", 2],
    ]  # fmt: skip
    assert cells["share"].tolist() == pytest.approx([1 / 4, 0, 1 / 2, 1 / 4, 1 / 3, 2 / 3])
    assert unprompted_share(moves(then, scores)) == pytest.approx(3 / 7)
    assert since(then) == "since May 2, 2026"


def test_an_order_on_the_day_of_a_label_is_known_to_it():
    """Bought after it, or on it; a customer of no purchase today has not ordered."""
    day = DAY - timedelta(28)
    then = confirmed(_scores(day, a=("Loyal", 5), b=("Loyal", 5), c=("Loyal", 5)), None, day)
    today = _scores(a=("New", 27), b=("New", 28), c=("New", 28)).assign(day=pd.Timestamp(DAY))
    today.loc[2, "last_day"] = pd.NaT
    assert moves(then, today)["ordered"].tolist() == [True, False, False]
    shown = confirmed(today, then, DAY)
    assert _groups(shown) == {"a": "New", "b": "Loyal", "c": "Loyal"}
    assert shown["pending_since"].dropna().tolist() == [pd.Timestamp(DAY)] * 2


def test_label_is_earlier_only_for_a_shop_that_was_there():
    """From the day of its first purchase on; of customers who had bought then."""
    for ago, is_there in ((89, False), (90, True), (91, True)):
        shop = _scores(DAY, a=("New", 3), b=("Prospects", 3)).assign(
            first_day=pd.Timestamp(DAY - timedelta(ago)), purchases=[1, 0]
        )
        found = label(_Lab(lambda _, shop=shop: shop), DAY)
        assert (found.earlier is not None) == is_there
        if is_there:
            assert found.earlier.dropna(subset="day")["customer_id"].tolist() == ["a"]
        assert found.now["customer_id"].tolist() == ["a", "b"]


def test_matrix_shares_each_group_of_then(before, now):
    """Rows add up to 1; the diagonal comes first, so that both axes have Shopify's order."""
    cells = matrix(before, now)
    assert cells["from_group"].tolist()[:2] == ["Loyal", "New"]
    assert cells.groupby("from_group")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    found = cells.set_index(["from_group", "to_group"])["share"]
    assert found["Loyal", "Champions"] == 0.5
    assert found["New", "New"] == 0


def test_movement_without_a_past_is_empty(now):
    """Without earlier data, tables are empty, without an error."""
    assert moves(None, now).empty
    assert transitions(None, now).empty
    assert group_changes(None, now).empty
    assert matrix(None, now).empty
    assert unprompted_share(moves(None, now)) is None
    assert since(None) == "(no earlier snapshot)"


def test_label_refuses_a_mode_that_is_none(tiny_lab):
    """A misspelled mode is an error with a suggestion."""
    with pytest.raises(UnknownName, match="Did you mean 'ntile'"):
        label(tiny_lab, tiny_lab.as_of(), "ntlie")
