"""Rows of other frames in the order of the customers, also of millions of them."""

# pyright: standard, reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


def aligned(rows: Frame, customers: Any) -> Frame:
    """Return the rows of these customers in their order, with NaN for those without a row.

    It is a left join. In pandas, one of IDs makes a Python string of each.

    Args:
        rows: One row per customer_id.
        customers: Column of customer IDs.

    Returns:
        The columns of `rows` with this customer_id, with the index of `customers`.
    """
    known = pa.array(rows["customer_id"], from_pandas=True)
    places = pc.index_in(pa.array(customers, from_pandas=True), value_set=known)
    at = places.fill_null(-1).to_numpy(zero_copy_only=False)
    others = {
        name: pd.api.extensions.take(rows[name].array, at, allow_fill=True)
        for name in rows
        if name != "customer_id"
    }
    return pd.DataFrame({"customer_id": customers, **others}, index=customers.index)
