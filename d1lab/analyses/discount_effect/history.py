"""Sales and offers of a shop, product by week, from the rows of the metric `discount_weeks`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.exposure import (
    OFF,
    ON,
    Floats,
    Ints,
    OfferedWeeks,
    Uses,
    WeeklySales,
    offered,
    totals,
)

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

_OF_SKUS = ["sku", "week", "units", "listed", "given", "first_week", "category"]
_OF_USES = ["sku", "week", "units", "given", "orders"]

DEEPEST = 0.95
DELISTED = np.log(0.01)  # log probability of no further sale, from which a product left the shop


class SalesHistory(NamedTuple):
    """Sales and offers of a shop, as matrices of product x week."""

    skus: Any  # names of the rows
    categories: Any  # of the rows; None where unknown
    sales: WeeklySales
    discounts: Any  # frame of the discounts and codes: level, discount_id, discount_code, orders
    offers: tuple[OfferedWeeks, ...]  # of each of them
    depths: tuple[Floats, ...]  # of each of them: item of `OfferedWeeks.skus` x week; 0 if never on

    def rows(self, skus: Any) -> Ints:
        """Return the rows of SKUs by name."""
        return _places(self.skus, skus)


def history(weeks: Frame) -> SalesHistory:
    """Return the sales and offers of a shop.

    Args:
        weeks: Rows of the metric `discount_weeks`.
    """
    rows = weeks.loc[weeks["level"] == "sku", _OF_SKUS]
    skus, sku = np.unique(rows["sku"].to_numpy().astype(str), return_inverse=True)
    first = int(weeks["week"].min()) if len(weeks) else 0
    columns = 1 - first
    categories = np.full(len(skus), None)
    categories[sku] = rows["category"].to_numpy()
    sales = _sales(rows, sku, len(skus), columns)
    del rows  # of a large shop, 100 MB
    closed = weeks.loc[weeks["level"] == "closed", ["sku", "week"]]
    place = _places(skus, closed["sku"])
    sales.units[place, closed["week"].to_numpy().astype(int) + columns - 1] = np.nan
    return SalesHistory(skus, categories, sales, *_offers(weeks, skus, sales))


def _sales(rows: Frame, sku: Ints, count: int, columns: int) -> WeeklySales:
    """Return the weekly sales, unknown before a product's first full week and after its last."""
    week = rows["week"].to_numpy().astype(int) + columns - 1
    units, listed, given = (np.zeros((count, columns)) for _ in range(3))
    for matrix, name in ((units, "units"), (listed, "listed"), (given, "given")):
        matrix[sku, week] = rows[name].to_numpy(dtype=np.float64)
    began = np.zeros(count, dtype=int)
    began[sku] = rows["first_week"].to_numpy().astype(int) + columns - 1
    number = np.arange(columns)
    last = np.zeros(count, dtype=int)
    np.maximum.at(last, sku, week)
    rate = units.sum(axis=1) / np.maximum(last - np.maximum(began, 0) + 1, 1)
    gone = -rate * (columns - 1 - last) < DELISTED
    unknown = number <= began[:, None]  # the week of the first sale is not a full week
    unknown |= gone[:, None] & (number > last[:, None])
    units[unknown] = np.nan
    return WeeklySales(units, listed, given)


def _places(skus: Any, names: Any) -> Ints:
    return np.searchsorted(skus, np.asarray(names).astype(str))


def _offers(weeks: Frame, skus: Any, sales: WeeklySales) -> tuple[Frame, Any, Any]:
    """Return the discounts and codes, with the states and depths of each."""
    keys = ["level", "discount_id", "discount_code"]
    rows = weeks.loc[weeks["level"].isin(["discount", "code"]), [*keys, *_OF_USES]]
    groups = rows.groupby(keys, dropna=False, sort=True)
    named, whole = groups["orders"].sum().reset_index(), totals(sales)
    sku, week = _places(skus, rows["sku"]), rows["week"].to_numpy(dtype=np.intp)
    week = week + sales.units.shape[1] - 1
    units, given = (rows[name].to_numpy(dtype=np.float64) for name in ("units", "given"))
    known: dict[bytes, tuple[OfferedWeeks, Floats]] = {}  # most discounts have one code, used alike
    found: list[tuple[OfferedWeeks, Floats]] = []
    for chosen in groups.indices.values():
        uses = Uses(sku[chosen], week[chosen], units[chosen], given[chosen])
        key = b"".join(column.tobytes() for column in uses)
        if key not in known:
            offer = offered(sales, uses, whole)
            known[key] = offer, _depths(sales, uses, offer)
        found.append(known[key])
    return named, tuple(one[0] for one in found), tuple(one[1] for one in found)


def _depths(sales: WeeklySales, uses: Uses, offer: OfferedWeeks) -> Floats:
    """Return the discount as a share of list value: product x week, where it is on.

    For a discount that some buyers use, it is that of everything sold while it was on: who took it
    differs by chance, its depth does not. One for everyone is a price on the shelf, so it has a
    depth of its own in each week.
    """
    on = offer.state == ON
    cell = np.searchsorted(offer.skus, uses.sku), uses.week
    given, with_it = (np.where(on[cell], column, 0.0) for column in (uses.given, uses.units))
    listed = np.where(on, sales.listed[offer.skus], 0.0)
    if not offer.for_everyone:
        share = given.sum() / listed.sum() if listed.sum() else 0.0
        return np.broadcast_to(np.clip(share, 0, DEEPEST), on.shape)
    sums = np.zeros((2, *on.shape))
    np.add.at(sums[0], cell, given)
    np.add.at(sums[1], cell, with_it)
    sold = _ratio(sums[1] * listed, sales.units[offer.skus])
    return np.clip(_on_the_shelf(sums[0], sold, offer), 0, DEEPEST)


def _on_the_shelf(given: Floats, listed: Floats, offer: OfferedWeeks) -> Floats:
    """Return the depth of what was sold with a discount; the product's mean where none was sold.

    A product that was never off keeps the mean: how deep an offer is compares nothing.
    """
    usual = _ratio(given.sum(axis=1), listed.sum(axis=1))[:, None]
    weekly = np.where(listed > 0, _ratio(given, listed), usual)
    return np.where((offer.state == OFF).any(axis=1)[:, None], weekly, usual)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.nan_to_num(part / np.where(whole > 0, whole, np.nan))
