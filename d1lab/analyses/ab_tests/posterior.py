"""Chance that B is better and expected losses, which do not affect the decision."""

from __future__ import annotations

import numpy as np

from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.model import AbPlan, Variant, money_means
from d1lab.stats import bayes


def posterior(primary: Effect, a: Variant, b: Variant, plan: AbPlan) -> bayes.Posterior | None:
    """Return the posterior of the deciding metric, or None without a p-value or for clusters.

    Args:
        primary: Effect on the deciding metric.
        a: Totals of A at the last look.
        b: Totals of B.
        plan: Source of the declared share.
    """
    if primary.p_value is None or plan.unit != "visitor":
        return None
    if primary.metric != "conversions":
        both = money_means(primary.metric, [a], [b], plan.declared_share, plan.money_inflation)
        per_visitor = a.visitors is not None
        chance = bayes.normal_posterior(float((both.b - both.a)[0]), float(both.error[0]))
        return chance if per_visitor else chance._replace(loss_a=np.nan, loss_b=np.nan)
    if a.visitors is not None and b.visitors is not None:
        return bayes.rates_posterior(a.conversions or 0, a.visitors, b.conversions or 0, b.visitors)
    share = bayes.probability_b_better(a.conversions or 0, b.conversions or 0, plan.share_b or 0.5)
    return bayes.Posterior(share, np.nan, np.nan)
