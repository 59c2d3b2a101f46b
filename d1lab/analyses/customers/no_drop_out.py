"""Expected purchases where no customer seems to leave for good: the NBD model.

Ehrenberg (1959), "The Pattern of Consumer Purchases" (Applied Statistics 8): purchase rates follow
Gamma(r, alpha), and nobody drops out. It is BG/NBD with a = 0. Where the latter's drop-out is not
identified, the chance that a customer is still active is unknown, and expected purchases are not.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from d1lab.analyses.customers.lifetime_model import BgNbd, Floats, as_columns


def fit_nbd(x: ArrayLike, T: ArrayLike) -> BgNbd:
    """Fit NBD by maximum likelihood: a `BgNbd` with a = 0, b = 1, and the covariance of r, alpha.

    Args:
        x: Repeat purchases per customer, whole numbers >= 0; at least one above 0.
        T: Time observed since the first purchase, > 0.
    """
    import scipy.special
    from scipy.optimize import minimize

    special = cast("Any", scipy.special)  # scipy's stubs leave the type of a ufunc open
    x, T = as_columns(x, T)  # pyright: ignore[reportConstantRedefinition]
    unit = float(T.max()) / 10  # times near 1 are well-scaled for the optimizer
    observed, customers = T / unit, len(x)

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        r, alpha = np.exp(log_parameters)
        share = np.log(alpha) - np.log(alpha + observed)
        value: Floats = (
            special.gammaln(r + x) - special.gammaln(r) + r * share - x * np.log(alpha + observed)
        )
        by_r: Floats = r * (special.digamma(r + x) - special.digamma(r) + share)
        by_alpha = r - alpha * (r + x) / (alpha + observed)
        return -float(value.mean()), -np.array([by_r.mean(), by_alpha.mean()])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-12, 12)] * 2,
                     options={"ftol": 1e-15, "gtol": 1e-9})  # fmt: skip
    r, alpha = np.exp(found.x).tolist()
    of_r = float((special.polygamma(1, r) - special.polygamma(1, r + x)).sum())
    both = -(1 / alpha - 1 / (alpha + observed)).sum()
    of_alpha = (r / alpha**2 - (r + x) / (alpha + observed) ** 2).sum()
    scale = np.array([r, alpha])
    information = np.array([[of_r, both], [both, of_alpha]]) * np.outer(scale, scale)
    covariance: Floats = np.linalg.inv(information)
    on_edge = bool(np.any(np.abs(found.x) > 11.9)) or bool(np.any(np.diag(covariance) <= 0))
    repeats = int(x.sum())
    likelihood = -float(found.fun) * customers - repeats * float(np.log(unit))
    return BgNbd(r, alpha * unit, 0.0, 1.0, likelihood, customers, repeats, covariance,
                 "no_fit" if on_edge else None)  # fmt: skip
