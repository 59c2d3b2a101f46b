"""RFM groups: Shopify's grid, the rule for scores, and when a label may change."""

from __future__ import annotations

import pytest

from d1lab.stats.segments import (
    GROUPS,
    Customer,
    Label,
    Segment,
    confirm,
    customer_segment,
    rfm_group,
    segment,
)


def test_rfm_group_is_shopifys_grid(oracles: dict):
    """Every cell of the grid in Shopify's report, half scores upward."""
    grid = oracles["customers_inventory"]["rfm_shopify_grid"]["grid"]
    for cell, group in grid.items():
        r, fm = int(cell[1]), float(cell.split("FM")[1])
        f = int(fm)
        m = round(2 * fm) - f
        assert rfm_group(r, f, m).lower() == group.lower(), cell


def test_groups_are_eleven_with_the_prospects():
    """Ten groups of customers who bought, and those who never did."""
    assert len(GROUPS) == len(set(GROUPS)) == 11


def test_segment_scores_by_share_of_the_shop_worse(oracles: dict):
    """The worked set of the reference numbers: scored by quintiles, though it is small."""
    case = oracles["customers_inventory"]["rfm_small_set"]
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


@pytest.mark.parametrize(
    ("customers", "reason"),
    [
        ([Customer(3, 1, 10), Customer(9, 1, 20)], "frequency_says_nothing"),
        ([Customer(3, 1, 10), Customer(3, 2, 20)], "recency_says_nothing"),
        ([Customer(3, 1, 10), Customer(9, 2, 10)], "spend_says_nothing"),
    ],
)
def test_segment_abstains_where_a_dimension_says_nothing(customers, reason):
    """One distinct value tells nobody apart: no group, with the dimension named."""
    found = segment(customers, gap_days=5)
    assert {s.reason for s in found} == {reason}
    assert {s.rfm_group for s in found} == {None}


def test_segment_of_nobody_is_empty():
    """A shop without buyers has no segments."""
    assert segment([]) == []


def test_confirm_follows_an_order_at_once():
    """A purchase is reason enough for a new label."""
    assert confirm(Label("At risk"), "Active", bought=True) == Label("Active")


def test_confirm_forgets_a_proposal_that_does_not_come_again():
    """A label that was proposed once and not again never shows."""
    waiting = confirm(Label("Loyal"), "At risk", bought=False)
    assert confirm(waiting, "Loyal", bought=False) == Label("Loyal")
    assert confirm(waiting, "Dormant", bought=False) == Label("Loyal", pending="Dormant")


@pytest.mark.parametrize(
    ("group", "m_score", "expected"),
    [
        ("Champions", 3, "vip"), ("Loyal", 5, "vip"), ("Loyal", 4, "regular"), ("New", 1, "new"),
        ("Promising", 1, "new"), ("Dormant", 1, "regular"), ("Prospects", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_customer_segment_maps_groups_to_the_apps_three(group, m_score, expected):
    """The default rule; prospects have no segment."""
    assert customer_segment(group, m_score) == expected


def test_customer_segment_takes_a_mapping_of_ones_own():
    """A merchant's own rule is taken as it stands."""
    assert customer_segment("Loyal", 5, {"Loyal": "regular"}) == "regular"


def test_segment_fields_say_what_they_are():
    """A refusal still gives the scores that could be made."""
    found = segment([Customer(3, 1, 10), Customer(9, 1, 20)], gap_days=5)[0]
    assert found == Segment(4, None, 2, None, "frequency_says_nothing")
