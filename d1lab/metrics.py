"""Metrics: the `.sql` files of the analyses, and those in the project's folder `metrics/`.

Every file in these folders is a metric, documented by its header:

    -- stock_cover: units sold and average stock per SKU over a period
    -- unit: units, days      grain: shop, sku      reads: inventory_days
    -- $since: first day of the period
    -- average_units: Average stock [units]
    -- revenue: Revenue, money
    -- assert: revenue >= 0
    -- check: since=2017-10-01
    SELECT ... FROM inventory_days WHERE shop = $shop AND day >= $since::DATE ...

Parameters are DuckDB named parameters. A parameter with a cast in the SQL (`$since::DATE`) accepts
only values of that type. Missing and unknown parameters are errors. Then come column labels, in
the form of `d1lab.display.labels`; a column of several metrics has its label in one of them.
`assert:` is what must be true of every row (`d1lab.assertions`); `check:` has values of parameters
for `d1lab check`, where their names do not tell.
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab.assertions import Assertion, parse_assertion
from d1lab.display.labels import Label, common_labels, parse_label
from d1lab.errors import InputError, UnknownName
from d1lab.metric_header import fields_of, names_in, parse_header, title_of
from d1lab.parameter_types import TYPES, ParameterKind, adapter, from_text, range_of
from d1lab.select_statements import check_select

FOLDER = Path(__file__).parent / "analyses"


class MetricParameter(NamedTuple):
    """One named parameter of a metric."""

    name: str
    type: str  # type of the cast in the SQL, such as 'DATE'; '' without a cast
    note: str  # from the header; '' without one


class Metric(NamedTuple):
    """One metric, as declared in its file."""

    name: str
    sentence: str
    unit: str
    grain: tuple[str, ...]
    reads: tuple[str, ...]  # views read by the SQL
    sql: str
    parameters: dict[str, MetricParameter]
    labels: dict[str, Label]  # labels of its columns, and of key figures in its rows
    assertions: tuple[Assertion, ...]  # what must be true of every row
    checked_with: dict[str, str]  # parameters of `d1lab check`, as text
    is_shipped: bool = True  # False: a project's metric, whose names mean the app's tables first


def load_metrics(project_folder: Path | None = None) -> dict[str, Metric]:
    """Load all metrics by name: d1lab's own, then those of a project.

    Args:
        project_folder: The project's folder `metrics/`; ignored if None or missing. Invalid files
            are skipped; see `broken_metrics`.
    """
    return _load(project_folder)[0]


def broken_metrics(project_folder: Path | None) -> dict[str, str]:
    """Return the invalid metric files of a project by name, each with the reason as a sentence.

    The header or SQL is invalid, a column has a different label than elsewhere, or the metric has
    the name of a d1lab metric. A changed definition needs a new name, to keep history comparable.
    """
    return _load(project_folder)[1]


def _load(project_folder: Path | None) -> tuple[dict[str, Metric], dict[str, str]]:
    """Load the metrics, and the errors of invalid project metrics by name."""
    metrics = dict(_shipped())
    broken: dict[str, str] = {}
    for path in sorted(project_folder.glob("*.sql")) if project_folder else ():
        try:
            metrics[path.stem] = _project_metric(path, metrics)
        except InputError as error:
            broken[path.stem] = str(error)
    return metrics, broken


def shipped_metric(name: str) -> Metric:
    """Load one of d1lab's own metrics, without the others."""
    [path] = FOLDER.glob(f"*/{name}.sql")
    return _load_file(path)


@lru_cache
def _shipped() -> dict[str, Metric]:
    """Load d1lab's own metrics, which do not change while it runs."""
    paths = sorted(FOLDER.glob("*/*.sql"), key=lambda path: path.stem)
    return {path.stem: _load_file(path) for path in paths}


def _project_metric(path: Path, metrics: Mapping[str, Metric]) -> Metric:
    if path.stem in metrics:
        raise InputError(
            f"metric {path.stem!r} in {path.parent} has the same name as a "
            f"built-in metric. Rename the file, for example to {path.stem}_v2.sql."
        )
    try:
        metric = _load_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        labels_of({**metrics, path.stem: metric})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return metric._replace(is_shipped=False)


def labels_of(metrics: Mapping[str, Metric]) -> dict[str, Label]:
    """Return the labels of all columns and key figures, from the metrics and `labels.toml`.

    Raises:
        InputError: Two metrics label the same name differently.
    """
    labels, homes = dict(common_labels()), {}
    for metric in metrics.values():
        for name, label in metric.labels.items():
            if labels.setdefault(name, label) != label:
                raise InputError(
                    f"metric {metric.name!r} labels {name!r} as {label.label!r}, but "
                    f"{homes.get(name, 'd1lab')} labels it as {labels[name].label!r}. Use the "
                    "same words, unit, and kind, or name the column differently."
                )
            homes.setdefault(name, f"metric {metric.name!r}")
    return labels


@lru_cache
def shipped_labels() -> dict[str, Label]:
    """Return the labels of d1lab's own metrics and of `labels.toml`."""
    return labels_of(load_metrics())


