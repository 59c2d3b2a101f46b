"""Customer segments: Shopify's RFM groups, confirmation of labels, and the app's three segments.

`customer_scores.sql` computes the scores in one statement. `segment` is the same rule in Python,
and tests compare the two.

Source of the grid: Shopify's RFM report. FM is (F + M) / 2, with halves rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.errors import UnknownName

Texts = NDArray[np.object_]
Codes = NDArray[np.int8]
Days = NDArray[np.datetime64]

FIXED_RULES_BELOW = 50
LOW_CONFIDENCE_BELOW = 200

PROSPECTS = "Prospects"
"""Group of customers without a purchase that was kept."""

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
"""Shopify's eleven groups, best first: ten for customers who bought, and the prospects."""

NO_GROUP = -1
"""Code of a customer without a group; the others are places in `GROUPS`."""

_GRID_CODES = np.array([[GROUPS.index(name) for name in _GRID[r]] for r in range(1, 6)], np.int8)


class Customer(NamedTuple):
    """Inputs of the rules for one customer; orders on the same day count as one purchase."""

    days: float  # since the last purchase
    purchases: int
    spend: float  # net of refunds, in the shop's currency


class Segment(NamedTuple):
    """Scores from 1 to 5 (best); a score is None if all customers have the same value."""

    r_score: int | None
    f_score: int | None
    m_score: int | None
    rfm_group: str | None  # None with a reason
    reason: str | None  # 'recency_says_nothing', 'frequency_...', 'spend_says_nothing', or None


class Labels(NamedTuple):
    """Groups of customers as shown; arrays of equal length.

    `pending` is a proposed group that is not confirmed yet, or None; `since` is the day of its
    first proposal, or NaT. Groups are names, or their codes, with `NO_GROUP` for None.
    """

    group: Texts | Codes
    pending: Texts | Codes
    since: Days


