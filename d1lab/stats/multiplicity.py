"""Adjustment of p-values for multiple testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Adjust p-values to control the family-wise error rate; used for secondary metrics.

    Holm (1979), Scandinavian Journal of Statistics 6:65-70; valid under any dependence.

    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    sorted_p, order = _sorted(p_values)
    remaining = np.arange(len(sorted_p), 0, -1)
    return _unsorted(np.maximum.accumulate(sorted_p * remaining), order)


def benjamini_hochberg(p_values: Sequence[float] | Floats) -> Floats:
    """Adjust p-values to control the false discovery rate; used for segments.

    Benjamini & Hochberg (1995), JRSS B 57:289-300.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    sorted_p, order = _sorted(p_values)
    ranks = np.arange(1, len(sorted_p) + 1)
    falling = (sorted_p * len(sorted_p) / ranks)[::-1]
    return _unsorted(np.minimum.accumulate(falling)[::-1], order)


def _sorted(p_values: Sequence[float] | Floats) -> tuple[Floats, NDArray[np.intp]]:
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    return values[order], order


def _unsorted(adjusted: Floats, order: NDArray[np.intp]) -> Floats:
    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return result
