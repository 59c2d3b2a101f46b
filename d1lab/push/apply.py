"""Apply or revert the rows of a before-image.

Both ways are the same move with the ends exchanged. A row moves only while it still is what was
seen last; a row that someone else has changed is left alone and listed. What was moved is read
back and compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from d1lab import catalog
from d1lab.d1 import Database, Value
from d1lab.d1.compare_and_set import remove, swap
from d1lab.d1.write import fetch, insert_new
from d1lab.errors import D1QueryError, PushError
from d1lab.push.before_image import BeforeImage, State
from d1lab.push.staged import Key

Progress = Callable[[str, int, int], None]

_SAME_DIGITS = 1e-12  # numbers that agree to twelve digits are the same number
_STEP = 10_000  # rows between two reports of progress


class Applied(NamedTuple):
    """Where the rows of an image are after a move."""

    arrived: int
    left: dict[Key, State]  # neither what they were nor what we wrote: someone else's


class Classified(NamedTuple):
    """The rows of an image before a move."""

    todo: dict[Key, State]  # with what they hold now
    arrived: int
    left: dict[Key, State]


def states(db: Database, image: BeforeImage, keys: Iterable[Key]) -> dict[Key, State]:
    """What the written columns of these rows hold now; each row is read once."""
    asked = list(keys)
    table = catalog.table(image.table)
    found = fetch(db, table.name, table.key, image.columns, asked)
    return {key: found.get(key) for key in asked}


def same(one: State, other: State) -> bool:
    """Whether two states hold the same values, as SQLite may have stored them: 2.0 as 2."""
    if one is None or other is None:
        return one is other
    return all(map(_equal, one, other))


def is_empty(state: State) -> bool:
    """Whether there is no row, or one in which every written column is NULL."""
    return state is None or all(value is None for value in state)


def classify_apply(image: BeforeImage, now: dict[Key, State]) -> Classified:
    """Which rows are still to be written, are written, or are someone else's."""
    todo: dict[Key, State] = {}
    left: dict[Key, State] = {}
    arrived = 0
    for key, change in image.changes.items():
        if same(now[key], change.after):
            arrived += 1
        elif same(now[key], change.before) or (change.before is None and is_empty(now[key])):
            todo[key] = now[key]
        else:
            left[key] = now[key]
    return Classified(todo, arrived, left)


def classify_revert(image: BeforeImage, now: dict[Key, State]) -> Classified:
    """Which rows are still to be restored, are as they were, or are someone else's."""
    todo: dict[Key, State] = {}
    left: dict[Key, State] = {}
    arrived = 0
    for key, change in image.changes.items():
        if _restored(now[key], change.before):
            arrived += 1
        elif same(now[key], change.after):
            todo[key] = now[key]
        else:
            left[key] = now[key]
    return Classified(todo, arrived, left)


def apply(
    db: Database, image: BeforeImage, now: dict[Key, State], progress: Progress | None
) -> Applied:
    """Write what was staged, and read it back.

    Args:
        db: The database.
        image: The rows to change.
        now: What they hold, as `states` gives it.
        progress: Told the table, the rows done and the rows in all.

    Raises:
        PushError: D1 refused a row, or a row came back otherwise than written.
    """
    rows = classify_apply(image, now)
    for part in _parts(list(rows.todo), image.table, progress):
        _write(db, image, {key: rows.todo[key] for key in part})
    found = states(db, image, rows.todo)
    for key in rows.todo:
        if not same(found[key], image.changes[key].after):
            raise _mismatch(image, key, image.changes[key].after, found[key])
    return Applied(rows.arrived + len(rows.todo), rows.left)


def revert(
    db: Database, image: BeforeImage, now: dict[Key, State], progress: Progress | None
) -> Applied:
    """Restore what was there before, and read it back; arguments and errors as in `apply`.

    A row that the push had made is deleted if nothing else was filled in since; otherwise
    it stays, with our columns NULL.
    """
    rows = classify_revert(image, now)
    for part in _parts(list(rows.todo), image.table, progress):
        _restore(db, image, {key: rows.todo[key] for key in part})
    found = states(db, image, rows.todo)
    for key in rows.todo:
        if not _restored(found[key], image.changes[key].before):
            raise _mismatch(image, key, image.changes[key].before, found[key])
    return Applied(rows.arrived + len(rows.todo), rows.left)


