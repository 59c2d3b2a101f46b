"""Sufficient statistics of A/B tests from rows per visitor, in one DuckDB scan.

A table of exposures has one row per visitor: the variant, and the visitor's later behavior.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
from duckdb import ColumnExpression, ConstantExpression, Expression, FunctionExpression
from duckdb.sqltypes import DOUBLE

from d1lab.analyses.ab_tests.visitors import VisitorSums
from d1lab.d1 import quote
from d1lab.errors import InputError, UnknownName
from d1lab.stats.means import Pairs


class Measure(NamedTuple):
    """Column to compare: numeric, such as 1 or 0 for a conversion, or an amount for revenue."""

    column: str
    covariate: str | None = None  # column measured before the exposure, for CUPED
    per: str | None = None  # denominator column, such as orders for revenue per order
    cap: float | None = None  # share of visitors winsorized at each end, such as 0.001

    @property
    def second(self) -> str | None:
        """Second column of the measure: covariate or denominator, or None."""
        return self.covariate or self.per


def scan(
    rows: duckdb.DuckDBPyRelation,
    measures: Sequence[Measure],
    *,
    variant: str = "variant",
    a: object = "a",
    b: object = "b",
    segment: str | None = None,
    exposed_at: str | None = None,
    covariate_until: str | None = None,
) -> list[VisitorSums]:
    """Sum every measure over both variants in one scan of the rows.

    Args:
        rows: One row per visitor, such as `lab.sql("SELECT ...")`.
        measures: Measures to compare. One with a cap is also returned without it.
        variant: Column of the variant.
        a: Value of the control in that column.
        b: Value of the treatment. Rows of other variants are skipped.
        segment: Column to split by. The totals of all visitors come first in any case.
        exposed_at: Column with the time of the exposure.
        covariate_until: Column with the end of the period in which covariates were measured.

    A cap is a quantile of both variants together, so that both are cut at the same value. It
    requires a second scan, which runs only if a measure has a cap.

    Raises:
        UnknownName: A named column does not exist.
        InputError: A measure is invalid, or a column is not numeric.
    """
    asked = list(dict.fromkeys(one for measure in measures for one in _with_uncapped(measure)))
    _check(rows, asked, [variant, segment, exposed_at, covariate_until])
    variants = rows.filter(ColumnExpression(variant).isin(*map(ConstantExpression, (a, b))))
    late = None
    if exposed_at and covariate_until:
        late = ColumnExpression(covariate_until) > ColumnExpression(exposed_at)
    groups = [name for name in (variant, segment) if name]
    try:
        caps = _caps(variants, asked)
        texts = [text for one in asked for text in _sums(one, caps, late)]
        keys = [ColumnExpression(name) for name in groups]
        found = variants.aggregate([*keys, *texts], ", ".join(map(quote, groups))).fetchall()
    except duckdb.Error as error:
        raise InputError(f"exposures: {error}") from None
    return list(_read(asked, found, {a: 0, b: 1}, len(groups)))


def scan_arms(
    rows: duckdb.DuckDBPyRelation,
    measures: Sequence[Measure],
    *,
    variant: str = "variant",
    control: object = "a",
    segment: str | None = None,
    exposed_at: str | None = None,
    covariate_until: str | None = None,
) -> dict[str, list[VisitorSums]]:
    """Sum every measure over the control and each other variant, for `visitors.arm_effects`.

    Args:
        rows: As for `scan`, with any number of variants.
        measures: As for `scan`. A cap is a quantile of the control and one other variant.
        variant: Column of the variant.
        control: Value of the control in that column.
        segment: As for `scan`.
        exposed_at: As for `scan`.
        covariate_until: As for `scan`.

    Raises:
        UnknownName: A named column does not exist.
        InputError: There is no other variant, a measure is invalid, or a column is not numeric.
    """
    _check(rows, [], [variant])
    column = ColumnExpression(variant)
    others = rows.filter(column.isnotnull() & (column != ConstantExpression(control)))
    names = [name for [name] in others.select(column).distinct().order(quote(variant)).fetchall()]
    if not names:
        raise InputError(f"exposures: column {variant!r} has no variant beside {control!r}")
    times = {"exposed_at": exposed_at, "covariate_until": covariate_until}
    return {
        str(name): scan(
            rows, measures, variant=variant, a=control, b=name, segment=segment, **times
        )
        for name in names
    }


def scan_clusters(
    rows: duckdb.DuckDBPyRelation,
    measures: Sequence[str],
    *,
    cluster: str,
    variant: str = "variant",
    a: object = "a",
    b: object = "b",
) -> list[VisitorSums]:
    """Sum the mean per visitor of each cluster, for a test randomised by cluster.

    Args:
        rows: One row per visitor.
        measures: Columns to compare.
        cluster: Column of the store, city, or day that a variant was drawn for.
        variant: Column of the variant.
        a: Value of the control in that column.
        b: Value of the treatment. Rows of other variants are skipped.

    Raises:
        UnknownName: A named column does not exist.
        InputError: A cluster has both variants, or a column is not numeric.
    """
    _check(rows, [Measure(name) for name in measures], [variant, cluster])
    variants = rows.filter(ColumnExpression(variant).isin(*map(ConstantExpression, (a, b))))
    each = f"count({quote(cluster)}), count(DISTINCT {quote(cluster)})"
    known = "CASE WHEN count(*) = count({0}) THEN avg({0}::DOUBLE) END AS {0}"
    means = ", ".join(known.format(quote(name)) for name in measures)
    keys = f"{quote(variant)}, {quote(cluster)}"
    try:
        clusters = variants.filter(ColumnExpression(cluster).isnotnull()).aggregate(
            f"{keys}, {means}", keys
        )
        found, different = clusters.aggregate(each).fetchall()[0]
    except duckdb.Error as error:
        raise InputError(f"exposures: {error}") from None
    if found > different:
        raise InputError(f"{found - different} of {different} clusters have both variants")
    sums = scan(clusters, [Measure(name) for name in measures], variant=variant, a=a, b=b)
    return [one._replace(role="cluster") for one in sums]


def values(
    rows: duckdb.DuckDBPyRelation,
    column: str,
    *,
    variant: str = "variant",
    a: object = "a",
    b: object = "b",
) -> tuple[Any, Any]:
    """Return the values of both variants as arrays, for `visitors.quantile_effect`.

    Args:
        rows: One row per visitor or order.
        column: Numeric column; rows without a value are left out.
        variant: Column of the variant.
        a: Value of the control in that column.
        b: Value of the treatment.

    Raises:
        UnknownName: A named column does not exist.
        InputError: The column is not numeric.
    """
    _check(rows, [Measure(column)], [variant])
    known = rows.filter(ColumnExpression(column).isnotnull())
    try:
        of_a, of_b = (
            known.filter(ColumnExpression(variant) == ConstantExpression(value))
            .select(_number(column).alias("value"))
            .fetchnumpy()["value"]
            for value in (a, b)
        )
    except duckdb.Error as error:
        raise InputError(f"exposures: {error}") from None
    return of_a, of_b


def _with_uncapped(measure: Measure) -> list[Measure]:
    return [measure] if measure.cap is None else [measure._replace(cap=None), measure]


def _check(
    rows: duckdb.DuckDBPyRelation, measures: Sequence[Measure], others: Sequence[str | None]
) -> None:
    named = [name for one in measures for name in (one.column, one.second)]
    for name in (*named, *others):
        if name is not None and name not in rows.columns:
            raise UnknownName("column", name, rows.columns, "the exposures")
    for one in measures:
        if one.covariate and one.per:
            raise InputError(f"measure {one.column!r}: a ratio cannot have a covariate")
        if one.cap is not None and not 0 < one.cap < 0.5:
            raise InputError(f"measure {one.column!r}: cap={one.cap} is not between 0 and 0.5")


def _caps(
    rows: duckdb.DuckDBPyRelation, measures: Sequence[Measure]
) -> Mapping[Measure, tuple[float, float]]:
    """Return the lower and upper quantile of both variants together, for measures with a cap."""
    capped = [one for one in measures if one.cap is not None]
    if not capped:
        return {}
    quantiles = [
        FunctionExpression(
            "quantile_cont", _number(one.column), ConstantExpression([one.cap, 1 - (one.cap or 0)])
        )
        for one in capped
    ]
    [ends] = rows.aggregate(quantiles).fetchall()
    return {one: tuple(pair) for one, pair in zip(capped, ends, strict=True) if pair}


def _sums(
    measure: Measure, caps: Mapping[Measure, tuple[float, float]], late: Expression | None
) -> list[Expression]:
    """Select n, y, yy, x, xx, xy, visitors with a missing value, and with a late covariate."""
    y = _number(measure.column)
    if measure in caps:
        low, high = map(ConstantExpression, caps[measure])
        y = FunctionExpression("greatest", FunctionExpression("least", y, high), low)
    known, second = y, [ConstantExpression(0.0)] * 3
    if measure.second:
        x = _number(measure.second)
        known, second = x * y, [_sum(x), _sum(x * x), _sum(x * y)]
    n = FunctionExpression("count", ConstantExpression(1))
    lately = ConstantExpression(0) if late is None else FunctionExpression("count_if", late)
    return [n, _sum(y), _sum(y * y), *second, n - FunctionExpression("count", known), lately]


def _number(column: str) -> Expression:
    return ColumnExpression(column).cast(DOUBLE)


def _sum(value: Expression) -> Expression:
    return FunctionExpression("sum", value)


_WIDTH = 8  # number of values in `_sums`


def _read(
    measures: Sequence[Measure], found: Sequence[tuple], sides: Mapping[Any, int], keys: int
) -> Iterator[VisitorSums]:
    """Return the sums of each measure: all visitors first, then each segment."""
    segments = sorted({row[1] for row in found}, key=str) if keys > 1 else []
    for place, measure in enumerate(measures):
        start = keys + place * _WIDTH
        cells = [(row[:keys], row[start : start + _WIDTH]) for row in found]
        yield _added(measure, cells, sides)
        for segment in segments:
            part = [cell for cell in cells if cell[0][1] == segment]
            yield _added(measure, part, sides)._replace(segment=str(segment))


def _added(
    measure: Measure, cells: Sequence[tuple[tuple, tuple]], sides: Mapping[Any, int]
) -> VisitorSums:
    totals = [[0.0] * _WIDTH, [0.0] * _WIDTH]
    for keys, values in cells:
        side = totals[sides[keys[0]]]
        for place, value in enumerate(values):
            side[place] += value or 0.0
    a, b = (Pairs.of(*side[:6]) for side in totals)
    missing, late = (int(totals[0][place] + totals[1][place]) for place in (6, 7))
    role = "covariate" if measure.covariate else "denominator" if measure.per else "plain"
    name = f"{measure.column} / {measure.per}" if measure.per else measure.column
    return VisitorSums(name, a, b, role, None, measure.cap is not None, missing, late)
