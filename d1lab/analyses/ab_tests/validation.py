"""Validation of A/B test inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple, cast, get_args

from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Design,
    Guardrail,
    Look,
    Metric,
    Variant,
    clean,
    clean_look,
)

LARGEST_COUNT = 10**12
LARGEST_MONEY = 1e15


def variant_error(variant: Variant) -> str | None:
    """Return the first invalid value of a variant in words, or None."""
    for name, value in zip(variant._fields, variant, strict=True):
        fault = None if value is None else _number_error(name, value)
        if fault:
            return fault
    known = clean(variant)
    if (known.conversions or 0) > (math.inf if known.visitors is None else known.visitors):
        return f"more conversions ({known.conversions:,}) than visitors ({known.visitors:,})"
    for name in ("revenue", "profit", "covariate"):
        fault = _spread_error(known, name)
        if fault:
            return fault
    return None


def looks_error(history: Sequence[Look]) -> str | None:
    """Return the first contradiction between consecutive looks in words, or None."""
    for number, look in enumerate(history, start=1):
        for variant in ("a", "b"):
            fault = variant_error(getattr(look, variant))
            if fault:
                return f"variant {variant}, look {number}: {fault}"
        if look.elapsed is not None and not _inside(look.elapsed, 0, 1e6):
            return f"look {number}: elapsed = {look.elapsed!r}: expected {_EXPECTED['elapsed']}"
    return _falling_error([clean_look(look) for look in history])


def plan_error(plan: AbPlan) -> str | None:
    """Return the first invalid field of a plan in words, or None."""
    wrong = {
        "method": plan.method not in get_args(Design),
        "primary_metric": plan.primary_metric not in get_args(Metric),
        "share_b": plan.share_b is not None and not _inside(plan.share_b, 0, 1),
        "alpha": not _inside(plan.alpha, 0, 0.5),
        "planned_visitors": not _absent_or_count(plan.planned_visitors),
        "planned_looks": not _absent_or_count(plan.planned_looks, 1_000),
        "look": not _absent_or_count(plan.look, 1_000),
        "elapsed": plan.elapsed is not None and not _inside(plan.elapsed, 0, 1e6),
        "count_inflation": not _at_least_one(plan.count_inflation),
        "money_inflation": not _at_least_one(plan.money_inflation),
        "unit": plan.unit not in ("visitor", "day"),
        "tuned_conversions": not _absent_or_count(plan.tuned_conversions),
        "guardrails": not all(
            rail.metric in get_args(Metric)
            and _inside(rail.margin, 0, 1 if rail.relative else LARGEST_MONEY)
            for rail in plan.guardrails
        ),
    }
    named = [
        f"{name} = {getattr(plan, name)!r}: expected {_EXPECTED[name]}"
        for name, holds in wrong.items()
        if holds
    ]
    return "; ".join(named) or None


_EXPECTED = {
    "method": f"one of {', '.join(get_args(Design))}",
    "primary_metric": f"one of {', '.join(get_args(Metric))}",
    "share_b": "a share of the visitors, between 0 and 1",
    "alpha": "an error rate, between 0 and 0.5",
    "planned_visitors": "a whole number above 0",
    "planned_looks": "a whole number from 1 to 1,000",
    "look": "a whole number from 1 to 1,000",
    "elapsed": "a share of the planned days, above 0",
    "count_inflation": "a factor of at least 1",
    "money_inflation": "a factor of at least 1",
    "unit": "'visitor' or 'day'; tests by other clusters need rows per visitor",
    "tuned_conversions": "a whole number above 0",
    "guardrails": "a metric and a margin above 0 for each; below 1 if relative",
}
"""Allowed values of each field of a plan, in words."""


def _number_error(name: str, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return f"{name} is not a number: {value!r:.60}"
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return f"{name} is too large"
    if not math.isfinite(number):
        return f"{name} is {number}"
    if name in ("visitors", "conversions"):
        if number < 0 or number != math.floor(number):
            return f"{name} = {value}: a count is a whole number of at least 0"
        return f"{name} = {value}: more than {LARGEST_COUNT:,}" if number > LARGEST_COUNT else None
    if name.endswith("_squares"):
        outside = not 0 <= number <= LARGEST_MONEY**2
        return f"{name} = {value}: a sum of squares is at least 0, and finite" if outside else None
    largest = LARGEST_MONEY**2 if name.startswith("covariate_") else LARGEST_MONEY
    return f"{name} = {value}: beyond {largest:.0e}" if abs(number) > largest else None


def _spread_error(variant: Variant, name: str) -> str | None:
    """Check that the sum of squares is at least sum^2 / n (Cauchy-Schwarz)."""
    total, squares = getattr(variant, name), getattr(variant, f"{name}_squares")
    n = variant.conversions if variant.visitors is None else variant.visitors
    if total is None or n is None:
        return None
    if n == 0 and (total or squares):
        return f"{name} = {total} with 0 visitors" if variant.visitors == 0 else None
    if squares is not None and n and squares < total * total / n * (1 - 1e-9):
        return f"{name}_squares = {squares}: below {name}^2 / {n:,}"
    return None


def _falling_error(history: Sequence[Look]) -> str | None:
    """Check that cumulative sums do not decrease from one look to the next."""
    for number, (before, after) in enumerate(pairwise(history), start=2):
        if any(new < old for old, new in zip(_counts(before), _counts(after), strict=True)):
            return f"look {number} counts less than the previous look: looks are cumulative sums"
        if (after.elapsed or math.inf) < (before.elapsed or 0):
            return f"look {number} is earlier than the previous look"
    return None


def _counts(look: Look) -> list[int]:
    return [count or 0 for variant in (look.a, look.b) for count in variant[:2]]


def _inside(value: Any, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return False
    try:
        return low < float(value) < high
    except (OverflowError, ValueError):
        return False


def _is_list_of_texts(value: Any) -> bool:
    return type(value) is list and all(isinstance(entry, str) for entry in cast("list[Any]", value))


def _absent_or_count(value: Any, largest: int = 2 * LARGEST_COUNT) -> bool:
    return value is None or (_inside(value, 0, largest + 1) and value == int(value))


def _at_least_one(factor: float | None) -> bool:
    return factor is None or _inside(factor, 1 - 1e-9, 1e9)


class VariantConfig(NamedTuple):
    """Configuration of one variant; a field is None if it is not set."""

    discount_rate: float | None = None  # 0.15 for 15% off
    share: float | None = None  # of the visitors, inside (0, 1)
    skus: tuple[str, ...] | None = None  # the products of the test; None for all
    fault: str | None = None  # reason why the configuration is invalid


def parse_variant_config(text: str | None) -> VariantConfig:
    """Parse a variant's configuration, such as '{"discount_rate": 0.15, "share": 0.5}'.

    A discount can also be given as `percent`, from 0 to 100. Unknown keys are ignored. An invalid
    configuration raises nothing; the reason is in `fault`.

    >>> parse_variant_config('{"discount_rate": 0.1, "skus": ["MUG"]}')[:3]
    (0.1, None, ('MUG',))
    >>> parse_variant_config('{"share": 2}').fault
    'share = 2 is not a number between 0 and 1'
    """
    if text is None or not text.strip():
        return VariantConfig()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return VariantConfig(fault=f"invalid JSON: {error}")
    if not isinstance(found, dict):
        return VariantConfig(fault="not a JSON object")
    found = cast("dict[str, Any]", found)
    skus: Any = found.get("skus")
    if skus is not None and not _is_list_of_texts(skus):
        return VariantConfig(fault="skus is not a list of strings")
    shares: list[float | None] = []
    for name, most in (("discount_rate", 1), ("percent", 100), ("share", 1)):
        value: Any = found.get(name)
        if value is not None and not _is_between(value, most):
            fault = f"{name} = {value!r:.40} is not a number between 0 and {most}"
            return VariantConfig(fault=fault)
        shares.append(None if value is None else value / most)
    rate = shares[1] if shares[0] is None else shares[0]
    return VariantConfig(rate, shares[2], None if skus is None else tuple(skus))


def parse_guardrails(text: str | None) -> tuple[tuple[Guardrail, ...], str | None]:
    """Parse guardrails, such as '[{"metric": "profit", "margin": 0.02}]'.

    `"relative": false` means that the margin is in the metric's own unit.
    """
    if text is None or not text.strip():
        return (), None
    try:
        rails = tuple(
            Guardrail(rail["metric"], float(rail["margin"]), bool(rail.get("relative", True)))
            for rail in json.loads(text)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return (), f"invalid guardrails: {type(error).__name__}: {error!s:.80}"
    fault = plan_error(AbPlan(guardrails=rails))
    return (rails, None) if fault is None else ((), f"invalid guardrails: {fault}")


def _is_between(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