def _write(db: Database, image: BeforeImage, rows: dict[Key, State]) -> None:
    table = catalog.table(image.table)
    after = {key: image.changes[key].after for key in rows}
    held = [(key, now, after[key]) for key, now in rows.items() if now is not None]
    new = [(*key, *after[key]) for key, now in rows.items() if now is None]
    try:
        if held:
            swap(db, table.name, table.key, image.columns, held)
        if new:
            insert_new(db, table.name, table.key, (*table.key, *image.columns), new)
    except D1QueryError as error:
        raise PushError(
            f"D1 rejected results for {table.name!r}: {error}. Rows written before "
            "the error stay. Fix the cause and push again, or undo with `d1lab "
            "rollback`."
        ) from error


def _restore(db: Database, image: BeforeImage, rows: dict[Key, State]) -> None:
    table = catalog.table(image.table)
    before = {key: image.changes[key].before for key in rows}
    made = {key: now for key, now in rows.items() if now is not None and before[key] is None}
    if made:
        _delete_inserted(db, image, made)
    held = [
        (key, now, old)
        for key, now in rows.items()
        if now is not None and (old := before[key]) is not None
    ]
    if held:
        swap(db, table.name, table.key, image.columns, held)


def _delete_inserted(db: Database, image: BeforeImage, rows: dict[Key, tuple[Value, ...]]) -> None:
    """Delete rows that hold nothing but what the push gave them; empty our columns in others."""
    table = catalog.table(image.table)
    defaults = _defaults(db, image)
    if defaults is not None:
        names = (*image.columns, *defaults)
        untouched = [(key, (*now, *defaults.values())) for key, now in rows.items()]
        remove(db, table.name, table.key, names, untouched)
    nothing = (None,) * len(image.columns)
    kept = [(key, now, nothing) for key, now in rows.items()]
    swap(db, table.name, table.key, image.columns, kept)


def _defaults(db: Database, image: BeforeImage) -> dict[str, Value] | None:
    """What a row made by the push holds in all other columns.

    None where a default is no plain literal, as CURRENT_TIMESTAMP: it is then unknown whether a
    row was touched since.
    """
    ours = {*catalog.table(image.table).key, *image.columns}
    sql = "SELECT name, dflt_value FROM pragma_table_xinfo(?1) WHERE hidden = 0"
    found: dict[str, Value] = {}
    for name, text in db.query(sql, (image.table,), table=image.table).rows:
        if name in ours:
            continue
        try:
            found[str(name)] = _literal(text)
        except ValueError:
            return None
    return found


def _literal(text: Value) -> Value:
    """The value of a default as SQLite shows it: NULL, a number or a quoted text.

    >>> _literal("0"), _literal("'it''s'"), _literal(None)
    (0, "it's", None)
    """
    if text is None or str(text).upper() == "NULL":
        return None
    word = str(text)
    if len(word) >= 2 and word[0] == word[-1] == "'":
        return word[1:-1].replace("''", "'")
    return int(word) if word.lstrip("+-").isdigit() else float(word)


def _restored(now: State, before: State) -> bool:
    return is_empty(now) if before is None else same(now, before)


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, float) or isinstance(other, float) or type(one) is not type(other):
        return _close(one, other)
    return one == other


def _close(one: Value, other: Value) -> bool:
    """Numbers to twelve digits; a column of TEXT affinity gives a number back as text."""
    if one is None or other is None or isinstance(one, bytes) or isinstance(other, bytes):
        return one == other
    try:
        return math.isclose(float(one), float(other), rel_tol=_SAME_DIGITS)
    except ValueError:
        return one == other


def _parts(keys: list[Key], table: str, progress: Progress | None) -> Iterable[list[Key]]:
    for start in range(0, len(keys), _STEP):
        yield keys[start : start + _STEP]
        if progress:
            progress(table, min(start + _STEP, len(keys)), len(keys))


def _mismatch(image: BeforeImage, key: Key, expected: State, found: State) -> PushError:
    named = ", ".join(
        f"{name} {value!r}" for name, value in zip(catalog.table(image.table).key, key, strict=True)
    )
    where = f"row ({named}) of {image.table!r}"
    advice = (
        "Someone else wrote it in the same moment, or a trigger of the app changes it. "
        "What was written stays: push again, or take it back with `d1lab rollback`."
    )
    if expected is None or found is None:
        was = "no row" if expected is None else "the row"
        return PushError(
            f"{where}: wrote {was}, read back {'no row' if found is None else found}. {advice}"
        )
    name, want, got = next(
        (name, want, got)
        for name, want, got in zip(image.columns, expected, found, strict=True)
        if not _equal(want, got)
    )
    return PushError(f"{where}, column {name!r}: wrote {want!r}, read back {got!r}. {advice}")
