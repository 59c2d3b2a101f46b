"""Parts of an A/B test: the two variants, the plan declared before its start, and its looks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from d1lab.errors import InputError
from d1lab.stats.means import Means, Pairs, Sums, compound_poisson, cuped, p_value, welch
from d1lab.stats.proportions import Rates
from d1lab.stats.uneven import Uneven, is_uneven

Metric = Literal["conversions", "revenue", "profit"]
Design = Literal["fixed", "group_sequential", "always_valid"]

UNBALANCED = 0.001
"""p-value below which a covariate that differs between variants is not accepted."""


class Variant(NamedTuple):
    """Sufficient statistics of one variant; None if unknown.

    Squares are summed per visitor: one with two orders counts once, with the sum of both. If
    visitors are unknown, they are summed per order.
    """

    visitors: int | None = None
    conversions: int | None = None  # visitors with an order
    revenue: float | None = None
    revenue_squares: float | None = None
    profit: float | None = None  # after discounts, cost of goods, and refunds
    profit_squares: float | None = None
    covariate: float | None = None  # sum of a value x measured before the test, per visitor
    covariate_squares: float | None = None
    covariate_revenue: float | None = None  # sum of x * revenue
    covariate_profit: float | None = None  # sum of x * profit


class Arm(NamedTuple):
    """A variant other than A, of a test of three and more variants."""

    name: str  # 'b', 'c', ...
    sums: Variant
    share: float | None = None  # of all visitors, declared before the start


class Guardrail(NamedTuple):
    """Metric that must not get worse by more than a non-inferiority margin."""

    metric: Metric
    margin: float  # > 0; relative: 0.02 allows the winner to be up to 2% worse
    relative: bool = True  # otherwise in the metric's own unit


class AbPlan(NamedTuple):
    """Plan declared before the start of the test, and its progress.

    `fixed` is evaluated once, when the planned visitors or days are reached or the test has ended;
    `group_sequential` requires a planned size or end; `always_valid` requires neither.
    """

    method: Design = "fixed"
    primary_metric: Metric = "conversions"
    share_b: float | None = None  # B's share of the visitors, inside (0, 1)
    share_declared: bool = False  # before the start
    alpha: float = 0.05
    ended: bool = True
    planned_visitors: int | None = None  # of both variants
    planned_looks: int | None = None  # evenly spaced over the plan; None: every look counts
    look: int | None = None  # number of this look; None: the number of earlier looks plus 1
    elapsed: float | None = None  # elapsed share of the planned days, > 0
    guardrails: tuple[Guardrail, ...] = ()
    count_inflation: float | None = 1.0  # of counts without visitors, by customers who order again
    money_inflation: float = 1.0  # as `count_inflation`, of the variance of sums of money
    tuned_conversions: int | None = None  # where an always-valid sequence is narrowest
    unit: str = "visitor"  # what was randomised: 'visitor', or 'day' for a switchback
    totals_only: bool = False  # the sums of earlier days, and of the planned end, are unknown

    @property
    def declared_share(self) -> float | None:
        """B's share if it was declared before the start, else None."""
        return self.share_b if self.share_declared else None


class Look(NamedTuple):
    """Totals from the start of the test to one point in time."""

    a: Variant
    b: Variant
    elapsed: float | None = None  # as in AbPlan


def parse_variant(text: str) -> Variant:
    """Parse '500/10000' (conversions / visitors) or '122' (conversions only).

    Raises:
        InputError: The text has another form.

    >>> parse_variant("500/10_000").visitors
    10000
    """
    parts = [part.strip().replace(",", "").replace("_", "") for part in text.split("/")]
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(
            f"invalid variant {text!r}. Use conversions/visitors, such as 500/10000, "
            "or conversions only."
        )
    conversions = int(parts[0])
    return Variant(int(parts[1]) if len(parts) == 2 else None, conversions)


def parse_rate(text: str) -> float:
    """Parse a rate such as '5%' or '0.05'.

    Raises:
        InputError: The text is not a rate between 0 and 1.
    """
    number = text.strip().removesuffix("%")
    try:
        rate = float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise InputError(
            f"invalid rate {text!r}. Use a percentage such as 5% or a number such as 0.05."
        )
    return rate


def clean_look(look: Look) -> Look:
    """Convert a look to plain numbers, with the visitors of both variants or of neither."""
    a, b = clean(look.a), clean(look.b)
    if None in (a.visitors, b.visitors):
        a, b = a._replace(visitors=None), b._replace(visitors=None)
    return Look(a, b, None if look.elapsed is None else float(look.elapsed))


def clean(variant: Variant) -> Variant:
    """Convert a variant to plain ints and floats, so that equal values have equal hashes."""
    counts = [None if value is None else int(value) for value in variant[:2]]
    money = [None if value is None else float(value) for value in variant[2:]]
    return Variant(*counts, *money)


