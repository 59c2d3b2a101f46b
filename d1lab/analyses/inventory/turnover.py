"""Inventory turnover, days of supply, and sell-through from the stock ledger.

The input is counts per SKU over a period, which `turnover.sql` computes in one scan. One SKU and
50,000 SKUs use the same code. A rate that cannot be computed is missing, with a reason.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from d1lab.errors import InputError

REASONS = {
    "low_coverage": "stock data for less than 70% of the period",
    "untracked": "stock not tracked: units sold but stock was never above zero",
    "no_inventory": "no stock and no sales in the period",
    "net_returns": "more units returned than sold",
    "no_sales": "no sales in the period, so days of supply is undefined",
}
"""Reasons for missing rates, in words; the first one that applies is used."""

MIN_COVERAGE = 0.7
YEAR_DAYS = 365

Count = Any  # a number, or an array with one item per SKU
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]


class Columns(Protocol):
    """Columns by name, such as a DataFrame, an Arrow table, or a dict of arrays."""

    def __getitem__(self, key: str, /) -> Any: ...


class StockLedger(NamedTuple):
    """Counts of one SKU's ledger over a period, or arrays with one item per SKU.

    Only observed days count: days with known stock and sales.
    """

    period_days: Count  # days in the period, observed or not; > 0
    observed_days: Count
    in_stock_days: Count  # days that started with stock or had a sale
    stockout_days: Count  # days that ended without stock
    tracked_days: Count  # days with stock at the start or end
    units_sold: Count  # with and without discount, net of returns
    average_units: Count  # mean of (max(start, 0) + max(end, 0)) / 2 over the days
    starting_units: Count  # at the start of the first day; negative: oversold
    ending_units: Count  # at the end of the last day
    received_units: Count  # sum of the positive adjustments: receipts and returns; >= 0
    recent_days: Count  # observed days among the last 28
    recent_units: Count  # units sold on these days

    @classmethod
    def of(cls, columns: Columns) -> StockLedger:
        """Build from the columns of the same names in a frame, such as the metric's."""
        return cls(*(columns[name] for name in cls._fields))


class Turnover(NamedTuple):
    """Rates of a ledger; each field is a number or None, or an array with NaN for None.

    `reason` is one of `REASONS`, or None if all rates are available.
    """

    coverage: Any  # observed days / days in the period; always known
    turnover: Any  # units sold / average units
    annual_turnover: Any  # turnover * 365 / observed days
    sales_days: Any  # days sales of inventory: average units / (units sold / observed days)
    velocity: Any  # units sold / in-stock days
    days_of_supply: Any  # max(ending units, 0) / velocity
    days_of_supply_28: Any  # Shopify's: max(ending units, 0) / (units sold / day, last 28 days)
    stockout_rate: Any  # days that ended without stock / observed days
    lost_units_estimate: Any  # velocity * days that ended without stock
    sell_through_on_hand: Any  # units sold / (units sold + max(ending units, 0))
    sell_through_available: Any  # units sold / (starting units + received units)
    percent_sold: Any  # Shopify's: units sold / starting units
    reason: Any


def turnover(ledger: StockLedger) -> Turnover:
    """Compute turnover, days of supply, and sell-through of one or many SKUs.

    Args:
        ledger: Counts: numbers, or arrays of equal length.

    Returns:
        Rates: numbers for numbers, arrays for arrays.

    Raises:
        InputError: A count is missing or impossible, or lengths differ.

    >>> t = turnover(StockLedger(8, 7, 5, 2, 6, 31, 101 / 7, 20, 20, 31, 7, 31))
    >>> round(t.turnover, 4), round(t.annual_turnover, 2), t.reason
    (2.1485, 112.03, None)
    >>> round(t.days_of_supply, 2), round(t.days_of_supply_28, 2)
    (3.23, 4.52)
    """
    stock = StockLedger(*_arrays(ledger))
    rates = _rates(stock)
    reason = _reasons(stock)
    for name in rates.keys() - {"coverage"}:
        rates[name] = np.where(_refused(name, reason), np.nan, rates[name])
    if all(np.ndim(field) == 0 for field in ledger):
        numbers = {name: _number(values[0]) for name, values in rates.items()}
        return Turnover(**numbers, reason=reason[0])
    return Turnover(**rates, reason=reason)


