"""Actions of A/B tests: what acting changes, and where its evidence is."""

from __future__ import annotations

import pytest

from d1lab.analyses.ab_tests.actions import declared, names
from d1lab.analyses.ab_tests.advice import Amount
from d1lab.display.actions import Action
from tests.support.ab_advice import GAIN, LOSS, OPEN, advice


def test_a_losing_test_is_stopped_for_what_it_loses():
    [one] = declared([advice("a", LOSS)])
    assert (one["verb"], one["key"], one["meaning"]) == ("Stop", "stop-test-1", "lost")
    assert (one["amount"], one["low"], one["high"]) == pytest.approx((750, 300, 1200))
    assert one["basis"] == "tested"
    assert Action.of_fields(**one).sentence == "Stop the test “Gift”"
    assert Action.of_fields(**one).is_loss


def test_b_is_taken_for_what_it_gains():
    [one] = declared([advice("b", GAIN)])
    assert (one["verb"], one["amount"]) == ("Take B", pytest.approx(1500))
    [unknown] = declared([advice("b")])
    assert unknown["amount"] is None
    [unbounded] = declared([advice("b", GAIN._replace(difference_high=float("inf")))])
    assert unbounded["amount"] == pytest.approx(1500)
    assert "low" not in unbounded


def test_nothing_is_to_be_done_without_proof():
    """An unproven profit, a test that A won, and one that runs."""
    assert list(declared([advice("b", OPEN), advice("a", LOSS, ended=True)])) == []
    assert list(declared([advice(None, OPEN, status="running")])) == []


def test_a_broken_split_is_repeated():
    [one] = declared([advice(None, status="sample_ratio_mismatch")])
    assert (one["verb"], one["basis"]) == ("Repeat", "counted")
    assert "amount" not in one


def test_each_test_has_an_anchor_of_its_own():
    """Names that look alike in an anchor are numbered."""
    tests = [advice("a", LOSS, test_id=name) for name in ("T 1", "t-1", "T_1", "Ü")]
    assert names(tests) == ["t-1", "t-1-2", "t-1-3", "test"]
    assert [one["link"] for one in declared(tests)][:2] == ["test-t-1", "test-t-1-2"]
    assert names([advice("a", LOSS, test_id=70 * "x")]) == [60 * "x"]


@pytest.mark.parametrize(
    ("winner", "change", "money"),
    [
        ("b", Amount(5.0, 1.0, 9.0), {"amount": 5.0, "low": 1.0, "high": 9.0}),
        ("b", Amount(5.0, None, 9.0), {"amount": 5.0}),
        ("b", Amount(5.0, 1.0, None), {"amount": 5.0}),
        ("b", Amount(0.0, 0.0, 9.0), {"amount": 0.0, "low": 0.0, "high": 9.0}),
        ("b", Amount(-0.1, -1.0, 9.0), {"amount": None}),  # against the profit
        ("a", None, {"amount": None}),
    ],
)
def test_an_amount_has_its_range_if_both_ends_are_known(winner, change, money):
    [one] = declared([advice(winner)._replace(change=change)])
    meaning = "gained" if winner == "b" else "lost"
    found = {name: one[name] for name in ("basis", "meaning", "amount", "low", "high")
             if name in one}  # fmt: skip
    assert found == {"basis": "tested", "meaning": meaning, **money}
    assert one["reason"] == advice(winner).reason
    assert one["what"] == f"{'of ' if winner == 'b' else ''}the test “Gift”"


def test_a_variant_is_part_of_the_name():
    """Of tests of several variants; a name is cut before it is numbered."""
    one = advice("a", LOSS)
    arms = one.decision._replace(arms=("any",), leading="c")  # type: ignore[arg-type]
    several = one._replace(decision=arms)
    assert names([several, several]) == ["test-1-c", "test-1-c-2"]
    [stop] = declared([several])
    assert (stop["what"], stop["key"]) == ("variant C of the test “Gift”", "stop-test-1-c")
