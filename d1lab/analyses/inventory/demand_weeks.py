"""Weekly figures of SKUs as matrices, from the rows of the metric `demand_history`."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.inventory.forecasters import Floats

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


def demand_matrix(history: Frame, skus: Any) -> Floats:
    """Return weekly demand, SKU x week, oldest week first; NaN if unknown.

    Args:
        history: Rows of the metric `demand_history`.
        skus: Names of the rows of the matrix; one without a row in `history` is unknown.
    """
    return _matrix(history, skus, "demand_units", history["other_demand"].to_numpy(np.float64))


def last_weeks(history: Frame, skus: Any, column: str, weeks: int) -> Floats:
    """Return units or depth of the last weeks, SKU x week, oldest week first; 0 if unknown.

    Args:
        history: Rows of the metric `demand_history`.
        skus: Names of the rows of the matrix.
        column: 'units' or 'depth'.
        weeks: Number of weeks; those before the history are 0.
    """
    known = history[history["sku"].isin(skus)]
    found = np.nan_to_num(_matrix(known, skus, column, np.zeros(len(known))))[:, -weeks:]
    return np.pad(found, ((0, 0), (weeks - found.shape[1], 0)))


def _matrix(history: Frame, skus: Any, column: str, other: Floats) -> Floats:
    """Return a column as a matrix; weeks that a SKU does not list have its value of `other`."""
    import pandas as pd

    weeks = int(history["weeks"].max()) if len(history) else 0
    place = pd.Index(history["sku"]).get_indexer(pd.Index(skus))
    found = np.append(np.repeat(other[:, None], weeks, axis=1), np.full((1, weeks), np.nan), axis=0)
    lists = history["ago_weeks"]
    row = np.repeat(np.arange(len(history)), [len(one) for one in lists])
    if len(row):
        found[row, weeks - 1 - np.concatenate([*lists])] = np.concatenate([*history[column]])
    return found[place]  # place -1 is the last row: unknown
