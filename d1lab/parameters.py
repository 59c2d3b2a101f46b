"""Report parameters: parsed from the notebook, and checked before a kernel starts.

A report declares them in the cell tagged `parameters`, as plain Python:

    shop = "harbor"              # the shop's name
    as_of: str | None = None     # last day of the report; default: the last complete day
    days = 30                    # length of the period
    codes: list[str] = []        # only these codes

The type is that of the annotation, or of the default; the comment is the help text. `[0 to 1]` or
`[1 or more]` in it is the range of a number; without one, days and weeks are at least 1. A text
named `as_of`, `since`, or `until`, or annotated with `date`, is a day: YYYY-MM-DD, or one of the
words `today`, `yesterday`, and `latest` (the last complete day in the data), in the shop's time
zone.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

from pydantic import (
    AllowInfNan,
    Strict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from d1lab.errors import InputError, UnknownName
from d1lab.parameter_types import TYPES, ParameterKind, adapter, from_text, range_of

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

DAY_NAMES = frozenset({"as_of", "since", "until"})
_KINDS: dict[str, ParameterKind] = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "bool",
    "date": "date",
}
_EXPECTED = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "date": "a day as YYYY-MM-DD, today, yesterday, or latest",
}


class ReportParameter(NamedTuple):
    """One declared parameter of a report."""

    name: str
    kind: ParameterKind
    many: bool  # a list of that kind
    optional: bool  # None is allowed
    default: Value
    help: str

    @property
    def type(self) -> Any:
        """The type that pydantic checks its values with."""
        one = _TYPES.get(self.kind, TYPES[self.kind])
        many: Any = Annotated[list[one], Strict()] if self.many else one
        return many | None if self.optional else many

    @property
    def expected(self) -> str:
        """The expected value, in words."""
        one = _EXPECTED[self.kind]
        words = f"a list, each entry {one}" if self.many else one
        return f"{words}, or null" if self.optional else words


class Days(NamedTuple):
    """The meaning of the words for days. `latest` is None if there is no data yet."""

    today: date
    latest: date | None = None


def utc_today() -> date:
    """Return the current day in UTC."""
    return datetime.now(UTC).date()


def declared(source: str, where: str) -> dict[str, ReportParameter]:
    """Parse the parameters declared in a `parameters` cell, in order.

    Args:
        source: The cell's source.
        where: The report, for messages: "report 'inventory'".

    Raises:
        InputError: The cell has a statement other than an assignment of a literal.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{where}: parameters cell, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a NUL, or nested too deeply
        raise InputError(f"{where}: parameters cell: {error or type(error).__name__}") from None
    comments = _comments(source)
    found: dict[str, ReportParameter] = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            continue
        parameter = _parameter(node, comments, where)
        if parameter.name in found:
            raise InputError(f"{where}: parameter {parameter.name!r} is declared twice")
        found[parameter.name] = parameter
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _comments(source: str) -> dict[int, str]:
    """Return the comments by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found: dict[int, str] = {}
    with suppress(tokenize.TokenError, SyntaxError):  # help is left out where it cannot be read
        for token in tokens:
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("# ").strip()
    return found


def _parameter(node: ast.stmt, comments: Mapping[int, str], where: str) -> ReportParameter:
    target, annotation, value = _parts(node)
    if target is None or value is None:
        line = ast.unparse(node).splitlines()[0]
        raise InputError(
            f"{where}: parameters cell, line {node.lineno}: {line!r} is not a simple "
            "assignment such as `days = 30`. Move computations to a later cell."
        )
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError, RecursionError):
        raise InputError(
            f"{where}: the default of parameter {target!r} must be a literal, "
            f"not {ast.unparse(value)!r}. Move computations to a later cell."
        ) from None
    kind, many, optional = _type(target, annotation, default, where)
    text = comments.get(node.end_lineno or node.lineno, "")
    parameter = ReportParameter(target, kind, many, optional or default is None, default, text)
    _checked(parameter, default, Days(utc_today()), where)
    return parameter


def _parts(node: ast.stmt) -> tuple[str | None, ast.expr | None, ast.expr | None]:
    """Return the name, the annotation, and the value of an assignment."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.annotation, node.value
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return (target.id if isinstance(target, ast.Name) else None), None, node.value
    return None, None, None


def _type(
    name: str, annotation: ast.expr | None, default: Any, where: str
) -> tuple[ParameterKind, bool, bool]:
    """Return the kind, whether it is a list, and whether None is allowed."""
    written = ast.unparse(annotation) if annotation else _type_of(default)
    parts = [part.strip() for part in _without_optional(written).split("|")]
    kinds = [part for part in parts if part != "None"]
    match = re.fullmatch(r"(list\[)?(?:datetime\.)?(\w+)\]?", kinds[0]) if len(kinds) == 1 else None
    if match is None and not kinds and name in DAY_NAMES:
        return "date", False, True
    if match is None or match[2] not in _KINDS:
        raise InputError(
            f"{where}: parameter {name!r} has an unsupported type ({written}). Annotate it with "
            "str, int, float, bool, date, or list[...] of these, with `| None` if it is optional."
        )
    kind = _KINDS[match[2]]
    if kind == "text" and name in DAY_NAMES:
        kind = "date"
    return kind, bool(match[1]), "None" in parts


