"""Split SQL text into tokens: enough to classify a statement, not to validate it.

Strings, quoted names, and comments are single tokens, so their content is never read as SQL.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<name>"(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z))
    | (?P<parameter>\?\d* | [:@$]\w+)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\.?\d(?:[eE][+-]|[\w.])*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MAIN_VERBS = frozenset(("SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"))


class Token(NamedTuple):
    """A token of SQL; `kind` is 'string', 'name', 'parameter', 'word', 'number', or 'sign'."""

    kind: str
    text: str
    start: int


def tokens(sql: str) -> Iterator[Token]:
    """Yield the tokens of `sql` in order, without whitespace and comments.

    >>> [token.text for token in tokens("SELECT 'a;b' -- note")]
    ['SELECT', "'a;b'"]
    """
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group(), match.start())


def tokens_and_comments(sql: str) -> Iterator[Token]:
    """As `tokens`, with each comment as a token of the kind 'comment'."""
    for match in _TOKEN.finditer(sql):
        kind = str(match.lastgroup)
        if kind == "space" and not match.group().isspace():
            kind = "comment"
        if kind != "space":
            yield Token(kind, match.group(), match.start())


def verb(sql: str) -> str:
    """Return the statement's verb in capitals: 'SELECT', 'INSERT', 'CREATE', ...; '' for no SQL.

    A WITH clause is skipped.

    >>> verb("WITH q AS (SELECT 1) INSERT INTO t SELECT * FROM q")
    'INSERT'
    """
    depth = 0
    first = ""
    for token in tokens(sql):
        word = token.text.upper()
        first = first or word.strip(";")
        if first and first != "WITH":
            return first
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and token.kind == "word" and word in _MAIN_VERBS:
            return word
    return first


def indexed_table(sql: str) -> str | None:
    """Return the table of a CREATE INDEX; None for any other statement.

    >>> indexed_table('CREATE UNIQUE INDEX IF NOT EXISTS i ON "t" (a)')
    't'
    """
    words = [token.text for _, token in zip(range(10), tokens(sql), strict=False)]
    capitals = [word.upper() for word in words]
    if capitals[:1] != ["CREATE"] or "INDEX" not in capitals[1:3] or "ON" not in capitals:
        return None
    return bare(words[capitals.index("ON") + 1])


def added_to(sql: str) -> str:
    """Return the table of a CREATE INDEX or CREATE TRIGGER, in lower case; '' for others.

    >>> added_to("CREATE TRIGGER t AFTER UPDATE ON Orders BEGIN SELECT 1; END")
    'orders'
    """
    words = [token.text for _, token in zip(range(40), tokens(sql), strict=False)]
    capitals = [word.upper() for word in words]
    if capitals[:1] != ["CREATE"] or not {"INDEX", "TRIGGER"} & {*capitals[1:3]}:
        return ""
    return bare(words[capitals.index("ON") + 1]).lower()


def analyzed_table(sql: str) -> str:
    """Return the table of an ANALYZE.

    >>> analyzed_table('ANALYZE "t"')
    't'
    """
    _, name = (token.text for _, token in zip(range(2), tokens(sql), strict=False))
    return bare(name)


def bare(name: str) -> str:
    """Unquote a name: `"a b"`, `[a b]`, and `a b` in backticks are a b."""
    return name.strip('"`[]')


def is_single(sql: str) -> bool:
    """Whether `sql` is at most one statement, including the body of a trigger.

    >>> is_single("SELECT ';';"), is_single("SELECT 1; SELECT 2")
    (True, False)
    """
    if ";" not in sql:
        return True
    return len(list(statements(sql))) <= 1


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, each without its semicolon.

    SQLite decides where a statement is complete, because triggers contain semicolons.

    >>> list(statements("CREATE TABLE t (a); -- the table\\nDELETE FROM t"))
    ['CREATE TABLE t (a)', '-- the table\\nDELETE FROM t']
    """
    start = 0
    for token in tokens(script):
        piece = script[start : token.start + 1]
        if token.text == ";" and sqlite3.complete_statement(piece):
            if any(t.text != ";" for t in tokens(piece)):
                yield piece[:-1].strip()
            start = token.start + 1
    if any(True for _ in tokens(script[start:])):
        yield script[start:].strip()
