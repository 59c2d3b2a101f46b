"""What a test earns: the metric that decides it, and losses that hold a winner back.

A variant that converts more visitors can earn less, because of a discount or costlier goods. So
profit is the primary metric of a test that declares none, and money overrules a declared primary
metric if it shows a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.guardrails import GuardrailResult
from d1lab.analyses.ab_tests.model import Metric, Variant


def default_metric(a: Variant, b: Variant) -> Metric:
    """Return the primary metric of a test that declares none: profit if it can be tested.

    >>> default_metric(Variant(100, 5), Variant(100, 6))
    'conversions'
    """
    needed = [(one.visitors, one.profit, one.profit_squares) for one in (a, b)]
    return "conversions" if None in (*needed[0], *needed[1]) else "profit"


def deciding_metric(declared: Metric, effects: Mapping[Metric, Effect], alpha: float) -> Metric:
    """Return the declared primary metric, or the money metric that shows that B earns less.

    Profit counts if it has a p-value, else revenue. If B wins by the declared metric, a loss at
    `alpha` overrules it: both tests then reject, so no correction is due. If the declared metric
    is undecided, the loss must be significant at half of alpha, because it is a second test.

    Args:
        declared: Primary metric of the plan.
        effects: All known effects.
        alpha: Two-sided significance level.
    """
    earned = _earned(effects)
    primary = effects[declared]
    if earned is None or earned.metric == declared or earned.direction >= 0:
        return declared
    is_decided = primary.p_value is not None and primary.p_value < alpha
    if is_decided and primary.direction < 0:
        return declared
    limit = alpha if is_decided else alpha / 2
    return earned.metric if (earned.p_value or 0.0) < limit else declared


def untested_loss(effects: Sequence[Effect]) -> GuardrailResult | None:
    """Return a failed guardrail if B's money is lower by totals that allow no test.

    Nothing is claimed about the difference, but B is not named winner against it.
    """
    by_metric: dict[Metric, Effect] = {effect.metric: effect for effect in effects}
    if _earned(by_metric) is not None:
        return None
    money = by_metric.get("profit") or by_metric.get("revenue")
    if money is None or money.value_a is None or money.value_b is None:
        return None
    if money.value_b >= money.value_a:
        return None
    reason = f"{money.metric} is lower in B, and cannot be tested: {money.reason}"
    return GuardrailResult(money.metric, 0.0, True, None, None, reason)


def _earned(effects: Mapping[Metric, Effect]) -> Effect | None:
    """Return the effect on profit if it was tested, else on revenue, else None."""
    tested = (effects.get(metric) for metric in ("profit", "revenue"))
    return next((one for one in tested if one and one.p_value is not None), None)
