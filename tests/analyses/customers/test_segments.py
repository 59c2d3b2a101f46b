"""RFM groups: Shopify's grid, the scoring rule, and the confirmation of labels."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.customers.segments import (
    GROUPS,
    PROSPECTS,
    Customer,
    Labels,
    Segment,
    SegmentRule,
    confirm,
    rfm_group,
    segment,
    segment_by_group,
    segment_by_window,
)
from d1lab.errors import UnknownName


def test_rfm_group_is_shopifys_grid(oracles: dict):
    """Every cell of the grid in Shopify's report, with half scores rounded up."""
    grid = oracles["customers"]["rfm_grid"]["grid"]
    for cell, group in grid.items():
        r, fm = int(cell[1]), float(cell.split("FM")[1])
        f = int(fm)
        m = round(2 * fm) - f
        assert rfm_group(r, f, m).lower() == group.lower(), cell


def test_groups_are_eleven_with_the_prospects():
    """Ten groups of customers who bought, and those who never did."""
    scores = range(1, 6)
    named = {rfm_group(r, f, m) for r in scores for f in scores for m in scores}
    assert len(GROUPS) == 11
    assert set(GROUPS) == named | {PROSPECTS}


def test_segment_scores_by_share_of_the_shop_worse(oracles: dict):
    """The worked set of the reference numbers: scored by quintiles, though it is small."""
    case = oracles["customers"]["rfm_small_set"]
    known = case["result"]
    customers = [Customer(row["days"], row["orders"], row["spend"]) for row in known]
    # Ten of each keep every customer's share of worse ones, and pass the bound for quintiles.
    segments = segment([customer for customer in customers for _ in range(10)])[::10]
    assert [tuple(s[:3]) for s in segments] == [(k["R"], k["F"], k["M"]) for k in known]
    assert [s.rfm_group for s in segments] == [k["group"] for k in known]


def test_segment_takes_fixed_rules_for_a_small_shop():
    """Below 50 customers: F by 1 / 2 / 3-4 / 5-9 / 10+, R against the gap, M against the median."""
    customers = [
        Customer(5, 12, 300),
        Customer(15, 5, 160),
        Customer(35, 3, 100),
        Customer(50, 2, 110),
        Customer(200, 1, 20),
    ]
    scores = [(5, 5, 5), (4, 4, 4), (3, 3, 3), (2, 2, 3), (1, 1, 1)]
    assert [s[:3] for s in segment(customers, gap_days=20)] == scores
    assert [s.r_score for s in segment(customers)] == [None] * 5  # without a gap
    edges = [Customer(days, 1, 100) for days in (10, 11, 20, 21, 40, 41, 60, 61)]
    edges += [Customer(0, purchases, 100) for purchases in (2, 3, 4, 5, 9, 10)]
    edges += [Customer(0, 1, spend) for spend in (49, 50, 79, 80, 124, 125, 199, 200)]
    found = segment(edges, gap_days=20)
    assert [s.r_score for s in found[:8]] == [5, 4, 4, 3, 3, 2, 2, 1]
    assert [s.f_score for s in found[8:14]] == [2, 3, 3, 4, 4, 5]
    assert [s.m_score for s in found[14:]] == [1, 2, 2, 3, 3, 4, 4, 5]
    poor = segment([Customer(1, 1, 0), Customer(2, 2, 0), Customer(3, 3, 9)], gap_days=1)
    assert [s.m_score for s in poor] == [None] * 3


def test_quintiles_begin_with_50_customers():
    """Below, the fixed rules: a gap of a day makes all but the last ones late."""
    customers = [Customer(days, 1 + days % 2, 1 + days) for days in range(50)]
    assert [s.r_score for s in segment(customers, gap_days=1)] == [
        1 + 5 * (49 - days) // 50 for days in range(50)
    ]
    assert [s.r_score for s in segment(customers[:49], gap_days=1)] == [5, 4, 3, 2, *[1] * 45]


@pytest.mark.parametrize(
    ("customers", "reason"),
    [
        ([Customer(3, 1, 10), Customer(9, 1, 20)], "frequency_says_nothing"),
        ([Customer(3, 1, 10), Customer(3, 2, 20)], "recency_says_nothing"),
        ([Customer(3, 1, 10), Customer(9, 2, 10)], "spend_says_nothing"),
    ],
)
def test_segment_abstains_where_a_dimension_says_nothing(customers, reason):
    """With one distinct value there is no group; the reason names the dimension."""
    found = segment(customers, gap_days=5)
    assert {s.reason for s in found} == {reason}
    assert {s.rfm_group for s in found} == {None}


