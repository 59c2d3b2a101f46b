"""The quantile of a method's errors at each past week."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.inventory.choice import running_quantile
from d1lab.analyses.inventory.forecasters import HORIZON_WEEKS


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_the_quantile_is_that_of_the_windows_complete_by_then(share):
    """numpy's, of all SKUs; the weeks before the first complete window have the first one."""
    errors = np.random.default_rng(1).normal(size=(3, 12))
    errors[:, :2], errors[1, 5] = np.nan, np.nan
    found = running_quantile(errors, share)
    for week in range(2 + HORIZON_WEEKS, 12):
        known = errors[:, : week - HORIZON_WEEKS + 1]
        expected = np.quantile(known[np.isfinite(known)], share)
        assert found[week] == pytest.approx(expected)
    assert (found[: 2 + HORIZON_WEEKS] == found[2 + HORIZON_WEEKS]).all()
    assert np.isnan(running_quantile(errors[:, :4], share)).all()