def _without_optional(written: str) -> str:
    match = re.fullmatch(r"(?:typing\.)?Optional\[(.*)\]", written)
    return f"{match[1]} | None" if match else written


def _type_of(default: Any) -> str:
    """Return the type of a default, as an annotation."""
    if not isinstance(default, list):
        return type(default).__name__ if default is not None else "None"
    kinds = {type(entry).__name__ for entry in cast("list[object]", default)}
    return f"list[{kinds.pop()}]" if len(kinds) == 1 else "list"


def check(
    parameters: Mapping[str, ReportParameter],
    values: Mapping[str, Any],
    texts: Mapping[str, str],
    days: Days,
    where: str,
) -> dict[str, Value]:
    """Return all parameters of a run: the checked values passed, and defaults for the rest.

    Args:
        parameters: The declared ones.
        values: Typed values, from a file or from Python.
        texts: Values as text (`--set name=text`), parsed by declared type; they take precedence.
        days: The meaning of `today`, `yesterday`, and `latest`.
        where: The report, for messages: "report 'inventory'".

    Returns:
        The values by name; days are YYYY-MM-DD, and None stays None.

    Raises:
        UnknownName: A parameter is not declared; the message suggests the closest.
        InputError: A value does not have its declared type.
    """
    for name in (*values, *texts):
        if name not in parameters:
            raise UnknownName("parameter", name, parameters, where)
    given = dict(values) | {n: _read(parameters[n], text, where) for n, text in texts.items()}
    return {
        name: _checked(parameter, given.get(name, parameter.default), days, where)
        for name, parameter in parameters.items()
    }


def _checked(parameter: ReportParameter, value: Any, days: Days, where: str) -> Value:
    """Return the value if it has the declared type."""
    context = (parameter, days, where)
    try:
        checked: Any = adapter(parameter.type).validate_python(value, context=context)
    except ValidationError as error:
        raise _invalid(parameter, error.errors()[0]["input"], where) from None
    numbers: list[Any] = checked if parameter.many and checked else [checked]
    limits = range_of(parameter.name, parameter.help)
    for one in numbers:
        if limits and (use := limits.why_not(one)):
            raise InputError(f"{where}: parameter {parameter.name!r} is {one}. Use {use}.")
    return checked


def _read_day(value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str | None:
    """Convert a day, or a word for a day, to YYYY-MM-DD; None if `latest` is not available."""
    parameter, days, where = cast("tuple[ReportParameter, Days, str]", info.context)
    if value == "latest":
        if days.latest is None and not parameter.optional:
            raise InputError(
                f"{where}: parameter {parameter.name!r}: 'latest' is not available "
                "because the shop has no data yet"
            )
        return days.latest.isoformat() if days.latest else None
    words = {"today": days.today, "yesterday": days.today - timedelta(days=1)}
    if isinstance(value, datetime):  # TOML has a day type; a datetime is not a day
        raise ValueError("a datetime is not a day")
    return check(words.get(value, value) if isinstance(value, str) else value).isoformat()


_TYPES: dict[ParameterKind, Any] = {
    "date": Annotated[TYPES["date"], WrapValidator(_read_day)],
    "number": Annotated[float, Strict(), AllowInfNan(False)],
}
"""Types that differ from those of metrics: words for days, and finite floats."""


def _invalid(parameter: ReportParameter, value: Any, where: str) -> InputError:
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    return InputError(
        f"{where}: parameter {parameter.name!r} expects {parameter.expected}, "
        f"got {shown} ({type(value).__name__})"
    )


def _read(parameter: ReportParameter, text: str, where: str) -> Any:
    """Parse a text by the declared type; `null` is None if None is allowed."""
    if parameter.optional and text == "null":
        return None
    if not parameter.many:
        return from_text(parameter.kind, text)
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise _invalid(parameter, text, where) from None
    return [from_text(parameter.kind, part.strip()) for part in text.split(",")] if text else []


def load_values(path: Path) -> dict[str, Any]:
    """Read parameters from a JSON or TOML file: one value per name.

    Raises:
        InputError: The file cannot be read, or is not JSON or TOML.
    """
    readers = {".json": json.loads, ".toml": tomllib.loads}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a .json or .toml file")
    try:
        values: Any = readers[path.suffix](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: expected one value for each name, found a {type(values).__name__}"
        )
    return cast("dict[str, Any]", values)
