"""Weeks in which a discount was on offer for a product: on, off, or unknown.

A week counts by whether a discount was on offer, never by how many took it: weeks chosen by what
was sold in them show a lift that their choice made. No system records the dates, so they are read
from the uses, and a product's own sales decide nothing about its own weeks:

- A discount that every buyer gets (an automatic one, a price on the shelf) shows in each sale. A
  week is on if the sales next to it, before and after, are all discounted, and off if none is.
  Given the first and the last sale of such a run, what was sold between them is not selected.
- Any other discount, such as a code, is on from its first to its last use by *other* products. A
  gap in which it would have been used with 95% probability is off.

Weeks in which an offer may have begun or ended are unknown and are left out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
States = NDArray[np.int8]

ON, OFF, UNKNOWN = 1, 0, -1

EVERYONE = 0.9  # share of buyers with the discount from which every buyer is taken to get it
MIN_OTHERS = 10  # units beyond the first, to tell that share
SURELY_USED = 3.0  # expected uses: with Poisson counts, no use at all has a probability of 5%
OFTEN = 0.95  # share of weeks with a sale from which a sale says nothing about the week
LEAST_RATE = 1.0  # units a week; with fewer, whole offers pass without a sale that shows them
NEGLIGIBLE = 0.05  # share of units with a discount below which it cannot blur other effects
LARGEST = 100  # products that are looked at first: if some of them tell, the others need not
WHOLE_SHOP = 0.95  # share of the telling products with a use from which a discount is for all


class WeeklySales(NamedTuple):
    """Sales of a shop: product x week, oldest week first."""

    units: Floats  # NaN unless the product was for sale and in stock
    listed: Floats  # at list price; 0 without a sale
    given: Floats  # discounts given


class Totals(NamedTuple):
    """Units of a shop: by product, and by week."""

    units: Floats
    most: Floats  # in one week
    unknown: Ints  # number of weeks
    by_week: Floats
    largest: Ints  # rows of the products with the most units


class Uses(NamedTuple):
    """What was sold with one discount, one item per product and week with a use."""

    sku: Ints  # row of `WeeklySales`
    week: Ints
    units: Floats
    given: Floats


class OfferedWeeks(NamedTuple):
    """Weeks of one discount: `ON`, `OFF`, or `UNKNOWN`."""

    skus: Ints  # rows of `WeeklySales`, ascending; the discount is off in all weeks of the others
    state: States  # one row per item of `skus`, one column per week
    for_everyone: bool  # whether every buyer of these products gets it


def totals(sales: WeeklySales) -> Totals:
    """Add up the sales, once for all discounts of a shop."""
    units = np.nan_to_num(sales.units)
    unknown = np.isnan(sales.units).sum(axis=1)
    whole, most = units.sum(axis=1), units.max(axis=1, initial=0)
    largest: Ints = np.argsort(-whole, kind="stable")[:LARGEST]
    return Totals(whole, most, unknown, units.sum(axis=0), largest)


def offered(sales: WeeklySales, uses: Uses, whole: Totals | None = None) -> OfferedWeeks:
    """Return when a discount was on offer, and for which products.

    Args:
        sales: Sales of all products.
        uses: Uses of the discount; at least one.
        whole: Result of `totals`; None to compute it.
    """
    if every_buyer_gets(sales, uses):
        return _shown_by_sales(sales, uses)
    return _shown_by_others(sales, uses, totals(sales) if whole is None else whole)


def every_buyer_gets(sales: WeeklySales, uses: Uses) -> bool:
    """Return whether, where one unit was discounted, nearly all other units were."""
    others = np.nan_to_num(sales.units[uses.sku, uses.week]) - 1
    with_it = np.minimum(uses.units - 1, others)
    whole = others[others > 0].sum()
    return bool(whole >= MIN_OTHERS and with_it[others > 0].sum() >= EVERYONE * whole)


def _shown_by_sales(sales: WeeklySales, uses: Uses) -> OfferedWeeks:
    """Return the weeks of a discount that each sale shows."""
    for_sale = np.unique(uses.sku)
    units = sales.units[for_sale]
    sold, with_it = np.nan_to_num(units), np.zeros(units.shape)
    with_it[np.searchsorted(for_sale, uses.sku), uses.week] = uses.units
    strays = with_it < (1 - EVERYONE) * sold  # everyone gets what is on the shelf, not a few
    shown = (with_it > 0) & ~strays
    marks = np.where(sold > 0, np.where(shown, ON, OFF), UNKNOWN).astype(np.int8)
    before, after = _last_mark(marks), _last_mark(marks[:, ::-1])[:, ::-1]
    same = (before == after) & ((marks == before) | (marks == UNKNOWN))
    between = np.where(same, before, UNKNOWN)
    often = (sold > 0).sum(axis=1) >= OFTEN * np.maximum(np.isfinite(units).sum(axis=1), 1)
    mixed = shown & (with_it < sold)
    certain = often[:, None] & (marks != UNKNOWN) & ~mixed
    seldom = sold.sum(axis=1) < LEAST_RATE * np.maximum(np.isfinite(units).sum(axis=1), 1)
    between[seldom] = UNKNOWN
    return OfferedWeeks(
        for_sale, np.where(certain, marks, between).astype(np.int8), for_everyone=True
    )


def _last_mark(marks: States) -> States:
    """Return the last known mark before each week; unknown before the first."""
    weeks: Ints = np.arange(marks.shape[1], dtype=np.intp)
    latest = np.maximum.accumulate(np.where(marks != UNKNOWN, weeks, -1), axis=1)
    found = np.take_along_axis(marks, np.maximum(latest, 0), axis=1)
    found[latest < 0] = UNKNOWN
    before = np.full_like(found, UNKNOWN)
    before[:, 1:] = found[:, :-1]
    return before


def _shown_by_others(sales: WeeklySales, uses: Uses, whole: Totals) -> OfferedWeeks:
    """Return the weeks of a discount that some buyers use, for the products that it is for."""
    weeks = sales.units.shape[1]
    by_week = np.asarray(np.bincount(uses.week, uses.units, weeks), dtype=np.float64)
    weekly = _runs(by_week[None])[0]
    its, unclear = _products(sales, uses, weekly, whole)
    skus = np.flatnonzero(its | unclear)
    state = np.repeat(weekly[None, :], len(skus), axis=0)
    alone = np.bincount(uses.week, minlength=weeks) == 1  # weeks that one product's sale shows
    mine = np.unique(uses.sku[alone[uses.week]])
    state[np.searchsorted(skus, mine)] = _by_others(uses, mine, by_week, weekly)
    doubted = unclear[skus]
    state[doubted] = np.where(state[doubted] == ON, UNKNOWN, state[doubted])
    return OfferedWeeks(skus, state, for_everyone=False)


def _runs(used: Floats) -> States:
    """Return the weeks from first to last use; long gaps are off, incomplete ends unknown.

    Args:
        used: Units with a discount: one row per case, one column per week.
    """
    row, week = np.nonzero(used)
    if not len(row):
        return np.full(used.shape, OFF, dtype=np.int8)
    units, place = used[row, week], row * used.shape[1] + week
    sums, counts = np.bincount(row, units), np.bincount(row)
    usual = np.array([_rate(mean) for mean in (sums / np.maximum(counts, 1)).tolist()])
    ends = (np.diff(row) > 0) | (usual[row[1:]] * (np.diff(week) - 1) >= SURELY_USED)
    first, last = np.append(0, np.flatnonzero(ends) + 1), np.append(np.flatnonzero(ends), -1)
    state = _between(place[first], place[last], used.size)
    inside = (place[last] - place[first] - 1).clip(min=0)
    before = np.cumsum(units)
    half = (before[last] - units[last] - before[first]) / np.maximum(inside, 1) / 2
    for end in (first, last):
        state[place[end[(inside > 0) & (units[end] < half)]]] = UNKNOWN
    return state.reshape(used.shape)


def _between(first: Ints, last: Ints, size: int) -> States:
    """Return the weeks from each first to its last one, both included, as on."""
    step = np.zeros(size + 1, dtype=np.int8)
    step[first] += 1
    step[last + 1] -= 1
    return np.where(np.cumsum(step[:-1], dtype=np.int8) > 0, ON, OFF).astype(np.int8)


@lru_cache(maxsize=4096)  # thousands of codes have few different means
def _rate(mean: float) -> float:
    """Return the rate of Poisson counts whose mean is known for weeks above zero only."""
    rate = mean
    for _ in range(100):
        rate = mean * -np.expm1(-rate)
    return rate


def _by_others(uses: Uses, skus: Ints, by_week: Floats, weekly: States) -> States:
    """Return the states for some products, without what their own uses say about them.

    Args:
        uses: All uses of the discount.
        skus: The products, ascending.
        by_week: The sums of all uses.
        weekly: What these sums show.
    """
    if (uses.sku == uses.sku[0]).all():
        state = weekly.copy()
        state[[uses.week.min(), uses.week.max()]] = UNKNOWN
        return state
    its = np.isin(uses.sku, skus)
    others = np.repeat(by_week[None], len(skus), axis=0)
    others[np.searchsorted(skus, uses.sku[its]), uses.week[its]] -= uses.units[its]
    return np.where(_runs(others) == weekly, weekly, UNKNOWN).astype(np.int8)


def _products(
    sales: WeeklySales, uses: Uses, weekly: States, whole: Totals
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the products that the discount is for, and those for which it cannot be told.

    A product tells if it sells so much that it would have been used: by its sales in other weeks,
    since those under the offer are what is to be explained.
    """
    with_it = np.bincount(uses.sku, minlength=len(sales.units)) > 0
    its, on = np.flatnonzero(with_it), weekly == ON
    sold_with_it = np.nansum(sales.units[np.ix_(its, on)])
    share = uses.units.sum() / max(sold_with_it, uses.units.sum())
    slight = uses.units.sum() < NEGLIGIBLE * whole.by_week[on].sum()
    telling = np.zeros(len(with_it), dtype=bool)
    looked_at = np.union1d(its, whole.largest)
    telling[looked_at] = _tells(sales.units[looked_at], share, weekly)
    if slight and not _is_whole(telling, with_it):
        return with_it, ~telling & with_it  # whatever the other products tell
    may_tell = np.flatnonzero(share * _most_expected(whole, weekly) >= SURELY_USED)
    telling[may_tell] = _tells(sales.units[may_tell], share, weekly)
    if _is_whole(telling, with_it):
        return np.ones(len(with_it), dtype=bool), np.zeros(len(with_it), dtype=bool)
    return with_it, ~telling & (with_it | ~slight)