def _load_file(path: Path) -> Metric:
    try:
        return _parsed(path, path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None


@lru_cache(maxsize=1024)
def _parsed(path: Path, text: str) -> Metric:
    """Parse a file; cached by its text, because two edits can have the same modification time."""
    try:
        metric = parse_metric(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if metric.name != path.stem:
        raise InputError(
            f"{path}: the name in the header, {metric.name!r}, differs from the file name"
        )
    return metric


def parse_metric(sql: str) -> Metric:
    """Parse the text of a metric file.

    Raises:
        InputError: The header is incomplete or describes an unknown parameter, or the
            SQL is not one SELECT.
    """
    header = parse_header(sql)
    name, sentence = title_of(header)
    fields = fields_of(header)
    types = _parameter_types(sql)
    assertions = tuple(map(parse_assertion, header.assertions))
    used = {name for assertion in assertions for name in assertion.parameters}
    if stray := sorted({*header.notes, *header.checked_with, *used} - set(types)):
        raise UnknownName("parameter", stray[0], types, "the header")
    order = sorted(types, key=lambda p: (p != "shop", _first_use(sql, p)))
    return Metric(
        name=name,
        sentence=sentence,
        unit=fields["unit"],
        grain=names_in(fields["grain"]),
        reads=names_in(fields["reads"]),
        sql=sql,
        parameters={p: MetricParameter(p, types[p], header.notes.get(p, "")) for p in order},
        labels={name: parse_label(name, text) for name, text in header.labels.items()},
        assertions=assertions,
        checked_with=header.checked_with,
    )


def _first_use(sql: str, parameter: str) -> int:
    match = re.search(rf"\${parameter}\b(?!:\s)", sql)
    return match.start() if match else len(sql)


def _parameter_types(sql: str) -> dict[str, str]:
    """Return each named parameter with the type of its cast in the SQL, or ''."""
    types = {}
    for name in check_select(sql):
        casts = {t.upper() for t in re.findall(rf"\${name}::(\w+)", sql)}
        if len(casts) > 1:
            raise InputError(f"parameter {name!r} is cast to {' and '.join(sorted(casts))}")
        types[name] = casts.pop() if casts else ""
    return types


def evaluate(
    con: duckdb.DuckDBPyConnection, metric: Metric, params: Mapping[str, object]
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a metric as a lazy relation.

    Args:
        con: Connection to a warehouse.
        metric: One of `load_metrics()`.
        params: Values for exactly the parameters of the metric.

    Raises:
        InputError: A parameter is missing, unknown, or has an invalid type.
    """
    checked = check_parameters(metric, params)
    return con.sql(metric.sql, params=checked)


def check_parameters(metric: Metric, params: Mapping[str, object]) -> dict[str, object]:
    """Convert `params` to the types of the metric: dates to dates, integers to integers.

    Raises:
        UnknownName: A parameter does not exist.
        InputError: A parameter is missing or has an invalid type.
    """
    place = f"metric {metric.name!r}"
    for name in params:
        if name not in metric.parameters:
            raise UnknownName("parameter", name, metric.parameters, place)
    if missing := [p for p in metric.parameters if p not in params]:
        raise InputError(
            f"{place}: missing parameters {', '.join(missing)}. Required: "
            f"{', '.join(metric.parameters)}."
        )
    return {p.name: _check_value(place, p, params[p.name]) for p in metric.parameters.values()}


def parameters_from_text(metric: Metric, texts: Mapping[str, str]) -> dict[str, object]:
    """Parse parameters from text, such as the command line, by the type of their cast.

    Raises:
        UnknownName: A parameter does not exist.
        InputError: A value does not have the type of the parameter.
    """
    read: dict[str, object] = {}
    for name, text in texts.items():
        if name not in metric.parameters:
            raise UnknownName("parameter", name, metric.parameters, f"metric {metric.name!r}")
        wanted = metric.parameters[name].type
        read[name] = from_text(_KINDS.get(wanted), text)
        if _KINDS.get(wanted) in ("integer", "number") and isinstance(read[name], str):
            raise InputError(f"metric {metric.name!r}: {name}={text!r} is not a valid {wanted}")
    return read


def _check_value(place: str, parameter: MetricParameter, value: object) -> object:
    kind = _KINDS.get(parameter.type)
    if kind is None:
        return value
    try:
        checked = adapter(TYPES[kind]).validate_python(value)
    except ValueError:
        raise InputError(
            f"{place}: parameter {parameter.name!r} must be of type {parameter.type}, not {value!r}"
        ) from None
    limits = range_of(parameter.name, parameter.note)
    if limits and (use := limits.why_not(checked)):
        raise InputError(f"{place}: parameter {parameter.name!r} is {checked}. Use {use}.")
    return checked


_KINDS: dict[str, ParameterKind] = {
    "DATE": "date",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "VARCHAR": "text",
    "TEXT": "text",
}
"""Accepted values by the type of the cast; other parameters accept any value."""
