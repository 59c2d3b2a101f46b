"""Read the comments and views in a database's own SQL.

SQLite keeps each CREATE statement as it was written. A comment belongs to the column whose line it
ends, or before which it stands; one on the line of the table's name belongs to the table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from d1lab.d1.database import Database, Statement
from d1lab.d1.sql_tokens import Token, bare, tokens, tokens_and_comments

_SQL = """
SELECT type, name, sql FROM sqlite_schema
WHERE type IN ('table', 'view') AND sql IS NOT NULL ORDER BY rowid
"""
_CONSTRAINTS = frozenset(("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"))


class Comments(NamedTuple):
    """The comments in a CREATE TABLE."""

    table: str
    columns: dict[str, str]  # by the column's name in lower case


class Declarations(NamedTuple):
    """Information in a database's SQL that PRAGMAs do not return."""

    comments: dict[str, Comments]  # by table
    views: dict[str, str]  # each view's CREATE statement
    collated: frozenset[str]  # columns, in lower case, with a collation such as NOCASE


_NOTHING = Declarations({}, {}, frozenset())


def read_declarations(db: Database, tables: Collection[str]) -> Declarations:
    """Return the comments of these tables, and all views.

    Reads one row for each table, index, trigger, and view.
    """
    [listed] = db.batch([Statement("PRAGMA table_list", least_rows=1)])
    kind = listed.columns.index("type")
    if not tables and all(row[kind] != "view" or row[0] != "main" for row in listed.rows):
        return _NOTHING
    rows = [(str(kind), str(name), str(sql)) for kind, name, sql in db.query(_SQL).rows]
    comments = {n: comments_of(sql) for kind, n, sql in rows if kind == "table" and n in tables}
    collated = [collated_columns(sql) for kind, _, sql in rows if kind == "table"]
    views = {name: sql for kind, name, sql in rows if kind == "view"}
    return Declarations(comments, views, frozenset().union(*collated))


def collated_columns(sql: str) -> frozenset[str]:
    """Return the columns of a CREATE TABLE that do not compare byte by byte, in lower case.

    >>> collated_columns("CREATE TABLE t (id INTEGER, Email TEXT COLLATE NOCASE, n COLLATE binary)")
    frozenset({'email'})
    """
    found: set[str] = set()
    depth, column, previous = 0, "", ""
    for token in tokens(sql):
        if depth == 1 and previous in ("(", ","):
            column = bare(token.text).lower()
        if previous.upper() == "COLLATE" and bare(token.text).upper() != "BINARY":
            found.add(column)
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        previous = token.text
    return frozenset(found)


def comments_of(sql: str) -> Comments:
    """Return the comments of a CREATE TABLE.

    >>> comments_of("CREATE TABLE t ( -- the shop's orders\\n  id INTEGER, -- from the till\\n  n)")
    Comments(table="the shop's orders", columns={'id': 'from the till'})
    """
    table: list[str] = []
    columns: dict[str, list[str]] = {}
    waiting: list[str] = []
    for column, comment, is_own_line in _placed(sql):
        if comment is None:
            columns.setdefault(column, []).extend(waiting)
            waiting = []
        elif is_own_line:
            waiting.append(comment)
        elif column:
            columns.setdefault(column, []).append(comment)
        else:
            table.append(comment)
    table += waiting
    said = {name: " ".join(texts) for name, texts in columns.items() if texts}
    return Comments(" ".join(table), said)


def view_parts(create_view: str) -> tuple[str, str]:
    """Return the column list of a CREATE VIEW ('' if there is none), and its SELECT.

    >>> view_parts("CREATE VIEW v AS SELECT 1"), view_parts('CREATE VIEW v("a b") AS SELECT 1')
    (('', 'SELECT 1'), ('("a b")', 'SELECT 1'))
    """
    names = 0, 0
    for token in tokens_and_comments(create_view):
        if token.text in ("(", ")"):
            names = (token.start, names[1]) if token.text == "(" else (names[0], token.start + 1)
        if token.kind == "word" and token.text.upper() == "AS":
            return create_view[slice(*names)], create_view[token.start + 2 :].strip()
    return "", ""


def _placed(sql: str) -> Iterator[tuple[str, str | None, bool]]:
    """Each column as it begins, and each comment with the column it stands in or just after.

    Yields (column, None, False) for a column, else (column or '', comment, whether it has a line
    of its own).
    """
    depth, column, begins, end = 0, "", False, 0
    for token in tokens_and_comments(sql):
        if token.kind == "comment":
            yield column, _words(token), "\n" in sql[end : token.start]
        elif depth == 1 and begins and token.text != ",":
            begins = False
            column = "" if token.text.upper() in _CONSTRAINTS else bare(token.text).lower()
            if column:
                yield column, None, False
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        begins = begins or (depth == 1 and token.text in ("(", ","))
        end = end if token.kind == "comment" else token.start + len(token.text)


def _words(comment: Token) -> str:
    text = comment.text.removeprefix("--").removeprefix("/*").removesuffix("*/")
    return " ".join(text.split())
