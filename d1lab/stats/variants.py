"""What a test's JSON columns say: each variant's configuration, and the guardrails."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from d1lab.stats.arms import Guardrail, Plan
from d1lab.stats.faults import plan_fault


class Variant(NamedTuple):
    """One variant's configuration; a field is None where it says nothing."""

    discount_rate: float | None = None  # 0.15 for 15 % off
    share: float | None = None  # of the visitors, inside (0, 1)
    skus: tuple[str, ...] | None = None  # the products it is about; None for all
    fault: str | None = None  # why it could not be read


def parse_variant(text: str | None) -> Variant:
    """A variant's configuration, such as '{"discount_rate": 0.15, "share": 0.5}'.

    A discount may also stand as `percent`, from 0 to 100. Unknown names are left alone; what cannot
    be read is a fault, never an error.

    >>> parse_variant('{"discount_rate": 0.1, "skus": ["MUG"]}')[:3]
    (0.1, None, ('MUG',))
    >>> parse_variant('{"share": 2}').fault
    'share = 2 is no number between 0 and 1'
    """
    if text is None or not text.strip():
        return Variant()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Variant(fault=f"no JSON: {error}")
    if not isinstance(found, dict):
        return Variant(fault="not an object of names and values")
    skus = found.get("skus")
    if skus is not None and not (isinstance(skus, list) and all(isinstance(s, str) for s in skus)):
        return Variant(fault="skus is not a list of texts")
    shares: list[float | None] = []
    for name, most in (("discount_rate", 1), ("percent", 100), ("share", 1)):
        value = found.get(name)
        if value is not None and not _is_between(value, most):
            return Variant(fault=f"{name} = {value!r:.40} is no number between 0 and {most}")
        shares.append(None if value is None else value / most)
    rate = shares[1] if shares[0] is None else shares[0]
    return Variant(rate, shares[2], None if skus is None else tuple(skus))


def parse_guardrails(text: str | None) -> tuple[tuple[Guardrail, ...], str | None]:
    """Guardrails, such as '[{"metric": "profit", "margin": 0.02}]', and what is wrong with them.

    `"relative": false` makes the margin one in the metric's own unit.
    """
    if text is None or not text.strip():
        return (), None
    try:
        rails = tuple(
            Guardrail(rail["metric"], float(rail["margin"]), bool(rail.get("relative", True)))
            for rail in json.loads(text)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return (), f"guardrails cannot be read: {type(error).__name__}: {error!s:.80}"
    fault = plan_fault(Plan(guardrails=rails))
    return (rails, None) if fault is None else ((), f"guardrails cannot be meant: {fault}")


def _is_between(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