def inputs_hash(looks: Sequence[Look], plan: AbPlan, version: str) -> str:
    """Return the SHA-256 of all inputs of a decision.

    Numbers count to twelve digits: the order in which rows were added decides about the rest.
    """
    plain = [Look(_sums_only(look.a), _sums_only(look.b), look.elapsed) for look in looks]
    known = plan if plan.totals_only else plan[:-1] if plan.unit != "visitor" else plan[:-2]
    declared = [_twelve_digits(each) for each in known]
    everything = {"version": version, "plan": declared, "looks": plain}
    text = json.dumps(everything, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _sums_only(variant: Variant) -> Any:
    """Leave out a covariate that is not known, so that older decisions keep their hash."""
    known = variant[:6] if set(variant[6:]) == {None} else variant
    return [_twelve_digits(each) for each in known]


def _twelve_digits(value: Any) -> Any:
    return float(f"{value:.12g}") if isinstance(value, float) else value


def rates(a: Sequence[Variant], b: Sequence[Variant]) -> Rates:
    """Return conversions and visitors of both variants, one item per look; all must be known."""
    names = ("conversions", "visitors")
    return Rates.of(
        *([getattr(variant, name) for variant in variants] for variants in (a, b) for name in names)
    )


def sums(variants: Sequence[Variant], metric: Metric) -> Sums:
    """Return sums over visitors, one item per look; for conversions, sum and squares are equal."""
    squares = "conversions" if metric == "conversions" else f"{metric}_squares"
    return Sums.of(
        *(
            [getattr(variant, name) for variant in variants]
            for name in ("visitors", metric, squares)
        )
    )


def money_means(
    metric: Metric,
    a: Sequence[Variant],
    b: Sequence[Variant],
    share_b: float | None,
    inflation: float = 1.0,
) -> Means:
    """Return money per visitor, or per unit of declared exposure if visitors are unknown.

    Args:
        metric: Revenue or profit.
        a: Totals of A, one item per look.
        b: Totals of B.
        share_b: B's declared share, or None.
        inflation: Factor of the variance without visitors, by customers who order again.
    """
    split = uneven(metric, a, b, share_b, inflation)
    if split is not None:
        return split.means
    adjusted = adjusted_means(metric, a, b)
    if adjusted is not None:
        return adjusted
    if a[-1].visitors is not None or share_b is None:
        return welch(sums(a, metric), sums(b, metric))
    of_a, of_b = (
        [[getattr(variant, name) for variant in variants] for name in (metric, f"{metric}_squares")]
        for variants in (a, b)
    )
    means = compound_poisson(of_a[0], of_a[1], of_b[0], of_b[1], share_b)
    return means._replace(
        variance_a=means.variance_a * inflation, variance_b=means.variance_b * inflation
    )


def adjusted_means(metric: Metric, a: Sequence[Variant], b: Sequence[Variant]) -> Means | None:
    """Return money per visitor adjusted for a covariate (CUPED), or None where it is not used.

    Used are covariates that all looks have, at an even split of known visitors. One whose means
    differ between the variants was not measured before the test, or the split is broken.

    Args:
        metric: Metric of the means.
        a: Totals of A, one item per look.
        b: Totals of B.
    """
    if metric == "conversions" or splits_unevenly(a[-1], b[-1]) or not _has_covariate(metric, a, b):
        return None
    of_a, of_b = _pairs(a, metric), _pairs(b, metric)
    balance = np.nan_to_num(p_value(welch(of_a.other, of_b.other)), nan=1.0)
    if balance[-1] < UNBALANCED:
        return None
    adjusted = cuped(of_a, of_b)
    return adjusted if (adjusted.error > 0).all() else None


def variance_saved(metric: Metric, a: Sequence[Variant], b: Sequence[Variant]) -> float | None:
    """Return the share of the variance that a covariate explains at the last look, if it is used.

    Args:
        metric: Metric of the means.
        a: Totals of A, one item per look.
        b: Totals of B.
    """
    adjusted = adjusted_means(metric, a, b)
    if adjusted is None:
        return None
    plain = welch(sums(a, metric), sums(b, metric))
    return float(1 - (adjusted.error[-1] / plain.error[-1]) ** 2)


def _has_covariate(metric: Metric, a: Sequence[Variant], b: Sequence[Variant]) -> bool:
    names = ("visitors", metric, f"{metric}_squares", *_of_covariate(metric))
    return all(getattr(one, name) is not None for one in (*a, *b) for name in names)


def _of_covariate(metric: Metric) -> tuple[str, str, str]:
    return "covariate", "covariate_squares", f"covariate_{metric}"


def _pairs(variants: Sequence[Variant], metric: Metric) -> Pairs:
    names = ("visitors", metric, f"{metric}_squares", *_of_covariate(metric))
    return Pairs.of(*([getattr(one, name) for one in variants] for name in names))


def uneven(
    metric: Metric,
    a: Sequence[Variant],
    b: Sequence[Variant],
    share_b: float | None = None,
    inflation: float = 1.0,
) -> Uneven | None:
    """Return money per visitor, or per unit of declared exposure, at an uneven split, else None.

    Args:
        metric: Revenue or profit.
        a: Totals of A, one item per look.
        b: Totals of B.
        share_b: B's declared share, or None.
        inflation: Factor of the variance without visitors, by customers who order again.
    """
    if not splits_unevenly(a[-1], b[-1], share_b):
        return None
    buyers = ([one.conversions or 0 for one in variants] for variants in (a, b))
    if a[-1].visitors is not None or share_b is None:
        return Uneven(sums(a, metric), sums(b, metric), *buyers)
    of_a, of_b = (
        Sums.of(
            _MANY * share,
            [_MANY * getattr(one, metric) for one in variants],
            [_MANY**2 * inflation * getattr(one, f"{metric}_squares") for one in variants],
        )
        for share, variants in ((1 - share_b, a), (share_b, b))
    )
    return Uneven(of_a, of_b, *buyers)


_MANY = 1e9  # visitors in place of an unknown number: orders are then a Poisson process


def splits_unevenly(a: Variant, b: Variant, share_b: float | None = None) -> bool:
    """Return True if the visitors, or their declared shares without them, are unevenly split."""
    if a.visitors is None and b.visitors is None:
        return share_b is not None and is_uneven(1 - share_b, share_b)
    return bool(a.visitors and b.visitors) and is_uneven(a.visitors or 0, b.visitors or 0)
