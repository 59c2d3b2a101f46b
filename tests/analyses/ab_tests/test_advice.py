"""Advice on a test: what its profit, its winner, and its state allow to say."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from d1lab.analyses.ab_tests.advice import Amount, Verb, advise, advised, earns_more
from d1lab.analyses.ab_tests.arms import ArmResult
from d1lab.analyses.ab_tests.decision import BEFORE_FIRST_LOOK
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.looks import AWAITS_END
from d1lab.analyses.ab_tests.model import Variant
from d1lab.analyses.ab_tests.report import verdict
from tests.support.ab_advice import GAIN, LOSS, OPEN, UNTIL, advice


@pytest.mark.parametrize(
    ("winner", "effects", "given", "verb", "said"),
    [
        ("a", [LOSS], {"metric": "profit"}, "Stop", "less profit"),
        ("a", [LOSS], {"metric": "profit", "ended": True}, "Keep A", "less profit"),
        (None, [LOSS], {"status": "running"}, "Stop", "less profit"),
        ("b", [GAIN], {}, "Take B", "more profit"),
        ("b", [], {}, "Take B", "unit costs or visitors are missing"),
        ("b", [OPEN._replace(p_value=None)], {}, "Take B", "not known"),
        ("b", [OPEN], {}, "Wait", "More orders; profit not proven. Let it run."),
        ("b", [OPEN], {"ended": True}, "Wait", "A longer test could prove it."),
        (None, [], {"status": "running", "left": 3}, "Wait", "3 days of its plan left"),
        (None, [], {"status": "running", "p_value": None}, "Wait", "Read once, at its end."),
        ("none", [OPEN], {"status": "no_decision", "ended": True}, "Keep A", "No proof"),
        (
            "none",
            [GAIN],
            {"status": "no_decision", "ended": True},
            "Keep A",
            "its own measure, orders",
        ),
        (None, [GAIN], {"status": "running", "left": 3}, "Wait", "shows no proof; 3"),
        ("none", [], {"status": "guardrail_failed"}, "Wait", "could get worse"),
        ("none", [], {"status": "guardrail_failed", "ended": True}, "Keep A", "could get worse"),
        (None, [], {"status": "sample_ratio_mismatch"}, "Repeat", "not split as planned"),
        (None, [], {"status": "not_declared"}, "Repeat", "not counted"),
        (None, [], {"status": "not_declared", "ended": True}, "Keep A", "not counted"),
        (None, [], {"status": "insufficient_data"}, "Wait", "Not enough data"),
        (None, [], {"status": "invalid_input"}, "Wait", "contradict"),
    ],
)
def test_advice_follows_profit_then_winner_then_state(
    winner: Any, effects: list[Effect], given: dict[str, Any], verb: Verb, said: str
):
    one = advice(winner, *effects, **given)
    assert one.verb == verb
    assert said in one.reason
    assert len(one.reason) <= 85


def test_a_headline_does_not_deny_a_proven_profit():
    gains = advice("none", GAIN, status="no_decision", ended=True)
    assert verdict([gains], "USD")[0] == "The test is not clear enough to take B. Keep A: 1."
    other = advice("none", OPEN, status="no_decision", ended=True, test_id="Test 2")
    assert verdict([gains, other], "USD")[0].startswith("None of 2 tests is clear enough")
    assert verdict([other], "USD")[0].startswith("The test does not show that B earns more.")


def test_a_test_without_start_visitors_and_orders_is_planned():
    one = advice(None, status="insufficient_data", visitors=(None, None), start=None)
    assert one.verb == "Wait"  # its orders are counted
    planned = one.decision._replace(test=one.decision.test._replace(a=Variant(), b=Variant()))
    [found] = advised([planned], [{"started_at": None, "ended_at": None}], UNTIL)
    assert (found.verb, found.is_running, found.days) == ("Planned", False, 0)


def test_stopping_saves_what_b_loses_on_its_own_visitors():
    """1,000 visitors of B in 20 days are 1,500 in 30, each with 0.50 less profit."""
    one = advice("a", LOSS)
    assert one.change == pytest.approx((750, 300, 1200))
    assert one.month == pytest.approx((-2250, -3600, -900))


def test_taking_b_while_the_test_runs_gains_on_as_visitors():
    assert advice("b", GAIN).change == pytest.approx((1500, 600, 2400))


def test_an_end_at_midnight_is_the_end_of_the_day_before():
    """3,000 visitors in 10 days, all of whom see B from then on."""
    one = advice("b", GAIN, ended=True)
    assert (one.days, one.last_day) == (10, date(2026, 5, 20))
    assert one.change == one.month == pytest.approx((4500, 1800, 7200))


@pytest.mark.parametrize(
    "given",
    [
        {"effects": ()},
        {"effects": (OPEN._replace(p_value=None),)},
        {"effects": (GAIN,), "visitors": (None, None)},
        {"effects": (GAIN,), "start": None},
    ],
)
def test_an_unknown_amount_is_not_invented(given):
    one = advice("b", *given.pop("effects"), **given)
    assert one.month is None
    assert one.change is None


def test_an_unbounded_interval_is_no_range():
    assert advice("b", GAIN._replace(difference_high=float("inf"))).month == pytest.approx(
        (2250, 900, None)
    )


SELLS = Effect("conversions", p_value=0.01, direction=1)
BY_RATIO = Effect("profit", ratio=1.2, ratio_low=1.1, ratio_high=1.3, p_value=0.01)


@pytest.mark.parametrize(
    ("effects", "metric", "said"),
    [
        ([SELLS, LOSS], "profit", "More orders, but less profit from each visitor."),
        ([SELLS._replace(p_value=0.05), LOSS], "profit", "bring less profit than"),
        ([SELLS._replace(p_value=None), LOSS], "profit", "bring less profit than"),
        ([SELLS._replace(direction=-1), LOSS], "profit", "bring less profit than"),
        ([SELLS._replace(direction=0), LOSS], "profit", "bring less profit than"),
        ([SELLS], "conversions", "bring fewer orders than"),
        ([], "conversions", "bring fewer orders than"),
        ([SELLS], "revenue", "More orders, but less revenue from each visitor."),
        ([], "revenue", "bring less revenue than"),
        ([OPEN], "revenue", "bring less revenue than"),
        ([LOSS], "revenue", "bring less profit than"),
        ([LOSS], "conversions", "bring less profit than"),
    ],
)
def test_a_loss_is_told_by_what_b_brings(effects: list[Effect], metric: str, said: str):
    """Orders that are significantly more are told, too, unless orders decide."""
    assert said in advice("a", *effects, metric=metric).reason


@pytest.mark.parametrize(
    ("profit", "is_above", "is_below"),
    [
        (GAIN, True, False),
        (GAIN._replace(difference_low=0.0), False, False),
        (LOSS, False, True),
        (LOSS._replace(difference_high=0.0), False, False),
        (BY_RATIO, True, False),
        (BY_RATIO._replace(ratio_low=1.0), False, False),
        (BY_RATIO._replace(ratio_low=0.7, ratio_high=0.9), False, True),
        (BY_RATIO._replace(ratio_low=0.7, ratio_high=1.0), False, False),
        (BY_RATIO._replace(ratio_low=None, ratio_high=None), False, False),
        (GAIN._replace(ratio_low=0.5, ratio_high=0.9), True, False),  # the difference first
        (GAIN._replace(p_value=None), False, False),
    ],
)
def test_a_profit_is_proven_if_its_whole_range_is_on_one_side(profit, is_above, is_below):
    """By the difference per visitor if it is known, else by the ratio."""
    assert earns_more(advice("none", profit, status="no_decision").decision.result) is is_above
    assert advice(None, profit, status="running").verb == ("Stop" if is_below else "Wait")
    by_profit = advice("none", profit, status="no_decision", metric="profit")
    assert earns_more(by_profit.decision.result) is False


@pytest.mark.parametrize(
    ("given", "reason", "said"),
    [
        ({"p_value": None}, AWAITS_END, "Its planned end is reached: end it, and it is read once."),
        ({"p_value": None}, BEFORE_FIRST_LOOK, "Its first planned look is still to come."),
        ({"p_value": None}, None, "Read once, at its end."),
        ({"left": None}, None, "No proof yet."),
        ({"left": 0}, None, "No proof yet."),
        ({"left": 1}, None, "No proof yet; 1 day of its plan left."),
        ({"left": 2}, None, "No proof yet; 2 days of its plan left."),
    ],
)
def test_a_running_test_says_what_it_waits_for(given: dict[str, Any], reason: Any, said: str):
    one = advice(None, status="running", **given).decision
    assert advise(one._replace(result=one.result._replace(reason=reason))) == ("Wait", said)


@pytest.mark.parametrize("status", ["zero_variance", "invalid_input", "insufficient_data"])
def test_what_has_no_result_waits_or_keeps_a(status: str):
    assert advice(None, LOSS, status=status).verb == "Wait"
    assert advice("b", GAIN, status=status, ended=True).verb == "Keep A"


@pytest.mark.parametrize(
    ("a", "b", "given", "is_planned"),
    [
        (Variant(), Variant(0, 0), {}, True),
        (Variant(1), Variant(), {}, False),
        (Variant(), Variant(None, 1), {}, False),
        (Variant(), Variant(), {"days": (date(2026, 5, 1),)}, False),
        (Variant(), Variant(), {"ended": True}, False),
    ],
)
def test_a_test_is_planned_until_anybody_saw_it(a, b, given, is_planned):
    one = advice(None, status="insufficient_data", ended=given.pop("ended", False)).decision
    verb, reason = advise(one._replace(test=one.test._replace(a=a, b=b, **given)))
    assert (verb == "Planned") is is_planned
    assert (reason == "Not started yet.") is is_planned


def several(ratio: float | None, *others: tuple[str | None, float | None]) -> Any:
    """A test whose B won by a ratio, beside other variants with a winner and a ratio."""
    won = advice("b", GAIN).decision
    result = won.result._replace(ratio=ratio)
    arms = tuple(
        ArmResult("c", Variant(1_500, 9), result._replace(winner=winner, ratio=of), "holm", 0.05)
        for winner, of in others
    )
    own = ArmResult("b", won.test.b, result, "holm", 0.05)
    return won._replace(result=result, arms=(own, *arms), leading="b")


@pytest.mark.parametrize(
    ("ratio", "others", "verb"),
    [
        (1.2, [("b", 1.1)], "Take B"),
        (1.2, [("b", 1.2)], "Take B"),
        (1.2, [("b", 1.3)], "Wait"),
        (1.2, [("a", 1.3), ("none", 1.4)], "Take B"),
        (None, [("b", None)], "Take B"),
        (None, [("b", 0.5)], "Wait"),
    ],
)
def test_of_several_winners_the_one_further_ahead_is_taken(ratio, others, verb):
    assert advise(several(ratio, *others))[0] == verb


def test_money_of_several_variants_is_of_all_their_visitors():
    """2,000 visitors of A, 1,000 of B, 1,500 of C in 20 days: 6,750 in 30."""
    row = {"started_at": datetime(2026, 5, 11), "ended_at": None}
    b, c = advised([several(1.3, ("b", 1.2))], [row], UNTIL)
    assert b.month == pytest.approx((3_375, 1_350, 5_400))
    assert b.change == pytest.approx(tuple(end * (1 - 1_000 / 4_500) for end in b.month or ()))
    assert (b.name, b.letter, b.told_verb, b.verb) == ("Gift: B", "B", "Take B", "Take B")
    assert (c.name, c.letter, c.told_verb, c.change) == ("Gift: C", "C", "Wait", None)
    assert c.reason == "Better than A, but another variant is further ahead."
    assert (b.days, b.first_day, b.last_day, b.is_running) == (20, date(2026, 5, 11), None, True)
    two = several(1.3, ("b", 1.2))
    unseen = two._replace(arms=(two.arms[0], two.arms[1]._replace(sums=Variant(0, 0))))
    assert advised([unseen], [row], UNTIL)[0].month == pytest.approx((2_250, 900, 3_600))


@pytest.mark.parametrize(
    ("start", "end", "days", "last"),
    [
        (datetime(2026, 5, 30, 23), None, 1, None),
        (datetime(2026, 5, 21), datetime(2026, 5, 22), 1, date(2026, 5, 21)),
        (datetime(2026, 5, 21), datetime(2026, 5, 22, 0, 0, 0, 1), 2, date(2026, 5, 22)),
        (datetime(2026, 5, 21), datetime(2026, 6, 22), 10, date(2026, 6, 21)),  # later than today
        (None, datetime(2026, 5, 22), 0, date(2026, 5, 21)),
    ],
)
def test_days_are_those_with_visitors_so_far(start, end, days, last):
    one = advice("b", GAIN, ended=end is not None).decision
    [found] = advised([one], [{"started_at": start, "ended_at": end}], UNTIL)
    assert (found.days, found.last_day) == (days, last)
    assert found.is_running is (end is None)
    running = one._replace(test=one.test._replace(plan=one.test.plan._replace(ended=False)))
    [found] = advised([running], [{"started_at": start, "ended_at": end}], UNTIL)
    assert found.last_day is None


@pytest.mark.parametrize(
    ("profit", "month"),
    [
        (GAIN._replace(difference=0.1), (900, 900, 3_600)),  # the estimate of the last look
        (GAIN._replace(difference=0.9), (3_600, 900, 3_600)),
        (GAIN._replace(difference_low=None), (2_250, None, 3_600)),
        (GAIN._replace(difference_low=-float("inf")), (2_250, None, 3_600)),
        (GAIN._replace(difference=None), None),
    ],
)
def test_an_amount_is_inside_its_range(profit, month):
    """The range of all looks can exclude the estimate of the last one."""
    found = advice("b", profit)
    assert found.month == (month and Amount(*(pytest.approx(end) if end else end for end in month)))


def test_an_unbounded_loss_is_bounded_on_the_other_side():
    """Its largest loss is not known, its smallest is 300."""
    one = advice("a", LOSS._replace(difference_low=-float("inf")))
    assert one.change == Amount(pytest.approx(750), pytest.approx(300), None)
    assert advice("a", LOSS, visitors=(2_000, 0)).month is None
    assert advice("none", OPEN, status="no_decision").change is None
