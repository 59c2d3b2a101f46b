"""Customer segments: Shopify's RFM groups, when a label may change, and the app's three segments.

The scores are made by `customer_scores.sql` in one statement; `segment` here is the
same rule in Python, which tests hold the SQL to.

Source of the grid: Shopify's RFM report. FM is (F + M) / 2; half scores count upward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.errors import UnknownName

Texts = NDArray[np.object_]
Days = NDArray[np.datetime64]

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

GROUPS = (
    "Champions", "Loyal", "Active", "New", "Promising", "Needs attention", "Almost lost", "At risk",
    "Previously loyal", "Dormant", PROSPECTS,
)  # fmt: skip
"""Shopify's eleven groups, the best first: ten of customers who bought, and the prospects."""


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


class Labels(NamedTuple):
    """The groups of customers as shown; arrays of one length.

    `pending` is a group that was proposed and waits to be confirmed, None for none; `since` is the
    day of its first proposal, NaT for none.
    """

    group: Texts
    pending: Texts
    since: Days


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
        gap_days: The shop's median time between purchases; None if no customer bought twice. Only
            small shops (fewer than 50 customers) need it.
    """
    small = len(customers) < FIXED_RULES_BELOW
    spend = np.array([customer.spend for customer in customers])
    median = float(np.median(spend)) if len(spend) else 0.0
    fixed = (
        lambda c: None if gap_days is None else _recency_score(c.days, gap_days),
        lambda c: _step(c.purchases, 1, (2, 3, 5, 10)),
        lambda c: _step(c.spend, median, (0.5, 0.8, 1.25, 2)) if median > 0 else None,
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


def _step(value: float, unit: float, bounds: Sequence[float]) -> int:
    return 1 + sum(value >= bound * unit for bound in bounds)


def _recency_score(days: float, gap: float) -> int:
    return 5 - sum(days > bound * gap for bound in (0.5, 1, 2, 3))


def _segment(r: int | None, f: int | None, m: int | None) -> Segment:
    for score, name in ((f, "frequency"), (r, "recency"), (m, "spend")):
        if score is None:
            return Segment(r, f, m, None, f"{name}_says_nothing")
    return Segment(r, f, m, rfm_group(r or 0, f or 0, m or 0), None)


def confirm(
    shown: Labels, proposed: ArrayLike, at_once: ArrayLike, day: np.datetime64, *, days: int = 28
) -> Labels:
    """The labels to show: one changes with an order, or when it is proposed again `days` later.

    Quintiles move with every other customer's purchase; without this rule 37 % of the labels
    change in a month without an order of the customer.

    Args:
        shown: The last labels.
        proposed: The groups by today's scores, None where they say nothing.
        at_once: True where the customer bought since the last label, or is new.
        day: Today; not before any `since`.
        days: How far two equal proposals lie apart, with no other between, to confirm each other.
            With snapshots a month apart these are two in a row.

    >>> day = np.datetime64("2026-01-01")
    >>> seen = Labels(*map(np.array, (["Loyal"], [None], [np.datetime64("NaT", "D")])))
    >>> first = confirm(seen, ["At risk"], [False], day)
    >>> second = confirm(first, ["At risk"], [False], day + 28)
    >>> first.group.item(), first.pending.item(), second.group.item(), second.pending.item()
    ('Loyal', 'At risk', 'At risk', None)
    """
    wanted = np.asarray(proposed, dtype=object)
    since = np.where(wanted == shown.pending, shown.since, day).astype("datetime64[D]")
    settled = (
        np.asarray(at_once, bool)
        | (wanted == shown.group)
        | (day - since >= np.timedelta64(days, "D"))
    )
    settled |= _plain(wanted) | _plain(shown.group)
    return Labels(
        np.where(settled, wanted, shown.group),
        np.where(settled, np.full(len(wanted), None, dtype=object), wanted),
        np.where(settled, np.datetime64("NaT", "D"), since),
    )


def _plain(groups: Texts) -> NDArray[np.bool_]:
    """Where a group does not depend on scores: no purchase, or no data."""
    return np.isin(groups.astype(str), [PROSPECTS, str(None)])


class SegmentRule(NamedTuple):
    """Which groups make the app's segments: 'Loyal', or 'Loyal/5' for Loyal with M score 5."""

    vip: Sequence[str] = ("Champions", "Loyal/5")
    new: Sequence[str] = ("New", "Promising")


DEFAULT_RULE = SegmentRule()


def segment_by_group(
    groups: ArrayLike, m_scores: ArrayLike, rule: SegmentRule = DEFAULT_RULE
) -> Texts:
    """The app's segment of each customer: 'vip', 'new', 'regular', or None.

    Args:
        groups: RFM groups; None and Prospects have no segment.
        m_scores: M scores, anything where the group is None.
        rule: Which groups are vip and new; all others are regular.

    Raises:
        UnknownName: The rule names a group that does not exist.

    >>> segment_by_group(["Loyal", "Loyal", "New", "Dormant", "Prospects"], [5, 4, 1, 2, None])
    array(['vip', 'regular', 'new', 'regular', None], dtype=object)
    """
    for name in (*rule.vip, *rule.new):
        if name.partition("/")[0] not in GROUPS:
            raise UnknownName("group", name, GROUPS, "the rule for segments")
    groups = np.asarray(groups, dtype=object)
    scores = np.asarray(m_scores, dtype=object)
    segments = np.where(_matches(groups, scores, rule.new), "new", "regular").astype(object)
    segments[_matches(groups, scores, rule.vip)] = "vip"
    segments[_plain(groups)] = None
    return segments


def _matches(groups: Texts, scores: Texts, names: Sequence[str]) -> NDArray[np.bool_]:
    found = np.zeros(len(groups), bool)
    for name in names:
        group, _, score = name.partition("/")
        found |= (groups == group) & ((scores == int(score)) if score else True)
    return found


def segment_by_window(
    purchases: ArrayLike,
    recent_purchases: ArrayLike,
    recent_spend: ArrayLike,
    *,
    vip_spend: float = 0.0,
    vip_purchases: int = 1,
) -> Texts:
    """The app's segment by what each customer bought within a window of days.

    Args:
        purchases: All purchases ever; who has none has no segment.
        recent_purchases: Those within the window.
        recent_spend: Their spend.
        vip_spend: Vips spent at least this much within the window,
        vip_purchases: and bought at least this often. New is whose only purchase lies within it.

    >>> segment_by_window([9, 1, 1, 0], [4, 1, 0, 0], [200, 20, 0, 0], vip_spend=100)
    array(['vip', 'new', 'regular', None], dtype=object)
    """
    ever, recent, spend = map(np.asarray, (purchases, recent_purchases, recent_spend))
    segments = np.where((ever == 1) & (recent == 1), "new", "regular").astype(object)
    segments[(spend >= vip_spend) & (recent >= max(vip_purchases, 1))] = "vip"
    segments[ever == 0] = None
    return segments