def test_segment_of_nobody_is_empty():
    """A shop without buyers has no segments."""
    assert segment([]) == []


DAY = np.datetime64("2026-06-01")


def _labels(group, pending=None, since="NaT") -> Labels:
    texts = (np.array([value], dtype=object) for value in (group, pending))
    return Labels(*texts, np.array([since], dtype="datetime64[D]"))


def _confirmed(shown: Labels, proposed, *, bought=False, day=DAY):
    label = confirm(shown, [proposed], [bought], day)
    return label.group.item(), label.pending.item()


def test_confirm_follows_an_order_at_once():
    """A purchase changes the label at once, regardless of a pending proposal."""
    assert _confirmed(_labels("At risk"), "Active", bought=True) == ("Active", None)
    assert _confirmed(_labels("At risk", "Dormant", DAY), "Active", bought=True)[1] is None


def test_confirm_forgets_a_proposal_that_does_not_come_again():
    """A label proposed only once is never shown."""
    waiting = _labels("Loyal", "At risk", DAY - 40)
    assert _confirmed(waiting, "Loyal") == ("Loyal", None)
    assert _confirmed(waiting, "Dormant") == ("Loyal", "Dormant")


def test_confirm_needs_the_second_proposal_to_be_later():
    """28 days are required; otherwise daily runs would confirm any change within two days."""
    assert _confirmed(_labels("Loyal", "At risk", DAY - 27), "At risk") == ("Loyal", "At risk")
    assert _confirmed(_labels("Loyal", "At risk", DAY - 28), "At risk") == ("At risk", None)
    waiting = confirm(_labels("Loyal", "At risk", DAY - 27), ["At risk"], [False], DAY)
    assert waiting.since.item() == (DAY - 27).item()


@pytest.mark.parametrize(("shown", "proposed"), [("New", "Prospects"), ("Prospects", "New")])
def test_confirm_takes_prospects_at_once(shown, proposed):
    """Having bought at all does not depend on scores, so it needs no confirmation."""
    assert _confirmed(_labels(shown), proposed) == (proposed, None)


def test_confirm_shows_nothing_where_the_scores_say_nothing():
    """A missing group is not replaced by an old label, and ends at once."""
    assert _confirmed(_labels("Loyal"), None) == (None, None)
    assert _confirmed(_labels(None), "Loyal") == ("Loyal", None)


@pytest.mark.parametrize(
    ("group", "m_score", "expected"),
    [
        ("Champions", 3, "vip"), ("Loyal", 5, "vip"), ("Loyal", 4, "regular"), ("New", 1, "new"),
        ("Promising", 1, "new"), ("Dormant", 1, "regular"), ("Prospects", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_segment_by_group_maps_groups_to_the_apps_three(group, m_score, expected):
    """The default rule; prospects have no segment."""
    assert segment_by_group([group], [m_score]).tolist() == [expected]


def test_segment_by_group_takes_a_rule_of_ones_own():
    """A custom rule is applied as given, and an unknown group is rejected."""
    rule = SegmentRule(vip=("At risk",), new=())
    assert segment_by_group(["Loyal", "At risk"], [5, 2], rule).tolist() == ["regular", "vip"]
    with pytest.raises(UnknownName, match=r"Champion.*Champions"):
        segment_by_group(["Loyal"], [5], SegmentRule(vip=("Champion",)))


def test_segment_by_window_asks_for_spend_and_purchases():
    """Both minimums are required; a customer who spent long ago is regular."""
    columns = ([9, 9, 9, 1], [4, 2, 0, 1], [200, 200, 0, 20])
    found = segment_by_window(*columns, vip_spend=100, vip_purchases=3).tolist()
    assert found == ["vip", "regular", "regular", "new"]
    edges = ([1, 2, 1, 0, 3], [1, 1, 0, 0, 0], [100, 100, 0, 0, 0])
    assert segment_by_window(*edges, vip_spend=100).tolist() == ["vip", "vip", "regular", None,
        "regular"]  # fmt: skip
    assert segment_by_window(*edges).tolist() == ["vip", "vip", "regular", None, "regular"]
    assert segment_by_window(*edges, vip_spend=100.01).tolist()[:2] == ["new", "regular"]
    assert segment_by_window(*edges, vip_purchases=0).tolist()[4] == "regular"


def test_segment_fields_say_what_they_are():
    """Without a group, the available scores are still returned."""
    found = segment([Customer(3, 1, 10), Customer(9, 1, 20)], gap_days=5)[0]
    assert found == Segment(4, None, 2, None, "frequency_says_nothing")