def _tells(units: Floats, share: float, weekly: States) -> NDArray[np.bool_]:
    """Return whether products would have been used, if they sell a share of them with a use."""
    weeks_on = np.isfinite(units[:, weekly == ON]).sum(axis=1)
    return share * _rates(units, weekly != OFF) * weeks_on >= SURELY_USED


def _is_whole(telling: NDArray[np.bool_], with_it: NDArray[np.bool_]) -> bool:
    """Return whether nearly all products that tell have a use; more that tell have none."""
    without = np.count_nonzero(telling & ~with_it)
    return bool(telling.any() and without <= (1 - WHOLE_SHOP) * np.count_nonzero(telling))


def _most_expected(whole: Totals, weekly: States) -> Floats:
    """Return a bound on what each product would have sold under the offer, by its other weeks.

    The bound is quick: of thousands of products, those that one of thousands of codes tells nothing
    about are left out before their weeks are looked at.
    """
    on = (weekly == ON).sum()
    weeks_off = np.maximum((weekly == OFF).sum() - whole.unknown, 1)
    bound = np.minimum(whole.most * on, whole.units * np.maximum(on / weeks_off, 1))
    return bound * (1 + 1e-9)  # above rounding


def _rates(units: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return mean units in a known week outside the offer; of all weeks if there are none."""
    outside = np.where(inside[None, :], np.nan, units)
    none = ~np.isfinite(outside).any(axis=1)
    outside[none] = units[none]
    known = np.isfinite(outside)
    return np.where(known, outside, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
