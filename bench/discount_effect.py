"""Speed of the regression behind the discount effect: 50,000 products over two years.

python -m bench discount_effect
"""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse import csr_array

from bench.comparison import Comparison, Target
from d1lab.stats.poisson_effects import fit

SKUS, WEEKS = 50_000, 104
LIFT = 0.5  # of log units
LONGEST_SECONDS = 15.0


def run() -> list[Comparison]:
    """Fit a simulated shop with a third of all product-weeks on offer."""
    random = np.random.default_rng(1)
    on = random.random((SKUS, WEEKS)) < 0.3
    level = random.normal(0, 1, (SKUS, 1)) + random.normal(0, 0.3, (1, WEEKS))
    units = random.poisson(np.exp(level + LIFT * on)).astype(float)
    causes = csr_array(on.reshape(-1, 1).astype(float))
    wall, used = time.perf_counter(), time.process_time()
    found = fit(units, causes)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    row = (f"{SKUS:,} x {WEEKS}", wall, used, float(found.slopes[0]), float(found.half(0.95)[0]))
    target = Target("the regression, CPU seconds", used, LONGEST_SECONDS)
    how = (
        f"Poisson regression with {SKUS:,} product effects and {WEEKS} week effects, errors "
        f"clustered by product; the true effect is {LIFT}."
    )
    columns = ("products x weeks", "seconds", "CPU seconds", "effect", "half of its interval")
    return [Comparison("Discount effect", how, columns, [row], [target])]
