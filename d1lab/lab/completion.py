"""Completion in notebooks: names of the warehouse inside strings, and SQL in strings and cells.

IPython asks the matcher at every Tab. It answers inside a string that d1lab reads, and in cells
that begin with %%d1, and leaves all other places to IPython.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab.lab.local_tables import is_tabular

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab

_WORDS = """
SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT JOIN LEFT INNER FULL CROSS ON USING AS WITH AND OR NOT
NULL IS IN BETWEEN LIKE ILIKE CASE WHEN THEN ELSE END DISTINCT UNION ALL EXCEPT PIVOT UNPIVOT OVER
PARTITION QUALIFY ASC DESC INTERVAL DATE EXCLUDE REPLACE FILTER ASOF EXISTS
"""
_FUNCTIONS = """
count( sum( avg( min( max( median( quantile_cont( round( coalesce( date_trunc( date_diff( strftime(
lower( upper( lag( lead( row_number( rank( arg_max( arg_min( any_value( list( nullif( greatest(
least( abs( concat( regexp_matches( bool_or( stddev(
"""
WORDS, FUNCTIONS = tuple(_WORDS.split()), tuple(_FUNCTIONS.split())
MAGIC_OPTIONS = ("--limit", "--lazy", "--save", "--help", "from")
_TABLES_NEXT = re.compile(r"\b(?:from|join|pivot|describe)\s+[\w.]*$", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:from|join|pivot)\s+([\w.]+)(?:\s+(?:as\s+)?(?!(?:on|using|where|group|order|join|left|"
    r"inner|full|cross|limit|having|qualify|as)\b)(\w+))?",
    re.IGNORECASE,
)
_SQL_STRING = re.compile(
    r"\.(?:sql|explain)\(\s*[rRfF]?(\"\"\"|'''|\"|')((?:(?!\1).)*)$", re.DOTALL
)
_PARAMETER = re.compile(r"\.metric\(\s*[\"'](\w+)[\"']\s*,(?:[^()]|\([^()]*\))*?(\w*)$", re.DOTALL)
_PLACES: tuple[tuple[str, Callable[[Lab], Iterable[str]]], ...] = (
    (r"\.metric\(\s*[\"'](\w*)$", lambda lab: lab.metric_names),
    (r"\.explain\(\s*[\"'](\w*)$", lambda lab: lab.metric_names),
    (r"\.describe\(\s*[\"']([\w.]*)$", lambda lab: lab.tables),
    (r"\.tables\[\s*[\"']([\w.]*)$", lambda lab: lab.tables),
    (r"\bshop\s*=\s*[\"']([^\"']*)$", lambda lab: lab.shops),
    (r"\bkind\s*=\s*[\"'](\w*)$", lambda _: ("code", "customer", "discount", "sku", "test")),
    (r"\.verdict\([^()]*,\s*[\"'](\w*)$", lambda _: ("good", "bad", "neutral", "unknown")),
)
"""Strings that take a name, each with the names that fit."""


class Completions(NamedTuple):
    """Completions of the word before the cursor."""

    fragment: str
    texts: list[str]


def register(lab: Lab, shell: Any) -> None:
    """Add the matcher to a running IPython; it replaces that of an earlier lab."""
    from IPython.core.completer import SimpleCompletion, context_matcher  # pyright: ignore

    @context_matcher(identifier="d1lab")  # pyright: ignore[reportUntypedFunctionDecorator]
    def d1lab_matcher(context: Any) -> dict[str, Any]:
        before = _before(context)
        found = offer(lab, before, context.full_text, shell.user_ns)
        if found is None:
            return {"completions": []}
        completions = [SimpleCompletion(text=text, type="d1lab") for text in found.texts]
        return {
            "completions": completions,
            "matched_fragment": found.fragment,
            "ordered": True,
            "suppress": bool(completions),
        }

    kept = [m for m in shell.Completer.custom_matchers if m.__name__ != d1lab_matcher.__name__]
    shell.Completer.custom_matchers = [*kept, d1lab_matcher]


def _before(context: Any) -> str:
    """Return the text before the cursor."""
    lines = context.full_text.split("\n")
    return "\n".join(
        [*lines[: context.cursor_line], context.line_with_cursor[: context.cursor_position]]
    )


def offer(lab: Lab, before: str, whole: str, names: Mapping[str, Any]) -> Completions | None:
    """Return the completions at a place; None where d1lab has none to say.

    Args:
        lab: The lab that knows the names.
        before: Text of the cell before the cursor.
        whole: Text of the whole cell.
        names: The notebook's variables.
    """
    if whole.lstrip().startswith("%%d1"):
        line, is_below, sql = before.partition("\n")
        return _sql(lab, sql, whole.partition("\n")[2], names) if is_below else _magic(line, names)
    for place, fitting in _PLACES:
        if match := re.search(place, before):
            return _fitting(match[1], fitting(lab))
    if match := _PARAMETER.search(before):
        return _parameters(lab, match[1], match[2], before)
    if match := _SQL_STRING.search(before):
        rest = whole[len(before) :].partition(match[1])[0]
        return _sql(lab, match[2], match[2] + rest, names)
    return None


def _fitting(fragment: str, texts: Iterable[str]) -> Completions:
    return Completions(
        fragment, [text for text in texts if text.lower().startswith(fragment.lower())]
    )


def _parameters(lab: Lab, metric: str, fragment: str, before: str) -> Completions | None:
    parameters = lab.parameters_of(metric)
    call = before[before.rfind(".metric(") :]
    return _fitting(fragment, [f"{p}=" for p in parameters if f"{p}=" not in call])


def _magic(line: str, names: Mapping[str, Any]) -> Completions:
    fragment = re.search(r"\S*$", line.removeprefix("%%d1"))
    labs = [n for n, value in names.items() if type(value).__name__ == "Lab" and n[0] != "_"]
    is_lab = re.search(r"\bfrom\s+\w*$", line)
    return _fitting(fragment[0] if fragment else "", labs if is_lab else MAGIC_OPTIONS)


def _sql(lab: Lab, before: str, whole: str, names: Mapping[str, Any]) -> Completions:
    """Complete SQL: a column after a table's name, a table after FROM, else all that fits."""
    fragment = re.search(r"\$?[\w.]*$", before)
    word = fragment[0] if fragment else ""
    if word.startswith("$"):
        plain = [f"${n}" for n, v in names.items() if n[0] != "_" and _is_value(v)]
        return _fitting(word, plain)
    read = dict(_named(whole))
    owner, dot, _ = word.rpartition(".")
    if dot and owner in read:
        return _fitting(word, [f"{owner}.{c}" for c in _columns(lab, read[owner], names)])
    local = [n for n, value in names.items() if n[0] != "_" and is_tabular(value)]
    tables = [*lab.tables, *local]
    if _TABLES_NEXT.search(before):
        return _fitting(word, tables)
    columns = [c for table in dict.fromkeys(read.values()) for c in _columns(lab, table, names)]
    words = [w.lower() for w in WORDS] if word.islower() else WORDS
    return _fitting(word, dict.fromkeys([*columns, *words, *tables, *FUNCTIONS]))


def _named(sql: str) -> Iterator[tuple[str, str]]:
    """Yield the tables of a statement by their names and aliases."""
    for table, alias in _NAMED.findall(sql):
        yield table, table
        if alias:
            yield alias, table


def _columns(lab: Lab, table: str, names: Mapping[str, Any]) -> list[str]:
    if table in lab.tables:
        return lab.tables[table].columns
    local: Any = names.get(table)
    return [str(name) for name in local.columns] if is_tabular(local) else []


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float) or hasattr(value, "isoformat")
