"""Stable RFM labels and changes between groups.

A customer's label changes to the group of today's scores after an order, or if a snapshot at least
28 days old proposed the same group. Snapshots are computed from the orders for every fourth Monday
of the calendar. Labels therefore depend only on the data and the day, not on earlier runs, and two
reports for the same day agree.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d1lab.analyses.customers.alignment import aligned
from d1lab.analyses.customers.segments import GROUPS, NO_GROUP, Labels, confirm
from d1lab.analyses.customers.snapshots import GROUP, EarlierScores
from d1lab.errors import UnknownName

if TYPE_CHECKING:
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MODES = ("quintile", "ntile")
"""Scoring modes: ties share a score, or five equal parts as on Shopify's screen."""

STEP_DAYS = 28
BACK_DAYS = 90
NEWCOMER = "(new customer)"

_FROM = pd.CategoricalDtype([*GROUPS, NEWCOMER])

_KEPT = ["customer_id", "day", "rfm_group", "pending_group", "pending_since"]


class LabeledCustomers(NamedTuple):
    """Today's customers with their shown groups, and earlier snapshots to compare with."""

    now: Frame  # scores with `rfm_group` as shown, `proposed_group`, and pending changes
    last: Frame | None  # the last snapshot before today; None before the shop's first purchase
    earlier: Frame | None  # labels of 90 days ago, as in a report for that day
    walk_ins: Frame | None = None  # customer IDs shared by many people; in no group


def label(lab: Lab, until: date, mode: str = "quintile") -> LabeledCustomers:
    """Score all customers and confirm their labels.

    Args:
        lab: Lab opened for one shop.
        until: Last day included.
        mode: Scoring mode, one of `MODES`.

    Raises:
        UnknownName: The mode does not exist.
    """
    if mode not in MODES:
        raise UnknownName("mode", mode, MODES, "the scores")
    scores = lab.metric("customer_scores", until=until, mode=mode)
    first, back = scores["first_day"].min(), until - timedelta(BACK_DAYS)
    days = [day for day in fixed_days(until) if _began(first, day)]
    backs = [back] if _began(first, back) else []
    read = EarlierScores(lab, scores["customer_id"], {*days, *backs}, mode)
    chain = snapshots(read.on, days)
    last = chain[-1] if chain else None
    earlier = [confirmed(read.on(day), _latest(chain, day), day)[_KEPT] for day in backs]
    return LabeledCustomers(
        confirmed(scores, last, until),
        last,
        earlier[0] if earlier else None,
        lab.metric("walk_ins"),
    )


def confirmed(scores: Frame, last: Frame | None, until: date) -> Frame:
    """Return the scores with confirmed labels as `rfm_group` and today's as `proposed_group`.

    Args:
        scores: Customers with their group by the scores, last purchase, and purchases.
        last: Labels before; None without any. Customers without a `day` had not bought then.
        until: Day of the scores.
    """
    proposed = _codes(scores["rfm_group"])
    if last is None:
        none = np.full(len(scores), NO_GROUP, np.int8)
        labels = Labels(proposed, none, np.full(len(scores), "NaT", dtype="datetime64[D]"))
    else:
        labels = _confirm(scores, proposed, last, np.datetime64(until, "D"))
    bought = scores["purchases"].to_numpy() > 0
    return scores.assign(
        rfm_group=_groups(labels.group),
        proposed_group=_groups(proposed),
        pending_group=_groups(labels.pending),
        pending_since=labels.since.astype("datetime64[s]"),
        day=np.where(bought, np.datetime64(until, "s"), np.datetime64("NaT", "s")),
    )


def _confirm(scores: Frame, proposed: Any, last: Frame, day: np.datetime64) -> Labels:
    before = _rows_of(scores["customer_id"], last)
    seen = before["day"].notna().to_numpy()
    bought = scores["last_day"].to_numpy() > before["day"].to_numpy()
    shown = Labels(
        _codes(before["rfm_group"]),
        _codes(before["pending_group"]),
        before["pending_since"].to_numpy().astype("datetime64[D]"),
    )
    return confirm(shown, proposed, ~seen | bought, day, days=STEP_DAYS)


def _rows_of(customers: Any, before: Frame) -> Frame:
    """Return the earlier labels of these customers in their order; without a day if unknown."""
    if before["customer_id"].equals(customers):
        return before  # all snapshots of a report have the customers of today
    return aligned(before, customers)


def _codes(groups: Any) -> Any:
    """Return a column of groups as codes: places in `GROUPS`, or `NO_GROUP`."""
    return groups.astype(GROUP).cat.codes.to_numpy()


def _groups(codes: Any) -> Any:
    """Return codes as a column of groups, which takes a byte per customer."""
    return pd.Categorical.from_codes(codes, dtype=GROUP)


def texts(column: Any) -> Any:
    """Return a column of strings as an array, with None for missing values."""
    values = column.astype(object)
    return values.where(values.notna(), None).to_numpy(dtype=object)


def snapshots(score: Callable[[date], Frame], days: list[date]) -> list[Frame]:
    """Return the labels on the fixed days that today's labels depend on.

    Args:
        score: Function that returns the scores on a day.
        days: Fixed days since the shop's first purchase, oldest first.
    """
    chain: list[Frame] = []
    for day in days:
        before = chain[-1] if chain else None
        chain.append(confirmed(score(day), before, day)[_KEPT])
    return chain