def stored_differs(
    stored: Any, computed: Any, tolerance: float = 0.01, rounding: float = 0.0
) -> NDArray[np.bool_]:
    """Return where a stored figure differs from the computed one by more than the tolerance.

    Args:
        stored: Figures in the database; NaN if missing, which is never a mismatch.
        computed: The same figures by `turnover`; NaN if not available, which is a mismatch.
        tolerance: Largest relative difference that is not a mismatch.
        rounding: Maximum rounding of the declared type, such as 0.5 for integers.

    >>> stored_differs([2.0, 2.03, None, 5], [2.0, 2.0, 2.0, None]).tolist()
    [False, True, False, True]
    """
    old, new = np.asarray(stored, dtype=np.float64), np.asarray(computed, dtype=np.float64)
    return np.isfinite(old) & ~(np.abs(old - new) <= tolerance * np.abs(new) + rounding)


def _arrays(ledger: StockLedger) -> list[Floats]:
    try:
        arrays = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(field, dtype=np.float64)) for field in ledger)
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"a ledger requires numbers or arrays of equal length: {error}") from None
    _check(StockLedger(*arrays))
    return list(arrays)


def _check(stock: StockLedger) -> None:
    for name, values in stock._asdict().items():
        if not np.isfinite(values).all():
            raise InputError(f"missing values in {name}. Exclude SKUs with missing counts.")
    days = {name: getattr(stock, name) for name in stock._fields if name.endswith("_days")}
    for name, values in days.items():
        if (values < 0).any() or (values > stock.period_days).any():
            raise InputError(f"{name} must be between 0 and the days of the period")
    if (stock.period_days <= 0).any():
        raise InputError("the period must have at least one day")


def _rates(stock: StockLedger) -> dict[str, Floats]:
    """Compute every rate by its formula; NaN if the denominator is not above zero."""
    units, days = stock.units_sold, stock.observed_days
    ending = np.maximum(stock.ending_units, 0)
    velocity = _ratio(units, stock.in_stock_days)
    turns = _ratio(units, stock.average_units)
    return {
        "coverage": days / stock.period_days,
        "turnover": turns,
        "annual_turnover": turns * _ratio(YEAR_DAYS, days),
        "sales_days": _ratio(stock.average_units, _ratio(units, days)),
        "velocity": velocity,
        "days_of_supply": _ratio(ending, velocity),
        "days_of_supply_28": _ratio(ending, _ratio(stock.recent_units, stock.recent_days)),
        "stockout_rate": _ratio(stock.stockout_days, days),
        "lost_units_estimate": velocity * stock.stockout_days,
        "sell_through_on_hand": _ratio(units, units + ending),
        "sell_through_available": _ratio(units, stock.starting_units + stock.received_units),
        "percent_sold": _percent_sold(units, stock.starting_units),
    }


def _ratio(top: Any, bottom: Any) -> Floats:
    """Return top / bottom if bottom is above zero, else NaN."""
    return top / np.where(bottom > 0, bottom, np.nan)


def _percent_sold(units: Floats, starting: Floats) -> Floats:
    # Shopify also divides by a negative starting stock, and shows a negative share.
    return units / np.where(starting != 0, starting, np.nan)


def _reasons(stock: StockLedger) -> Texts:
    coverage = stock.observed_days / stock.period_days
    nothing_kept = stock.tracked_days == 0
    sold = stock.units_sold > 0
    cases = {
        "low_coverage": coverage < MIN_COVERAGE,
        "untracked": nothing_kept & sold,
        "no_inventory": nothing_kept & ~sold,
        "net_returns": stock.units_sold < 0,
        "no_sales": ~sold,
    }
    reason = np.full(coverage.shape, None)
    for name, holds in reversed(cases.items()):
        reason[holds] = name
    return reason


_KNOWN_WITHOUT_SALES = {
    "turnover",
    "annual_turnover",
    "velocity",
    "lost_units_estimate",
    "sell_through_on_hand",
    "sell_through_available",
    "percent_sold",
}


def _refused(rate: str, reason: Texts) -> NDArray[np.bool_]:
    """Return where the reason makes a rate meaningless."""
    refused = np.isin(reason, ["low_coverage", "untracked"])
    if rate != "stockout_rate":
        refused |= np.isin(reason, ["no_inventory", "net_returns"])
    if rate not in _KNOWN_WITHOUT_SALES | {"stockout_rate"}:
        refused |= reason == "no_sales"
    return refused


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
