"""The header of a metric file: the comment lines at its top, up to an empty one; remarks follow it.

`d1lab.metrics` describes its lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from d1lab.errors import InputError

_FIELD = re.compile(r"\b(unit|grain|reads):")
_NOTE = re.compile(r"\$(\w+):\s*(.*)")
_ASSERTION = re.compile(r"assert:\s*(.*)")
_CHECK = re.compile(r"check:\s*(.*)")
_LABEL = re.compile(r"(?!unit:|grain:|reads:)([a-z]\w*):\s+(.+)")


class Header(NamedTuple):
    """Parts of a header."""

    title: list[str]
    fields: list[str]
    notes: dict[str, str]  # by parameter
    labels: dict[str, str]  # by column
    assertions: list[str]  # what must be true of every row
    checked_with: dict[str, str]  # parameters of `d1lab check`, as text


def parse_header(sql: str) -> Header:
    """Return the parts of the header of a metric file.

    Raises:
        InputError: A column has two labels, or a `check:` line is not `name=value`.
    """
    header = Header([], [], {}, {}, [], {})
    for line in _header_lines(sql):
        _add(line, header)
    return header


def _add(line: str, header: Header) -> None:
    """Add one line to the part that it belongs to."""
    if note := _NOTE.fullmatch(line):
        header.notes[note[1]] = note[2]
    elif assertion := _ASSERTION.fullmatch(line):
        header.assertions.append(assertion[1])
    elif values := _CHECK.fullmatch(line):
        header.checked_with.update(map(_pair, values[1].split()))
    elif header.fields and (label := _LABEL.fullmatch(line)):
        if label[1] in header.labels:
            raise InputError(f"the header labels {label[1]!r} twice")
        header.labels[label[1]] = label[2]
    elif header.fields or _FIELD.match(line):
        header.fields.append(line)
    else:
        header.title.append(line)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise InputError(f"the header's check: {text!r} is invalid. Use name=value.")
    return name, value


def _header_lines(sql: str) -> Iterator[str]:
    for line in sql.splitlines():
        if not line.startswith("--") or not line.strip("- "):
            return
        yield line.lstrip("- ").rstrip()


def title_of(header: Header) -> tuple[str, str]:
    """Return the name and the description.

    Raises:
        InputError: They are missing.
    """
    name, colon, sentence = " ".join(header.title).partition(":")
    if not (colon and name.isidentifier() and sentence.strip()):
        raise InputError("the first line must be '-- name: description'")
    return name, sentence.strip()


def fields_of(header: Header) -> dict[str, str]:
    """Return `unit`, `grain`, and `reads`.

    Raises:
        InputError: One of them is missing.
    """
    parts = _FIELD.split(" ".join(header.fields))
    found = {key: value.strip() for key, value in zip(parts[1::2], parts[2::2], strict=True)}
    for key in ("unit", "grain", "reads"):
        if not found.get(key):
            raise InputError(f"the header has no '{key}: ...'")
    return found


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of a field, such as 'shop, sku'."""
    return tuple(name.strip() for name in text.split(","))