def _began(first: Any, day: date) -> bool:
    """Return whether the shop had a customer on a day."""
    return bool(pd.notna(first)) and day >= first.date()


def fixed_days(until: date) -> list[date]:
    """Return every fourth Monday of the calendar up to yesterday; the same for all shops.

    The list starts one Monday before the last one that is at least 90 days old. That first snapshot
    only starts the chain, so that the later ones are confirmed. A longer chain changes no current
    label on real orders.

    >>> [f"{day:%a %d %b}" for day in fixed_days(date(2026, 6, 1))]
    ['Mon 02 Feb', 'Mon 02 Mar', 'Mon 30 Mar', 'Mon 27 Apr', 'Mon 25 May']
    """
    newest = _fixed_day(until - timedelta(1))
    oldest = _fixed_day(until - timedelta(BACK_DAYS + 1)) - timedelta(STEP_DAYS)
    steps = (newest - oldest).days // STEP_DAYS
    return [oldest + timedelta(STEP_DAYS * step) for step in range(steps + 1)]


def _fixed_day(day: date) -> date:
    """Return the last fixed day that is not after a day; ordinal 1 is a Monday."""
    return day - timedelta((day.toordinal() - 1) % STEP_DAYS)


def _latest(chain: list[Frame], day: date) -> Frame | None:
    """Return the last snapshot before a day."""
    old = [kept for kept in chain if kept["day"].max() < pd.Timestamp(day)]
    return old[-1] if old else None


def moves(before: Frame | None, now: Frame) -> Frame:
    """Return each current customer with the previous group, and whether there was an order since.

    Returns:
        Columns customer_id, from_group, to_group, ordered, changed, spend; no rows without a
        snapshot to compare with.
    """
    columns = ["customer_id", "from_group", "to_group", "ordered", "changed", "spend"]
    if before is None:
        return pd.DataFrame({name: [] for name in columns})
    then = _rows_of(now["customer_id"], before)
    was, is_ = _codes(then["rfm_group"]), _codes(now["rfm_group"])
    was = np.where(then["day"].notna(), was, np.int8(len(GROUPS)))
    moved = pd.DataFrame(
        {
            "customer_id": now["customer_id"].array,
            "from_group": pd.Categorical.from_codes(was, dtype=_FROM),
            "to_group": pd.Categorical.from_codes(is_, dtype=_FROM),
            "ordered": now["last_day"].to_numpy() > before["day"].max().to_numpy(),
            "changed": was != is_,
            "spend": now["spend"].to_numpy(),
        }
    )
    return moved


def transitions(before: Frame | None, now: Frame) -> Frame:
    """Count the customers per group change, most frequent first; unchanged ones are excluded."""
    moved = moves(before, now)
    went = _named(moved[moved["changed"].astype(bool)])
    counted = went.groupby(["from_group", "to_group"], as_index=False, dropna=False).agg(
        customers=("customer_id", "size"),
        without_order=("ordered", _without),
        spend=("spend", "sum"),
    )
    order = ["customers", "from_group", "to_group"]
    return counted.sort_values(order, ascending=[False, True, True]).reset_index(drop=True)


def matrix(before: Frame | None, now: Frame) -> Frame:
    """Return the share of each previous group that is in each current group.

    Empty cells are excluded, except on the diagonal, which comes first, in Shopify's order.
    """
    pair = ["from_group", "to_group"]
    sizes = moves(before, now).groupby(pair, observed=True).size().rename("customers")
    counted = _named(sizes.reset_index()).set_index(pair)["customers"].sort_index()
    known = counted.index.get_level_values(0)
    same = [name for name in GROUPS if name in known]
    stayed = pd.MultiIndex.from_arrays([same, same])
    cells = counted.reindex(stayed.append(counted.index).drop_duplicates(), fill_value=0)
    cells = cells.rename_axis(pair).reset_index()
    return cells.assign(
        share=cells["customers"] / cells.groupby("from_group")["customers"].transform("sum")
    )


def group_changes(before: Frame | None, now: Frame) -> Frame:
    """Return the customers whose group changed, highest spend first."""
    moved = moves(before, now)
    went = _named(moved[moved["changed"].astype(bool)])
    return went.sort_values(["spend", "customer_id"], ascending=[False, True])


def _named(moved: Frame) -> Frame:
    """Return moves with the names of the groups: few of them, in the order of the alphabet."""
    return moved.astype({"from_group": object, "to_group": object})


def since(before: Frame | None) -> str:
    """Return the date of a snapshot in words, for a title."""
    if before is None:
        return "(no earlier snapshot)"
    day = before["day"].max()
    return f"since {day:%b} {day.day}, {day:%Y}"


def _without(ordered: Any) -> int:
    return int((~ordered.astype(bool)).sum())


def unprompted_share(moved: Frame) -> float | None:
    """Return the share of customers whose label changed without an order; None without any."""
    known = moved[moved["from_group"] != NEWCOMER]
    changed = known["changed"].astype(bool) & ~known["ordered"].astype(bool)
    return float(changed.mean()) if len(known) else None
