"""Estimate the goods' part of a partial refund; the rest is tax, shipping, duties, and tips.

Shopify's export has one amount per order. If it equals the price of some of the units plus tax,
those units were refunded: 10.80 on three socks at 10.00 with 8% tax is 10.00. Otherwise the
amount is split over all charges in proportion. Amounts are in the currency's smallest unit.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

MOST_SUMS = 5_000  # sums of units; with more, nearly every amount would match one

_REFUNDED = """
SELECT
    order_key, any_value(refunded), any_value(paid), any_value(whole_subtotal),
    any_value(total), any_value(taxes), any_value(shipping), any_value(duties),
    list([net::DOUBLE, sold_units::DOUBLE] ORDER BY line)
FROM sold
WHERE refunded > 0 AND NOT is_refunded AND cancelled_at IS NULL
GROUP BY order_key
"""


class Charges(NamedTuple):
    """The charges of an order, in the currency's smallest unit."""

    refunded: int
    goods: int  # after discounts
    subtotal: int | None  # as exported, including gift cards and tips
    total: int | None  # None if the export does not have it
    taxes: int
    shipping: int
    duties: int

    @property
    def tax_rates(self) -> tuple[float, ...]:
        """Tax divided by the taxable charges; 0 if prices include tax."""
        base = self.subtotal or self.goods
        if self.total is None or self.total < base + self.shipping + self.duties + self.taxes:
            return (0.0,)
        return tuple(self.taxes / part for part in (base, base + self.shipping) if part)


def fill_dues(con: duckdb.DuckDBPyConnection) -> None:
    """Create the table `dues` for the partly refunded orders of `sold`."""
    keys, amounts = [], []
    for key, *charges, lines in con.sql(_REFUNDED).fetchall():
        keys.append(key)
        amounts.append(due(Charges(*charges), [(net, units) for net, units in lines]))
    found = {"order_key": pa.array(keys, pa.string()), "due": pa.array(amounts, pa.int64())}
    con.register("found_dues", pa.table(found))
    con.execute("CREATE TABLE dues AS FROM found_dues")


def due(charges: Charges, lines: Sequence[tuple[float, float]]) -> int:
    """Return the goods' part of the refunded amount, at most their price.

    Args:
        charges: The order's amounts.
        lines: The price and the units of each line.

    >>> due(Charges(1080, 3000, 3000, 3240, 240, 0, 0), [(3000, 3)])
    1000
    >>> due(Charges(5000, 10000, 10000, 12000, 1000, 0, 1000), [(10000, 1)])
    4167
    """
    sums = _sums(lines)
    for rate in charges.tax_rates:
        for goods in sums:
            if round(goods * (1 + rate)) == charges.refunded:
                return goods
    charged = max(charges.total or 0, charges.goods) or 1
    if charges.total is None:
        charged = charges.subtotal or charges.goods or 1
    return min(charges.goods, round(charges.refunded * charges.goods / charged))


def _sums(lines: Iterable[tuple[float, float]]) -> list[int]:
    """Return all sums of prices of some units, ascending; empty if there are too many."""
    sums = {0}
    for net, units in lines:
        whole = int(units) if float(units).is_integer() else 1
        parts = [round(net * taken / whole) for taken in range(whole + 1)]
        if len(sums) * len(parts) > MOST_SUMS * 10:
            return []
        sums = {before + part for before in sums for part in parts}
        if len(sums) > MOST_SUMS:
            return []
    return sorted(sums - {0})
