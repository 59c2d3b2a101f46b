"""Customer segments: Shopify's RFM groups, when a label may change, and the app's three segments.

The scores are made by `sql/metrics/customer_scores.sql` in one statement; `segment` here is the
same rule in Python, for reference and for tests.

Source of the grid: Shopify's RFM report. FM is (F + M) / 2; half scores count upward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FIXED_RULES_BELOW = 50
LOW_CONFIDENCE_BELOW = 200

PROSPECTS = "Prospects"
"""Customers without a purchase that lasted."""

_GRID = {
    5: ("New", "Active", "Active", "Champions", "Champions"),
    4: ("Promising", "Active", "Active", "Loyal", "Loyal"),
    3: ("Almost lost", "Almost lost", "Needs attention", "Loyal", "Loyal"),
    2: ("Dormant", "Dormant", "At risk", "At risk", "Previously loyal"),
    1: ("Dormant", "Dormant", "At risk", "At risk", "Previously loyal"),
}

GROUPS = (*dict.fromkeys(name for row in _GRID.values() for name in row), PROSPECTS)
"""Shopify's eleven groups: ten of customers who bought, and the prospects."""


class Customer(NamedTuple):
    """What the rules know of one customer: all three are of purchases, same-day orders merged."""

    days: float  # since the last purchase
    purchases: int
    spend: float  # net of refunds, in the shop's currency


class Segment(NamedTuple):
    """Scores from 1 to 5, 5 the best; a score is None where its dimension says nothing."""

    r_score: int | None
    f_score: int | None
    m_score: int | None
    rfm_group: str | None  # None with a reason
    reason: str | None  # 'recency_says_nothing', 'frequency_...', 'spend_says_nothing', or None


class Label(NamedTuple):
    """A customer's group as shown, and the one that waits for its confirmation, if any."""

    group: str | None
    pending: str | None = None


def quintile_scores(values: ArrayLike) -> NDArray[np.int64]:
    """1 + (5 x how many are strictly worse) div n; higher is better, ties share a score.

    >>> quintile_scores([10, 20, 20, 40, 50]).tolist()
    [1, 2, 2, 4, 5]
    """
    values = np.asarray(values)
    worse = np.searchsorted(np.sort(values), values, side="left")
    return 1 + 5 * worse // max(len(values), 1)


def rfm_group(r_score: int, f_score: int, m_score: int) -> str:
    """Shopify's name for three scores.

    >>> rfm_group(3, 3, 4), rfm_group(3, 3, 3)
    ('Loyal', 'Needs attention')
    """
    return _GRID[r_score][(f_score + m_score + 1) // 2 - 1]


def segment(customers: Sequence[Customer], *, gap_days: float | None = None) -> list[Segment]:
    """Scores and group of each customer of one shop.

    Args:
        customers: All who bought.
        gap_days: The shop's median time between purchases; None when nobody came back. Only
            small shops (fewer than 50 customers) need it.
    """
    small = len(customers) < FIXED_RULES_BELOW
    spend = np.array([customer.spend for customer in customers])
    median = float(np.median(spend)) if len(spend) else 0.0
    fixed = (
        lambda c: None if gap_days is None else _recency_score(c.days / gap_days),
        lambda c: _step(c.purchases, (2, 3, 5, 10)),
        lambda c: _step(c.spend / median if median else 0.0, (0.5, 0.8, 1.25, 2)),
    )
    columns = ([-c.days for c in customers], [c.purchases for c in customers], spend)
    scores = [
        _scores(column, customers, rule if small else None)
        for column, rule in zip(columns, fixed, strict=True)
    ]
    return [_segment(*row) for row in zip(*scores, strict=True)]


def _scores(
    values: ArrayLike, customers: Sequence[Customer], rule: Callable[[Customer], int | None] | None
) -> list[int | None]:
    if len(np.unique(np.asarray(values))) < 2:
        return [None] * len(customers)
    if rule is None:
        return quintile_scores(values).tolist()
    return [rule(customer) for customer in customers]


def _step(value: float, bounds: Sequence[float]) -> int:
    return 1 + sum(value >= bound for bound in bounds)


def _recency_score(gaps: float) -> int:
    return 5 - sum(gaps > bound for bound in (0.5, 1, 2, 3))


def _segment(r: int | None, f: int | None, m: int | None) -> Segment:
    for score, name in ((r, "recency"), (f, "frequency"), (m, "spend")):
        if score is None:
            return Segment(r, f, m, None, f"{name}_says_nothing")
    return Segment(r, f, m, rfm_group(r or 0, f or 0, m or 0), None)


def confirm(shown: Label | None, proposed: str | None, *, bought: bool) -> Label:
    """The label to show: it changes with an order, or when two snapshots in a row propose it.

    Quintiles move with every other customer's purchase; without this rule 37 % of the labels
    change in a month without an order of the customer.

    Args:
        shown: The last label; None for a customer seen for the first time.
        proposed: The group by today's scores.
        bought: Whether the customer bought since the last label.

    >>> first = confirm(Label("Loyal"), "At risk", bought=False)
    >>> first, confirm(first, "At risk", bought=False)
    (Label(group='Loyal', pending='At risk'), Label(group='At risk', pending=None))
    """
    if shown is None or bought or proposed in (shown.group, shown.pending):
        return Label(proposed)
    return Label(shown.group, pending=proposed)


SEGMENT_OF: Mapping[str, str | None] = {
    **dict.fromkeys(GROUPS, "regular"),
    "New": "new",
    "Promising": "new",
    "Champions": "vip",
    PROSPECTS: None,
}
"""The app's vip, regular and new by group; Loyal with M = 5 is vip as well."""


def customer_segment(
    group: str | None, m_score: int | None, mapping: Mapping[str, str | None] = SEGMENT_OF
) -> str | None:
    """The app's segment of a customer: 'vip', 'regular', 'new', or None where nothing is known.

    With the default mapping, Loyal customers of the highest spend are vip; a mapping of one's own
    is taken as it stands.
    """
    if group is None:
        return None
    if mapping is SEGMENT_OF and group == "Loyal" and m_score == 5:
        return "vip"
    return mapping.get(group)
