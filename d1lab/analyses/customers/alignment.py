"""Rows in the order of other customers, or of values, also of millions of customers.

In pandas, a join or a sort by customer_id makes a Python string of each.
"""

# pyright: standard, reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


def aligned(rows: Frame, customers: Any) -> Frame:
    """Return the rows of these customers in their order, with NaN for those without a row.

    It is a left join.

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


def sorted_by(rows: Frame, **columns: str) -> Frame:
    """Return the rows sorted by columns, each "ascending" or "descending", with a new index."""
    keys = pa.table({name: pa.array(rows[name], from_pandas=True) for name in columns})
    places = pc.sort_indices(keys, sort_keys=[*columns.items()])
    return rows.iloc[places.to_numpy()].reset_index(drop=True)