def quintile_scores(values: ArrayLike) -> NDArray[np.int64]:
    """Return 1 + (5 x number of strictly lower values) div n; ties share a score.

    That is 1 more for each end of the first four fifths below a value, so nothing is sorted.

    >>> quintile_scores([10, 20, 20, 40, 50]).tolist()
    [1, 2, 2, 4, 5]
    """
    values = np.asarray(values)
    if not len(values):
        return np.zeros(0, np.int64)
    ends = [-(-fifth * len(values) // 5) - 1 for fifth in range(1, 5)]
    return 1 + np.searchsorted(np.partition(values, ends)[ends], values)


def tile_scores(values: ArrayLike) -> NDArray[np.int64]:
    """Return five parts of equal size by value, the first ones larger; ties in their order.

    >>> tile_scores([10, 20, 20, 20, 50, 60, 70]).tolist()
    [1, 1, 2, 2, 3, 4, 5]
    """
    values = np.asarray(values)
    tiles = np.zeros(len(values), np.int64)
    parts = np.array_split(np.argsort(values, kind="stable"), 5)
    for tile, part in enumerate(parts, 1):
        tiles[part] = tile
    return tiles


def group_codes(
    last_days: ArrayLike, purchases: ArrayLike, spend: ArrayLike, mode: str = "quintile"
) -> Codes:
    """Return the codes of the groups of at least `FIXED_RULES_BELOW` customers who bought.

    It is the rule of `segment`, and in mode 'ntile' that of Shopify's page.

    Args:
        last_days: Days of the last purchases, as numbers or datetimes.
        purchases: Purchases per customer.
        spend: Spend per customer.
        mode: 'quintile', or 'ntile' for equal parts, with ties in the order of the customers.
    """
    columns = [np.asarray(column) for column in (last_days, purchases, spend)]
    if any(column.min() == column.max() for column in columns):
        return np.full(len(columns[0]), NO_GROUP, np.int8)
    scored = tile_scores if mode == "ntile" else quintile_scores
    r, f, m = map(scored, columns)
    return _GRID_CODES[r - 1, (f + m + 1) // 2 - 1]


def rfm_group(r_score: int, f_score: int, m_score: int) -> str:
    """Return Shopify's group name for three scores.

    >>> rfm_group(3, 3, 4), rfm_group(3, 3, 3)
    ('Loyal', 'Needs attention')
    """
    return _GRID[r_score][(f_score + m_score + 1) // 2 - 1]


def segment(customers: Sequence[Customer], *, gap_days: float | None = None) -> list[Segment]:
    """Compute the scores and group of each customer of one shop.

    Args:
        customers: All customers who bought.
        gap_days: The shop's median time between purchases; None if no customer bought twice. Used
            only for shops with fewer than 50 customers.
    """
    small = len(customers) < FIXED_RULES_BELOW
    spend = np.array([customer.spend for customer in customers])
    median = float(np.median(spend)) if len(spend) else 0.0
    fixed: tuple[Callable[[Customer], int | None], ...] = (
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
    """Update the labels: one changes after an order, or if proposed again `days` later.

    Quintiles change with the purchases of all customers. Without this rule, 37% of the labels
    change within a month without an order by the customer.

    Args:
        shown: Previous labels.
        proposed: Groups by today's scores, as in `shown`; None if not available.
        at_once: True if the customer bought since the last label, or is new.
        day: Today; not earlier than any `since`.
        days: Minimum days between two equal proposals, with no other in between, to confirm the
            change. With monthly snapshots, two in a row are enough.

    >>> day = np.datetime64("2026-01-01")
    >>> seen = Labels(*map(np.array, (["Loyal"], [None], [np.datetime64("NaT", "D")])))
    >>> first = confirm(seen, ["At risk"], [False], day)
    >>> second = confirm(first, ["At risk"], [False], day + 28)
    >>> first.group.item(), first.pending.item(), second.group.item(), second.pending.item()
    ('Loyal', 'At risk', 'At risk', None)
    """
    wanted = np.asarray(proposed)
    wanted, none = (wanted, NO_GROUP) if wanted.dtype.kind == "i" else (wanted.astype(object), None)
    since = np.where(wanted == shown.pending, shown.since, day).astype("datetime64[D]")
    settled = (
        np.asarray(at_once, bool)
        | (wanted == shown.group)
        | (day - since >= np.timedelta64(days, "D"))
    )
    settled |= _plain(wanted) | _plain(shown.group)
    return Labels(
        np.where(settled, wanted, shown.group),
        np.where(settled, np.full(len(wanted), none, wanted.dtype), wanted),
        np.where(settled, np.datetime64("NaT", "D"), since),
    )


def _plain(groups: Texts | Codes) -> NDArray[np.bool_]:
    """Return True for each group that does not depend on scores: no purchase, or no data."""
    if groups.dtype.kind == "i":
        return (groups == NO_GROUP) | (groups == GROUPS.index(PROSPECTS))
    return np.isin(groups.astype(str), [PROSPECTS, str(None)])


class SegmentRule(NamedTuple):
    """Groups of each app segment, such as 'Loyal', or 'Loyal/5' for Loyal with M score 5."""

    vip: Sequence[str] = ("Champions", "Loyal/5")
    new: Sequence[str] = ("New", "Promising")


DEFAULT_RULE = SegmentRule()


def segment_by_group(
    groups: ArrayLike, m_scores: ArrayLike, rule: SegmentRule = DEFAULT_RULE
) -> Texts:
    """Return the app's segment of each customer: 'vip', 'new', 'regular', or None.

    Args:
        groups: RFM groups; None and Prospects have no segment.
        m_scores: M scores; ignored if the group is None.
        rule: Groups that are vip and new; all others are regular.

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
    """Return the app's segment by the purchases of each customer within a window of days.

    Args:
        purchases: All purchases; customers with 0 have no segment.
        recent_purchases: Purchases within the window. A customer is new if they are the only ones.
        recent_spend: Spend within the window.
        vip_spend: Minimum spend of a vip within the window.
        vip_purchases: Minimum purchases of a vip within the window.

    >>> segment_by_window([9, 1, 1, 0], [4, 1, 0, 0], [200, 20, 0, 0], vip_spend=100)
    array(['vip', 'new', 'regular', None], dtype=object)
    """
    ever, recent, spend = map(np.asarray, (purchases, recent_purchases, recent_spend))
    segments = np.where((ever == 1) & (recent == 1), "new", "regular").astype(object)
    segments[(spend >= vip_spend) & (recent >= max(vip_purchases, 1))] = "vip"
    segments[ever == 0] = None
    return segments
