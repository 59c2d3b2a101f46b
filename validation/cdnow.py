"""Time of the lifetime models on CDNOW, with and without their analytic gradient.

Without a gradient, the optimizer uses finite differences: the same optimum, with more evaluations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
from scipy import optimize

from bench.comparison import Comparison, Target
from d1lab.analyses.customers.lifetime_model import fit_bg_nbd, fit_gamma_gamma

FILE = Path(__file__).parents[1] / "tests" / "oracles" / "cdnow.csv"
REPEATS = 9
MAX_MILLISECONDS = 200
MODELS = {"BG/NBD": ("r", "alpha", "a", "b"), "Gamma-Gamma": ("p", "q", "v")}


def run() -> list[Comparison]:
    """Fit both models with and without gradient."""
    fits = _fits()
    rows, slowest = [], 0.0
    for name, fit in fits.items():
        for way in ("analytic gradient", "finite differences"):
            with mock.patch.object(optimize, "minimize", _WAYS[way]):
                model, milliseconds = _timed(fit)
            found = ", ".join(f"{p} {getattr(model, p):.3f}" for p in MODELS[name])
            rows.append((name, way, milliseconds, found, f"{model.log_likelihood:,.1f}"))
            slowest = max(slowest, milliseconds) if way == "analytic gradient" else slowest
    how = (
        "2,357 customers of CDNOW. Published: r .243, alpha 4.414, a .793, b 2.426 with "
        "log-likelihood -9582.4, and p 6.25, q 3.74, v 15.44. Best of "
        f"{REPEATS} fits, including standard errors."
    )
    target = Target("milliseconds per fit", slowest, MAX_MILLISECONDS)
    columns = ("model", "gradient", "milliseconds", "estimates", "log-likelihood")
    return [Comparison("Lifetime models on CDNOW", how, columns, rows, [target])]


def _fits() -> dict[str, Callable[[], Any]]:
    frame = pd.read_csv(FILE, comment="#")
    return {
        "BG/NBD": partial(fit_bg_nbd, frame["x"], frame["t_x"], frame["T"]),
        "Gamma-Gamma": partial(fit_gamma_gamma, frame["x"], frame["spend"]),
    }


def _without_gradient(loss: Any, start: Any, **options: Any) -> Any:
    """Call scipy's `minimize` with a loss without gradient."""
    return _MINIMIZE(lambda *given: loss(*given)[0], start, **(options | {"jac": None}))


_MINIMIZE = optimize.minimize
_WAYS = {"analytic gradient": _MINIMIZE, "finite differences": _without_gradient}


def _timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    """Return the model and the time of the fastest fit, which is the least disturbed one."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        model = fit()
        seconds.append(time.perf_counter() - began)
    return model, 1000 * min(seconds)
