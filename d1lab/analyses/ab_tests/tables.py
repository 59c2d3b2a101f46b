"""Rows of the report's tables: one or more per test, with formatted values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from d1lab.analyses.ab_tests.shop import Decision


def methods(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the design and method of each test."""
    return [
        {
            "test": d.test.name,
            "design": d.test.plan.method.replace("_", " "),
            "method": (d.result.method or "").replace("_", " ") or None,
            "variance_saved": d.result.effects[0].variance_saved if d.result.effects else None,
            "p_value": shown_p(d.result.p_value),
            "false_discovery": shown_p(d.false_discovery),
            "look": d.result.look,
            "share_of_plan": d.result.share_of_plan,
            "spent_alpha": d.result.spent_alpha,
            "lift": None if d.result.ratio is None else d.result.ratio - 1,
            "adjusted_lift": _lift(d.result.adjusted_ratio),
            "risk_a": _per_10_000(d.result.expected_loss_a),
            "risk_b": _per_10_000(d.result.expected_loss_b),
        }
        for d in decisions
    ]


def level(confidence: float | None) -> str | None:
    """Format the stored confidence; it is truncated, so 99.99 is never shown as 100."""
    return None if confidence is None else f"{confidence:.2f}%"


def chance(share: float | None) -> str | None:
    """Format a probability; one near 0 or 1 is not shown as certain."""
    if share is None:
        return None
    if 0.001 <= share <= 0.999:
        return f"{100 * share:.1f}%"
    return "< 0.1%" if share < 0.5 else "> 99.9%"


def _lift(ratio: float | None) -> float | None:
    return None if ratio is None else ratio - 1


def _per_10_000(loss: float | None) -> float | None:
    """Convert an expected loss per visitor to orders or money per 10,000 visitors."""
    return None if loss is None else 10_000 * loss


def traffic(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return visitors, conversions, the test of the split, and the detectable lift."""
    return [
        {
            "test": d.test.name,
            "visitors_a": d.test.a.visitors,
            "visitors_b": d.test.b.visitors,
            "rate_a": d.result.rate_a,
            "rate_b": d.result.rate_b,
            "sample_ratio_p": shown_p(d.result.sample_ratio_p),
            "detectable_lift": d.detectable_lift,
        }
        for d in decisions
    ]


def totals(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the observed totals, including those of tests without a result."""
    return [
        {
            "test": d.test.name,
            "conversions_a": d.test.a.conversions,
            "conversions_b": d.test.b.conversions,
            "revenue_a": d.test.a.revenue,
            "revenue_b": d.test.b.revenue,
            "order_value_a": d.result.order_value_a,
            "order_value_b": d.result.order_value_b,
        }
        for d in decisions
    ]


def money(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return revenue and profit per visitor, with intervals."""
    return [
        {
            "test": d.test.name,
            "metric": effect.metric,
            "value_a": effect.value_a,
            "value_b": effect.value_b,
            "difference": effect.difference,
            "difference_low": _finite(effect.difference_low),
            "difference_high": _finite(effect.difference_high),
            "p_value": shown_p(effect.p_value),
        }
        for d in decisions
        for effect in d.result.effects
        if effect.metric != "conversions" and effect.p_value is not None
    ]


def break_evens(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the break-even conversion lift of B's discount and the observed lift."""
    return [
        {
            "test": d.test.name,
            "discount_rate": d.test.variants[1].discount_rate,
            "break_even_lift": ratio - 1,
            "lift": None if effect.ratio is None else effect.ratio - 1,
            "lift_low": None if effect.ratio_low is None else effect.ratio_low - 1,
            "lift_high": _finite(effect.ratio_high and effect.ratio_high - 1),
            "basis": d.result.break_even_basis,
            "pays": d.result.break_even,
        }
        for d in decisions
        for effect in d.result.effects
        for ratio in [d.result.break_even_ratio]
        if effect.metric == "conversions" and ratio is not None
    ]


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def shown_p(p_value: float | None) -> str | None:
    """Format a p-value with four decimals, or as below the smallest of them."""
    if p_value is None:
        return None
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def percent(ratio: float, sign: str = "-") -> str:
    """Format a share as a whole percentage; below 1% with one decimal, so it is not shown as 0.

    >>> percent(0.258, "+"), percent(-0.004, "+"), percent(0.0)
    ('+26%', '−0.4%', '0%')
    """
    digits = 0 if abs(ratio) >= 0.01 or ratio == 0 else 1
    text = f"{100 * ratio:{sign}.{digits}f}"
    if not text.strip("+-0."):
        text = "0"
    return f"{text}%".replace("-", "\N{MINUS SIGN}")
