"""Labels over several runs: what is shown, what is kept, and who moved."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from d1lab.analyses.customers.labels import (
    NEWCOMER,
    confirmed,
    label,
    matrix,
    movers,
    moves,
    replay,
    since,
    transitions,
    unprompted_share,
)
from d1lab.errors import UnknownName
from d1lab.lab.snapshots import Snapshots

DAY = date(2026, 6, 1)
WALK_INS = pd.DataFrame({"customer_id": ["till"], "orders": [90], "share_of_orders": [0.5]})


def _scores(day: date = DAY, **customers: tuple[str | None, int]) -> pd.DataFrame:
    """Customers by id: their group, and how many days before `day` they bought last."""
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
    """Nothing was shown before, so nothing can flicker."""
    now = confirmed(_scores(a=("Loyal", 5), b=("Dormant", 200)), None, DAY)
    assert _groups(now) == {"a": "Loyal", "b": "Dormant"}
    assert now["pending_group"].isna().all()
    assert now["day"].eq(pd.Timestamp(DAY)).all()


def test_confirmed_follows_orders_and_waits_for_the_rest():
    """Of four proposals: an order, a newcomer, one that waited 28 days, and one that is new."""
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


def test_confirmed_survives_a_parquet_file(tmp_path):
    """What a run keeps is what the next one reads: missing groups and days stay missing."""
    first = confirmed(_scores(a=("Loyal", 1), b=(None, 3)), None, DAY)
    snapshots = Snapshots(tmp_path, "shop", tmp_path / "1")
    columns = ["customer_id", "day", "rfm_group", "pending_group", "pending_since"]
    read = pd.read_parquet(snapshots.keep(first[columns], "groups"))
    later = DAY + timedelta(28)
    again = confirmed(_scores(later, a=("At risk", 29), b=("Loyal", 31)), read, later)
    assert _groups(again) == {"a": "Loyal", "b": "Loyal"}
    assert again["pending_group"].dropna().to_dict() == {0: "At risk"}


class _Lab:
    """A lab whose scores are given by day."""

    def __init__(self, runs: Path, scores: dict[date, pd.DataFrame], run: str = "now") -> None:
        self._scores = scores
        self.asked: list[date] = []
        self.snapshots = Snapshots(runs, "shop", runs / run)

    def metric(
        self, name: str, *, until: date | None = None, mode: str | None = None
    ) -> pd.DataFrame:
        if name == "walk_ins":
            assert (until, mode) == (None, None)
            return WALK_INS
        assert (name, mode) == ("customer_scores", "quintile")
        self.asked.append(until)
        return self._scores.get(until, _scores(until, a=("Loyal", 300)))


def _done(runs: Path, run: str, day: date) -> None:
    (runs / run / "run.json").write_text(f'{{"shop": "shop", "status": "done", "as_of": "{day}"}}')


def test_label_replays_where_no_run_was_kept(tmp_path):
    """A first run still tells of 90 days ago: the labels as a run of then would have shown them."""
    lab = _Lab(tmp_path, {DAY: _scores(a=("At risk", 300))})
    found = label(lab, DAY)
    assert [(DAY - day).days for day in lab.asked] == [0, 118, 90, 62, 34]
    assert found.replayed
    assert found.walk_ins is WALK_INS
    assert found.earlier["day"].iloc[0] == pd.Timestamp(DAY - timedelta(90))
    assert _groups(found.now) == {"a": "Loyal"}  # proposed for the first time: it waits
    assert (tmp_path / "now" / "snapshots" / "customer_groups_quintile.parquet").is_file()


def test_label_compares_with_the_runs_that_were_kept(tmp_path):
    """With a run 90 days old nothing is replayed; the last run's labels are the ones shown."""
    old, last = DAY - timedelta(95), DAY - timedelta(28)
    for run, day, group in (("1", old, "Champions"), ("2", last, "Loyal")):
        label(_Lab(tmp_path, {day: _scores(day, a=(group, 1))}, run), day)
        _done(tmp_path, run, day)
    lab = _Lab(tmp_path, {DAY: _scores(a=("Dormant", 60))})
    found = label(lab, DAY)
    assert lab.asked == [DAY]
    assert not found.replayed
    assert _groups(found.earlier) == {"a": "Champions"}
    assert _groups(found.last) == {"a": "Loyal"} == _groups(found.now)
    assert found.now["pending_group"].tolist() == ["Dormant"]


def test_replay_begins_with_the_shop(tmp_path):
    """Days before the first purchase have no snapshot, and no purchase at all has none."""
    lab = _Lab(tmp_path, {})

    def score(until: date) -> pd.DataFrame:
        return lab.metric("customer_scores", until=until, mode="quintile")

    chain = replay(score, pd.Timestamp(DAY - timedelta(70)), DAY)
    assert [kept["day"].iloc[0].date() for kept in chain] == [
        DAY - timedelta(62),
        DAY - timedelta(34),
    ]
    assert replay(score, pd.NaT, DAY) == []


@pytest.fixture
def before() -> pd.DataFrame:
    day = DAY - timedelta(30)
    return confirmed(_scores(day, a=("Loyal", 1), b=("Loyal", 1), c=("New", 5)), None, day)


@pytest.fixture
def now(before: pd.DataFrame) -> pd.DataFrame:
    scores = _scores(a=("Loyal", 31), b=("Champions", 2), c=("Dormant", 35), d=("New", 1))
    return scores.assign(day=pd.Timestamp(DAY))


def test_moves_tell_orders_from_drift(before, now):
    """Who moved with an order, who without, who stayed, and who is new."""
    rows = moves(before, now)[["from_group", "to_group", "ordered", "changed"]]
    assert rows.to_numpy().tolist() == [
        ["Loyal", "Loyal", False, False],
        ["Loyal", "Champions", True, True],
        ["New", "Dormant", False, True],
        [NEWCOMER, "New", True, True],
    ]
    assert unprompted_share(moves(before, now)) == pytest.approx(1 / 3)
    assert movers(before, now)["customer_id"].tolist() == ["d", "c", "b"]
    counted = transitions(before, now)
    assert counted["customers"].tolist() == [1, 1, 1]
    assert counted.set_index("from_group")["without_order"].to_dict() == {
        "Loyal": 0, "New": 1, NEWCOMER: 0,
    }  # fmt: skip


def test_matrix_shares_each_group_of_then(before, now):
    """Rows add up to one; the diagonal leads, so that both axes have Shopify's order."""
    cells = matrix(before, now)
    assert cells["from_group"].tolist()[:2] == ["Loyal", "New"]
    assert cells.groupby("from_group")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    found = cells.set_index(["from_group", "to_group"])["share"]
    assert found["Loyal", "Champions"] == 0.5
    assert found["New", "New"] == 0


def test_movement_without_a_past_is_empty(now):
    """Nothing to compare with gives empty tables, not an error."""
    assert moves(None, now).empty
    assert transitions(None, now).empty
    assert movers(None, now).empty
    assert matrix(None, now).empty
    assert unprompted_share(moves(None, now)) is None
    assert since(None) == "(no earlier snapshot)"


def test_label_refuses_a_mode_that_is_none(tiny_lab):
    """A misspelt mode is not taken for the default, and the nearest is named."""
    with pytest.raises(UnknownName, match="Did you mean 'ntile'"):
        label(tiny_lab, tiny_lab.as_of(), "ntlie")
