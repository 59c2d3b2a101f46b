"""Reorder point and quantity from a forecast of 28 days and its quantile at a service level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from d1lab.analyses.inventory.demand import HORIZON_DAYS
from d1lab.errors import InputError


class Reorder(NamedTuple):
    """Reorder point and quantity; arrays with one item per SKU, NaN without a forecast."""

    reorder_point: Any  # stock level that triggers an order
    order_units: Any  # units to order today; 0 while stock is above the reorder point


def reorder(
    forecast_units: ArrayLike,
    service_units: ArrayLike,
    stock: ArrayLike,
    *,
    lead_days: float,
    cover_days: float = HORIZON_DAYS,
) -> Reorder:
    """Compute the reorder point and the quantity that covers `cover_days` after delivery.

    Args:
        forecast_units: Expected units in 28 days.
        service_units: Quantile of 28-day demand at the service level.
        stock: Units on hand; negative if oversold.
        lead_days: Days from order to delivery; > 0.
        cover_days: Days that the order should cover; > 0.

    Raises:
        InputError: A number of days is not above 0.

    Assumes no open purchase orders, and independent errors of different days, so that the safety
    stock for a lead time is that for 28 days times sqrt(lead time / 28) (Silver, Pyke & Thomas
    2017, ch. 6).
    """
    if lead_days <= 0 or cover_days <= 0:
        raise InputError(f"lead_days={lead_days}, cover_days={cover_days}: both must be above 0")
    expected, on_hand = np.asarray(forecast_units, float), np.asarray(stock, float)
    safety = np.maximum(np.asarray(service_units, float) - expected, 0)
    point = reorder_point(
        expected / HORIZON_DAYS, lead_days, safety * np.sqrt(lead_days / HORIZON_DAYS)
    )
    order = np.ceil(point + expected / HORIZON_DAYS * cover_days - on_hand)
    return Reorder(point, np.where(on_hand > point, 0.0, order))


def reorder_point(daily_units: Any, lead_days: float, safety_units: Any) -> Any:
    """Return the expected demand during the lead time plus the safety stock, rounded up.

    >>> reorder_point(5, 14, safety_units=42)
    112
    """
    return daily_units * lead_days + safety_units
