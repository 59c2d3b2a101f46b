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
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d1lab.analyses.customers.segments import GROUPS, Labels, confirm
from d1lab.errors import UnknownName

if TYPE_CHECKING:
    from d1lab.lab import Lab

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MODES = ("quintile", "ntile")
"""Scoring modes: ties share a score, or five equal parts as on Shopify's screen."""

STEP_DAYS = 28
BACK_DAYS = 90
NEWCOMER = "(new customer)"

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
    score = partial(lab.metric, "customer_scores", mode=mode)
    scores = score(until=until)
    first, back = scores["first_day"].min(), until - timedelta(BACK_DAYS)
    chain = snapshots(score, first, until)
    last = chain[-1] if chain else None
    then = _bought(score, back) if _began(first, back) else None
    earlier = None if then is None else confirmed(then, _latest(chain, back), back)[_KEPT]
    return LabeledCustomers(confirmed(scores, last, until), last, earlier, lab.metric("walk_ins"))


def confirmed(scores: Frame, last: Frame | None, until: date) -> Frame:
    """Return the scores with confirmed labels as `rfm_group` and today's as `proposed_group`."""
    day = np.datetime64(until, "D")
    proposed = texts(scores["rfm_group"])
    if last is None:
        none = np.full(len(scores), None)
        labels = Labels(proposed, none, np.full(len(scores), "NaT", dtype="datetime64[D]"))
    else:
        labels = _confirm(scores, proposed, last, day)
    return scores.assign(
        rfm_group=labels.group,
        proposed_group=proposed,
        pending_group=labels.pending,
        pending_since=labels.since.astype("datetime64[s]"),
        day=pd.Timestamp(until),
    )


def _confirm(scores: Frame, proposed: Any, last: Frame, day: np.datetime64) -> Labels:
    before = last.set_index("customer_id").reindex(scores["customer_id"])
    seen = before["day"].notna().to_numpy()
    bought = scores["last_day"].to_numpy() > before["day"].to_numpy()
    shown = Labels(
        texts(before["rfm_group"]),
        texts(before["pending_group"]),
        before["pending_since"].to_numpy().astype("datetime64[D]"),
    )
    return confirm(shown, proposed, ~seen | bought, day, days=STEP_DAYS)


def texts(column: Any) -> Any:
    """Return a column of strings as an array, with None for missing values."""
    values = column.astype(object)
    return values.where(values.notna(), None).to_numpy(dtype=object)


def snapshots(score: Callable[..., Frame], first: Any, until: date) -> list[Frame]:
    """Return the labels on the fixed days that today's labels depend on, oldest first.

    Args:
        score: Function that returns the scores on a day, called as `score(until=day)`.
        first: Day of the shop's first purchase; NaT without any.
        until: Last day included.
    """
    chain: list[Frame] = []
    for day in fixed_days(until):
        if _began(first, day):
            before = chain[-1] if chain else None
            chain.append(confirmed(_bought(score, day), before, day)[_KEPT])
    return chain


def _began(first: Any, day: date) -> bool:
    """Return whether the shop had a customer on a day."""
    return bool(pd.notna(first)) and day >= first.date()


def _bought(score: Callable[..., Frame], day: date) -> Frame:
    """Return the scores of customers who had bought; when others registered is unknown."""
    scores = score(until=day)
    return scores[scores["purchases"] > 0].reset_index(drop=True)


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
    old = [kept for kept in chain if len(kept) and kept["day"].iloc[0] < pd.Timestamp(day)]
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
    then = before.set_index("customer_id").reindex(now["customer_id"])
    groups = then["rfm_group"].where(then["day"].notna(), NEWCOMER)
    moved = pd.DataFrame(
        {
            "customer_id": now["customer_id"].to_numpy(),
            "from_group": groups.to_numpy(),
            "to_group": now["rfm_group"].to_numpy(),
            "ordered": now["last_day"].to_numpy() > before["day"].max().to_numpy(),
            "spend": now["spend"].to_numpy(),
        }
    )
    moved["changed"] = texts(moved["from_group"]) != texts(moved["to_group"])
    return moved[columns]


def transitions(before: Frame | None, now: Frame) -> Frame:
    """Count the customers per group change, most frequent first; unchanged ones are excluded."""
    moved = moves(before, now)
    went = moved[moved["changed"].astype(bool)]
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
    counted = moves(before, now).groupby(["from_group", "to_group"]).size().rename("customers")
    known = counted.index.get_level_values(0)
    same = [name for name in GROUPS if name in known]
    stayed = pd.MultiIndex.from_arrays([same, same])
    cells = counted.reindex(stayed.append(counted.index).drop_duplicates(), fill_value=0)
    cells = cells.rename_axis(["from_group", "to_group"]).reset_index()
    return cells.assign(
        share=cells["customers"] / cells.groupby("from_group")["customers"].transform("sum")
    )


def group_changes(before: Frame | None, now: Frame) -> Frame:
    """Return the customers whose group changed, highest spend first."""
    moved = moves(before, now)
    went = moved[moved["changed"].astype(bool)]
    return went.sort_values(["spend", "customer_id"], ascending=[False, True])


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
